//! How do hubs' pasts grow with every look, and outlive the process?
//!
//! They are in memory, where everything is read. Every quarter of a minute those hubs whose past has waited longest for
//! the store, and for most of a minute, are copied; a thread that nobody waits for writes them down as bytes; the store
//! brings them to disk in one commit. A crash costs what was seen since, which is a gap of a minute in a fleet of up to
//! 160 hubs, and of six in one of a thousand. An orderly end costs nothing.

use crate::snapshot::Snapshot;
use crate::store::Store;
use mcphub_health::{Evidence, Window};
use mcphub_predictor::telemetry::{Collector, History, KEPT, Look, Span};
use mcphub_predictor::{FailureType, Policy};
use mcphub_routing::{HubId, MonoTime};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a past waits for the store at least: a round comes every 15 s, so it waits a minute. A hub's past takes some
/// 25 KB there; ten hubs write 4 KB a second.
const KEEP_EVERY: Duration = Duration::from_secs(50);
/// Hubs written in one round: some 1 MB a round, 70 KB a second, whatever the number of hubs. To copy them takes less
/// than a millisecond of the control task.
const ROUND_MAX: usize = 40;

/// The pasts of all hubs.
#[derive(Debug)]
pub(crate) struct Telemetry {
    collector: Collector,
    store: Store,
    hubs: BTreeMap<HubId, Keeping>,
    /// Whether what the store holds is known and has been taken over.
    adopted: bool,
    /// One round at a time: who holds it writes.
    writing: Arc<Semaphore>,
}

/// How one hub's past is kept.
#[derive(Debug, Clone, Copy)]
struct Keeping {
    /// Tells it from another hub of that name.
    origin: u64,
    /// When it was last given to the store.
    kept_at: MonoTime,
    /// The end of its newest sample then.
    upto: Option<u64>,
}

/// Copies of some pasts on their way to the store.
#[derive(Debug)]
pub(crate) struct Round {
    pasts: Vec<(HubId, u64, History)>,
    store: Store,
    _writing: Option<OwnedSemaphorePermit>,
}

impl Round {
    /// Writes them down as bytes, some 0.1 ms for each, and hands these to the store.
    pub(crate) fn write(self) {
        let rows = self.pasts.into_iter().map(|(hub, origin, history)| (hub, history.to_bytes(origin)));
        self.store.put_telemetry(rows.collect());
    }
}

impl Telemetry {
    /// Nothing is known yet.
    pub(crate) fn new(store: Store) -> Self {
        Self {
            collector: Collector::default(),
            store,
            hubs: BTreeMap::new(),
            adopted: false,
            writing: Arc::new(Semaphore::new(1)),
        }
    }

    /// Follows a snapshot to its hubs. Those that are new get the past that the store has of them; that of those that
    /// are gone stays there for a month, for their return. A hub that has another address is another hub.
    pub(crate) fn follow(&mut self, snapshot: &Snapshot, now: MonoTime) {
        let upstreams = snapshot.settings.hubs.iter().zip(snapshot.upstreams.iter());
        let present: BTreeMap<&HubId, u64> =
            upstreams.map(|(hub, upstream)| (&hub.id, origin_of(&upstream.url.to_string()))).collect();
        let stays =
            |hub: &HubId, known: &Keeping| present.get(hub).is_some_and(|origin| *origin == known.origin);
        let gone: Vec<HubId> =
            self.hubs.iter().filter(|(hub, known)| !stays(hub, known)).map(|(hub, _)| hub.clone()).collect();
        for hub in gone {
            let (known, history) = (self.hubs.remove(&hub), self.collector.vanish(&hub));
            if let (true, Some(known), Some(history)) = (self.adopted, known, history) {
                self.store.put_telemetry(vec![(hub, history.to_bytes(known.origin))]);
            }
        }
        for (hub, origin) in present {
            if !self.hubs.contains_key(hub) {
                let history = if self.adopted { self.load(hub, origin) } else { History::default() };
                let upto = history.newest();
                self.collector.appear(hub.clone(), history, now);
                // Its first sample is kept at once.
                let kept_at = now.before(KEEP_EVERY);
                self.hubs.insert(hub.clone(), Keeping { origin, kept_at, upto });
            }
        }
    }

    /// Takes over what an earlier process knew, as soon as the store knows it; until then nothing is written, which would
    /// take its place. Forgets hubs that are in no configuration and have not been seen for as long as failures are kept.
    pub(crate) fn adopt(&mut self, unix_s: u64) {
        if self.adopted || !self.store.is_loaded() {
            return;
        }
        self.adopted = true;
        for (hub, known) in &self.hubs {
            let earlier = self.load(hub, known.origin);
            if let Some(history) = self.collector.history_mut(hub) {
                history.precede(earlier);
            }
        }
        let old = |bytes: &[u8]| match History::from_bytes(bytes) {
            Ok((_, history)) => history.newest().is_none_or(|at| at.saturating_add(KEPT.as_secs()) < unix_s),
            Err(_) => true,
        };
        for (hub, bytes) in self.store.telemetry() {
            if !self.hubs.contains_key(&hub) && old(&bytes) {
                self.store.forget_telemetry(&hub);
            }
        }
    }

