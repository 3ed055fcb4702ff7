//! The rule that a failure comes back at its time of day.

use super::table::Tables;
use super::unfit;
use crate::backtest::{Entity, Fitted, Scale, Scorer, Span, Unfit};
use crate::features::Recurrence;
use crate::model::Rows;

/// [`Recurrence::rule`]. It learns nothing: of each entity, it knows the failures that have begun.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// How long a sample covers, in seconds.
    pub sample_s: u64,
}

struct Ready {
    sample_s: u64,
    horizon: usize,
    tables: Tables,
}

impl Scorer for Rule {
    fn name(&self) -> &'static str {
        "recurrence"
    }

    fn scale(&self) -> Scale {
        Scale::Ranks
    }

    fn fit(&self, _: &[Span<'_>], horizon: usize) -> Result<Box<dyn Fitted>, Unfit> {
        Ok(Box::new(Ready { sample_s: self.sample_s, horizon, tables: Tables::default() }))
    }
}

impl Fitted for Ready {
    fn score(&self, span: &Span<'_>) -> Result<Vec<f64>, Unfit> {
        let table = self.tables.of(span, self.horizon, |entity, at| Ok(self.rows(entity, at)?.into()))?;
        let score = |at: &usize| super::table::row_of(&table, *at).map(|row| f64::from(row[0]));
        span.rows.iter().map(score).collect()
    }
}

impl Ready {
    fn rows(&self, entity: &Entity, at: &[usize]) -> Result<Rows, Unfit> {
        let mut past = Past::new(entity, self.sample_s);
        let mut rows = Rows::new(1).map_err(unfit)?;
        for at in at {
            let now = past.at(*at);
            rows.push(&[past.known.rule(now, self.horizon as u64 * self.sample_s)]).map_err(unfit)?;
        }
        Ok(rows)
    }
}

/// What is known of an entity's failures at a moment: those that have begun.
pub(super) struct Past<'a> {
    pub(super) known: Recurrence,
    entity: &'a Entity,
    next: usize,
    sample_s: u64,
}

impl<'a> Past<'a> {
    pub(super) fn new(entity: &'a Entity, sample_s: u64) -> Self {
        // Nothing is on record before somebody judged.
        let first = entity.labels.iter().position(|label| *label != crate::backtest::Label::Unlabelled);
        let known = Recurrence::new(first.unwrap_or(entity.len()) as u64 * sample_s);
        Self { known, entity, next: 0, sample_s }
    }

    /// Goes on to this sample, and says when it was, in seconds.
    pub(super) fn at(&mut self, at: usize) -> u64 {
        let episodes = self.entity.timeline.episodes();
        while let Some(episode) = episodes.get(self.next).filter(|episode| episode.start <= at) {
            self.known.started(episode.start as u64 * self.sample_s);
            self.next += 1;
        }
        at as u64 * self.sample_s
    }
}
