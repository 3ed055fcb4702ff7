//! Which ways of noticing failures does everybody know, and from when on do they cry?

use mcphub_predictor::backtest::{Entity, SEEN_FAILING_FROM};
use mcphub_predictor::telemetry::{Sample, Signal};

use super::{Ewma, FailedInARow, PhiAccrual};

/// Looks at the samples of one hub in turn.
pub trait Watcher {
    /// How alarming the hub is after this sample: a finite number, the higher the more.
    fn see(&mut self, sample: &Sample) -> f64;
}

/// A way of noticing failures.
pub struct Baseline {
    /// Its name in reports.
    pub name: &'static str,
    /// Of a hub of which nothing has been seen yet.
    pub watcher: fn() -> Box<dyn Watcher>,
    /// From when on it cries.
    pub cries_from: CriesFrom,
}

/// From when on a baseline cries.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CriesFrom {
    /// From this score.
    Score(f64),
    /// From the lowest score that keeps the budget of our own triggers where thresholds are chosen.
    Budget,
}

/// All of them. A probe every 15 s, as in the telemetry; what requests show stands among our own triggers.
pub const BASELINES: &[Baseline] = &[
    Baseline { name: "1 failed probe", watcher: failed_in_a_row, cries_from: CriesFrom::Score(1.0) },
    Baseline { name: "2 failed probes", watcher: failed_in_a_row, cries_from: CriesFrom::Score(2.0) },
    Baseline { name: "3 failed probes", watcher: failed_in_a_row, cries_from: CriesFrom::Score(3.0) },
    Baseline {
        name: "phi-accrual: 8, pause 15 s",
        watcher: || Box::new(PhiAccrual::default()),
        cries_from: CriesFrom::Score(PhiAccrual::AT_8),
    },
    Baseline { name: "EWMA, max z", watcher: || Box::new(Ewma::default()), cries_from: CriesFrom::Budget },
];

fn failed_in_a_row() -> Box<dyn Watcher> {
    Box::new(FailedInARow::default())
}

impl Baseline {
    /// The score after each sample of this hub, as it would have been then; `None` where the telemetry is not of a hub.
    pub fn scores(&self, entity: &Entity) -> Option<Vec<f64>> {
        let mut watcher = (self.watcher)();
        Some(entity.samples()?.map(|sample| watcher.see(&sample)).collect())
    }
}

/// Did the probe of this sample fail? `None` where there was none.
pub(super) fn probe_failed(sample: &Sample) -> Option<bool> {
    sample.get(Signal::ProbeFail).map(|failed| failed >= SEEN_FAILING_FROM)
}

/// Samples for tests: `.` a probe that was answered, `x` one that was not, ` ` none.
#[cfg(test)]
pub(super) fn probes(text: &str) -> Vec<Sample> {
    let sample = |c| {
        let mut sample = Sample::UNKNOWN;
        if c != ' ' {
            sample.set(Signal::ProbeFail, f32::from(u8::from(c == 'x')));
            sample.set(Signal::ProbeMs, 50.0);
        }
        sample
    };
    text.chars().map(sample).collect()
}
