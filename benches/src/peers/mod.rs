//! Which proxies are compared, and how is each started?
//!
//! Owns the table of peers: name, ports, command, reference figures. A new peer is one more [`Peer`] in [`PEERS`] and
//! its configuration in `benches/peers/`. Owns also starting ([`launch`]) and stopping ([`running`]) them, pinned to a
//! core. Does not know what is sent through them.

pub mod launch;
pub mod running;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::case::{Case, Field, Way};

/// Port of the bench hub; the committed configurations name it.
pub const HUB_PORT: u16 = 18400;

/// A thing to measure.
pub struct Peer {
    /// Its name in the report and on the command line.
    pub name: &'static str,
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    /// Where it listens with TLS.
    pub tls_port: Option<u16>,
    /// Among whom it is measured.
    pub role: Role,
    /// How it is started; the direct way to the hub needs no process.
    pub launch: Option<Launch>,
    /// Requests per proxy-CPU-second that this peer reached elsewhere.
    pub reference: Option<Reference>,
}

/// Among whom a peer is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The hub without anything between: in every case.
    Direct,
    /// Our gateway: in every case.
    Edge,
    /// A proxy that passes on bytes.
    Proxy,
    /// A gateway that speaks MCP itself.
    Gateway,
}

/// How a peer is started.
pub struct Launch {
    /// The program: a name looked up in `PATH` or in the environment, or [`EDGE`].
    pub program: &'static str,
    /// The Python environment that it was installed into, where `PATH` does not have it.
    pub environment: Option<&'static str>,
    /// Its configuration in `benches/peers/`, copied to the scratch directory before the start.
    pub config: &'static str,
    /// Its arguments; `{config}` and `{scratch}` are filled in.
    pub arguments: &'static [&'static str],
    /// The arguments that print its version.
    pub version: &'static [&'static str],
}

/// Figures of the machine in [`REFERENCE_MACHINE`], in requests per proxy-CPU-second.
pub struct Reference {
    /// JSON cases.
    pub json: f64,
    /// SSE cases.
    pub sse: f64,
}

impl Reference {
    /// The figure for `case`, where there is one.
    #[must_use]
    pub fn of(&self, case: Case) -> Option<f64> {
        if case.is_sse() { Some(self.sse) } else { case.is_small_json().then_some(self.json) }
    }
}

/// Where the reference figures come from.
pub const REFERENCE_MACHINE: &str =
    "2 cores of an AMD EPYC under KVM, Debian 12, nginx 1.22.1, HAProxy 2.6.12, Envoy 1.40.0";
/// Below this share of its reference a peer is suspected to be misconfigured.
pub const REFERENCE_FLOOR: f64 = 0.7;
/// Stands for the gateway's binary, which is not in `PATH`.
pub const EDGE: &str = "mcphub-edge";
/// The peer whose figures the others are divided by, first column.
pub const BASE_FIRST: &str = "HAProxy";
/// The same, second column.
pub const BASE_SECOND: &str = "nginx";

/// The peer whose figures ours are divided by in the summary, third column.
pub const BASE_THIRD: &str = "Envoy";
/// The gateway's name in the report.
pub const OURS: &str = "MCPHub Edge";

