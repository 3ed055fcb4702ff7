//! Which moments of a hub's record teach anything?

use std::time::Duration;

use crate::backtest::{Label, Rules, Timeline};
use crate::features::Schema;
use crate::model::hazard::HORIZONS;
use crate::telemetry::{MERGE_GAP, PER_MINUTE, PERIOD, Sample, Signal};
use crate::training::{Examples, Series, SeriesError};

use super::{Pupil, TeachError};

/// How much of a hub must be known before it teaches: half a day. Before, what is usual for it is a guess.
const WARM_UP: Duration = Duration::from_secs(12 * 60 * 60);

/// One sample in so many of the longest horizon may be missing, and we still know that no failure came.
const MISSING_MAX: usize = 10;

/// How many samples this time takes.
pub(super) const fn samples_in(time: Duration) -> usize {
    (time.as_secs() / PERIOD.as_secs()) as usize
}

/// The longest horizon in samples.
fn longest() -> usize {
    HORIZONS.into_iter().map(samples_in).max().unwrap_or(0)
}

/// One hub's record, and what may be asked of it.
#[derive(Debug)]
pub(super) struct Record<'a> {
    /// Its number in the fleet.
    pub(super) hub: usize,
    pub(super) pupil: Pupil<'a>,
    /// When it failed, and when a forecast of it may be judged.
    pub(super) timeline: Timeline,
    starts: Vec<usize>,
    /// How many samples before each were not watched; one longer than the samples.
    unwatched: Vec<usize>,
    /// The same of those that we had a hand in.
    acted: Vec<usize>,
}

impl<'a> Record<'a> {
    pub(super) fn new(hub: usize, pupil: Pupil<'a>) -> Result<Self, TeachError> {
        let samples = pupil.samples.len();
        let whole = pupil.failures.iter().all(|failed| failed.start < failed.end && failed.end <= samples);
        let ordered = pupil.failures.windows(2).all(|pair| pair[0].end <= pair[1].start);
        if !whole || !ordered {
            return Err(TeachError::Failures { hub, samples });
        }
        let mut acted = vec![false; samples];
        for window in pupil.acted {
            let end = window.end.min(samples);
            acted[window.start.min(end)..end].fill(true);
        }
        let unwatched: Vec<_> = pupil.samples.iter().map(|sample| !is_known(sample)).collect();
        let mut labels = vec![Label::Up; samples];
        for (at, label) in labels.iter_mut().enumerate() {
            if unwatched[at] || acted[at] {
                *label = Label::Unlabelled;
            }
        }
        for failed in pupil.failures {
            labels[failed.start..failed.end].fill(Label::Down);
        }
        let known = pupil.minutes.len().saturating_mul(PER_MINUTE);
        let timeline = Timeline::new(
            &labels,
            &Rules {
                merge_gap: samples_in(MERGE_GAP),
                // What follows a failure is not what precedes one: caches are cold, queues are long.
                guard: samples_in(MERGE_GAP),
                warm_up: samples_in(WARM_UP).saturating_sub(known),
            },
        );
        let starts = timeline.episodes().iter().map(|episode| episode.start).collect();
        Ok(Self { hub, pupil, timeline, starts, unwatched: sums(&unwatched), acted: sums(&acted) })
    }

    /// The moments that teach, one in `every`.
    pub(super) fn moments(&self, every: usize) -> Vec<usize> {
        let all = self.timeline.rows(&(0..self.timeline.len()), every);
        all.into_iter().filter(|at| self.teaches(*at)).collect()
    }

    /// Whether it is known, for every horizon, what came of this moment without us.
    fn teaches(&self, at: usize) -> bool {
        let samples = self.timeline.len();
        let (after, end) = (at + 1, at + 1 + longest());
        let within = |sums: &[usize], from: usize| sums[end.min(samples)] - sums[from];
        let beyond = end.saturating_sub(samples);
        let unwatched = within(&self.unwatched, after) + beyond;
        within(&self.acted, at) == 0 && unwatched * MISSING_MAX <= longest()
    }

    /// Whether nothing that we did had a part in these samples.
    pub(super) fn is_left_alone(&self, samples: std::ops::Range<usize>) -> bool {
        self.acted[samples.end.min(self.timeline.len())] == self.acted[samples.start]
    }

    /// The rows of these moments; what came of them is asked later, for each horizon.
    pub(super) fn rows(&self, schema: &Schema, moments: &[usize]) -> Result<Examples, TeachError> {
        let Pupil { minutes, samples, begin, around, .. } = self.pupil;
        let series = Series { minutes, samples, begin, starts: &self.starts, around };
        let rows = series.examples(schema, moments.iter().map(|at| (*at, false)));
        rows.map_err(|source: SeriesError| TeachError::Record { hub: self.hub, source })
    }
}

fn is_known(sample: &Sample) -> bool {
    Signal::ALL.into_iter().any(|signal| sample.get(signal).is_some())
}

/// How many are true before each place, and in all.
fn sums(flags: &[bool]) -> Vec<usize> {
    let counts = flags.iter().scan(0, |sum, flag| {
        *sum += usize::from(*flag);
        Some(*sum)
    });
    std::iter::once(0).chain(counts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::teach::Failed;

    const DAY: usize = 5_760;

    fn samples(unknown: std::ops::Range<usize>) -> Vec<Sample> {
        let mut known = Sample::UNKNOWN;
        known.set(Signal::Rate, 1.0);
        (0..DAY).map(|at| if unknown.contains(&at) { Sample::UNKNOWN } else { known }).collect()
    }

    fn moments(pupil: Pupil<'_>) -> Vec<usize> {
        Record::new(0, pupil).unwrap().moments(1)
    }

    #[test]
    fn half_a_day_is_history_and_the_end_has_no_future() {
        let samples = samples(0..0);
        let found = moments(Pupil::of(&samples, &[]));
        // A tenth of the last half an hour may be missing.
        assert_eq!((found[0], found.last()), (2_880, Some(&(DAY - 1 - 108))));
        assert_eq!(found.len(), DAY - 108 - 2_880);
        let minutes = vec![samples[0]; 720];
        assert_eq!(moments(Pupil { minutes: &minutes, ..Pupil::of(&samples, &[]) })[0], 0);
    }

    #[test]
    fn what_we_had_a_hand_in_and_what_nobody_watched_is_left_out() {
        let whole = samples(0..0);
        let acted = [4_000..4_100, 9_000..10_000];
        let found = moments(Pupil { acted: &acted, ..Pupil::of(&whole, &[]) });
        let missing: Vec<_> = (2_880..5_000).filter(|at| !found.contains(at)).collect();
        assert_eq!(missing, (3_880..4_100).collect::<Vec<_>>(), "the half an hour before it, too");
        let gap = samples(4_000..4_100);
        let found = moments(Pupil::of(&gap, &[]));
        let missing: Vec<_> = (2_880..5_000).filter(|at| !found.contains(at)).collect();
        assert_eq!(missing, (3_892..4_100).collect::<Vec<_>>(), "and where more than a tenth is unknown");
    }

    #[test]
    fn failures_out_of_order_are_refused() {
        let samples = samples(0..0);
        let failed = |start, end| Failed { start, end, kind: None };
        for failures in [
            [failed(10, 10), failed(20, 30)],
            [failed(10, 21), failed(20, 30)],
            [failed(20, 30), failed(10, 15)],
            [failed(20, 30), failed(DAY - 1, DAY + 1)],
        ] {
            let found = Record::new(7, Pupil::of(&samples, &failures));
            assert!(matches!(found, Err(TeachError::Failures { hub: 7, samples: DAY })), "{failures:?}");
        }
    }
}
