//! What do the runs say, in a table that a reader can check?
//!
//! Owns ratios and the comparison with the reference figures. Does not know how the runs came about.

use std::fmt::Write as _;

use crate::load::Run;
use crate::page::{self, Spread, thousands};
use crate::peers::{BASE_FIRST, BASE_SECOND, PEERS, Peer, REFERENCE_FLOOR, REFERENCE_MACHINE, Site};
use crate::rounds::{Series, Settings};

/// Answers per CPU second of the proxy; `None` without a proxy.
fn per_cpu(run: &Run) -> Option<f64> {
    (run.proxy_cpu > 0.0).then(|| run.answers as f64 / run.proxy_cpu)
}

fn place(name: &str) -> Option<usize> {
    PEERS.iter().position(|peer| peer.name == name)
}

impl Series {
    fn good(&self, at: usize) -> impl Iterator<Item = &Run> {
        self.runs.get(&at).into_iter().flatten().flatten()
    }

    fn spread(&self, at: usize, figure: impl Fn(&Run) -> Option<f64>) -> Option<Spread> {
        Spread::of(self.good(at).filter_map(figure))
    }

    /// The ratio of two peers' figures, taken within each round: what disturbs a round disturbs both.
    fn paired(&self, at: usize, base: &str) -> Option<Spread> {
        let base = self.runs.get(&place(base)?)?;
        Spread::of(
            self.runs
                .get(&at)?
                .iter()
                .zip(base)
                .filter_map(|(run, base)| Some(per_cpu(run.as_ref()?)? / per_cpu(base.as_ref()?)?)),
        )
    }

    /// Errors of all peers, and why runs were given up.
    #[must_use]
    pub fn errors(&self) -> Vec<String> {
        let counted = self.runs.iter().flat_map(|(at, runs)| {
            runs.iter().flatten().filter(|run| run.errors > 0).map(|run| {
                let first = run.first_error.as_deref().unwrap_or("unknown");
                format!(
                    "{}, {}: {} errors, the first: {first}",
                    self.case.title(),
                    PEERS[*at].name,
                    run.errors
                )
            })
        });
        counted.chain(self.failures.iter().cloned()).collect()
    }

    fn table(&self) -> String {
        let mut out = format!("### {}, {} connections\n\n", self.case.title(), self.connections);
        let _ = writeln!(
            out,
            "| peer | **req per proxy-CPU-s** | min..max | µs per req | ÷ {BASE_FIRST} | ÷ {BASE_SECOND} | req/s | \
             proxy CPU | p50 µs | p99 µs | errors |\n| --- | ---: | --- | ---: | --- | --- | ---: | ---: | ---: | ---: | ---: |"
        );
        for (&at, runs) in &self.runs {
            let row = self.row(at);
            let given_up = runs.iter().filter(|run| run.is_none()).count();
            let note = if given_up > 0 { format!(" ({given_up} runs given up)") } else { String::new() };
            let _ = writeln!(out, "{row}{note} |");
        }
        out
    }

    /// Rows for the one table of all cases with one connection.
    fn rows_single(&self) -> String {
        let whole = |spread: Option<Spread>| spread.map_or("-".to_owned(), |s| thousands(s.median));
        let row = |&at: &usize| {
            format!(
                "| {} | {} | {} | {} | {} | {} | {} |\n",
                self.case.title(),
                PEERS[at].name,
                whole(self.spread(at, per_cpu)),
                whole(self.spread(at, |run| Some(run.answers as f64 / run.seconds))),
                whole(self.spread(at, |run| Some(run.p50 as f64))),
                whole(self.spread(at, |run| Some(run.p99 as f64))),
                self.good(at).map(|run| run.errors).sum::<u64>(),
            )
        };
        self.runs.keys().map(row).collect()
    }

