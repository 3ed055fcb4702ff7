//! How does a gateway learn from what it sees of its own hubs, and how does it notice that it no longer knows them?
//!
//! | module | question |
//! |---|---|
//! | `record` | what is written down of a hub, and how does it become something to learn from? |
//! | `said` | what was said of each hub, and what came of it? |
//! | `trial` | does a new model speak better than the one that does? |
//! | `kept` | how does a trial outlive the process that began it? |
//! | `day` | did the last day look like what the model was taught? |
//!
//! **The way of a model.** What hubs are like is recorded for [`KEPT_FOR`]. From time to time [`teach`](crate::training)
//! makes a model of the record, the *challenger*. It speaks beside the one that does, the *champion*, and nobody hears it;
//! what both said is held against what came ([`Trial`]). Neither has learnt from those failures, since they are later than
//! both. They befall the hubs that the models will be asked about, so a habit of one of them may count: it is what a model
//! of this fleet is for. At the [tenth failure](crate::insight::contest::EPISODES_MIN) it is decided, once: whoever looks
//! again and again until the new one is ahead will see it ahead one day.

mod day;
mod kept;
mod record;
mod said;
#[cfg(test)]
mod tests;
mod trial;

pub use day::{Day, OUTCOMES_MAX, ROWS_MAX};
pub use kept::{KeptError, Parties};
pub use record::{CHUNK_PERIODS, Cut, Record, chunk};
pub use said::{Awaiting, Came, EVERY, Said};
pub use trial::{ROUNDS_MAX, Trial};

use std::time::Duration;

/// How long a record goes back: two weeks, in which weekly habits show twice.
pub const KEPT_FOR: Duration = Duration::from_secs(14 * 86_400);
