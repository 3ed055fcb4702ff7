use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::backtest::{Fitted, OfKind, Rules, Scale, Settings, as_pages, as_text, testing};

const SETTINGS: Settings = Settings {
    sample: Duration::from_secs(60),
    horizon: 3,
    rules: Rules { merge_gap: 1, guard: 0, warm_up: 0 },
    cool_down: 3,
    score_every: 1,
    train_share: 0.5,
};

/// Five machines that fail every ten samples, forty samples each.
fn data(names: [&str; 5]) -> Dataset {
    let downs = ".........#".repeat(4);
    let entities = names.map(|name| testing::entity(name, &downs, "mem_leak", &SETTINGS.rules)).to_vec();
    Dataset {
        protocol: Protocol::Smd,
        settings: SETTINGS,
        columns: vec!["value".to_owned()],
        simulated: false,
        entities,
    }
}

/// Who was fitted on, up to which sample, and who was scored by that, from which sample.
type Log = Arc<Mutex<Vec<(Parts, Parts)>>>;

/// Entities, and for each a sample.
type Parts = Vec<(String, usize)>;

/// Knows that what is left of ten samples is the time to the failure, and writes down what it is asked.
#[derive(Default)]
struct Witness(Log);

struct Testimony {
    log: Log,
    place: usize,
}

impl Scorer for Witness {
    fn name(&self) -> &str {
        "witness"
    }

    fn scale(&self) -> Scale {
        Scale::Probabilities
    }

    fn fit(&self, spans: &[Span<'_>], _: usize) -> Result<Box<dyn Fitted>, Unfit> {
        let seen = spans.iter().map(|span| (span.entity.name.clone(), span.part.end)).collect();
        let mut log = self.0.lock().unwrap();
        log.push((seen, Vec::new()));
        Ok(Box::new(Testimony { log: Arc::clone(&self.0), place: log.len() - 1 }))
    }
}

impl Fitted for Testimony {
    fn score(&self, span: &Span<'_>) -> Result<Vec<f64>, Unfit> {
        self.log.lock().unwrap()[self.place].1.push((span.entity.name.clone(), span.part.start));
        Ok(span.rows.iter().map(|at| if at % 10 >= 6 { 0.9 } else { 0.1 }).collect())
    }
}

/// What it was asked, the model of all last: folds are fitted in any order, and so are entities scored.
fn log_of(witness: &Witness) -> Vec<(Parts, Parts)> {
    let mut log = witness.0.lock().unwrap().clone();
    log.iter_mut().for_each(|(_, scored)| scored.sort());
    log.sort_by_key(|(fitted, _)| fitted.len());
    log
}

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

#[test]
fn nobody_is_scored_for_thresholds_by_a_model_that_has_seen_them() {
    let (witness, data) = (Witness::default(), data(NAMES));
    run(&data, None, &[&witness], 1).expect("it can be judged");
    let log = log_of(&witness);
    assert_eq!(log.len(), 6); // A model without each machine, and one of all.
    for (fitted, scored) in &log[..5] {
        assert_eq!(fitted.len(), 4);
        // The cut is at 20; the last three rows before it would tell what comes after.
        assert!(fitted.iter().all(|(_, end)| *end == 17));
        assert!(scored.iter().all(|(name, _)| fitted.iter().all(|(seen, _)| seen != name)));
        let parts: Vec<_> = scored.iter().map(|(_, start)| *start).collect();
        assert_eq!(parts, [0, 20]); // Before the cut for the threshold, after it for the figures.
    }
    let (fitted, scored) = &log[5];
    assert_eq!((fitted.len(), scored.len()), (5, 5));
    assert!(scored.iter().all(|(_, start)| *start == 20));
}

#[test]
fn with_a_second_folder_all_of_the_first_is_fitted_on() {
    let (witness, train, test) = (Witness::default(), data(NAMES), data(["f", "g", "h", "i", "j"]));
    let report = run(&train, Some(&test), &[&witness], 1).expect("it can be judged");
    let log = log_of(&witness);
    assert!(log.iter().all(|(fitted, _)| fitted.iter().all(|(name, end)| *end == 40 && name < &"f".into())));
    let (_, scored) = &log[5];
    assert_eq!(scored.iter().map(|(name, _)| name.as_str()).collect::<String>(), "fghij");
    assert_eq!(report.tested_on, TestedOn::OtherEntities);
    assert_eq!(report.scorers[0].horizons[0].tested.eligible, 20);
}

#[test]
fn who_knows_the_future_is_right() {
    let report = run(&data(NAMES), None, &[&Witness::default()], 1).expect("it can be judged");
    let horizon = &report.scorers[0].horizons[0];
    assert_eq!(horizon.horizon_s, 180.0);
    for figures in [&horizon.tested, &horizon.left_out] {
        assert_eq!((figures.entities, figures.rows, figures.eligible), (5, 90, 10));
        assert_eq!(
            (figures.auroc, figures.auroc_interval, figures.auprc),
            (Some(1.0), Some([1.0, 1.0]), Some(1.0))
        );
        let at = &figures.alarms[0];
        assert_eq!(
            (at.threshold, at.recall, at.recall_gradual, at.recall_abrupt),
            (Some(0.9), Some(1.0), Some(1.0), None)
        );
        assert_eq!(
            (at.false_alarms_per_day, at.precision, at.lead_median_s),
            (Some(0.0), Some(1.0), Some(180.0))
        );
        assert_eq!((at.alarms, at.eligible_gradual, at.eligible_abrupt), (10, 10, 0));
        assert_eq!(at.recall_abrupt_well_before, None);
        let leak = OfKind { eligible: 10, foretold: 10, lead_median_s: Some(180.0) };
        assert_eq!(at.kinds, [("mem_leak".to_owned(), leak)].into());
        assert!((figures.brier.expect("probabilities") - 0.01).abs() < 1e-12);
    }
    assert_eq!(run(&data(NAMES), None, &[&Witness::default()], 1).expect("again"), report);
}

/// Says five times what is true, of all entities but those that it has not seen: of them it says what [`Witness`] does.
struct Boaster;

struct Boasting(Vec<String>);

impl Scorer for Boaster {
    fn name(&self) -> &'static str {
        "boaster"
    }

