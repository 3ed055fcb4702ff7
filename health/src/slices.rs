//! How many in the last so many seconds, counted by many threads at once and forgotten by time alone?
//!
//! No locks, no allocation, and nothing to tidy up: counters stand in rings, one for each slice of time, and carry the
//! number of their slice, so that a count from another round of the ring is known by its number and overwritten by whoever
//! comes first. Counts are exact; one that arrives later than a whole round is dropped.
//!
//! With thousands of hubs, both counting and reading are for the most part waiting for memory. So counters come in pairs
//! that share a word and the number in it, and [`Touched`] tells readers what they need not look at.

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use mcphub_routing::MonoTime;

/// An instant in whole seconds, which is as exact as slices are. Enough for 136 years.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Second(u32);

impl Second {
    #[inline]
    pub(crate) fn of(now: MonoTime) -> Self {
        Self(u32::try_from(now.as_nanos() / 1_000_000_000).unwrap_or(u32::MAX - 1))
    }

    /// The number of the slice of so many seconds that holds this one. The first is 1: 0 is what an untouched counter
    /// carries.
    #[inline]
    pub(crate) fn slice<const SECONDS: u32>(self) -> u32 {
        self.0 / SECONDS + 1
    }

    /// The numbers of so many slices up to this one's, none below `oldest`.
    #[inline]
    pub(crate) fn slices<const SECONDS: u32>(self, count: usize, oldest: u32) -> RangeInclusive<u32> {
        let newest = self.slice::<SECONDS>();
        oldest.max(newest.saturating_sub(count as u32 - 1)).max(1)..=newest
    }
}

/// A slice so few numbers ahead is a later one, begun by a thread that is ahead of ours. More is one that was left behind, for so
/// long that its number has gone round.
const AHEAD_MAX: u64 = 16;

/// Two counters of `BITS` each and, in the bits above them, the end of their slice's number. That is enough: for an old count to
/// pass as new, nothing may have been counted in its place for exactly as long as it takes that end and the ring to meet
/// again, which is 455 days for slices of two minutes and years for all others.
#[derive(Debug, Default)]
pub(crate) struct Pair<const BITS: u32>(AtomicU64);

impl<const BITS: u32> Pair<BITS> {
    const COUNT: u64 = (1 << BITS) - 1;
    const NUMBER: u64 = u64::MAX >> (2 * BITS);
    /// Beyond this, nothing is counted: with as many threads as that leaves room for, no counter can run over.
    const MOST: u64 = Self::COUNT - 1024;

