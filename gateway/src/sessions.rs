//! Which sessions are here, on which hub, and which of them are over?
//!
//! A sealed id says which hub a session lives on, and stays authentic for as long as its key. What it cannot say is
//! remembered here: that the session was seen, when it was last used, whether a request of it is in flight, and that
//! it was ended. This memory is that of one process: it counts the sessions *seen since the start*, and is gone with a
//! restart, after which it is up to the hub to say that it does not know a session.
//!
//! A request within a known session costs one lock for reading, shared with a 256th of the sessions, and one look-up;
//! it allocates nothing.
//!
//! Owns: the counts per hub, idle age, the memory of sessions that are over. Does not know: what is in a token, how
//! old it is, what a hub says.

mod census;
mod entry;
mod part;
mod places;

pub use census::{AGES, Bucket, Census, HubCensus, IDLE_TIMES};
pub use entry::{Busy, Entry};
use part::{Part, Shard};

use crate::clock;
use mcphub_routing::HubId;
use mcphub_session::SessionKey;
use mcphub_session::record::Stay;
use places::Places;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

/// Sessions known at a time, at some 100 bytes each. Beyond that, those that have not been used for longest are
/// forgotten, a few at a time; one that comes back is seen for the first time again.
pub const SESSIONS_MAX: usize = 1_000_000;

/// Sessions remembered as over. The oldest is forgotten first; at ten endings a second that is after nearly three
/// hours, when hubs have long forgotten it too.
pub const OVER_MAX: usize = 100_000;

/// Parts that are locked apart from each other. The first random byte of a key says which part it belongs to.
const SHARDS: usize = 256;

/// Of a part that is full, this share is forgotten at a time: finding the oldest means looking at all.
const FORGOTTEN_AT_ONCE: usize = 16;

/// The sessions that this process has seen.
pub struct Sessions {
    shards: Box<[Shard]>,
    hubs: RwLock<BTreeMap<HubId, Arc<PinCount>>>,
    places: Places,
    opened: AtomicU64,
    /// Whether other gateways may serve the same sessions: then being idle here says nothing.
    shared: AtomicBool,
    live_max: usize,
    over_max: usize,
    /// Which part is swept next.
    next: AtomicUsize,
}

/// How many sessions are pinned to a hub. One per hub id for the life of the process.
#[derive(Debug, Default)]
pub struct PinCount {
    sessions: AtomicU64,
    busy: AtomicU64,
    streams: AtomicU64,
    moved: AtomicU64,
    received: AtomicU64,
    /// An operator wants some of its sessions elsewhere, and streams of theirs may be open.
    leaving: AtomicBool,
}

impl PinCount {
    /// Sessions seen since the start that are not over.
    #[must_use]
    pub fn sessions(&self) -> u64 {
        self.sessions.load(Ordering::Relaxed)
    }

    /// Those of them with a request in flight; an open GET stream is none.
    #[must_use]
    pub fn busy(&self) -> u64 {
        self.busy.load(Ordering::Relaxed)
    }

    /// Open GET streams of its sessions.
    #[must_use]
    pub fn streams(&self) -> u64 {
        self.streams.load(Ordering::Relaxed)
    }

    /// Sessions that have moved away from it since the start.
    #[must_use]
    pub fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    /// A session has moved away from it.
    pub fn moved_one(&self) {
        self.moved.fetch_add(1, Ordering::Relaxed);
    }

    /// Sessions that have moved here since the start.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// A session has moved here.
    pub fn received_one(&self) {
        self.received.fetch_add(1, Ordering::Relaxed);
    }

    /// Some of its sessions shall leave, and may have a stream open: somebody must look.
    pub(crate) fn some_leave(&self) {
        self.leaving.store(true, Ordering::Release);
    }

    /// Whether somebody must look, who does so after this.
    pub(crate) fn looks_who_leaves(&self) -> bool {
        self.leaving.load(Ordering::Relaxed) && self.leaving.swap(false, Ordering::Acquire)
    }

    /// Counts an open stream in for as long as the guard lives.
    #[must_use]
    pub fn stream(self: &Arc<Self>) -> OpenStream {
        self.streams.fetch_add(1, Ordering::Relaxed);
        OpenStream(Arc::clone(self))
    }
}

/// A GET stream that stands open, counted with the hub that its session lives on.
#[derive(Debug)]
pub struct OpenStream(Arc<PinCount>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why a session cannot be used any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Over {
    /// Its client ended it, its hub does not know it, or it had been idle for too long before.
    #[error("the session was ended")]
    Ended,
    /// It has been idle for longer than the configuration allows.
    #[error("the session has been idle for too long")]
    Idle,
}

impl Default for Sessions {
    fn default() -> Self {
        Self::with_bounds(SESSIONS_MAX, OVER_MAX)
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.hubs().iter()).finish()
    }
}

