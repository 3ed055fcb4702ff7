//! How do records get into the file and out of it again?
//!
//! One redb database: transactions that are whole or not there, in a file that a crash cannot tear. What a crash does
//! not do, a careless copy or a bad disk may; so every open checks all of it (4 ms for 10,000 failovers), and what
//! the library makes of bytes it never wrote, an error or a panic, is an answer here and not an end.

use super::memory::{Batch, Contents, FAILOVERS_MAX, TELEMETRY_MAX};
use super::record::{FailoverRecord, WishRecord};
use super::sessions::{RecordBatch, Row, Text};
use mcphub_routing::HubId;
use mcphub_session::{Revision, SessionKey};
use redb::backends::FileBackend;
use redb::{Builder, Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};
use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The name of the file in the state directory.
pub const FILE_NAME: &str = "edge.redb";

/// The version of the file as a whole. It grows when an older program must keep its hands off; a table that is added
/// or replaced is none of its business and needs no new number.
const SCHEMA: u64 = 1;
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const SCHEMA_KEY: &str = "schema";

/// What operators want, by hub.
const WISHES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("wishes/1");
/// The journal of failovers, by number.
const FAILOVERS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("failovers/1");

/// What hubs have been like: bytes of the predictor's, by hub. The number is that of the table, not of the bytes.
const TELEMETRY: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("telemetry/1");

/// Which alarms there are and were: one row, written anew as a whole.
const ALARMS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("alarms/1");
const ALARMS_KEY: &str = "all";

/// The trial of a model that is under way: one row, or none.
const TRIAL: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("trial/1");
const TRIAL_KEY: &str = "trial";

/// What has become of sessions, by their short names: the revision, and the record as it is written down.
const SESSIONS: TableDefinition<'_, &[u8; 16], (u64, &[u8])> = TableDefinition::new("sessions/1");

/// The database library may keep this much of the file in memory. All of it is small and read once.
const CACHE: usize = 1024 * 1024;

/// Why the file is of no use now.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// Another process has it open.
    #[error("another process has it open")]
    Held,
    /// It is not what was once written.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// A later version's, or somebody else's.
    #[error("{0}")]
    NotOurs(String),
    /// Whatever may pass: a full disk, permissions.
    #[error("{0}")]
    Failed(String),
}

impl Trouble {
    fn of(error: impl Into<redb::Error>) -> Self {
        use redb::Error as E;
        match error.into() {
            E::DatabaseAlreadyOpen | E::LockProtocolMismatch => Self::Held,
            E::Corrupted(what) => Self::Damaged(what),
            E::Io(error)
                if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) =>
            {
                Self::Damaged(error.to_string())
            }
            E::UpgradeRequired(version) => {
                Self::NotOurs(format!("it has file format {version}, which this version does not read"))
            }
            error @ (E::TableTypeMismatch { .. }
            | E::TableIsMultimap(_)
            | E::TypeDefinitionChanged { .. }) => {
                Self::NotOurs(format!("it has the tables of another program: {error}"))
            }
            error => Self::Failed(error.to_string()),
        }
    }
}

/// The open file.
pub(super) struct File(Database);

impl File {
    /// Opens the file, makes it where there is none, and reads all of it.
    pub(super) fn open(directory: &Path) -> Result<(Self, Contents), Trouble> {
        let path = directory.join(FILE_NAME);
        // Where that fails for whatever other reason, the next step tells more.
        guarded(|| refuse_later_schema(&path)).unwrap_or(Ok(()))?;
        guarded(|| {
            let is_new = !path.exists();
            let file = fs::OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&path)
                .map_err(|error| Trouble::Failed(error.to_string()))?;
            let mut builder = Builder::new();
            builder.set_check_integrity_on_open(true).set_cache_size(CACHE);
            let database = builder
                .create_with_backend(FileBackend::new(file).map_err(Trouble::of)?)
                .map_err(Trouble::of)?;
            if is_new {
                // What is on disk must have a name on disk, or a power cut takes all of it.
                fs::File::open(directory)
                    .and_then(|directory| directory.sync_all())
                    .map_err(|error| Trouble::Failed(error.to_string()))?;
            }
            lay_out(&database)?;
            let contents = read(&database)?;
            Ok((Self(database), contents))
        })
        .unwrap_or_else(|panic| Err(Trouble::Damaged(panic)))
    }

    /// Writes all of it, or nothing. After an error the file must be opened anew.
    pub(super) fn write(&self, batch: &Batch) -> Result<(), Trouble> {
        guarded(|| write(&self.0, batch)).unwrap_or_else(|panic| Err(Trouble::Failed(panic)))
    }

    /// Lets go of it.
    pub(super) fn close(self) {
        let closed = guarded(|| self.0.close().map_err(Trouble::of));
        if let Ok(Err(error)) | Err(error) = closed.map_err(Trouble::Failed) {
            // Everything that was acknowledged is on disk; the next open mends the rest.
            tracing::debug!(%error, "the store was not closed cleanly");
        }
    }
}

