//! What did the features look like in training?
//!
//! A model knows nothing of what it has not seen: a row outside the range of its training is a guess, and a fleet whose
//! rows have moved away from it needs another model.

/// Inner edges of the ten parts of equal count that a feature is divided into.
pub const EDGES: usize = 9;

/// The part of training rows beyond each end of the range: one in a thousand, so that one freak row does not make
/// everything familiar.
const BEYOND: f64 = 0.001;

/// One feature over the rows of the training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Profile {
    /// Its mean.
    pub mean: f32,
    /// One in a thousand rows lay below.
    pub low: f32,
    /// One in a thousand rows lay above.
    pub high: f32,
    /// Its deciles, which never fall. Where many rows are alike, several are the same.
    pub edges: [f32; EDGES],
    /// What part of the rows lay in each part: up to the first edge, up to the second, …, above the last.
    pub shares: [f32; EDGES + 1],
}

impl Profile {
    /// Of the values of one feature; `None` if there are none or one is not finite.
    pub fn of(values: &[f32]) -> Option<Self> {
        if values.is_empty() || values.iter().any(|value| !value.is_finite()) {
            return None;
        }
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f32::total_cmp);
        let last = sorted.len() - 1;
        let at = |part: f64| sorted[(part * last as f64).round() as usize];
        let mean = sorted.iter().map(|value| f64::from(*value)).sum::<f64>() / sorted.len() as f64;
        let edges = std::array::from_fn(|n| at((n + 1) as f64 / (EDGES + 1) as f64));
        let mut profile = Self {
            mean: mean as f32,
            low: at(BEYOND),
            high: at(1.0 - BEYOND),
            edges,
            shares: [0.0; EDGES + 1],
        };
        profile.shares = profile.shares_of(values);
        Some(profile)
    }

    /// Whether these numbers can be a profile: finite, in order, shares from 0 to 1 that make a whole.
    pub fn is_sound(&self) -> bool {
        let finite = self.mean.is_finite() && self.low.is_finite() && self.high.is_finite();
        let edges = self.edges.iter().all(|edge| edge.is_finite()) && self.edges.is_sorted();
        let shares = self.shares.iter().all(|share| (0.0..=1.0).contains(share));
        let whole = (self.shares.iter().sum::<f32>() - 1.0).abs() < 1e-3;
        finite && self.low <= self.high && edges && shares && whole
    }

    /// Whether a value is of the kind that the training has seen. What is not a number is not.
    pub fn covers(&self, value: f32) -> bool {
        self.low <= value && value <= self.high
    }

    /// What part of these values lies in each part; all 0 if there are none. What is not finite is passed over.
    pub fn shares_of(&self, values: &[f32]) -> [f32; EDGES + 1] {
        let mut counts = [0_u32; EDGES + 1];
        for value in values.iter().filter(|value| value.is_finite()) {
            counts[self.edges.partition_point(|edge| edge < value)] += 1;
        }
        let total = counts.iter().sum::<u32>().max(1);
        counts.map(|count| count as f32 / total as f32)
    }
}

/// What part of the features of this row lies outside the training range, 0 to 1. A row of another width is all
/// outside.
pub fn outside(profiles: &[Profile], row: &[f32]) -> f64 {
    if profiles.len() != row.len() || row.is_empty() {
        return 1.0;
    }
    let strange = profiles.iter().zip(row).filter(|(profile, value)| !profile.covers(**value)).count();
    strange as f64 / row.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thousands() -> Profile {
        let values: Vec<f32> = (0..10_000).map(|n| n as f32 / 10.0).collect();
        Profile::of(&values).unwrap()
    }

    #[test]
    fn a_profile_knows_the_middle_and_the_ends() {
        let profile = thousands();
        assert!(profile.is_sound());
        assert!((profile.mean - 499.95).abs() < 0.01);
        assert!((profile.low - 1.0).abs() < 0.2 && (profile.high - 998.9).abs() < 0.2, "{profile:?}");
        assert!(profile.shares.iter().all(|share| (share - 0.1).abs() < 1e-3), "{profile:?}");
        assert!(profile.covers(500.0) && !profile.covers(2_000.0) && !profile.covers(f32::NAN));
    }

    #[test]
    fn a_feature_that_is_mostly_the_same_has_honest_shares() {
        let mut values = vec![0.0; 950];
        values.extend([1.0; 50]);
        let profile = Profile::of(&values).unwrap();
        assert!(profile.is_sound());
        assert!((profile.shares[0] - 0.95).abs() < 1e-6 && (profile.shares[EDGES] - 0.05).abs() < 1e-6);
    }

    #[test]
    fn what_is_outside_is_counted() {
        let profiles = [thousands(), thousands()];
        assert_eq!(outside(&profiles, &[10.0, 20.0]), 0.0);
        assert_eq!(outside(&profiles, &[10.0, -20.0]), 0.5);
        assert_eq!(outside(&profiles, &[f32::NAN, 1e9]), 1.0);
        assert_eq!(outside(&profiles, &[10.0]), 1.0);
    }

    #[test]
    fn nothing_has_no_profile() {
        assert_eq!(Profile::of(&[]), None);
        assert_eq!(Profile::of(&[1.0, f32::NAN]), None);
        let broken = Profile { edges: [f32::NAN; EDGES], ..thousands() };
        assert!(!broken.is_sound());
        assert!(!Profile { low: 2.0, high: 1.0, ..thousands() }.is_sound());
        assert!(!Profile { shares: [0.5; EDGES + 1], ..thousands() }.is_sound());
    }
}
