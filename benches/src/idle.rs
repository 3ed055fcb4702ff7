//! How much memory do things take that are there and do nothing?
//!
//! Each peer is started afresh, so that nothing is left of earlier load; its memory is read, then so many idle things are
//! opened, and it is read again.

use std::fmt::Write as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::case::Field;
use crate::load::hold::Kind;
use crate::page::Spread;
use crate::peers::{PEERS, Peer, Role, Site};
use crate::process;
use crate::report::{Bars, Group};
use crate::rounds::Settings;
use crate::stage;

/// Connections and streams. 16,000 descriptors in a proxy, which many systems allow.
const CONNECTIONS: usize = 8_000;
/// Sessions. Only the gateway knows of them.
const SESSIONS: usize = 100_000;
/// Most rounds: memory differs little from one to the next.
const ROUNDS_MAX: usize = 2;
/// Wait before memory is read, so that what was opened has come to rest.
const SETTLE: Duration = Duration::from_secs(2);
const KIB: f64 = 1024.0;

/// What was read of one peer, in bytes, one figure per round.
#[derive(Debug)]
pub struct Idle {
    name: &'static str,
    none: Vec<f64>,
    each: Vec<(Kind, Vec<f64>)>,
}

/// Measures every peer that was asked for.
///
/// # Errors
/// When a peer does not start or does not open what it should.
pub fn measure(site: &Site, settings: &Settings) -> Result<Vec<Idle>> {
    let hub = stage::start_hub(site)?;
    let mut all = Vec::new();
    let asked =
        |peer: &&Peer| peer.launch.is_some() && peer.takes_part(Field::Proxies) && settings.wants(peer);
    for peer in PEERS.iter().filter(asked) {
        let kinds = match peer.role {
            Role::Edge => vec![Kind::Connections, Kind::Streams, Kind::Sessions],
            _ => vec![Kind::Connections, Kind::Streams],
        };
        let mut idle = Idle { name: peer.name, none: Vec::new(), each: Vec::new() };
        for kind in kinds {
            let mut figures = Vec::new();
            for round in 1..=settings.rounds.min(ROUNDS_MAX) {
                let Some((none, each)) =
                    once(site, peer, kind).with_context(|| format!("at {}", peer.name))?
                else {
                    break;
                };
                eprintln!("round {round}, idle, {}, {kind:?}: {:.1} KiB each", peer.name, each / KIB);
                idle.none.push(none);
                figures.push(each);
            }
            idle.each.push((kind, figures));
        }
        if !idle.none.is_empty() {
            all.push(idle);
        }
    }
    drop(hub);
    Ok(all)
}

fn count(kind: Kind) -> usize {
    match kind {
        Kind::Connections | Kind::Streams => CONNECTIONS,
        Kind::Sessions => SESSIONS,
    }
}

/// Memory with none of them, and what each adds. `None` when the peer's program is missing.
fn once(site: &Site, peer: &Peer, kind: Kind) -> Result<Option<(f64, f64)>> {
    let Some(running) = peer.start(site)? else { return Ok(None) };
    thread::sleep(SETTLE);
    let before = process::resident_bytes(running.pid())? as f64;
    let held = stage::hold(site, peer.address(), kind, count(kind))?;
    thread::sleep(SETTLE);
    let after = process::resident_bytes(running.pid())? as f64;
    drop(held);
    Ok(Some((before, (after - before) / count(kind) as f64)))
}

impl Idle {
    fn of(&self, kind: Kind) -> Option<Spread> {
        let (_, figures) = self.each.iter().find(|(other, _)| *other == kind)?;
        Spread::of(figures.iter().copied())
    }
}

/// The table.
#[must_use]
pub fn markdown(all: &[Idle]) -> String {
    let mut out = format!(
        "| peer | idle MiB | KiB per connection ({CONNECTIONS}) | **KiB per SSE stream** \
         ({CONNECTIONS}) | bytes per session ({SESSIONS}) |\n| --- | ---: | ---: | ---: | ---: |\n"
    );
    for idle in all {
        let cell = |kind, unit: f64, digits: usize| {
            idle.of(kind).map_or("-".to_owned(), |s| format!("{:.digits$}", s.median / unit))
        };
        let none = Spread::of(idle.none.iter().copied()).map_or(0.0, |s| s.median);
        let _ = writeln!(
            out,
            "| {} | {:.1} | {} | **{}** | {} |",
            idle.name,
            none / KIB / KIB,
            cell(Kind::Connections, KIB, 1),
            cell(Kind::Streams, KIB, 1),
            cell(Kind::Sessions, 1.0, 0),
        );
    }
    out
}

/// Writes the bars of the streams.
///
/// # Errors
/// When the file cannot be written.
pub fn draw(folder: &Path, all: &[Idle]) -> Result<()> {
    let bars =
        all.iter().filter_map(|idle| Some((idle.name.to_owned(), idle.of(Kind::Streams)?.median / KIB)));
    let group = Group { name: format!("{CONNECTIONS} streams"), bars: bars.collect() };
    let title = "Memory per idle SSE stream, KiB (less is better)".to_owned();
    Bars { title, groups: vec![group] }.write(&folder.join("streams.svg"))
}
