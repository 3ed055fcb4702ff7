//! `predictor simulate`: a folder of simulated telemetry, a compressed CSV for each hub and `split.json` about all.
//!
//! The folder is what `backtest` reads. The description is written last: a folder without it is torn.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use flate2::Compression;
use flate2::write::GzEncoder;
use mcphub_predictor::simulate::{
    Fault, HubRun, Kind, MERGE_TICKS, Outcome, Settings, Simulator, TICKS_PER_DAY,
};
use mcphub_predictor::telemetry::{PERIOD, Sample, Signal};
use serde_json::{Value, json};

use crate::cli::Failure;

/// How far ahead forecasts are judged, in minutes; alarms pause for as long, and after a failure as much is left out.
const HORIZON_MINUTES: u64 = 10;

/// What part of each series is for fitting; the rest is for judging.
const TRAIN_SHARE: f64 = 0.6;

/// How many hours pass before a forecast is judged: features that look back need a past.
const WARM_UP_HOURS: u32 = 12;

/// Flags of `predictor simulate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How many hubs.
    #[arg(long, value_name = "COUNT", default_value_t = Settings::DEFAULT.hubs)]
    hubs: u32,

    /// How many days of each.
    #[arg(long, value_name = "COUNT", default_value_t = Settings::DEFAULT.days)]
    days: u32,

    /// Which world: the same seed gives the same telemetry on every machine.
    #[arg(long, value_name = "NUMBER", default_value_t = Settings::DEFAULT.seed)]
    seed: u64,

    /// How many faults befall each hub a day, near-misses among them. Public endpoints: about 0.08.
    #[arg(long, value_name = "NUMBER", default_value_t = Settings::DEFAULT.faults_per_day)]
    rate: f64,

    /// What part of faults comes back at the same time of day, 0 to 1.
    #[arg(long, value_name = "PART", default_value_t = Settings::DEFAULT.recurring)]
    recurring: f64,

    /// What part of faults befalls all hubs of a location at once, 0 to 1.
    #[arg(long, value_name = "PART", default_value_t = Settings::DEFAULT.siblings)]
    siblings: f64,

    /// How many locations the hubs stand at.
    #[arg(long, value_name = "COUNT", default_value_t = Settings::DEFAULT.locations)]
    locations: u32,

    /// The folder for the files: a new one, or an empty one.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// What befell the fleet.
#[derive(Default)]
struct Tally {
    faults: usize,
    near_misses: usize,
    failures: usize,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let settings = Settings {
        hubs: args.hubs,
        days: args.days,
        seed: args.seed,
        faults_per_day: args.rate,
        recurring: args.recurring,
        siblings: args.siblings,
        locations: args.locations,
    };
    let simulator = Simulator::new(settings).map_err(|error| Failure::Usage(error.to_string()))?;
    open_folder(&args.out)?;
    let (mut hubs, mut tally) = (serde_json::Map::new(), Tally::default());
    // As many digits as the last hub has, and two at least: names that sort as numbers do.
    let digits = args.hubs.to_string().len().max(2);
    for (hub, number) in simulator.hubs().zip(1..) {
        let name = format!("hub{number:0digits$}");
        let file = format!("{name}.csv.gz");
        let packed = pack(&hub).context("cannot compress")?;
        write(&args.out.join(&file), &packed)?;
        hubs.insert(name, describe(&hub, &file, &packed));
        tally.faults += hub.faults.len();
        tally.near_misses += hub.faults.iter().filter(|fault| fault.outcome == Outcome::NearMiss).count();
        tally.failures += hub.failures.len();
    }
    let split = format!("{:#}\n", split(simulator.settings(), &hubs));
    write(&args.out.join("split.json"), split.as_bytes())?;
    let Tally { faults, near_misses, failures } = tally;
    let (count, days, folder) = (args.hubs, args.days, args.out.display());
    writeln!(out, "{count} hubs, {days} days each, in {folder}")?;
    Ok(writeln!(out, "{faults} faults, {near_misses} of them near-misses; {failures} failures")?)
}