    /// Counts one of the first or the second of the pair (0, 1).
    #[inline]
    pub(crate) fn add(&self, which: usize, number: u32) {
        let (shift, number) = (which as u32 * BITS, u64::from(number) & Self::NUMBER);
        let mut seen = self.0.load(Relaxed);
        loop {
            let carried = seen >> (2 * BITS);
            if carried == number {
                // If the ring turns in between, the count goes to the next round instead: never lost.
                if seen >> shift & Self::COUNT < Self::MOST {
                    self.0.fetch_add(1 << shift, Relaxed);
                }
                return;
            }
            if carried.wrapping_sub(number) & Self::NUMBER <= AHEAD_MAX {
                return;
            }
            let first = number << (2 * BITS) | 1 << shift;
            match self.0.compare_exchange_weak(seen, first, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    /// What was counted in this slice.
    #[inline]
    pub(crate) fn read(&self, number: u32) -> [u32; 2] {
        let seen = self.0.load(Relaxed);
        if seen >> (2 * BITS) == u64::from(number) & Self::NUMBER {
            [(seen & Self::COUNT) as u32, (seen >> BITS & Self::COUNT) as u32]
        } else {
            [0, 0]
        }
    }
}

/// Which of up to 40 kinds were counted in each of the last `SLICES` slices of `SECONDS`?
#[derive(Debug)]
pub(crate) struct Touched<const SLICES: usize, const SECONDS: u32>([AtomicU64; SLICES]);

impl<const SLICES: usize, const SECONDS: u32> Default for Touched<SLICES, SECONDS> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

/// How many kinds [`Touched`] can tell apart. The number of the slice has the other 24 bits of the word: enough for a year of
/// slices of two seconds, and then the number begins again.
const KINDS: u32 = 40;
const NUMBER: u64 = u64::MAX >> KINDS;

impl<const SLICES: usize, const SECONDS: u32> Touched<SLICES, SECONDS> {
    /// Notes that this kind is counted in this slice.
    #[inline]
    pub(crate) fn touch(&self, kind: usize, number: u32) {
        let word = &self.0[number as usize % SLICES];
        let number = u64::from(number) & NUMBER;
        let alone = number << KINDS | 1 << kind;
        let mut seen = word.load(Relaxed);
        // As a rule it is noted already.
        while seen & (NUMBER << KINDS | 1 << kind) != alone {
            let carried = seen >> KINDS;
            let later = carried.wrapping_sub(number) & NUMBER;
            if (1..=AHEAD_MAX).contains(&later) {
                return;
            }
            let with = if later == 0 { seen | alone } else { alone };
            match word.compare_exchange_weak(seen, with, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    /// The kinds that were counted in this slice.
    #[inline]
    pub(crate) fn kinds(&self, number: u32) -> Kinds {
        let seen = self.0[number as usize % SLICES].load(Relaxed);
        Kinds(if seen >> KINDS == u64::from(number) & NUMBER { seen & !(NUMBER << KINDS) } else { 0 })
    }

    /// The kinds that were counted in any slice that is still known.
    pub(crate) fn all_kinds(&self, now: Second) -> Kinds {
        now.slices::<SECONDS>(SLICES, 0).map(|number| self.kinds(number)).fold(Kinds::default(), Kinds::or)
    }
}

/// A set of kinds, lowest first.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Kinds(u64);

impl Kinds {
    #[inline]
    pub(crate) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Iterator for Kinds {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        let kind = self.0.trailing_zeros() as usize;
        self.0 &= self.0.wrapping_sub(1);
        (kind < KINDS as usize).then_some(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    use proptest::prelude::*;

    /// Four slices of a second, as rings are made of pairs.
    #[derive(Default)]
    struct Ring([Pair<20>; 4]);

    impl Ring {
        fn add(&self, which: usize, now: Second) {
            let number = now.slice::<1>();
            self.0[number as usize % 4].add(which, number);
        }

        fn sum(&self, slices: usize, oldest: u32, now: Second) -> [u32; 2] {
            let each = now.slices::<1>(slices.min(4), oldest).map(|n| self.0[n as usize % 4].read(n));
            each.fold([0, 0], |[a, b], [c, d]| [a + c, b + d])
        }
    }

    fn at(millis: u64) -> Second {
        Second::of(MonoTime::from_millis(millis))
    }

    #[test]
    fn a_round_later_nothing_is_left() {
        let ring = Ring::default();
        assert_eq!(ring.sum(4, 0, at(0)), [0, 0]);
        ring.add(0, at(0));
        ring.add(0, at(999));
        ring.add(1, at(1_000));
        let check = |slices, oldest, now, expected| {
            assert_eq!(ring.sum(slices, oldest, at(now)), expected, "{slices} from {oldest} at {now}");
        };
        check(1, 0, 999, [2, 0]);
        check(1, 0, 1_000, [0, 1]);
        check(2, 0, 1_000, [2, 1]);
        check(4, 0, 3_999, [2, 1]);
        check(4, 2, 3_999, [0, 1]);
        check(4, 0, 4_000, [0, 1]);
        check(4, 0, 5_000, [0, 0]);
        // The place of the first slice is taken by the fifth; a straggler for the first is dropped.
        ring.add(0, at(4_000));
        ring.add(0, at(500));
        check(4, 0, 4_000, [1, 1]);
    }

    #[test]
    fn a_pair_keeps_its_counts_apart_and_never_runs_over() {
        let pair: Pair<12> = Pair::default();
        (0..5_000).for_each(|_| pair.add(0, 7));
        pair.add(1, 7);
        assert_eq!((pair.read(7), pair.read(6), pair.read(8)), ([4_095 - 1_024, 1], [0, 0], [0, 0]));
        pair.add(1, 6);
        assert_eq!(pair.read(7), [4_095 - 1_024, 1], "a straggler is dropped");
        pair.add(1, 12);
        assert_eq!((pair.read(7), pair.read(12)), ([0, 0], [0, 1]));
    }

    #[test]
    fn the_end_of_a_number_is_enough() {
        // 16 bits of the number are kept. Whatever was left behind, however long ago, does not keep out what is new.
        for left in [0, 1, 1 << 15, (1 << 16) - 1] {
            for later in [1, 2_000, 40_000, (1 << 16) - 2_000] {
                let pair: Pair<24> = Pair::default();
                pair.add(0, left);
                pair.add(0, left + later);
                pair.add(0, left + later);
                assert_eq!(pair.read(left + later), [2, 0], "{later} after {left}");
            }
        }
    }

    #[test]
    fn every_kind_is_found_again_as_long_as_it_matters() {
        let touched: Touched<2, 60> = Touched::default();
        let touch = |kind, millis| touched.touch(kind, at(millis).slice::<60>());
        assert_eq!(touched.all_kinds(at(0)).count(), 0);
        (0..40).for_each(|kind| touch(kind, 1_000 * kind as u64));
        assert!(touched.all_kinds(at(40_000)).eq(0..40));
        [39, 0, 20, 20].into_iter().for_each(|kind| touch(kind, 60_000));
        assert!(touched.all_kinds(at(119_999)).eq(0..40));
        assert!(touched.all_kinds(at(120_000)).eq([0, 20, 39]));
        touch(7, 120_000);
        touch(8, 59_999); // A straggler from a slice that is no more.
        assert!(touched.all_kinds(at(120_000)).eq([0, 7, 20, 39]));
        assert!(touched.kinds(at(120_000).slice::<60>()).eq([7]));
        assert!(touched.all_kinds(at(180_000)).eq([7]));
        assert_eq!(touched.all_kinds(at(240_000)).count(), 0);
    }

    #[test]
    fn threads_lose_nothing() {
        let (ring, touched) = (Ring::default(), Touched::<4, 1>::default());
        let barrier = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (ring, touched, barrier) = (&ring, &touched, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    // All on the same two counters at the same time, from slice to slice.
                    for n in 0..200_000 {
                        ring.add(n as usize % 2, at(n / 50));
                        touched.touch(thread, at(n / 50).slice::<1>());
                    }
                });
            }
        });
        assert_eq!(ring.sum(4, 0, at(3_999)), [800_000, 800_000]);
        assert!(touched.all_kinds(at(3_999)).eq(0..8));
    }

    #[test]
    fn threads_that_turn_the_ring_at_once_lose_nothing() {
        let ring = Ring::default();
        let (arrived, turns) = (AtomicU32::new(0), 20_000);
        // Both wait for each other, then are the first of a new slice, at the same time.
        let run = || {
            let mut lost = 0;
            for turn in 0..turns {
                let now = at(u64::from(turn) * 1_000);
                let meet = |count| {
                    arrived.fetch_add(1, Relaxed);
                    // Spinning, or they would not set off together; yielding, in case there is but one processor.
                    for spins in 0u32.. {
                        if arrived.load(Relaxed) >= count {
                            break;
                        } else if spins % 256 == 255 {
                            std::thread::yield_now();
                        }
                    }
                };
                meet(turn * 4 + 2);
                ring.add(0, now);
                meet(turn * 4 + 4);
                lost += 2 - ring.sum(1, 0, now)[0];
            }
            lost
        };
        let lost = std::thread::scope(|scope| {
            let threads = [scope.spawn(run), scope.spawn(run)];
            threads.map(|thread| thread.join().unwrap())
        });
        assert_eq!(lost, [0, 0]);
    }

    proptest! {
        #[test]
        fn the_order_within_a_round_does_not_matter(
            millis in proptest::collection::vec(0u64..4_000, 0..50),
            now in 0u64..9_000,
        ) {
            let (forth, back) = (Ring::default(), Ring::default());
            millis.iter().for_each(|&m| forth.add(0, at(m)));
            millis.iter().rev().for_each(|&m| back.add(0, at(m)));
            prop_assert_eq!(forth.sum(4, 0, at(now)), back.sum(4, 0, at(now)));
            let inside = |&&m: &&u64| m / 1_000 <= now / 1_000 && m / 1_000 + 4 > now / 1_000;
            let expected = millis.iter().filter(inside).count() as u32;
            prop_assert_eq!(forth.sum(4, 0, at(now))[0], expected);
        }
    }
}
