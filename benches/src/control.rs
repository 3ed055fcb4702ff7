//! What does the control plane cost, as tables for people?
//!
//! Owns the rounds of the benches `select`, `control` and `publishing`, and the tables made of what they found. Does not know
//! what they measure: a bench that is new shows up by its name.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::page::{Spread, circumstances, said, thousands};

/// The benches that find with criterion, and the one that prints.
const BENCHES: [&str; 2] = ["select", "control"];
const PRINTING: &str = "publishing";
/// What every choice is held against.
const LOAD: &str = "load alone";
/// What the parts of a tick are parts of.
const TICK: &str = "tick";
/// What the control plane promises, by bench, size, and nanoseconds.
const PROMISES: [(&str, &str, usize, f64); 3] =
    [("select", "", 100, 300.0), ("select", "", 5_000, 1_000.0), ("control", TICK, 1_000, 5_000_000.0)];

/// What was found: by bench and name, by number of hubs, in nanoseconds, once for each round.
type Found = BTreeMap<(String, String), BTreeMap<usize, Vec<f64>>>;

/// All figures of some rounds.
#[derive(Debug, Default)]
pub struct Figures {
    found: Found,
    /// Lines of the bench that prints: words after its name.
    printed: Vec<Vec<String>>,
    rounds: usize,
}

/// Runs the benches in turn, so many times, with what they find kept in a folder of ours.
///
/// # Errors
/// When a bench cannot be built or run, or finds nothing.
pub fn measure(rounds: usize, scratch: &Path) -> Result<Figures> {
    let mut figures = Figures { rounds, ..Figures::default() };
    if scratch.exists() {
        fs::remove_dir_all(scratch).with_context(|| format!("emptying {}", scratch.display()))?;
    }
    for round in 1..=rounds {
        let home = scratch.join(round.to_string());
        for bench in BENCHES {
            eprintln!("round {round} of {rounds}: {bench}");
            run(bench, &home)?;
        }
        collect(&home, &mut figures.found)?;
    }
    eprintln!("{PRINTING}");
    let printed = run(PRINTING, scratch)?;
    figures.printed = printed.lines().map(|line| line.split(' ').map(str::to_owned).collect()).collect();
    ensure!(!figures.found.is_empty() && !figures.printed.is_empty(), "the benches found nothing");
    Ok(figures)
}

