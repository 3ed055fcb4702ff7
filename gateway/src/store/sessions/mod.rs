//! Where is written down what has become of sessions, and who wins when two want to change it?
//!
//! [`Records`] is the one kind of [`SessionStore`] that the gateway knows, whatever is behind it:
//!
//! - **embedded**: memory, where it is decided who wins, in front of the store's file. A writer waits until its record
//!   is on disk, together with all who write at the same time; but not for a file that cannot be had, nor for longer
//!   than a second.
//! - **in memory**: the same without a file.
//! - **on NATS**: a bucket that many gateways share, where the server decides who wins, and a mirror of it in memory, from
//!   which reads are answered.
//!
//! Owns: the order of changes and who has been told of them, the bounds on memory. Does not know: what a record means,
//! apart from whether it has ended and when it may be forgotten.

mod embedded;
mod kept;
mod nats;
mod shelf;

#[cfg(test)]
pub(in crate::store) mod conformance;

pub use shelf::{RECORDS_BYTES_MAX, RECORDS_MAX};

pub(super) use kept::{Kept, RecordBatch, Row};
pub(super) use shelf::{Shelf, Text};

use super::Store;
use crate::clock;
use embedded::Embedded;
use mcphub_conf::settings::NatsSettings;
use mcphub_session::{
    Change, Changes, Found, Record, Revision, SessionKey, SessionStore, StoreCondition, StoreError,
};
use nats::Nats;
use shelf::Bookmark;
use std::fmt;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// How long a call may take.
const DEADLINE: Duration = Duration::from_secs(1);

/// Records looked at in one sweep: some milliseconds, of which none is under a lock for longer than its part.
const SWEEP_LOOKS: usize = 10_000;

/// Between two sweeps that found nothing. A record that stays a little longer than it must harms nobody.
const SWEEP_PAUSE: Duration = Duration::from_secs(5);
/// Between two sweeps of which the first found something: a hundred gone each time keeps up with any ending that is not
/// an accident.
const SWEEP_AGAIN: Duration = Duration::from_millis(100);

/// From one waking of a watcher to the next at least. Where changes come thick, a thread is not woken for each; one that
/// comes alone is told at once.
const NEWS_EVERY: Duration = Duration::from_millis(5);

/// Sweeps for ever, a little at a time.
pub(crate) async fn forget_records(records: Records) {
    loop {
        let pause = match records.sweep(clock::unix_seconds()).await {
            Ok(1..) => SWEEP_AGAIN,
            // What is out of reach now is over later too.
            Ok(0) | Err(_) => SWEEP_PAUSE,
        };
        tokio::time::sleep(pause).await;
    }
}

/// Session records. Clones are one store.
#[derive(Clone)]
pub struct Records {
    behind: Behind,
}

#[derive(Clone)]
enum Behind {
    Embedded(Embedded),
    Nats(Nats),
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").field("condition", &self.condition()).finish_non_exhaustive()
    }
}

impl Records {
    /// Records that end with the process. Always [`StoreCondition::Ready`].
    #[must_use]
    pub fn in_memory() -> Self {
        Self::embedded(&Store::in_memory())
    }

    /// Records in the file of this store, next to what else it keeps. It stays open as long as they are in use.
    #[must_use]
    pub fn embedded(store: &Store) -> Self {
        Self { behind: Behind::Embedded(Embedded::new(store.clone())) }
    }

    /// Records in a bucket on NATS, shared with all who name the same one. Returns at once: a task on the present runtime
    /// connects, and does so again for ever. See [`Self::known`].
    #[must_use]
    pub fn nats(settings: &NatsSettings) -> Self {
        Self { behind: Behind::Nats(Nats::new(settings)) }
    }

    /// Waits until everything that is shared is known here too. `false` when it is not within `patience`.
    pub async fn known(&self, patience: Duration) -> bool {
        match &self.behind {
            Behind::Embedded(_) => true,
            Behind::Nats(nats) => nats.known(patience).await,
        }
    }

    /// Whether no other gateway shares them: then records that cannot be written stop nothing.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        match &self.behind {
            Behind::Embedded(_) => true,
            Behind::Nats(_) => false,
        }
    }
}

impl SessionStore for Records {
    type Changes = RecordChanges;

    async fn get(&self, key: SessionKey) -> Result<Option<Found>, StoreError> {
        match &self.behind {
            Behind::Embedded(embedded) => embedded.get(key),
            Behind::Nats(nats) => nats.get(key).await,
        }
    }

    async fn latest(&self, key: SessionKey) -> Result<Option<Found>, StoreError> {
        match &self.behind {
            Behind::Embedded(embedded) => embedded.get(key),
            Behind::Nats(nats) => nats.latest(key).await,
        }
    }

    async fn write(&self, key: SessionKey, of: Revision, record: &Record) -> Result<Revision, StoreError> {
        match &self.behind {
            Behind::Embedded(embedded) => embedded.write(key, of, record).await,
            Behind::Nats(nats) => nats.write(key, of, record).await,
        }
    }

    fn watch(&self) -> RecordChanges {
        let news = match &self.behind {
            Behind::Embedded(embedded) => embedded.news(),
            Behind::Nats(nats) => nats.news(),
        };
        RecordChanges { behind: self.behind.clone(), news, mark: Bookmark::default(), quiet_until: None }
    }

    fn condition(&self) -> StoreCondition {
        match &self.behind {
            Behind::Embedded(embedded) => embedded.condition(),
            Behind::Nats(nats) => nats.condition(),
        }
    }

    async fn sweep(&self, now: u64) -> Result<usize, StoreError> {
        match &self.behind {
            Behind::Embedded(embedded) => Ok(embedded.sweep(now)),
            Behind::Nats(nats) => nats.sweep(now).await,
        }
    }
}

/// A view of what changes. It takes no memory that grows, and holds the store.
pub struct RecordChanges {
    behind: Behind,
    /// Something has changed.
    news: watch::Receiver<()>,
    mark: Bookmark,
    /// It was woken a moment ago, and sleeps till then.
    quiet_until: Option<Instant>,
}

impl fmt::Debug for RecordChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordChanges").field("mark", &self.mark).finish_non_exhaustive()
    }
}

impl Changes for RecordChanges {
    async fn next(&mut self) -> Change {
        loop {
            // Before looking, so that what comes in between wakes us again.
            self.news.mark_unchanged();
            let told = match &self.behind {
                Behind::Embedded(embedded) => embedded.next(&mut self.mark),
                Behind::Nats(nats) => nats.next(&mut self.mark),
            };
            if let Some(change) = told {
                return change;
            }
            if self.news.changed().await.is_err() {
                // The sender is in the store, which we hold.
                std::future::pending::<()>().await;
            }
            if let Some(until) = self.quiet_until {
                sleep_until(until).await;
            }
            self.quiet_until = Some(Instant::from_std(clock::instant()) + NEWS_EVERY);
        }
    }
}
