//! Where do durations lie, to within an eighth, lately and in the past?

use std::time::Duration;

use crate::Quantiles;
use crate::slices::{Kinds, Pair, Second, Touched};

/// A quarter of an octave each, from 64 µs to 68 s: 20 octaves.
pub(crate) const BUCKETS: usize = 80;
/// The exponent of the shortest duration told apart: 2^16 ns.
const SHORTEST: u32 = 16;

/// Durations of the last `SLICES` slices of `SECONDS`, and of the last ten minutes without these.
#[derive(Debug, Default)]
pub(crate) struct Histogram<const SLICES: usize, const SECONDS: u32> {
    /// Up to half a million of one bucket a second.
    lately: Ring<SLICES, SECONDS, 20>,
    /// Its beginning matters little. Up to 140,000 of one bucket a second, for two minutes on end.
    past: Ring<5, 120, 24>,
}

impl<const SLICES: usize, const SECONDS: u32> Histogram<SLICES, SECONDS> {
    /// Counts a duration.
    #[inline]
    pub(crate) fn add(&self, duration: Duration, now: Second) {
        let bucket = bucket(duration);
        self.lately.add(bucket, now);
        self.past.add(bucket, now);
    }

    /// Of what was counted lately, and of what was counted before.
    pub(crate) fn quantiles(&self, now: Second) -> (Quantiles, Quantiles) {
        let (lately, mut past) = (self.lately.counts(now), self.past.counts(now));
        // Both count the same things, so nothing goes below zero but by a record that arrives in between.
        past.each
            .iter_mut()
            .zip(&lately.each)
            .for_each(|(past, lately)| *past = past.saturating_sub(*lately));
        (Quantiles::of(&lately), Quantiles::of(&past))
    }
}

/// How many in each bucket.
struct Counts {
    each: [u32; BUCKETS],
    /// All are in one of these pairs of buckets.
    pairs: Kinds,
}

/// A ring of histograms, two neighbouring buckets in a word.
#[derive(Debug)]
struct Ring<const SLICES: usize, const SECONDS: u32, const BITS: u32> {
    touched: Touched<SLICES, SECONDS>,
    slices: [[Pair<BITS>; BUCKETS / 2]; SLICES],
}

impl<const SLICES: usize, const SECONDS: u32, const BITS: u32> Default for Ring<SLICES, SECONDS, BITS> {
    fn default() -> Self {
        let slices = std::array::from_fn(|_| std::array::from_fn(|_| Pair::default()));
        Self { touched: Touched::default(), slices }
    }
}

impl<const SLICES: usize, const SECONDS: u32, const BITS: u32> Ring<SLICES, SECONDS, BITS> {
    #[inline]
    fn add(&self, bucket: usize, now: Second) {
        let number = now.slice::<SECONDS>();
        self.touched.touch(bucket / 2, number);
        self.slices[number as usize % SLICES][bucket / 2].add(bucket % 2, number);
    }

    fn counts(&self, now: Second) -> Counts {
        let mut counts = [0; BUCKETS];
        let mut pairs = Kinds::default();
        for number in now.slices::<SECONDS>(SLICES, 0) {
            let slice = &self.slices[number as usize % SLICES];
            let touched = self.touched.kinds(number);
            pairs = pairs.or(touched);
            for pair in touched {
                let [first, second] = slice[pair].read(number);
                counts[pair * 2] += first;
                counts[pair * 2 + 1] += second;
            }
        }
        Counts { each: counts, pairs }
    }
}

/// Which bucket holds this duration? What is shorter or longer than all goes to the first or the last.
#[inline]
pub(crate) fn bucket(duration: Duration) -> usize {
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX).max(1 << SHORTEST);
    let octave = nanos.ilog2();
    let quarter = (nanos >> (octave - 2) & 3) as usize;
    ((octave - SHORTEST) as usize * 4 + quarter).min(BUCKETS - 1)
}

