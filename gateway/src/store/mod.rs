//! What must this gateway still know after a restart?
//!
//! What operators want of hubs, which failovers there were, what hubs have been like, which alarms were raised about them,
//! which model is on trial, and what has become of sessions ([`Records`]). All of it is in memory, where reads are answered; a thread of its own brings the changes to one file, `edge.redb` in the state
//! directory, many changes in one commit. Nobody ever waits for a disk who does not ask to ([`Store::flushed`]), apart
//! from who writes a record: it is not said to be kept before it is.
//!
//! A file that cannot be had never stops the gateway:
//!
//! | the file | what happens |
//! |---|---|
//! | is held by another process: our predecessor, during a change of binaries | [`Condition::Waiting`]: tried again ten times a second until it lets go |
//! | is damaged | it is set aside as `edge.redb.broken-<seconds since 1970>` and begun anew; [`Condition::Degraded`] until the process ends, since something may be forgotten |
//! | cannot be read or written: full disk, permissions | [`Condition::Degraded`]; tried again after 1 s, later every 30 s, or when somebody asks for [`Store::flushed`] |
//! | was written by a later version | it is not touched; [`Condition::Degraded`] |
//!
//! What is changed meanwhile stays in memory, and goes to the file once it can be had; there it wins over what the
//! file says of the same thing. Of a session, it wins if it is the later of the two; see `sessions/kept.rs`.
//!
//! Owns: the file, its tables and their versions, the thread. Does not know: what a wish does, when a hub fails, what
//! telemetry says.

mod file;
mod keeper;
mod memory;
mod record;
mod sessions;

pub use file::FILE_NAME;
pub use memory::{FAILOVERS_MAX, TELEMETRY_MAX, WISHES_MAX};
pub use record::{FailoverRecord, TEXT_MAX, Trigger, WishRecord};
pub use sessions::{RECORDS_BYTES_MAX, RECORDS_MAX, RecordChanges, Records};

pub(crate) use sessions::forget_records;

use crate::clock;
use keeper::{Orders, Progress, Shared};
use mcphub_routing::HubId;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How the store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// What is changed goes to disk.
    Ready,
    /// Another process has the file, or it has not been opened yet.
    Waiting,
    /// Let go for a successor: what is changed stays in memory until [`Store::reclaim`].
    Released,
    /// Something is wrong with the file. Memory serves on.
    Degraded {
        /// What, for operators.
        why: String,
    },
}

/// A handle on the store. Clones are one store; when the last one is dropped, what can be written is written, and the
/// file is closed.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    _end: Option<Arc<End>>,
}

/// Ends the thread with the last handle.
struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.order(Orders::End);
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("condition", &self.condition()).finish_non_exhaustive()
    }
}

impl Store {
    /// The store in this directory. Returns at once: see [`Self::loaded`].
    #[must_use]
    pub fn open(directory: &Path) -> Self {
        let shared = Arc::new(Shared::new(Progress::begun()));
        match keeper::start(Arc::clone(&shared), directory) {
            Ok(()) => {
                let end = Arc::new(End(Arc::clone(&shared)));
                Self { shared, _end: Some(end) }
            }
            Err(error) => {
                let why = format!("no thread could be had for the store: {error}");
                tracing::error!(why, "nothing will survive a restart");
                shared.tell(|progress| progress.condition = Condition::Degraded { why });
                Self { shared, _end: None }
            }
        }
    }

    /// A store without a file. It is always [`Condition::Ready`], and everything counts as written.
    #[must_use]
    pub fn in_memory() -> Self {
        Self { shared: Arc::new(Shared::new(Progress::without_file())), _end: None }
    }

    /// Waits until what the file holds is known here. `false` when it is not within `patience`, or as soon as it is
    /// clear that the file is of no use for now.
    pub async fn loaded(&self, patience: Duration) -> bool {
        self.shared.until(patience, |progress| progress.loaded || progress.is_degraded()).await;
        self.shared.seen(|progress| progress.loaded)
    }

    /// What operators want, by hub.
    #[must_use]
    pub fn wishes(&self) -> BTreeMap<HubId, WishRecord> {
        self.shared.memory().state.wishes().clone()
    }

