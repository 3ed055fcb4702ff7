//! What does it cost to grow one model of hubs?
//!
//! On about as many moments as a gateway learns from at most, of hubs that the simulator made. A model takes half a minute,
//! so it is grown a few times and no more, and every time is printed. What clients feel of it while it happens is for
//! `benches/peers/training.sh` to tell.

#[expect(dead_code, reason = "the clock without criterion")]
mod cpu_time;

use std::error::Error;
use std::io::{Write as _, stdout};
use std::time::Duration;

use mcphub_predictor::model::BlendSettings;
use mcphub_predictor::simulate::{HubRun, Settings, Simulator};
use mcphub_predictor::telemetry::PERIOD;
use mcphub_predictor::training::{Examples, Recipe, Series, SeriesError, Teaching};

/// How many moments it is grown on.
const MOMENTS: usize = 90_000;
/// How far ahead it looks.
const HORIZON: Duration = Duration::from_secs(600);
/// Half a day of samples: from then on a hub's own past counts.
const WARM_UP: usize = 2_880;
/// One moment in two minutes.
const EVERY: usize = 8;
const ROUNDS: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    // `cargo bench` says so. Anything else, such as `cargo test --benches`, wants to know whether it would run.
    let whole = std::env::args().any(|arg| arg == "--bench");
    let days = if whole { 6 } else { 1 };
    let settings = Settings { hubs: 24, days, ..Settings::DEFAULT };
    let teaching = Teaching::default();
    let simulator = Simulator::new(settings)?;
    let parts = simulator.hubs().map(|run| examples(&run, &teaching));
    let parts = parts.collect::<Result<Vec<_>, _>>()?;
    let mut pooled = Examples::new(teaching.schema.len())?;
    let rows = parts.iter().flat_map(|part| part.rows().iter().zip(part.came()));
    for (row, came) in rows.take(MOMENTS) {
        pooled.push(row, came)?;
    }
    let recipe = Recipe::Blend(BlendSettings { forest: teaching.forest, logistic: teaching.logistic });
    let mut out = stdout();
    let (rows, width, events) = (pooled.rows().len(), pooled.rows().width(), pooled.events());
    writeln!(out, "one model {HORIZON:?} ahead, of {rows} x {width} numbers, {events} events")?;
    for _ in 0..if whole { ROUNDS } else { 1 } {
        let began = cpu_time::now();
        recipe.fit(&pooled)?;
        writeln!(out, "    {:.1} s of CPU time", (cpu_time::now() - began) as f64 / 1e9)?;
    }
    Ok(())
}

fn examples(run: &HubRun, teaching: &Teaching) -> Result<Examples, SeriesError> {
    let ticks = (HORIZON.as_secs() / PERIOD.as_secs()) as usize;
    let starts: Vec<_> = run.failures.iter().map(|failure| failure.start as usize).collect();
    let soon = |at: usize| starts.iter().any(|start| (at + 1..=at + ticks).contains(start));
    let series = Series { minutes: &[], samples: &run.samples, begin: 0, starts: &starts, around: &[] };
    let up = (WARM_UP..run.samples.len()).step_by(EVERY).filter(|at| !run.down[*at]);
    series.examples(&teaching.schema, up.map(|at| (at, soon(at))))
}
