//! How would these scorers have done on this telemetry? Folds, thresholds and figures in one go.

use std::ops::Range;

use serde::Serialize;

use super::trial::Trial;
use super::{Dataset, Entity, Figures, KindReport, Protocol, Scorer, Span, TriggerReport, Unfit, Unusable};

/// Into how many folds hubs are dealt for predictions of models that have not seen them. Machines make one fold each.
pub const FOLDS: usize = 4;

/// What a backtest found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The protocol, by its name on the command line.
    pub protocol: &'static str,
    /// Which time of which entities was judged.
    pub tested_on: TestedOn,
    /// How long a sample covers, in seconds.
    pub sample_s: f64,
    /// How many entities models were fitted on.
    pub trained_entities: usize,
    /// What each scorer is worth, in the order they were given in.
    pub scorers: Vec<ScorerReport>,
    /// How soon our own triggers notice failures; only of hubs.
    pub triggers: Vec<TriggerReport>,
    /// How well kinds of failures are told apart, for each moment at which it is asked; only where they are known.
    pub kinds: Vec<KindReport>,
}

/// Which time of which entities was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TestedOn {
    /// The time after the cut of the entities that models were fitted on before it.
    LaterTime,
    /// Other entities, from beginning to end.
    OtherEntities,
}

/// What one scorer is worth.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScorerReport {
    /// Its name.
    pub name: String,
    /// For each horizon, the main one first.
    pub horizons: Vec<HorizonReport>,
}

/// What a scorer is worth at one horizon.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HorizonReport {
    /// The horizon, in seconds.
    pub horizon_s: f64,
    /// On the test part, by the model of every entity; thresholds from models that had not seen the entity.
    pub tested: Figures,
    /// On the same part of time (the training part, if other entities are tested), by models and thresholds that have
    /// not seen the entity at all.
    pub left_out: Figures,
}

/// A backtest could not be done.
#[derive(Debug, thiserror::Error)]
pub enum BacktestError {
    /// To leave an entity out, there must be another.
    #[error("a backtest needs at least two entities to fit on, and there is {found}")]
    TooFew {
        /// How many there are.
        found: usize,
    },
    /// Nothing can be judged before the cut.
    #[error("no sample of {entity} is left to fit on: its cut is at row {cut} of {rows}")]
    NothingToFit {
        /// Whose.
        entity: String,
        /// Its cut.
        cut: usize,
        /// How many rows it has.
        rows: usize,
    },
    /// The two folders hold different things.
    #[error("the telemetry to test on has other columns, periods or rules than the telemetry to fit on")]
    Unlike,
    /// A scorer failed.
    #[error("{scorer} cannot be judged")]
    Scorer {
        /// Which.
        scorer: String,
        /// Why.
        source: Unfit,
    },
    /// A scorer gave scores that are none.
    #[error("the scores of {scorer} cannot be judged")]
    Scores {
        /// Which.
        scorer: String,
        /// Why.
        source: Unusable,
    },
}

/// Judges scorers: fits them on the first folder before the cuts and tests them after, or, where there is a second
/// folder, fits them on the whole of the first and tests them on the second. Thresholds come from the first folder, by
/// models that have not seen the entity. Triggers and kinds are judged apart from it, by
/// [`triggers`](super::triggers()) and [`kinds`](super::kinds()).
///
/// # Errors
/// There are fewer than two entities, the two folders do not go together, or a scorer fails.
pub fn run(
    train: &Dataset,
    test: Option<&Dataset>,
    scorers: &[&dyn Scorer],
    seed: u64,
) -> Result<Report, BacktestError> {
    check(train, test)?;
    let reports = scorers.iter().map(|scorer| {
        let horizons = train.protocol.horizons(&train.settings).into_iter();
        let horizons = horizons.map(|horizon| Trial { train, test, scorer: *scorer, horizon, seed }.report());
        Ok(ScorerReport { name: scorer.name().to_owned(), horizons: horizons.collect::<Result<_, _>>()? })
    });
    Ok(Report {
        protocol: train.protocol.as_str(),
        tested_on: if test.is_some() { TestedOn::OtherEntities } else { TestedOn::LaterTime },
        sample_s: train.settings.sample.as_secs_f64(),
        trained_entities: train.entities.len(),
        scorers: reports.collect::<Result<_, _>>()?,
        triggers: Vec::new(),
        kinds: Vec::new(),
    })
}

/// Can a model be fitted without one entity, and does what is tested go together with what is fitted on?
pub(super) fn check(train: &Dataset, test: Option<&Dataset>) -> Result<(), BacktestError> {
    if train.entities.len() < 2 {
        return Err(BacktestError::TooFew { found: train.entities.len() });
    }
    let alike = |test: &Dataset| {
        test.protocol == train.protocol && test.columns == train.columns && test.settings == train.settings
    };
    if test.is_none_or(alike) { Ok(()) } else { Err(BacktestError::Unlike) }
}

/// Into how many folds the entities are dealt.
pub(super) fn folds(train: &Dataset) -> usize {
    match train.protocol {
        Protocol::Hubsim => FOLDS.min(train.entities.len()),
        Protocol::Smd => train.entities.len(),
    }
}

/// What is judged: all of each entity of the second folder, or, without one, what comes after the cuts in the first.
pub fn tested_parts<'a>(
    train: &'a Dataset,
    test: Option<&'a Dataset>,
) -> impl Iterator<Item = (&'a Entity, Range<usize>)> {
    let from = move |entity: &Entity| if test.is_some() { 0 } else { entity.cut };
    test.unwrap_or(train).entities.iter().map(move |entity| (entity, from(entity)..entity.len()))
}

/// What may be fitted on: all of each entity if others are tested, else what comes before its cut, without the last rows,
/// since their targets lie behind it.
pub(super) fn fitting<'a>(
    train: &'a Dataset,
    test: Option<&Dataset>,
    horizon: usize,
) -> Result<Vec<Span<'a>>, BacktestError> {
    let before = |entity: &'a Entity| {
        let end = if test.is_some() { entity.len() } else { entity.cut.saturating_sub(horizon) };
        let before = span(entity, 0..end, train.settings.score_every);
        if before.rows.is_empty() {
            let (cut, rows) = (entity.cut, entity.len());
            return Err(BacktestError::NothingToFit { entity: entity.name.clone(), cut, rows });
        }
        Ok(before)
    };
    train.entities.iter().map(before).collect()
}

pub(super) fn span(entity: &Entity, part: Range<usize>, every: usize) -> Span<'_> {
    let rows = entity.timeline.rows(&part, every);
    Span { entity, part, rows }
}

#[cfg(test)]
mod tests;
