//! What do the runs say, in a table that a reader can check?
//!
//! Owns ratios and the comparison with the reference figures. Does not know how the runs came about.

mod figures;
mod svg;
mod tables;

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;

use self::figures::{main_series, per_cpu, place};
use self::tables::ratio;
use crate::case::{Case, Field, Way};
use crate::page::{self, thousands};
use crate::peers::{BASE_FIRST, BASE_SECOND, BASE_THIRD, OURS, PEERS, REFERENCE_MACHINE, Role, Site};
use crate::rounds::{Series, Settings};

pub use self::svg::{Bars, Group};

/// The whole report in Markdown.
#[must_use]
pub fn markdown(site: &Site, settings: &Settings, all: &[Series], invocation: &str) -> String {
    let mut out = summary(settings, all);
    let is_main = |series: &&Series| series.connections == series.case.connections(settings.connections);
    for series in all.iter().filter(is_main) {
        out.push_str(&series.table());
        out.push('\n');
    }
    let mut single = all.iter().filter(|series| !is_main(series)).peekable();
    if single.peek().is_some() {
        out.push_str(
            "### One connection, for information\n\nNothing queues and nothing is batched: the latency of a request, \
             wake-ups included.\n\n| case | peer | req per proxy-CPU-s | req/s | p50 µs | p99 µs | errors |\n\
             | --- | --- | ---: | ---: | ---: | ---: | ---: |\n",
        );
        single.for_each(|series| out.push_str(&series.rows_single()));
        out.push('\n');
    }
    let references: Vec<String> = all.iter().filter(is_main).flat_map(Series::against_reference).collect();
    if !references.is_empty() {
        let _ = writeln!(
            out,
            "Against the reference ({REFERENCE_MACHINE}), in requests per proxy-CPU-second:\n\n{}",
            references.join("\n")
        );
    }
    let errors: Vec<String> = all.iter().flat_map(Series::errors).collect();
    let _ = writeln!(out, "\nErrors: {}\n", if errors.is_empty() { "none." } else { "" });
    for error in errors {
        let _ = writeln!(out, "- {error}");
    }
    let _ = writeln!(out, "\n{}", circumstances(site, settings, all, invocation));
    out
}

/// Ours against the others, a line for each case.
fn summary(settings: &Settings, all: &[Series]) -> String {
    let Some(ours) = place(OURS) else { return String::new() };
    let bases = [BASE_FIRST, BASE_SECOND, BASE_THIRD];
    let gateways = PEERS.iter().filter(|peer| peer.role == Role::Gateway).map(|peer| peer.name);
    let mut out = format!(
        "### {OURS}: requests per CPU second, and how many times those of the others\n\n| case | req per CPU-s | ÷ {} |\n\
         | --- | ---: | --- | --- | --- |\n",
        bases.join(" | ÷ ")
    );
    let mut beside = String::new();
    for series in Case::all().iter().filter_map(|case| main_series(all, *case, settings.connections)) {
        let Some(rate) = series.spread(ours, per_cpu) else { continue };
        let rate = thousands(rate.median);
        if series.case.field() == Field::Gateways {
            for name in gateways.clone() {
                let Some(times) = series.paired(ours, name) else { continue };
                let _ = writeln!(
                    beside,
                    "{}: {rate} per CPU second, {} times those of {name}.",
                    series.case.title(),
                    ratio(Some(times))
                );
            }
            continue;
        }
        let other = series.case.against().and_then(|other| main_series(all, other, settings.connections));
        if let Some((other, times)) = other.and_then(|other| Some((other, series.times(other, ours)?))) {
            let _ = writeln!(
                beside,
                "{}: {rate} per CPU second, {} times those of \"{}\", in rounds that alternate.\n",
                series.case.title(),
                ratio(Some(times)),
                other.case.title()
            );
        }
        let ratios = bases.map(|base| ratio(series.paired(ours, base)));
        let _ = writeln!(out, "| {} | {rate} | {} |", series.case.title(), ratios.join(" | "));
    }
    format!("{out}\n{beside}\n")
}

/// Writes the bars of these runs beside the page.
///
/// # Errors
/// When a file cannot be written.
pub fn draw(folder: &Path, settings: &Settings, all: &[Series]) -> Result<()> {
    let cases = |wanted: &dyn Fn(Case) -> bool| -> Vec<&Series> {
        let series = Case::all().iter().filter(|case| wanted(**case));
        series.filter_map(|case| main_series(all, *case, settings.connections)).collect()
    };
    let group = |series: &Series, figure: &dyn Fn(usize) -> Option<f64>| Group {
        name: series.case.title().to_owned(),
        bars: series.runs.keys().filter_map(|at| Some((PEERS[*at].name.to_owned(), figure(*at)?))).collect(),
    };
    let in_proxies = |case: Case| case.field() == Field::Proxies;
    let rates = cases(&|case| in_proxies(case) && matches!(case.way(), Way::Closed | Way::Http2));
    let latencies = cases(&|case| matches!(case.way(), Way::Rate(_)));
    let handshakes = cases(&|case| case.way() == Way::Handshakes);
    let cpu = |series: &Series, at| series.spread(at, per_cpu).map(|s| s.median);
    let all_bars = [
        (
            "throughput.svg",
            "Requests per CPU second of the proxy (more is better)",
            rates.iter().map(|s| group(s, &|at| cpu(s, at))).collect::<Vec<_>>(),
        ),
        (
            "latency.svg",
            "Median latency added at a fixed rate, µs (less is better)",
            latencies
                .iter()
                .map(|s| {
                    let added = |at: usize| {
                        s.added(at, "direct", |run| run.p50)
                            .filter(|_| PEERS[at].launch.is_some())
                            .map(|s| s.median)
                    };
                    group(s, &added)
                })
                .collect(),
        ),
        (
            "tls.svg",
            "CPU of the proxy per new TLS connection, µs (less is better)",
            handshakes.iter().map(|s| group(s, &|at| cpu(s, at).map(|rate| 1e6 / rate))).collect(),
        ),
    ];
    for (file, title, groups) in all_bars {
        if !groups.is_empty() {
            Bars { title: title.to_owned(), groups }.write(&folder.join(file))?;
        }
    }
    Ok(())
}

