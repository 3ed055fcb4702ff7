//! What about a hub foretells its failure?
//!
//! Numbers for a learner, made from samples and episodes: pure, incremental, always finite, and the same in training as
//! in service. Most are relative: how far a hub is from what it was like in its last day, for one hub's crisis is
//! another's Tuesday. A [`Schema`] says which numbers there are and in which order; its hash is written into a model, and
//! a model is asked only with rows of its own schema.

mod columns;
mod crowd;
mod extractor;
mod feature;
mod line;
mod minutes;
mod recent;
mod recurrence;
mod reference;
mod scale;
mod schema;

pub use columns::{COLUMNS_MAX, Columns};
pub use crowd::{JUMP_TICKS, Restraint, STANDS_FOR, has_jumped};
pub use extractor::{Extractor, Surroundings};
pub use feature::{Feature, Span};
pub use minutes::MINUTES;
pub use recurrence::{EPISODES_MAX, Recurrence};
pub use schema::Schema;