    /// Looks at all hubs; once a second. Gives back whether there are new samples.
    pub(crate) fn look(
        &mut self,
        present: &Snapshot,
        evidence: &BTreeMap<HubId, Evidence>,
        policy: &Policy,
        (now, unix_s): (MonoTime, u64),
    ) -> bool {
        let look = Look { table: &present.table, evidence, policy, now, unix_s };
        self.collector.look(&look, |hub, Span { from, until }| {
            let index = present.table.find(hub.as_str());
            let upstream = index.and_then(|index| present.upstreams.get(index.get()));
            upstream.map_or_else(Window::default, |upstream| upstream.recorder.between(from, until, now))
        })
    }

    /// The pasts whose turn it is to be kept, unless the last ones still are being written.
    pub(crate) fn due(&mut self, now: MonoTime) -> Option<Round> {
        if !self.adopted {
            return None;
        }
        let writing = Arc::clone(&self.writing).try_acquire_owned().ok()?;
        let mut due: Vec<_> =
            self.unkept().filter(|(_, kept_at)| now.since(*kept_at) >= KEEP_EVERY).collect();
        due.sort_by_key(|(_, kept_at)| *kept_at);
        due.truncate(ROUND_MAX);
        let due = due.into_iter().map(|(hub, _)| hub.clone()).collect();
        self.round(due, Some(writing), now)
    }

    /// All pasts that are not kept yet, for the end of the process.
    pub(crate) fn rest(&mut self, now: MonoTime) -> Option<Round> {
        let all = self.unkept().map(|(hub, _)| hub.clone()).collect();
        if self.adopted { self.round(all, None, now) } else { None }
    }

    /// Bytes of memory that the pasts hold.
    pub(crate) fn bytes(&self) -> usize {
        self.collector.histories().map(|(_, history)| history.bytes()).sum()
    }

    /// How long the past that has waited longest for the store has waited.
    pub(crate) fn waited(&self, now: MonoTime) -> Duration {
        self.unkept().map(|(_, kept_at)| now.since(kept_at)).max().unwrap_or_default()
    }

    /// The hubs whose past is known.
    pub(crate) fn hubs(&self) -> impl Iterator<Item = &HubId> {
        self.collector.histories().map(|(hub, _)| hub)
    }

    /// What tells a hub from another of the same name.
    pub(crate) fn origin(&self, hub: &HubId) -> Option<u64> {
        // Before the store is known, nobody can say which of the past is new.
        self.hubs.get(hub).filter(|_| self.adopted).map(|known| known.origin)
    }

    /// Something is being done about this hub on a forecast.
    pub(crate) fn acted(&mut self, hub: &HubId, now: MonoTime) {
        self.collector.acted(hub, now);
    }

    /// Says how a hub fails in its last failure.
    pub(crate) fn classify(&mut self, hub: &HubId, failure_type: FailureType) {
        if let Some(history) = self.collector.history_mut(hub) {
            history.episodes_mut().classify(failure_type);
        }
    }

    /// How many failures began after this second since 1970, apart from those that befell most hubs at once or that
    /// something had been done about.
    pub(crate) fn failures_since(&self, unix_s: u64) -> usize {
        let own = |history: &History| {
            let later = history.episodes().iter().rev().take_while(|episode| episode.start > unix_s);
            later.filter(|episode| !episode.acted && !episode.common).count()
        };
        self.collector.histories().map(|(_, history)| own(history)).sum()
    }

    /// One hub's past.
    pub(crate) fn history(&self, hub: &HubId) -> Option<&History> {
        self.collector.history(hub)
    }

    /// The hubs of which something is not in the store yet, each with the time at which it last was.
    fn unkept(&self) -> impl Iterator<Item = (&HubId, MonoTime)> {
        let newest = |hub: &HubId| self.collector.history(hub).and_then(History::newest);
        let unkept = move |(hub, known): &(&HubId, &Keeping)| newest(hub) != known.upto;
        self.hubs.iter().filter(unkept).map(|(hub, known)| (hub, known.kept_at))
    }

    fn round(
        &mut self,
        hubs: Vec<HubId>,
        writing: Option<OwnedSemaphorePermit>,
        now: MonoTime,
    ) -> Option<Round> {
        let mut pasts = Vec::with_capacity(hubs.len());
        for hub in hubs {
            if let (Some(known), Some(history)) = (self.hubs.get_mut(&hub), self.collector.history(&hub)) {
                (known.kept_at, known.upto) = (now, history.newest());
                pasts.push((hub, known.origin, history.clone()));
            }
        }
        (!pasts.is_empty()).then(|| Round { pasts, store: self.store.clone(), _writing: writing })
    }

    /// What the store has of this hub. What cannot be used is as good as nothing, and is written over in time.
    fn load(&self, hub: &HubId, origin: u64) -> History {
        let Some(bytes) = self.store.telemetry_of(hub) else { return History::default() };
        match History::from_bytes(&bytes) {
            Ok((known, history)) if known == origin => history,
            Ok(_) => {
                tracing::info!(%hub, "the hub has another address than it had: its telemetry begins anew");
                History::default()
            }
            Err(error) => {
                tracing::warn!(%hub, %error, "what was kept of the hub's telemetry is passed over");
                History::default()
            }
        }
    }
}

/// The number of an address (FNV-1a, 64 bits): a collision would lend a hub the past of another.
fn origin_of(url: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
    url.bytes().fold(0xCBF2_9CE4_8422_2325, step)
}
