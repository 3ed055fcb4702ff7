//! Where sessions are kept: in parts that are locked apart from each other.

use super::Entry;
use mcphub_session::SessionKey;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A part of the sessions. On cache lines of its own: its lock is written to by everybody who reads.
#[derive(Default)]
#[repr(align(128))]
pub(super) struct Shard(RwLock<Part>);

#[derive(Default)]
pub(super) struct Part {
    pub(super) live: HashMap<SessionKey, Arc<Entry>, ByNonce>,
    pub(super) over: HashSet<SessionKey, ByNonce>,
    /// Those that are over, oldest first.
    pub(super) order: VecDeque<SessionKey>,
}

/// A key ends in 96 random bits that were authenticated before anybody looks it up: nobody can choose keys that
/// collide, and nothing needs to be mixed.
pub(super) type ByNonce = BuildHasherDefault<NonceHasher>;

#[derive(Default)]
pub(super) struct NonceHasher(u64);

impl Hasher for NonceHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last_chunk() {
            self.0 ^= u64::from_le_bytes(*last);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Shard {
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Part> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Part> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part {
    pub(super) fn forget(&mut self, session: &SessionKey) {
        if let Some(entry) = self.live.remove(session) {
            entry.pins.sessions.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Forgets the `count` sessions that have not been used for longest, busy ones last.
    pub(super) fn forget_oldest(&mut self, count: usize) {
        let age = |entry: &Entry| {
            (entry.in_flight.load(Ordering::Relaxed) > 0, entry.last_used.load(Ordering::Relaxed))
        };
        let mut ages: Vec<_> = self.live.values().map(|entry| age(entry)).collect();
        let Some(last) = count.min(ages.len()).checked_sub(1) else { return };
        let (older, &mut limit, _) = ages.select_nth_unstable(last);
        // Of those that are just as old as the last to go, only some must.
        let mut ties = count - older.iter().filter(|age| **age < limit).count();
        self.live.retain(|_, entry| {
            let age = age(entry);
            let tied = age == limit && ties > 0;
            ties -= usize::from(tied);
            let goes = age < limit || tied;
            if goes {
                entry.pins.sessions.fetch_sub(1, Ordering::Relaxed);
            }
            !goes
        });
    }
}
