//! `predictor backtest`: how good would forecasts have been on this telemetry?

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::ValueEnum;
use mcphub_predictor::backtest::{self, as_pages, as_text};

use super::data::read;
use crate::cli::{Failure, print_json};

/// How the telemetry is read and judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Protocol {
    /// Hubs as a gateway sees them, a sample each 15 s.
    Hubsim,
    /// Servers as they see themselves, a sample each minute, the first half without labels.
    Smd,
}

/// Flags of `predictor backtest`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How the telemetry is read and judged.
    #[arg(long, value_enum)]
    protocol: Protocol,

    /// The folder to learn from: `split.json` and the files that it names.
    #[arg(long, value_name = "DIR")]
    train: PathBuf,

    /// The folder to judge on; without it, the later part of each entity of the first.
    #[arg(long, value_name = "DIR")]
    test: Option<PathBuf>,

    /// Seed of all draws: of trees, and of intervals.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,

    /// Report in JSON.
    #[arg(long)]
    json: bool,

    /// Also write a report with pictures, `report.md`, into this folder.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let protocol = match args.protocol {
        Protocol::Hubsim => backtest::Protocol::Hubsim,
        Protocol::Smd => backtest::Protocol::Smd,
    };
    let train = read(protocol, &args.train)?;
    let test = args.test.as_deref().map(|folder| read(protocol, folder)).transpose()?;
    let judged = backtest::judge(&train, test.as_ref(), args.seed);
    let (report, weights) = judged.context("cannot judge forecasts on this telemetry")?;
    if let Some(folder) = &args.report {
        let made = std::fs::create_dir_all(folder);
        made.with_context(|| format!("cannot make {}", folder.display()))?;
        for (name, text) in as_pages(&report, &weights) {
            let path = folder.join(name);
            std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    if args.json {
        return print_json(&serde_json::to_value(&report).context("cannot write the report")?, out);
    }
    Ok(write!(out, "{}", as_text(&report))?)
}
