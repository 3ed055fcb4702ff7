//! How many probes in a row have failed? What load balancers count to three.

use mcphub_predictor::telemetry::Sample;

use super::Watcher;
use super::baseline::probe_failed;

/// Counts failed probes since the last one that was answered.
#[derive(Debug, Default)]
pub struct FailedInARow(u32);

impl Watcher for FailedInARow {
    fn see(&mut self, sample: &Sample) -> f64 {
        self.0 = match probe_failed(sample) {
            Some(true) => self.0.saturating_add(1),
            Some(false) => 0,
            None => self.0, // Nobody asked.
        };
        f64::from(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::baseline::probes;
    use super::*;

    #[test]
    fn an_answer_ends_a_row_and_silence_does_not() {
        let mut watcher = FailedInARow::default();
        let counts: Vec<_> = probes(".xx. x xx").iter().map(|sample| watcher.see(sample)).collect();
        assert_eq!(counts, [0.0, 1.0, 2.0, 0.0, 0.0, 1.0, 1.0, 2.0, 3.0]);
    }
}
