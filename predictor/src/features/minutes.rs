//! What was the last day like, minute by minute?

use std::collections::VecDeque;

use crate::telemetry::{SIGNALS, Signal};

/// How many minutes are kept: 24 hours. At 4 bytes for each of 13 signals, 75 KB a hub.
pub const MINUTES: usize = 24 * 60;

/// A ring of the means of minutes, signal by signal, on their scales.
#[derive(Debug, Clone)]
pub(super) struct Minutes {
    series: [VecDeque<f32>; SIGNALS],
}

impl Minutes {
    pub(super) fn new() -> Self {
        Self { series: Default::default() }
    }

    pub(super) fn push(&mut self, means: [f32; SIGNALS]) {
        for (series, mean) in self.series.iter_mut().zip(means) {
            if series.len() == MINUTES {
                series.pop_front();
            }
            series.push_back(mean);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.series[0].len()
    }

    /// What is known of a signal, oldest first.
    pub(super) fn known(&self, signal: Signal) -> impl Iterator<Item = f32> {
        self.series[signal as usize].iter().copied().filter(|value| value.is_finite())
    }

    /// What is known of two signals in the same minutes, oldest first.
    pub(super) fn known_both(&self, a: Signal, b: Signal) -> impl Iterator<Item = (f32, f32)> {
        let both = self.series[a as usize].iter().zip(&self.series[b as usize]);
        both.map(|(a, b)| (*a, *b)).filter(|(a, b)| a.is_finite() && b.is_finite())
    }

    /// What is known of the last `minutes`, the newest first, each with its age in minutes.
    pub(super) fn last(&self, signal: Signal, minutes: usize) -> impl Iterator<Item = (usize, f32)> {
        let series = &self.series[signal as usize];
        series.iter().rev().take(minutes).copied().enumerate().filter(|(_, value)| value.is_finite())
    }

    /// The mean over the last `minutes`; `None` if fewer than a half are known.
    pub(super) fn mean(&self, signal: Signal, minutes: usize) -> Option<f32> {
        let (mut count, mut sum) = (0_u16, 0.0);
        for (_, value) in self.last(signal, minutes) {
            count += 1;
            sum += value;
        }
        (usize::from(count) * 2 >= minutes).then(|| sum / f32::from(count))
    }
}

/// How much a line through these points rises from the oldest age to the newest, least squares; `None` of fewer than
/// `least` points. `length` is the length of the window in the unit of the ages.
pub(super) fn rise(points: impl Iterator<Item = (usize, f32)>, length: usize, least: usize) -> Option<f32> {
    let (mut count, mut ages, mut squares, mut values, mut products) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (age, value) in points {
        let age = age as f32;
        count += 1.0;
        ages += age;
        squares += age * age;
        values += value;
        products += age * value;
    }
    let spread = count * squares - ages * ages;
    // Ages run backwards, so a rise is a fall over them.
    let slope = -(count * products - ages * values) / spread;
    (count >= least as f32 && spread > 0.0).then_some(slope * length as f32)
}
