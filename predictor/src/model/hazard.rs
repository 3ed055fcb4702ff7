//! When does a hub fail, if its risk at a few horizons is this?
//!
//! The cumulative hazard −ln(1 − p) is known at each horizon and taken to be linear between them, which is to say that
//! within a segment no minute is likelier than another. Beyond the last horizon the hub's own long-run rate goes on.
//! How good a moment can be told was measured: within a factor of two for a third of the failures, against 27 % for a
//! constant. So the moment is absent unless a failure is likelier than not, and comes with its quartiles.

use std::time::Duration;

/// How far ahead the models look: five, ten and thirty minutes. Failures that announce themselves do so for a few
/// minutes (median lead 1.5 to 5 min); beyond half an hour the long-run rate knows as much.
pub const HORIZONS: [Duration; 3] =
    [Duration::from_secs(5 * 60), Duration::from_secs(10 * 60), Duration::from_secs(30 * 60)];

/// The greatest probability that is told, since a certain failure would have an infinite hazard.
pub const PROBABILITY_MAX: f64 = 1.0 - 1e-6;

/// The least slope of memory, share per minute, that is extrapolated: 2 · 10⁻⁴ fills a tenth of the memory in eight
/// hours. What rises more slowly is a cache or a garbage collector at work.
pub const MEMORY_SLOPE_MIN: f64 = 2e-4;

/// The farthest that memory is extrapolated: a day, after which load has gone through its whole cycle.
pub const MEMORY_REACH: Duration = Duration::from_secs(24 * 3600);

const SECONDS_PER_DAY: f64 = 86_400.0;

/// How the risk of one hub grows with time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hazard {
    /// Cumulative at each of [`HORIZONS`]; never falls.
    cumulative: [f64; HORIZONS.len()],
    /// Failures per second beyond the last horizon.
    rate: f64,
}

impl Hazard {
    /// From the probability of a failure within each of [`HORIZONS`], and the hub's long-run failures a day.
    ///
    /// The models of the horizons are fitted apart and may contradict each other; a longer window then takes over what
    /// the shorter one says, as it contains it. `None` if anything is not a number, a probability lies outside 0 to 1,
    /// or the rate is negative.
    pub fn new(probabilities: [f64; HORIZONS.len()], per_day: f64) -> Option<Self> {
        let proper = |p: &f64| (0.0..=1.0).contains(p);
        let rate = per_day >= 0.0 && per_day.is_finite();
        if !(rate && probabilities.iter().all(proper)) {
            return None;
        }
        let mut most = 0.0_f64;
        let cumulative = probabilities.map(|p| {
            most = most.max(p.min(PROBABILITY_MAX));
            -(-most).ln_1p()
        });
        Some(Self { cumulative, rate: per_day / SECONDS_PER_DAY })
    }

    /// How likely a failure is within this time from now, 0 to 1.
    pub fn within(&self, window: Duration) -> f64 {
        -(-self.at(window.as_secs_f64())).exp_m1()
    }

    /// The cumulative hazard after so many seconds.
    fn at(&self, seconds: f64) -> f64 {
        let (mut from, mut below) = (0.0, 0.0);
        for (horizon, &above) in HORIZONS.iter().zip(&self.cumulative) {
            let to = horizon.as_secs_f64();
            if seconds <= to {
                return below + (above - below) * (seconds - from) / (to - from);
            }
            (from, below) = (to, above);
        }
        below + self.rate * (seconds - from)
    }

    /// When this part of all outcomes has failed; `None` if it takes longer than the last horizon.
    ///
    /// `part` is in (0, 1); anything else gives `None`.
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        if !(part > 0.0 && part < 1.0) {
            return None;
        }
        let wanted = -(-part).ln_1p();
        let (mut from, mut below) = (0.0, 0.0);
        for (horizon, &above) in HORIZONS.iter().zip(&self.cumulative) {
            let to = horizon.as_secs_f64();
            if above >= wanted {
                let seconds = from + (to - from) * (wanted - below) / (above - below);
                return Some(Duration::from_secs_f64(seconds.clamp(from, to)));
            }
            (from, below) = (to, above);
        }
        None
    }

    /// The time to failure: its median, or `None` when the hub more likely lives through the last horizon.
    pub fn median(&self) -> Option<Duration> {
        self.quantile(0.5)
    }
}

