//! What does a real hub do when the gateway talks to it?
//!
//! A small MCP hub on the official Rust SDK, speaking both eras on one endpoint: the legacy revisions with
//! sessions, SSE, an event store and resumption, and 2026-07-28 with stateless POSTs, `server/discover`,
//! `subscriptions/listen` and rounds of input. The demo runs four of them; the tests and the benches put as many
//! behind a gateway as they need, and ask them to misbehave.
//!
//! **Owns** the tools, resources and prompts on offer, the counters that let a test see from outside what was
//! really executed, the faults a hub can be told to show, and the metrics it exports.
//!
//! **Does not know** the gateway, its routing, its session ids or its configuration. It reads no file but an
//! optional key for the state of input rounds, and keeps nothing on disk: a restarted hub has forgotten everything,
//! which is the point. A journal is written where one is asked for, and never read.
//!
//! Paths: `/mcp` (the endpoint), `/metrics` (Prometheus), `GET /counters`, `POST /counters/touch`, and with
//! `--fault-control` also `PUT` and `DELETE /fault`.

// A hub is a program of its own: it may read the clock, which the core crates may not.
#![allow(clippy::disallowed_methods)]

mod args;
mod body;
mod events;
mod fault;
mod front;
mod journal;
mod metrics;
mod offer;
mod plumbing;
mod replies;
mod serve;
mod sessions;
mod state;

pub use args::{Args, Eras};
pub use fault::{Cut, Fault, FaultError, Injected, Scope};
pub use serve::{Hub, Watch, bind, serve};
pub use state::Counters;
