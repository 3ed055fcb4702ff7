//! What must be written as soon as the store can be had: above all that a session has ended.

use crate::clock;
use crate::edge::Edge;
use mcphub_session::record::{Found, Life, Record, Revision};
use mcphub_session::{Ending, SessionKey, SessionStore as _, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// Between two attempts.
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Records owed at a time. Beyond that they are given up: the sessions are over here all the same, and their hubs are
/// told.
const OWED_MAX: usize = 10_000;

/// Writes a record in the background, until it is written or nobody could read it any more.
pub(crate) fn write(edge: &Arc<Edge>, key: SessionKey, record: Record) {
    let Ok(place) = Arc::clone(&edge.owed).try_acquire_owned() else {
        tracing::error!(session = %key, "too many session records wait for the store ({OWED_MAX}): one is given up");
        return;
    };
    let edge = Arc::clone(edge);
    tokio::spawn(async move {
        let mut pause = PAUSE_MIN;
        while !record.is_over(clock::unix_seconds()) {
            match once(&edge, key, &record).await {
                Ok(()) => break,
                Err(error) => tracing::debug!(session = %key, %error, "a session record is still owed"),
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
        drop(place);
    });
}

/// Room for what is owed.
pub(crate) fn room() -> Arc<tokio::sync::Semaphore> {
    Arc::new(tokio::sync::Semaphore::new(OWED_MAX))
}

async fn once(edge: &Edge, key: SessionKey, record: &Record) -> Result<(), StoreError> {
    match &record.life {
        Life::Ended { at, why } => {
            let ending = Ending { caller: record.caller, expires_at: record.expires_at, at: *at, why: *why };
            edge.records.end(key, ending).await.map(drop)
        }
        Life::Live(live) => {
            let found = edge.records.latest(key).await?;
            let of = match &found {
                None => Revision::NONE,
                Some(Found { record: newer, revision }) => match newer.live() {
                    // A tombstone, or a later stay: what is owed is old by now.
                    None => return Ok(()),
                    Some(newer) if newer.stay.number >= live.stay.number => return Ok(()),
                    Some(_) => *revision,
                },
            };
            edge.records.write(key, of, record).await.map(drop)
        }
    }
}
