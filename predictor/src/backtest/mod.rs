//! How good would forecasts have been?
//!
//! The definitions, in samples of one entity (a hub, a machine):
//!
//! - *episode*: a run of samples in which it was down; runs close together are one ([`Timeline`]);
//! - *valid*: a sample outside episodes, the guard after them, the warm-up and what nobody has judged;
//! - *target*: an episode starts in `(t, t + horizon]`;
//! - *alarm*: the score of a valid sample reaches the threshold, and the last alarm is a cool-down ago ([`Scored`]);
//! - *eligible*: an episode with a valid sample in `[start - horizon, start)`; *hit*: with an alarm there; *false
//!   alarm*: one without an episode's start within the horizon ([`Outcome`], [`Pooled`]);
//! - thresholds keep a budget of false alarms on entities that the model has not seen ([`threshold_for`]).

mod alarms;
mod data;
mod data_error;
mod detection;
mod dice;
mod episodes;
mod figures;
mod kinds;
mod metrics;
mod pages;
mod run;
mod scorer;
mod scorers;
mod split;
mod standard;
mod svg;
mod tables;
#[cfg(test)]
mod testing;
mod text;
mod threshold;
mod trial;
mod triggers;
mod types;

pub use alarms::{Foretold, Outcome, Pooled, Scored, Watch};
pub use data::{Dataset, Entity};
pub use data_error::{DataError, FileError};
pub use detection::{Cries, Detection, FORETOLD_WITHIN_S, NOTICED_WITHIN_S, Noticed, detection};
pub use episodes::{Episode, Label, Rules, Timeline};
pub use figures::{AtBudget, BUDGETS, DRAWS, Figures, OfKind, WELL_BEFORE};
pub use kinds::{ASKED_AT_S, KindFigures, KindReport, kinds};
pub use metrics::{BINS, Bin, Predictions};
pub use pages::{Weight, as_pages, as_table};
pub use run::{BacktestError, FOLDS, HorizonReport, Report, ScorerReport, TestedOn, run, tested_parts};
pub use scorer::{Fitted, Scale, Scorer, Span, Unfit};
pub use scorers::{Fleet, Rowing, Rule, Taught, Yielding};
pub use split::{Failure, Listed, Protocol, Settings, Split};
pub use standard::{FOREST_FOR_HUBS, FOREST_FOR_MACHINES, REGRESSION_FOR_HUBS, judge, notice};
pub use text::as_text;
pub use threshold::threshold_for;
pub use triggers::{FALSE_CRIES_PER_DAY, SEEN_FAILING_FROM, TriggerReport, seen_failing, triggers};
pub use types::{Answer, CONFIDENT, TypeFigures, type_figures};

/// Scores that cannot be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// There must be one score for each row.
    #[error("{scores} scores were given for {rows} rows")]
    Lengths {
        /// How many scores there are.
        scores: usize,
        /// How many rows.
        rows: usize,
    },
    /// A score must be a finite number.
    #[error("the score of row {at} is not a finite number")]
    NotFinite {
        /// Which row.
        at: usize,
    },
    /// Only valid samples of the part in question are judged.
    #[error("row {at} is not to be judged: not valid, or outside of its part")]
    NotJudged {
        /// Which row.
        at: usize,
    },
    /// Time goes forward.
    #[error("row {at} does not come after the one before it")]
    Order {
        /// Which row.
        at: usize,
    },
}
