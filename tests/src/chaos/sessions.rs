//! What do legacy sessions notice that call all the time when their hub is drained?

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::mcp::Legacy;

/// Pause between two calls of one session.
const EVERY: Duration = Duration::from_millis(100);

/// How many failures of one session are told.
const TOLD: usize = 3;

/// What became of one session.
#[derive(Debug, Clone, Default)]
pub struct Life {
    /// The hub it began on.
    pub hub: String,
    /// The hub that answered last.
    pub last: String,
    /// Calls answered, by whichever hub.
    pub answered: u64,
    /// How many times another hub answered than the time before.
    pub moves: u64,
    /// Calls that failed, and an end that was not accepted.
    pub failed: u64,
    /// The first of them in words.
    pub told: Vec<String>,
}

/// Legacy sessions that call all the time.
#[derive(Debug)]
pub struct Sessions {
    running: Vec<(String, watch::Sender<bool>, JoinHandle<Life>)>,
}

impl Sessions {
    /// Opens so many, one after the other, each of which then calls ten times a second.
    pub async fn open(address: SocketAddr, count: usize) -> anyhow::Result<Self> {
        let mut running = Vec::new();
        for _ in 0..count {
            let mut client = Legacy::initialize(address).await?;
            let hub = whoami(&mut client).await?;
            let (end, ended) = watch::channel(false);
            running.push((hub.clone(), end, tokio::spawn(live(client, hub, ended))));
        }
        Ok(Self { running })
    }

    /// How many began on each hub.
    pub fn by_hub(&self) -> BTreeMap<&str, usize> {
        let mut hubs = BTreeMap::new();
        for (hub, ..) in &self.running {
            *hubs.entry(hub.as_str()).or_default() += 1;
        }
        hubs
    }

    /// Ends all; what became of them.
    pub async fn finish(self) -> Vec<Life> {
        let mut lives = Vec::new();
        for (_, end, life) in self.running {
            let _ = end.send(true);
            lives.push(life.await.unwrap_or_default());
        }
        lives
    }
}

pub(super) async fn whoami(client: &mut Legacy) -> anyhow::Result<String> {
    let answer = client.tool("whoami", json!({})).await?;
    Ok(answer["hub"].as_str().context("whoami names a hub")?.to_owned())
}

/// Calls until it is told to end, and ends with a DELETE.
async fn live(mut client: Legacy, hub: String, mut ended: watch::Receiver<bool>) -> Life {
    let mut life = Life { last: hub.clone(), hub, ..Life::default() };
    let fail = |life: &mut Life, what: String| {
        life.failed += 1;
        if life.told.len() < TOLD {
            life.told.push(what);
        }
    };
    while !*ended.borrow() {
        match whoami(&mut client).await {
            Ok(hub) => {
                life.answered += 1;
                life.moves += u64::from(hub != life.last);
                life.last = hub;
            }
            Err(error) => fail(&mut life, format!("{error:#}")),
        }
        let _ = tokio::time::timeout(EVERY, ended.changed()).await;
    }
    match client.delete().await {
        Ok(status) if (200..300).contains(&status) => {}
        Ok(status) => fail(&mut life, format!("DELETE is answered with {status}")),
        Err(error) => fail(&mut life, format!("DELETE: {error:#}")),
    }
    life
}
