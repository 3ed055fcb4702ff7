//! How does what hubs are like get into the record that models are made of?
//!
//! One file a hub in the folder `record` of the state, to which an hour's samples are added once an hour: some 80 KB a day.
//! A crash costs the hour under way. Where files cannot be written, nothing is learnt from that hour, and it is said.

use super::Telemetry;
use crate::clock;
use mcphub_predictor::learning::{CHUNK_PERIODS, Cut, KEPT_FOR, Record, chunk};
use mcphub_predictor::telemetry::History;
use mcphub_routing::HubId;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The folder of the records, in that of the state.
pub(crate) const FOLDER: &str = "record";
/// The end of the name of a record.
const EXTENSION: &str = "record";

/// Records that are kept: those of the first so many hubs. Models are made of fewer.
const RECORDS_MAX: usize = 256;
/// The most bytes of one record: twice those of two weeks at the most that an hour takes.
const RECORD_MAX: u64 = 4 * 1024 * 1024;
/// Hubs that are written in one round, at some 50 µs each of the control task.
const ROUND_MAX: usize = 20;
/// Stretches that are remembered of a hub until the next chunk.
const STRETCHES_MAX: usize = 65;
/// What was done about a hub goes on while it is told so this often, in seconds.
const GOES_ON: u64 = 60;

/// What is to be recorded.
#[derive(Debug)]
pub(crate) struct Recorder {
    folder: PathBuf,
    hubs: BTreeMap<HubId, Kept>,
    /// One round at a time: who holds it writes.
    writing: Arc<Semaphore>,
}

#[derive(Debug)]
struct Kept {
    origin: u64,
    /// How many periods are on record, or were before we began.
    upto: u64,
    acted: Vec<(u64, u64)>,
}

/// Chunks on their way to their files.
#[derive(Debug)]
pub(crate) struct Chunks {
    folder: PathBuf,
    chunks: Vec<(HubId, Vec<u8>)>,
    _writing: Option<OwnedSemaphorePermit>,
}

impl Recorder {
    /// Nothing is on record of this process.
    pub(crate) fn new(state: &Path) -> Self {
        Self { folder: state.join(FOLDER), hubs: BTreeMap::new(), writing: Arc::new(Semaphore::new(1)) }
    }

    /// Something is being done about this hub on a forecast.
    pub(crate) fn acted(&mut self, hub: &HubId, unix_s: u64) {
        let Some(kept) = self.hubs.get_mut(hub) else { return };
        let room = kept.acted.len() < STRETCHES_MAX;
        match kept.acted.last_mut() {
            Some((_, until)) if unix_s.saturating_sub(*until) <= GOES_ON => *until = unix_s.max(*until),
            // One more than a chunk has room for, and all of it counts.
            _ if room => kept.acted.push((unix_s, unix_s + 1)),
            _ => {}
        }
    }

    /// The hubs that have an hour to write down, unless the last ones still are being written.
    pub(crate) fn due(&mut self, telemetry: &Telemetry) -> Option<Chunks> {
        self.follow(telemetry);
        let writing = Arc::clone(&self.writing).try_acquire_owned().ok()?;
        self.round(telemetry, CHUNK_PERIODS, ROUND_MAX, Some(writing))
    }

    /// All that is not on record yet, for the end of the process.
    pub(crate) fn rest(&mut self, telemetry: &Telemetry) -> Option<Chunks> {
        self.round(telemetry, 1, usize::MAX, None)
    }

    /// What was seen before we began is on record already, or was not meant to be.
    fn follow(&mut self, telemetry: &Telemetry) {
        self.hubs.retain(|hub, kept| telemetry.origin(hub) == Some(kept.origin));
        for hub in telemetry.hubs() {
            if let (false, Some(origin)) = (self.hubs.contains_key(hub), telemetry.origin(hub)) {
                let upto = telemetry.history(hub).map_or(0, History::periods);
                self.hubs.insert(hub.clone(), Kept { origin, upto, acted: Vec::new() });
            }
        }
    }

    fn round(
        &mut self,
        telemetry: &Telemetry,
        least: u64,
        most: usize,
        writing: Option<OwnedSemaphorePermit>,
    ) -> Option<Chunks> {
        let mut chunks = Vec::new();
        for (hub, kept) in &mut self.hubs {
            let Some(history) = telemetry.history(hub) else { continue };
            if history.periods().saturating_sub(kept.upto) < least || chunks.len() >= most {
                continue;
            }
            let cut = Cut { origin: kept.origin, after: kept.upto, acted: &kept.acted };
            chunks.extend(chunk(history, &cut).map(|bytes| (hub.clone(), bytes)));
            kept.upto = history.periods();
            kept.acted.clear();
        }
        (!chunks.is_empty()).then(|| Chunks { folder: self.folder.clone(), chunks, _writing: writing })
    }
}

impl Chunks {
    /// Adds them to their files.
    pub(crate) fn write(self) {
        let since = clock::unix_seconds().saturating_sub(KEPT_FOR.as_secs());
        for (hub, bytes) in &self.chunks {
            let path = self.folder.join(format!("{hub}.{EXTENSION}"));
            if let Err(error) = append(&path, bytes, since) {
                let path = path.display();
                tracing::warn!(%path, %error, "an hour of the hub is not on record: nothing is learnt from it");
            }
        }
    }
}

fn append(path: &Path, chunk: &[u8], since: u64) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let known = match fs::metadata(path) {
        Ok(known) => known.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if fs::read_dir(folder)?.count() >= RECORDS_MAX {
                return Ok(());
            }
            0
        }
        Err(error) => return Err(error),
    };
    let is_long = known + chunk.len() as u64 > RECORD_MAX / 2;
    if is_long {
        let bytes = read(path)?;
        let stale = Record::stale(&bytes, since);
        if stale > 0 || known > RECORD_MAX {
            // All of it, if it is too long and not old: then it is no record of ours.
            let left = if known > RECORD_MAX { &[] } else { &bytes[stale..] };
            write_whole(path, left)?;
        } else if known + chunk.len() as u64 > RECORD_MAX {
            return Err(io::Error::other("the record is full"));
        }
    }
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    file.write_all(chunk)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(RECORD_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes a file that is there whole or as it was before, whatever comes in between.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    // What is on disk must have its name on disk, or a power cut brings the old one back.
    File::open(folder)?.sync_all()
}

/// The records in a folder, those with most failures first, at most `most`; what ended before `since` is left out.
pub(crate) fn records(folder: &Path, since: u64, most: usize) -> io::Result<Vec<Record>> {
    let mut records = Vec::new();
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?;
    // Names decide, and not the order in which a file system tells them: the same records make the same model.
    paths.sort();
    for path in paths.into_iter().filter(|path| path.extension().is_some_and(|end| end == EXTENSION)) {
        let record = Record::read(&read(&path)?, since);
        if !record.is_empty() {
            records.push(record);
        }
        records.sort_by_key(|record| std::cmp::Reverse(record.failures()));
        records.truncate(most);
    }
    Ok(records)
}
