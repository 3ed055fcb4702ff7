//! What about a machine foretells its failure, if nobody says what its columns mean?
//!
//! Metrics of a machine come under any names and in any number. What is asked of each is only how far it is from its own
//! last day; what a learner sees is how far the farthest are, how many there are, and whether that grows, so that one
//! model serves machines with other columns. Whether it failed at this time of day before says more than all of that.

use std::collections::VecDeque;

use super::minutes::{MINUTES, rise};
use super::recurrence::Recurrence;
use super::reference::{KNOWN_MIN, Usual, usual_of};
use super::schema::hash_of;
use crate::model::RowsError;

/// Most columns of a machine. At 4 bytes a minute and 24 hours, 1.4 MB of memory.
pub const COLUMNS_MAX: usize = 256;

/// How far, in spreads, a column must be from its median to be called out of the usual.
const UNUSUAL: f32 = 3.0;

/// Minutes over which a rise is looked for, at most.
const LOOK_BACK: usize = 120;

/// What a row of [`Columns`] says.
const NAMES: [&str; 18] = [
    "peak_1m",
    "peak_5m",
    "peak_30m",
    "strain_1m",
    "strain_5m",
    "strain_30m",
    "unusual_1m",
    "unusual_5m",
    "unusual_30m",
    "strain_rise_5m",
    "strain_rise_30m",
    "strain_rise_120m",
    "since_episode",
    "episodes_24h",
    "episodes_7d",
    "same_time_1d",
    "same_time_7d",
    "same_time_rule",
];

/// How far one minute was from usual.
#[derive(Debug, Clone, Copy)]
struct Minute {
    /// The farthest column, in spreads, 0 to 20.
    peak: f32,
    /// The mean of the three farthest.
    strain: f32,
    /// What part of the known columns is out of the usual, 0 to 1.
    unusual: f32,
}

/// The memory of one machine: a sample a minute, for 24 hours.
#[derive(Debug, Clone)]
pub struct Columns {
    series: Vec<VecDeque<f32>>,
    usual: Vec<Option<Usual>>,
    next: usize,
    minutes: VecDeque<Minute>,
    scratch: Vec<f32>,
}

impl Columns {
    /// Of a machine with this many columns, 1 to [`COLUMNS_MAX`].
    pub fn new(columns: usize) -> Result<Self, RowsError> {
        if columns == 0 || columns > COLUMNS_MAX {
            return Err(RowsError::Width(columns));
        }
        Ok(Self {
            series: vec![VecDeque::new(); columns],
            usual: vec![None; columns],
            next: 0,
            minutes: VecDeque::new(),
            scratch: Vec::new(),
        })
    }

