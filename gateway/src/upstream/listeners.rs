//! Who listens to a hub on a stream that belongs to no session, and who of them shall go elsewhere?
//!
//! A hub that drains lets its listeners go a few at a time: whoever has listened for longest first. Only those that
//! wait are told, so one that is busy for the moment is told another time, and each looks for itself whether the hub
//! still drains.

use super::Upstream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(super) struct Listeners {
    open: AtomicU32,
    let_go: Notify,
}

/// A stream that listens to a hub; leaving it counts it out.
#[derive(Debug)]
pub struct Listening(Arc<Upstream>);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.listeners.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Upstream {
    /// Counts a stream in for as long as the guard lives.
    pub fn listen(self: &Arc<Self>) -> Listening {
        self.listeners.open.fetch_add(1, Ordering::Relaxed);
        Listening(Arc::clone(self))
    }

    /// Streams of modern clients that listen to the hub.
    #[must_use]
    pub fn listening(&self) -> u32 {
        self.listeners.open.load(Ordering::Relaxed)
    }

    /// Has so many of its listeners go elsewhere, or as many as there are.
    pub fn let_go(&self, most: usize) {
        let there = usize::try_from(self.listening()).unwrap_or(usize::MAX);
        for _ in 0..most.min(there) {
            self.listeners.let_go.notify_one();
        }
    }

    /// Has all of its listeners go elsewhere.
    pub fn let_all_go(&self) {
        self.listeners.let_go.notify_waiters();
    }

    /// Waits until one more listener shall go, and it is this one's turn. Cancel-safe.
    pub async fn my_turn_to_go(&self) {
        self.listeners.let_go.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use crate::snapshot::tests::snapshot;
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::{Context, Waker};

    #[test]
    fn so_many_go_as_are_told_and_the_oldest_first() {
        let directory = tempfile::tempdir().expect("a directory");
        let hub = Arc::clone(&snapshot(directory.path(), &[("a", 1)], None).upstreams[0]);
        hub.let_go(3);
        let both = (hub.listen(), hub.listen());
        let (mut first, mut second) = (pin!(hub.my_turn_to_go()), pin!(hub.my_turn_to_go()));
        let mut look = Context::from_waker(Waker::noop());
        assert!(first.as_mut().poll(&mut look).is_pending(), "nobody was there to be told");
        assert!(second.as_mut().poll(&mut look).is_pending());
        hub.let_go(1);
        assert!(second.as_mut().poll(&mut look).is_pending());
        assert!(first.as_mut().poll(&mut look).is_ready());
        hub.let_all_go();
        assert!(second.as_mut().poll(&mut look).is_ready());
        assert_eq!(hub.listening(), 2);
        drop(both);
        assert_eq!(hub.listening(), 0);
    }
}
