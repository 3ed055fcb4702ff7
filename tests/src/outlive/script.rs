//! How do sessions of the official SDKs live through the same?
//!
//! Each script runs a few sessions until SIGTERM and prints one line of JSON for whatever happens to them. All moments
//! are in milliseconds since 1970; here they become moments of the ledger.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::{End, Kind, Ledger, Name, Operation, Pace, Watch};
use crate::process::{Process, Signal};
use crate::tools::{node, node_script, python};
use crate::wait::until;

/// An SDK that has a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sdk {
    /// npm `@modelcontextprotocol/sdk` 1.32.
    TypeScript1,
    /// npm `@modelcontextprotocol/client` 2.4.
    TypeScript2,
    /// `PyPI` `mcp` 1.30.
    Python1,
    /// `PyPI` `mcp` 2.3.
    Python2,
}

impl Sdk {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::TypeScript1, Self::TypeScript2, Self::Python1, Self::Python2];

    /// A short name.
    pub fn name(self) -> &'static str {
        match self {
            Self::TypeScript1 => "ts1",
            Self::TypeScript2 => "ts2",
            Self::Python1 => "py1",
            Self::Python2 => "py2",
        }
    }

    fn program(self) -> anyhow::Result<(PathBuf, PathBuf)> {
        let script = |name: &str| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("clients/python").join(name);
        Ok(match self {
            Self::TypeScript1 => (node()?, node_script("outlive1.mjs")?),
            Self::TypeScript2 => (node()?, node_script("outlive2.mjs")?),
            Self::Python1 => (python("mcp-1")?, script("outlive1.py")),
            Self::Python2 => (python("mcp-2")?, script("outlive2.py")),
        })
    }
}

/// A running script.
#[derive(Debug)]
pub struct Script {
    sdk: Sdk,
    process: Process,
    ledger: Arc<Ledger>,
    sessions: usize,
    pace: Pace,
    _directory: TempDir,
}

impl Script {
    /// Starts so many sessions at this URL and waits until all of them follow the clock.
    pub async fn start(
        sdk: Sdk,
        url: &str,
        sessions: usize,
        pace: Pace,
        ledger: &Arc<Ledger>,
    ) -> anyhow::Result<Self> {
        let directory = TempDir::new()?;
        let seconds = |duration: Duration| duration.as_secs_f64();
        let order = json!({
            "url": url, "sessions": sessions, "name": sdk.name(),
            "call": seconds(pace.call), "steps": pace.steps, "act": seconds(pace.act),
        });
        let (program, script) = sdk.program()?;
        let mut command = Command::new(program);
        command.arg(script).arg(order.to_string()).env("PYTHONDONTWRITEBYTECODE", "1");
        let process = Process::spawn(sdk.name(), directory.path(), command)?;
        let ledger = ledger.clone();
        let mut script = Self { sdk, process, ledger, sessions, pace, _directory: directory };
        until(&format!("the sessions of {}", sdk.name()), async || {
            if let Some(status) = script.process.exit_status() {
                return Ok(Err(status));
            }
            let ready = script.lines().iter().filter(|line| line.get("ready").is_some()).count();
            if ready == sessions { Ok(Ok(())) } else { Err(format!("{ready} are ready")) }
        })
        .await
        .with_context(|| script.process.tail())?
        .map_err(|status| anyhow::anyhow!("{} exited: {status}\n{}", sdk.name(), script.process.tail()))?;
        Ok(script)
    }

    /// The process id.
    pub fn pid(&self) -> i32 {
        self.process.pid()
    }

    fn lines(&self) -> Vec<Value> {
        self.process.stdout().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Lets its sessions end, and writes into the ledger all that they saw. In words: what the SDK itself complained of.
    pub async fn finish(mut self) -> anyhow::Result<Vec<String>> {
        self.process.signal(Signal::TERM)?;
        let status = self.process.exited().await?;
        ensure!(status.success(), "{} exited: {status}\n{}", self.sdk.name(), self.process.tail());
        let mut complaints = Vec::new();
        let mut ended = 0;
        for line in self.lines() {
            let what = line["what"].as_str().unwrap_or_default();
            let session: Name = format!("{} {}", self.sdk.name(), line["session"]).into();
            let at = self.ledger.at_unix_ms(line["at"].as_f64().unwrap_or_default());
            match what {
                "ready" => {
                    self.ledger.write().watches.entry(session).or_default().since = at;
                }
                "update" => {
                    let mut record = self.ledger.write();
                    record.watches.entry(session).or_default().updates.push(at);
                }
                "operation" => {
                    let operation = self.operation(session, &line)?;
                    self.ledger.write().operations.push(operation);
                }
                "stream" => {
                    let how = line["message"].as_str().unwrap_or_default().to_owned();
                    let mut record = self.ledger.write();
                    let watch: &mut Watch = record.watches.entry(session).or_default();
                    watch.closed.push((at, how));
                }
                "complaint" => complaints.push(format!("{session}: {}", line["message"])),
                "end" => {
                    ended += 1;
                    self.end(&session, &line);
                }
                other => bail!("{} says {other:?}: {line}", self.sdk.name()),
            }
        }
        ensure!(
            ended == self.sessions,
            "{ended} sessions of {} ended\n{}",
            self.sdk.name(),
            self.process.tail()
        );
        Ok(complaints)
    }

    fn operation(&self, session: Name, line: &Value) -> anyhow::Result<Operation> {
        let (kind, own) = match line["kind"].as_str() {
            Some("read") => (Kind::Safe, self.pace.read),
            Some("list") => (Kind::Safe, Duration::ZERO),
            Some("call") => (Kind::Progress, self.pace.call),
            Some("act") => (Kind::Act, self.pace.act),
            other => bail!("no kind of operation: {other:?}"),
        };
        let message = line["message"].as_str().unwrap_or_default().to_owned();
        let end = match (line["end"].as_str(), line["code"].as_i64()) {
            (Some("result"), _) => End::Result,
            (Some("silent"), _) => End::Silent,
            (_, Some(code)) => End::Error { code, message },
            (_, None) => End::Broken(message),
        };
        let moment = |name: &str| self.ledger.at_unix_ms(line[name].as_f64().unwrap_or_default());
        let progress = line["progress"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
        let key = line["key"].as_str().map(str::to_owned);
        Ok(Operation { session, kind, key, asked: moment("asked"), over: moment("at"), own, end, progress })
    }

    fn end(&self, session: &Name, line: &Value) {
        let texts = |name: &str| -> BTreeSet<String> {
            line[name].as_array().into_iter().flatten().map(ToString::to_string).collect()
        };
        let ids = texts("ids");
        if ids.len() != 1 {
            let words = format!("it was given {} ids", ids.len());
            self.ledger.write().other_ids.push((session.clone(), words));
        }
    }
}
