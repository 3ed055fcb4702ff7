//! How unlikely is it that a heartbeat is still to come?
//!
//! The φ accrual failure detector (Hayashibara et al., 2004), with the additions of Akka: φ = -log10(P), where P is how
//! likely a pause as long as this one is by a normal distribution whose mean and deviation were learnt from the pauses
//! between heartbeats so far; a pause that is always acceptable is added to the mean; the deviation has a floor; what
//! ends a pause that was cried about teaches nothing. A probe that is answered is a heartbeat.

use std::collections::VecDeque;

use mcphub_predictor::telemetry::{PERIOD, Sample, Signal};

use super::Watcher;
use super::baseline::probe_failed;

/// How many pauses are kept: Akka's default for clusters.
const PAUSES_MAX: usize = 1_000;

/// The least deviation, in seconds: the same.
const DEVIATION_MIN: f64 = 0.1;

/// The pause that is always acceptable, in seconds: one probe may be lost.
const ACCEPTABLE: f64 = PERIOD.as_secs() as f64;

/// Watches the pauses between probes that are answered.
#[derive(Debug)]
pub struct PhiAccrual {
    pauses: VecDeque<f64>,
    /// The begin of the next sample, in seconds.
    now: f64,
    /// When the last heartbeat came.
    last: Option<f64>,
}

impl Default for PhiAccrual {
    /// As Akka begins: from the pause that is expected, with a quarter of it as deviation.
    fn default() -> Self {
        let expected = PERIOD.as_secs_f64();
        let pauses = VecDeque::from([expected * 0.75, expected * 1.25]);
        Self { pauses, now: 0.0, last: None }
    }
}

impl PhiAccrual {
    /// The score at which φ is 8, Akka's default. A score is the pause in deviations above its mean, which rises with φ
    /// and unlike it never overflows: a normal variable exceeds 5.612 deviations in one case of 10⁸.
    pub const AT_8: f64 = 5.612;

    fn score(&self, at: f64) -> f64 {
        let Some(last) = self.last else { return 0.0 };
        let count = self.pauses.len() as f64;
        let mean = self.pauses.iter().sum::<f64>() / count;
        let variance = self.pauses.iter().map(|pause| (pause - mean).powi(2)).sum::<f64>() / count;
        (at - last - mean - ACCEPTABLE) / variance.sqrt().max(DEVIATION_MIN)
    }
}

impl Watcher for PhiAccrual {
    fn see(&mut self, sample: &Sample) -> f64 {
        let (begin, end) = (self.now, self.now + PERIOD.as_secs_f64());
        self.now = end;
        if probe_failed(sample) == Some(false) {
            // A probe is sent when the sample begins.
            let took = sample.get(Signal::ProbeMs).map_or(0.0, |took| f64::from(took) / 1_000.0);
            let came = begin + took.clamp(0.0, PERIOD.as_secs_f64());
            if let Some(last) = self.last.filter(|_| self.score(came) < Self::AT_8) {
                self.pauses.push_back(came - last);
                if self.pauses.len() > PAUSES_MAX {
                    self.pauses.pop_front();
                }
            }
            self.last = Some(came);
        }
        self.score(end)
    }
}

#[cfg(test)]
mod tests {
    use super::super::baseline::probes;
    use super::*;

    fn check(seen: &str, cries: &str) {
        let mut watcher = PhiAccrual::default();
        let cried: String = probes(seen)
            .iter()
            .map(|sample| if watcher.see(sample) >= PhiAccrual::AT_8 { '!' } else { '-' })
            .collect();
        assert_eq!(cried, cries, "{seen}");
    }

    #[test]
    fn two_lost_probes_are_too_many_for_a_hub_that_always_answers() {
        let calm = ".".repeat(200);
        check(&format!("{calm}x.xxx."), &format!("{}---!!-", "-".repeat(200)));
        check(&format!("{calm}   "), &format!("{}-!!", "-".repeat(200))); // No probe is no heartbeat.
        check("xxxx", "----"); // Never heard of.
    }

    #[test]
    fn a_hub_that_often_loses_probes_is_given_more_time() {
        let uneven = ".x.".repeat(100);
        check(&format!("{uneven}xx"), &format!("{}--", "-".repeat(300)));
    }

    #[test]
    fn the_score_of_phi_8_is_that_of_a_normal_distribution() {
        // The tail by its asymptotic series, good to a thousandth here.
        let z = PhiAccrual::AT_8;
        let density = (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt();
        let tail = density / z * (1.0 - z.powi(-2) + 3.0 * z.powi(-4) - 15.0 * z.powi(-6));
        assert!((-tail.log10() - 8.0).abs() < 1e-3, "{tail}");
    }
}
