//! What is known of one hub's past, whatever clocks do?
//!
//! Two clocks take part, and each is believed in what it is good at. Within a process the monotonic one says how many
//! periods lie between two samples; the wall clock only says at what time of day the newest ended, so a clock that is
//! put right re-dates the past and neither tears a hole into it nor puts anything into the future. From one process to
//! the next only the wall clock can say how long nobody was looking. One that has gone back meanwhile says nothing:
//! then the new samples follow on the old ones.

use std::time::Duration;

use super::episodes::Episodes;
use super::ring::{Ring, Slot};
use super::{PERIOD, Sample};

/// One hub's samples of a day and failures of a month.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct History {
    pub(super) ring: Ring,
    pub(super) episodes: Episodes,
    /// The end of the newest period, in seconds since 1970; 0 before the first.
    pub(super) newest: u64,
    /// Periods that were sampled, however long ago.
    pub(super) periods: u64,
    pub(super) restarted_at: Option<u64>,
}

/// How many periods are missing between the newest sample and the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// So many, by the monotonic clock.
    Counted(u64),
    /// As many as the wall clock says: the last sample was another process's.
    ByWallClock,
}

impl History {
    /// Adds the sample of the period that ended at `end`, in seconds since 1970.
    pub fn push(&mut self, missing: Missing, sample: &Sample, end: u64) {
        let missing = match missing {
            Missing::Counted(missing) => missing,
            // To the nearest period: two processes do not begin theirs at the same second.
            Missing::ByWallClock => {
                let away = end.saturating_sub(self.newest).saturating_add(PERIOD.as_secs() / 2);
                (away / PERIOD.as_secs()).saturating_sub(1)
            }
        };
        self.ring.push(missing, sample);
        self.periods = self.periods.saturating_add(1);
        self.newest = end;
        self.episodes.not_after(end);
        self.episodes.forget(end);
        self.restarted_at = self.restarted_at.map(|at| at.min(end));
    }

