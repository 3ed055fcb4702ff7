//! Does a request cost more where there are more connections, hubs or sessions?
//!
//! Gateways with other configurations stand beside each other and are loaded in alternating rounds, and HAProxy likewise:
//! some of the growth is the machine's, whose caches hold only so much. A cost that grows with the fleet or with sessions
//! is a defect.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::case::Case;
use crate::load::Run;
use crate::load::hold::Kind;
use crate::page::{Spread, thousands};
use crate::peers::launch;
use crate::peers::running::Running;
use crate::peers::{BASE_FIRST, HUB_PORT, PEERS, Site};
use crate::process;
use crate::rounds::{Settings, brief};
use crate::stage::{self, Load};

/// Hubs or servers of the base, and of the large fleet.
const HUBS: [usize; 2] = [4, 1_000];
/// Idle sessions of others.
const SESSIONS: usize = 100_000;
/// Keep-alive connections, which take turns.
const CONNECTIONS: [usize; 3] = [10, 1_000, 8_000];
/// Requests in flight with any number of connections, so that nothing but their number differs.
const IN_FLIGHT: usize = 10;
/// Most rounds.
const ROUNDS_MAX: usize = 3;
/// How long a gateway without requests is watched.
const QUIET: Duration = Duration::from_secs(5);

/// A gateway, or a peer beside it.
struct Subject {
    name: String,
    address: SocketAddr,
    running: Running,
    /// CPU seconds per second without a request.
    quiet: f64,
}

/// The runs of one line of the table.
#[derive(Debug)]
pub struct Line {
    what: String,
    subject: String,
    /// The line that this one is compared with.
    base: usize,
    quiet: f64,
    /// By case, in the order of [`CASES`].
    runs: [Vec<Option<Run>>; 2],
}

/// Either era.
const CASES: [Case; 2] = [Case::JsonLegacy, Case::JsonModern];

/// One line before it is run: which subject, and how many connections and requests in flight.
struct Setting {
    subject: usize,
    connections: usize,
    in_flight: usize,
    base: usize,
}

/// Measures all lines.
///
/// # Errors
/// When a gateway does not start or does not open what it should. A run that fails is told and left out.
pub fn measure(site: &Site, settings: &Settings) -> Result<Vec<Line>> {
    let hub = stage::start_hub(site)?;
    let families = families(site)?;
    let usual = settings.connections;
    let (mut plan, mut first) = (Vec::new(), 0);
    for family in &families {
        let base = plan.len();
        let of_family = first..first + family.len();
        plan.extend(of_family.map(|subject| Setting { subject, connections: usual, in_flight: usual, base }));
        let base = plan.len();
        plan.extend(CONNECTIONS.map(|connections| Setting {
            subject: first,
            connections,
            in_flight: IN_FLIGHT,
            base,
        }));
        first += family.len();
    }
    let subjects: Vec<Subject> = families.into_iter().flatten().collect();
    let mut lines: Vec<Line> =
        plan.iter().map(|setting| Line::new(setting, &subjects[setting.subject])).collect();
    for round in 0..settings.rounds.min(ROUNDS_MAX) {
        for step in 0..plan.len() {
            let at = (round + step) % plan.len();
            let (setting, subject) = (&plan[at], &subjects[plan[at].subject]);
            for (case, runs) in CASES.into_iter().zip(&mut lines[at].runs) {
                let load = Load {
                    target: subject.address,
                    case,
                    connections: setting.connections,
                    in_flight: setting.in_flight,
                    seconds: settings.seconds,
                    proxy: Some(subject.running.pid()),
                };
                let run = stage::load(site, &hub, &load);
                let told = match &run {
                    Ok(run) => brief(run),
                    Err(error) => format!("FAILED: {error:#}"),
                };
                eprintln!(
                    "round {}, {}, {} connections, {}: {told}",
                    round + 1,
                    subject.name,
                    load.connections,
                    case.name()
                );
                runs.push(run.ok());
            }
        }
    }
    Ok(lines)
}

/// Ours and theirs, each with the base first.
fn families(site: &Site) -> Result<Vec<Vec<Subject>>> {
    let ours = vec![
        gateway(site, "4 hubs", HUBS[0], 1)?,
        gateway(site, "1,000 hubs", HUBS[1], 2)?,
        gateway(site, "4 hubs, 100,000 idle sessions", HUBS[0], 3)?,
    ];
    let held = stage::hold(site, ours[2].address, Kind::Sessions, SESSIONS).context("opening sessions")?;
    drop(held);
    let theirs = [haproxy(site, HUBS[0], 4)?, haproxy(site, HUBS[1], 5)?].into_iter().flatten().collect();
    let mut all = vec![ours, theirs];
    for subject in all.iter_mut().flatten() {
        let before = process::cpu_seconds(subject.running.pid())?;
        thread::sleep(QUIET);
        subject.quiet = (process::cpu_seconds(subject.running.pid())? - before) / QUIET.as_secs_f64();
    }
    Ok(all)
}

/// A folder of the subject's own, with its configuration and these files of the bench's.
fn folder(site: &Site, number: u16, (name, text): (&str, &str), files: &[&str]) -> Result<PathBuf> {
    let folder = site.scratch.join(format!("growth-{number}"));
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    fs::write(folder.join(name), text).context("writing a configuration")?;
    for file in files {
        fs::copy(site.scratch.join(file), folder.join(file)).with_context(|| format!("copying {file}"))?;
    }
    Ok(folder)
}

