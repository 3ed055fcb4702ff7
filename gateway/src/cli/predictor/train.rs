//! `predictor train`: a model of the telemetry in a folder, in a file.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mcphub_predictor::backtest::{Entity, Protocol};
use mcphub_predictor::model::file::Model;
use mcphub_predictor::model::hazard::HORIZONS;
use mcphub_predictor::model::{ForestSettings, Kind};
use mcphub_predictor::telemetry::Sample;
use mcphub_predictor::training::{Failed, Pupil, Teaching, teach};

use super::data::read;
use crate::cli::Failure;
use crate::clock;

/// Flags of `predictor train`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder to learn from: `split.json` and the files of hubs that it names, as `predictor simulate` writes them.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,

    /// The file for the model.
    #[arg(long, value_name = "FILE", default_value = "hubs.model")]
    out: PathBuf,

    /// Seed of all draws: the same seed, telemetry and platform make the same model.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
}

/// What is known of one hub.
struct Record {
    samples: Vec<Sample>,
    failures: Vec<Failed>,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let data = read(Protocol::Hubsim, &args.data)?;
    let records: Option<Vec<_>> = data.entities.iter().map(record).collect();
    let records = records.context("the telemetry is not that of hubs")?;
    let hubs: Vec<_> = records.iter().map(|record| Pupil::of(&record.samples, &record.failures)).collect();
    let usual = Teaching::default();
    let settings = Teaching { forest: ForestSettings { seed: args.seed, ..usual.forest }, ..usual };
    let model = teach(&hubs, &settings, clock::unix_seconds(), data.simulated);
    let model = model.with_context(|| format!("cannot make a model of {}", args.data.display()))?;
    let bytes = model.to_bytes().context("cannot write the model down")?;
    write_whole(&args.out, &bytes).with_context(|| format!("cannot write {}", args.out.display()))?;
    writeln!(out, "{}: {} bytes", args.out.display(), bytes.len())?;
    Ok(write!(out, "{}", as_text(&model))?)
}

/// A hub of the folder; `None` if it is no hub.
fn record(entity: &Entity) -> Option<Record> {
    let failed = |failure: &mcphub_predictor::backtest::Failure| Failed {
        start: failure.start,
        end: failure.end,
        kind: Kind::named(&failure.class),
    };
    Some(Record {
        samples: entity.samples()?.collect(),
        failures: entity.failures.iter().map(failed).collect(),
    })
}

/// Writes a file that is there whole or as it was before, whatever comes in between.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A model is no secret, and whoever trains it need not be who serves by it. The umask still holds.
    let mut file = tempfile::Builder::new().permissions(Permissions::from_mode(0o644)).tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// What the model was made of, and how good it is.
pub(super) fn as_text(model: &Model) -> String {
    let training = &model.training;
    let mut text = format!(
        "{} hubs, {} failures that could have been foretold, {} rows\n\
         horizon  base rate  AUROC  AUPRC  skill  calibration error\n",
        training.hubs, training.failures, training.rows
    );
    for (horizon, window) in model.horizons.iter().zip(HORIZONS) {
        let quality = &horizon.quality;
        text.push_str(&format!(
            "{:>3} min  {:>9.4}  {:>5.3}  {:>5.3}  {:>5.3}  {:>17.4}\n",
            window.as_secs() / 60,
            horizon.base_rate,
            quality.auroc,
            quality.auprc,
            quality.brier_skill,
            quality.calibration_error
        ));
    }
    text.push_str(match model.kinds {
        Some(_) => "kinds of failures are told apart\n",
        None => "kinds of failures are not told apart: there are too few of one\n",
    });
    text.push_str("All figures are of hubs that the model which was asked had not seen.\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("hubs.model");
        write_whole(&path, b"first").expect("written");
        write_whole(&path, b"second").expect("written over");
        assert_eq!(std::fs::read(&path).expect("there"), b"second");
        assert_eq!(std::fs::read_dir(folder.path()).expect("there").count(), 1, "nothing else is left");
        assert!(write_whole(&folder.path().join("none/hubs.model"), b"lost").is_err());
    }
}
