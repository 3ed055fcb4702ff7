//! Where do durations lie, to within an eighth?

use std::time::Duration;

use crate::Quantiles;

/// A quarter of an octave each, from 64 µs to 68 s: 20 octaves.
pub(crate) const BUCKETS: usize = 80;
/// The exponent of the shortest duration told apart: 2^16 ns.
const SHORTEST: u32 = 16;

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
    pub(crate) fn of(counts: &[u32; BUCKETS]) -> Self {
        let count: u32 = counts.iter().fold(0, |sum: u32, &n| sum.saturating_add(n));
        if count == 0 {
            return Self::default();
        }
        // The first buckets at which so many tenths of all have been seen; buckets are in the order of their durations.
        let (mut seen, mut p50, mut p90) = (0u64, None, None);
        for (bucket, &n) in counts.iter().enumerate().filter(|&(_, &n)| n > 0) {
            seen += u64::from(n) * 10;
            if seen >= u64::from(count) * 5 {
                p50 = p50.or(Some(bucket));
            }
            if seen >= u64::from(count) * 9 {
                p90 = Some(bucket);
                break;
            }
        }
        let [p50, p90] = [p50, p90].map(|bucket| middle(bucket.unwrap_or(BUCKETS - 1)));
        Self { count, p50, p90 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantiles_of_known_durations() {
        let check = |millis: &[u64], p50: f64, p90: f64| {
            let mut counts = [0; BUCKETS];
            millis.iter().for_each(|&m| counts[bucket(Duration::from_millis(m))] += 1);
            let found = Quantiles::of(&counts);
            assert_eq!(found.count as usize, millis.len());
            let near = |found: Duration, expected: f64| {
                let off = (found.as_secs_f64() * 1000.0 - expected).abs();
                assert!(off <= expected / 8.0, "{found:?} for {expected} ms of {millis:?}");
            };
            near(found.p50, p50);
            near(found.p90, p90);
        };
        check(&[5], 5.0, 5.0);
        check(&[5, 2_000], 5.0, 2_000.0);
        check(&[5, 5, 5, 5, 5, 5, 5, 5, 5, 2_000], 5.0, 5.0);
        check(&[5, 5, 5, 5, 5, 5, 5, 5, 2_000, 2_000], 5.0, 2_000.0);
        check(&(1..=100).collect::<Vec<_>>(), 50.0, 90.0);
        assert_eq!(Quantiles::of(&[0; BUCKETS]), Quantiles::default());
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
