//! How is a folder of telemetry read?

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::Context as _;
use flate2::read::GzDecoder;
use mcphub_predictor::backtest::{Dataset, Protocol, Split};

use crate::cli::Failure;

/// Most bytes of a `split.json`: 10,000 hubs with a hundred failures each.
const SPLIT_MAX: u64 = 64 * 1024 * 1024;

/// Reads a folder of telemetry: `split.json` and the files that it names.
pub(super) fn read(protocol: Protocol, folder: &Path) -> Result<Dataset, Failure> {
    let path = folder.join("split.json");
    let mut json = Vec::new();
    let file = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
    file.take(SPLIT_MAX).read_to_end(&mut json).with_context(|| format!("cannot read {}", path.display()))?;
    let split = Split::parse(protocol, &json).with_context(|| format!("cannot use {}", path.display()))?;
    let data = Dataset::read(&split, |name| open(folder, name));
    Ok(data.with_context(|| format!("cannot use the telemetry in {}", folder.display()))?)
}

/// Opens a file of the folder, unpacked if it is packed. It is named by `split.json`, which may come from anywhere: only
/// what is in the folder itself is opened.
fn open(folder: &Path, name: &str) -> io::Result<Box<dyn Read>> {
    if Path::new(name).file_name().is_none_or(|file| file != name) {
        let what = "it names a file outside of its folder";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    let file = io::BufReader::new(File::open(folder.join(name))?);
    let packed = Path::new(name).extension().is_some_and(|extension| extension == "gz");
    Ok(if packed { Box::new(GzDecoder::new(file)) } else { Box::new(file) })
}
