//! How is each hub, going by what happened?
//!
//! **Owns** what a request or a probe can come to ([`Outcome`]), whose fault that was, whether the request may be sent
//! again, and how a hub's condition is told to the world ([`PublicHealth`]).
//!
//! **Does not know** sockets, policy, or what is done about a sick hub: `predictor` decides that. It never reads a
//! clock.

mod outcome;
mod public;

pub use outcome::{Fault, Outcome, Resend};
pub use public::PublicHealth;