    /// The last day's samples, oldest first and without a hole: each with the second since 1970 at which it began, and
    /// `None` in place of what is missing.
    pub fn samples(&self) -> impl DoubleEndedIterator<Item = (u64, Slot)> + ExactSizeIterator + Clone + '_ {
        self.ring.slots().map(|slot| (self.newest.saturating_sub(slot.age.as_secs()), slot))
    }

    /// What the hub was like in the newest period.
    pub fn latest(&self) -> Option<Sample> {
        self.ring.newest()
    }

    /// When the newest period ended, in seconds since 1970; `None` before the first.
    pub fn newest(&self) -> Option<u64> {
        (!self.ring.is_empty()).then_some(self.newest)
    }

    /// How many periods were sampled so far, however long ago. It only grows: who knows the number of an earlier time
    /// knows which samples are new, whatever clocks do.
    pub fn periods(&self) -> u64 {
        self.periods
    }

    /// For how long the hub was watched, from the first sample on and without the gaps.
    pub fn watched(&self) -> Duration {
        PERIOD.saturating_mul(u32::try_from(self.periods).unwrap_or(u32::MAX))
    }

    /// The last month's failures.
    pub fn episodes(&self) -> &Episodes {
        &self.episodes
    }

    /// The same, to note one down or say more about it.
    pub fn episodes_mut(&mut self) -> &mut Episodes {
        &mut self.episodes
    }

    /// When the hub was last seen to have been started again, in seconds since 1970.
    pub fn restarted_at(&self) -> Option<u64> {
        self.restarted_at
    }

    /// Notes that the hub was started again at this second since 1970.
    pub fn restart(&mut self, now: u64) {
        self.restarted_at = Some(now);
        self.episodes.restart(now);
    }

    /// Puts what an earlier process knew before all that is known here, for when that is learned late.
    pub fn precede(&mut self, earlier: Self) {
        let own = std::mem::replace(self, earlier);
        let earlier_periods = self.periods;
        let Some(end) = own.newest() else { return };
        let (mut missing, mut counted) = (0, false);
        for slot in own.ring.slots() {
            match slot.sample {
                None => missing += 1,
                Some(sample) => {
                    let end = end - (slot.age - slot.span).as_secs().min(end);
                    let before = if counted { Missing::Counted(missing) } else { Missing::ByWallClock };
                    self.push(before, &sample, end);
                    (missing, counted) = (0, true);
                }
            }
        }
        // Those that the ring has let go, too.
        self.periods = earlier_periods.saturating_add(own.periods);
        self.episodes.append(own.episodes);
        self.restarted_at = own.restarted_at.or(self.restarted_at);
    }

    /// Bytes of memory that it holds, itself included.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() - size_of::<Ring>() - size_of::<Episodes>()
            + self.ring.bytes()
            + self.episodes.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::episodes::Marks;
    use crate::telemetry::{EPISODES_MAX, Signal};

    const NOON: u64 = 1_795_435_200;

    fn sample(rate: f32) -> Sample {
        let mut sample = Sample::UNKNOWN;
        sample.set(Signal::Rate, rate);
        sample
    }

    fn history(samples: u64, newest: u64) -> History {
        let mut history = History::default();
        for left in (0..samples).rev() {
            history.push(Missing::Counted(0), &sample(1.0), newest - 15 * left);
        }
        history
    }

    fn gaps(history: &History) -> usize {
        history.samples().filter(|(_, slot)| slot.sample.is_none()).count()
    }

    #[test]
    fn samples_are_dated_back_from_the_newest() {
        let history = history(3, NOON);
        let starts: Vec<_> = history.samples().map(|(start, _)| start).collect();
        assert_eq!(starts, [NOON - 45, NOON - 30, NOON - 15]);
        assert_eq!((history.newest(), History::default().newest()), (Some(NOON), None));
    }

    #[test]
    fn a_wall_clock_that_jumps_re_dates_and_tears_nothing() {
        for wall in [NOON + 365 * 86_400, NOON - 86_400, 5, u64::MAX] {
            let mut history = history(100, NOON);
            history.episodes.fail((NOON - 60, NOON), Marks::default());
            history.push(Missing::Counted(0), &sample(2.0), wall);
            assert_eq!((history.samples().len(), gaps(&history)), (101, 0));
            assert!(history.samples().all(|(start, _)| start <= wall));
            assert!(history.episodes.iter().all(|episode| episode.end <= wall), "{:?}", history.episodes);
        }
    }

    #[test]
    fn between_processes_the_wall_clock_tells_what_is_missing() {
        let check = |later: i64, samples: usize, missing: usize| {
            let mut history = history(100, NOON);
            history.push(Missing::ByWallClock, &sample(2.0), NOON.saturating_add_signed(later));
            assert_eq!((history.samples().len(), gaps(&history)), (samples, missing), "{later} s later");
        };
        check(15, 101, 0);
        check(22, 101, 0);
        check(23, 102, 1);
        check(150, 110, 9);
        check(0, 101, 0);
        check(-86_400, 101, 0);
        check(365 * 86_400, 1, 0);
    }

    #[test]
    fn what_an_earlier_process_knew_can_be_learned_late() {
        let mut late = history(3, NOON);
        late.push(Missing::Counted(1), &sample(3.0), NOON + 30);
        late.episodes.fail((NOON, NOON + 30), Marks::default());
        let mut earlier = history(10, NOON - 75);
        earlier.episodes.fail((NOON - 300, NOON - 240), Marks { restarted: true, ..Marks::default() });
        earlier.restart(NOON - 290);
        late.precede(earlier.clone());
        let rates: Vec<_> = late.samples().map(|(_, slot)| slot.sample.is_some()).collect();
        // Ten of before, two periods between, three and one with a gap before it.
        let expected = [vec![true; 10], vec![false; 2], vec![true; 3], vec![false, true]].concat();
        assert_eq!(rates, expected);
        assert_eq!(late.newest(), Some(NOON + 30));
        let episodes: Vec<_> = late.episodes.iter().map(|e| (e.start, e.end, e.restarted)).collect();
        assert_eq!(episodes, [(NOON - 300, NOON + 30, true)]);
        let mut nothing = History::default();
        nothing.precede(earlier.clone());
        assert_eq!(nothing, earlier);
    }

    #[test]
    fn a_full_history_is_bounded() {
        let mut history = History::default();
        for n in 0..10_000u64 {
            history.push(Missing::Counted(0), &sample(n as f32), NOON + 15 * n);
        }
        (0..2 * EPISODES_MAX as u64).for_each(|n| {
            let start = NOON + 1_000 * n;
            history.episodes.fail((start, start + 15), Marks::default());
        });
        assert_eq!(history.episodes.len(), EPISODES_MAX);
        println!("a full history takes {} bytes", history.bytes());
        assert!(history.bytes() <= 72 * 1024, "{}", history.bytes());
    }
}
