//! How often does this hub fail, whatever it looks like at the moment?
//!
//! Failures of one hub are counted as a Poisson process whose rate has a gamma prior, and old ones count for less. On
//! the scale of a day that is the only evidence there is; on the scale of minutes it sets the level that a model's
//! score is moved to, since a fleet that fails 2.7 times a day teaches other odds than a hub that fails once a month.

use std::time::Duration;

/// The failures that the prior is worth. Together with [`PRIOR_DAYS`] its mean is 0.05 a day, the median of 115 public
/// endpoints over 17,738 endpoint-days.
pub const PRIOR_FAILURES: f64 = 0.5;

/// The days of watching that the prior is worth: after ten days of its own a hub outweighs it.
pub const PRIOR_DAYS: f64 = 10.0;

/// After so many days a failure counts half. Half of all gaps between outages of public endpoints are shorter than a
/// day, so what is recent says most; with less than a week, a weekly fault would be forgotten before it returns.
pub const HALF_LIFE_DAYS: f64 = 7.0;

/// The least and the greatest probability whose logit is taken.
pub const PROBABILITY_MIN: f64 = 1e-6;

const SECONDS_PER_DAY: f64 = 86_400.0;

/// How often a hub fails, in failures a day: positive and finite.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Rate(f64);

impl Rate {
    /// What is expected of a hub that nobody has watched yet.
    pub const UNWATCHED: Self = Self(PRIOR_FAILURES / PRIOR_DAYS);

    /// From how long ago each failure began and how long the hub has been watched.
    ///
    /// Failures from before the watching began are passed over: the time without failures around them is unknown.
    pub fn of(failures: impl IntoIterator<Item = Duration>, watched: Duration) -> Self {
        let decay = std::f64::consts::LN_2 / HALF_LIFE_DAYS;
        let days = |time: Duration| time.as_secs_f64() / SECONDS_PER_DAY;
        let seen = failures.into_iter().filter(|ago| *ago <= watched);
        let count: f64 = seen.map(|ago| (-decay * days(ago)).exp()).sum();
        // The time is discounted as the failures are, so that a steady hub keeps its rate.
        let time = -(-decay * days(watched)).exp_m1() / decay;
        Self((count + PRIOR_FAILURES) / (time + PRIOR_DAYS))
    }

    /// Failures a day.
    pub fn per_day(self) -> f64 {
        self.0
    }

    /// How likely the hub fails within this time, 0 to 1.
    pub fn within(self, window: Duration) -> f64 {
        -(-self.0 * window.as_secs_f64() / SECONDS_PER_DAY).exp_m1()
    }

    /// The risk score: how likely it fails within the next 24 hours, 0 to 100.
    pub fn risk_score(self) -> f64 {
        100.0 * self.within(Duration::from_secs(86_400))
    }
}

/// The logit of a probability, which is first kept away from 0 and 1.
pub fn logit(p: f64) -> f64 {
    let p = p.clamp(PROBABILITY_MIN, 1.0 - PROBABILITY_MIN);
    (p / (1.0 - p)).ln()
}

/// The probability of a logit.
pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Moves a probability from where `trained` of the rows were positive to where `here` of them are (Saerens et al.
/// 2002): the odds are multiplied by the ratio of the prior odds. All are within 0 to 1.
pub fn shift(p: f64, trained: f64, here: f64) -> f64 {
    sigmoid(logit(p) + logit(here) - logit(trained))
}

/// The model and the prior together, weighed in logits: `weight` 1 is the model alone, 0 the prior alone.
pub fn blend(model: f64, prior: f64, weight: f64) -> f64 {
    let weight = weight.clamp(0.0, 1.0);
    sigmoid(weight * logit(model) + (1.0 - weight) * logit(prior))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn days(n: f64) -> Duration {
        Duration::from_secs_f64(n * SECONDS_PER_DAY)
    }

    #[test]
    fn nobody_watched_is_the_prior() {
        assert_eq!(Rate::of([], Duration::ZERO), Rate::UNWATCHED);
        assert!((Rate::UNWATCHED.per_day() - 0.05).abs() < 1e-12);
        assert!((Rate::UNWATCHED.risk_score() - 4.877).abs() < 1e-3);
    }

    #[test]
    fn watching_without_failures_calms_and_failures_alarm() {
        let calm = Rate::of([], days(30.0));
        let old = Rate::of([days(25.0)], days(30.0));
        let fresh = Rate::of([days(0.5)], days(30.0));
        assert!(calm < old && old < fresh && calm < Rate::UNWATCHED);
        // 1 + 1/2 failures, half-life 7 days: 10.1 days of decayed time at most.
        let two = Rate::of([Duration::ZERO, days(7.0)], days(10_000.0));
        assert!((two.per_day() - 2.0 / (7.0 / std::f64::consts::LN_2 + 10.0)).abs() < 1e-9);
    }

    #[test]
    fn failures_from_before_the_watching_do_not_count() {
        assert_eq!(Rate::of([days(3.0)], days(1.0)), Rate::of([], days(1.0)));
    }

    #[test]
    fn a_frequent_hub_is_told_as_one() {
        let daily = Rate::of((0..30).map(|n| days(f64::from(n))), days(30.0));
        assert!((0.4..0.8).contains(&daily.per_day()), "{daily:?}");
    }

    #[test]
    fn shifting_the_prior_moves_the_odds() {
        assert!((shift(0.5, 0.02, 0.02) - 0.5).abs() < 1e-12);
        // Even odds where 2 % fail are odds of 1 : 58 where 3.5 in 10,000 do.
        let rare = shift(0.5, 0.02, 3.5e-4);
        assert!((rare / (1.0 - rare) - (3.5e-4 / 0.999_65) / (0.02 / 0.98)).abs() < 1e-6);
    }

    #[test]
    fn a_blend_goes_from_the_prior_to_the_model() {
        assert!((blend(0.9, 0.1, 1.0) - 0.9).abs() < 1e-12);
        assert!((blend(0.9, 0.1, 0.0) - 0.1).abs() < 1e-12);
        assert!((blend(0.9, 0.1, 0.5) - 0.5).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn what_is_likelier_stays_likelier(
            (a, b) in (0.0..=1.0_f64, 0.0..=1.0_f64),
            (trained, here) in (1e-4..0.5_f64, 1e-4..0.5_f64),
        ) {
            let (low, high) = (a.min(b), a.max(b));
            prop_assert!(shift(low, trained, here) <= shift(high, trained, here));
            prop_assert!((0.0..=1.0).contains(&shift(a, trained, here)));
            let within = a.clamp(0.01, 0.99);
            let back = shift(shift(within, trained, here), here, trained);
            prop_assert!((back - within).abs() < 1e-3);
        }
    }
}
