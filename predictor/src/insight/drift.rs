//! Has the fleet moved away from what the model was trained on?
//!
//! Three signs, each of which suffices: the features that matter most have another distribution, probabilities no
//! longer come true as often as they say, or there are more false alarms than were allowed. Then the forecast falls
//! back to the prior and the plainer model, and says so.

use crate::backtest::Predictions;
use crate::model::profile::{EDGES, Profile};

/// So many of the most important features are looked at. The others may wander without any harm.
pub const FEATURES_WATCHED: usize = 5;

/// A population stability index above this is a shift (.1 to .25 is the usual border between moderate and large).
pub const STABILITY_MAX: f64 = 0.2;

/// An expected calibration error above this: ten times that of the held-out hubs of the simulation.
pub const CALIBRATION_MAX: f64 = 0.05;

/// So many times the budget of false alarms, over a day, is too many.
pub const ALARMS_MAX: f64 = 2.0;

/// Rows that a distribution is taken from: below, ten parts are noise (the index of a sample of n is about 9 / n).
pub const ROWS_MIN: usize = 500;

/// Forecasts with a known end that calibration is taken from: a hundred for each of ten bins.
pub const OUTCOMES_MIN: usize = 1_000;

/// The least share that enters a logarithm, since an empty part would be infinitely far away.
const SHARE_MIN: f64 = 1e-4;

/// The population stability index between two distributions over the same parts: Σ (b − a) · ln(b / a), 0 for the same.
pub fn stability(a: &[f32; EDGES + 1], b: &[f32; EDGES + 1]) -> f64 {
    let share = |x: f32| f64::from(x).max(SHARE_MIN);
    a.iter().zip(b).map(|(a, b)| (share(*b) - share(*a)) * (share(*b) / share(*a)).ln()).sum()
}

/// The [expected calibration error](Predictions::calibration_error): how far, on average, what came true lies from what was
/// said. `None` with fewer than [`OUTCOMES_MIN`] outcomes or a probability that is not within 0 to 1.
pub fn calibration_error(outcomes: &[(f64, bool)]) -> Option<f64> {
    let proper = outcomes.iter().all(|(p, _)| (0.0..=1.0).contains(p));
    if outcomes.len() < OUTCOMES_MIN || !proper {
        return None;
    }
    let (said, came) = outcomes.iter().copied().unzip();
    Predictions::new(said, came).ok()?.calibration_error()
}

/// What the last day was like.
#[derive(Debug, Clone, Copy)]
pub struct Day<'d> {
    /// Rows of features, all hubs together.
    pub rows: &'d [Vec<f32>],
    /// Probabilities that were told, and whether the hub failed within the horizon. Without those on which we acted:
    /// what would have come of them nobody knows.
    pub outcomes: &'d [(f64, bool)],
    /// False alarms per hub and day.
    pub false_alarms: f64,
    /// How many were allowed.
    pub budget: f64,
}

/// One sign that the model no longer fits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Drift {
    /// A feature that matters has another distribution.
    Feature {
        /// Which.
        feature: usize,
        /// Its population stability index.
        stability: f64,
    },
    /// Probabilities do not come true.
    Calibration {
        /// The expected calibration error.
        error: f64,
    },
    /// There are too many false alarms.
    Alarms {
        /// Per hub and day.
        found: f64,
        /// So many were allowed.
        budget: f64,
    },
}

/// Every sign that the model no longer fits; none if it does, or if there is too little to tell.
pub fn drift(profiles: &[Profile], importance: &[f32], day: &Day<'_>) -> Vec<Drift> {
    let mut signs = Vec::new();
    for feature in foremost(importance) {
        let (Some(profile), Some(found)) = (profiles.get(feature), column(day.rows, feature)) else {
            continue;
        };
        let stability = stability(&profile.shares, &profile.shares_of(&found));
        if stability > STABILITY_MAX {
            signs.push(Drift::Feature { feature, stability });
        }
    }
    if let Some(error) = calibration_error(day.outcomes).filter(|error| *error > CALIBRATION_MAX) {
        signs.push(Drift::Calibration { error });
    }
    if day.false_alarms > ALARMS_MAX * day.budget {
        signs.push(Drift::Alarms { found: day.false_alarms, budget: day.budget });
    }
    signs
}

