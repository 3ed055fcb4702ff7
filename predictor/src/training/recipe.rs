//! Which learner, and how is it taught?

use crate::model::{FitError, Forest, ForestSettings, Logistic, LogisticSettings, RowsError};

use super::Examples;

/// How a model of one horizon is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Recipe {
    /// The champion.
    Forest(ForestSettings),
    /// The fallback.
    Logistic(LogisticSettings),
}

/// What came of a [`Recipe`].
#[derive(Debug, Clone, PartialEq)]
pub enum Learnt {
    /// Trees.
    Forest(Forest),
    /// A weighted sum.
    Logistic(Logistic),
}

impl Recipe {
    /// Fits one.
    pub fn fit(&self, examples: &Examples) -> Result<Learnt, FitError> {
        let (rows, targets) = (examples.rows(), examples.targets());
        match self {
            Self::Forest(settings) => Forest::fit(rows, targets, settings).map(Learnt::Forest),
            Self::Logistic(settings) => Logistic::fit(rows, targets, settings).map(Learnt::Logistic),
        }
    }
}

impl Learnt {
    /// How likely the event is for this row, 0 to 1.
    pub fn predict(&self, row: &[f32]) -> Result<f32, RowsError> {
        match self {
            Self::Forest(forest) => forest.predict(row),
            Self::Logistic(logistic) => logistic.predict(row),
        }
    }

    /// How far each feature moved the forecast: probabilities of a forest, logits of a regression.
    pub fn explain(&self, row: &[f32], moves: &mut Vec<f32>) -> Result<(), RowsError> {
        match self {
            Self::Forest(forest) => forest.explain(row, moves),
            Self::Logistic(logistic) => logistic.explain(row, moves),
        }
    }
}
