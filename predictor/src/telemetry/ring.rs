//! What was a hub like over the last day?
//!
//! The last two hours period by period, and before that in means of a minute, up to a day: as fine as a failure that
//! announces itself for two minutes needs, and as long as the robust statistics of a day do. All of it fits into
//! 46,800 bytes.
//!
//! A ring knows no clock. It counts periods from the newest backwards, so a wall clock that jumps moves nothing in it;
//! whoever pushes says how many periods are missing before the new one, and they are gaps.

use std::collections::VecDeque;
use std::time::Duration;

use super::code::Row;
use super::{PERIOD, Sample};

/// Periods of [`PERIOD`] that are kept as they were: two hours.
pub const FINE_MAX: usize = 480;
/// Minutes that are kept before these: 22 hours, a day in all.
pub const COARSE_MAX: usize = 1_320;
/// Periods that make a minute.
pub const PER_MINUTE: usize = 4;
/// How long a mean covers.
pub const MINUTE: Duration = Duration::from_secs(60);

/// The samples of one hub's last day.
#[derive(Debug, Clone, PartialEq)]
pub struct Ring {
    /// Minutes, oldest first.
    pub(super) coarse: VecDeque<Row>,
    /// Periods, oldest first: those after the minutes.
    pub(super) fine: VecDeque<Row>,
}

/// One place in a ring.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slot {
    /// How long before the end of the newest period this one began.
    pub age: Duration,
    /// How long it lasts: [`PERIOD`] or [`MINUTE`].
    pub span: Duration,
    /// What the hub was like; `None` for a gap. That of a minute is the mean of what is known of its periods.
    pub sample: Option<Sample>,
}

impl Default for Ring {
    fn default() -> Self {
        Self { coarse: VecDeque::with_capacity(COARSE_MAX), fine: VecDeque::with_capacity(FINE_MAX) }
    }
}

impl Ring {
    /// Adds the newest period, so many periods after the one before it of which nothing is known.
    pub fn push(&mut self, missing: u64, sample: &Sample) {
        if missing >= (COARSE_MAX * PER_MINUTE + FINE_MAX) as u64 {
            // Longer than anything is kept: the hub, or we, were away.
            self.clear();
        } else if !self.is_empty() {
            (0..missing).for_each(|_| self.append(Row::GAP));
        }
        self.append(Row::of(sample));
    }

    /// Forgets all of it.
    pub fn clear(&mut self) {
        self.coarse.clear();
        self.fine.clear();
    }

    /// Whether there is no period in it.
    pub fn is_empty(&self) -> bool {
        self.fine.is_empty()
    }

