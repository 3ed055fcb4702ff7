//! How far is any signal from its average of late?
//!
//! An exponentially weighted mean and variance of each signal, and of the distances from them, in deviations, the
//! largest. Times and counts are compared by their logarithms.

use mcphub_predictor::telemetry::{SIGNALS, Sample, Signal};

use super::Watcher;

/// The weight of the newest sample: half of the average is of the last 17 minutes (69 samples of 15 s).
const WEIGHT: f64 = 0.01;

/// How many samples of a signal must be known before its distance counts: two half-lives.
const KNOWN_MIN: u32 = 140;

/// The least deviation, on the scale of the signal: a tenth, so that a hub without a fault in an hour is not alarmed by
/// one lost request of twelve.
const DEVIATION_MIN: f64 = 0.1;

/// Averages of every signal.
#[derive(Debug, Clone, Default)]
pub struct Ewma([Average; SIGNALS]);

#[derive(Debug, Clone, Copy, Default)]
struct Average {
    mean: f64,
    variance: f64,
    known: u32,
}

impl Average {
    /// How far this value is above the average, in deviations; then it is part of it.
    fn distance(&mut self, value: f64) -> f64 {
        let difference = value - self.mean;
        let distance = difference / self.variance.sqrt().max(DEVIATION_MIN);
        let counts = self.known >= KNOWN_MIN;
        // At first each value weighs the same.
        self.known = self.known.saturating_add(1);
        let weight = WEIGHT.max(1.0 / f64::from(self.known));
        self.mean += weight * difference;
        self.variance = (1.0 - weight) * (self.variance + weight * difference * difference);
        if counts { distance } else { 0.0 }
    }
}

impl Watcher for Ewma {
    fn see(&mut self, sample: &Sample) -> f64 {
        let mut largest = 0.0_f64;
        for (signal, average) in Signal::ALL.into_iter().zip(&mut self.0) {
            if let Some(value) = sample.get(signal) {
                largest = largest.max(average.distance(scaled(signal, f64::from(value.max(0.0)))));
            }
        }
        largest
    }
}

fn scaled(signal: Signal, value: f64) -> f64 {
    match signal {
        Signal::ProbeFail | Signal::Errors | Signal::Timeouts | Signal::Refused => value,
        Signal::Cpu | Signal::Memory => value,
        _ => value.ln_1p(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(p50: f32) -> Sample {
        let mut sample = Sample::UNKNOWN;
        sample.set(Signal::P50Ms, p50);
        sample
    }

    #[test]
    fn what_is_usual_is_near_and_what_is_not_is_far_until_it_is_usual() {
        let mut watcher = Ewma::default();
        for at in 0..KNOWN_MIN {
            assert_eq!(watcher.see(&sample(if at % 2 == 0 { 90.0 } else { 110.0 })), 0.0, "{at}");
        }
        assert!(watcher.see(&sample(110.0)) < 2.0);
        assert!(watcher.see(&sample(1_000.0)) > 15.0);
        assert!(watcher.see(&sample(f32::NAN)) == 0.0);
        let later: Vec<_> = (0..400).map(|_| watcher.see(&sample(1_000.0))).collect();
        assert!(later.iter().all(|score| score.is_finite()));
        assert!(later[399] < 1.0);
    }

    /// The recurrence against the definition, while all values still weigh the same.
    #[test]
    fn mean_and_variance_are_those_of_the_values() {
        let values = [3.0, 5.0, 8.0, 1.0, 9.0];
        let mut average = Average::default();
        values.iter().for_each(|value| _ = average.distance(*value));
        let mean = values.iter().sum::<f64>() / 5.0;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 5.0;
        assert!((average.mean - mean).abs() < 1e-12);
        assert!((average.variance - variance).abs() < 1e-12);
    }
}