/// Makes the folder, if it is not there; what others have put there is not mixed with ours.
fn open_folder(path: &Path) -> Result<(), Failure> {
    let refuse = |what: &str| Err(Failure::Usage(format!("{} {what}; name a new folder", path.display())));
    match std::fs::read_dir(path) {
        Ok(mut entries) => match entries.next() {
            Some(_) => refuse("is not empty"),
            None => Ok(()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok(std::fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?)
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => refuse("is a file"),
        Err(error) => {
            Err(anyhow::Error::new(error).context(format!("cannot read {}", path.display())).into())
        }
    }
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// The series of a hub: a heading, a line for each tick, compressed.
fn pack(hub: &HubRun) -> io::Result<Vec<u8>> {
    let mut csv = GzEncoder::new(Vec::new(), Compression::default());
    let names = Signal::ALL.map(Signal::as_str).join(",");
    writeln!(csv, "{names},down")?;
    for (sample, down) in hub.samples.iter().zip(&hub.down) {
        row(sample, *down, &mut csv)?;
    }
    csv.finish()
}

/// One tick. What is not known is an empty cell; processor and memory are in per cent in files.
fn row(sample: &Sample, down: bool, csv: &mut impl Write) -> io::Result<()> {
    for signal in Signal::ALL {
        let (factor, decimals) = match signal {
            Signal::ProbeMs | Signal::P50Ms | Signal::P95Ms | Signal::Rate => (1.0, 1),
            Signal::ConnectMs => (1.0, 2),
            Signal::Cpu | Signal::Memory => (100.0, 2),
            Signal::ProbeFail | Signal::InFlight | Signal::Queue => (1.0, 0),
            Signal::Errors | Signal::Timeouts | Signal::Refused => (1.0, 3),
        };
        if let Some(value) = sample.get(signal) {
            write!(csv, "{:.decimals$}", value * factor)?;
        }
        csv.write_all(b",")?;
    }
    writeln!(csv, "{}", u8::from(down))
}

/// What is known of a hub: its file, its nature, its failures as `[start, end, kind, class]`, and its faults.
fn describe(hub: &HubRun, file: &str, packed: &[u8]) -> Value {
    let traits = &hub.traits;
    let failures: Vec<_> = hub
        .failures
        .iter()
        .map(|failure| json!([failure.start, failure.end, failure.kind.as_str(), failure.class().as_str()]))
        .collect();
    json!({
        "file": file,
        "sha256": hex(ring::digest::digest(&ring::digest::SHA256, packed).as_ref()),
        "bytes": packed.len(),
        "rows": hub.samples.len(),
        "params": {
            "c": traits.servers,
            "s0": traits.service,
            "cv": traits.service_cv,
            "fio": traits.disk,
            "rho0": traits.utilisation,
            "To": traits.timeout,
            "retry": traits.retries,
            "K": traits.queue_max,
            "rtt0": traits.rtt,
            "err0": traits.errors,
            "export": traits.exports,
            "location": traits.location,
        },
        "episodes": failures,
        "faults": hub.faults.iter().map(fault).collect::<Vec<_>>(),
    })
}

fn fault(fault: &Fault) -> Value {
    let (outcome, down) = match fault.outcome {
        Outcome::Failed { down } => ("failed", Some(down)),
        Outcome::NearMiss => ("near_miss", None),
        Outcome::Unfinished => ("unfinished", None),
    };
    json!({
        "onset": fault.onset,
        "end": fault.end,
        "kind": fault.kind.as_str(),
        "class": fault.kind.class().as_str(),
        "outcome": outcome,
        "down": down,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The whole description; counts are in samples.
fn split(settings: &Settings, hubs: &serde_json::Map<String, Value>) -> Value {
    let horizon = HORIZON_MINUTES * 60 / PERIOD.as_secs();
    let abrupt: Vec<_> = Kind::FAULTS.into_iter().filter(|kind| kind.is_abrupt()).map(Kind::as_str).collect();
    json!({
        "protocol": "P2",
        "dataset": "simulated hub telemetry of mcphub-edge",
        "sample_s": PERIOD.as_secs(),
        "horizon_samples": horizon,
        "merge_gap": MERGE_TICKS,
        "cooldown": horizon,
        "guard": horizon,
        "warmup": TICKS_PER_DAY * WARM_UP_HOURS / 24,
        "score_every": 2,
        "dev_train_frac": TRAIN_SHARE,
        "cut": (f64::from(settings.days * TICKS_PER_DAY) * TRAIN_SHARE) as u32,
        "columns": Signal::ALL.map(Signal::as_str),
        "abrupt_kinds": abrupt,
        "simulation": {
            "seed": settings.seed,
            "days": settings.days,
            "faults_per_day": settings.faults_per_day,
            "recurring": settings.recurring,
            "siblings": settings.siblings,
            "locations": settings.locations,
        },
        "dev": hubs,
    })
}
