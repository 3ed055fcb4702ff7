//! How does the real gateway start, reload, and hand over?

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::binary::edge_binary;
use crate::config::Config;
use crate::http::exchange;
use crate::process::{Process, Signal};
use crate::raw_http::Answer;
use crate::wait::until;

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    /// The process, for signals and logs.
    pub process: Process,
    config: Config,
    directory: Arc<TempDir>,
    generation: u32,
}

impl Gateway {
    /// Writes the configuration, starts `mcphub-edge run` and waits until it is ready.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        Self::start_with(config, &[]).await
    }

    /// [`Gateway::start`] with further flags for `run`.
    pub async fn start_with(config: Config, flags: &[&str]) -> anyhow::Result<Self> {
        let mut gateway = Self::spawn(config, flags)?;
        gateway.wait_until_ready().await?;
        Ok(gateway)
    }

    /// Starts it without waiting, for a gateway that is expected to refuse its configuration.
    pub fn spawn(config: Config, flags: &[&str]) -> anyhow::Result<Self> {
        let directory = Arc::new(TempDir::new()?);
        std::fs::write(config_path(directory.path()), config.text(directory.path()))?;
        Self::spawn_in(directory, config, flags, 1)
    }

    /// Starts another process with this one's file, addresses and folder, without waiting: the second half of a
    /// hand-over.
    pub fn spawn_successor(&self, flags: &[&str]) -> anyhow::Result<Self> {
        Self::spawn_in(self.directory.clone(), self.config.clone(), flags, self.generation + 1)
    }

    fn spawn_in(
        directory: Arc<TempDir>,
        config: Config,
        flags: &[&str],
        generation: u32,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(edge_binary()?);
        command.arg("run").arg("--config").arg(config_path(directory.path())).args(flags);
        command.current_dir(directory.path());
        let process = Process::spawn(&format!("gateway-{generation}"), directory.path(), command)?;
        Ok(Self { process, config, directory, generation })
    }

    /// Waits until `/readyz` says 200. An error at once when the process exits.
    pub async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let admin = self.config.admin();
        let look = async || {
            if let Some(status) = self.process.exit_status() {
                return Ok(Err(status));
            }
            match exchange(admin, "GET", "/readyz", "").await {
                Ok(answer) if answer.status == 200 => Ok(Ok(())),
                Ok(answer) => Err(format!("{} {}", answer.status, answer.text())),
                Err(error) => Err(format!("{error:#}")),
            }
        };
        match until("the gateway to be ready", look).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(status)) => bail!("the gateway exited: {status}\n{}", self.process.tail()),
            Err(error) => bail!("{error:#}\n{}", self.process.tail()),
        }
    }

    /// The clients' address.
    pub fn listener(&self) -> SocketAddr {
        self.config.listener()
    }

    /// The operators' address.
    pub fn admin(&self) -> SocketAddr {
        self.config.admin()
    }

    /// The MCP endpoint.
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.listener())
    }

    /// The folder of its file, its keys and its state.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Its configuration file.
    pub fn config_path(&self) -> PathBuf {
        config_path(self.directory())
    }

    /// The configuration it was started with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Replaces the configuration file in one step, as an editor or a configuration tool does.
    pub fn write_config(&self, text: &str) -> anyhow::Result<()> {
        let next = self.directory().join("next.toml");
        std::fs::write(&next, text)?;
        std::fs::rename(&next, self.config_path()).context("put the new configuration in place")
    }

    /// Asks for a reload (SIGHUP).
    pub fn reload(&mut self) -> anyhow::Result<()> {
        self.process.signal(Signal::HUP)
    }

    /// One request to the admin port.
    pub async fn ask(&self, method: &str, target: &str, body: &str) -> anyhow::Result<Answer> {
        exchange(self.admin(), method, target, body).await
    }

    /// A JSON answer of the admin port, which must be a 200.
    pub async fn status(&self, target: &str) -> anyhow::Result<Value> {
        let answer = self.ask("GET", target, "").await?;
        if answer.status != 200 {
            bail!("{target} answers {}: {}", answer.status, answer.text());
        }
        Ok(serde_json::from_slice(&answer.body)?)
    }

    /// One sample of `/metrics` by its full name, labels included; none when it is not there.
    pub async fn metric(&self, sample: &str) -> anyhow::Result<Option<f64>> {
        let text = self.ask("GET", "/metrics", "").await?.text();
        let value = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok());
        Ok(value)
    }
}

fn config_path(directory: &Path) -> PathBuf {
    directory.join("mcphub.toml")
}
