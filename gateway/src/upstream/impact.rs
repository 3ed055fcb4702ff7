//! What do the requests at one hub tell about it, and what did its failures cost?

use super::Upstream;
use crate::clock;
use mcphub_health::Outcome;
use mcphub_routing::MonoTime;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What clients met because of one hub, since it was first reached. It only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Impact {
    /// Requests that a client got an error for.
    pub failed: u64,
    /// Requests that another hub answered instead.
    pub moved: u64,
}

#[derive(Debug, Default)]
pub(super) struct Costs {
    failed: AtomicU64,
    moved: AtomicU64,
    /// Is there something to look into?
    suspected: AtomicBool,
    /// When a connection or an exchange last failed, in milliseconds of [`clock::since_start`]; 0: never.
    failed_at: AtomicU64,
}

impl Upstream {
    /// Notes what came of a request that was sent `sent` and ended, or began to be answered, at `at`. `connect` is what
    /// a new connection took. `true`: look into it, and soon.
    pub fn note(&self, outcome: Outcome, sent: Instant, at: Instant, connect: Option<Duration>) -> bool {
        let latency = at.saturating_duration_since(sent);
        let now = MonoTime::ZERO.after(clock::since_start_at(at));
        self.recorder.record(outcome, latency, connect, now);
        if outcome.is_failure() {
            self.note_failed(clock::since_start_at(at));
        }
        outcome.is_failure() && self.suspect()
    }

    /// Notes that something is odd about the hub, though it does not count against it. `true` if that is news.
    pub fn suspect(&self) -> bool {
        !self.costs.suspected.swap(true, Ordering::Relaxed)
    }

    /// Whether anything was odd since this was last asked.
    pub fn take_suspicion(&self) -> bool {
        // Read first: with thousands of hubs nearly all are beyond suspicion, and a read leaves their cache lines alone.
        self.costs.suspected.load(Ordering::Relaxed) && self.costs.suspected.swap(false, Ordering::Relaxed)
    }

    /// A connection or an exchange has failed. `now` is a moment of [`clock::since_start`].
    pub fn note_failed(&self, now: Duration) {
        let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        self.costs.failed_at.fetch_max(millis, Ordering::Relaxed);
    }

    /// When a connection or an exchange last failed; `None`: never.
    #[must_use]
    pub fn failed_at(&self) -> Option<Duration> {
        let millis = self.costs.failed_at.load(Ordering::Relaxed);
        (millis > 0).then(|| Duration::from_millis(millis))
    }

    /// A client got an error because of this hub.
    pub fn failed_one(&self) {
        self.costs.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// A request was sent to another hub because of this one.
    pub fn moved_one(&self) {
        self.costs.moved.fetch_add(1, Ordering::Relaxed);
    }

    /// What clients met because of this hub.
    #[must_use]
    pub fn impact(&self) -> Impact {
        Impact {
            failed: self.costs.failed.load(Ordering::Relaxed),
            moved: self.costs.moved.load(Ordering::Relaxed),
        }
    }
}
