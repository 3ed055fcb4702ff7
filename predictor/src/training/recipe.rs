//! Which learner, and how is it taught?

use crate::model::{
    Blend, BlendSettings, Estimator, FitError, Forest, ForestSettings, Logistic, LogisticSettings,
};

use super::Examples;

/// How a model of one horizon is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Recipe {
    /// The champion of hubs.
    Blend(BlendSettings),
    /// The champion of machines.
    Forest(ForestSettings),
    /// The fallback.
    Logistic(LogisticSettings),
}

impl Recipe {
    /// Fits one.
    pub fn fit(&self, examples: &Examples) -> Result<Estimator, FitError> {
        let (rows, targets) = (examples.rows(), examples.targets());
        match self {
            Self::Blend(settings) => Blend::fit(rows, targets, settings).map(Estimator::Blend),
            Self::Forest(settings) => Forest::fit(rows, targets, settings).map(Estimator::Forest),
            Self::Logistic(settings) => Logistic::fit(rows, targets, settings).map(Estimator::Logistic),
        }
    }
}