    /// Every place from the oldest to the newest, without a hole: what is missing is a gap.
    pub fn slots(&self) -> impl DoubleEndedIterator<Item = Slot> + ExactSizeIterator + Clone + '_ {
        let (minutes, periods) = (self.coarse.len(), self.fine.len());
        (0..minutes + periods).map(move |at| match at.checked_sub(minutes) {
            None => {
                let age = PERIOD * periods as u32 + MINUTE * (minutes - at) as u32;
                Slot { age, span: MINUTE, sample: self.coarse[at].sample() }
            }
            Some(at) => {
                let age = PERIOD * (periods - at) as u32;
                Slot { age, span: PERIOD, sample: self.fine[at].sample() }
            }
        })
    }

    /// The newest period.
    pub fn newest(&self) -> Option<Sample> {
        self.fine.back().and_then(Row::sample)
    }

    /// Bytes of memory that it holds, itself included.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + (self.coarse.capacity() + self.fine.capacity()) * size_of::<Row>()
    }

    /// Makes room by turning the oldest four periods into a minute.
    fn append(&mut self, row: Row) {
        if self.fine.len() == FINE_MAX {
            if self.coarse.len() == COARSE_MAX {
                self.coarse.pop_front();
            }
            self.coarse.push_back(Row::mean(self.fine.range(..PER_MINUTE)));
            self.fine.drain(..PER_MINUTE);
        }
        self.fine.push_back(row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Signal;
    use proptest::prelude::*;

    fn sample(rate: f32) -> Sample {
        let mut sample = Sample::UNKNOWN;
        sample.set(Signal::Rate, rate);
        sample
    }

    /// What is kept of `Rate`, oldest first: NaN for gaps.
    fn rates(ring: &Ring) -> Vec<f32> {
        ring.slots().map(|slot| slot.sample.and_then(|s| s.get(Signal::Rate)).unwrap_or(f32::NAN)).collect()
    }

    #[test]
    fn periods_become_minutes_and_minutes_go() {
        let mut ring = Ring::default();
        for n in 0..20_000 {
            ring.push(0, &sample((n % 4) as f32));
            assert!(ring.fine.len() <= FINE_MAX && ring.coarse.len() <= COARSE_MAX);
        }
        assert_eq!((ring.coarse.len(), ring.fine.len()), (COARSE_MAX, FINE_MAX));
        let oldest = ring.slots().next().unwrap();
        assert_eq!((oldest.age, oldest.span), (Duration::from_secs(24 * 3600), MINUTE));
        assert_eq!(oldest.sample, Some(sample(1.5)));
        let newest = ring.slots().next_back().unwrap();
        assert_eq!((newest.age, newest.span, newest.sample), (PERIOD, PERIOD, Some(sample(3.0))));
        assert!(ring.bytes() <= 47_000, "{}", ring.bytes());
    }

    #[test]
    fn what_is_missing_is_a_gap() {
        let mut ring = Ring::default();
        ring.push(9, &sample(1.0));
        assert_eq!(ring.slots().len(), 1, "before the first there is nothing, not even a gap");
        ring.push(2, &sample(2.0));
        assert!(matches!(*rates(&ring), [1.0, a, b, 2.0] if a.is_nan() && b.is_nan()));
        // A minute of which one period is known is what that period was.
        (0..FINE_MAX).for_each(|_| ring.push(0, &sample(7.0)));
        assert_eq!(rates(&ring)[0], 1.5);
    }

    #[test]
    fn a_year_of_downtime_leaves_nothing_of_before() {
        let mut ring = Ring::default();
        (0..1_000).for_each(|_| ring.push(0, &sample(1.0)));
        ring.push(365 * 24 * 240, &sample(2.0));
        assert_eq!(rates(&ring), [2.0]);
        ring.push(u64::MAX, &sample(3.0));
        assert_eq!(rates(&ring), [3.0]);
        // A night leaves the day before, a day leaves nothing.
        ring.clear();
        (0..1_000).for_each(|_| ring.push(0, &sample(1.0)));
        ring.push(8 * 240, &sample(2.0));
        assert_eq!(rates(&ring)[0], 1.0);
        ring.push((COARSE_MAX * PER_MINUTE + FINE_MAX) as u64, &sample(2.0));
        assert_eq!(ring.slots().len(), 1);
    }

    proptest! {
        #[test]
        fn ages_have_no_holes(pushes in proptest::collection::vec((0u64..300, 0f32..9.0), 1..60)) {
            let mut ring = Ring::default();
            for (missing, rate) in &pushes {
                ring.push(*missing, &sample(*rate));
            }
            let slots: Vec<_> = ring.slots().collect();
            for pair in slots.windows(2) {
                prop_assert_eq!(pair[0].age - pair[0].span, pair[1].age);
            }
            let newest = slots[slots.len() - 1];
            prop_assert_eq!(newest.age, newest.span);
            prop_assert_eq!(ring.newest(), newest.sample);
            let periods = 1 + pushes[1..].iter().map(|(missing, _)| missing + 1).sum::<u64>();
            let day = Duration::from_secs(24 * 3600);
            let seen = slots[0].age;
            prop_assert!(seen == PERIOD * periods as u32 || seen > day - MINUTE && seen <= day);
        }
    }
}
