//! A model that was taught elsewhere.

use std::sync::Arc;

use super::fleet::{Rowing, rows};
use super::table::{Tables, row_of};
use super::unfit;
use crate::backtest::{Entity, Fitted, Scorer, Span, Unfit};
use crate::features::Schema;
use crate::model::file::{HorizonModel, Model};
use crate::model::hazard::HORIZONS;
use crate::telemetry::PERIOD;

/// A whole model of hubs as it is, calibrated: it learns nothing from the telemetry that it is judged on.
#[derive(Debug)]
pub struct Taught<'a> {
    name: &'a str,
    model: &'a Model,
    tables: Arc<Tables>,
}

struct Ready {
    horizon: HorizonModel,
    tables: Arc<Tables>,
}

impl<'a> Taught<'a> {
    /// A model of the rows of [`Schema::telemetry`], by this name in reports.
    pub fn new(name: &'a str, model: &'a Model) -> Self {
        Self::beside(name, model, Arc::default())
    }

    /// The same, with rows that others have made.
    pub(super) fn beside(name: &'a str, model: &'a Model, tables: Arc<Tables>) -> Self {
        Self { name, model, tables }
    }
}

impl Scorer for Taught<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn is_probability(&self) -> bool {
        true
    }

    fn fit(&self, _: &[Span<'_>], horizon: usize) -> Result<Box<dyn Fitted>, Unfit> {
        let seconds = horizon as u64 * PERIOD.as_secs();
        let known = HORIZONS.iter().zip(&self.model.horizons).find(|(known, _)| known.as_secs() == seconds);
        let (_, model) = known.ok_or_else(|| unfit("the model was not taught to look so far ahead"))?;
        Ok(Box::new(Ready { horizon: model.clone(), tables: Arc::clone(&self.tables) }))
    }
}

impl Fitted for Ready {
    fn score(&self, span: &Span<'_>) -> Result<Vec<f64>, Unfit> {
        let hub = Rowing::Hub(Schema::telemetry());
        let make = |entity: &Entity, at: &[usize]| rows(&hub, PERIOD.as_secs(), 0, entity, at);
        let table = self.tables.of(span, 0, make)?;
        let HorizonModel { estimator, calibrator, base_rate, .. } = &self.horizon;
        let chance = |at: &usize| {
            let score = f64::from(estimator.predict(row_of(&table, *at)?).map_err(unfit)?);
            // The mean of trees lies within 0 to 1, but for rounding.
            Ok(calibrator.probability(score.clamp(0.0, 1.0)).unwrap_or(*base_rate))
        };
        span.rows.iter().map(chance).collect()
    }
}
