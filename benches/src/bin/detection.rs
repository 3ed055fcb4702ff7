//! How soon failures are noticed, by our own triggers and by those that everybody knows.

// The report is this program's product.
#![allow(clippy::print_stdout)]

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Parser;
use mcphub_benches::{detection, page};

/// Compares ways of noticing failures on the telemetry of a folder.
#[derive(Parser)]
#[command(name = "detection")]
struct Cli {
    /// The folder to learn from, as `mcphub-edge predictor simulate` writes it; the later part of each hub is tested on.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The folder to test on instead, from beginning to end.
    #[arg(long, value_name = "DIR")]
    test: Option<PathBuf>,
    /// Seed of the forest.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Also write the report into benches/README.md.
    #[arg(long)]
    write: bool,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let train = detection::read(&cli.data)?;
    let test = cli.test.as_deref().map(detection::read).transpose()?;
    let mut report = detection::markdown(&detection::measure(&train, test.as_ref(), cli.seed)?);
    report.push_str(&format!("\n{}", page::circumstances()));
    println!("{report}");
    if cli.write {
        page::write(&Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"), "detection", &report)?;
    }
    Ok(())
}
