//! `[upstream]`: waits, pools and retries towards hubs.

use mcphub_routing::Share;
use std::time::Duration;

/// `[upstream]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamSettings {
    /// Longest wait for a connection, TLS included.
    pub connect_deadline: Duration,
    /// Request written to the head of its answer.
    pub answer_deadline: Duration,
    /// Longest silence within a JSON body.
    pub idle_deadline: Duration,
    /// An unused connection to a hub is closed after this.
    pub pool_idle: Duration,
    /// Most unused connections kept per hub.
    pub pool_per_hub: usize,
    /// Most hubs tried for one request, the first included.
    pub attempts: u32,
    /// Retries allowed at once as a share of the requests in flight.
    pub retry_budget: Share,
    /// Retries that are allowed at once whatever the budget says.
    pub retry_floor: u32,
    /// Time between two comments that keep a silent event stream open.
    pub stream_keepalive: Duration,
    /// A hub's answer to a legacy client that left is read on for this long.
    pub leave_read: Duration,
}
