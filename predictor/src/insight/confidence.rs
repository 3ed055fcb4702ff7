//! How far may a forecast be believed?
//!
//! As far as its weakest leg: whether the calibration has seen such probabilities, whether the hub has been watched for
//! long enough, and whether it looks like anything the model was trained on. A hub that nobody has watched for a day
//! has no past to be compared with; then the model is not asked, and the prior speaks.

use std::time::Duration;

use crate::model::prior::{Rate, blend, shift};

/// The least history that the model needs: its features compare a hub with its own last day.
pub const HISTORY_MIN: Duration = Duration::from_secs(24 * 3600);

/// The history after which a hub is known: a week has seen each hour of each day once.
pub const HISTORY_FULL: Duration = Duration::from_secs(7 * 24 * 3600);

/// The most that a forecast is believed without [`HISTORY_MIN`]. It is below what any action asks for.
pub const COLD_MAX: f64 = 0.3;

/// What a forecast stands on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Basis {
    /// How long the hub has been watched.
    pub history: Duration,
    /// How well the calibrator knows the neighbourhood of the probability, 0 to 1.
    pub support: f64,
    /// What part of the features lies outside the training range, 0 to 1.
    pub outside: f64,
}

impl Basis {
    /// Is there no past yet to compare the hub with?
    pub fn is_cold(&self) -> bool {
        self.history < HISTORY_MIN
    }

    /// How far the forecast may be believed, 0 to 1. What is not a number counts as nothing known.
    pub fn confidence(&self) -> f64 {
        let sound = |x: f64| if x.is_nan() { 0.0 } else { x.clamp(0.0, 1.0) };
        let watched = self.history.as_secs_f64() / HISTORY_FULL.as_secs_f64();
        let least = sound(self.support).min(sound(1.0 - self.outside)).min(watched);
        if self.is_cold() { least.min(COLD_MAX) } else { least }
    }

    /// What weight the model has against the prior, 0 to 1: none while the hub is cold, then as much as the row is
    /// familiar. The history needs no weight of its own, since the prior shift already carries it.
    pub fn weight(&self) -> f64 {
        if self.is_cold() || self.outside.is_nan() { 0.0 } else { (1.0 - self.outside).clamp(0.0, 1.0) }
    }

    /// The probability that is told: the model's, moved from the base rate of its training to that of this hub, and
    /// weighed against the hub's own prior.
    ///
    /// `model` is calibrated and within 0 to 1, `base_rate` is that of the training, `window` is the horizon.
    pub fn probability(&self, model: f64, base_rate: f64, rate: Rate, window: Duration) -> f64 {
        let prior = rate.within(window);
        blend(shift(model, base_rate, prior), prior, self.weight())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(n: u64) -> Duration {
        Duration::from_secs(n * 3600)
    }

    const KNOWN: Basis = Basis { history: HISTORY_FULL, support: 1.0, outside: 0.0 };
    const TEN_MINUTES: Duration = Duration::from_secs(600);

    #[test]
    fn the_weakest_leg_decides() {
        let check = |basis: Basis, expected: f64| {
            assert!((basis.confidence() - expected).abs() < 1e-9, "{basis:?}");
        };
        check(KNOWN, 1.0);
        check(Basis { support: 0.4, ..KNOWN }, 0.4);
        check(Basis { outside: 0.7, ..KNOWN }, 0.3);
        check(Basis { history: hours(84), ..KNOWN }, 0.5);
        check(Basis { history: hours(23), ..KNOWN }, 23.0 / 168.0);
        check(Basis { history: Duration::ZERO, ..KNOWN }, 0.0);
        check(Basis { support: f64::NAN, ..KNOWN }, 0.0);
        check(Basis { outside: f64::NAN, ..KNOWN }, 0.0);
    }

    #[test]
    fn a_cold_hub_has_the_prior_only_and_little_confidence() {
        for hour in 0..24 {
            let cold = Basis { history: hours(hour), ..KNOWN };
            assert!(cold.confidence() <= COLD_MAX);
            let told = cold.probability(0.99, 0.02, Rate::UNWATCHED, TEN_MINUTES);
            assert!((told - Rate::UNWATCHED.within(TEN_MINUTES)).abs() < 1e-9);
        }
        let warm = Basis { history: hours(24), ..KNOWN };
        assert!(warm.probability(0.99, 0.02, Rate::UNWATCHED, TEN_MINUTES) > 0.5);
    }

    #[test]
    fn what_the_model_has_never_seen_is_left_to_the_prior() {
        let of = |outside| Basis { outside, ..KNOWN }.probability(0.9, 0.02, Rate::UNWATCHED, TEN_MINUTES);
        assert!(of(0.0) > of(0.3) && of(0.3) > of(1.0));
        assert!((of(1.0) - Rate::UNWATCHED.within(TEN_MINUTES)).abs() < 1e-9);
    }

    #[test]
    fn a_rare_failure_needs_a_louder_sign() {
        let rare = KNOWN.probability(0.5, 0.02, Rate::UNWATCHED, TEN_MINUTES);
        let often = Rate::of((0..20).map(|n| hours(n * 12)), hours(240));
        assert!(rare < 0.05 && KNOWN.probability(0.5, 0.02, often, TEN_MINUTES) > 3.0 * rare);
    }
}
