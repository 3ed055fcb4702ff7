//! How does a real hub start, and what does it know that no client can see?

use std::net::SocketAddr;

use anyhow::{Context, bail};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::binary::edge_binary;
use crate::http::exchange;
use crate::ports::{free_address, free_port};
use crate::process::Process;
use crate::wait::until;
use crate::wan::Site;

/// `mcphub-edge hub`, or the stand-alone hub that `MCPHUB_HUB` names.
fn hub_command() -> anyhow::Result<Command> {
    if let Some(path) = std::env::var_os("MCPHUB_HUB") {
        return Ok(Command::new(path));
    }
    let mut command = Command::new(edge_binary()?);
    command.arg("hub");
    Ok(command)
}

/// A running hub.
#[derive(Debug)]
pub struct Hub {
    /// The process, for signals and logs.
    pub process: Process,
    id: String,
    location: String,
    address: SocketAddr,
    _directory: TempDir,
}

impl Hub {
    /// Starts `mcphub-edge hub` on a free port, with further `flags` such as `--fault-control`, and waits until
    /// it answers.
    pub async fn start(id: &str, location: &str, flags: &[&str]) -> anyhow::Result<Self> {
        Self::start_at(free_address(), id, location, flags).await
    }

    /// [`Hub::start`] on a given address, for instance that of a hub which has been killed.
    pub async fn start_at(
        address: SocketAddr,
        id: &str,
        location: &str,
        flags: &[&str],
    ) -> anyhow::Result<Self> {
        let mut hub = Self::spawn(address, id, location, flags)?;
        hub.wait_until_up().await?;
        Ok(hub)
    }

    /// [`Hub::start`] at the far end of a link.
    pub async fn start_in(site: &Site, id: &str, location: &str, flags: &[&str]) -> anyhow::Result<Self> {
        let (host, address) = (site.address().to_string(), (site.address(), free_port()).into());
        let flags = [&["--allowed-host", &host], flags].concat();
        let mut hub = site.inside(|| Self::spawn(address, id, location, &flags))??;
        hub.wait_until_up().await?;
        Ok(hub)
    }

    fn spawn(address: SocketAddr, id: &str, location: &str, flags: &[&str]) -> anyhow::Result<Self> {
        let directory = TempDir::new()?;
        let mut command = hub_command()?;
        command.args(["--id", id, "--location", location, "--listen", &address.to_string()]).args(flags);
        let process = Process::spawn(id, directory.path(), command)?;
        let (id, location) = (id.to_owned(), location.to_owned());
        Ok(Self { process, id, location, address, _directory: directory })
    }

    async fn wait_until_up(&mut self) -> anyhow::Result<()> {
        let address = self.address;
        let look = async || {
            if let Some(status) = self.process.exit_status() {
                return Ok(Err(status));
            }
            exchange(address, "GET", "/counters", "").await.map(Ok)
        };
        match until(&format!("hub {} at {address}", self.id), look).await? {
            Ok(answer) if answer.status == 200 => Ok(()),
            Ok(answer) => bail!("hub {} answers {} to /counters: {}", self.id, answer.status, answer.text()),
            Err(status) => bail!("hub {} exited: {status}\n{}", self.id, self.process.tail()),
        }
    }

    /// The id it was started with.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The location it was started with.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its MCP endpoint.
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// What the hub counts: a side door that shows effects without touching a session.
    pub async fn counters(&self) -> anyhow::Result<Value> {
        let answer = exchange(self.address, "GET", "/counters", "").await?;
        serde_json::from_slice(&answer.body).with_context(|| format!("read /counters: {}", answer.text()))
    }
}
