//! The numbers of this process, by Prometheus naming.
//!
//! Everything a request touches is resolved once, when a hub or the process starts: no label is looked up while a
//! request waits.

use super::cache::CacheMetrics;
use super::control::ControlMetrics;
use super::forecasts::ForecastMetrics;
use super::moves::MoveMetrics;
use super::telemetry::TelemetryMetrics;
use crate::sessions::PinCount;
use mcphub_health::Outcome;
use mcphub_routing::Era;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

/// Upper bounds of the duration buckets, seconds. MCP calls range from a local echo to a tool that works for
/// minutes.
const DURATIONS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 120.0];

/// How an exchange with a hub went, as counted in `mcphub_hub_outcomes_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HubOutcome {
    /// An answer below 500, whole.
    Ok,
    /// An answer of 500 to 599.
    ServerError,
    /// HTTP 200 with a JSON-RPC error that speaks of the hub.
    RpcError,
    /// No connection.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// The connection ended before the answer did.
    Broken,
    /// The client left first; says nothing about the hub.
    ClientLeft,
}

impl HubOutcome {
    const ALL: [Self; 7] = [
        Self::Ok,
        Self::ServerError,
        Self::RpcError,
        Self::Unreachable,
        Self::Timeout,
        Self::Broken,
        Self::ClientLeft,
    ];

    /// The label's value, also the word in the access log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ServerError => "server_error",
            Self::RpcError => "rpc_error",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::ClientLeft => "client_left",
        }
    }

    /// What it says about the hub, if anything.
    #[must_use]
    pub fn told(self) -> Option<Outcome> {
        Some(match self {
            Self::Ok => Outcome::Ok,
            Self::ServerError => Outcome::Http5xx,
            Self::RpcError => Outcome::RpcTransportError,
            Self::Unreachable => Outcome::ConnectError,
            Self::Timeout => Outcome::Timeout,
            Self::Broken => Outcome::Reset,
            Self::ClientLeft => return None,
        })
    }
}

/// The counters of one hub.
#[derive(Debug, Clone)]
pub struct HubMetrics {
    outcomes: [IntCounter; HubOutcome::ALL.len()],
    /// Time from the request's arrival to the end of its answer.
    pub duration: Histogram,
    /// Connections opened.
    pub connects: IntCounter,
}

impl HubMetrics {
    /// Counts how an exchange went.
    pub fn count(&self, outcome: HubOutcome) {
        self.outcomes[outcome as usize].inc();
    }
}

/// All metrics of the process.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    /// Those of the control loop.
    pub control: ControlMetrics,
    /// Those of the edge cache.
    pub cache: CacheMetrics,
    /// Those of sessions that move.
    pub moves: MoveMetrics,
    /// Those of what hubs have been like.
    pub telemetry: TelemetryMetrics,
    /// Those of forecasts.
    pub forecasts: ForecastMetrics,
    /// By era (legacy, modern) and class of status (1xx to 5xx).
    requests: [[IntCounter; 5]; 2],
    hub_outcomes: IntCounterVec,
    hub_duration: HistogramVec,
    hub_connects: IntCounterVec,
    refusals: IntCounterVec,
    sessions: IntGaugeVec,
    sessions_busy: IntGaugeVec,
    sessions_streams: IntGaugeVec,
    /// Client connections open now.
    pub connections: IntGauge,
    /// Client connections accepted.
    pub connections_total: IntCounter,
    /// Requests in flight now, open streams included.
    pub in_flight: IntGauge,
    /// Event streams open now.
    pub streams: IntGauge,
    /// Sessions opened.
    pub sessions_opened: IntCounter,
    /// Requests sent to another hub or over a fresh connection.
    pub retries: IntCounter,
    /// Retries that the budget did not allow.
    pub retries_denied: IntCounter,
    /// Access lines lost because the log could not keep up; set when the metrics are read.
    pub access_dropped: IntGauge,
    /// Which accepted configuration is in force, counted from 1.
    pub config_revision: IntGauge,
    /// 1 if the last reload was accepted, 0 if it was refused.
    pub config_reload_ok: IntGauge,
    /// Reloads refused.
    pub config_reloads_refused: IntCounter,
    /// Generation of the routing table.
    pub table_generation: IntGauge,
    /// 1 if the last change of the geographic database was taken over.
    pub geo_reload_ok: IntGauge,
}

