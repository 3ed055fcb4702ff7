//! Is this process serving, stopping, or done?
//!
//! Every connection and every stream listens to one [`Phase`]. Stopping is a matter of three moments: from
//! *draining* on nothing new is accepted, kept-alive connections end after their next answer, and event streams are
//! closed between two events; at the *deadline* what is still in flight is answered in words; and when nothing is in
//! flight any more the process may end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// How far the end of this process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It is not in sight.
    Serving,
    /// Nothing new; what is in flight may finish.
    Draining,
    /// What is in flight must end now.
    Ending,
}

/// A listener for the phase.
pub type PhaseWatch = watch::Receiver<Phase>;

/// The life of this process, shared by all that serves.
#[derive(Debug, Clone)]
pub struct Lifecycle {
    phase: Arc<watch::Sender<Phase>>,
    busy: Arc<Busy>,
}

#[derive(Debug, Default)]
struct Busy {
    connections: AtomicUsize,
    idle: Notify,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self { phase: Arc::new(watch::Sender::new(Phase::Serving)), busy: Arc::default() }
    }
}

impl Lifecycle {
    /// The present phase.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Tells of every change.
    #[must_use]
    pub fn watch(&self) -> PhaseWatch {
        self.phase.subscribe()
    }

    /// Counts a connection in for as long as the guard lives.
    #[must_use]
    pub fn enter(&self) -> Present {
        self.busy.connections.fetch_add(1, Ordering::Relaxed);
        Present(Arc::clone(&self.busy))
    }

    /// Stops taking new work, waits for what is in flight, at the latest until `deadline` has passed; then gives
    /// the rest `last_words` to be answered.
    pub async fn drain(&self, deadline: Duration, last_words: Duration) {
        self.advance(Phase::Draining);
        if tokio::time::timeout(deadline, self.idle()).await.is_err() {
            self.advance(Phase::Ending);
            let _ = tokio::time::timeout(last_words, self.idle()).await;
        }
    }

    fn advance(&self, to: Phase) {
        self.phase.send_if_modified(|phase| {
            let later = to > *phase;
            *phase = to.max(*phase);
            later
        });
    }

    async fn idle(&self) {
        loop {
            let changed = self.busy.idle.notified();
            if self.busy.connections.load(Ordering::Acquire) == 0 {
                return;
            }
            changed.await;
        }
    }
}

/// A connection that is present.
#[derive(Debug)]
pub struct Present(Arc<Busy>);

impl Drop for Present {
    fn drop(&mut self) {
        if self.0.connections.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_one();
        }
    }
}

/// Waits until the phase is `phase` or later; for ever if the process never gets there. Cancel-safe.
pub async fn reached(watch: &mut PhaseWatch, phase: Phase) {
    if watch.wait_for(|now| *now >= phase).await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn draining_ends_with_the_last_connection() {
        let lifecycle = Lifecycle::default();
        let present = lifecycle.enter();
        let mut watch = lifecycle.watch();
        let drained = tokio::spawn({
            let lifecycle = lifecycle.clone();
            async move { lifecycle.drain(Duration::from_secs(30), Duration::from_secs(1)).await }
        });
        reached(&mut watch, Phase::Draining).await;
        assert!(!drained.is_finished());
        drop(present);
        drained.await.expect("no panic");
        assert_eq!(lifecycle.phase(), Phase::Draining, "nobody had to be cut short");
    }

    #[tokio::test(start_paused = true)]
    async fn draining_ends_at_the_deadline_at_the_latest() {
        let lifecycle = Lifecycle::default();
        let _present = lifecycle.enter();
        lifecycle.drain(Duration::from_secs(30), Duration::from_secs(1)).await;
        assert_eq!(lifecycle.phase(), Phase::Ending);
    }
}
