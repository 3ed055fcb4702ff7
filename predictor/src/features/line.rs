//! How much of a signal is load?
//!
//! A processor that works harder because more is asked of it is well; one that works harder for the same is not. The
//! day's swing of the load hides the second in the first, so what the rate of requests explains is taken away.

use crate::telemetry::Signal;

use super::minutes::Minutes;
use super::reference::{KNOWN_MIN, Usual};
use super::scale::spread_min;

/// How far, in spreads, a minute may pull at the line: a failure in the day must not bend it.
const PULL: f32 = 5.0;

/// How steep the line is at most, each on its scale: to the third power of the load. It never falls.
const SLOPE_MAX: f32 = 3.0;

/// The least variance of the rate that a line is drawn through, on its scale: a load that varies by 3 %.
const VARIANCE_MIN: f32 = 1e-3;

/// What a signal is at each rate of requests, by least squares over the minutes of a day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Line {
    /// A rate, and the value there.
    rate: f32,
    value: f32,
    slope: f32,
    /// The standard deviation of what the line leaves.
    spread: f32,
}

impl Line {
    /// `None` if fewer minutes than make anything usual know both.
    pub(super) fn of(minutes: &Minutes, signal: Signal, usual: Usual, rate: Usual) -> Option<Self> {
        let (mut count, mut xs, mut ys, mut xx, mut xy, mut yy) = (0_u16, 0.0, 0.0, 0.0, 0.0, 0.0);
        let pull = PULL * usual.spread;
        // Sums of differences from the medians: those of large numbers would be lost to rounding.
        for (x, y) in minutes.known_both(Signal::Rate, signal) {
            let (x, y) = (x - rate.median, (y - usual.median).clamp(-pull, pull));
            count += 1;
            xs += x;
            ys += y;
            xx += x * x;
            xy += x * y;
            yy += y * y;
        }
        if usize::from(count) < KNOWN_MIN {
            return None;
        }
        let count = f32::from(count);
        let (x, y) = (xs / count, ys / count);
        let variance = (xx / count - x * x).max(VARIANCE_MIN);
        let slope = ((xy / count - x * y) / variance).clamp(0.0, SLOPE_MAX);
        let left = yy / count - y * y - slope * slope * variance;
        let spread = left.max(0.0).sqrt().max(spread_min(signal));
        Some(Self { rate: rate.median + x, value: usual.median + y, slope, spread })
    }

    /// How far a value is from the line at this rate, in spreads, within ±20.
    pub(super) fn residual(&self, value: f32, rate: f32) -> f32 {
        let expected = self.value + self.slope * (rate - self.rate);
        Usual { median: expected, spread: self.spread }.deviation(value)
    }
}
