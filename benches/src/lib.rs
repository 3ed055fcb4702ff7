//! What does the gateway cost, and how does that compare with the plain proxies everybody knows?
//!
//! **Owns** the measuring instruments: a very light hub ([`hub`]), a load generator ([`load`]), the reading of other
//! processes' CPU time and memory ([`process`]), the tables of cases and peers ([`case`], [`peers`]), the rounds and the
//! report ([`rounds`], [`report`]), what is idle and what grows ([`idle`], [`growth`]); the report of what the control
//! plane costs ([`control`]); and how soon each way of noticing failures notices them ([`detection`]). The criterion
//! benches of single operations are in `benches/benches/`.
//!
//! **Does not know** how the gateway works: to these instruments it is one more proxy with a command line, a
//! configuration file and a port. Nothing here asserts a time; it prints figures for people to judge.
//!
//! Nothing in this crate is a product: [`hub`] in particular speaks just enough MCP to be measured through and is
//! not the real hub (`mcphub-hub`).

// Measuring is reading the clock; the ban serves the crates whose decisions must be replayable.
#![allow(clippy::disallowed_methods)]
// A bench of minutes tells on the terminal how far it is.
#![allow(clippy::print_stderr)]

pub mod case;
pub mod control;
pub mod detection;
pub mod growth;
pub mod http;
pub mod hub;
pub mod idle;
pub mod load;
pub mod page;
pub mod peers;
pub mod process;
pub mod report;
pub mod rounds;
pub mod stage;
pub mod wire;
