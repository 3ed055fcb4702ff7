#![allow(missing_docs, clippy::all, clippy::pedantic, clippy::print_stdout, clippy::unwrap_used)]
use mcphub_predictor::backtest::*;
use mcphub_predictor::features::*;
use mcphub_predictor::model::file::{Columns, Model};
fn cpu() -> f64 {
    let t = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    t.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}
fn main() {
    let file = std::env::args().nth(1).unwrap();
    let dir = std::env::args().nth(2).unwrap();
    let model =
        Model::from_bytes(&std::fs::read(file).unwrap(), &Columns::from(&Schema::telemetry())).unwrap();
    let split = Split::parse(Protocol::Hubsim, &std::fs::read(format!("{dir}/split.json")).unwrap()).unwrap();
    let data = Dataset::read(&split, |n| std::fs::File::open(format!("{dir}/{n}"))).unwrap();
    // costs
    let samples: Vec<_> = data.entities[1].samples().unwrap().collect();
    let schema = Schema::telemetry();
    let mut e = Extractor::new();
    let mut rows = Vec::new();
    samples[..6000].iter().for_each(|s| e.push(s));
    let (mut tp, mut tv) = (0.0, 0.0);
    for block in samples[6000..16000].chunks(100) {
        let t = cpu();
        block.iter().for_each(|s| e.push(s));
        tp += cpu() - t;
        let t = cpu();
        for _ in 0..100 {
            let mut row = Vec::new();
            e.vector(&schema, &Surroundings::default(), &mut row);
            rows.push(row);
        }
        tv += cpu() - t;
    }
    println!(
        "push {:.2} us, vector {:.2} us ({} features)",
        tp * 1e6 / 10000.0,
        tv * 1e6 / 10000.0,
        schema.len()
    );
    let t = cpu();
    let mut s = 0.0;
    for r in &rows {
        for h in &model.horizons {
            s += h.calibrator.probability(f64::from(h.estimator.predict(r).unwrap()).min(1.0)).unwrap();
        }
    }
    println!("three horizons {:.2} us", (cpu() - t) * 1e6 / rows.len() as f64);
    let t = cpu();
    if let Some(k) = &model.kinds {
        for r in &rows {
            s += k.predict(r).unwrap().first().1;
        }
    }
    println!("kinds {:.2} us ({s})", (cpu() - t) * 1e6 / rows.len() as f64);
    // kinds
    if let Some(k) = &model.kinds {
        for off in [-8i64, -2, 2] {
            let mut answers = Vec::new();
            for en in &data.entities {
                let samples: Vec<_> = en.samples().unwrap().collect();
                let at: Vec<_> = en
                    .failures
                    .iter()
                    .filter(|f| f.start > 2890)
                    .map(|f| ((f.start as i64 + off) as usize, f.class.as_str()))
                    .filter(|a| a.0 < samples.len())
                    .collect();
                let series = mcphub_predictor::training::Series {
                    minutes: &[],
                    samples: &samples,
                    begin: 0,
                    starts: &[],
                    around: &[],
                };
                let ex = series.examples(&schema, at.iter().map(|a| (a.0, false))).unwrap();
                for (r, a) in ex.rows().iter().zip(&at) {
                    let (kind, c) = k.predict(r).unwrap().first();
                    answers.push(Answer { class: a.1, said: kind.as_str(), confidence: c });
                }
            }
            let f = type_figures(&answers);
            println!(
                "kinds at {off}: n {} macroF1 {:.3} acc {:.3} coverage {:.3} acc confident {:.3}",
                f.answers,
                f.macro_f1.unwrap(),
                f.accuracy.unwrap(),
                f.coverage.unwrap(),
                f.accuracy_confident.unwrap_or(0.0)
            );
        }
    }
    let taught = Taught::new("teacher", &model);
    let report = run(&data, None, &[&taught], 1).unwrap();
    print!("{}", as_text(&report));
    let report = run(&data, Some(&data), &[&taught], 1).unwrap();
    print!("{}", as_text(&report));
}