    fn scale(&self) -> Scale {
        Scale::Scores
    }

    fn fit(&self, spans: &[Span<'_>], _: usize) -> Result<Box<dyn Fitted>, Unfit> {
        Ok(Box::new(Boasting(spans.iter().map(|span| span.entity.name.clone()).collect())))
    }
}

impl Fitted for Boasting {
    /// Whoever it has not seen fails in half of the cases in which it says .9, and in none in which it says .1.
    fn score(&self, span: &Span<'_>) -> Result<Vec<f64>, Unfit> {
        let unseen = !self.0.contains(&span.entity.name);
        let loud = |at: &usize| if unseen { at % 10 >= 3 } else { at % 10 >= 6 };
        Ok(span.rows.iter().map(|at| if loud(at) { 0.9 } else { 0.1 }).collect())
    }
}

#[test]
fn scores_become_probabilities_by_what_was_said_of_strangers() {
    let names: Vec<_> = (0..5).map(|n| n.to_string()).collect();
    let downs = ".........#".repeat(40);
    let entities =
        names.iter().map(|name| testing::entity(name, &downs, "mem_leak", &SETTINGS.rules)).collect();
    let data = Dataset { entities, ..data(NAMES) };
    let report = run(&data, None, &[&Boaster], 1).expect("it can be judged");
    let horizon = &report.scorers[0].horizons[0];
    // Of six rows of nine that are loud, three end badly; what is loud is even, whoever it is.
    let loud = |figures: &Figures| figures.calibration.last().expect("there are rows").foretold;
    assert!((loud(&horizon.left_out) - 0.5).abs() < 0.02, "{:?}", horizon.left_out.calibration);
    assert!((loud(&horizon.tested) - 0.5).abs() < 0.02, "{:?}", horizon.tested.calibration);
    assert!(horizon.left_out.ece.expect("probabilities") < 0.02);
    // Thresholds are of the same scale.
    let threshold = horizon.tested.alarms[4].threshold;
    assert!(threshold.is_none_or(|threshold| threshold < 0.6), "{threshold:?}");
}

#[test]
fn a_report_can_be_read_and_shown() {
    let report = run(&data(NAMES), None, &[&Witness::default()], 1).expect("it can be judged");
    let text = as_text(&report);
    assert!(text.contains("witness, 3 min ahead"), "{text}");
    assert!(text.contains("foretold at 1/day: mem_leak 10 of 10 (3 min before)\n"), "{text}");
    assert!(text.contains("AUROC 1.000 [1.000, 1.000], AUPRC 1.000 (prevalence 0.333)"), "{text}");
    let json = serde_json::to_value(&report).expect("it is plain data");
    assert_eq!(json["tested_on"], "later_time");
    assert_eq!(json["scorers"][0]["horizons"][0]["tested"]["alarms"][0]["recall"], 1.0);
    let pages = as_pages(&report, &[("a<b".to_owned(), 2.0), ("c".to_owned(), f64::NAN)]);
    let names: Vec<_> = pages.keys().map(String::as_str).collect();
    assert_eq!(names, ["calibration-1-3.svg", "lead-1-3.svg", "recall-1-3.svg", "report.md", "weights.svg"]);
    for (name, page) in &pages {
        assert!(!page.contains("NaN") && !page.contains("inf"), "{name}");
        assert!(name.ends_with(".md") || page.starts_with("<svg") && page.ends_with("</svg>\n"), "{name}");
        assert!(name == "report.md" || pages["report.md"].contains(name.as_str()), "{name} is not shown");
    }
    assert!(pages["weights.svg"].contains("a&lt;b"));
}

#[test]
fn what_cannot_be_judged_is_said() {
    let refused = |train: &Dataset, test: Option<&Dataset>| {
        run(train, test, &[&Witness::default()], 1).expect_err("refused").to_string()
    };
    let mut one = data(NAMES);
    one.entities.truncate(1);
    assert!(refused(&one, None).contains("at least two entities"));
    let mut early = data(NAMES);
    early.entities[2].cut = 3;
    assert!(refused(&early, None).contains("no sample of c is left to fit on: its cut is at row 3 of 40"));
    let mut other = data(NAMES);
    other.columns[0] = "other".to_owned();
    assert!(refused(&data(NAMES), Some(&other)).contains("other columns"));

    struct Mad;
    impl Scorer for Mad {
        fn name(&self) -> &str {
            "mad"
        }
        fn scale(&self) -> Scale {
            Scale::Ranks
        }
        fn fit(&self, _: &[Span<'_>], _: usize) -> Result<Box<dyn Fitted>, Unfit> {
            Ok(Box::new(Self))
        }
    }
    impl Fitted for Mad {
        fn score(&self, span: &Span<'_>) -> Result<Vec<f64>, Unfit> {
            Ok(vec![f64::NAN; span.rows.len()])
        }
    }
    let error = run(&data(NAMES), None, &[&Mad], 1).expect_err("refused");
    assert!(matches!(error, BacktestError::Scores { source: Unusable::NotFinite { .. }, .. }), "{error}");
}
