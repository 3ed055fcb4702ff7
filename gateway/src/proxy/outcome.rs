//! What is remembered of a request: counters, and one line in the access log.

use super::Arrival;
use super::gather::Context;
use super::parse::Message;
use crate::clock;
use crate::edge::Edge;
use crate::observe::cache::Cached;
use crate::observe::metrics::HubOutcome;
use crate::snapshot::Snapshot;
use mcphub_mcp::Failure;
use mcphub_routing::{Era, HubIndex, PlaceIndex};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// What has become known of a request on its way.
#[derive(Debug)]
pub struct Trace {
    /// When its head was whole.
    pub at: Instant,
    /// Its era.
    pub era: Era,
    /// The method, by a name from a bounded set.
    pub method: &'static str,
    /// The tool that was called.
    pub tool: Option<String>,
    /// The client's address.
    pub client: Option<IpAddr>,
    /// Where the client is.
    pub place: Option<PlaceIndex>,
    /// The hub that served it, or was tried last.
    pub hub: Option<HubIndex>,
    /// How many times it was sent or tried to be sent.
    pub attempts: u32,
    /// The status the client got; 0 where it left before.
    pub status: u16,
    /// When it was last sent to a hub.
    pub sent_at: Option<Instant>,
    /// What opening a connection for it took, where one had to be opened.
    pub connect: Option<Duration>,
    /// When the hub's answer began.
    pub answered_at: Option<Instant>,
    /// How the exchange with the hub went.
    pub outcome: Option<HubOutcome>,
    /// Why the gateway answered itself.
    pub failure: Option<&'static str>,
    /// Bytes of the answer's body.
    pub bytes: u64,
    /// What the cache had to do with it, if it was asked.
    pub cached: Option<Cached>,
}

impl Trace {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(at: Instant) -> Self {
        Self {
            at,
            era: Era::Legacy,
            method: "-",
            tool: None,
            client: None,
            place: None,
            hub: None,
            attempts: 0,
            status: 0,
            sent_at: None,
            connect: None,
            answered_at: None,
            outcome: None,
            failure: None,
            bytes: 0,
            cached: None,
        }
    }

    /// `keeps_tool`: somebody will want to know which tool was called.
    pub(super) fn note_message(&mut self, message: &Message<'_>, keeps_tool: bool) {
        self.method = message.label();
        self.tool = message.tool().filter(|_| keeps_tool).map(|tool| tool.chars().take(128).collect());
    }

    pub(super) fn note_context(&mut self, context: &Context<'_>) {
        self.client = Some(context.client);
        self.place = Some(context.place);
    }

    pub(super) fn refused(&mut self, failure: &Failure<'_>) {
        self.failure = Some(failure.reason());
    }

    pub(super) fn answered(&mut self, status: u16) {
        self.status = status;
    }

    pub(super) fn left(&mut self) {
        self.failure.get_or_insert("client left");
    }
}

/// Counts a request and writes it down.
pub(super) fn record(edge: &Edge, snapshot: &Snapshot, arrival: &Arrival<'_>, trace: &Trace) {
    let now = clock::instant();
    if trace.status != 0 {
        edge.metrics.answered(trace.era, trace.status);
    }
    if let (Some(failure), true) = (trace.failure, trace.status != 0) {
        edge.metrics.refused(failure);
    }
    if let Some(upstream) = trace.hub.and_then(|hub| snapshot.upstreams.get(hub.get())) {
        upstream.metrics.duration.observe(now.saturating_duration_since(trace.at).as_secs_f64());
    }
    if snapshot.settings.log.access {
        edge.access.write(snapshot, arrival, trace, now);
    }
}
