//! What do unmodified clients notice when the hub of their session is killed, or the gateway itself?
//!
//! Real processes throughout: four hubs with a journal of what they executed, one gateway or two, crowds of legacy
//! sessions by our own client and by the official SDKs. Each test kills something with `kill -9`, and holds what every
//! client saw against what was promised (`src/outlive/verdict.rs`); the figures are printed.

#![allow(clippy::print_stdout, reason = "the figures are the point")]

mod clients;
mod gateway;
mod kills;
mod memory;
mod pops;
mod rolling;
mod rust_sdk;
mod stage;