fn run(bench: &str, home: &Path) -> Result<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["bench", "--quiet", "--profile", "dist", "-p", "mcphub-benches", "--bench", bench])
        .env("CRITERION_HOME", home)
        .output()
        .with_context(|| format!("running the bench {bench}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the bench {bench} failed: {complaint}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Reads what criterion has written, wherever it lies in this folder.
fn collect(home: &Path, found: &mut Found) -> Result<()> {
    for folder in folders(home)? {
        let read = |name: &str| -> Result<serde_json::Value> {
            let path = folder.join(name);
            let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            serde_json::from_slice(&text).with_context(|| format!("parsing {}", path.display()))
        };
        let (bench, estimates) = (read("benchmark.json")?, read("estimates.json")?);
        let word = |key: &str| bench[key].as_str().context("reading a name that criterion wrote");
        let hubs: usize = word("value_str")?.parse().context("reading the number of hubs")?;
        let median = estimates["median"]["point_estimate"].as_f64().context("reading a median")?;
        let name = (word("group_id")?.to_owned(), word("function_id")?.to_owned());
        found.entry(name).or_default().entry(hubs).or_default().push(median);
    }
    Ok(())
}

/// The folders with the newest figures of one bench each.
fn folders(home: &Path) -> Result<Vec<PathBuf>> {
    let (mut open, mut found) = (vec![home.to_owned()], Vec::new());
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
            let path = entry.with_context(|| format!("reading {}", folder.display()))?.path();
            if path.ends_with("new") && path.join("estimates.json").is_file() {
                found.push(path);
            } else if path.is_dir() {
                open.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// A duration in the unit that suits it, in three figures or so.
fn duration(nanos: f64) -> String {
    let (value, unit) = match nanos {
        n if n < 1e3 => (n, "ns"),
        n if n < 1e6 => (n / 1e3, "µs"),
        n => (n / 1e6, "ms"),
    };
    let decimals = if value < 10.0 && unit != "ns" { 1 } else { 0 };
    format!("{value:.decimals$} {unit}")
}

impl Figures {
    fn of(&self, bench: &str) -> impl Iterator<Item = (&str, &BTreeMap<usize, Vec<f64>>)> {
        let rows = self.found.iter().filter(move |((group, _), _)| group == bench);
        rows.map(|((_, name), by_size)| (name.as_str(), by_size))
    }

    fn sizes(&self) -> Vec<usize> {
        let mut sizes: Vec<usize> = self.found.values().flat_map(BTreeMap::keys).copied().collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    /// One row for each thing measured, one column for each size; in parentheses, how many table loads it is worth, where it
    /// is held against these.
    fn table(&self, bench: &str, what: &str) -> String {
        let sizes = self.sizes();
        let mut out = format!("| {what} |");
        sizes.iter().for_each(|&size| _ = write!(out, " {} hubs |", thousands(size as f64)));
        let _ = writeln!(out, "\n| --- |{}", " ---: |".repeat(sizes.len()));
        let loads = self.found.get(&(bench.to_owned(), LOAD.to_owned()));
        let cell = |by_size: &BTreeMap<usize, Vec<f64>>, size: &usize| {
            let Some(spread) = by_size.get(size).and_then(|times| Spread::of(times.iter().copied())) else {
                return "-".to_owned();
            };
            let paired = loads.and_then(|loads| {
                let pairs = by_size.get(size)?.iter().zip(loads.get(size)?);
                Spread::of(pairs.map(|(time, load)| time / load))
            });
            let paired = paired.map_or(String::new(), |ratio| format!(" ({:.1})", ratio.median));
            format!("{}{paired}", duration(spread.median))
        };
        let first = |name: &str| name == LOAD || name.starts_with(TICK);
        let whole = self.of(bench).filter(|(name, _)| first(name));
        for (name, by_size) in whole.chain(self.of(bench).filter(|(name, _)| !first(name))) {
            let cells: Vec<String> = sizes.iter().map(|size| cell(by_size, size)).collect();
            let _ = writeln!(out, "| {name} | {} |", cells.join(" | "));
        }
        out
    }

    /// The largest of the medians that a promise is about.
    fn kept(&self, (bench, prefix, size, most): (&str, &str, usize, f64)) -> Option<String> {
        let rows = self.of(bench).filter(|(name, _)| name.starts_with(prefix));
        let medians = rows.filter_map(|(name, by_size)| {
            let spread = Spread::of(by_size.get(&size)?.iter().copied())?;
            Some((name, spread))
        });
        let (name, spread) = medians.max_by(|(_, a), (_, b)| a.median.total_cmp(&b.median))?;
        let (found, lowest, highest) = (duration(spread.median), duration(spread.min), duration(spread.max));
        Some(format!(
            "- {bench}, {} hubs, at most {}: {found} ({lowest} to {highest}), for \"{name}\".",
            thousands(size as f64),
            duration(most)
        ))
    }

    fn publishing(&self) -> String {
        let mut out = String::from(
            "| hubs | tables published a second | meanwhile | p50 | p99.9 | longest | waits |\n\
             | ---: | ---: | --- | ---: | ---: | ---: | ---: |\n",
        );
        let published = |hubs: &str| {
            let line = self
                .printed
                .iter()
                .find(|line| line[0] == "published" && line.get(1).is_some_and(|h| h == hubs));
            line.and_then(|line| line.get(2)?.parse().ok()).map_or("-".to_owned(), thousands)
        };
        for line in self.printed.iter().filter(|line| line[0] == PRINTING) {
            let [_, hubs, name, times @ .., waits] = &line[..] else { continue };
            let (rate, name) = match name.as_str() {
                "clock" => (String::new(), "the clock is read, and nothing is done"),
                "quiet" => ("0".to_owned(), "load and select"),
                _ => (published(hubs), "load and select"),
            };
            let hubs = hubs.parse().map_or("-".to_owned(), thousands);
            let times = times.iter().map(|time| time.parse().map_or("-".to_owned(), duration));
            let times: Vec<String> = times.collect();
            let _ = writeln!(out, "| {hubs} | {rate} | {name} | {} | {waits} |", times.join(" | "));
        }
        out
    }
}

/// The whole report in Markdown.
#[must_use]
pub fn markdown(figures: &Figures) -> String {
    let mut out = String::from("### Promises\n\n");
    for line in PROMISES.into_iter().filter_map(|promise| figures.kept(promise)) {
        let _ = writeln!(out, "{line}");
    }
    let _ = writeln!(out, "\n### Choosing a hub\n\n{}", figures.table("select", "load and select"));
    let _ = writeln!(out, "### The tick, and what it is made of\n\n{}", figures.table("control", "CPU time"));
    let _ =
        writeln!(out, "### Choosing while tables are published without pause\n\n{}", figures.publishing());
    out.push_str(&circumstances());
    let _ = writeln!(
        out,
        "| versions | mcphub-edge {}, {} |",
        env!("CARGO_PKG_VERSION"),
        said("rustc", &["--version"])
    );
    let _ = writeln!(
        out,
        "| how | `ROUNDS={} benches/control/run.sh`; medians of the rounds' medians; ratios are taken within each round |",
        figures.rounds
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Figures {
        let row = |bench: &str, name: &str, times: &[f64]| {
            ((bench.to_owned(), name.to_owned()), BTreeMap::from([(100, times.to_vec())]))
        };
        let found = [
            row("select", LOAD, &[10.0, 20.0, 10.0]),
            row("select", "key", &[30.0, 80.0, 31.0]),
            row("select", "a pin", &[15.0, 30.0, 15.0]),
        ];
        let words = |line: &str| line.split(' ').map(str::to_owned).collect();
        let printed = ["publishing 100 publishing 55 170 1200000 0", "published 100 40000"].map(words);
        Figures { found: found.into(), printed: printed.into(), rounds: 3 }
    }

    #[test]
    fn ratios_are_paired_by_round_and_the_load_comes_first() {
        let table = figures().table("select", "choice");
        let rows: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(
            rows,
            ["| load alone | 10 ns (1.0) |", "| a pin | 15 ns (1.5) |", "| key | 31 ns (3.1) |"]
        );
    }

    #[test]
    fn a_promise_is_held_against_the_slowest() {
        let kept = figures().kept(("select", "", 100, 300.0)).expect("figures");
        assert_eq!(kept, "- select, 100 hubs, at most 300 ns: 31 ns (30 ns to 80 ns), for \"key\".");
        assert_eq!(figures().kept(("select", "", 5_000, 1e3)), None);
    }

    #[test]
    fn what_a_bench_printed_becomes_a_table() {
        let table = figures().publishing();
        assert!(
            table.ends_with("| 100 | 40,000 | load and select | 55 ns | 170 ns | 1.2 ms | 0 |\n"),
            "{table}"
        );
    }

    #[test]
    fn durations_have_their_unit() {
        assert_eq!(
            [9.4, 999.0, 1_234.0, 45_678.0, 5e6, 62e6].map(duration),
            ["9 ns", "999 ns", "1.2 µs", "46 µs", "5.0 ms", "62 ms"]
        );
    }
}
