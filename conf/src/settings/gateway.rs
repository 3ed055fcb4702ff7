//! `[gateway]`, `[admin]`, `[shutdown]`, `[log]`: the process itself.

use super::Secret;
use mcphub_routing::LocationName;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

/// `[gateway]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewaySettings {
    /// The name of this point of presence in logs, metrics and answers to operators.
    pub name: String,
    /// Where it stands; one of `[locations]`.
    pub location: LocationName,
    /// Worker threads; the number of cores where the file does not say. A change needs a restart.
    pub threads: NonZeroUsize,
}

/// `[admin]`: the operators' HTTP interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminSettings {
    /// Where it listens. A change needs a restart.
    pub address: SocketAddr,
    /// The bearer token asked for; always present unless `address` is a loopback address.
    pub token: Option<Secret>,
}

/// `[shutdown]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShutdownSettings {
    /// Longest time from SIGTERM to exit, while requests finish.
    pub deadline: Duration,
    /// The `retry:` sent on open event streams as they close: how soon their clients come back.
    pub sse_retry: Duration,
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// The least severe level that is written.
    pub level: LogLevel,
    /// The shape of a line.
    pub format: LogFormat,
    /// Whether each request writes one access line.
    pub access: bool,
}

/// Severity of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Failures of the gateway itself.
    Error,
    /// What an operator should look at.
    Warn,
    /// The ordinary events of a day.
    Info,
    /// For chasing one problem.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// As written in the file: `error`, `warn`, `info`, `debug`, `trace`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// Shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// Text for people.
    Text,
}