fn circumstances(site: &Site, settings: &Settings, all: &[Series], invocation: &str) -> String {
    let mut out = page::circumstances();
    let _ = writeln!(
        out,
        "| how | {} rounds of {} s, order shifted each round; proxy on core {}, load generator and hub on core {}; \
         medians; ratios are taken within each round, then their median (min..max) |",
        settings.rounds, settings.seconds, site.proxy_core, site.load_core
    );
    let _ = writeln!(out, "| command | `{invocation}` |");
    let direct = all.iter().find_map(|series| {
        let at = place("direct")?;
        series
            .spread(at, |run| Some(1e6 * run.hub_cpu / run.answers.max(1) as f64))
            .zip(series.spread(at, |run| Some(1e6 * run.load_cpu / run.answers.max(1) as f64)))
    });
    if let Some((hub, load)) = direct {
        let _ = writeln!(
            out,
            "| instruments, direct | hub {:.1} µs, load generator {:.1} µs of CPU per request |",
            hub.median, load.median
        );
    }
    for peer in PEERS.iter().filter(|peer| peer.launch.is_some() && settings.wants(peer)) {
        let version = peer.version(site).unwrap_or_else(|| "not found, not measured".to_owned());
        let command = peer.described(site).map_or(String::new(), |command| format!("<br>`{command}`"));
        let _ = writeln!(out, "| {} | {version}{command} |", peer.name);
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::case::Case;
    use crate::load::Run;
    use crate::page::Spread;

    fn run(answers: u64, proxy_cpu: f64) -> Option<Run> {
        let (errors, first_error, seconds) = (0, None, 1.0);
        Some(Run {
            answers,
            errors,
            first_error,
            seconds,
            proxy_cpu,
            hub_cpu: 0.5,
            load_cpu: 0.5,
            p50: 1,
            p99: 2,
        })
    }

    fn series(edge: Vec<Option<Run>>, haproxy: Vec<Option<Run>>) -> Series {
        let at = |name| place(name).expect("a peer");
        let runs = BTreeMap::from([(at("MCPHub Edge"), edge), (at(BASE_FIRST), haproxy)]);
        Series { case: Case::JsonLegacy, connections: 64, runs, failures: Vec::new() }
    }

    #[test]
    fn ratios_are_paired_by_round_and_a_lost_run_loses_only_its_pair() {
        let edge = vec![run(30, 1.0), run(10, 1.0), None, run(20, 1.0)];
        let haproxy = vec![run(60, 1.0), run(10, 1.0), run(1, 1.0), run(80, 1.0)];
        let ratio = series(edge, haproxy).paired(place("MCPHub Edge").expect("a peer"), BASE_FIRST);
        assert_eq!(ratio, Some(Spread { min: 0.25, median: 0.5, max: 1.0 }));
    }

    #[test]
    fn a_cache_is_set_against_what_is_forwarded_in_the_same_round() {
        let case = |case, edge| Series { case, ..series(edge, vec![run(50, 1.0)]) };
        let all = [
            case(Case::ListModern, vec![run(40, 1.0), run(20, 1.0)]),
            case(Case::CachedModern, vec![run(100, 1.0), run(60, 1.0)]),
        ];
        let settings = Settings {
            rounds: 2,
            seconds: 1.0,
            connections: 64,
            others: 0,
            cases: Vec::new(),
            peers: Vec::new(),
        };
        let told = summary(&settings, &all);
        assert!(told.contains("2.75 (2.50..3.00) times those of \"tools/list, forwarded"), "{told}");
        assert!(!summary(&settings, &all[1..]).contains("forwarded"));
    }

    #[test]
    fn a_weak_peer_is_noticed_and_a_sound_one_is_not() {
        for (per_second, weak) in [(30_000, true), (50_000, false)] {
            let lines = series(vec![], vec![run(per_second, 1.0)]).against_reference();
            assert_eq!(lines.len(), 1);
            assert_eq!(lines[0].contains("NOTE"), weak, "{lines:?}");
        }
    }

    #[test]
    fn errors_and_given_up_runs_are_told() {
        let mut bad = run(1, 1.0);
        if let Some(run) = &mut bad {
            (run.errors, run.first_error) = (3, Some("status 502".to_owned()));
        }
        let mut series = series(vec![bad], vec![None]);
        series.failures.push("HAProxy: gone".to_owned());
        let errors = series.errors();
        assert_eq!(errors.len(), 2);
        assert!(errors[0].contains("3 errors, the first: status 502"), "{errors:?}");
        assert!(series.table().contains("(1 runs given up)"));
    }
}