/// Moves a damaged file out of the way, so that somebody may look at it later.
pub(super) fn set_aside(directory: &Path, unix_seconds: u64) -> io::Result<PathBuf> {
    let from = directory.join(FILE_NAME);
    let free = (0..100)
        .map(|again| match again {
            0 => directory.join(format!("{FILE_NAME}.broken-{unix_seconds}")),
            again => directory.join(format!("{FILE_NAME}.broken-{unix_seconds}-{again}")),
        })
        .find(|path| !path.exists())
        .ok_or_else(|| io::Error::from(io::ErrorKind::AlreadyExists))?;
    fs::rename(from, &free)?;
    Ok(free)
}

/// Opening for writing changes a few bytes of a file, so a later version's is looked at first without. What cannot be
/// looked at that way (there is none, it was not closed) is found out about by opening it.
fn refuse_later_schema(path: &Path) -> Result<(), Trouble> {
    let mut builder = Builder::new();
    builder.set_check_integrity_on_open(true).set_cache_size(CACHE);
    match builder.open_read_only(path) {
        Ok(database) => schema(&database).map(drop),
        Err(_) => Ok(()),
    }
}

/// The schema of a file, if it has one.
fn schema(database: &impl ReadableDatabase) -> Result<Option<u64>, Trouble> {
    let reading = database.begin_read().map_err(Trouble::of)?;
    let meta = match reading.open_table(META) {
        Ok(meta) => meta,
        Err(redb::TableError::TableDoesNotExist(_)) => {
            return match reading.list_tables().map_err(Trouble::of)?.next() {
                None => Ok(None),
                Some(_) => Err(Trouble::NotOurs("it has the tables of another program".to_owned())),
            };
        }
        Err(error) => return Err(Trouble::of(error)),
    };
    let schema = meta.get(SCHEMA_KEY).map_err(Trouble::of)?.map(|found| found.value());
    match schema {
        Some(schema) if schema > SCHEMA => Err(Trouble::NotOurs(format!(
            "a later version wrote it: it has schema {schema}, this version knows {SCHEMA}"
        ))),
        schema => Ok(schema),
    }
}

/// Gives a new file its tables.
fn lay_out(database: &Database) -> Result<(), Trouble> {
    if schema(database)? == Some(SCHEMA) {
        return Ok(());
    }
    let writing = database.begin_write().map_err(Trouble::of)?;
    writing.open_table(META).map_err(Trouble::of)?.insert(SCHEMA_KEY, SCHEMA).map_err(Trouble::of)?;
    writing.open_table(WISHES).map_err(Trouble::of)?;
    writing.open_table(FAILOVERS).map_err(Trouble::of)?;
    writing.commit().map_err(Trouble::of)
}

fn read(database: &Database) -> Result<Contents, Trouble> {
    let reading = database.begin_read().map_err(Trouble::of)?;
    let mut contents = Contents::default();
    for row in reading.open_table(WISHES).map_err(Trouble::of)?.iter().map_err(Trouble::of)? {
        let (hub, row) = row.map_err(Trouble::of)?;
        match (HubId::new(hub.value()), WishRecord::from_row(row.value())) {
            (Ok(hub), Ok(wish)) => drop(contents.wishes.insert(hub, wish)),
            (Err(error), _) => tracing::warn!(%error, "a wish in the store is passed over"),
            (_, Err(error)) => {
                tracing::warn!(hub = hub.value(), %error, "a wish in the store is passed over");
            }
        }
    }
    for row in reading.open_table(FAILOVERS).map_err(Trouble::of)?.iter().map_err(Trouble::of)? {
        let (id, row) = row.map_err(Trouble::of)?;
        match FailoverRecord::from_row(row.value()) {
            Ok(record) => drop(contents.failovers.insert(id.value(), record)),
            Err(error) => {
                tracing::warn!(id = id.value(), %error, "a failover in the store is passed over");
            }
        }
    }
    read_telemetry(&reading, &mut contents)?;
    contents.alarms = read_row(&reading, ALARMS, ALARMS_KEY)?;
    contents.trial = read_row(&reading, TRIAL, TRIAL_KEY)?;
    read_sessions(&reading, &mut contents)?;
    Ok(contents)
}

