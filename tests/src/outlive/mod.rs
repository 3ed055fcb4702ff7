//! What do clients notice when the hub of their session is killed, and what was really done at the hubs?
//!
//! **Owns** the rig of that question: a crowd of legacy sessions that ask all the time, by our own client ([`Crowd`]) or
//! by the official SDKs ([`Script`]), what every one of them saw ([`Ledger`]), what the hubs have executed, whoever
//! died since ([`journal`]), and the comparison of both with what was promised ([`Verdict`]). It **does not know** which
//! promises a test makes: a verdict lists every flaw, and the test says which there may be.

mod crowd;
mod journal;
mod ledger;
mod load;
mod member;
mod nats;
mod script;
mod verdict;

pub use crowd::{Crowd, InFlight};
pub use journal::{Executions, read as journal};
pub use ledger::{At, End, Kill, Kind, Ledger, Name, Operation, Record, Watch};
pub use load::{Load, Used};
pub use member::{CLOCK, Pace, Role};
pub use nats::Nats;
pub use script::{Script, Sdk};
pub use verdict::{Flaw, Verdict, quantile};
