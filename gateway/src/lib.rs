//! The gateway: sockets, files, the clock, and everything that must be alive.
//!
//! **Owns** the data plane ([`listen`], [`http`], [`proxy`], [`upstream`]), the control plane ([`control`], [`watch`],
//! [`handover`]), the faces ([`admin`], [`cli`], [`observe`]) and the one [`clock`]. The only crate that knows Pingora.
//!
//! **Does not know** how to decide: which hub, what a failure is called, whether a configuration is sound, what is in
//! a session id. It asks `routing`, `mcp`, `conf` and `session`, and does what they say.

pub mod admin;
pub mod cache;
pub mod cli;
pub mod clock;
pub mod control;
pub mod edge;
pub mod forecast;
pub mod handover;
pub mod http;
pub mod keys;
pub mod listen;
pub mod migrate;
pub mod net;
pub mod observe;
pub mod probe;
mod prompt;
pub mod proxy;
mod run;
pub mod sessions;
pub mod snapshot;
pub mod store;
pub mod tasks;
pub mod upstream;
pub mod watch;

use cli::{Failure, Handlers, Placement, RunArgs};
use mcphub_conf::Settings;
use std::net::IpAddr;

/// What the verbs of the command line ask of this crate.
#[derive(Debug, Clone, Copy, Default)]
pub struct Gateway;

impl Handlers for Gateway {
    fn run_gateway(&self, args: &RunArgs) -> Result<(), Failure> {
        run::run(args)
    }

    fn place(&self, settings: &Settings, client: IpAddr) -> Result<Placement, Failure> {
        snapshot::place(settings, client).map_err(|error| Failure::Runtime(error.into()))
    }
}
