//! Who plays beside a peer: how are the hub and the load generator started?
//!
//! Owns the processes that this program starts of itself, on the load's core.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::case::Case;
use crate::load::Run;
use crate::load::hold::Kind;
use crate::peers::running::Running;
use crate::peers::{HUB_PORT, Site};

/// Load before each measured window: fills pools and caches, starts no figure.
const WARMUP: Duration = Duration::from_millis(500);

/// What one process of the load generator does.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Where the endpoint listens.
    pub target: SocketAddr,
    /// What is sent.
    pub case: Case,
    /// Connections.
    pub connections: usize,
    /// Most requests in flight.
    pub in_flight: usize,
    /// Length of the window, in seconds.
    pub seconds: f64,
    /// The proxy's process.
    pub proxy: Option<u32>,
}

/// Starts the hub.
///
/// # Errors
/// When it does not serve.
pub fn start_hub(site: &Site) -> Result<Running> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, HUB_PORT));
    let command = [this_program()?, "hub".to_owned(), "--listen".to_owned(), address.to_string()];
    let mut hub = Running::start(&command, site.load_core, &site.scratch, &site.scratch.join("hub.log"))
        .context("starting the bench hub")?;
    hub.wait_ready(address).context("waiting for the bench hub")?;
    Ok(hub)
}

/// One run of the load generator, in a process of its own.
///
/// # Errors
/// When it fails, with what it said.
pub fn load(site: &Site, hub: &Running, load: &Load) -> Result<Run> {
    let mut command = own_process(site)?;
    command
        .args(["load", "--target", &load.target.to_string()])
        .args(["--case", &load.case.name()])
        .args(["--connections", &load.connections.to_string()])
        .args(["--in-flight", &load.in_flight.to_string()])
        .args(["--warmup", &WARMUP.as_secs_f64().to_string()])
        .args(["--window", &load.seconds.to_string()])
        .args(["--certificate", &site.certificate().to_string_lossy()])
        .args(["--hub", &hub.pid().to_string()]);
    if let Some(proxy) = load.proxy {
        command.args(["--proxy", &proxy.to_string()]);
    }
    let output = command
        .stdin(Stdio::null())
        .output()
        .context("running taskset (package util-linux) with the load generator")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    serde_json::from_slice(&output.stdout).context("reading the load generator's result")
}

/// Idle things at an endpoint, let go when dropped.
#[derive(Debug)]
pub struct Held {
    child: Child,
}

/// Opens `count` of `kind` at `target` and waits until all are there.
///
/// # Errors
/// When one of them cannot be had.
pub fn hold(site: &Site, target: SocketAddr, kind: Kind, count: usize) -> Result<Held> {
    let kind = clap::ValueEnum::to_possible_value(&kind).context("naming what is held")?;
    let mut child = own_process(site)?
        .args(["hold", "--target", &target.to_string(), "--kind", kind.get_name()])
        .args(["--count", &count.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("running taskset (package util-linux)")?;
    let stdout = child.stdout.take().context("reading from the load generator")?;
    let held = Held { child };
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).context("reading from the load generator")?;
    ensure!(line.trim() == "held", "not all {count} could be opened; the reason is above");
    Ok(held)
}

impl Drop for Held {
    fn drop(&mut self) {
        // The end of its input is what it waits for.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn own_process(site: &Site) -> Result<Command> {
    let mut command = Command::new("taskset");
    // Its errors go into the report, where a stack of calls would be noise.
    command.env("RUST_BACKTRACE", "0").args(["-c", &site.load_core.to_string(), &this_program()?]);
    Ok(command)
}

fn this_program() -> Result<String> {
    let path = std::env::current_exe().context("finding this program")?;
    Ok(path.to_string_lossy().into_owned())
}
