//! How soon does each way of noticing failures notice them, on the same telemetry?
//!
//! Beside our own triggers stand those that everybody knows: probes that fail in a row, the accrual failure detector,
//! averages that forget, and what requests show. Each looks at the same samples of 15 s, and is judged by the same
//! rules (`mcphub_predictor::backtest::detection`).

mod baseline;
mod ewma;
mod folder;
mod phi;
mod probes;

use anyhow::{Context as _, Result};
use mcphub_predictor::backtest::{
    Cries, Dataset, FALSE_CRIES_PER_DAY, FORETOLD_WITHIN_S, Scored, TriggerReport, Watch, as_table,
    detection, notice, tested_parts, threshold_for,
};

pub use baseline::{BASELINES, Baseline, CriesFrom, Watcher};
pub use ewma::Ewma;
pub use folder::read;
pub use phi::PhiAccrual;
pub use probes::FailedInARow;

/// What part of gradual failures our trigger is to notice within four minutes.
const GRADUAL_GOAL: f64 = 0.95;

/// How soon it is to notice half of the abrupt ones, in seconds: with the first sample.
const ABRUPT_GOAL_S: f64 = 15.0;

/// What every way is worth: the baselines, then ours. Whatever is chosen or learnt comes from `train` before its cuts, or
/// from all of it where there is another folder to test on.
///
/// # Errors
/// The telemetry is not that of hubs, or is not enough to learn from.
pub fn measure(train: &Dataset, test: Option<&Dataset>, seed: u64) -> Result<Vec<TriggerReport>> {
    let mut reports = Vec::new();
    for baseline in BASELINES {
        let report = judge(baseline, train, test);
        reports.push(report.with_context(|| format!("judging {}", baseline.name))?);
    }
    reports.extend(notice(train, test, seed).context("judging our own triggers")?);
    Ok(reports)
}

fn judge(baseline: &Baseline, train: &Dataset, test: Option<&Dataset>) -> Result<TriggerReport> {
    let threshold = match baseline.cries_from {
        CriesFrom::Score(score) => Some(score),
        CriesFrom::Budget => chosen(baseline, train, test.is_some())?,
    };
    let mut cries = Vec::new();
    for (entity, part) in tested_parts(train, test) {
        let scores = baseline.scores(entity).context("the telemetry is not that of hubs")?;
        let cried = |at: &usize| threshold.is_some_and(|least| scores[*at] >= least);
        cries.push(Cries { entity, part: part.clone(), at: part.filter(cried).collect() });
    }
    Ok(TriggerReport {
        name: baseline.name.to_owned(),
        threshold: threshold.filter(|_| baseline.cries_from == CriesFrom::Budget),
        detection: detection(cries, &train.settings),
    })
}

/// The threshold that keeps the budget of false alarms on what may be chosen on. Nothing is learnt of a hub, so none need
/// be left out.
fn chosen(baseline: &Baseline, train: &Dataset, whole: bool) -> Result<Option<f64>> {
    let settings = &train.settings;
    let mut scored = Vec::new();
    for entity in &train.entities {
        let part = 0..if whole { entity.len() } else { entity.cut };
        let scores = baseline.scores(entity).context("the telemetry is not that of hubs")?;
        let rows = entity.timeline.rows(&part, 1);
        let scores = rows.iter().map(|at| scores[*at]).collect();
        scored.push(Scored::new(&entity.timeline, part, rows, scores)?);
    }
    let watch = Watch { horizon: settings.samples_in(FORETOLD_WITHIN_S), cool_down: settings.cool_down };
    Ok(threshold_for(&scored, FALSE_CRIES_PER_DAY, &watch, settings.samples_per_day()))
}

/// The table, and whether our trigger, the last, does what it is to do.
#[must_use]
pub fn markdown(reports: &[TriggerReport]) -> String {
    let mut text = as_table(reports);
    if let Some(TriggerReport { name, detection, .. }) = reports.last() {
        let kept = |kept: Option<bool>| if kept.unwrap_or(false) { "kept" } else { "missed" };
        let alarms = detection.false_alarms_per_day();
        let gradual = kept(detection.gradual.share().map(|share| share >= GRADUAL_GOAL));
        let abrupt = kept(detection.abrupt.delay(0.5).map(|delay| delay <= ABRUPT_GOAL_S));
        let alarms = kept(alarms.map(|alarms| alarms <= FALSE_CRIES_PER_DAY));
        text.push_str(&format!(
            "\nWhat \"{name}\" is to do: at most {FALSE_CRIES_PER_DAY} false alarm per hub and day ({alarms}), \
             {GRADUAL_GOAL} of gradual failures within 4 min ({gradual}), half of the abrupt ones within \
             {ABRUPT_GOAL_S} s ({abrupt}).\n"
        ));
    }
    text
}
