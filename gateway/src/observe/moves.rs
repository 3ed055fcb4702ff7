//! The numbers of sessions, and of modern clients' streams, that move.

use mcphub_session::migration::Stuck;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts, Registry};
use std::time::Duration;

/// Upper bounds of the buckets, seconds: a move takes a handshake, and has 4.5 s in all.
const DURATIONS: [f64; 9] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 5.0];

/// What is counted of moves.
#[derive(Debug, Clone)]
pub struct MoveMetrics {
    moved: IntCounter,
    followed: IntCounter,
    took: Histogram,
    refused: IntCounterVec,
    unknown: IntCounter,
    listen_moved: IntCounter,
    listen_ended: IntCounter,
}

impl MoveMetrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str| {
            let made = IntCounter::new(name, help)?;
            registry.register(Box::new(made.clone()))?;
            prometheus::Result::Ok(made)
        };
        let took = Histogram::with_opts(
            HistogramOpts::new(
                "mcphub_session_move_seconds",
                "Time from the first sign that a session must leave its hub to its life on another.",
            )
            .buckets(DURATIONS.to_vec()),
        )?;
        registry.register(Box::new(took.clone()))?;
        let refused = IntCounterVec::new(
            Opts::new(
                "mcphub_session_requests_refused_total",
                "Requests of sessions that could not be served since the session could not move, by reason.",
            ),
            &["reason"],
        )?;
        registry.register(Box::new(refused.clone()))?;
        Ok(Self {
            moved: counter("mcphub_sessions_moved_total", "Sessions moved to another hub.")?,
            followed: counter(
                "mcphub_sessions_followed_total",
                "Sessions followed to the hub that another gateway has moved them to.",
            )?,
            took,
            refused,
            listen_moved: counter(
                "mcphub_listen_streams_moved_total",
                "Streams of subscriptions/listen that went on at another hub, or over another connection.",
            )?,
            listen_ended: counter(
                "mcphub_listen_streams_ended_total",
                "Streams of subscriptions/listen that ended because no hub could have them.",
            )?,
            unknown: counter(
                "mcphub_session_requests_lost_total",
                "Requests of sessions that were lost with their hub and may not be done twice.",
            )?,
        })
    }

    /// A session has moved; it took so long.
    pub fn moved(&self, took: Option<Duration>) {
        self.moved.inc();
        if let Some(took) = took {
            self.took.observe(took.as_secs_f64());
        }
    }

    /// A session was followed to where another gateway has moved it.
    pub fn followed(&self) {
        self.followed.inc();
    }

    /// A request was refused, since its session could not move.
    pub fn stuck(&self, why: Stuck) {
        self.refused.with_label_values(&[word(why)]).inc();
    }

    /// A modern client's stream has gone on elsewhere.
    pub fn listen_moved(&self) {
        self.listen_moved.inc();
    }

    /// A modern client's stream has ended, since no hub could have it.
    pub fn listen_ended(&self) {
        self.listen_ended.inc();
    }

    /// A request was lost with its hub, and its outcome is unknown.
    pub fn outcome_unknown(&self) {
        self.unknown.inc();
    }
}

fn word(why: Stuck) -> &'static str {
    match why {
        Stuck::NoHub => "no_hub",
        Stuck::StoreUnreachable => "store_unreachable",
        Stuck::TimeUp => "time_up",
        Stuck::NoParams => "no_params",
        Stuck::Contended => "contended",
        Stuck::Unauthorized => "unauthorized",
        Stuck::TooManyWait => "too_many_wait",
        Stuck::BatchLost => "batch_lost",
        Stuck::TooOften => "too_often",
    }
}
