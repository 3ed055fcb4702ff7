//! What do all reports share? The machine they were made on, figures as people read them, and their place in a page.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

/// Lowest, middle and highest of some figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The smallest.
    pub min: f64,
    /// The middle one, or the mean of the middle two.
    pub median: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// `None` for no figures.
    #[must_use]
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        };
        Some(Self { min, median, max })
    }
}

/// `figure` without decimals, in groups of three.
#[must_use]
pub fn thousands(figure: f64) -> String {
    let plain = format!("{figure:.0}");
    let mut out = String::new();
    for (n, digit) in plain.chars().enumerate() {
        if n > 0 && (plain.len() - n).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The beginning of a table of circumstances: when, on what, and how busy that was.
#[must_use]
pub fn circumstances() -> String {
    let mut out = String::new();
    let _ = writeln!(out, "| | |\n| --- | --- |");
    let _ = writeln!(out, "| date | {} |", said("date", &["-u", "+%F %R UTC"]));
    let _ = writeln!(out, "| machine | {} |", machine());
    let uname = rustix::system::uname();
    let _ = writeln!(
        out,
        "| system | {}, {} {} |",
        os_name(),
        uname.sysname().to_string_lossy(),
        uname.release().to_string_lossy()
    );
    let stat = read("/proc/self/stat");
    // Field 19; the name before field 3 may hold anything but a closing bracket.
    let nice = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(16));
    if let Some(nice) = nice.filter(|nice| *nice != "0") {
        let _ = writeln!(out, "| niceness of all measured | {nice} |");
    }
    let loads = read("/proc/loadavg");
    let _ = writeln!(
        out,
        "| load average at the end | {} |",
        loads.split_whitespace().take(3).collect::<Vec<_>>().join(", ")
    );
    out
}

fn machine() -> String {
    let cpuinfo = read("/proc/cpuinfo");
    let value = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let model = value(&cpuinfo, "model name").unwrap_or_else(|| "unknown CPU".to_owned());
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let memory = value(&read("/proc/meminfo"), "MemTotal").unwrap_or_default();
    let memory: u64 = memory.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0);
    let hypervisor = if cpuinfo.contains(" hypervisor") { ", virtual" } else { "" };
    format!("{model}, {cores} cores, {} GiB{hypervisor}", memory.div_ceil(1024 * 1024))
}

fn os_name() -> String {
    let text = read("/etc/os-release");
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let version = read("/etc/debian_version");
    format!("{} ({})", name.unwrap_or("unknown").trim_matches('"'), version.trim())
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// What a program prints, on one line.
#[must_use]
pub fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or("unknown".to_owned(), |o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
}

/// Puts a report into a page, in place of the last one: between `<!-- NAME:begin -->` and `<!-- NAME:end -->`.
///
/// # Errors
/// When the page cannot be read or written, or the markers are missing.
pub fn write(path: &Path, name: &str, report: &str) -> Result<()> {
    let page = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let page = between_markers(&page, name, report)?;
    fs::write(path, page).with_context(|| format!("writing {}", path.display()))
}

fn between_markers(page: &str, name: &str, report: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- {name}:begin -->"), format!("<!-- {name}:end -->"));
    let (before, rest) = page.split_once(&begin).context("looking for the begin marker")?;
    let (_, after) = rest.split_once(&end).context("looking for the end marker")?;
    Ok(format!("{before}{begin}\n\n{}\n\n{end}{after}", report.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let page =
            "a\n<!-- x:begin -->\nold\n<!-- x:end -->\nb\n<!-- peers:begin -->\nold\n<!-- peers:end -->\nc\n";
        let new = between_markers(page, "peers", "new").expect("markers");
        let expected = "a\n<!-- x:begin -->\nold\n<!-- x:end -->\nb\n<!-- peers:begin -->\n\nnew\n\n<!-- peers:end -->\nc\n";
        assert_eq!(new, expected);
        assert!(between_markers("none", "peers", "new").is_err());
    }

    #[test]
    fn figures_are_grouped() {
        assert_eq!(
            [7.0, 1_000.4, 54_000.0, 1_234_567.0].map(thousands),
            ["7", "1,000", "54,000", "1,234,567"]
        );
    }
}