    /// Says what is wanted of a hub; `None` takes back what was wanted.
    pub fn set_wish(&self, hub: &HubId, wish: Option<WishRecord>) {
        if !self.shared.change(|memory| memory.set_wish(hub, wish.map(WishRecord::trimmed))) {
            tracing::error!(%hub, "a wish was not taken: {WISHES_MAX} hubs have one already");
        }
    }

    /// Writes a failover into the journal, in place of what it said under the same number.
    pub fn put_failover(&self, record: FailoverRecord) {
        self.shared.change(|memory| memory.put_failover(record.trimmed()));
    }

    /// A number that no failover has had. Later ones are greater, across restarts too.
    #[must_use]
    pub fn next_failover_id(&self) -> u64 {
        self.shared.memory().state.next_id(clock::unix_millis())
    }

    /// The last failovers, newest first; [`FAILOVERS_MAX`] are kept.
    #[must_use]
    pub fn failovers(&self, newest: usize) -> Vec<FailoverRecord> {
        self.shared.memory().state.newest(newest)
    }

    /// What hubs have been like, as it was written down.
    #[must_use]
    pub fn telemetry(&self) -> BTreeMap<HubId, Arc<[u8]>> {
        self.shared.memory().state.telemetry().clone()
    }

    /// What one hub has been like, as it was written down.
    #[must_use]
    pub fn telemetry_of(&self, hub: &HubId) -> Option<Arc<[u8]>> {
        self.shared.memory().state.telemetry().get(hub).map(Arc::clone)
    }

    /// Keeps what some hubs have been like, in place of what was kept of them before; on disk in one commit.
    pub fn put_telemetry(&self, rows: Vec<(HubId, Vec<u8>)>) {
        let refused = self.shared.change(|memory| {
            rows.into_iter()
                .filter(|(hub, bytes)| !memory.put_telemetry(hub, Some(bytes.as_slice().into())))
                .count()
        });
        if refused > 0 {
            tracing::error!(refused, "telemetry was not kept: that of {TELEMETRY_MAX} hubs is already");
        }
    }

    /// Keeps nothing of a hub any more.
    pub fn forget_telemetry(&self, hub: &HubId) {
        self.shared.change(|memory| memory.put_telemetry(hub, None));
    }

    /// Which alarms there are and were, as it was written down.
    #[must_use]
    pub fn alarms(&self) -> Option<Arc<[u8]>> {
        self.shared.memory().state.alarms().map(Arc::clone)
    }

    /// Keeps which alarms there are and were, in place of what was kept before.
    pub fn put_alarms(&self, bytes: Vec<u8>) {
        self.shared.change(|memory| memory.put_alarms(bytes.into()));
    }

    /// The trial of a model that is under way, as it was written down.
    #[must_use]
    pub fn trial(&self) -> Option<Arc<[u8]>> {
        self.shared.memory().state.trial().map(Arc::clone)
    }

    /// Keeps the trial of a model, 5 MB at most, in place of what was kept before; `None` when none is under way any more.
    pub fn put_trial(&self, bytes: Option<Vec<u8>>) {
        self.shared.change(|memory| memory.put_trial(bytes.map(Into::into)));
    }

    /// Whether what the file holds is known here.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.shared.seen(|progress| progress.loaded)
    }

    /// Waits until every change so far is on disk, and has a store that is in trouble try again at once. `false` when
    /// it is not there within `patience`.
    pub async fn flushed(&self, patience: Duration) -> bool {
        let target = self.shared.nudge();
        self.shared.until(patience, |progress| progress.durable >= target).await
    }

    /// How it is.
    #[must_use]
    pub fn condition(&self) -> Condition {
        self.shared.seen(|progress| progress.condition.clone())
    }

    /// Writes what is to be written and lets go of the file, so that a successor can have it. `false` if it was not
    /// let go of within `patience`, or not everything could be written. Everything else goes on as before.
    pub async fn release(&self, patience: Duration) -> bool {
        let target = self.shared.memory().state.changes();
        self.shared.order(Orders::LetGo);
        let released =
            |progress: &Progress| !progress.holds_file && progress.condition == Condition::Released;
        self.shared.until(patience, |progress| progress.is_without_file() || released(progress)).await
            && self.shared.seen(|progress| progress.durable >= target)
    }

    /// Takes the file back after [`Self::release`], as soon as nobody else has it: there was no successor after all.
    pub fn reclaim(&self) {
        self.shared.order(Orders::Hold);
    }
}

#[cfg(test)]
mod tests;
