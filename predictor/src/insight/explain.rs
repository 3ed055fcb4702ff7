//! What moved this forecast?
//!
//! Along the path of a row through a tree, each question moves the mean towards the answer; what a feature was asked
//! adds up to its part. The parts of all features make up the whole difference from an average row, so nothing is
//! hidden, though features that say the same share what they say.

use crate::model::profile::Profile;
use crate::model::{Estimator, RowsError};

/// The most features that are named: more is not read.
pub const MOVERS_MAX: usize = 5;

/// A feature is named if it makes up at least this part of all movement.
pub const PART_MIN: f32 = 0.05;

/// One feature that moved a forecast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mover {
    /// Which feature, by its place in a row.
    pub feature: usize,
    /// What it is now.
    pub value: f32,
    /// What it was on average in training.
    pub usual: f32,
    /// What part of all movement it makes up: positive towards failure, negative away from it; −1 to 1.
    pub part: f32,
}

/// The features that moved the forecast of this row most, in order, at most [`MOVERS_MAX`]; fewer where fewer matter.
///
/// # Errors
/// [`RowsError`] when the row has another width than the learner or holds what is not finite.
pub fn movers(estimator: &Estimator, profiles: &[Profile], row: &[f32]) -> Result<Vec<Mover>, RowsError> {
    let mut moves = Vec::new();
    estimator.explain(row, &mut moves)?;
    let total: f32 = moves.iter().map(|moved| moved.abs()).sum();
    if total <= 0.0 {
        return Ok(Vec::new());
    }
    let mut movers: Vec<Mover> = moves
        .iter()
        .zip(row)
        .enumerate()
        .map(|(feature, (moved, value))| Mover {
            feature,
            value: *value,
            usual: profiles.get(feature).map_or(0.0, |profile| profile.mean),
            part: moved / total,
        })
        .filter(|mover| mover.part.abs() >= PART_MIN)
        .collect();
    movers.sort_by(|a, b| b.part.abs().total_cmp(&a.part.abs()));
    movers.truncate(MOVERS_MAX);
    Ok(movers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Forest, Logistic, Node, Term};

    fn profiles() -> Vec<Profile> {
        vec![Profile::of(&[0.0, 1.0, 2.0]).unwrap(); 3]
    }

    #[test]
    fn the_questions_on_the_path_are_what_moved_it() {
        let split = |mean, feature, above| Node { mean, threshold: 1.5, above, feature };
        let leaf = |mean| Node { mean, threshold: 0.0, above: 0, feature: 0 };
        let nodes = vec![split(0.1, 1, 4), split(0.05, 0, 3), leaf(0.0), leaf(0.2), leaf(0.9)];
        let forest = Estimator::Forest(Forest::from_nodes(3, vec![nodes], vec![0.2, 0.8, 0.0]).unwrap());
        let loud = movers(&forest, &profiles(), &[9.0, 3.0, 7.0]).unwrap();
        assert_eq!(loud, [Mover { feature: 1, value: 3.0, usual: 1.0, part: 1.0 }]);
        // Down by .05 at feature 1, then up by .15 at feature 0.
        let mixed = movers(&forest, &profiles(), &[9.0, 1.0, 7.0]).unwrap();
        assert_eq!(mixed.iter().map(|mover| mover.feature).collect::<Vec<_>>(), [0, 1]);
        assert!((mixed[0].part - 0.75).abs() < 1e-5 && (mixed[1].part + 0.25).abs() < 1e-5);
    }

    #[test]
    fn few_are_named_and_small_ones_are_not() {
        let term = |weight| Term { mean: 0.0, scale: 1.0, weight };
        let weights = [1.0, -2.0, 0.5, 0.01, 0.7, 0.6, 0.9];
        let regression = Logistic::from_terms(-3.0, weights.map(term).to_vec()).unwrap();
        let found = movers(&Estimator::Logistic(regression), &[], &[1.0; 7]).unwrap();
        assert_eq!(found.iter().map(|mover| mover.feature).collect::<Vec<_>>(), [1, 0, 6, 4, 5]);
        assert!(found[0].part < 0.0 && found[0].usual == 0.0);
    }

    #[test]
    fn an_average_row_is_moved_by_nothing_and_a_foreign_one_is_refused() {
        let term = Term { mean: 1.0, scale: 1.0, weight: 1.0 };
        let regression = Estimator::Logistic(Logistic::from_terms(-3.0, vec![term; 3]).unwrap());
        assert_eq!(movers(&regression, &profiles(), &[1.0; 3]), Ok(vec![]));
        assert!(movers(&regression, &profiles(), &[1.0; 2]).is_err());
        assert!(movers(&regression, &profiles(), &[1.0, f32::NAN, 1.0]).is_err());
    }
}