fn read_telemetry(reading: &redb::ReadTransaction, contents: &mut Contents) -> Result<(), Trouble> {
    let telemetry = match reading.open_table(TELEMETRY) {
        Ok(telemetry) => telemetry,
        // Files from before there was telemetry get it with the first hub's.
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(()),
        Err(error) => return Err(Trouble::of(error)),
    };
    for row in telemetry.iter().map_err(Trouble::of)?.take(TELEMETRY_MAX) {
        let (hub, bytes) = row.map_err(Trouble::of)?;
        match HubId::new(hub.value()) {
            Ok(hub) => drop(contents.telemetry.insert(hub, bytes.value().into())),
            Err(error) => tracing::warn!(%error, "telemetry in the store is passed over"),
        }
    }
    Ok(())
}

/// The only row of a table. Files from before there was such a table get it with the first row.
fn read_row(
    reading: &redb::ReadTransaction,
    table: TableDefinition<'_, &str, &[u8]>,
    key: &str,
) -> Result<Option<Arc<[u8]>>, Trouble> {
    match reading.open_table(table) {
        Ok(table) => Ok(table.get(key).map_err(Trouble::of)?.map(|row| row.value().into())),
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(Trouble::of(error)),
    }
}

fn read_sessions(reading: &redb::ReadTransaction, contents: &mut Contents) -> Result<(), Trouble> {
    let sessions = match reading.open_table(SESSIONS) {
        Ok(sessions) => sessions,
        // Files from before there were records get it with the first one.
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(()),
        Err(error) => return Err(Trouble::of(error)),
    };
    for row in sessions.iter().map_err(Trouble::of)? {
        let (key, row) = row.map_err(Trouble::of)?;
        let key = SessionKey::from_bytes(*key.value());
        let (revision, bytes) = row.value();
        contents.records.insert(key, Row { revision: Revision(revision), text: Text::read(bytes) });
    }
    Ok(())
}

fn write(database: &Database, batch: &Batch) -> Result<(), Trouble> {
    let writing = database.begin_write().map_err(Trouble::of)?;
    {
        let mut wishes = writing.open_table(WISHES).map_err(Trouble::of)?;
        for (hub, wish) in &batch.wishes {
            match wish {
                Some(wish) => drop(wishes.insert(hub.as_str(), &*wish.to_row()).map_err(Trouble::of)?),
                None => drop(wishes.remove(hub.as_str()).map_err(Trouble::of)?),
            }
        }
        let mut failovers = writing.open_table(FAILOVERS).map_err(Trouble::of)?;
        for record in &batch.failovers {
            failovers.insert(record.id, &*record.to_row()).map_err(Trouble::of)?;
        }
        while failovers.len().map_err(Trouble::of)? > FAILOVERS_MAX as u64 {
            drop(failovers.pop_first().map_err(Trouble::of)?);
        }
    }
    write_telemetry(&writing, batch)?;
    if let Some(bytes) = &batch.alarms {
        let mut alarms = writing.open_table(ALARMS).map_err(Trouble::of)?;
        alarms.insert(ALARMS_KEY, &**bytes).map_err(Trouble::of)?;
    }
    if let Some(bytes) = &batch.trial {
        let mut trial = writing.open_table(TRIAL).map_err(Trouble::of)?;
        match bytes {
            Some(bytes) => drop(trial.insert(TRIAL_KEY, &**bytes).map_err(Trouble::of)?),
            None => drop(trial.remove(TRIAL_KEY).map_err(Trouble::of)?),
        }
    }
    write_sessions(&writing, &batch.records)?;
    writing.commit().map_err(Trouble::of)
}

fn write_telemetry(writing: &redb::WriteTransaction, batch: &Batch) -> Result<(), Trouble> {
    if batch.telemetry.is_empty() {
        return Ok(());
    }
    let mut telemetry = writing.open_table(TELEMETRY).map_err(Trouble::of)?;
    for (hub, bytes) in &batch.telemetry {
        match bytes {
            Some(bytes) => drop(telemetry.insert(hub.as_str(), &**bytes).map_err(Trouble::of)?),
            None => drop(telemetry.remove(hub.as_str()).map_err(Trouble::of)?),
        }
    }
    Ok(())
}

fn write_sessions(writing: &redb::WriteTransaction, batch: &RecordBatch) -> Result<(), Trouble> {
    if batch.gone.is_empty() && batch.rows.is_empty() {
        return Ok(());
    }
    let mut sessions = writing.open_table(SESSIONS).map_err(Trouble::of)?;
    for key in &batch.gone {
        drop(sessions.remove(key.as_bytes()).map_err(Trouble::of)?);
    }
    for (_, key, Row { revision, text }) in &batch.rows {
        let bytes = text.to_bytes().map_err(|error| Trouble::Failed(error.to_string()))?;
        sessions.insert(key.as_bytes(), (revision.0, &*bytes)).map_err(Trouble::of)?;
    }
    Ok(())
}

/// What the library says about bytes it did not write may be a panic.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no word");
        format!("the database library gave up: {said}")
    })
}
