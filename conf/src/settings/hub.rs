//! `[[hub]]`: an upstream MCP endpoint.

use mcphub_routing::{EraSet, HubId, HubType, LocationName, Weight};
use std::fmt;
use std::path::PathBuf;

/// One `[[hub]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubSettings {
    /// Unique among the hubs.
    pub id: HubId,
    /// Its tier in the order of preference.
    pub hub_type: HubType,
    /// Where it stands; one of `[locations]`.
    pub location: LocationName,
    /// Its MCP endpoint.
    pub url: HubUrl,
    /// How much it takes beside its peers.
    pub weight: Weight,
    /// The protocol eras it serves; `None` where they are to be learned by probing.
    pub eras: Option<EraSet>,
    /// PEM file of extra certificate authorities for an `https` hub; readable when checked.
    pub ca_file: Option<PathBuf>,
    /// What it exports about itself, where it does.
    pub metrics: Option<HubMetrics>,
}

/// A hub's Prometheus metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubMetrics {
    /// Where they are.
    pub url: HubUrl,
    /// Thousandths of a processor that the hub may keep busy; at least 10.
    pub millicpus: u32,
    /// Bytes of memory that it may fill, where the operator says so.
    pub memory_limit: Option<u64>,
}

/// Where a hub answers: an `http` or `https` URL without credentials, query or fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubUrl {
    /// Cleartext or TLS.
    pub scheme: HubScheme,
    /// Host name (lower case, punycode), IPv4 address, or IPv6 address without brackets.
    pub host: String,
    /// The port written, else 80 or 443.
    pub port: u16,
    /// Percent-encoded path, starting with `/`.
    pub path: String,
}

impl HubUrl {
    /// What the `Host` header towards this hub says: the port only where it is not the scheme's own.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == self.scheme.default_port() { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for HubUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.as_str(), self.authority(), self.path)
    }
}

/// Scheme of a hub's URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HubScheme {
    /// Cleartext.
    Http,
    /// TLS; the certificate must match the host.
    Https,
}

impl HubScheme {
    /// `http` or `https`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// 80 or 443.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}