impl Metrics {
    /// Metrics in a registry of their own.
    ///
    /// # Errors
    /// Two metrics of one name, which is a mistake in this file.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let make = Maker { registry: &registry };
        let requests = make.counters("mcphub_requests_total", "Requests answered.", &["era", "status"])?;
        let by_class = |era: &str| {
            ["1xx", "2xx", "3xx", "4xx", "5xx"].map(|class| requests.with_label_values(&[era, class]))
        };
        let hub_duration = HistogramVec::new(
            HistogramOpts::new(
                "mcphub_hub_request_seconds",
                "Time from a request's arrival to the end of its answer.",
            )
            .buckets(DURATIONS.to_vec()),
            &["hub"],
        )?;
        registry.register(Box::new(hub_duration.clone()))?;
        Ok(Self {
            control: ControlMetrics::new(&registry)?,
            cache: CacheMetrics::new(&registry)?,
            moves: MoveMetrics::new(&registry)?,
            telemetry: TelemetryMetrics::new(&registry)?,
            forecasts: ForecastMetrics::new(&registry)?,
            requests: [by_class("legacy"), by_class("modern")],
            hub_outcomes: make.counters(
                "mcphub_hub_outcomes_total",
                "How exchanges with a hub went.",
                &["hub", "outcome"],
            )?,
            hub_duration,
            hub_connects: make.counters(
                "mcphub_hub_connects_total",
                "Connections opened to a hub.",
                &["hub"],
            )?,
            refusals: make.counters(
                "mcphub_refusals_total",
                "Requests that the gateway answered itself, by reason.",
                &["reason"],
            )?,
            sessions: make.gauges(
                "mcphub_sessions",
                "Legacy sessions seen since the start that are not over, by the hub they are pinned to.",
                &["hub"],
            )?,
            sessions_busy: make.gauges(
                "mcphub_sessions_busy",
                "Those of them with a request in flight; an open GET stream is none.",
                &["hub"],
            )?,
            sessions_streams: make.gauges(
                "mcphub_sessions_streams_open",
                "Open GET streams of legacy sessions, by the hub that the session is pinned to.",
                &["hub"],
            )?,
            connections: make.gauge("mcphub_connections", "Client connections open now.")?,
            connections_total: make.counter("mcphub_connections_total", "Client connections accepted.")?,
            in_flight: make
                .gauge("mcphub_requests_in_flight", "Requests in flight now, open streams included.")?,
            streams: make.gauge("mcphub_streams_open", "Event streams open now.")?,
            sessions_opened: make.counter("mcphub_sessions_opened_total", "Legacy sessions opened.")?,
            retries: make.counter("mcphub_retries_total", "Requests sent once more.")?,
            retries_denied: make
                .counter("mcphub_retries_denied_total", "Retries that the budget did not allow.")?,
            access_dropped: make.gauge("mcphub_access_log_dropped", "Access lines lost since the start.")?,
            config_revision: make
                .gauge("mcphub_config_revision", "Accepted configuration in force, from 1.")?,
            config_reload_ok: make
                .gauge("mcphub_config_last_reload_successful", "1 if the last reload was accepted.")?,
            config_reloads_refused: make
                .counter("mcphub_config_reloads_refused_total", "Reloads refused.")?,
            table_generation: make.gauge("mcphub_table_generation", "Generation of the routing table.")?,
            geo_reload_ok: make
                .gauge("mcphub_geo_last_reload_successful", "1 if the geographic database is current.")?,
            registry,
        })
    }

    /// The counters of a hub.
    #[must_use]
    pub fn hub(&self, id: &str) -> HubMetrics {
        HubMetrics {
            outcomes: HubOutcome::ALL
                .map(|outcome| self.hub_outcomes.with_label_values(&[id, outcome.as_str()])),
            duration: self.hub_duration.with_label_values(&[id]),
            connects: self.hub_connects.with_label_values(&[id]),
        }
    }

    /// Says how many sessions a hub has; when the metrics are read, not when a session comes or goes.
    pub fn show_sessions(&self, hub: &str, pins: &PinCount) {
        let shown = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.sessions.with_label_values(&[hub]).set(shown(pins.sessions()));
        self.sessions_busy.with_label_values(&[hub]).set(shown(pins.busy()));
        self.sessions_streams.with_label_values(&[hub]).set(shown(pins.streams()));
    }

    /// Counts a request answered.
    pub fn answered(&self, era: Era, status: u16) {
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        self.requests[usize::from(era == Era::Modern)][class].inc();
    }

    /// Counts a request that the gateway answered itself. Not on the way of a request that is forwarded.
    pub fn refused(&self, reason: &str) {
        self.refusals.with_label_values(&[reason]).inc();
    }

    /// The text that Prometheus scrapes.
    #[must_use]
    pub fn render(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }
}

struct Maker<'a> {
    registry: &'a Registry,
}

impl Maker<'_> {
    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
        let made = IntCounterVec::new(Opts::new(name, help), labels)?;
        self.registry.register(Box::new(made.clone()))?;
        Ok(made)
    }

    fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        let made = IntCounter::new(name, help)?;
        self.registry.register(Box::new(made.clone()))?;
        Ok(made)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
        let made = IntGaugeVec::new(Opts::new(name, help), labels)?;
        self.registry.register(Box::new(made.clone()))?;
        Ok(made)
    }

    fn gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        let made = IntGauge::new(name, help)?;
        self.registry.register(Box::new(made.clone()))?;
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_shown() {
        let metrics = Metrics::new().expect("names are unique");
        metrics.answered(Era::Modern, 404);
        metrics.hub("a").count(HubOutcome::Broken);
        metrics.refused("origin");
        let text = metrics.render();
        for line in [
            "mcphub_requests_total{era=\"modern\",status=\"4xx\"} 1",
            "mcphub_hub_outcomes_total{hub=\"a\",outcome=\"broken\"} 1",
            "mcphub_refusals_total{reason=\"origin\"} 1",
            "mcphub_config_revision 0",
        ] {
            assert!(text.contains(line), "{line} is missing in:\n{text}");
        }
    }
}
