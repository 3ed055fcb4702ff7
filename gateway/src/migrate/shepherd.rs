//! Whose sessions shall leave a hub that drains?
//!
//! A session with nothing in flight moves on its next use, when its caller's credential is there; the request itself sees
//! to that. But a session whose client listens and says nothing has no next use, so those with an open stream are led
//! away from here, so many a second. At the deadline, when the hub is drained or ejected, the rest follow.
//!
//! The streams of modern clients belong to no session; they are let go by the same measure, and all at once from a hub
//! that is drained or no longer configured.

use super::care::StreamOrder;
use crate::control::lifecycle::{Phase, reached};
use crate::edge::Edge;
use crate::upstream::Upstream;
use mcphub_routing::{HubId, HubState};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);

/// Leads sessions away until the process stops.
pub(crate) async fn watch(edge: Arc<Edge>) {
    let mut phase = edge.lifecycle.watch();
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut unlisted = Unlisted::default();
    loop {
        tokio::select! {
            _ = looks.tick() => {
                look(&edge);
                unlisted.look(&edge.snapshots.load_full().upstreams);
            }
            () = reached(&mut phase, Phase::Draining) => return,
        }
    }
}

fn look(edge: &Arc<Edge>) {
    let snapshot = edge.snapshots.load_full();
    let per_second = snapshot.settings.failover.moves_per_second;
    let each = usize::try_from(per_second / 5).unwrap_or(usize::MAX).max(1);
    for hub in snapshot.table.hubs() {
        let away = match hub.state {
            HubState::Draining { .. } => Away::Draining,
            HubState::Drained { .. } => Away::Drained,
            HubState::Ejected { .. } if !snapshot.table.panic() => Away::Ejected,
            _ => continue,
        };
        let led = lead_away(edge, hub.id, each, away);
        match snapshot.upstreams.get(hub.index.get()) {
            Some(upstream) if away == Away::Drained => upstream.let_all_go(),
            Some(upstream) => upstream.let_go(each - led),
            None => {}
        }
    }
}

/// Hubs that are listened to though the configuration has them no more.
#[derive(Default)]
struct Unlisted {
    listed: Arc<[Arc<Upstream>]>,
    hubs: Vec<Arc<Upstream>>,
}

impl Unlisted {
    fn look(&mut self, listed: &Arc<[Arc<Upstream>]>) {
        if !Arc::ptr_eq(&self.listed, listed) {
            let gone = |hub: &&Arc<Upstream>| !listed.iter().any(|listed| Arc::ptr_eq(hub, listed));
            self.hubs.extend(self.listed.iter().filter(gone).cloned());
            self.listed = Arc::clone(listed);
        }
        self.hubs.retain(|hub| hub.listening() > 0);
        self.hubs.iter().for_each(|hub| hub.let_all_go());
    }
}

/// Why sessions leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Away {
    /// Those that are busy may finish.
    Draining,
    /// Its time is up.
    Drained,
    /// It answers nothing.
    Ejected,
}

/// Says how many were led.
fn lead_away(edge: &Edge, hub: &HubId, most: usize, away: Away) -> usize {
    // Nearly always: looking through all sessions is only worth it where there is somebody to lead away.
    if edge.sessions.pins_of(hub).streams() == 0 {
        return 0;
    }
    let mut led = 0;
    for (_, entry) in edge.sessions.on(hub) {
        if led >= most {
            break;
        }
        if entry.is_tended() || (away == Away::Draining && entry.in_flight() > 0) {
            continue;
        }
        let order = match away {
            Away::Draining | Away::Drained => StreamOrder::Leave(None),
            Away::Ejected => StreamOrder::Eject,
        };
        if entry.care_if_any().is_some_and(|care| care.order(order).is_ok()) {
            led += 1;
        }
    }
    led
}

/// Has all sessions of a hub that have a stream open leave it, to another one if possible; so many at most. Says how many
/// there are on the hub, and how many of them were told: the others move on their next use once the hub drains.
pub(crate) fn leave(edge: &Edge, hub: &HubId, to: Option<&HubId>, most: usize) -> (usize, usize) {
    let there = edge.sessions.on(hub);
    let mut told = 0;
    for (_, entry) in &there {
        if told >= most {
            break;
        }
        let order = StreamOrder::Leave(to.cloned().map(Box::new));
        if entry.care_if_any().is_some_and(|care| care.order(order).is_ok()) {
            told += 1;
        }
    }
    (there.len(), told)
}
