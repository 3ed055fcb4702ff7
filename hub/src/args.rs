//! Which hub is this, and what may it do?

use std::{net::SocketAddr, path::PathBuf};

/// Flags of the hub, for its own binary and for the `hub` verb of the gateway's.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Name of this hub, as the gateway's configuration calls it.
    #[arg(long, default_value = "hub")]
    pub id: String,

    /// Name of the place this hub stands in.
    #[arg(long, default_value = "local")]
    pub location: String,

    /// Address and port to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:3001")]
    pub listen: SocketAddr,

    /// Serve `PUT /fault` and `DELETE /fault`, which make the hub misbehave. For tests only.
    #[arg(long)]
    pub fault_control: bool,

    /// Another name or name:port that may stand in `Host` and `Origin`, besides the loopback names. Repeatable.
    #[arg(long = "allowed-host", value_name = "HOST")]
    pub allowed_hosts: Vec<String>,

    /// Which eras of the protocol to speak.
    #[arg(long, value_enum, default_value_t = Eras::Both)]
    pub eras: Eras,

    /// Most legacy sessions held at once; the next `initialize` gets 503.
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    pub max_sessions: usize,

    /// Seconds a legacy session may stay silent before it is dropped and answers 404.
    #[arg(long, value_name = "SECONDS", default_value_t = 1_800)]
    pub session_idle: u64,

    /// Most requests worked on at once; the others wait in a queue. Streams do not count.
    #[arg(long, value_name = "N", default_value_t = 1_024)]
    pub max_concurrent: usize,

    /// File whose bytes (32 or more) key the `requestState` of input rounds. Hubs that share it can finish each
    /// other's rounds; without it every start draws its own.
    #[arg(long, value_name = "FILE")]
    pub state_key_file: Option<PathBuf>,

    /// How long lists and fixed resources may be kept, in milliseconds; 0 declares that they may not.
    #[arg(long, value_name = "MS", default_value_t = 5_000)]
    pub cache_ttl: u64,

    /// Whose lists and fixed resources are.
    #[arg(long, value_enum, default_value_t = Scope::Public)]
    pub cache_scope: Scope,

    /// File to which the tool `act` appends a line each time it is executed, before it answers: what was really done
    /// can so be counted after a kill, over all hubs that share the file. For tests only.
    #[arg(long, value_name = "FILE")]
    pub journal: Option<PathBuf>,
}

/// The eras a hub speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Eras {
    /// Legacy and modern on the same endpoint.
    Both,
    /// Only 2025-03-26 to 2025-11-25: a modern request gets 400.
    Legacy,
    /// Only 2026-07-28: an `initialize` gets 400.
    Modern,
}

/// Who may be given a result that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Scope {
    /// Everybody.
    Public,
    /// The one who has asked.
    Private,
}

impl Args {
    /// A hub on a free loopback port with every other flag at its default, as tests and benches want it.
    pub fn local(id: impl Into<String>, location: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            location: location.into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            fault_control: false,
            allowed_hosts: Vec::new(),
            eras: Eras::Both,
            max_sessions: 20_000,
            session_idle: 1_800,
            max_concurrent: 1_024,
            state_key_file: None,
            cache_ttl: 5_000,
            cache_scope: Scope::Public,
            journal: None,
        }
    }
}
