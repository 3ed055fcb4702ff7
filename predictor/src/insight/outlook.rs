//! What is to be expected of a hub, all in all?
//!
//! One row goes through the three horizons of a model, is calibrated, moved to the hub's own rate, and becomes a
//! hazard. Costs a few microseconds; what moved the forecast is worked out only when somebody asks.

use std::time::Duration;

use super::confidence::Basis;
use super::explain::{Mover, movers};
use crate::model::file::Model;
use crate::model::hazard::{HORIZONS, Hazard, memory_exhaustion};
use crate::model::prior::Rate;
use crate::model::profile::outside;
use crate::model::{Kinds, RowsError};

/// The horizon that confidence and explanations are about: ten minutes, the middle one.
pub const MAIN: usize = 1;

/// From this multiple of a hub's own rate on a failure is to be expected: below, nobody asks of what kind it would be.
pub const TOLD_FROM: f64 = 2.0;

/// The share of memory at which a hub has none left: the kernel and the collector take the rest.
const MEMORY_LIMIT: f64 = 0.95;

/// What is known about a hub besides its row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// How long it has been watched.
    pub history: Duration,
    /// How often it fails.
    pub rate: Rate,
    /// What share of its memory it uses, and how fast that grows, in shares per minute; if it tells.
    pub memory: Option<(f64, f64)>,
}

/// What is to be expected of a hub.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outlook {
    /// How likely it fails, and when.
    pub hazard: Hazard,
    /// How far that may be believed, 0 to 1.
    pub confidence: f64,
    /// Is it the prior alone that speaks, for want of history?
    pub cold: bool,
    /// What would fail, if the model can tell kinds and a failure is to be expected.
    pub kinds: Option<Kinds>,
    /// How long until its memory runs out, if it does.
    pub memory: Option<Duration>,
    /// How likely it fails within the next 24 hours by its past alone, 0 to 100.
    pub risk_score: f64,
}

impl Outlook {
    /// Of a hub that no model knows: its own past is all there is.
    pub fn of_prior(standing: &Standing) -> Self {
        let rate = standing.rate;
        let hazard = Hazard::new(HORIZONS.map(|horizon| rate.within(horizon)), rate.per_day());
        Self {
            hazard: hazard.expect("a rate is positive and finite, so its probabilities lie within 0 to 1"),
            confidence: Basis { history: standing.history, support: 0.0, outside: 1.0 }.confidence(),
            cold: true,
            kinds: None,
            memory: memory(standing),
            risk_score: rate.risk_score(),
        }
    }
}

fn memory(standing: &Standing) -> Option<Duration> {
    standing.memory.and_then(|(used, slope)| memory_exhaustion(used, slope, MEMORY_LIMIT))
}

impl Model {
    /// What is to be expected of the hub with this row.
    ///
    /// # Errors
    /// [`RowsError`] when the row has another width than the model or holds what is not finite.
    pub fn outlook(&self, row: &[f32], standing: &Standing) -> Result<Outlook, RowsError> {
        let outside = outside(&self.profiles, row);
        let mut basis = Basis { history: standing.history, support: 0.0, outside };
        let mut probabilities = self.chances(row)?;
        for (at, (model, window)) in self.horizons.iter().zip(HORIZONS).enumerate() {
            let calibrated = probabilities[at];
            if at == MAIN {
                basis.support = model.calibrator.support(calibrated);
            }
            probabilities[at] = basis.probability(calibrated, model.base_rate, standing.rate, window);
        }
        let prior = Outlook::of_prior(standing);
        let Some(hazard) = Hazard::new(probabilities, standing.rate.per_day()) else { return Ok(prior) };
        let window = HORIZONS[MAIN];
        let expected = hazard.within(window) >= TOLD_FROM * standing.rate.within(window);
        let kinds = self.kinds.as_ref().filter(|_| expected).map(|kinds| kinds.predict(row)).transpose()?;
        Ok(Outlook { hazard, confidence: basis.confidence(), cold: basis.is_cold(), kinds, ..prior })
    }

