//! What other gateways have changed: the store's news, taken to the sessions that are known here.

use super::care::{StreamOrder, Tell};
use crate::clock;
use crate::control::lifecycle::{Phase, reached};
use crate::edge::Edge;
use mcphub_session::record::{Found, Life};
use mcphub_session::{Change, Changes as _, SessionKey, SessionStore as _};
use std::sync::Arc;

/// Follows the store until the process stops.
pub(crate) async fn follow(edge: Arc<Edge>) {
    let mut changes = edge.records.watch();
    let mut phase = edge.lifecycle.watch();
    loop {
        tokio::select! {
            change = changes.next() => {
                if let Change::Record { key, found } = change {
                    take(&edge, key, &found);
                }
            }
            () = reached(&mut phase, Phase::Ending) => return,
        }
    }
}

/// Takes in one record. Of a session that has not been seen here nothing need be known: its first request will ask.
fn take(edge: &Edge, key: SessionKey, found: &Found) {
    let Some(entry) = edge.sessions.known(&key) else { return };
    let tended = entry.care_if_any().map(|care| care.tell_if_tended(Tell::Noticed(found.clone())));
    if matches!(tended, Some(Ok(()))) {
        return;
    }
    match &found.record.life {
        Life::Live(live) if live.stay.number <= entry.stay_number() => {}
        Life::Live(live) => {
            // A stream that stands open must be led there; its own task knows in whose name.
            let told =
                entry.care_if_any().map(|care| care.order(StreamOrder::Noticed(Box::new(found.clone()))));
            if !matches!(told, Some(Ok(()))) {
                edge.sessions.moved(&key, &live.stay, clock::since_start());
            }
        }
        Life::Ended { .. } => {
            if let Some(care) = entry.care_if_any() {
                let _ = care.order(StreamOrder::Noticed(Box::new(found.clone())));
            }
            edge.sessions.end(&key);
        }
    }
}