/// When memory is used up if it goes on growing like this.
///
/// `used` and `limit` are shares of the memory, 0 to 1; `slope` is in shares per minute. `None` when it does not grow
/// fast enough to be told from noise ([`MEMORY_SLOPE_MIN`]), takes longer than [`MEMORY_REACH`], or is not a number.
pub fn memory_exhaustion(used: f64, slope: f64, limit: f64) -> Option<Duration> {
    if !(slope > MEMORY_SLOPE_MIN && slope.is_finite() && used.is_finite() && limit.is_finite()) {
        return None;
    }
    let seconds = ((limit - used).max(0.0) / slope) * 60.0;
    (seconds <= MEMORY_REACH.as_secs_f64()).then(|| Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn minutes(n: u64) -> Duration {
        Duration::from_secs(60 * n)
    }

    fn hazard(probabilities: [f64; 3]) -> Hazard {
        Hazard::new(probabilities, 0.05).unwrap()
    }

    #[test]
    fn the_horizons_say_what_they_were_told() {
        let hazard = hazard([0.1, 0.2, 0.6]);
        for (horizon, expected) in HORIZONS.into_iter().zip([0.1, 0.2, 0.6]) {
            assert!((hazard.within(horizon) - expected).abs() < 1e-12);
        }
        assert_eq!(hazard.within(Duration::ZERO), 0.0);
        // Halfway between two horizons, the hazards are averaged: 1 - sqrt((1 - .1)(1 - .2)).
        let between = hazard.within(Duration::from_secs(450));
        assert!((between - (1.0 - (0.9_f64 * 0.8).sqrt())).abs() < 1e-12);
    }

    #[test]
    fn a_longer_window_takes_over_what_a_shorter_one_says() {
        let hazard = hazard([0.3, 0.1, 0.2]);
        assert!((hazard.within(minutes(30)) - 0.3).abs() < 1e-12);
    }

    #[test]
    fn beyond_the_last_horizon_the_long_run_rate_goes_on() {
        let quiet = Hazard::new([0.0; 3], 1.0).unwrap();
        let day = quiet.within(minutes(30 + 24 * 60));
        assert!((day - (1.0 - (-1.0_f64).exp())).abs() < 1e-9);
    }

    #[test]
    fn the_moment_is_told_only_of_what_is_likelier_than_not() {
        assert_eq!(hazard([0.1, 0.2, 0.49]).median(), None);
        assert_eq!(hazard([0.5, 0.6, 0.7]).median(), Some(minutes(5)));
        assert_eq!(hazard([0.0, 0.0, 0.75]).median(), Some(minutes(20)));
        let sure = hazard([1.0, 1.0, 1.0]);
        assert!(sure.median().unwrap() < minutes(1));
        assert!(sure.quantile(0.25) < sure.quantile(0.75));
    }

    #[test]
    fn what_is_no_probability_makes_no_hazard() {
        for bad in [f64::NAN, f64::INFINITY, -0.1, 1.1] {
            assert_eq!(Hazard::new([0.1, bad, 0.2], 0.05), None);
        }
        assert_eq!(Hazard::new([0.1; 3], f64::NAN), None);
        assert_eq!(Hazard::new([0.1; 3], -1.0), None);
        assert_eq!(hazard([0.9; 3]).quantile(f64::NAN), None);
    }

    #[test]
    fn memory_is_extrapolated_when_it_clearly_grows() {
        assert_eq!(memory_exhaustion(0.7, 0.01, 0.95), Some(Duration::from_secs(1500)));
        assert_eq!(memory_exhaustion(0.7, 2e-4, 0.95), None);
        assert_eq!(memory_exhaustion(0.97, 0.01, 0.95), Some(Duration::ZERO));
        assert_eq!(memory_exhaustion(0.1, 3e-4, 0.95), None, "farther than a day");
        for bad in [f64::NAN, f64::INFINITY] {
            assert_eq!(memory_exhaustion(bad, 0.01, 0.95), None);
            assert_eq!(memory_exhaustion(0.5, bad, 0.95), None);
        }
    }

    proptest! {
        #[test]
        fn more_time_never_means_less_risk(
            p in prop::array::uniform3(0.0..=1.0_f64),
            rate in 0.0..100.0_f64,
            a in 0_u64..200_000,
            b in 0_u64..200_000,
        ) {
            let hazard = Hazard::new(p, rate).unwrap();
            let within = |s: u64| hazard.within(Duration::from_secs(s));
            prop_assert!(within(a.min(b)) <= within(a.max(b)));
            prop_assert!((0.0..=1.0).contains(&within(a)));
            if let Some(median) = hazard.median() {
                prop_assert!((hazard.within(median) - 0.5).abs() < 1e-6);
            }
        }
    }
}
