//! Did the last day look like what the model was taught?

use crate::insight::drift::{self, Drift, drift};
use crate::insight::outlook::MAIN;
use crate::model::file::Model;

/// Rows that are kept of a day, 400 bytes each.
pub const ROWS_MAX: usize = 2_000;

/// Outcomes that are kept of a day, 16 bytes each.
pub const OUTCOMES_MAX: usize = 20_000;

/// Fewer hubs say nothing about how features are distributed: a day of one hub is one mood of it. Of four days of
/// simulated fleets like those that the model that ships was taught with, one of 8 hubs seems to have drifted, and none of
/// 12 or 24.
const HUBS_MIN: usize = 12;

/// What a day was like.
#[derive(Debug)]
pub struct Day {
    rows: Thinned<Vec<f32>>,
    outcomes: Thinned<(f64, bool)>,
    false_alarms: u64,
}

impl Default for Day {
    fn default() -> Self {
        Self { rows: Thinned::new(ROWS_MAX), outcomes: Thinned::new(OUTCOMES_MAX), false_alarms: 0 }
    }
}

impl Day {
    /// A hub was like this.
    pub fn row(&mut self, row: &[f32]) {
        self.rows.offer(|| row.to_vec());
    }

    /// A hub was said to fail with this probability, and did or did not.
    pub fn outcome(&mut self, said: f32, failed: bool) {
        self.outcomes.offer(|| (f64::from(said), failed));
    }

    /// An alarm has proved false.
    pub fn false_alarm(&mut self) {
        self.false_alarms += 1;
    }

    /// Every sign that the model no longer fits: `hubs` were watched over `days`, and each was allowed so many false
    /// alarms a day.
    pub fn judge(&self, model: &Model, hubs: usize, days: f64, budget: f64) -> Vec<Drift> {
        let importance = model.horizons[MAIN].estimator.importance();
        // No real fleet is like simulated hubs, and one that never was cannot have moved away: of a model that was taught
        // by those, only what comes of its words is judged.
        let comparable = hubs >= HUBS_MIN && !model.training.simulated;
        let rows = if comparable { &self.rows.kept[..] } else { &[] };
        let day = drift::Day {
            rows,
            outcomes: &self.outcomes.kept,
            false_alarms: self.false_alarms as f64 / (hubs.max(1) as f64 * days.max(1.0)),
            budget,
        };
        drift(&model.profiles, &importance, &day)
    }
}

/// One in so many of a stream whose length nobody knows: whenever it is full, every other one goes, and one in twice as
/// many is kept from then on. The same stream leaves the same.
#[derive(Debug)]
struct Thinned<T> {
    kept: Vec<T>,
    most: usize,
    every: u64,
    seen: u64,
}

impl<T> Thinned<T> {
    fn new(most: usize) -> Self {
        Self { kept: Vec::new(), most, every: 1, seen: 0 }
    }

    fn offer(&mut self, one: impl FnOnce() -> T) {
        if self.seen.is_multiple_of(self.every) {
            if self.kept.len() == self.most {
                let mut at = 0;
                self.kept.retain(|_| {
                    at += 1;
                    at % 2 == 1
                });
                self.every *= 2;
            }
            if self.seen.is_multiple_of(self.every) {
                self.kept.push(one());
            }
        }
        self.seen += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_thinned_evenly() {
        let mut thinned = Thinned::new(100);
        (0..1_000).for_each(|n| thinned.offer(|| n));
        let expected: Vec<i32> = (0..1_000).step_by(16).collect();
        assert_eq!((thinned.every, thinned.kept), (16, expected));
    }
}
