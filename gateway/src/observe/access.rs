//! One line of JSON per request, on standard output.
//!
//! Lines go through a queue with an end to a thread of their own: a slow disk or a stuck terminal never slows a
//! request, and what did not fit is counted. No header values, no session ids, no arguments.

use crate::clock::{self, Rfc3339};
use crate::observe::logging::LogQueue;
use crate::proxy::{Arrival, Trace};
use crate::snapshot::Snapshot;
use serde::Serialize;
use std::time::Instant;

/// Where the lines go.
#[derive(Debug, Clone)]
pub struct AccessLog(LogQueue);

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    client: Option<String>,
    place: Option<&'a str>,
    era: &'a str,
    http: &'a str,
    method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<&'a str>,
    hub: Option<&'a str>,
    generation: u64,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache: Option<&'a str>,
    attempts: u32,
    bytes: u64,
    /// Arrival to the first byte of the hub's answer, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    hub_ms: Option<f64>,
    /// Arrival to the end, milliseconds.
    ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<&'a str>,
}

impl AccessLog {
    /// An access log that writes to this queue.
    #[must_use]
    pub fn new(queue: LogQueue) -> Self {
        Self(queue)
    }

    /// Lines that were lost because nobody read them in time.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.dropped()
    }

    /// Writes a request down, unless the queue is full.
    pub fn write(&self, snapshot: &Snapshot, arrival: &Arrival<'_>, trace: &Trace, now: Instant) {
        let since = |at: Instant| micros(at.saturating_duration_since(trace.at));
        let table = &snapshot.table;
        let hub = trace.hub.and_then(|hub| table.hub(hub));
        let line = Line {
            time: Rfc3339(clock::wall()).to_string(),
            client: trace.client.map(|client| client.to_string()),
            place: trace.place.and_then(|place| table.place_name(place)).map(|name| &**name),
            era: trace.era.as_str(),
            http: arrival.head.method.name(),
            method: trace.method,
            tool: trace.tool.as_deref(),
            hub: hub.as_ref().map(|hub| hub.id.as_str()),
            generation: table.generation().get(),
            status: trace.status,
            outcome: trace.outcome.map(super::metrics::HubOutcome::as_str),
            failure: trace.failure,
            cache: trace.cached.map(super::cache::Cached::as_str),
            attempts: trace.attempts,
            bytes: trace.bytes,
            hub_ms: trace.answered_at.map(since),
            ms: since(now),
            trace: traceparent(arrival),
        };
        if let Ok(line) = serde_json::to_vec(&line) {
            self.0.push(&line);
        }
    }
}

/// Milliseconds with three decimals.
fn micros(duration: std::time::Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

/// The client's `traceparent`, if it is one (55 characters of hexadecimal digits and dashes).
fn traceparent<'a>(arrival: &'a Arrival<'_>) -> Option<&'a str> {
    let value = arrival.head.fields.text(mcphub_http1::Known::Traceparent)?;
    let sound = value.len() == 55 && value.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    sound.then_some(value)
}
