//! How is each hub, going by what happened?
//!
//! **Owns** what a request or a probe can come to ([`Outcome`]), whose fault that was, whether the request may be sent
//! again; what came of requests ([`Recorder`]) and of probes ([`ProbeLedger`]); when to probe ([`Schedule`]); all that is
//! known at one instant ([`Evidence`]); and how a hub's condition is told to the world ([`PublicHealth`]).
//!
//! **Does not know** sockets, policy, or what is done about a sick hub: `predictor` decides that. It never reads a
//! clock and throws no dice: time and seeds are passed in.

mod evidence;
mod histogram;
mod ledger;
mod outcome;
mod probe;
mod public;
mod recorder;
mod schedule;
mod slices;

pub use evidence::{Boot, BootId, Evidence, Latency, Load, Passive, ProbeSum, Probes, Quantiles, Window};
pub use ledger::ProbeLedger;
pub use outcome::{Fault, Outcome, Resend};
pub use probe::{Exported, ProbeId, ProbeOrder, ProbeReport, ProbeSettings};
pub use public::PublicHealth;
pub use recorder::Recorder;
pub use schedule::Schedule;
