//! Whose sessions shall leave a hub that drains?
//!
//! A session with nothing in flight moves on its next use, when its caller's credential is there; the request itself sees
//! to that. But a session whose client listens and says nothing has no next use, so those with an open stream are led
//! away from here, so many a second. At the deadline, when the hub is drained or ejected, the rest follow. Sessions that an
//! operator wants elsewhere are led in the same way, whatever their hub does.
//!
//! The streams of modern clients belong to no session; they are let go by the same measure, and all at once from a hub
//! that is drained or no longer configured.

use super::care::StreamOrder;
use crate::control::lifecycle::{Phase, reached};
use crate::edge::Edge;
use crate::sessions::{Entry, Sessions};
use crate::upstream::Upstream;
use mcphub_routing::{HubId, HubState};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);
const LOOKS_PER_SECOND: u32 = 5;

/// Leads sessions away until the process stops.
pub(crate) async fn watch(edge: Arc<Edge>) {
    let mut phase = edge.lifecycle.watch();
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut unlisted = Unlisted::default();
    let mut count = 0;
    loop {
        tokio::select! {
            _ = looks.tick() => {
                count = (count + 1) % LOOKS_PER_SECOND;
                look(&edge, count);
                unlisted.look(&edge.snapshots.load_full().upstreams);
            }
            () = reached(&mut phase, Phase::Draining) => return,
        }
    }
}

