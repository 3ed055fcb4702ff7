//! How many requests may be sent once more at the same time?
//!
//! When hubs fail, every client's retry meets every gateway's retry. The budget keeps ours a fixed share of the work
//! in flight, so that a fleet in trouble is not asked twice as much (Envoy's retry budget: 20 %, never below 3).
//! It counts what is under way, not what was: no clock, two atomics.

use mcphub_routing::Share;
use std::sync::atomic::{AtomicU32, Ordering};

/// The requests and retries under way.
#[derive(Debug, Default)]
pub struct Budget {
    requests: AtomicU32,
    retries: AtomicU32,
}

impl Budget {
    /// Counts a request in for as long as the guard lives.
    pub fn enter(&self) -> Counted<'_> {
        Counted::new(&self.requests)
    }

    /// Allows one retry more, if fewer are under way than `share` of the requests, or than `floor`.
    pub fn retry(&self, share: Share, floor: u32) -> Option<Counted<'_>> {
        let requests = self.requests.load(Ordering::Relaxed);
        let allowed = (u64::from(requests) * u64::from(share.per_mille()) / 1000).max(u64::from(floor));
        let mine = Counted::new(&self.retries);
        (u64::from(self.retries.load(Ordering::Relaxed)) <= allowed).then_some(mine)
    }
}

/// Counted in.
#[derive(Debug)]
pub struct Counted<'a>(&'a AtomicU32);

impl<'a> Counted<'a> {
    fn new(counter: &'a AtomicU32) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_of_the_work_but_never_fewer_than_three() {
        let budget = Budget::default();
        let share = Share::saturating(200);
        let held: Vec<_> = (0..3).map(|_| budget.retry(share, 3).expect("the floor")).collect();
        assert!(budget.retry(share, 3).is_none());
        let _requests: Vec<_> = (0..20).map(|_| budget.enter()).collect();
        assert!(budget.retry(share, 3).is_some(), "20 in flight allow 4");
        drop(held);
        assert!(budget.retry(share, 3).is_some());
        assert_eq!(budget.retries.load(Ordering::Relaxed), 0, "guards count out");
    }
}
