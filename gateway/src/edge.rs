//! What every request of this process shares: the snapshot, the counters, the life of the process.

use crate::control::Handle;
use crate::control::lifecycle::Lifecycle;
use crate::observe::access::AccessLog;
use crate::observe::metrics::Metrics;
use crate::proxy::budget::Budget;
use crate::sessions::Sessions;
use crate::snapshot::Snapshot;
use crate::store::Records;
use crate::tasks::Tasks;
use mcphub_routing::Reader;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Semaphore;

/// Shared by all connections. Cheap to reach (one `Arc`), never locked on the way of a request.
#[derive(Debug)]
pub struct Edge {
    /// The routing table with all that a choice needs, as last published.
    pub snapshots: Reader<Snapshot>,
    /// The numbers.
    pub metrics: Metrics,
    /// Whether we are stopping.
    pub lifecycle: Lifecycle,
    /// How much may be tried again.
    pub budget: Budget,
    /// One line per request.
    pub access: AccessLog,
    /// The legacy sessions that were seen here.
    pub sessions: Arc<Sessions>,
    /// What has become of sessions since their ids were handed out.
    pub records: Records,
    /// Which hubs hold which tasks.
    pub tasks: Tasks,
    /// Room for records that wait for their store.
    pub(crate) owed: Arc<Semaphore>,
    /// The way to the control task.
    pub control: Handle,
    turn: AtomicU64,
}

impl Edge {
    /// An edge at the beginning of its life.
    #[must_use]
    pub fn new(
        snapshots: Reader<Snapshot>,
        metrics: Metrics,
        lifecycle: Lifecycle,
        access: AccessLog,
        control: Handle,
        (sessions, records): (Arc<Sessions>, Records),
    ) -> Self {
        if !records.is_alone() {
            sessions.share();
        }
        Self {
            snapshots,
            metrics,
            lifecycle,
            budget: Budget::default(),
            access,
            sessions,
            records,
            tasks: Tasks::default(),
            owed: crate::migrate::room(),
            control,
            turn: AtomicU64::new(0),
        }
    }

    /// Brings the gauges up to date that nobody touches while requests wait.
    pub fn show(&self) {
        for (hub, pins) in self.sessions.pins() {
            self.metrics.show_sessions(hub.as_str(), &pins);
        }
        let held = self.snapshots.load().cache.as_ref().map(|cache| cache.held());
        self.metrics.cache.show(held.unwrap_or_default());
    }

    /// The number of this placement.
    pub fn turn(&self) -> u64 {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }
}
