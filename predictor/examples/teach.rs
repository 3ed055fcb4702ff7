//! Teaches the model that ships with the project on simulated hubs: `make model`.
//!
//! `teach FILE UNIX_SECONDS [HUBS DAYS]` writes it to `FILE` as made at `UNIX_SECONDS`, and prints how good it is for
//! hubs that it has not seen. The same program on the same platform writes the same file; on another platform trees
//! may differ, since the draws of smartcore do.

use std::error::Error;
use std::io::Write as _;

use mcphub_predictor::model::file::Model;
use mcphub_predictor::simulate::{HubRun, Settings, Simulator};
use mcphub_predictor::training::{Failed, Pupil, Teaching, teach};

/// Which world: any will do that nobody judges by. Tests and backtests simulate with small numbers.
const SEED: u64 = 20_261_128;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let file = args.next().ok_or("name the file to write")?;
    let at: u64 = args.next().ok_or("say when it is, in Unix seconds")?.parse()?;
    let hubs = args.next().map_or(Ok(24), |hubs| hubs.parse())?;
    let days = args.next().map_or(Ok(6), |days| days.parse())?;
    let simulator = Simulator::new(Settings { hubs, days, seed: SEED, ..Settings::DEFAULT })?;
    let model = taught_by(&simulator.hubs().collect::<Vec<_>>(), at)?;
    let bytes = model.to_bytes()?;
    std::fs::write(&file, &bytes)?;
    let mut out = std::io::stdout();
    let training = &model.training;
    writeln!(out, "{file}: {} bytes", bytes.len())?;
    writeln!(out, "{} hubs, {} failures, {} rows", training.hubs, training.failures, training.rows)?;
    for horizon in &model.horizons {
        writeln!(out, "base rate {:.4}, {:?}", horizon.base_rate, horizon.quality)?;
    }
    Ok(())
}

fn taught_by(runs: &[HubRun], at: u64) -> Result<Model, Box<dyn Error>> {
    let failures = |run: &HubRun| {
        let failed = run.failures.iter().map(|failure| Failed {
            start: failure.start as usize,
            end: failure.end as usize,
            kind: Some(failure.class()),
        });
        failed.collect::<Vec<_>>()
    };
    let failures: Vec<_> = runs.iter().map(failures).collect();
    let pupils: Vec<_> =
        runs.iter().zip(&failures).map(|(run, failures)| Pupil::of(&run.samples, failures)).collect();
    Ok(teach(&pupils, &Teaching::default(), at, true)?)
}
