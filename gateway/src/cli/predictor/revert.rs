//! `predictor revert`: has a running gateway go back to the model that spoke before the one that it learnt last.

use std::io::Write;

use crate::cli::admin::{Admin, Where};
use crate::cli::lines::plain;
use crate::cli::{Failure, print_json};

/// Flags of `predictor revert`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    gateway: Where,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let admin = Admin::find(&args.gateway)?;
    let told = admin.accepted(admin.post("/v1/revertModel", None)?, out)?;
    if args.gateway.json {
        return print_json(&told, out);
    }
    let model = &told["model"];
    let (name, origin, trained) = (plain(&model["name"]), plain(&model["origin"]), plain(&model["trained"]));
    Ok(writeln!(out, "forecasts are made by model {name} ({origin}), trained {trained}")?)
}