    /// Which features moved the forecast of the main horizon.
    ///
    /// # Errors
    /// [`RowsError`] when the row has another width than the model or holds what is not finite.
    pub fn movers(&self, row: &[f32]) -> Result<Vec<Mover>, RowsError> {
        movers(&self.horizons[MAIN].estimator, &self.profiles, row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::insight::confidence::HISTORY_FULL;
    use crate::model::calibration::{BIN_EDGES, Bin, Calibrator, Map};
    use crate::model::file::{Columns, HorizonModel, Quality, Training};
    use crate::model::profile::Profile;
    use crate::model::{Estimator, Forest, Node};

    /// A model that says `loud` where the only feature is above 1.5, and 1 % elsewhere.
    fn model(loud: [f32; 3]) -> Model {
        let horizon = |loud: f32| {
            let leaf = |mean| Node { mean, threshold: 0.0, above: 0, feature: 0 };
            let root = Node { mean: 0.02, threshold: 1.5, above: 2, feature: 0 };
            let forest = Forest::from_nodes(1, vec![vec![root, leaf(0.01), leaf(loud)]], vec![1.0]).unwrap();
            let bins = [Bin { rows: 500, failed: 20, hubs: 9 }; BIN_EDGES.len()];
            HorizonModel {
                estimator: Estimator::Forest(forest),
                calibrator: Calibrator::from_parts(Map::Identity, bins).unwrap(),
                base_rate: 0.02,
                thresholds: vec![],
                quality: Quality { auroc: 0.7, auprc: 0.2, brier_skill: 0.1, calibration_error: 0.01 },
            }
        };
        Model {
            columns: Columns { hash: 1, names: vec!["strain".to_owned()] },
            profiles: vec![Profile::of(&[0.0, 1.0, 2.0]).unwrap()],
            horizons: loud.map(horizon),
            kinds: None,
            training: Training {
                at: 0,
                rows: 3,
                hubs: 1,
                failures: 1,
                smartcore: String::new(),
                simulated: true,
            },
        }
    }

    fn standing() -> Standing {
        // Some two dozen failures a day: 15 % within ten minutes.
        let often =
            Rate::of((0..400_u64).map(|n| Duration::from_secs(n * 1_000)), Duration::from_secs(400_000));
        Standing { history: HISTORY_FULL, rate: often, memory: Some((0.5, 0.01)) }
    }

    #[test]
    fn a_loud_row_is_told_with_its_time() {
        let outlook = model([0.6, 0.8, 0.9]).outlook(&[2.0], &standing()).unwrap();
        assert_eq!((outlook.confidence, outlook.cold), (1.0, false));
        assert!(outlook.hazard.within(HORIZONS[1]) > 0.7, "{outlook:?}");
        assert!(outlook.hazard.median().unwrap() < HORIZONS[1]);
        assert_eq!(outlook.memory, Some(Duration::from_secs(2_700)));
        let calm = model([0.6, 0.8, 0.9]).outlook(&[0.0], &standing()).unwrap();
        assert!(calm.hazard.within(HORIZONS[1]) < 0.1 && calm.hazard.median().is_none());
    }

    #[test]
    fn without_history_or_in_strange_lands_the_prior_speaks() {
        let cold = Standing { history: Duration::from_secs(3_600), ..standing() };
        let told = model([0.9; 3]).outlook(&[2.0], &cold).unwrap();
        assert!(told.cold && told.confidence < 0.3);
        assert!((told.hazard.within(HORIZONS[1]) - cold.rate.within(HORIZONS[1])).abs() < 1e-9);
        let strange = model([0.9; 3]).outlook(&[1e6], &standing()).unwrap();
        assert_eq!(strange.confidence, 0.0);
        assert!((strange.hazard.within(HORIZONS[1]) - cold.rate.within(HORIZONS[1])).abs() < 1e-9);
        let prior = Outlook::of_prior(&standing());
        assert_eq!((prior.confidence, prior.kinds), (0.0, None));
    }

    #[test]
    fn rows_of_another_width_or_with_holes_are_refused() {
        let model = model([0.9; 3]);
        assert!(model.outlook(&[], &standing()).is_err());
        assert!(model.outlook(&[f32::NAN], &standing()).is_err());
        assert!(model.movers(&[1.0, 2.0]).is_err());
        assert_eq!(model.movers(&[2.0]).unwrap()[0].feature, 0);
    }
}
