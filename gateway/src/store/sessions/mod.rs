//! Where is written down what has become of sessions, and who wins when two want to change it?
//!
//! [`Records`] is the one kind of [`SessionStore`] that the gateway knows, whichever of two is behind it:
//!
//! - **embedded**: memory, where it is decided who wins, in front of the store's file. A writer waits until its record
//!   is on disk, together with all who write at the same time; but not for a file that cannot be had, nor for longer
//!   than a second.
//! - **in memory**: the same without a file.
//!
//! Owns: the order of changes and who has been told of them, the bounds on memory. Does not know: what a record means,
//! apart from whether it has ended and when it may be forgotten.

mod embedded;
mod kept;
mod shelf;

#[cfg(test)]
pub(in crate::store) mod conformance;

pub use shelf::{RECORDS_BYTES_MAX, RECORDS_MAX};

pub(super) use kept::{Kept, RecordBatch, Row};
pub(super) use shelf::{Shelf, Text};

use super::Store;
use embedded::Embedded;
use mcphub_session::{
    Change, Changes, Found, Record, Revision, SessionKey, SessionStore, StoreCondition, StoreError,
};
use shelf::Bookmark;
use std::fmt;
use std::time::Duration;
use tokio::sync::watch;

/// How long a call may take.
const DEADLINE: Duration = Duration::from_secs(1);

/// Records looked at in one sweep: some milliseconds, of which none is under a lock for longer than its part.
const SWEEP_LOOKS: usize = 10_000;

/// Session records. Clones are one store.
#[derive(Clone)]
pub struct Records {
    behind: Behind,
}

#[derive(Clone)]
enum Behind {
    Embedded(Embedded),
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

    /// Whether no other gateway shares them: then records that cannot be written stop nothing.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        match &self.behind {
            Behind::Embedded(_) => true,
        }
    }
}

impl SessionStore for Records {
    type Changes = RecordChanges;

    async fn get(&self, key: SessionKey) -> Result<Option<Found>, StoreError> {
        match &self.behind {
            Behind::Embedded(embedded) => embedded.get(key),
        }
    }

    async fn latest(&self, key: SessionKey) -> Result<Option<Found>, StoreError> {
        match &self.behind {
            Behind::Embedded(embedded) => embedded.get(key),
        }
    }

    async fn write(&self, key: SessionKey, of: Revision, record: &Record) -> Result<Revision, StoreError> {
        match &self.behind {
            Behind::Embedded(embedded) => embedded.write(key, of, record).await,
        }
    }

    fn watch(&self) -> RecordChanges {
        let news = match &self.behind {
            Behind::Embedded(embedded) => embedded.news(),
        };
        RecordChanges { behind: self.behind.clone(), news, mark: Bookmark::default() }
    }

    fn condition(&self) -> StoreCondition {
        match &self.behind {
            Behind::Embedded(embedded) => embedded.condition(),
        }
    }

    async fn sweep(&self, now: u64) -> Result<usize, StoreError> {
        match &self.behind {
            Behind::Embedded(embedded) => Ok(embedded.sweep(now)),
        }
    }
}

/// A view of what changes. It takes no memory that grows, and holds the store.
pub struct RecordChanges {
    behind: Behind,
    /// Something has changed.
    news: watch::Receiver<()>,
    mark: Bookmark,
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
            };
            if let Some(change) = told {
                return change;
            }
            if self.news.changed().await.is_err() {
                // The sender is in the store, which we hold.
                std::future::pending::<()>().await;
            }
        }
    }
}
