//! Which ways to foretell failures does a backtest judge?
//!
//! Of hubs: the fleet's models, and the rule that a failure comes back at its time of day. Of machines whose columns
//! nobody has explained: the same rule, and models on how far the columns are from usual, which give way to the rule
//! where they do no better on machines that they have not seen.

mod fleet;
mod rule;
mod table;
mod taught;
mod yielding;

pub use fleet::{Fleet, Rowing};
pub use rule::Rule;
pub use taught::Taught;
pub use yielding::Yielding;

use super::Unfit;

/// What a scorer could not do, and why.
pub(super) fn unfit(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Unfit {
    Unfit(why.into())
}