    /// The names of a row's numbers, in order.
    pub fn names() -> &'static [&'static str] {
        &NAMES
    }

    /// As [`Schema::hash`](super::Schema::hash).
    pub fn hash() -> u64 {
        hash_of(NAMES.iter().copied())
    }

    /// The next minute; what is not finite is not known.
    pub fn push(&mut self, values: &[f32]) -> Result<(), RowsError> {
        if values.len() != self.series.len() {
            return Err(RowsError::Length { expected: self.series.len(), found: values.len() });
        }
        if self.minutes.len() == LOOK_BACK {
            self.minutes.pop_front();
        }
        self.minutes.push_back(self.far(values));
        for (series, value) in self.series.iter_mut().zip(values) {
            if series.len() == MINUTES {
                series.pop_front();
            }
            series.push_back(*value);
        }
        // One column a minute, in its turn: what is usual moves slowly, and costs some 20 µs.
        self.scratch.clear();
        self.scratch.extend(self.series[self.next].iter().copied().filter(|value| value.is_finite()));
        self.usual[self.next] = (self.scratch.len() >= KNOWN_MIN).then(|| {
            let (low, high) =
                self.scratch.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), value| {
                    (low.min(*value), high.max(*value))
                });
            // Many columns stand still but for a blip: a tenth of the day's range is the least that counts.
            usual_of(&mut self.scratch, ((high - low) / 10.0).clamp(1e-6, f32::MAX))
        });
        self.next = (self.next + 1) % self.series.len();
        Ok(())
    }

    fn far(&self, values: &[f32]) -> Minute {
        let (mut known, mut unusual, mut largest) = (0_u16, 0_u16, [0.0_f32; 3]);
        for (value, usual) in values.iter().zip(&self.usual) {
            let Some(usual) = usual.filter(|_| value.is_finite()) else { continue };
            let far = usual.deviation(*value).abs();
            known += 1;
            unusual += u16::from(far > UNUSUAL);
            if far > largest[0] {
                largest[0] = far;
                largest.sort_by(f32::total_cmp);
            }
        }
        let share = if known == 0 { 0.0 } else { f32::from(unusual) / f32::from(known) };
        Minute { peak: largest[2], strain: largest.iter().sum::<f32>() / 3.0, unusual: share }
    }

    /// The row of this minute; `now` is on the clock of `past`. `out` is overwritten; every number is finite. What cannot
    /// be told, for want of history, is 0.
    pub fn vector(&self, past: &Recurrence, now: u64, horizon: u64, out: &mut Vec<f32>) {
        const HOUR: u64 = 60 * 60;
        out.clear();
        let sights: [fn(&Minute) -> f32; 3] =
            [|minute| minute.peak, |minute| minute.strain, |minute| minute.unusual];
        for of in sights {
            out.extend([1, 5, 30].map(|span| self.mean(span, of)));
        }
        out.extend([5, 30, 120].map(|span| {
            let points = self.minutes.iter().rev().take(span).map(|minute| minute.strain).enumerate();
            rise(points, span, span / 2).unwrap_or(0.0)
        }));
        let since = past.since_last(now).unwrap_or(30 * 24 * HOUR);
        out.push((since as f32 / HOUR as f32).ln_1p());
        out.extend([24, 7 * 24].map(|hours| past.within(now, hours * HOUR) as f32));
        out.extend([1, 7].map(|days| past.same_time(now, days, 5 * 60, horizon)));
        out.push(past.rule(now, horizon));
    }

    fn mean(&self, span: usize, of: fn(&Minute) -> f32) -> f32 {
        let minutes = self.minutes.iter().rev().take(span);
        let count = minutes.len().max(1) as f32;
        minutes.map(of).sum::<f32>() / count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three columns: one that wavers, one that stands still, one with a blip now and then.
    fn usual(at: usize) -> [f32; 3] {
        [
            0.5 + 0.01 * ((at * 7_919 % 101) as f32 / 50.0 - 1.0),
            0.2,
            f32::from(u8::from(at.is_multiple_of(97))),
        ]
    }

    fn fed(minutes: usize) -> Columns {
        let mut columns = Columns::new(3).unwrap();
        (0..minutes).for_each(|at| columns.push(&usual(at)).unwrap());
        columns
    }

    fn row(columns: &Columns) -> Vec<f32> {
        let mut row = Vec::new();
        columns.vector(&Recurrence::new(0), 1_000_000, 1_800, &mut row);
        assert_eq!(row.len(), Columns::names().len());
        assert!(row.iter().all(|value| value.is_finite()), "{row:?}");
        row
    }

    fn at(name: &str) -> usize {
        NAMES.iter().position(|known| *known == name).unwrap()
    }

    #[test]
    fn what_is_out_of_the_usual_shows() {
        let mut columns = fed(600);
        let before = row(&columns);
        assert!(before[at("peak_1m")] < 3.0 && before[at("unusual_1m")] == 0.0, "{before:?}");
        for minute in 0..5 {
            columns.push(&[0.5 + 0.05 * minute as f32, 0.2, 0.0]).unwrap();
        }
        let after = row(&columns);
        assert!(after[at("peak_1m")] > 5.0, "{after:?}");
        assert!((after[at("unusual_1m")] - 1.0 / 3.0).abs() < 1e-6);
        assert!(after[at("strain_rise_5m")] > 1.0);
        assert!(after[at("strain_30m")] < after[at("strain_5m")]);
    }

    #[test]
    fn gaps_and_youth_are_usual() {
        assert_eq!(row(&Columns::new(3).unwrap())[at("peak_1m")], 0.0);
        assert_eq!(row(&fed(30))[at("peak_1m")], 0.0);
        let mut columns = fed(600);
        columns.push(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY]).unwrap();
        assert_eq!(row(&columns)[at("peak_1m")], 0.0);
        columns.push(&[3e38, -3e38, 3e38]).unwrap();
        assert_eq!(row(&columns)[at("peak_1m")], 20.0);
    }

    #[test]
    fn other_columns_are_refused_and_memory_is_a_day() {
        assert_eq!(Columns::new(0).unwrap_err(), RowsError::Width(0));
        assert_eq!(Columns::new(257).unwrap_err(), RowsError::Width(257));
        let found = fed(1).push(&[1.0; 2]);
        assert_eq!(found, Err(RowsError::Length { expected: 3, found: 2 }));
        let columns = fed(2 * MINUTES);
        assert!(columns.series.iter().all(|series| series.len() == MINUTES));
        assert_eq!(columns.minutes.len(), LOOK_BACK);
    }
}
