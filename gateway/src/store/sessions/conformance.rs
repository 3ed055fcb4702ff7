//! What `mcphub_session::store` promises, held against every backend.
//!
//! Each check is handed two views of one empty store: clones where only one process can have it, two connections of
//! their own where it is shared. What one has written, the other may learn a little later.

mod backends;
mod checks;
mod outages;
mod server;

use super::*;
use mcphub_session::Ending;
use mcphub_session::record::Ended;
use std::any::Any;

const PATIENCE: Duration = Duration::from_secs(30);

/// A moment long after every record of these tests was written, and before any of them is over.
pub(in crate::store) const NOW: u64 = 1_800_000_000;

/// An empty store.
pub(super) struct Place {
    one: Records,
    two: Records,
    /// Whatever must live as long.
    _around: Box<dyn Any>,
}

/// A record of a living session, on its stay of this number.
pub(in crate::store) fn live(stay: u32, hub: &str) -> Record {
    let row = format!(
        r#"{{"schema":1,"caller":"07070707070707070707070707070707","expires_at":{},"live":{{"stay":{stay},"hub":"{hub}",
            "upstream":"0a1b2c3d","version":"2025-11-25","last_used":{NOW}}}}}"#,
        NOW + 3_600,
    );
    Record::from_bytes(row.as_bytes()).expect("a record")
}

pub(in crate::store) fn ending(why: Ended) -> Ending {
    let Record { caller, expires_at, .. } = live(0, "a");
    Ending { caller, expires_at, at: NOW, why }
}

pub(in crate::store) fn key(number: u64) -> SessionKey {
    SessionKey::from_bytes((u128::from(number) << 64 | 0xfeed).to_be_bytes())
}

/// Waits until this view has it at this revision.
pub(in crate::store) async fn seen(records: &Records, key: SessionKey, revision: Revision) -> Found {
    let look = async {
        loop {
            match records.get(key).await.expect("readable") {
                Some(found) if found.revision == revision => return found,
                _ => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("the change arrives")
}

/// What a write that lost was told.
pub(in crate::store) fn conflict(result: Result<Revision, StoreError>) -> Option<Found> {
    match result {
        Err(StoreError::Conflict { found }) => found,
        other => panic!("{other:?}"),
    }
}

pub(in crate::store) async fn next(changes: &mut RecordChanges) -> Change {
    tokio::time::timeout(PATIENCE, changes.next()).await.expect("a change")
}

/// Nothing more is told for a while.
pub(in crate::store) async fn quiet(changes: &mut RecordChanges) {
    let more = tokio::time::timeout(Duration::from_millis(150), changes.next()).await;
    assert!(more.is_err(), "{more:?}");
}
