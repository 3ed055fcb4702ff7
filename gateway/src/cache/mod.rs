//! What has been asked before, and may be answered here?
//!
//! Results that a hub declares cacheable (2026-07-28: `ttlMs`, `cacheScope`) are kept in this process and given to whoever
//! asks the same, as JSON under the asker's own id, with the time that is left of `ttlMs`.
//!
//! | module | question |
//! |---|---|
//! | [`key`] | is this the same question? |
//! | [`entry`] | may this answer be given now? |
//! | [`judge`] | may this answer be kept, and for whom? |
//! | [`changes`] | has a hub taken back what it said? |
//! | [`flight`] | is somebody asking this already? |
//! | [`store`] | where answers lie, within their bytes |
//!
//! Nothing here has a socket or a clock: `now` is handed in ([`crate::clock::since_start`]). What a request does with it
//! is in [`crate::proxy`].

pub(crate) mod changes;
pub(crate) mod entry;
pub(crate) mod flight;
pub(crate) mod judge;
pub(crate) mod key;
pub(crate) mod store;

use crate::observe::cache::CacheMetrics;
use changes::Changes;
use entry::{Entry, Freshness};
use flight::{Flights, Turn};
use key::{Caller, Key, Keys};
use mcphub_conf::settings::CacheSettings;
use mcphub_mcp::cache::Changed;
use std::sync::Arc;
use std::time::Duration;
use store::{Slot, Store};

/// How long a question is remembered whose answer may not be kept: nobody waits for another's answer to it meanwhile.
/// Long enough to spare most requests the wait, short enough that a hub that begins to declare its results is noticed.
const APART_FOR: Duration = Duration::from_secs(10);

/// The answers of one snapshot's fleet.
#[derive(Debug)]
pub struct Cache {
    pub(crate) settings: CacheSettings,
    pub(crate) metrics: CacheMetrics,
    store: Store,
    flights: Arc<Flights>,
    changes: Changes,
}

/// What is known of a question.
#[derive(Debug)]
pub(crate) enum Looked {
    /// Its answer.
    Fresh(Arc<Entry>),
    /// That its answers may not be given to others.
    Apart,
    /// Nothing that could be given now; perhaps what could be if no hub answers.
    Missing {
        /// An answer whose time has passed, but not for long.
        stale: Option<Arc<Entry>>,
    },
}

impl Cache {
    /// An empty one.
    #[must_use]
    pub fn new(settings: CacheSettings, metrics: CacheMetrics) -> Self {
        Self {
            store: Store::new(settings.size, metrics.clone()),
            settings,
            metrics,
            flights: Arc::default(),
            changes: Changes::default(),
        }
    }

    /// Bytes and number of what is kept.
    #[must_use]
    pub fn held(&self) -> (u64, usize) {
        self.store.held()
    }

    /// What is known of a question: first what is everybody's, then what is this caller's.
    pub(crate) fn look(&self, keys: &Keys, now: Duration) -> Looked {
        let (mut stale, mut apart) = (None, false);
        match self.store.get(&keys.shared) {
            Some(Slot::Answer(entry)) => match self.freshness(&entry, now) {
                Freshness::Fresh => return Looked::Fresh(entry),
                Freshness::Stale => stale = Some(entry),
                Freshness::Spent => self.store.forget(&keys.shared, &entry),
            },
            Some(Slot::Apart { until }) => apart = now < until,
            None => {}
        }
        if let Some((own, _)) = &keys.own
            && let Some(Slot::Answer(entry)) = self.store.get(own)
        {
            match self.freshness(&entry, now) {
                Freshness::Fresh => return Looked::Fresh(entry),
                Freshness::Stale | Freshness::Spent => self.store.forget(own, &entry),
            }
        }
        if apart { Looked::Apart } else { Looked::Missing { stale } }
    }

    fn freshness(&self, entry: &Entry, now: Duration) -> Freshness {
        if self.changes.took_back(entry) { Freshness::Spent } else { entry.freshness(now) }
    }

    /// Goes ahead to ask a hub, or waits for who has gone.
    pub(crate) fn join(&self, key: Key) -> Turn {
        Flights::join(&self.flights, key)
    }

    /// Keeps an answer, and says under which key. `None` if its hub has taken it back while it was under way.
    pub(crate) fn keep(&self, keys: &Keys, entry: Entry, now: Duration) -> Option<(Key, Arc<Entry>)> {
        if self.changes.took_back(&entry) {
            return None;
        }
        let key = match (entry.caller(), &keys.own) {
            (None, _) => keys.shared,
            (Some(_), Some((own, _))) => {
                // The next caller need not wait to learn that this one's answer is not for him.
                self.set_apart(keys, now, true);
                *own
            }
            (Some(_), None) => return None,
        };
        self.metrics.kept(entry.caller().is_some());
        let entry = Arc::new(entry);
        self.store.put(key, Slot::Answer(Arc::clone(&entry)));
        Some((key, entry))
    }

    /// Remembers that answers to this question may not be given to others. `says_so`: a hub's result says so, and what
    /// it said before no longer holds; else what is kept stays.
    pub(crate) fn set_apart(&self, keys: &Keys, now: Duration, says_so: bool) {
        if says_so || !matches!(self.store.get(&keys.shared), Some(Slot::Answer(_))) {
            self.store.put(keys.shared, Slot::Apart { until: now.saturating_add(APART_FOR) });
        }
    }

    /// A hub says that something has changed.
    pub(crate) fn changed(&self, changed: &Changed<'_>, now: Duration) {
        self.metrics.took_back(changed);
        self.changes.note(changed, now);
    }

    /// A hub has refused a caller: what was kept for that caller is not given any more.
    pub(crate) fn refused(&self, caller: Caller, now: Duration) {
        if self.settings.private {
            self.metrics.refused_caller();
            self.changes.refuse(caller, now);
        }
    }
}

#[cfg(test)]
mod tests;