/// The features that matter most, in order of their weight.
fn foremost(importance: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..importance.len()).filter(|at| importance[*at] > 0.0).collect();
    order.sort_by(|a, b| importance[*b].total_cmp(&importance[*a]).then(a.cmp(b)));
    order.truncate(FEATURES_WATCHED);
    order
}

/// The finite values of one feature, if there are enough of them.
fn column(rows: &[Vec<f32>], feature: usize) -> Option<Vec<f32>> {
    let values: Vec<f32> =
        rows.iter().filter_map(|row| row.get(feature).copied()).filter(|value| value.is_finite()).collect();
    (values.len() >= ROWS_MIN).then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn even(count: u16, offset: f32) -> Vec<f32> {
        (0..count).map(|n| f32::from(n) / f32::from(count) + offset).collect()
    }

    fn rows(offset: f32) -> Vec<Vec<f32>> {
        even(1_000, offset).into_iter().map(|x| vec![x, 0.5, x]).collect()
    }

    const CALM: Day<'static> = Day { rows: &[], outcomes: &[], false_alarms: 0.4, budget: 0.5 };

    fn check(day: &Day<'_>, expected: impl Fn(&[Drift]) -> bool) {
        let profile = Profile::of(&even(10_000, 0.0)).unwrap();
        let signs = drift(&[profile; 3], &[0.6, 0.0, 0.4], day);
        assert!(expected(&signs), "{signs:?}");
    }

    #[test]
    fn the_same_is_stable_and_the_other_is_not() {
        check(&Day { rows: &rows(0.0), ..CALM }, <[Drift]>::is_empty);
        let moved = |signs: &[Drift]| {
            matches!(signs, [Drift::Feature { feature: 0, .. }, Drift::Feature { feature: 2, .. }])
        };
        check(&Day { rows: &rows(0.3), ..CALM }, moved);
        check(&Day { rows: &rows(0.3)[..400], ..CALM }, <[Drift]>::is_empty);
        check(&Day { rows: &vec![vec![f32::NAN; 3]; 1_000], ..CALM }, <[Drift]>::is_empty);
        check(&Day { rows: &vec![vec![]; 1_000], ..CALM }, <[Drift]>::is_empty);
    }

    #[test]
    fn stability_of_known_shares() {
        let mut a = [0.0; EDGES + 1];
        (a[0], a[1]) = (0.5, 0.5);
        let mut b = a;
        (b[0], b[1]) = (0.6, 0.4);
        // (.1) ln 1.2 + (-.1) ln .8
        assert!((stability(&a, &b) - 0.040_546).abs() < 1e-5);
        assert_eq!(stability(&a, &a), 0.0);
    }

    #[test]
    fn probabilities_that_do_not_come_true_are_noticed() {
        let outcomes = |said: f64| -> Vec<_> { (0..2_000).map(|n| (said, n % 10 == 0)).collect() };
        assert!(calibration_error(&outcomes(0.1)).unwrap() < 0.01);
        assert!((calibration_error(&outcomes(0.3)).unwrap() - 0.2).abs() < 0.01);
        assert_eq!(calibration_error(&outcomes(0.3)[..999]), None);
        assert_eq!(calibration_error(&outcomes(f64::NAN)), None);
        check(&Day { outcomes: &outcomes(0.1), ..CALM }, <[Drift]>::is_empty);
        check(&Day { outcomes: &outcomes(0.3), ..CALM }, |signs| {
            matches!(signs, [Drift::Calibration { .. }])
        });
    }

    #[test]
    fn too_many_false_alarms_are_noticed() {
        check(&Day { false_alarms: 1.0, ..CALM }, <[Drift]>::is_empty);
        check(&Day { false_alarms: 1.1, ..CALM }, |signs| {
            signs == [Drift::Alarms { found: 1.1, budget: 0.5 }]
        });
    }

    #[test]
    fn only_what_matters_is_watched() {
        assert_eq!(foremost(&[0.1, 0.0, 0.3, 0.1, 0.2, 0.15, 0.15]), [2, 4, 5, 6, 0]);
        assert_eq!(foremost(&[f32::NAN, 0.0]), [] as [usize; 0]);
    }
}
