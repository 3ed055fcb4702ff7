//! `[limits]`: bounds on what clients and hubs may send. Sizes are bytes.

use std::time::Duration;

/// `[limits]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitSettings {
    /// Largest request body; above it 413.
    pub request_body: usize,
    /// Largest request head, request line included; above it 431.
    pub request_head: usize,
    /// Longest request line; above it 414.
    pub request_line: usize,
    /// Most header fields in one head.
    pub header_count: usize,
    /// First byte of a head to its end.
    pub header_deadline: Duration,
    /// End of a request's head to the end of its body.
    pub body_deadline: Duration,
    /// A kept-alive client connection without a request for this long is closed.
    pub keepalive_idle: Duration,
    /// Longest wait for a client to take bytes.
    pub write_deadline: Duration,
    /// Most client connections at once, over all listeners.
    pub connections: usize,
    /// Most requests at once on one HTTP/2 connection.
    pub streams_per_connection: u32,
    /// Deepest nesting of a JSON body.
    pub json_depth: usize,
    /// Largest head of a hub's answer.
    pub hub_head: usize,
    /// Largest JSON body of a hub that must be held whole; what is only passed on is not bounded by it.
    pub hub_body: usize,
    /// Largest single event of a hub's stream.
    pub sse_event: usize,
}
