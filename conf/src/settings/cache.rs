//! `[cache]`: what is answered without asking a hub.

use std::time::Duration;

/// `[cache]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheSettings {
    /// Whether results that hubs declare cacheable are kept at all.
    pub enabled: bool,
    /// Most bytes kept.
    pub size: usize,
    /// Largest single result kept, bytes.
    pub entry_size: usize,
    /// Longest time that a result is taken for fresh, whatever its hub says.
    pub ttl_max: Duration,
    /// How long after its time a result may still be given when no hub can be asked. Zero: never.
    pub stale_if_error: Duration,
    /// Whether results that are one caller's are kept for that caller.
    pub private: bool,
    /// Headers that no answer depends on, in lower case.
    pub ignored_headers: Vec<String>,
}
