//! What is usual for this hub?

use crate::telemetry::{SIGNALS, Signal};

use super::line::Line;
use super::minutes::Minutes;
use super::scale::spread_min;

/// How many minutes must be known of a signal before anything is usual: an hour.
pub(super) const KNOWN_MIN: usize = 60;

/// Makes the median absolute deviation of a normal variable its standard deviation.
const NORMAL: f32 = 1.4826;

/// Farthest from usual that is told apart, in spreads: beyond, it is just far.
const FAR: f32 = 20.0;

/// The middle and the spread of one signal over the last day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Usual {
    pub(super) median: f32,
    pub(super) spread: f32,
}

impl Usual {
    /// How far a value is from the middle, in spreads, within ±20.
    pub(super) fn deviation(&self, value: f32) -> f32 {
        self.spreads(value - self.median)
    }

    /// A difference in spreads, within ±20.
    pub(super) fn spreads(&self, difference: f32) -> f32 {
        (difference / self.spread).clamp(-FAR, FAR)
    }
}

/// What is usual of every signal. Medians bear with a failure in the day; means would not.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    usual: [Option<Usual>; SIGNALS],
    lines: [Option<Line>; SIGNALS],
    scratch: Vec<f32>,
    next: usize,
}

impl Reference {
    pub(super) fn new() -> Self {
        Self { usual: [None; SIGNALS], lines: [None; SIGNALS], scratch: Vec::new(), next: 0 }
    }

    pub(super) fn of(&self, signal: Signal) -> Option<Usual> {
        self.usual[signal as usize]
    }

    /// What of a signal is load.
    pub(super) fn line(&self, signal: Signal) -> Option<Line> {
        self.lines[signal as usize]
    }

    /// Looks at one signal again, each in its turn: medians of a day cost some 20 µs and move slowly.
    pub(super) fn refresh_next(&mut self, minutes: &Minutes) {
        self.refresh(Signal::ALL[self.next], minutes);
        self.next = (self.next + 1) % SIGNALS;
    }

    /// Looks at all signals again.
    pub(super) fn refresh_all(&mut self, minutes: &Minutes) {
        // The rate first: every line needs what is usual of it.
        self.refresh(Signal::Rate, minutes);
        for signal in Signal::ALL {
            self.refresh(signal, minutes);
        }
    }

    fn refresh(&mut self, signal: Signal, minutes: &Minutes) {
        self.scratch.clear();
        self.scratch.extend(minutes.known(signal));
        self.usual[signal as usize] =
            (self.scratch.len() >= KNOWN_MIN).then(|| usual_of(&mut self.scratch, spread_min(signal)));
        let both = self.of(signal).zip(self.of(Signal::Rate));
        self.lines[signal as usize] = both.and_then(|(usual, rate)| Line::of(minutes, signal, usual, rate));
    }
}

/// The median, and the spread, which is at least `least`, of one value or more, in any order. They are used up.
pub(super) fn usual_of(values: &mut [f32], least: f32) -> Usual {
    let median = middle(values);
    for value in values.iter_mut() {
        *value = (*value - median).abs();
    }
    Usual { median, spread: (NORMAL * middle(values)).max(least) }
}

/// The upper median; changes the order. There is at least one value.
fn middle(values: &mut [f32]) -> f32 {
    let half = values.len() / 2;
    *values.select_nth_unstable_by(half, f32::total_cmp).1
}
