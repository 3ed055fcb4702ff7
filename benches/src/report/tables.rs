//! Which table shows a case best?
//!
//! Rates per CPU second and their ratios, unless the case is about latency or about connections.

use std::fmt::Write as _;

use super::figures::{cost, per_cpu};
use crate::case::Way;
use crate::load::Run;
use crate::page::{Spread, thousands};
use crate::peers::{BASE_FIRST, BASE_SECOND, PEERS, Peer, REFERENCE_FLOOR};
use crate::rounds::Series;

fn whole(spread: Option<Spread>) -> String {
    spread.map_or("-".to_owned(), |s| thousands(s.median))
}

fn tenths(spread: Option<Spread>) -> String {
    spread.map_or("-".to_owned(), |s| format!("{:.1}", s.median))
}

fn range(spread: Option<Spread>) -> String {
    spread.map_or("-".to_owned(), |s| format!("{}..{}", thousands(s.min), thousands(s.max)))
}

/// A ratio with its range; two decimals where it is small.
pub(super) fn ratio(spread: Option<Spread>) -> String {
    spread.map_or("-".to_owned(), |s| {
        if s.median < 10.0 {
            format!("{:.2} ({:.2}..{:.2})", s.median, s.min, s.max)
        } else {
            format!("{} ({}..{})", thousands(s.median), thousands(s.min), thousands(s.max))
        }
    })
}

fn rate(run: &Run) -> Option<f64> {
    Some(run.answers as f64 / run.seconds)
}

impl Series {
    /// The table of this case with its heading.
    pub(super) fn table(&self) -> String {
        let title = self.case.title();
        let (heading, columns, row): (String, String, fn(&Series, usize) -> String) = match self.case.way() {
            Way::Closed | Way::Http2 => (
                format!("{title}, {} connections", self.connections),
                format!(
                    "**req per proxy-CPU-s** | min..max | µs per req | ÷ {BASE_FIRST} | ÷ {BASE_SECOND} | req/s | proxy CPU | \
                     p50 µs | p99 µs | errors"
                ),
                Series::rate_row,
            ),
            Way::Rate(rate) => (
                format!("{title}, {}/s over {} connections", thousands(f64::from(rate)), self.connections),
                "**p50 µs** | min..max | added to direct | p99 µs | min..max | added to direct | µs of CPU per req | req/s | \
                 errors"
                    .to_owned(),
                Series::latency_row,
            ),
            Way::Handshakes => (
                title.to_owned(),
                format!(
                    "**µs of CPU per connection** | min..max | cost ÷ {BASE_FIRST} | cost ÷ {BASE_SECOND} | connections/s | \
                     p50 µs | p99 µs | errors"
                ),
                Series::handshake_row,
            ),
        };
        let count = columns.matches(" | ").count() + 1;
        let mut out = format!("### {heading}\n\n| peer | {columns} |\n| --- |{}\n", " ---: |".repeat(count));
        for (&at, runs) in &self.runs {
            let given_up = runs.iter().filter(|run| run.is_none()).count();
            let note = if given_up > 0 { format!(" ({given_up} runs given up)") } else { String::new() };
            let _ =
                writeln!(out, "| {} | {} | {}{note} |", PEERS[at].name, row(self, at), self.error_count(at));
        }
        out
    }

    fn error_count(&self, at: usize) -> u64 {
        self.good(at).map(|run| run.errors).sum()
    }

    fn rate_row(&self, at: usize) -> String {
        let cpu = self.spread(at, per_cpu);
        let share = self.spread(at, |run| per_cpu(run).map(|_| 100.0 * run.proxy_cpu / run.seconds));
        format!(
            "{} | {} | {} | {} | {} | {} | {} | {} | {}",
            cpu.map_or("-".to_owned(), |s| format!("**{}**", thousands(s.median))),
            range(cpu),
            tenths(self.spread(at, cost)),
            ratio(self.paired(at, BASE_FIRST)),
            ratio(self.paired(at, BASE_SECOND)),
            whole(self.spread(at, rate)),
            share.map_or("-".to_owned(), |s| format!("{:.0} %", s.median)),
            whole(self.spread(at, |run| Some(run.p50 as f64))),
            whole(self.spread(at, |run| Some(run.p99 as f64))),
        )
    }

    fn latency_row(&self, at: usize) -> String {
        let columns = |figure: fn(&Run) -> u64| {
            let spread = self.spread(at, |run| Some(figure(run) as f64));
            (whole(spread), range(spread), whole(self.added(at, "direct", figure)))
        };
        let (p50, p50_range, p50_added) = columns(|run| run.p50);
        let (p99, p99_range, p99_added) = columns(|run| run.p99);
        format!(
            "**{p50}** | {p50_range} | {p50_added} | {p99} | {p99_range} | {p99_added} | {} | {}",
            tenths(self.spread(at, cost)),
            whole(self.spread(at, rate)),
        )
    }

    fn handshake_row(&self, at: usize) -> String {
        let cpu = self.spread(at, cost);
        // A ratio of costs, where the pairs are ratios of rates.
        let inverse = |base| {
            self.paired(at, base).map(|s| Spread {
                min: 1.0 / s.max,
                median: 1.0 / s.median,
                max: 1.0 / s.min,
            })
        };
        format!(
            "{} | {} | {} | {} | {} | {} | {}",
            cpu.map_or("-".to_owned(), |s| format!("**{}**", thousands(s.median))),
            range(cpu),
            ratio(inverse(BASE_FIRST)),
            ratio(inverse(BASE_SECOND)),
            whole(self.spread(at, rate)),
            whole(self.spread(at, |run| Some(run.p50 as f64))),
            whole(self.spread(at, |run| Some(run.p99 as f64))),
        )
    }

    /// Rows for the one table of all cases with one connection.
    pub(super) fn rows_single(&self) -> String {
        let row = |&at: &usize| {
            format!(
                "| {} | {} | {} | {} | {} | {} | {} |\n",
                self.case.title(),
                PEERS[at].name,
                whole(self.spread(at, per_cpu)),
                whole(self.spread(at, rate)),
                whole(self.spread(at, |run| Some(run.p50 as f64))),
                whole(self.spread(at, |run| Some(run.p99 as f64))),
                self.error_count(at),
            )
        };
        self.runs.keys().map(row).collect()
    }

    /// A line for each peer that has a reference figure.
    pub(super) fn against_reference(&self) -> Vec<String> {
        let compare = |(at, peer): (usize, &Peer)| {
            let wanted = peer.reference.as_ref()?.of(self.case)?;
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
