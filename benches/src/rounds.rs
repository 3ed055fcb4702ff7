//! In which order is everything run, so that a busy moment of the machine hits all peers alike?
//!
//! Owns the rounds: every peer once per round, the order shifted by one from round to round. All peers stay up the
//! whole time; an idle one costs nothing. Does not know how figures are judged.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::load::Run;
use crate::peers::{HUB_PORT, PEERS, Peer, Running, Site};
use crate::wire::Case;

/// Load before each measured window, in seconds: fills pools and caches, starts no figure.
const WARMUP: f64 = 0.5;
/// Most rounds with one connection: its figures are for information.
const SINGLE_ROUNDS_MAX: usize = 3;

/// What to run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Rounds of each case.
    pub rounds: usize,
    /// Length of a measured window, in seconds.
    pub seconds: f64,
    /// Keep-alive connections of the main tables.
    pub connections: usize,
    /// Idle sessions of other clients, opened at each peer before all else.
    pub others: usize,
    /// Cases to run.
    pub cases: Vec<Case>,
    /// Names of the peers to run; empty means all.
    pub peers: Vec<String>,
}

/// All runs of one case with one number of connections.
#[derive(Clone, Debug)]
pub struct Series {
    /// What was sent.
    pub case: Case,
    /// Connections used.
    pub connections: usize,
    /// Runs by the peer's place in [`PEERS`], in the order of the rounds. `None` where a run was given up.
    pub runs: BTreeMap<usize, Vec<Option<Run>>>,
    /// Why runs were given up.
    pub failures: Vec<String>,
}

/// Starts everything, runs all rounds, stops everything.
///
/// # Errors
/// When a process does not start or serve. A run that is given up is a failure in its [`Series`].
pub fn measure(site: &Site, settings: &Settings) -> Result<Vec<Series>> {
    for name in &settings.peers {
        ensure!(PEERS.iter().any(|peer| peer.name.eq_ignore_ascii_case(name)), "there is no peer {name:?}");
    }
    fs::create_dir_all(&site.scratch).with_context(|| format!("creating {}", site.scratch.display()))?;
    let stage = Stage { site, settings, hub: start_hub(site)?, started: start_peers(site, settings)? };
    let mut all = Vec::new();
    for &case in &settings.cases {
        all.push(stage.series(case, settings.connections, settings.rounds));
    }
    if settings.connections != 1 {
        // One connection shows what a request costs without batching, and how long it takes when nothing queues.
        for &case in &settings.cases {
            all.push(stage.series(case, 1, settings.rounds.min(SINGLE_ROUNDS_MAX)));
        }
    }
    Ok(all)
}

fn start_hub(site: &Site) -> Result<Running> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, HUB_PORT));
    let command = [this_program()?, "hub".to_owned(), "--listen".to_owned(), address.to_string()];
    let mut hub = Running::start(&command, site.load_core, &site.scratch, &site.scratch.join("hub.log"))
        .context("starting the bench hub")?;
    hub.wait_ready(address).context("waiting for the bench hub")?;
    Ok(hub)
}

fn start_peers(site: &Site, settings: &Settings) -> Result<Vec<Started>> {
    let mut started = Vec::new();
    for (at, peer) in PEERS.iter().enumerate() {
        let wanted = settings.peers.is_empty()
            || settings.peers.iter().any(|name| name.eq_ignore_ascii_case(peer.name));
        if !wanted {
            continue;
        }
        let running = peer.start(site)?;
        if running.is_none() && peer.launch.is_some() {
            eprintln!("{}: program not found, LEFT OUT", peer.name);
            continue;
        }
        crate::load::crowd(peer.address(), settings.others).with_context(|| format!("at {}", peer.name))?;
        started.push(Started { at, peer, running });
    }
    Ok(started)
}

struct Started {
    at: usize,
    peer: &'static Peer,
    running: Option<Running>,
}

/// Everything that is up while rounds are run.
struct Stage<'a> {
    site: &'a Site,
    settings: &'a Settings,
    // Before the hub: fields are dropped in this order, and a proxy should not outlive its hub's usefulness.
    started: Vec<Started>,
    hub: Running,
}

impl Stage<'_> {
    fn series(&self, case: Case, connections: usize, rounds: usize) -> Series {
        let mut series = Series { case, connections, runs: BTreeMap::new(), failures: Vec::new() };
        for round in 0..rounds {
            for step in 0..self.started.len() {
                let started = &self.started[(round + step) % self.started.len()];
                let what = format!("{}, {connections} connections, {}", case.title(), started.peer.name);
                let run = self.load(case, connections, started).map_err(|error| {
                    eprintln!("FAILED: {what}: {error:#}");
                    series.failures.push(format!("{what}: {error:#}"));
                });
                if let Ok(run) = &run {
                    eprintln!("round {}/{rounds}, {what}: {}", round + 1, brief(run));
                }
                series.runs.entry(started.at).or_default().push(run.ok());
            }
        }
        series
    }

    /// One run of the load generator, in a process of its own on the load's core.
    fn load(&self, case: Case, connections: usize, started: &Started) -> Result<Run> {
        let mut command = Command::new("taskset");
        command
            .args(["-c", &self.site.load_core.to_string(), &this_program()?, "load"])
            .args(["--target", &started.peer.address().to_string()])
            .args(["--case", &case.name()])
            .args(["--connections", &connections.to_string()])
            .args(["--warmup", &WARMUP.to_string()])
            .args(["--window", &self.settings.seconds.to_string()])
            .args(["--hub", &self.hub.pid().to_string()]);
        if let Some(running) = &started.running {
            command.args(["--proxy", &running.pid().to_string()]);
        }
        let output = command
            .stdin(Stdio::null())
            .output()
            .context("running taskset (package util-linux) with the load generator")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
        serde_json::from_slice(&output.stdout).context("reading the load generator's result")
    }
}

fn this_program() -> Result<String> {
    let path = std::env::current_exe().context("finding this program")?;
    Ok(path.to_string_lossy().into_owned())
}

fn brief(run: &Run) -> String {
    let per_cpu = if run.proxy_cpu > 0.0 {
        format!("{:.0} req per proxy-CPU-s, ", run.answers as f64 / run.proxy_cpu)
    } else {
        String::new()
    };
    format!("{per_cpu}{:.0} req/s, {} errors", run.answers as f64 / run.seconds, run.errors)
}