/// The `count`-th look of a second.
fn look(edge: &Arc<Edge>, count: u32) {
    let snapshot = edge.snapshots.load_full();
    let each = share_of(snapshot.settings.failover.moves_per_second, count);
    for hub in snapshot.table.hubs() {
        let away = match hub.state {
            HubState::Draining { .. } => Away::Draining,
            HubState::Drained { .. } => Away::Drained,
            HubState::Ejected { .. } if !snapshot.table.panic() => Away::Ejected,
            _ => {
                lead_marked(&edge.sessions, hub.id, each);
                continue;
            }
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

/// What the `count`-th look of a second may take of what a second allows, so that all of them together take all of it.
fn share_of(per_second: u32, count: u32) -> usize {
    let by = |looks: u32| u64::from(per_second) * u64::from(looks) / u64::from(LOOKS_PER_SECOND);
    usize::try_from(by(count + 1) - by(count)).unwrap_or(usize::MAX)
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
        if entry.is_moving() || (away == Away::Draining && entry.in_flight() > 0) {
            continue;
        }
        let ordered = match away {
            Away::Draining | Away::Drained => order_away(&entry),
            Away::Ejected => entry.care_if_any().is_some_and(|care| care.order(StreamOrder::Eject).is_ok()),
        };
        led += usize::from(ordered);
    }
    led
}

/// Has the stream of a session lead it away, to where somebody wants it if somebody does. `false`: it has none.
fn order_away(entry: &Entry) -> bool {
    let Some(care) = entry.care_if_any().filter(|care| care.streams_open() > 0) else { return false };
    let to = entry.take_wish().flatten();
    care.order(StreamOrder::Leave(to.map(Box::new))).is_ok()
}

/// Leads sessions away that an operator wants elsewhere and that have a stream open. Those that are busy may finish.
fn lead_marked(sessions: &Sessions, hub: &HubId, most: usize) {
    let pins = sessions.pins_of(hub);
    if !pins.looks_who_leaves() {
        return;
    }
    let (mut led, mut left) = (0, false);
    for (_, entry) in sessions.on(hub) {
        if !entry.is_wanted_away() || entry.care_if_any().is_none_or(|care| care.streams_open() == 0) {
            continue;
        }
        if led < most && !entry.is_moving() && entry.in_flight() == 0 && order_away(&entry) {
            led += 1;
        } else {
            left = true;
        }
    }
    if left {
        pins.some_leave();
    }
}

/// What was marked to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Marked {
    /// Sessions on the hub.
    pub(crate) there: usize,
    /// Of those that shall leave: they have a stream open, and are led away from here, so many a second.
    pub(crate) now: usize,
    /// Of those that shall leave: they go before they are used next.
    pub(crate) on_next_use: usize,
}

/// Marks sessions of a hub so that they leave it, to this one if they can; so many at most, those with a stream open
/// first.
pub(crate) fn mark(sessions: &Sessions, hub: &HubId, to: Option<&HubId>, most: usize) -> Marked {
    let there = sessions.on(hub);
    let has_stream = |entry: &Entry| entry.care_if_any().is_some_and(|care| care.streams_open() > 0);
    let (listening, quiet): (Vec<_>, Vec<_>) = there.iter().partition(|(_, entry)| has_stream(entry));
    let marked = Marked {
        there: there.len(),
        now: listening.len().min(most),
        on_next_use: quiet.len().min(most.saturating_sub(listening.len())),
    };
    for (_, entry) in listening.into_iter().chain(quiet).take(most) {
        entry.want_away(to.cloned());
    }
    sessions.pins_of(hub).some_leave();
    marked
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::migrate::care::Standing;
    use mcphub_session::migration::RequestKey;
    use mcphub_session::{Bind, KeyRing, Sealer, SecretKey, SessionKey};
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    fn hub(name: &str) -> HubId {
        HubId::new(name).expect("a hub id")
    }

    fn key(n: u8) -> SessionKey {
        let secret = SecretKey::from_bytes(std::array::from_fn(|at| at as u8)).expect("32 different bytes");
        let keys = KeyRing::new(&[secret]).expect("one key");
        Sealer::new(keys, Bind::None, Duration::from_secs(60)).name(&[n; 12])
    }

    /// Sessions on hub `a`, of which the first so many have a stream open, and what these are told.
    fn world(all: u8, listening: u8) -> (Sessions, Vec<UnboundedReceiver<StreamOrder>>) {
        let sessions = Sessions::default();
        let mut streams = Vec::new();
        for n in 0..all {
            let entry = sessions.open(key(n), &hub("a"), clock::since_start());
            if n < listening {
                let (orders, told) = unbounded_channel();
                entry.care().stream_opened(Standing { stream: RequestKey(u64::from(n)), stay: 0, orders });
                streams.push(told);
            }
        }
        (sessions, streams)
    }

    #[test]
    fn a_second_takes_what_it_may_and_no_more() {
        for per_second in [1, 4, 5, 7, 200, 100_000] {
            let taken: usize = (0..LOOKS_PER_SECOND).map(|count| share_of(per_second, count)).sum();
            assert_eq!(taken, per_second as usize);
        }
    }

    #[test]
    fn marked_sessions_are_led_away_in_turn_and_others_on_their_next_use() {
        let (sessions, mut streams) = world(7, 4);
        lead_marked(&sessions, &hub("a"), 10);
        assert!(streams.iter_mut().all(|told| told.try_recv().is_err()), "nobody wants anything");
        let marked = mark(&sessions, &hub("a"), Some(&hub("b")), 6);
        assert_eq!(marked, Marked { there: 7, now: 4, on_next_use: 2 });
        assert_eq!(mark(&sessions, &hub("a"), Some(&hub("b")), 6).there, 7, "twice is as once");
        assert_eq!(sessions.census(clock::since_start(), 0).all.leaving, 6);
        let told = |streams: &mut Vec<UnboundedReceiver<StreamOrder>>| -> usize {
            let goes = |told: &mut UnboundedReceiver<_>| match told.try_recv() {
                Ok(StreamOrder::Leave(to)) => usize::from(to.as_deref() == Some(&hub("b"))),
                _ => 0,
            };
            streams.iter_mut().map(goes).sum()
        };
        for expected in [3, 1, 0, 0] {
            lead_marked(&sessions, &hub("a"), 3);
            assert_eq!(told(&mut streams), expected);
        }
        assert_eq!(sessions.census(clock::since_start(), 0).all.leaving, 2, "these wait for their next use");
        assert_eq!(mark(&sessions, &hub("nowhere"), None, 6), Marked::default());
    }

    #[test]
    fn a_busy_session_finishes_before_it_is_led_away() {
        let (sessions, mut streams) = world(1, 1);
        let busy = crate::sessions::Busy::new(sessions.known(&key(0)).expect("it is there"));
        mark(&sessions, &hub("a"), None, 1);
        lead_marked(&sessions, &hub("a"), 1);
        assert!(streams[0].try_recv().is_err());
        drop(busy);
        lead_marked(&sessions, &hub("a"), 1);
        assert!(matches!(streams[0].try_recv(), Ok(StreamOrder::Leave(None))));
    }
}
