//! What do a hub's samples come to?

use crate::telemetry::{SIGNALS, Sample, Signal};

use super::minutes::{MINUTES, Minutes, rise};
use super::recent::{Recent, TICKS};
use super::reference::{Reference, Usual};
use super::scale::scaled;
use super::{Feature, JUMP_TICKS, Recurrence, Schema, Span, has_jumped};

/// Samples of a minute.
const TICKS_A_MINUTE: usize = 4;

/// What the hub itself does not show.
#[derive(Debug, Clone, Copy, Default)]
pub struct Surroundings<'a> {
    /// What part of the other hubs of its location is failing, 0 to 1; 0 if there are none.
    pub neighbours: f32,
    /// What part of the other hubs of its operator is failing, 0 to 1; 0 if there are none.
    pub kin: f32,
    /// When it failed before, and the time now in seconds of the same clock.
    pub past: Option<(&'a Recurrence, u64)>,
}

/// The memory of one hub from which its rows are made: 24 hours by the minute, five minutes by the sample. At most
/// 150 KB (75 KB as a rule), however long it runs.
#[derive(Debug, Clone)]
pub struct Extractor {
    recent: Recent,
    minutes: Minutes,
    reference: Reference,
    /// Sums and counts of the minute that is not over yet.
    sums: [(f32, u8); SIGNALS],
    ticks: usize,
    /// Minutes came in one by one, and nobody looked yet at what is usual now.
    stale: bool,
}

impl Default for Extractor {
    fn default() -> Self {
        Self::new()
    }
}

impl Extractor {
    /// Of a hub of which nothing is known.
    pub fn new() -> Self {
        Self {
            recent: Recent::new(),
            minutes: Minutes::new(),
            reference: Reference::new(),
            sums: [(0.0, 0); SIGNALS],
            ticks: 0,
            stale: false,
        }
    }

    /// The sample of the next 15 s. Where one is missing, push [`Sample::UNKNOWN`], or say [`gap`](Self::gap).
    pub fn push(&mut self, sample: &Sample) {
        let values = scaled(sample);
        self.recent.push(values);
        for (sum, value) in self.sums.iter_mut().zip(values) {
            if value.is_finite() {
                *sum = (sum.0 + value, sum.1 + 1);
            }
        }
        self.ticks += 1;
        if self.ticks == TICKS_A_MINUTE {
            self.end_minute();
            self.reference.refresh_next(&self.minutes);
        }
        if self.stale {
            self.reference.refresh_all(&self.minutes);
            self.stale = false;
        }
    }

    /// The means of the next minute, from a record that has no more than those. Deviations and rises come out as from
    /// the samples, but for the curvature of the logarithm; the unrest of the last five minutes is less.
    pub fn push_minute(&mut self, means: &Sample) {
        let values = scaled(means);
        for _ in 0..TICKS_A_MINUTE {
            self.recent.push(values);
        }
        // A minute that had begun is over.
        if self.ticks > 0 {
            self.end_minute();
        }
        self.minutes.push(values);
        self.stale = true;
    }

    /// Nothing was sampled for this many periods of 15 s. Costs no more for a year than for a day.
    pub fn gap(&mut self, ticks: u64) {
        if ticks >= (MINUTES * TICKS_A_MINUTE) as u64 {
            *self = Self::new();
            return;
        }
        for _ in 0..ticks {
            self.push(&Sample::UNKNOWN);
        }
    }

    /// How many minutes of the last 24 hours are on record, 0 to 1440: below a day, what is usual is not known yet.
    pub fn minutes(&self) -> usize {
        self.minutes.len()
    }

    /// Has its load just jumped, so that no more is foretold of it than before?
    pub fn has_jumped(&self) -> bool {
        let rates = self.recent.known(Signal::Rate, JUMP_TICKS);
        has_jumped(rates.map(|(age, rate)| (age, rate.exp_m1())))
    }

    fn end_minute(&mut self) {
        let mean = |(sum, count): (f32, u8)| if count > 0 { sum / f32::from(count) } else { f32::NAN };
        self.minutes.push(self.sums.map(mean));
        self.sums = [(0.0, 0); SIGNALS];
        self.ticks = 0;
    }

    /// The row of this moment; `out` is overwritten. Every number is finite.
    pub fn vector(&self, schema: &Schema, surroundings: &Surroundings<'_>, out: &mut Vec<f32>) {
        out.clear();
        out.extend(schema.features().iter().map(|feature| {
            let value = self.value(*feature, surroundings);
            if value.is_finite() { value } else { 0.0 }
        }));
    }

