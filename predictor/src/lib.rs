//! Which hub will fail, and what should change before it does?
//!
//! **Owns** the words for both: a [`Forecast`] of one hub, and a [`Plan`] of changes to a routing table, each step with
//! its reason, declined ones too; and how a plan becomes the next table ([`Plan::apply`]).
//!
//! **Does not know** sockets, the clock, or how configuration is written. It publishes nothing: it is handed a table
//! and gives back another.

mod forecast;
mod plan;

pub use forecast::{FailureType, Forecast};
pub use plan::{ApplyError, Declined, Objection, Plan, Reason, Step};
