//! `mcphub-edge`.

use clap::Parser as _;
use mcphub_gateway::{Gateway, cli};
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run(cli::Cli::parse(), &Gateway)
}
