//! What were the last minutes like, tick by tick?

use crate::telemetry::{SIGNALS, Signal};

/// How many samples are kept: five minutes of 15 s.
pub(super) const TICKS: usize = 20;

/// A ring of the last samples, on their scales.
#[derive(Debug, Clone)]
pub(super) struct Recent {
    ticks: [[f32; SIGNALS]; TICKS],
    next: usize,
}

impl Recent {
    pub(super) fn new() -> Self {
        Self { ticks: [[f32::NAN; SIGNALS]; TICKS], next: 0 }
    }

    pub(super) fn push(&mut self, values: [f32; SIGNALS]) {
        self.ticks[self.next] = values;
        self.next = (self.next + 1) % TICKS;
    }

    /// What is known of a signal in the last `ticks` samples, the newest first, each with its age in samples.
    pub(super) fn known(&self, signal: Signal, ticks: usize) -> impl Iterator<Item = (usize, f32)> {
        (0..ticks.min(TICKS))
            .map(move |age| (age, self.ticks[(self.next + TICKS - 1 - age) % TICKS][signal as usize]))
            .filter(|(_, value)| value.is_finite())
    }

    /// The mean over the last `ticks` samples; `None` if nothing is known.
    pub(super) fn mean(&self, signal: Signal, ticks: usize) -> Option<f32> {
        let (mut count, mut sum) = (0_u16, 0.0);
        for (_, value) in self.known(signal, ticks) {
            count += 1;
            sum += value;
        }
        (count > 0).then(|| sum / f32::from(count))
    }

    /// The standard deviation over the last `ticks` samples; `None` if fewer than a half are known.
    pub(super) fn deviation(&self, signal: Signal, ticks: usize) -> Option<f32> {
        let mean = self.mean(signal, ticks)?;
        let (mut count, mut sum) = (0_u16, 0.0);
        for (_, value) in self.known(signal, ticks) {
            count += 1;
            sum += (value - mean).powi(2);
        }
        (usize::from(count) * 2 >= ticks && count > 1).then(|| (sum / f32::from(count - 1)).sqrt())
    }
}
