//! Log level and subscriptions, written down when a hub has accepted them: another hub must be told them one day.

use super::Seed;
use crate::clock;
use crate::edge::Edge;
use mcphub_session::record::{Found, Life, LogLevel, Revision};
use mcphub_session::{SessionStore as _, StoreError};
use std::sync::Arc;
use std::time::Duration;

/// Attempts against others who change the same record.
const TRIES: usize = 8;

/// How long a setting that could not be written is tried again in the background.
const LATER: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_secs(1);

/// What a client has set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Setting {
    /// `logging/setLevel`
    Level(LogLevel),
    /// `resources/subscribe`
    Subscribe(Box<str>),
    /// `resources/unsubscribe`
    Unsubscribe(Box<str>),
}

/// Writes it down. The client's answer waits for this as long as the store takes, which bounds it; a store that cannot
/// be reached is tried again in the background.
pub(crate) async fn note(edge: &Arc<Edge>, seed: Seed, setting: Setting) {
    let Err(error) = write(edge, &seed, &setting).await else { return };
    tracing::warn!(session = %seed.key, %error, "a session's setting is not written down yet");
    let Ok(place) = Arc::clone(&edge.owed).try_acquire_owned() else { return };
    let edge = Arc::clone(edge);
    tokio::spawn(async move {
        let end = clock::instant() + LATER;
        while clock::instant() < end && write(&edge, &seed, &setting).await.is_err() {
            tokio::time::sleep(PAUSE).await;
        }
        drop(place);
    });
}

async fn write(edge: &Edge, seed: &Seed, setting: &Setting) -> Result<(), StoreError> {
    let mut found = edge.records.get(seed.key).await?;
    let mut last = StoreError::unreachable("it was not tried");
    for _ in 0..TRIES {
        let own = found.take().filter(|found| found.record.caller == seed.first.caller);
        let (mut record, of) = match own {
            Some(Found { record, revision }) => (record, revision),
            None => (seed.first.clone(), Revision::NONE),
        };
        // One that has ended needs no settings.
        let Life::Live(live) = &mut record.life else { return Ok(()) };
        let changed = match setting {
            Setting::Level(level) => live.level.replace(*level) != Some(*level),
            Setting::Subscribe(uri) => match live.subscriptions.insert(uri) {
                Ok(new) => new,
                Err(error) => {
                    tracing::warn!(session = %seed.key, %error, "a subscription will not outlive its hub");
                    false
                }
            },
            Setting::Unsubscribe(uri) => live.subscriptions.remove(uri),
        };
        if !changed {
            return Ok(());
        }
        live.last_used = clock::unix_seconds();
        match edge.records.write(seed.key, of, &record).await {
            Ok(_) => return Ok(()),
            Err(StoreError::Conflict { found: now }) => {
                found = now;
                last = StoreError::unreachable("the record is changed too often");
            }
            Err(error) => return Err(error),
        }
    }
    Err(last)
}
