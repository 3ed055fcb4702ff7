//! Which hubs fail, and how?

use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::METHOD;
use crate::http::exchange;
use crate::{Hub, Signal};

/// How many hubs there are.
pub const FLEET: usize = 4;

/// Where they stand; the gateway of the rig stands at the first.
const PLACES: [&str; FLEET] = ["us-east", "us-west", "eu-central", "ap-northeast"];

/// How long hubs take for what the crowd asks, while they are well. Probes are answered at once: a hub that is busy
/// with real work is not a sick hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slowness {
    /// As fast as they can.
    None,
    /// Each call takes this long.
    Calls(Duration),
}

/// Four running hubs.
#[derive(Debug)]
pub struct Fleet {
    hubs: Vec<Hub>,
    slowness: Slowness,
    flags: Vec<String>,
}

impl Fleet {
    /// Starts them.
    pub async fn start(slowness: Slowness) -> anyhow::Result<Self> {
        Self::start_with(slowness, &[]).await
    }

    /// [`Fleet::start`] with further flags for each hub, also when it is started again.
    pub async fn start_with(slowness: Slowness, flags: &[&str]) -> anyhow::Result<Self> {
        let flags = [&["--fault-control"], flags].concat();
        let kept = flags.iter().map(|&flag| flag.to_owned()).collect();
        let mut fleet = Self { hubs: Vec::new(), slowness, flags: kept };
        for (number, place) in PLACES.iter().enumerate() {
            fleet.hubs.push(Hub::start(&format!("hub-{number}"), place, &flags).await?);
        }
        for number in 0..FLEET {
            fleet.well(number).await?;
        }
        Ok(fleet)
    }

    /// The hubs, in order.
    pub fn hubs(&self) -> &[Hub] {
        &self.hubs
    }

    /// `kill -9`.
    pub async fn kill(&mut self, number: usize) -> anyhow::Result<()> {
        self.hubs[number].process.kill().await
    }

    /// Starts a killed hub again, at the same address.
    pub async fn restart(&mut self, number: usize) -> anyhow::Result<()> {
        let old = &self.hubs[number];
        let (id, place, address) = (old.id().to_owned(), old.location().to_owned(), old.address());
        let flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
        self.hubs[number] = Hub::start_at(address, &id, &place, &flags).await?;
        self.well(number).await
    }

    /// SIGSTOP: the kernel goes on accepting connections, and nobody ever answers.
    pub fn stop(&mut self, number: usize) -> anyhow::Result<()> {
        self.hubs[number].process.signal(Signal::STOP)
    }

    /// SIGCONT.
    pub fn resume(&mut self, number: usize) -> anyhow::Result<()> {
        self.hubs[number].process.signal(Signal::CONT)
    }

    /// Lets this share of all requests, probes included, fail with HTTP 500, at random.
    pub async fn errors(&self, number: usize, share: f64) -> anyhow::Result<()> {
        self.fault(number, &json!({ "error_rate": share, "error": "http500" })).await
    }

    /// Holds every answer back, those to probes included.
    pub async fn slow(&self, number: usize, latency: Duration) -> anyhow::Result<()> {
        self.fault(number, &json!({ "latency_ms": millis(latency) })).await
    }

    /// Holds the answers to the crowd's calls back, and no others.
    pub async fn slow_calls(&self, number: usize, latency: Duration) -> anyhow::Result<()> {
        self.fault(number, &json!({ "latency_ms": millis(latency), "only": METHOD })).await
    }

    /// Takes every fault back.
    pub async fn well(&self, number: usize) -> anyhow::Result<()> {
        match self.slowness {
            Slowness::None => self.fault(number, &json!({})).await,
            Slowness::Calls(latency) => self.slow_calls(number, latency).await,
        }
    }

    /// Requests under way at a hub, whoever sent them.
    pub async fn in_flight(&self, number: usize) -> anyhow::Result<usize> {
        let counters = self.hubs[number].counters().await?;
        let count = counters["in_flight"].as_u64().context("a hub counts what is in flight")?;
        Ok(usize::try_from(count)?)
    }

    async fn fault(&self, number: usize, fault: &Value) -> anyhow::Result<()> {
        let answer = exchange(self.hubs[number].address(), "PUT", "/fault", &fault.to_string()).await?;
        if answer.status != 200 {
            bail!("the hub answers {} to {fault}: {}", answer.status, answer.text());
        }
        Ok(())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
