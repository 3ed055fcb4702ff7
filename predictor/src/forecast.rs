//! What is expected of one hub?

use std::fmt;
use std::time::Duration;

use mcphub_routing::Share;

/// How a hub is expected to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailureType {
    /// It stops, and refuses connections.
    Crash,
    /// It runs out of memory, processor, connections or the like.
    ResourceExhaustion,
    /// It gets slower until deadlines pass.
    LatencyDegradation,
    /// Its errors become more.
    ErrorBurst,
    /// It cannot be reached.
    Network,
    /// It will fail, but nothing tells how.
    Unknown,
}

impl FailureType {
    /// The word used in logs, metrics and the admin interface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::ResourceExhaustion => "resource_exhaustion",
            Self::LatencyDegradation => "latency_degradation",
            Self::ErrorBurst => "error_burst",
            Self::Network => "network",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for FailureType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is expected of one hub within a horizon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Forecast {
    /// How likely it fails within the horizon.
    pub probability: Share,
    /// How far ahead this looks.
    pub horizon: Duration,
    /// How long until it fails, if it does; `None` when that cannot be told.
    pub time_to_failure: Option<Duration>,
    /// How it will fail.
    pub failure_type: FailureType,
    /// How much evidence of the needed kind there was: 1000 ‰ is all of it.
    pub confidence: Share,
}