/// All peers, in the order of the report.
pub const PEERS: &[Peer] = &[
    Peer {
        name: "direct",
        port: HUB_PORT,
        tls_port: None,
        role: Role::Direct,
        launch: None,
        reference: None,
    },
    Peer {
        name: OURS,
        port: 18403,
        tls_port: Some(18413),
        role: Role::Edge,
        launch: Some(Launch {
            program: EDGE,
            environment: None,
            config: "edge.toml",
            arguments: &["run", "--config", "{config}"],
            version: &["--version"],
        }),
        reference: None,
    },
    Peer {
        name: BASE_FIRST,
        port: 18402,
        tls_port: Some(18412),
        role: Role::Proxy,
        launch: Some(Launch {
            program: "haproxy",
            environment: None,
            config: "haproxy.cfg",
            arguments: &["-db", "-f", "{config}"],
            version: &["-v"],
        }),
        reference: Some(Reference { json: 54_000.0, sse: 39_600.0 }),
    },
    Peer {
        name: BASE_SECOND,
        port: 18401,
        tls_port: Some(18411),
        role: Role::Proxy,
        launch: Some(Launch {
            program: "nginx",
            environment: None,
            config: "nginx.conf",
            arguments: &["-p", "{scratch}", "-c", "{config}", "-e", "stderr", "-g", "daemon off;"],
            version: &["-v"],
        }),
        reference: Some(Reference { json: 52_000.0, sse: 27_400.0 }),
    },
    Peer {
        name: BASE_THIRD,
        port: 18404,
        tls_port: Some(18414),
        role: Role::Proxy,
        launch: Some(Launch {
            program: "envoy",
            environment: Some("envoy"),
            config: "envoy.yaml",
            arguments: &["-c", "{config}", "--concurrency", "1", "--disable-hot-restart", "-l", "warning"],
            version: &["--version"],
        }),
        reference: Some(Reference { json: 20_000.0, sse: 14_900.0 }),
    },
    Peer {
        name: "FastMCP proxy",
        port: 18405,
        tls_port: None,
        role: Role::Gateway,
        launch: Some(Launch {
            program: "python",
            environment: Some("fastmcp"),
            config: "fastmcp_proxy.py",
            arguments: &["{config}"],
            version: &["-c", "import fastmcp; print('FastMCP', fastmcp.__version__)"],
        }),
        reference: None,
    },
    Peer {
        name: "ContextForge",
        port: 18406,
        tls_port: None,
        role: Role::Gateway,
        launch: Some(Launch {
            program: "python",
            environment: Some("contextforge"),
            config: "contextforge.py",
            arguments: &["{config}", "{scratch}"],
            version: &["-c", "import mcpgateway; print('mcp-contextforge-gateway', mcpgateway.__version__)"],
        }),
        reference: None,
    },
];

/// Where things are and run.
#[derive(Clone, Debug)]
pub struct Site {
    /// `benches/peers`, with the committed configurations.
    pub configs: PathBuf,
    /// A directory of our own for copies, pid files and logs.
    pub scratch: PathBuf,
    /// Where the Python environments of peers are.
    pub tools: PathBuf,
    /// The gateway's binary.
    pub edge: Option<PathBuf>,
    /// Core of the proxies.
    pub proxy_core: usize,
    /// Core that the load generator and the hub share.
    pub load_core: usize,
}

impl Peer {
    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Where it takes the requests of `case`. `None` when it takes no part in it.
    #[must_use]
    pub fn address_for(&self, case: Case) -> Option<SocketAddr> {
        if !self.takes_part(case.field()) {
            return None;
        }
        match case.way() {
            Way::Http2 | Way::Handshakes => {
                self.tls_port.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
            }
            Way::Closed | Way::Rate(_) => Some(self.address()),
        }
    }

    /// Whether it is one of those that are compared there.
    #[must_use]
    pub fn takes_part(&self, field: Field) -> bool {
        match self.role {
            Role::Direct | Role::Edge => true,
            Role::Proxy => field == Field::Proxies,
            Role::Gateway => field == Field::Gateways,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_peer_has_its_own_port_and_a_config_that_names_it_and_the_hub() {
        let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        let mut ports: Vec<u16> =
            PEERS.iter().flat_map(|peer| [Some(peer.port), peer.tls_port]).flatten().collect();
        let count = ports.len();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), count);
        for peer in PEERS {
            let Some(launch) = &peer.launch else { continue };
            let text = fs::read_to_string(configs.join(launch.config)).expect("a committed configuration");
            for port in [Some(peer.port), peer.tls_port, Some(HUB_PORT)].into_iter().flatten() {
                assert!(text.contains(&port.to_string()), "{} does not name {port}", launch.config);
            }
        }
    }

    #[test]
    fn the_gateways_configuration_has_no_mistakes() {
        let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/edge.toml");
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("edge.toml");
        fs::copy(committed, &file).expect("a committed configuration");
        // Made when the bench is run.
        for (made, holds) in [("cert.pem", "CERTIFICATE"), ("key.pem", "PRIVATE KEY")] {
            let pem = format!("-----BEGIN {holds}-----\n-----END {holds}-----\n");
            fs::write(folder.path().join(made), pem).expect("a file");
        }
        let loaded = mcphub_conf::load(&file, &|_| None).expect("no mistakes");
        let settings = loaded.settings;
        assert!(!settings.log.access && settings.gateway.threads.get() == 1, "not what the peers do");
    }
}