    fn value(&self, feature: Feature, around: &Surroundings<'_>) -> f32 {
        match feature {
            Feature::Deviation(signal, span) => self.deviation(signal, span).unwrap_or(0.0),
            Feature::Residual(signal, span) => self.residual(signal, span).unwrap_or(0.0),
            Feature::Rise(signal, span) => self.rise(signal, span).unwrap_or(0.0),
            Feature::Unrest(signal) => self.unrest(signal).unwrap_or(0.0),
            Feature::Mean(signal, span) => self.mean(signal, span).unwrap_or(0.0),
            Feature::Known(signal) => f32::from(u8::from(self.recent.mean(signal, TICKS_A_MINUTE).is_some())),
            Feature::Strain => self.strain(),
            Feature::Slow => self.slow().unwrap_or(0.0),
            Feature::Backlog => self.backlog().unwrap_or(0.0),
            Feature::Neighbours => around.neighbours.clamp(0.0, 1.0),
            Feature::Kin => around.kin.clamp(0.0, 1.0),
            _ => around.past.map_or(0.0, |(past, now)| of_past(feature, past, now)),
        }
    }

    fn mean(&self, signal: Signal, span: Span) -> Option<f32> {
        match span {
            Span::S15 | Span::M1 | Span::M5 => self.recent.mean(signal, span.ticks()),
            Span::M30 | Span::M120 => self.minutes.mean(signal, span.minutes()),
        }
    }

    fn usual(&self, signal: Signal) -> Option<Usual> {
        self.reference.of(signal)
    }

    fn deviation(&self, signal: Signal, span: Span) -> Option<f32> {
        Some(self.usual(signal)?.deviation(self.mean(signal, span)?))
    }

    fn residual(&self, signal: Signal, span: Span) -> Option<f32> {
        let line = self.reference.line(signal)?;
        Some(line.residual(self.mean(signal, span)?, self.mean(Signal::Rate, span)?))
    }

    fn rise(&self, signal: Signal, span: Span) -> Option<f32> {
        let minutes = span.minutes();
        let rise = match span {
            Span::S15 | Span::M1 | Span::M5 => {
                let ticks = span.ticks();
                rise(self.recent.known(signal, ticks), ticks, ticks / 2)
            }
            Span::M30 | Span::M120 => rise(self.minutes.last(signal, minutes), minutes, minutes / 2),
        };
        Some(self.usual(signal)?.spreads(rise?))
    }

    fn unrest(&self, signal: Signal) -> Option<f32> {
        Some(self.usual(signal)?.spreads(self.recent.deviation(signal, TICKS)?))
    }

    fn strain(&self) -> f32 {
        let mut largest = [0.0_f32; 3];
        for signal in Signal::ALL {
            let deviation = self.deviation(signal, Span::M1).unwrap_or(0.0);
            if deviation > largest[0] {
                largest[0] = deviation;
                largest.sort_by(f32::total_cmp);
            }
        }
        largest.iter().sum::<f32>() / 3.0
    }

    fn slow(&self) -> Option<f32> {
        let usual = self.usual(Signal::P50Ms)?;
        let slow = self.recent.known(Signal::P50Ms, TICKS).filter(|(_, value)| usual.deviation(*value) > 3.0);
        Some(slow.count() as f32 / TICKS as f32)
    }

    fn backlog(&self) -> Option<f32> {
        let mean = |signal| self.mean(signal, Span::M5).map(f32::exp_m1);
        let expected = mean(Signal::Rate)? * mean(Signal::P50Ms)? / 1_000.0;
        Some((mean(Signal::InFlight)?.ln_1p() - expected.ln_1p()).clamp(-5.0, 5.0))
    }
}

/// Episodes count as of the same time of day within this many seconds: before, since work is not punctual, and after,
/// since a forecast looks ahead.
const EARLY: u64 = 5 * 60;
const LATE: u64 = 30 * 60;

fn of_past(feature: Feature, past: &Recurrence, now: u64) -> f32 {
    const HOUR: u64 = 60 * 60;
    match feature {
        Feature::SinceEpisode => {
            let seconds = past.since_last(now).unwrap_or(30 * 24 * HOUR);
            (seconds as f32 / HOUR as f32).ln_1p()
        }
        Feature::EpisodesDay => past.within(now, 24 * HOUR) as f32,
        Feature::EpisodesWeek => past.within(now, 7 * 24 * HOUR) as f32,
        Feature::SameTime(days) => past.same_time(now, days, EARLY, LATE),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests;
