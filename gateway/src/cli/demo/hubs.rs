//! The four hubs of the demo, as child processes.

use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::super::http::exchange;
use crate::clock;

/// How long a hub may take to answer its first request.
const ANSWERS_WITHIN: Duration = Duration::from_secs(60);

/// How long a hub may take to end when asked; longer than its own grace of two seconds.
const ENDS_WITHIN: Duration = Duration::from_secs(4);

/// A hub as the demo wants it: id, type, location, the port it takes if it is free.
pub(super) const WANTED: [(&str, &str, &str, u16); 4] = [
    ("us-east-1", "primary", "us-east", 3001),
    ("us-west-1", "secondary", "us-west", 3002),
    ("eu-central-1", "primary", "eu-central", 3003),
    ("ap-northeast-1", "edge", "ap-northeast", 3004),
];

/// A hub that runs.
#[derive(Debug, Clone)]
pub(super) struct Hub {
    pub(super) id: &'static str,
    pub(super) hub_type: &'static str,
    pub(super) location: &'static str,
    pub(super) address: SocketAddr,
    pub(super) pid: u32,
}

/// The hubs; dropping it ends them.
pub(super) struct Fleet {
    hubs: Vec<Hub>,
    children: Vec<Child>,
}

impl Fleet {
    /// Starts all four and waits until each answers. Their logs go to `folder`.
    pub(super) fn start(folder: &Path) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        let mut fleet = Self { hubs: Vec::new(), children: Vec::new() };
        for (id, hub_type, location, port) in WANTED {
            let address = free_address(port)?;
            let log = log_of(folder, id);
            let child = command(&program, id, location, address, &log)?
                .spawn()
                .with_context(|| format!("cannot start the hub {id}"))?;
            fleet.hubs.push(Hub { id, hub_type, location, address, pid: child.id() });
            fleet.children.push(child);
        }
        // One deadline for all: they start side by side.
        let deadline = clock::instant() + ANSWERS_WITHIN;
        for (hub, child) in fleet.hubs.iter().zip(&mut fleet.children) {
            while exchange(hub.address, "GET /metrics", None, Duration::from_secs(1)).is_err() {
                let ended = child.try_wait()?.map(|status| format!("ended ({status})"));
                let late = (clock::instant() >= deadline).then(|| "does not answer".to_owned());
                if let Some(what) = ended.or(late) {
                    let said = std::fs::read_to_string(log_of(folder, hub.id)).unwrap_or_default();
                    bail!("the hub {} {what}; it said:\n{}", hub.id, said.trim_end());
                }
                std::thread::park_timeout(Duration::from_millis(20));
            }
        }
        Ok(fleet)
    }

    pub(super) fn hubs(&self) -> &[Hub] {
        &self.hubs
    }
}

fn log_of(folder: &Path, id: &str) -> PathBuf {
    folder.join(format!("hub-{id}.log"))
}

fn command(
    program: &Path,
    id: &str,
    location: &str,
    address: SocketAddr,
    log: &Path,
) -> anyhow::Result<Command> {
    let log = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut command = Command::new(program);
    command.args(["hub", "--id", id, "--location", location, "--listen", &address.to_string()]);
    command.args(["--ends-with", &std::process::id().to_string()]);
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    // A group of its own: Ctrl-C in the terminal reaches the gateway, which finishes its requests while the hubs
    // still stand.
    command.process_group(0);
    Ok(command)
}

/// The usual port if it is free, else any.
fn free_address(port: u16) -> anyhow::Result<SocketAddr> {
    let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let bound = TcpListener::bind(loopback(port)).or_else(|error| match error.kind() {
        io::ErrorKind::AddrInUse => TcpListener::bind(loopback(0)),
        _ => Err(error),
    });
    Ok(bound.context("cannot find a free port for a hub")?.local_addr()?)
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for child in &self.children {
            // One that has ended already needs no signal; its id is ours until we have waited for it.
            if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::TERM);
            }
        }
        let deadline = clock::instant() + ENDS_WITHIN;
        for child in &mut self.children {
            while matches!(child.try_wait(), Ok(None)) {
                if clock::instant() >= deadline {
                    let _ = child.kill();
                    let _ = child.wait();
                    break;
                }
                std::thread::park_timeout(Duration::from_millis(10));
            }
        }
    }
}