fn on_other_ports(text: &str, ports: &[u16], number: u16) -> String {
    ports.iter().fold(text.to_owned(), |text, port| {
        text.replace(&port.to_string(), &(port + 20 * number).to_string())
    })
}

/// Starts HAProxy with so many servers, which are all the one hub; `None` where it is not installed.
fn haproxy(site: &Site, servers: usize, number: u16) -> Result<Option<Subject>> {
    let peer =
        PEERS.iter().find(|peer| peer.name == BASE_FIRST).context("there is no HAProxy among the peers")?;
    let text = fs::read_to_string(site.configs.join("haproxy.cfg")).context("reading haproxy.cfg")?;
    let mut text = on_other_ports(&text, &[18402, 18412], number);
    let one = text.lines().find(|line| line.trim_start().starts_with("server hub ")).map(str::to_owned);
    let one = one.context("haproxy.cfg names no server")?;
    for n in 1..servers {
        let _ = writeln!(text, "{}", one.replacen("server hub ", &format!("server hub-{n} "), 1));
    }
    let folder = folder(site, number, ("haproxy.cfg", &text), &["both.pem"])?;
    let site = Site { scratch: folder.clone(), ..site.clone() };
    let Some(command) = peer.command(&site) else { return Ok(None) };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 18402 + 20 * number));
    let name = format!("{}, {} servers", peer.name, thousands(servers as f64));
    let running = launch::start(&name, &command, address, &site, &folder).context(name.clone())?;
    Ok(Some(Subject { name, address, running, quiet: 0.0 }))
}

/// Starts the gateway with so many hubs, which are all the one there is, under paths of their own.
fn gateway(site: &Site, name: &str, hubs: usize, number: u16) -> Result<Subject> {
    let edge = site.edge.as_ref().context("the gateway's binary is missing")?;
    let text = fs::read_to_string(site.configs.join("edge.toml")).context("reading edge.toml")?;
    let text = configuration(&text, hubs, number);
    let folder = folder(site, number, ("edge.toml", &text), &["cert.pem", "key.pem"])?;
    let config = folder.join("edge.toml");
    let path = |path: &std::path::Path| path.to_string_lossy().into_owned();
    let command = [path(edge), "run".to_owned(), "--config".to_owned(), path(&config)];
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 18403 + 20 * number));
    let running = launch::start("gateway", &command, address, site, &folder).context(name.to_owned())?;
    Ok(Subject { name: name.to_owned(), address, running, quiet: 0.0 })
}

/// The bench's configuration on other ports and with other hubs.
fn configuration(text: &str, hubs: usize, number: u16) -> String {
    let mut out = on_other_ports(text, &[18403, 18413, 18493], number);
    for n in 1..hubs {
        let _ = write!(
            out,
            "\n[[hub]]\nid = \"bench-hub-{n}\"\ntype = \"primary\"\nlocation = \"here\"\n\
             url = \"http://127.0.0.1:{HUB_PORT}/mcp/{n}\"\n"
        );
    }
    // Every hub is used: a fleet of which one hub serves all would show nothing.
    out + "\n[routing]\nalgorithm = \"round-robin\"\nsticky_sessions = false\n"
}

impl Line {
    fn new(setting: &Setting, subject: &Subject) -> Self {
        Self {
            what: format!("{} connections, {} in flight", setting.connections, setting.in_flight),
            subject: subject.name.clone(),
            base: setting.base,
            quiet: subject.quiet,
            runs: [Vec::new(), Vec::new()],
        }
    }
}

/// Microseconds of the proxy's CPU per answer, without what it uses when there is nothing to answer.
fn cost(run: &Run, quiet: f64) -> Option<f64> {
    (run.answers > 0).then(|| 1e6 * (run.proxy_cpu - quiet * run.seconds) / run.answers as f64)
}

/// The table.
#[must_use]
pub fn markdown(lines: &[Line]) -> String {
    let mut out = "CPU of the proxy per request, without what it uses when there are none (last column). `×` is the cost beside that of the first line of its kind, \
                   within each round.\n\n| proxy | load | legacy µs | × | modern µs | × | CPU without a request |\n\
                   | --- | --- | ---: | --- | ---: | --- | ---: |\n"
        .to_owned();
    for line in lines {
        let cells = [0, 1].map(|case| {
            let base_line = &lines[line.base];
            let (runs, base) = (&line.runs[case], &base_line.runs[case]);
            let median = Spread::of(runs.iter().flatten().filter_map(|run| cost(run, line.quiet)));
            let times = Spread::of(runs.iter().zip(base).filter_map(|(run, base)| {
                Some(cost(run.as_ref()?, line.quiet)? / cost(base.as_ref()?, base_line.quiet)?)
            }));
            let median = median.map_or("-".to_owned(), |s| format!("{:.1}", s.median));
            let times =
                times.map_or("-".to_owned(), |s| format!("{:.2} ({:.2}..{:.2})", s.median, s.min, s.max));
            format!("{median} | {times}")
        });
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {:.1} % |",
            line.subject,
            line.what,
            cells[0],
            cells[1],
            100.0 * line.quiet
        );
    }
    out
}

/// Errors in the runs, and runs that failed.
#[must_use]
pub fn errors(lines: &[Line]) -> Vec<String> {
    let wrong = |line: &Line| {
        let runs = line.runs.iter().flatten();
        let failed = runs.clone().filter(|run| run.is_none()).count();
        let first = runs.flatten().find_map(|run| run.first_error.clone());
        (failed > 0 || first.is_some())
            .then(|| format!("{}, {}: {failed} runs failed, first error: {first:?}", line.subject, line.what))
    };
    lines.iter().filter_map(wrong).collect()
}
