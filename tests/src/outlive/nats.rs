//! How does a NATS server start, die, and come back with what it held?

use std::net::SocketAddr;

use anyhow::Context;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::ports::free_address;
use crate::process::Process;
use crate::wait::until;

/// Debian's `nats-server`, with a folder and a port of its own.
#[derive(Debug)]
pub struct Nats {
    process: Process,
    address: SocketAddr,
    directory: TempDir,
    starts: u32,
}

impl Nats {
    /// Starts it and waits until it takes connections.
    pub async fn start() -> anyhow::Result<Self> {
        let (directory, address) = (TempDir::new()?, free_address());
        let process = spawn(&directory, address, 1)?;
        let mut nats = Self { process, address, directory, starts: 1 };
        nats.wait_until_up().await?;
        Ok(nats)
    }

    /// What a gateway is told.
    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// `kill -9`.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill().await
    }

    /// Starts it again, where it was and with what it held.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.starts += 1;
        self.process = spawn(&self.directory, self.address, self.starts)?;
        self.wait_until_up().await
    }

    async fn wait_until_up(&mut self) -> anyhow::Result<()> {
        let address = self.address;
        let up = until("NATS to listen", async || TcpStream::connect(address).await).await;
        up.map(drop).with_context(|| self.process.tail())
    }
}

fn spawn(directory: &TempDir, address: SocketAddr, start: u32) -> anyhow::Result<Process> {
    // Debian puts it where not every user looks.
    let program = ["/usr/sbin/nats-server", "/usr/bin/nats-server", "/usr/local/bin/nats-server"];
    let program = program.into_iter().find(|path| std::path::Path::new(path).exists());
    let program = program.context("nats-server is missing: run tests/tools/install.sh nats")?;
    let mut command = Command::new(program);
    command.args(["--addr", &address.ip().to_string(), "--port", &address.port().to_string()]);
    command.arg("--jetstream").arg("--store_dir").arg(directory.path().join("jetstream"));
    Process::spawn(&format!("nats-{start}"), directory.path(), command)
}
