//! Which learner, and how is it taught?

use crate::model::{Estimator, FitError, Forest, ForestSettings, Logistic, LogisticSettings};

use super::Examples;

/// How a model of one horizon is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Recipe {
    /// The champion.
    Forest(ForestSettings),
    /// The fallback.
    Logistic(LogisticSettings),
}

impl Recipe {
    /// Fits one.
    pub fn fit(&self, examples: &Examples) -> Result<Estimator, FitError> {
        let (rows, targets) = (examples.rows(), examples.targets());
        match self {
            Self::Forest(settings) => Forest::fit(rows, targets, settings).map(Estimator::Forest),
            Self::Logistic(settings) => Logistic::fit(rows, targets, settings).map(Estimator::Logistic),
        }
    }
}
