//! `predictor`: what can be learnt about failures, how good is it, and what speaks for a forecast?

use std::io::Write;

use clap::Subcommand;

use super::Failure;

mod backtest;
mod data;
mod explain;
mod learn;
mod revert;
mod simulate;
mod train;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Predictor {
    /// Write telemetry of hubs that were never there, with the truth about their failures, to teach and test a
    /// forecast.
    Simulate(simulate::Args),
    /// Judge how good forecasts would have been on telemetry with known failures.
    Backtest(backtest::Args),
    /// Ask a running gateway what it expects of a hub, and what speaks for it.
    Explain(explain::Args),
    /// Make a model of what a gateway has recorded of its own hubs, as it does by itself where learning is on.
    Learn(learn::Args),
    /// Have a running gateway go back to the model that spoke before the one that it learnt last.
    Revert(revert::Args),
    /// Make a model of recorded telemetry, for a gateway to expect failures by.
    Train(train::Args),
}

pub(super) fn run(verb: &Predictor, out: &mut dyn Write) -> Result<(), Failure> {
    match verb {
        Predictor::Simulate(args) => simulate::run(args, out),
        Predictor::Backtest(args) => backtest::run(args, out),
        Predictor::Explain(args) => explain::run(args, out),
        Predictor::Learn(args) => learn::run(args, out),
        Predictor::Revert(args) => revert::run(args, out),
        Predictor::Train(args) => train::run(args, out),
    }
}
