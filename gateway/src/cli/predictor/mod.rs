//! `predictor`: what can be done about forecasts without a running gateway?

use std::io::Write;

use clap::Subcommand;

use super::Failure;

mod simulate;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Predictor {
    /// Write telemetry of hubs that were never there, with the truth about their failures, to teach and test a
    /// forecast.
    Simulate(simulate::Args),
}

pub(super) fn run(verb: &Predictor, out: &mut dyn Write) -> Result<(), Failure> {
    match verb {
        Predictor::Simulate(args) => simulate::run(args, out),
    }
}
