//! How does this process end?
//!
//! Pingora's server waits for one answer: *stop now*. We give it when nothing is in flight any more (or the deadline
//! has passed), instead of letting it sleep a whole grace period.
//!
//! | signal | what happens |
//! |---|---|
//! | SIGTERM, SIGINT | drain and exit; a second one exits at once |
//! | SIGQUIT | lend the listeners to a waiting successor; once it serves, drain and exit; otherwise serve on |

use super::lifecycle::Lifecycle;
use crate::handover;
use crate::snapshot::Snapshot;
use crate::store::Store;
use async_trait::async_trait;
use mcphub_routing::Reader;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch};
use std::net::TcpListener;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long the requests that are cut short have for their last words.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long what is remembered may take to be written.
const STORE_PATIENCE: Duration = Duration::from_secs(2);
/// How long a successor may take from getting the listeners to serving.
const SUCCESSION: Duration = Duration::from_secs(60);

/// Watches for the end.
pub struct Stop {
    /// The life of this process.
    pub lifecycle: Lifecycle,
    /// The settings in force.
    pub snapshots: Reader<Snapshot>,
    /// Where a successor waits.
    pub upgrade_socket: PathBuf,
    /// What outlives us: the successor needs its file.
    pub store: Store,
    /// Our listening sockets by name, to lend to a successor.
    pub listeners: Lendable,
}

/// Copies of the listening sockets. They must be gone before the accept loops close theirs: a socket lives as long as
/// its last copy, and what the kernel queues on one that nobody accepts from waits for ever.
pub type Lendable = Arc<Mutex<Vec<(String, TcpListener)>>>;

#[async_trait]
impl ShutdownSignalWatch for Stop {
    async fn recv(&self) -> ShutdownSignal {
        let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::quit()];
        let [Ok(mut terminate), Ok(mut interrupt), Ok(mut quit)] = kinds.map(signal) else {
            tracing::error!("cannot listen for signals");
            return ShutdownSignal::FastShutdown;
        };
        loop {
            tokio::select! {
                _ = terminate.recv() => break tracing::info!("SIGTERM: stopping"),
                _ = interrupt.recv() => break tracing::info!("SIGINT: stopping"),
                _ = quit.recv() => if self.hand_over().await { break },
            }
        }
        self.drain(&mut terminate, &mut interrupt).await;
        ShutdownSignal::FastShutdown
    }
}

impl Stop {
    async fn drain(&self, terminate: &mut Signal, interrupt: &mut Signal) {
        self.lendable().clear();
        let deadline = self.snapshots.load().settings.shutdown.deadline;
        tokio::select! {
            () = self.lifecycle.drain(deadline, LAST_WORDS) => {
                self.store.release(STORE_PATIENCE).await;
                tracing::info!("stopped");
            }
            _ = terminate.recv() => tracing::warn!("told twice: stopping at once"),
            _ = interrupt.recv() => tracing::warn!("told twice: stopping at once"),
        }
    }

    fn lendable(&self) -> MutexGuard<'_, Vec<(String, TcpListener)>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lends the listeners to a successor. `true` once it serves.
    async fn hand_over(&self) -> bool {
        tracing::info!("SIGQUIT: looking for a successor");
        if !self.store.release(STORE_PATIENCE).await {
            tracing::warn!(condition = ?self.store.condition(), "the store was not written out in time");
        }
        let (path, listeners) = (self.upgrade_socket.clone(), Arc::clone(&self.listeners));
        let handed = tokio::task::spawn_blocking(move || {
            let listeners = listeners.lock().unwrap_or_else(PoisonError::into_inner);
            let lent: Vec<(String, BorrowedFd<'_>)> =
                listeners.iter().map(|(name, listener)| (name.clone(), listener.as_fd())).collect();
            let handed = handover::send(&path, &lent, SUCCESSION)?;
            let successor = handed.pid();
            handed.wait_ready().map(|()| successor)
        })
        .await;
        match handed {
            Ok(Ok(successor)) => {
                tracing::info!(successor, "the successor serves; stopping");
                true
            }
            Ok(Err(error)) => {
                self.store.reclaim();
                let error = format!("{:#}", anyhow::Error::from(error));
                tracing::error!(error, "no hand-over; serving on");
                false
            }
            Err(panicked) => {
                self.store.reclaim();
                tracing::error!(%panicked, "no hand-over; serving on");
                false
            }
        }
    }
}
