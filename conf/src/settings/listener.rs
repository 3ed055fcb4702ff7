//! `[[listener]]`: where clients arrive and who they may be.

use ipnet::IpNet;
use std::net::SocketAddr;
use std::path::PathBuf;

/// One `[[listener]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerSettings {
    /// Where it listens; unique among the listeners and `[admin]`. A change needs a restart.
    pub address: SocketAddr,
    /// The MCP endpoint, starting with `/`; everything below it is passed on.
    pub path: String,
    /// Peers whose `X-Forwarded-For`, `Forwarded` and PROXY header are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether a PROXY header opens a connection. Believed from `trusted_proxies` only.
    pub proxy_protocol: ProxyProtocol,
    /// The `Host` values that are served.
    pub allowed_hosts: AllowedHosts,
    /// The browsers' `Origin` values that are served (`https://app.example.com`, lower case, no default port,
    /// no trailing slash). Empty: only requests without one, or of the same host.
    pub allowed_origins: Vec<String>,
    /// Certificate and key; `None` is cleartext. Turning it on or off needs a restart.
    pub tls: Option<TlsSettings>,
    /// HTTP/2: by ALPN with TLS, by prior knowledge in cleartext.
    pub http2: bool,
    /// `SO_REUSEPORT`: another process may listen on the same address. A change needs a restart.
    pub reuse_port: bool,
}

/// `tls = { certificate, key }` of a listener. Both files existed and could be read when checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// PEM file: the certificate, then its chain.
    pub certificate: PathBuf,
    /// PEM file: the private key.
    pub key: PathBuf,
}

/// What a listener expects before the first byte of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// HTTP at once.
    Off,
    /// A PROXY header from a trusted proxy is read; its absence is fine.
    Optional,
    /// A trusted proxy must send one; everybody else is refused.
    Required,
}

/// Which `Host` values a listener serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedHosts {
    /// `["*"]`: any. Leaves browsers on the same machine or network open to DNS rebinding.
    Any,
    /// Only these. Where the file names none and the listener is on loopback: its own address and
    /// `localhost`, with its port.
    Only(Vec<AllowedHost>),
}

/// One entry of `allowed_hosts`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AllowedHost {
    /// Lower case, IPv6 in brackets, as it stands in a `Host` header.
    pub host: String,
    /// Only this port; `None` is any port, and none.
    pub port: Option<u16>,
}
