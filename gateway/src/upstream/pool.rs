//! Idle connections to one hub, the most recently used first.
//!
//! A plain stack under a lock held for a push or a pop: no task waits on an idle connection. Whether one still
//! lives is found out when it is taken, from what the runtime already knows of the socket.

use super::Link;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long before the hub closes an idle connection we stop using it: a round trip to the far side of the world, and
/// the hub's own timers.
const MARGIN: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Pool {
    idle: Mutex<VecDeque<(Link, Instant)>>,
}

impl Pool {
    pub(super) fn take(&self, now: Instant) -> Option<Link> {
        loop {
            let (mut link, since) = self.lock().pop_back()?;
            let rested = now.saturating_duration_since(since);
            // A hub that is about to close it would meet the request half way.
            let welcome = link.patience.is_none_or(|patience| rested + MARGIN < patience);
            if welcome && link.is_quiet() {
                link.reused = true;
                return Some(link);
            }
        }
    }

    pub(super) fn put(&self, link: Link, now: Instant, most: usize) {
        let mut idle = self.lock();
        idle.push_back((link, now));
        // The oldest goes: it is the likeliest to be closed by its hub.
        let surplus = if idle.len() > most { idle.pop_front() } else { None };
        drop(idle);
        drop(surplus);
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    pub(super) fn reap(&self, now: Instant, patience: Duration) {
        let mut old = Vec::new();
        let mut idle = self.lock();
        while idle.front().is_some_and(|(_, since)| now.saturating_duration_since(*since) > patience) {
            old.extend(idle.pop_front());
        }
        drop(idle);
        drop(old);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Link, Instant)>> {
        // A panic elsewhere cannot leave a stack of sockets half changed.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
