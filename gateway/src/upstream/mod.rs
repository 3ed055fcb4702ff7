//! How does a request get to a hub, and its answer back?
//!
//! An [`Upstream`] is what this process knows of one hub beyond the routing table: how to reach it, its idle
//! connections, how much is in flight, its counters. It outlives reloads as long as the hub's URL stays.
//!
//! Owns: connecting, the idle pool, writing a request, reading an answer. Does not know: which hub, or whether to
//! try another one.

mod answer;
pub(crate) mod hear;
mod impact;
mod life;
mod listeners;
mod pool;
mod reach;
mod warm;

pub use answer::{Answer, Hangup};
pub use impact::Impact;
pub use listeners::Listening;
pub use reach::TrustError;
pub(crate) use reach::{Reach, trusting};

use crate::net::Wire;
use crate::observe::metrics::HubMetrics;
use bytes::BytesMut;
use mcphub_conf::settings::{HubSettings, HubUrl, LimitSettings, UpstreamSettings};
use mcphub_health::Recorder;
use mcphub_http1::HeadLimits;
use mcphub_http1::head::HeadScan;
use pool::Pool;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// One hub, as this process reaches it.
#[derive(Debug)]
pub struct Upstream {
    /// Its endpoint.
    pub url: HubUrl,
    /// What the `Host` header says.
    pub authority: String,
    /// Its counters, resolved once.
    pub metrics: HubMetrics,
    /// What came of the requests to it.
    pub recorder: Recorder,
    costs: impact::Costs,
    life: life::Life,
    listeners: listeners::Listeners,
    given_up: watch::Sender<Option<Instant>>,
    ca_file: Option<PathBuf>,
    reach: Arc<Reach>,
    pool: Pool,
    warmth: warm::Warmth,
    in_flight: AtomicU32,
}

impl Upstream {
    /// The upstream of a hub.
    ///
    /// # Errors
    /// Its certificate authorities cannot be used.
    pub fn new(hub: &HubSettings, metrics: HubMetrics) -> Result<Self, TrustError> {
        Ok(Self {
            url: hub.url.clone(),
            authority: hub.url.authority(),
            metrics,
            recorder: Recorder::default(),
            costs: impact::Costs::default(),
            life: life::Life::default(),
            listeners: listeners::Listeners::default(),
            given_up: watch::Sender::new(None),
            ca_file: hub.ca_file.clone(),
            reach: Arc::new(Reach::new(&hub.url, hub.ca_file.as_deref())?),
            pool: Pool::default(),
            warmth: warm::Warmth::default(),
            in_flight: AtomicU32::new(0),
        })
    }

    /// Whether this upstream still is the one that these settings ask for.
    #[must_use]
    pub fn serves(&self, hub: &HubSettings) -> bool {
        self.url == hub.url && self.ca_file == hub.ca_file
    }

    /// Requests in flight.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The hub answers nothing and was taken out of service: who still waits for it need not.
    pub fn give_up(&self, now: Instant) {
        self.given_up.send_replace(Some(now));
    }

    /// Waits until the hub is given up later than `sent`; for ever if it never is. Cancel-safe.
    pub async fn given_up_since(&self, sent: Instant) {
        let mut given_up = self.given_up.subscribe();
        if given_up.wait_for(|at| at.is_some_and(|at| at >= sent)).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Counts a request in for as long as the guard lives.
    pub fn enter(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    /// An idle connection that still lives, without waiting.
    #[must_use]
    pub fn idle(&self, now: Instant) -> Option<Link> {
        self.pool.take(now)
    }

    /// A new connection.
    ///
    /// # Errors
    /// No address of the hub took it in time. Nothing of any request was sent.
    pub async fn connect(&self, deadline: Duration) -> io::Result<Link> {
        let wire = match tokio::time::timeout(deadline, self.reach.connect(deadline)).await {
            Ok(connected) => connected?,
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        };
        Ok(Link::fresh(wire))
    }

    /// How it is reached, for whoever else talks to it.
    pub(crate) fn reach(&self) -> &Arc<Reach> {
        &self.reach
    }

    /// Takes a connection back whose answer was read whole.
    pub fn release(&self, link: Link, now: Instant, settings: &UpstreamSettings) {
        if link.buf.is_empty() {
            self.pool.put(link, now, settings.pool_per_hub);
        }
    }

    /// Closes connections that nobody has used since `now - idle`.
    pub fn reap(&self, now: Instant, idle: Duration) {
        self.pool.reap(now, idle);
    }
}

/// A request under way at a hub; leaving it counts it out.
#[derive(Debug)]
pub struct InFlight(Arc<Upstream>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection to a hub.
#[derive(Debug)]
pub struct Link {
    pub(crate) wire: Wire,
    pub(crate) buf: BytesMut,
    pub(crate) scan: HeadScan,
    /// Whether it has carried an exchange before: its loss then may only mean that it had grown old.
    pub reused: bool,
    /// How long the hub keeps it open while it is idle, where the hub has said so (`Keep-Alive: timeout=5`).
    pub(crate) patience: Option<Duration>,
}

impl Link {
    /// A connection that has carried nothing.
    pub(crate) fn fresh(wire: Wire) -> Self {
        Self { wire, buf: BytesMut::new(), scan: HeadScan::default(), reused: false, patience: None }
    }

    /// Whether not a byte of an answer has come.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        self.buf.is_empty()
    }

    /// Whether nothing has come and the other side has not closed.
    fn is_quiet(&mut self) -> bool {
        self.buf.is_empty() && self.wire.is_quiet()
    }
}

/// The limits on a hub's answer head.
#[must_use]
pub fn answer_limits(limits: &LimitSettings) -> HeadLimits {
    HeadLimits { head: limits.hub_head, line: limits.hub_head, fields: mcphub_http1::FIELDS_MAX }
}
