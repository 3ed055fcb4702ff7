//! Which learner answers?

use super::{Blend, Forest, Logistic, RowsError};

/// A learner that has learnt.
#[derive(Debug, Clone, PartialEq)]
pub enum Estimator {
    /// The champion of hubs.
    Blend(Blend),
    /// The champion of machines, and one of two that tell kinds apart.
    Forest(Forest),
    /// The fallback.
    Logistic(Logistic),
}

impl Estimator {
    /// How many features a row has.
    pub fn width(&self) -> usize {
        match self {
            Self::Blend(blend) => blend.forest().width(),
            Self::Forest(forest) => forest.width(),
            Self::Logistic(logistic) => logistic.terms().len(),
        }
    }

    /// How likely the event is for this row, 0 to 1; not calibrated.
    ///
    /// # Errors
    /// [`RowsError`] when the row has another width or holds what is not finite.
    pub fn predict(&self, row: &[f32]) -> Result<f32, RowsError> {
        match self {
            Self::Blend(blend) => blend.predict(row),
            Self::Forest(forest) => forest.predict(row),
            Self::Logistic(logistic) => logistic.predict(row),
        }
    }

    /// How far each feature moved this row from the average one, in units of the learner: probability for a forest,
    /// logits for the others. `moves` is overwritten, one number a feature.
    ///
    /// # Errors
    /// [`RowsError`] when the row has another width or holds what is not finite.
    pub fn explain(&self, row: &[f32], moves: &mut Vec<f32>) -> Result<(), RowsError> {
        match self {
            Self::Blend(blend) => blend.explain(row, moves),
            Self::Forest(forest) => forest.explain(row, moves),
            Self::Logistic(logistic) => logistic.explain(row, moves),
        }
    }

    /// What part of the whole each feature matters, together 1 or 0: gain in a forest, weight per standard deviation
    /// in a regression, and both in both.
    pub fn importance(&self) -> Vec<f32> {
        match self {
            Self::Blend(blend) => blend.importance(),
            Self::Forest(forest) => forest.importance().to_vec(),
            Self::Logistic(logistic) => logistic.importance(),
        }
    }
}
