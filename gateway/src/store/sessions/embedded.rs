//! How does one gateway alone keep its records?
//!
//! In the memory of the [`Store`], where it is decided under one lock who wins, and by the store's thread in its file.

use super::shelf::Bookmark;
use super::{DEADLINE, SWEEP_LOOKS, Text};
use crate::clock;
use crate::store::{Condition, Store};
use mcphub_session::{Change, Found, Record, Revision, SessionKey, StoreCondition, StoreError};
use tokio::sync::watch;

/// Records looked at under one lock: some 100 µs.
const LOOKS_AT_ONCE: usize = 1_000;

#[derive(Clone)]
pub(super) struct Embedded {
    store: Store,
}

impl Embedded {
    pub(super) fn new(store: Store) -> Self {
        Self { store }
    }

    pub(super) fn get(&self, key: SessionKey) -> Result<Option<Found>, StoreError> {
        self.store.shared.memory().state.records().get(key)
    }

    /// Writes it in memory, which decides, and then waits for the disk. A disk that takes too long undoes nothing: then
    /// the store's condition says that the record may not be kept.
    pub(super) async fn write(
        &self,
        key: SessionKey,
        of: Revision,
        record: &Record,
    ) -> Result<Revision, StoreError> {
        let text = Text::of(record)?;
        let shared = &self.store.shared;
        let (revision, change) =
            shared.change(|memory| memory.write_record(key, of, text, clock::unix_millis()))?;
        shared.tell_news();
        let there =
            shared.until(DEADLINE, |progress| progress.durable >= change || !progress.holds_file).await;
        if !there {
            shared.tell(|progress| progress.late = progress.late.max(change));
        }
        Ok(revision)
    }

    pub(super) fn news(&self) -> watch::Receiver<()> {
        self.store.shared.news()
    }

    pub(super) fn next(&self, mark: &mut Bookmark) -> Option<Change> {
        self.store.shared.memory().state.records().next(mark)
    }

    pub(super) fn condition(&self) -> StoreCondition {
        let why = match self.store.condition() {
            Condition::Ready => {
                let late = self.store.shared.seen(|progress| progress.durable < progress.late);
                if !late {
                    return StoreCondition::Ready;
                }
                format!("the disk takes longer than {DEADLINE:?} for a record")
            }
            Condition::Waiting => "another process has the file, or it has not been opened yet".to_owned(),
            Condition::Released => "the file has been let go of for a successor".to_owned(),
            Condition::Degraded { why } => why,
        };
        StoreCondition::Degraded { why }
    }

    pub(super) fn sweep(&self, now: u64) -> usize {
        let mut gone = 0;
        for _ in 0..SWEEP_LOOKS / LOOKS_AT_ONCE {
            let holds_file = self.store.shared.seen(|progress| progress.holds_file);
            gone += self.store.shared.memory().state.sweep_records(now, LOOKS_AT_ONCE, holds_file);
        }
        if gone > 0 {
            self.store.shared.wake();
        }
        gone
    }
}