    fn row(&self, at: usize) -> String {
        let whole = |spread: Option<Spread>| spread.map_or("-".to_owned(), |s| thousands(s.median));
        let cpu = self.spread(at, per_cpu);
        let ratio = |base: &str| {
            self.paired(at, base)
                .map_or("-".to_owned(), |s| format!("{:.2} ({:.2}..{:.2})", s.median, s.min, s.max))
        };
        let range = cpu.map_or("-".to_owned(), |s| format!("{}..{}", thousands(s.min), thousands(s.max)));
        let share =
            self.spread(at, |run| (run.proxy_cpu > 0.0).then_some(100.0 * run.proxy_cpu / run.seconds));
        format!(
            "| {} | {} | {range} | {} | {} | {} | {} | {} | {} | {} | {}",
            PEERS[at].name,
            cpu.map_or("-".to_owned(), |s| format!("**{}**", thousands(s.median))),
            cpu.map_or("-".to_owned(), |s| format!("{:.1}", 1e6 / s.median)),
            ratio(BASE_FIRST),
            ratio(BASE_SECOND),
            whole(self.spread(at, |run| Some(run.answers as f64 / run.seconds))),
            share.map_or("-".to_owned(), |s| format!("{:.0} %", s.median)),
            whole(self.spread(at, |run| Some(run.p50 as f64))),
            whole(self.spread(at, |run| Some(run.p99 as f64))),
            self.good(at).map(|run| run.errors).sum::<u64>(),
        )
    }

    /// A line for each peer that has reference figures.
    fn against_reference(&self) -> Vec<String> {
        let compare = |(at, peer): (usize, &Peer)| {
            let wanted = peer.reference.as_ref()?.of(self.case);
            let measured = self.spread(at, per_cpu)?.median;
            let share = measured / wanted;
            let verdict = if share < REFERENCE_FLOOR {
                format!(
                    " **NOTE: below {:.0} %. On a comparable machine this peer is likely misconfigured or the machine \
                     was busy; do not quote ratios to it.**",
                    REFERENCE_FLOOR * 100.0
                )
            } else {
                String::new()
            };
            Some(format!(
                "- {}, {}: {} here, {} there: {:.0} %.{verdict}",
                self.case.title(),
                peer.name,
                thousands(measured),
                thousands(wanted),
                share * 100.0
            ))
        };
        PEERS.iter().enumerate().filter_map(compare).collect()
    }
}

/// The whole report in Markdown.
#[must_use]
pub fn markdown(site: &Site, settings: &Settings, all: &[Series], invocation: &str) -> String {
    let mut out = String::new();
    let main = || all.iter().filter(|series| series.connections == settings.connections);
    for series in main() {
        out.push_str(&series.table());
        out.push('\n');
    }
    let mut single = all.iter().filter(|series| series.connections != settings.connections).peekable();
    if single.peek().is_some() {
        out.push_str(
            "### One connection, for information\n\nNothing queues and nothing is batched: the latency of a request, \
             wake-ups included.\n\n| case | peer | req per proxy-CPU-s | req/s | p50 µs | p99 µs | errors |\n\
             | --- | --- | ---: | ---: | ---: | ---: | ---: |\n",
        );
        single.for_each(|series| out.push_str(&series.rows_single()));
        out.push('\n');
    }
    let _ = writeln!(out, "Against the reference ({REFERENCE_MACHINE}), in requests per proxy-CPU-second:\n");
    for line in
        all.iter().filter(|s| s.connections == settings.connections).flat_map(Series::against_reference)
    {
        let _ = writeln!(out, "{line}");
    }
    let errors: Vec<String> = all.iter().flat_map(Series::errors).collect();
    let _ = writeln!(out, "\nErrors: {}\n", if errors.is_empty() { "none." } else { "" });
    for error in errors {
        let _ = writeln!(out, "- {error}");
    }
    let _ = writeln!(out, "\n{}", circumstances(site, settings, all, invocation));
    out
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
    for peer in PEERS.iter().filter(|peer| peer.launch.is_some()) {
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
    use crate::wire::Case;

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
