//! `[health]`, `[failover]`, `[predictor]`, `[session]`, `[state]`: the slow loop, and what outlives a
//! request.

use mcphub_routing::Share;
use mcphub_session::Bind;
use std::path::PathBuf;
use std::time::Duration;

/// `[health]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthSettings {
    /// How a hub is asked whether it is well.
    pub probe: Probe,
    /// Time between two probes of one hub.
    pub interval: Duration,
    /// Longest wait for an answer; never above `interval`.
    pub timeout: Duration,
    /// Failures in a row that take a hub out.
    pub failover_threshold: u32,
    /// Successes in a row that bring it back.
    pub recovery_threshold: u32,
    /// Requests in a row answered with an error that take a hub out.
    pub errors_in_row: u32,
    /// The share of failing requests that takes a hub out.
    pub error_rate: Share,
    /// Of [`Probe::Mcp`], on modern hubs: the tool that `tools/list` must name.
    pub expect_tool: Option<String>,
    /// Of [`Probe::Mcp`], on modern hubs: the call that must come back well.
    pub canary: Option<Canary>,
    /// How hubs' metrics are read.
    pub metrics: MetricsSettings,
}

/// `[health.canary]`: a tool call that is made with each probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canary {
    /// Visible ASCII.
    pub tool: String,
    /// A JSON object.
    pub arguments: String,
}

/// The `metrics_…` keys of `[health]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsSettings {
    /// Time between two scrapes of one hub.
    pub interval: Duration,
    /// The counter of CPU seconds.
    pub cpu: String,
    /// The gauge of bytes in memory.
    pub memory: String,
    /// The gauge of bytes that it may have at most; a limit of the hub's own settings goes before it.
    pub memory_limit: String,
    /// The gauge of requests that wait.
    pub queue: String,
}

/// How a hub is probed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// A plain MCP request; never `initialize`, which would leave sessions behind.
    Mcp,
    /// GET `path` on the hub's authority, expecting exactly `status`.
    Http {
        /// Starts with `/`.
        path: String,
        /// 100 to 599.
        status: u16,
    },
    /// A TCP connection that opens.
    Tcp,
}

/// `[failover]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailoverSettings {
    /// Whether evidence leads to anything.
    pub automatic: bool,
    /// Never fewer serving hubs than this by our own doing.
    pub min_serving_hubs: u32,
    /// Largest share of hubs drained or ejected at once.
    pub max_out: Share,
    /// Longest time a draining hub keeps its sessions.
    pub drain_deadline: Duration,
    /// Sessions a second that are led away from a hub that drains.
    pub moves_per_second: u32,
    /// Time over which a hub that came back regains its full weight.
    pub slow_start: Duration,
    /// Shortest stay of a hub in any state, unless it answers nothing or an operator asks.
    pub dwell: Duration,
    /// How long a hub stays ejected, for each time in a row.
    pub ejection: Duration,
    /// How long it stays ejected at most; never below `ejection`.
    pub ejection_max: Duration,
    /// When more than this share of the hubs looks bad, the gateway doubts itself.
    pub panic_threshold: Share,
}

/// `[predictor]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PredictorSettings {
    /// What forecasts may do.
    pub mode: PredictorMode,
    /// What forecasts are made by.
    pub model: ModelSource,
    /// How far ahead failure is forecast.
    pub horizon: Duration,
    /// How likely a failure must be before anything is done about it.
    pub cost: CostSettings,
    /// Forecasts with less confidence are not acted on.
    pub confidence: Share,
    /// Largest share of the hubs out for forecasts at once.
    pub max_out: Share,
    /// Time in which a hub may raise one alarm that does not prove right; zero for no budget.
    pub alarm_every: Duration,
    /// The share of the alarms about which nothing is done.
    pub hold_out: Share,
    /// Whether the gateway makes models of its own.
    pub learning: LearningSettings,
}

/// Which model forecasts are made by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// The one that ships with the gateway.
    BuiltIn,
    /// A file, as `predictor train` writes it; watched and swapped whole.
    File(PathBuf),
}

/// `[predictor.learning]`: models that a gateway makes of what it sees of its hubs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LearningSettings {
    /// Whether any is made.
    pub enabled: bool,
    /// One is made this often at most.
    pub interval: Duration,
    /// One is made after so many failures that the one that speaks has not learnt from.
    pub failures: u32,
}

/// `[predictor.cost]`: what it pays to do, by the ratio of two costs in any unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CostSettings {
    /// To move what a hub serves elsewhere, in vain.
    pub swap: u32,
    /// That a hub fails with what it serves.
    pub failure: u32,
}

/// What forecasts may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PredictorMode {
    /// No forecasts.
    Off,
    /// Forecasts are shown and change nothing.
    Advise,
    /// Forecasts may relieve or drain a hub.
    Act,
}

/// `[session]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSettings {
    /// The first seals, all open; not empty. Missing files are created by the gateway on its first start.
    pub key_files: Vec<PathBuf>,
    /// What of a client's credential a session is bound to.
    pub bind: Bind,
    /// A session without a request in flight for this long ends.
    pub idle_age: Duration,
    /// A session older than this ends; never below `idle_age`.
    pub max_age: Duration,
}

/// `[state]`. Any change needs a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateSettings {
    /// Memory in front of a file on this machine.
    Embedded {
        /// The folder of that file; created by the gateway where missing.
        directory: PathBuf,
    },
    /// NATS JetStream, shared by many points of presence.
    Nats(NatsSettings),
}

/// `[state]` with backend = "nats".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatsSettings {
    /// `nats://` or `tls://`, host and port, no credentials; not empty, and of one scheme.
    pub urls: Vec<String>,
    /// The key-value bucket; created by the gateway where missing.
    pub bucket: String,
    /// How many servers keep it, 1 to 5, where the gateway creates it.
    pub replicas: u16,
    /// The credentials; read whenever a connection is made.
    pub credentials_file: Option<PathBuf>,
}
