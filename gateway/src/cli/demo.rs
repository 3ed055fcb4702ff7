//! `demo`: the whole thing on one machine, four hubs and the gateway in front of them.
//!
//! The hubs are real ones, each a process of its own, so that one can be killed and the rest watched. They end when
//! the demo ends, however it ends.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use super::http::exchange;
use super::{Failure, Handlers, RunArgs};
use crate::clock;

mod hubs;
mod text;

use hubs::Fleet;

/// How long the gateway may take until it is ready. It takes well under a second; a starved machine more.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Flags of `demo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where clients reach the gateway; port 0 takes a free one.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,

    /// Where operators reach it; port 0 takes a free one.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:9090")]
    admin: SocketAddr,

    /// Folder for the configuration, the keys and the hubs' logs, kept afterwards [default: a temporary one].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// The folder of a demo; a temporary one goes when the demo ends.
enum Folder {
    Kept(PathBuf),
    Temporary(tempfile::TempDir),
}

impl Folder {
    fn open(wanted: Option<PathBuf>) -> anyhow::Result<Self> {
        match wanted {
            Some(path) => {
                std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
                Ok(Self::Kept(std::path::absolute(path)?))
            }
            None => {
                let made = tempfile::Builder::new().prefix("mcphub-edge-demo-").tempdir();
                Ok(Self::Temporary(made.context("cannot make a temporary folder")?))
            }
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(made) => made.path(),
        }
    }
}

/// Where the gateway of the demo is reached.
#[derive(Debug, Clone, Copy)]
struct Addresses {
    listen: SocketAddr,
    admin: SocketAddr,
}

pub(super) fn run(args: Args, handlers: &dyn Handlers, out: &mut dyn Write) -> Result<(), Failure> {
    let addresses = Addresses { listen: free(args.listen, "--listen")?, admin: free(args.admin, "--admin")? };
    let folder = Folder::open(args.dir)?;
    writeln!(out, "starting four hubs ...")?;
    out.flush()?;
    let fleet = Fleet::start(folder.path())?;
    let config = folder.path().join("demo.toml");
    std::fs::write(&config, text::configuration(addresses, fleet.hubs()))
        .with_context(|| format!("cannot write {}", config.display()))?;
    let banner = text::banner(addresses, fleet.hubs(), folder.path());
    announce_when_ready(addresses.admin, banner)?;
    let end = handlers.run_gateway(&RunArgs { config, upgrade: false });
    drop(fleet);
    end
}

/// The address, if nobody listens there: better said now than by a gateway that fails after the hubs have started.
/// Port 0 becomes a free one.
fn free(address: SocketAddr, flag: &str) -> Result<SocketAddr, Failure> {
    match TcpListener::bind(address) {
        Ok(listener) => Ok(listener.local_addr()?),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let other = SocketAddr::new(address.ip(), address.port().wrapping_add(10).max(1024));
            Err(Failure::Usage(format!(
                "{address} is taken by another process; end that one, or say for instance `{flag} {other}`"
            )))
        }
        Err(error) => {
            Err(Failure::Runtime(anyhow::Error::new(error).context(format!("cannot listen on {address}"))))
        }
    }
}

/// Tells how to use the demo as soon as it can be used. In a thread: the gateway takes this one.
fn announce_when_ready(admin: SocketAddr, banner: String) -> io::Result<()> {
    let wait = move || {
        let deadline = clock::instant() + READY_WITHIN;
        while clock::instant() < deadline {
            let ready = exchange(admin, "GET /readyz", None, Duration::from_secs(1));
            if ready.is_ok_and(|answer| answer.status == 200) {
                let _ = io::stdout().write_all(banner.as_bytes()).and_then(|()| io::stdout().flush());
                return;
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
    };
    std::thread::Builder::new().name("demo-banner".into()).spawn(wait).map(|_| ())
}

/// An address as it stands in a URL that a client on this machine can use.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from(std::net::Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
pub(super) mod tests;
