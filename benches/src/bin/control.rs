//! `benches/control/run.sh`: what the control plane costs, as criterion finds it in some rounds.

// The report is this program's product.
#![allow(clippy::print_stdout)]

use std::path::Path;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use mcphub_benches::{control, page};

/// Measures choosing, ticks and publishing, from 10 hubs to 5,000.
#[derive(Parser)]
#[command(name = "control")]
struct Cli {
    /// Rounds.
    #[arg(long, env = "ROUNDS", default_value_t = 3)]
    rounds: usize,
    /// Also write the report into benches/README.md.
    #[arg(long)]
    write: bool,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    ensure!(cli.rounds > 0, "nothing to measure");
    let built = std::env::current_exe().context("finding this program")?;
    let scratch = built.parent().context("finding the folder of this program")?.join("bench-control");
    let report = control::markdown(&control::measure(cli.rounds, &scratch)?);
    println!("{report}");
    if cli.write {
        page::write(&Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"), "control", &report)?;
    }
    Ok(())
}
