//! `predictor learn`: a model of what a gateway has recorded of its own hubs, in a file.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use mcphub_predictor::learning::{KEPT_FOR, Record};
use mcphub_predictor::model::ForestSettings;
use mcphub_predictor::training::{Pupil, Teaching, teach};
use rustix::process::{
    Resource, Rlimit, Signal, set_parent_process_death_signal, setpriority_process, setrlimit,
};

use super::train::as_text;
use crate::cli::Failure;
use crate::clock;
use crate::forecast::{records, write_whole};

/// The most hubs that are learnt from, those that failed most: their two weeks take 220 MB.
const HUBS_MAX: usize = 48;
/// Moments that models are asked about, at 400 bytes each, and that they are grown on, at 5 KB each while it lasts.
const ASKED_MAX: usize = 100_000;
const LEARNT_MAX: usize = 30_000;
/// The most memory that it may reserve in the background, in bytes: more than twice what all of that takes.
const MEMORY_MAX: u64 = 2 << 30;
/// The lowest priority that there is by this measure, whatever that of the gateway is. A processor that is wanted by others
/// as well gives it one part in seventy beside one of the usual priority.
const NICE: i32 = 19;

/// Flags of `predictor learn`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder of the records: `record` in the folder of the gateway's state.
    #[arg(long, value_name = "DIR")]
    record: PathBuf,

    /// The file for the model.
    #[arg(long, value_name = "FILE", default_value = "hubs.model")]
    out: PathBuf,

    /// Seed of all draws: the same seed, record and platform make the same model.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,

    /// Work at the lowest priority, within bounds of memory, and end with whoever began it.
    #[arg(long)]
    background: bool,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    if args.background {
        stand_back().context("cannot stand back behind others")?;
    }
    let now = clock::unix_seconds();
    let records = records(&args.record, now.saturating_sub(KEPT_FOR.as_secs()), HUBS_MAX);
    let records = records.with_context(|| format!("cannot read the records in {}", args.record.display()))?;
    let hubs: Vec<Pupil<'_>> = records.iter().map(Record::pupil).collect();
    let usual = Teaching::default();
    let settings = Teaching {
        forest: ForestSettings { seed: args.seed, ..usual.forest },
        asked_max: ASKED_MAX,
        learnt_max: LEARNT_MAX,
        ..usual
    };
    let model = teach(&hubs, &settings, now, false);
    let model = model.with_context(|| format!("cannot make a model of {}", args.record.display()))?;
    let bytes = model.to_bytes().context("cannot write the model down")?;
    write_whole(&args.out, &bytes).with_context(|| format!("cannot write {}", args.out.display()))?;
    writeln!(out, "{}: {} bytes", args.out.display(), bytes.len())?;
    Ok(write!(out, "{}", as_text(&model))?)
}

/// Everybody else goes first, and nobody is left without memory. Linux keeps the priority for each thread, and there is one.
fn stand_back() -> rustix::io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    setpriority_process(None, NICE)?;
    setrlimit(Resource::As, Rlimit { current: Some(MEMORY_MAX), maximum: Some(MEMORY_MAX) })
}
