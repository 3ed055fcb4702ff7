//! A model that was taught elsewhere.

use std::sync::Arc;

use super::fleet::{Rowing, known};
use super::table::Tables;
use super::unfit;
use crate::backtest::{Entity, Fitted, Scale, Scorer, Span, Unfit};
use crate::features::Schema;
use crate::model::file::Model;
use crate::model::hazard::HORIZONS;
use crate::telemetry::PERIOD;

/// A whole model of hubs as it is, calibrated: it learns nothing from the telemetry that it is judged on.
#[derive(Debug)]
pub struct Taught<'a> {
    name: &'a str,
    model: Arc<Model>,
    tables: Arc<Tables>,
}

struct Ready {
    model: Arc<Model>,
    horizon: usize,
    tables: Arc<Tables>,
}

impl<'a> Taught<'a> {
    /// A model of the rows of [`Schema::telemetry`], by this name in reports.
    pub fn new(name: &'a str, model: Arc<Model>) -> Self {
        Self::beside(name, model, Arc::default())
    }

    /// The same, with rows that others have made.
    pub(super) fn beside(name: &'a str, model: Arc<Model>, tables: Arc<Tables>) -> Self {
        Self { name, model, tables }
    }
}

impl Scorer for Taught<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn scale(&self) -> Scale {
        Scale::Probabilities
    }

    fn fit(&self, _: &[Span<'_>], horizon: usize) -> Result<Box<dyn Fitted>, Unfit> {
        let seconds = horizon as u64 * PERIOD.as_secs();
        let known = HORIZONS.iter().position(|known| known.as_secs() == seconds);
        let horizon = known.ok_or_else(|| unfit("the model was not taught to look so far ahead"))?;
        Ok(Box::new(Ready { model: Arc::clone(&self.model), horizon, tables: Arc::clone(&self.tables) }))
    }
}

impl Fitted for Ready {
    fn score(&self, span: &Span<'_>) -> Result<Vec<f64>, Unfit> {
        let hub = Rowing::Hub(Schema::telemetry());
        let make = |entity: &Entity, at: &[usize]| known(&hub, PERIOD.as_secs(), 0, entity, at);
        let table = self.tables.of(span, 0, make)?;
        table.said(&span.rows, |row| Ok(self.model.chances(row).map_err(unfit)?[self.horizon]))
    }
}