impl Sessions {
    /// Room for so many sessions, and for so many that are over; both roughly, since the parts do not share room.
    #[must_use]
    pub fn with_bounds(live: usize, over: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            hubs: RwLock::default(),
            places: Places::default(),
            opened: AtomicU64::new(0),
            shared: AtomicBool::new(false),
            live_max: (live / SHARDS).max(1),
            over_max: (over / SHARDS).max(1),
            next: AtomicUsize::new(0),
        }
    }

    /// The count of this hub's sessions, to be kept and read whenever it matters.
    #[must_use]
    pub fn pins_of(&self, hub: &HubId) -> Arc<PinCount> {
        if let Some(pins) = self.hubs().get(hub) {
            return Arc::clone(pins);
        }
        let mut hubs = self.hubs.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(hubs.entry(hub.clone()).or_default())
    }

    /// Every hub that was asked about or has had a session, with its count.
    #[must_use]
    pub fn pins(&self) -> Vec<(HubId, Arc<PinCount>)> {
        self.hubs().iter().map(|(hub, pins)| (hub.clone(), Arc::clone(pins))).collect()
    }

    /// Other gateways serve the same sessions from now on: one that is idle here is forgotten, and not ended.
    pub fn share(&self) {
        self.shared.store(true, Ordering::Relaxed);
    }

    /// A session has been opened. `now` is a moment of [`clock::since_start`], here and below.
    pub fn open(&self, session: SessionKey, hub: &HubId, now: Duration) -> Arc<Entry> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        let mut part = self.part_mut(&session);
        let entry = Entry::new(self.pins_of(hub), None, seconds(now));
        let entry = self.insert(&mut part, session, entry);
        entry.note_worked(now);
        Arc::clone(entry)
    }

    /// Says of a session what its token says: where its client was at its placement, and when that was, in seconds
    /// since 1970. Only for being counted by it.
    pub fn describe(&self, entry: &Entry, place: &str, opened_unix: u64) {
        entry.describe(self.places.number(place), opened_unix);
    }

    /// Sessions opened since the start.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// A session that has been seen before and is used now; `None`: it has not, see [`Self::admit`]. Where sessions
    /// are shared, one that was idle here for too long is as if it had not been seen.
    ///
    /// # Errors
    /// It is over.
    pub fn find(
        &self,
        session: &SessionKey,
        now: Duration,
        idle_age: Duration,
    ) -> Result<Option<Arc<Entry>>, Over> {
        let now = seconds(now);
        if let Some(entry) = self.shard(session).read().live.get(session)
            && !entry.is_idle(now, idle_age)
        {
            entry.last_used.store(now, Ordering::Relaxed);
            return Ok(Some(Arc::clone(entry)));
        }
        // Not known, or over: what follows happens once in a session's life.
        let mut part = self.part_mut(session);
        if part.over.contains(session) {
            return Err(Over::Ended);
        }
        match part.live.get(session) {
            Some(entry) if entry.is_idle(now, idle_age) => {
                if self.leave_idle_in(&mut part, session) {
                    Err(Over::Idle)
                } else {
                    Ok(None)
                }
            }
            found => Ok(found.cloned()),
        }
    }

    /// A session that is seen for the first time, living on `hub`; in `stay` if that is not the stay of its token.
    ///
    /// # Errors
    /// It is over.
    pub fn admit(
        &self,
        session: &SessionKey,
        hub: &str,
        stay: Option<Stay>,
        now: Duration,
    ) -> Result<Arc<Entry>, Over> {
        let pins = HubId::new(hub).map(|hub| self.pins_of(&hub)).unwrap_or_default();
        let mut part = self.part_mut(session);
        if part.over.contains(session) {
            return Err(Over::Ended);
        }
        Ok(Arc::clone(self.insert(&mut part, *session, Entry::new(pins, stay, seconds(now)))))
    }

    /// A session lives in this stay from now on. An earlier stay than the one that is known changes nothing; nor does
    /// one of a session that has not been seen here: its first request will ask.
    pub fn moved(&self, session: &SessionKey, stay: &Stay, now: Duration) -> Option<Arc<Entry>> {
        let pins = self.pins_of(&stay.hub);
        let mut part = self.part_mut(session);
        let before = part.live.get(session)?;
        if before.stay() == Some(stay) || before.stay_number() > stay.number {
            return Some(Arc::clone(before));
        }
        before.pins.sessions.fetch_sub(1, Ordering::Relaxed);
        pins.sessions.fetch_add(1, Ordering::Relaxed);
        let entry = Arc::new(Entry::after(before, pins, stay.clone(), now));
        part.live.insert(*session, Arc::clone(&entry));
        Some(entry)
    }

    /// A session as it is known here.
    #[must_use]
    pub fn known(&self, session: &SessionKey) -> Option<Arc<Entry>> {
        self.shard(session).read().live.get(session).cloned()
    }

    /// Whether a session is known to be over.
    #[must_use]
    pub fn is_over(&self, session: &SessionKey) -> bool {
        self.shard(session).read().over.contains(session)
    }

    /// The sessions that live on a hub, in no order. Looks at all there are: not on the way of a request.
    #[must_use]
    pub fn on(&self, hub: &HubId) -> Vec<(SessionKey, Arc<Entry>)> {
        let pins = self.pins_of(hub);
        let mut found = Vec::new();
        for shard in &self.shards {
            let part = shard.read();
            let here = part.live.iter().filter(|(_, entry)| Arc::ptr_eq(&entry.pins, &pins));
            found.extend(here.map(|(session, entry)| (*session, Arc::clone(entry))));
        }
        found
    }

    /// A request of a session has come; it is in flight until what is returned is dropped. A session that has not been
    /// seen before becomes known, pinned to `hub`.
    ///
    /// # Errors
    /// It is over.
    pub fn enter(
        &self,
        session: &SessionKey,
        hub: &str,
        now: Duration,
        idle_age: Duration,
    ) -> Result<Busy, Over> {
        self.used(session, hub, now, idle_age).map(Busy::new)
    }

    /// A session was used, by what does not count as a request in flight.
    ///
    /// # Errors
    /// It is over.
    pub fn touch(
        &self,
        session: &SessionKey,
        hub: &str,
        now: Duration,
        idle_age: Duration,
    ) -> Result<(), Over> {
        self.used(session, hub, now, idle_age).map(drop)
    }

    /// A session is over. It stays so.
    pub fn end(&self, session: &SessionKey) {
        self.end_in(&mut self.part_mut(session), session);
    }

    /// Ends sessions that have been idle for too long, or forgets them where they are shared, part by part, until all
    /// have been looked at or `budget` is used up; the next sweep goes on from there. Says of how many.
    pub fn sweep(&self, now: Duration, idle_age: Duration, budget: Duration) -> usize {
        let (began, now) = (clock::instant(), seconds(now));
        let mut ended = 0;
        for _ in 0..SHARDS {
            let shard = &self.shards[self.next.fetch_add(1, Ordering::Relaxed) % SHARDS];
            let idle: Vec<SessionKey> = shard
                .read()
                .live
                .iter()
                .filter(|(_, entry)| entry.is_idle(now, idle_age))
                .map(|(key, _)| *key)
                .collect();
            if !idle.is_empty() {
                let mut part = shard.write();
                for session in idle {
                    // It may have been used in between.
                    if part.live.get(&session).is_some_and(|entry| entry.is_idle(now, idle_age)) {
                        self.leave_idle_in(&mut part, &session);
                        ended += 1;
                    }
                }
            }
            if clock::instant().saturating_duration_since(began) >= budget {
                break;
            }
        }
        ended
    }

    fn used(
        &self,
        session: &SessionKey,
        hub: &str,
        now: Duration,
        idle_age: Duration,
    ) -> Result<Arc<Entry>, Over> {
        match self.find(session, now, idle_age)? {
            Some(entry) => Ok(entry),
            None => self.admit(session, hub, None, now),
        }
    }

    fn insert<'p>(&self, part: &'p mut Part, session: SessionKey, entry: Entry) -> &'p Arc<Entry> {
        if part.live.len() >= self.live_max {
            part.forget_oldest((self.live_max / FORGOTTEN_AT_ONCE).max(1));
        }
        part.live.entry(session).or_insert_with(|| {
            entry.pins.sessions.fetch_add(1, Ordering::Relaxed);
            Arc::new(entry)
        })
    }

    /// A session has been idle for too long. Alone, this ends it: `true`. Where it is shared, its client may be with
    /// another gateway at this moment, so it is only forgotten.
    fn leave_idle_in(&self, part: &mut Part, session: &SessionKey) -> bool {
        let alone = !self.shared.load(Ordering::Relaxed);
        if alone {
            self.end_in(part, session);
        } else {
            part.forget(session);
        }
        alone
    }

    fn end_in(&self, part: &mut Part, session: &SessionKey) {
        part.forget(session);
        if part.over.insert(*session) {
            part.order.push_back(*session);
        }
        if part.order.len() > self.over_max
            && let Some(oldest) = part.order.pop_front()
        {
            part.over.remove(&oldest);
        }
    }

    fn hubs(&self) -> RwLockReadGuard<'_, BTreeMap<HubId, Arc<PinCount>>> {
        self.hubs.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn shard(&self, session: &SessionKey) -> &Shard {
        // Four bytes that name the sealing key, then the nonce.
        &self.shards[usize::from(session.as_bytes()[4]) % SHARDS]
    }

    fn part_mut(&self, session: &SessionKey) -> RwLockWriteGuard<'_, Part> {
        self.shard(session).write()
    }
}

fn seconds(moment: Duration) -> u32 {
    u32::try_from(moment.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