/// The middle of a bucket, which stands for all in it.
fn middle(bucket: usize) -> Duration {
    let (octave, quarter) = (SHORTEST + bucket as u32 / 4, bucket as u64 % 4);
    Duration::from_nanos((9 + 2 * quarter) << (octave - 3))
}

impl Quantiles {
    /// Of what was counted.
    fn of(counts: &Counts) -> Self {
        let each = || counts.pairs.flat_map(|pair| [pair * 2, pair * 2 + 1]).map(|at| (at, counts.each[at]));
        let count = each().fold(0, |sum: u32, (_, n)| sum.saturating_add(n));
        if count == 0 {
            return Self::default();
        }
        // The first buckets at which so many twentieths of all have been seen; buckets are in the order of their durations.
        let (mut seen, mut p50, mut p90, mut p95) = (0u64, None, None, None);
        for (bucket, n) in each() {
            seen += u64::from(n) * 20;
            if seen >= u64::from(count) * 10 {
                p50 = p50.or(Some(bucket));
            }
            if seen >= u64::from(count) * 18 {
                p90 = p90.or(Some(bucket));
            }
            if seen >= u64::from(count) * 19 {
                p95 = Some(bucket);
                break;
            }
        }
        let [p50, p90, p95] = [p50, p90, p95].map(|bucket| middle(bucket.unwrap_or(BUCKETS - 1)));
        Self { count, p50, p90, p95 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantiles_of_known_durations() {
        let check = |millis: &[u64], p50: f64, p90: f64, p95: f64| {
            let now = Second::of(mcphub_routing::MonoTime::from_millis(1));
            let histogram: Histogram<5, 2> = Histogram::default();
            millis.iter().for_each(|&m| histogram.add(Duration::from_millis(m), now));
            let (found, past) = histogram.quantiles(now);
            assert_eq!(past, Quantiles::default(), "nothing was before");
            assert_eq!(found.count as usize, millis.len());
            let near = |found: Duration, expected: f64| {
                let off = (found.as_secs_f64() * 1000.0 - expected).abs();
                assert!(off <= expected / 8.0, "{found:?} for {expected} ms of {millis:?}");
            };
            near(found.p50, p50);
            near(found.p90, p90);
            near(found.p95, p95);
        };
        check(&[5], 5.0, 5.0, 5.0);
        check(&[5, 2_000], 5.0, 2_000.0, 2_000.0);
        check(&[5, 5, 5, 5, 5, 5, 5, 5, 5, 2_000], 5.0, 5.0, 2_000.0);
        check(&[5, 5, 5, 5, 5, 5, 5, 5, 2_000, 2_000], 5.0, 2_000.0, 2_000.0);
        check(&(1..=100).collect::<Vec<_>>(), 50.0, 90.0, 95.0);
        check(&[], 0.0, 0.0, 0.0);
    }

    #[test]
    fn what_is_out_of_range_goes_to_the_ends() {
        assert_eq!(bucket(Duration::ZERO), 0);
        assert_eq!(bucket(Duration::from_nanos((1 << 16) - 1)), 0);
        assert_eq!(bucket(Duration::from_secs(60)), BUCKETS - 2);
        assert_eq!(bucket(Duration::MAX), BUCKETS - 1);
    }

    proptest! {
        #[test]
        fn a_bucket_stands_for_its_own(nanos in 1u64 << 16..1 << 36) {
            let stands = middle(bucket(Duration::from_nanos(nanos))).as_nanos() as u64;
            prop_assert!(stands.abs_diff(nanos) <= nanos / 8);
        }

        #[test]
        fn longer_is_never_a_lower_bucket(a in 0u64..1 << 40, b in 0u64..1 << 40) {
            let (a, b) = (a.min(b), a.max(b));
            prop_assert!(bucket(Duration::from_nanos(a)) <= bucket(Duration::from_nanos(b)));
        }
    }
}
