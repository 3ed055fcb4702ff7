//! What is judged: anything that gives a number to each moment of an entity, the higher the more alarming.

use std::ops::Range;

use super::Entity;

/// A part of an entity's time.
#[derive(Debug, Clone)]
pub struct Span<'a> {
    /// Whose.
    pub entity: &'a Entity,
    /// The samples.
    pub part: Range<usize>,
    /// Those of them that are judged, ascending.
    pub rows: Vec<usize>,
}

/// What scores are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Numbers of which the higher is the more alarming.
    Ranks,
    /// Within 0 to 1, and made probabilities by what models said of entities that they had not seen, as in service.
    Scores,
    /// Probabilities as they are.
    Probabilities,
}

/// A way to foretell failures, before it has seen any data. Folds are fitted side by side.
pub trait Scorer: Sync {
    /// Its name in reports.
    fn name(&self) -> &str;

    /// What its scores are.
    fn scale(&self) -> Scale;

    /// Learns from these spans what precedes a failure within `horizon` samples. It may look at nothing else: not at
    /// what lies outside of a span's part, except back from it.
    ///
    /// # Errors
    /// Nothing can be learnt from them.
    fn fit(&self, spans: &[Span<'_>], horizon: usize) -> Result<Box<dyn Fitted>, Unfit>;
}

/// A way to foretell failures, ready to do so.
pub trait Fitted: Send + Sync {
    /// One finite score for each row of the span, from what was known at that row.
    ///
    /// # Errors
    /// It cannot score this entity.
    fn score(&self, span: &Span<'_>) -> Result<Vec<f64>, Unfit>;
}

/// A scorer could not do its work.
#[derive(Debug, thiserror::Error)]
#[error("the scorer failed")]
pub struct Unfit(
    /// Why.
    #[source]
    pub Box<dyn std::error::Error + Send + Sync>,
);
