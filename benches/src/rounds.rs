//! In which order is everything run, so that a busy moment of the machine hits all peers alike?
//!
//! Owns the rounds: every peer once per round, the order shifted by one from round to round. All peers that are
//! compared with each other stay up the whole time; an idle one costs nothing. Does not know how figures are judged.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

use crate::case::{Case, Field};
use crate::load::{Run, hold};
use crate::peers::running::Running;
use crate::peers::{PEERS, Peer, Role, Site};
use crate::stage::{self, Load};

/// Most rounds with one connection, whose figures are for information, and among gateways that are far apart.
const FEW_ROUNDS: usize = 3;

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
    let mut all = Vec::new();
    for field in [Field::Proxies, Field::Gateways] {
        let cases: Vec<Case> = settings.cases.iter().copied().filter(|case| case.field() == field).collect();
        if cases.is_empty() {
            continue;
        }
        let hub = stage::start_hub(site)?;
        let (started, mut missing) = start_peers(site, settings, field)?;
        let stage = Stage { site, settings, hub, started };
        let rounds = if field == Field::Gateways { settings.rounds.min(FEW_ROUNDS) } else { settings.rounds };
        for alternating in cases.chunk_by(|before, case| case.against() == Some(*before)) {
            all.extend(stage.series(alternating, settings.connections, rounds));
        }
        all.last_mut().into_iter().for_each(|series| series.failures.append(&mut missing));
        if settings.connections != 1 {
            // One connection shows what a request costs without batching, and how long it takes when nothing queues.
            for &case in cases.iter().filter(|case| case.is_small_json() || case.is_sse()) {
                all.extend(stage.series(&[case], 1, settings.rounds.min(FEW_ROUNDS)));
            }
        }
    }
    Ok(all)
}

impl Settings {
    /// Whether the peer was asked for.
    #[must_use]
    pub fn wants(&self, peer: &Peer) -> bool {
        self.peers.is_empty() || self.peers.iter().any(|name| name.eq_ignore_ascii_case(peer.name))
    }
}

/// Starts all who take part. One that cannot be started is left out, and said why; without ours there is nothing to measure.
fn start_peers(site: &Site, settings: &Settings, field: Field) -> Result<(Vec<Started>, Vec<String>)> {
    let (mut started, mut missing) = (Vec::new(), Vec::new());
    let wanted = |peer: &Peer| peer.takes_part(field) && settings.wants(peer);
    for (at, peer) in PEERS.iter().enumerate().filter(|(_, peer)| wanted(peer)) {
        let running = match peer.start(site) {
            Ok(running) => running,
            Err(error) if matches!(peer.role, Role::Proxy | Role::Gateway) => {
                eprintln!("LEFT OUT: {error:#}");
                missing.push(format!("{} was left out: it did not start", peer.name));
                continue;
            }
            Err(error) => return Err(error),
        };
        if running.is_none() && peer.launch.is_some() {
            eprintln!("{}: program not found, LEFT OUT", peer.name);
            continue;
        }
        hold::hold(peer.address(), hold::Kind::Sessions, settings.others)
            .with_context(|| format!("at {}", peer.name))?;
        started.push(Started { at, peer, running });
    }
    Ok((started, missing))
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
    /// All rounds of these cases, each round with each of them.
    fn series(&self, cases: &[Case], connections: usize, rounds: usize) -> Vec<Series> {
        let begun = |&case: &Case| Series {
            case,
            connections: case.connections(connections),
            runs: BTreeMap::new(),
            failures: Vec::new(),
        };
        let mut all: Vec<_> = cases.iter().map(begun).collect();
        for round in 0..rounds {
            for series in &mut all {
                self.round(series, round, rounds);
            }
        }
        all
    }

    /// Every peer once.
    fn round(&self, series: &mut Series, round: usize, rounds: usize) {
        let Series { case, connections, .. } = *series;
        for step in 0..self.started.len() {
            let started = &self.started[(round + step) % self.started.len()];
            let Some(target) = started.peer.address_for(case) else { continue };
            let what = format!("{}, {connections} connections, {}", case.title(), started.peer.name);
            let load = Load {
                target,
                case,
                connections,
                in_flight: connections,
                seconds: self.settings.seconds,
                proxy: started.running.as_ref().map(Running::pid),
            };
            let run = stage::load(self.site, &self.hub, &load).map_err(|error| {
                eprintln!("FAILED: {what}: {error:#}");
                series.failures.push(format!("{what}: {error:#}"));
            });
            if let Ok(run) = &run {
                eprintln!("round {}/{rounds}, {what}: {}", round + 1, brief(run));
            }
            series.runs.entry(started.at).or_default().push(run.ok());
        }
    }
}

/// A run in a few words.
#[must_use]
pub fn brief(run: &Run) -> String {
    let per_cpu = if run.proxy_cpu > 0.0 {
        format!("{:.0} req per proxy-CPU-s, ", run.answers as f64 / run.proxy_cpu)
    } else {
        String::new()
    };
    format!("{per_cpu}{:.0} req/s, {} errors", run.answers as f64 / run.seconds, run.errors)
}
