//! What telemetry does a folder hold?

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use anyhow::{Context as _, Result};
use flate2::read::GzDecoder;
use mcphub_predictor::backtest::{Dataset, Protocol, Split};

/// Most bytes of a `split.json`: 10,000 hubs with a hundred failures each.
const SPLIT_MAX: u64 = 64 * 1024 * 1024;

/// Reads the telemetry of hubs: `split.json`, and the files that it names, packed (`.gz`) or not.
///
/// # Errors
/// A file cannot be opened, or is not what it should be.
pub fn read(folder: &Path) -> Result<Dataset> {
    let path = folder.join("split.json");
    let mut json = Vec::new();
    let file = File::open(&path).with_context(|| format!("opening {}", path.display()))?;
    file.take(SPLIT_MAX).read_to_end(&mut json).with_context(|| format!("reading {}", path.display()))?;
    let split =
        Split::parse(Protocol::Hubsim, &json).with_context(|| format!("reading {}", path.display()))?;
    Dataset::read(&split, |name| open(&folder.join(name)))
        .with_context(|| format!("reading the telemetry in {}", folder.display()))
}

/// Names of files are checked when `split.json` is read: none leads out of the folder.
fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    let file = BufReader::new(File::open(path)?);
    let packed = path.extension().is_some_and(|extension| extension == "gz");
    Ok(if packed { Box::new(GzDecoder::new(file)) } else { Box::new(file) })
}
