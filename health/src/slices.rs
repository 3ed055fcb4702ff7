//! How many in the last so many seconds, counted by many threads at once and forgotten by time alone?

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use mcphub_routing::MonoTime;

/// A ring of `SLICES` slices of `SECONDS` each, with `KINDS` counters in a slice. No locks, no allocation, and nothing
/// to tidy up: every counter carries the number of its slice, so a count from another round of the ring is known by
/// its number and overwritten by whoever comes first. Counts are exact; one that arrives later than a whole round is
/// dropped.
#[derive(Debug)]
pub(crate) struct Slices<const KINDS: usize, const SLICES: usize, const SECONDS: u64> {
    ring: [Slice<KINDS>; SLICES],
}

#[derive(Debug)]
struct Slice<const KINDS: usize> {
    /// The newest slice that wrote here in the upper half; in the lower, a bit for each group of counters that it
    /// touched. Readers pass over what is old and what is empty without reading it: durations keep to a few buckets.
    touched: AtomicU64,
    counters: [Counter; KINDS],
}

impl<const KINDS: usize> Slice<KINDS> {
    /// Counters for each of the 32 bits.
    const GROUP: usize = KINDS.div_ceil(32);

    fn touch(&self, kind: usize, number: u32) {
        let (bit, number) = (1u64 << (kind / Self::GROUP), u64::from(number));
        let mut seen = self.touched.load(Relaxed);
        loop {
            let with = if seen >> 32 == number { seen | bit } else { number << 32 | bit };
            if with == seen || seen >> 32 > number {
                return;
            }
            match self.touched.compare_exchange_weak(seen, with, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    fn add_to(&self, sums: &mut [u32; KINDS], number: u32) {
        let touched = self.touched.load(Relaxed);
        if touched >> 32 != u64::from(number) {
            return;
        }
        let mut groups = touched as u32;
        while groups != 0 {
            let first = groups.trailing_zeros() as usize * Self::GROUP;
            let group = first..(first + Self::GROUP).min(KINDS);
            for (sum, counter) in sums[group.clone()].iter_mut().zip(&self.counters[group]) {
                *sum = sum.saturating_add(counter.read(number));
            }
            groups &= groups - 1;
        }
    }
}

impl<const KINDS: usize, const SLICES: usize, const SECONDS: u64> Default for Slices<KINDS, SLICES, SECONDS> {
    fn default() -> Self {
        let counters = || std::array::from_fn(|_| Counter::default());
        Self { ring: std::array::from_fn(|_| Slice { touched: AtomicU64::new(0), counters: counters() }) }
    }
}

impl<const KINDS: usize, const SLICES: usize, const SECONDS: u64> Slices<KINDS, SLICES, SECONDS> {
    /// The number of the slice that holds this instant. The first is 1: 0 is what an untouched counter carries.
    /// Enough for 136 years of one-second slices.
    pub(crate) fn number(now: MonoTime) -> u32 {
        u32::try_from(now.as_nanos() / (SECONDS * 1_000_000_000)).unwrap_or(u32::MAX - 1) + 1
    }

    /// Counts one of this kind.
    #[inline]
    pub(crate) fn add(&self, kind: usize, now: MonoTime) {
        let number = Self::number(now);
        let slice = &self.ring[number as usize % SLICES];
        slice.touch(kind, number);
        slice.counters[kind].add(number);
    }

    /// Adds up the slice of `now` and the `slices - 1` before it, none of them older than number `oldest`.
    pub(crate) fn sum(&self, slices: usize, oldest: u32, now: MonoTime) -> [u32; KINDS] {
        let newest = Self::number(now);
        let oldest = oldest.max(newest.saturating_sub(slices.min(SLICES) as u32 - 1));
        let mut sums = [0u32; KINDS];
        for number in oldest..=newest {
            self.ring[number as usize % SLICES].add_to(&mut sums, number);
        }
        sums
    }
}

/// The number of a slice in the upper half, what was counted in it in the lower.
#[derive(Debug, Default)]
struct Counter(AtomicU64);

impl Counter {
    fn add(&self, number: u32) {
        let mut seen = self.0.load(Relaxed);
        loop {
            let carried = (seen >> 32) as u32;
            if carried == number {
                // If the ring turns in between, the count goes to the next round instead: never lost, and a carry into
                // the number would take four billion in one slice.
                self.0.fetch_add(1, Relaxed);
                return;
            }
            if carried > number {
                return;
            }
            match self.0.compare_exchange_weak(seen, u64::from(number) << 32 | 1, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    #[inline]
    fn read(&self, number: u32) -> u32 {
        let seen = self.0.load(Relaxed);
        if (seen >> 32) as u32 == number { seen as u32 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    use proptest::prelude::*;

    type Ring = Slices<2, 4, 1>;

    fn at(millis: u64) -> MonoTime {
        MonoTime::from_millis(millis)
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
        check(99, 0, 1_000, [2, 1]);
        // The place of the first slice is taken by the fifth; a straggler for the first is dropped.
        ring.add(0, at(4_000));
        ring.add(0, at(500));
        check(4, 0, 4_000, [1, 1]);
    }

    #[test]
    fn every_kind_is_found_again() {
        let ring: Slices<80, 2, 1> = Slices::default();
        for kind in 0..80 {
            (0..=kind).for_each(|_| ring.add(kind, at(500)));
        }
        let sums = ring.sum(2, 0, at(1_500));
        assert!((0..80).all(|kind| sums[kind] as usize == kind + 1), "{sums:?}");
        ring.add(79, at(2_500));
        let sums = ring.sum(2, 0, at(2_500));
        assert_eq!((sums[79], sums.iter().sum::<u32>()), (1, 1));
    }

    #[test]
    fn threads_lose_nothing() {
        let ring: Slices<2, 64, 1> = Slices::default();
        let barrier = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    barrier.wait();
                    // All on the same two counters at the same time, from slice to slice.
                    (0..200_000).for_each(|n| ring.add(n as usize % 2, at(n / 10)));
                });
            }
        });
        assert_eq!(ring.sum(64, 0, at(20_000)), [800_000, 800_000]);
    }

    #[test]
    fn threads_that_turn_the_ring_at_once_lose_nothing() {
        let ring: Slices<1, 4, 1> = Slices::default();
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
