//! What does the public conformance suite say of a server, check by check?
//!
//! **Owns** running the suite, reading its results, and comparing two runs. It **does not know** which results
//! are acceptable; that is for the tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

use crate::tools::{node, node_package};
use crate::wait::PATIENCE;

/// Longest run of one set, as a multiple of [`PATIENCE`]. A run takes seconds; the suite itself gives up on one
/// scenario after 30 s.
const RUN: u32 = 10;

/// One check: scenario, then the check's own id.
pub type Check = (String, String);

/// How often one check passed, failed, and so on: a suite may repeat an id within a scenario.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// `SUCCESS`.
    pub passed: u32,
    /// `FAILURE`, and a scenario that broke off.
    pub failed: u32,
    /// `WARNING`: a SHOULD that is not kept. Counts neither way.
    pub warned: u32,
    /// `SKIPPED`. Counts neither way.
    pub skipped: u32,
}

impl Tally {
    fn count(&mut self, status: &str) -> anyhow::Result<()> {
        match status {
            "SUCCESS" => self.passed += 1,
            "FAILURE" => self.failed += 1,
            "WARNING" => self.warned += 1,
            "SKIPPED" => self.skipped += 1,
            // The suite's log of what went over the wire: no judgement.
            "INFO" => {}
            other => bail!("the suite knows a status that we do not: {other}"),
        }
        Ok(())
    }

    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.warned += other.warned;
        self.skipped += other.skipped;
    }
}

/// Passed of total, and what counts neither way.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.passed, self.passed + self.failed)?;
        if self.warned > 0 {
            write!(f, " ({} warned)", self.warned)?;
        }
        if self.skipped > 0 {
            write!(f, " ({} skipped)", self.skipped)?;
        }
        Ok(())
    }
}

/// The results of one run.
#[derive(Debug, Clone, Default)]
pub struct Results {
    checks: BTreeMap<Check, Tally>,
    scenarios: BTreeSet<String>,
    unscored: BTreeSet<String>,
}

impl Results {
    /// Runs everything that a revision requires against this MCP endpoint.
    pub async fn of(url: &str, revision: &str) -> anyhow::Result<Self> {
        let directory = TempDir::new()?;
        let suite = node_package("@modelcontextprotocol/conformance")?.join("dist/index.js");
        let mut command = Command::new(node()?);
        command.arg(suite).args(["server", "--url", url, "--requirements", revision, "-o"]);
        command.arg(directory.path()).kill_on_drop(true);
        let output = timeout(PATIENCE * RUN, command.output()).await.context("the suite does not end")??;
        let report = String::from_utf8_lossy(&output.stdout);
        Self::read(&report, directory.path())
            .with_context(|| format!("{report}\n{}", String::from_utf8_lossy(&output.stderr)))
    }

    fn read(report: &str, directory: &Path) -> anyhow::Result<Self> {
        let (_, summary) = report.split_once("=== SUMMARY ===").context("the suite printed no summary")?;
        let (summary, unscored) = summary.split_once("\nNot scored for ").unwrap_or((summary, ""));
        let mut results = Self::default();
        for line in summary.lines() {
            if let Some(name) = line.strip_prefix(['✓', '✗']).and_then(|rest| rest.split_once(':')) {
                results.scenarios.insert(name.0.trim().to_owned());
            }
        }
        for line in unscored.lines() {
            if let Some((name, _)) =
                line.trim().strip_prefix(['✓', '✗']).and_then(|rest| rest.split_once('('))
            {
                results.unscored.insert(name.trim().to_owned());
            }
        }
        for entry in std::fs::read_dir(directory)? {
            let path = entry?.path();
            let scenario = scenario_of(&path).with_context(|| format!("name of {}", path.display()))?;
            results.read_checks(&scenario, &path.join("checks.json"))?;
        }
        results.count_broken(summary)?;
        Ok(results)
    }

    fn read_checks(&mut self, scenario: &str, file: &Path) -> anyhow::Result<()> {
        let checks: Vec<Value> = serde_json::from_slice(&std::fs::read(file)?)?;
        for check in checks {
            let id = check["id"].as_str().context("a check without id")?;
            let status = check["status"].as_str().context("a check without status")?;
            self.checks.entry((scenario.to_owned(), id.to_owned())).or_default().count(status)?;
        }
        Ok(())
    }

    /// A scenario that broke off has no file of checks, only a line in the summary. And our counts must be the
    /// suite's own, else we read it wrongly.
    fn count_broken(&mut self, summary: &str) -> anyhow::Result<()> {
        for scenario in &self.scenarios {
            if !self.checks.keys().any(|(name, _)| name == scenario) {
                let line = summary.lines().find(|line| line.contains(&format!(" {scenario}: ")));
                let broken = !line.context("a scenario without a line")?.contains(" 0 failed");
                let tally = Tally { failed: u32::from(broken), ..Tally::default() };
                self.checks.insert((scenario.clone(), "the scenario runs to its end".to_owned()), tally);
            }
        }
        let total = self.total();
        let own = format!("Total: {} passed, {} failed", total.passed, total.failed);
        if !summary.contains(&own) {
            bail!("we count {own:?}, the suite does not");
        }
        Ok(())
    }

    /// Every check of the run.
    pub fn total(&self) -> Tally {
        self.sum(|_| true)
    }

    /// The checks that a revision requires; the rest came later, is pending, or belongs to an extension.
    pub fn scored(&self) -> Tally {
        self.sum(|scenario| !self.unscored.contains(scenario))
    }

    /// How many scenarios ran.
    pub fn scenarios(&self) -> usize {
        self.scenarios.len()
    }

    /// The required checks that failed at least once.
    pub fn scored_failures(&self) -> BTreeSet<Check> {
        let scored = self.checks.iter().filter(|((scenario, _), _)| !self.unscored.contains(scenario));
        scored.filter(|(_, tally)| tally.failed > 0).map(|(check, _)| check.clone()).collect()
    }

    fn sum(&self, wanted: impl Fn(&str) -> bool) -> Tally {
        let mut sum = Tally::default();
        for ((scenario, _), tally) in &self.checks {
            if wanted(scenario) {
                sum.add(*tally);
            }
        }
        sum
    }

    /// Every check whose tally differs from `self` to `other`.
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let checks: BTreeSet<&Check> = self.checks.keys().chain(other.checks.keys()).collect();
        let tally = |results: &Self, check| results.checks.get(check).copied().unwrap_or_default();
        let differences = checks.into_iter().map(|check| Difference {
            check: check.clone(),
            before: tally(self, check),
            after: tally(other, check),
        });
        differences.filter(|difference| difference.before != difference.after).collect()
    }
}

/// One check that came out differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which one.
    pub check: Check,
    /// In the first run.
    pub before: Tally,
    /// In the second run.
    pub after: Tally,
}

impl Difference {
    /// Whether a failure or a warning turned into a pass, and nothing else changed.
    pub fn is_better(&self) -> bool {
        let Self { before, after, .. } = self;
        after.passed > before.passed && after.failed <= before.failed && after.warned <= before.warned
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} / {}: {} -> {}", self.check.0, self.check.1, self.before, self.after)
    }
}

/// `server-<scenario>-<time>` is the name of a result folder.
fn scenario_of(path: &Path) -> Option<String> {
    // 2026-11-23T06-17-27-056Z
    const TIME: usize = 24;
    let name = path.file_name()?.to_str()?.strip_prefix("server-")?;
    Some(name.get(..name.len().checked_sub(TIME + 1)?)?.to_owned())
}
