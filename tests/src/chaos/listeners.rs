//! What does a client notice that only listens?

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::{Context, ensure};
use serde_json::json;
use tokio::task::JoinHandle;

use super::sessions::whoami;
use crate::mcp::{EventStream, Legacy};

/// A resource of the demo hub that changes every second while somebody is subscribed.
const CLOCK: &str = "hub://clock";

/// A legacy session with an open GET stream and one subscription, whose client asks nothing more.
#[derive(Debug)]
pub struct Listener {
    /// The hub it began on.
    pub hub: String,
    /// Its client, for what is asked after all.
    pub client: Legacy,
    updates: Arc<AtomicU64>,
    end: Arc<Mutex<Option<String>>>,
    reader: JoinHandle<()>,
}

impl Listener {
    /// Opens a session, subscribes, and listens.
    pub async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let mut client = Legacy::initialize(address).await?;
        let hub = whoami(&mut client).await?;
        client.call("resources/subscribe", json!({ "uri": CLOCK })).await?;
        let stream = client.open_stream(None).await?;
        ensure!(stream.head.status == 200, "the stream is answered with {}", stream.head.status);
        let (updates, end) = (Arc::new(AtomicU64::new(0)), Arc::default());
        let reader = tokio::spawn(read(stream, Arc::clone(&updates), Arc::clone(&end)));
        Ok(Self { hub, client, updates, end, reader })
    }

    /// Updates heard so far.
    pub fn updates(&self) -> u64 {
        self.updates.load(Ordering::Relaxed)
    }

    /// How its stream ended, if it has.
    pub fn end(&self) -> Option<String> {
        self.end.lock().ok()?.clone()
    }

    /// The hub that it lives on now, which its client has to ask for.
    pub async fn hub_now(&mut self) -> anyhow::Result<String> {
        whoami(&mut self.client).await.with_context(|| format!("a listener that began on {}", self.hub))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn read(mut stream: EventStream, updates: Arc<AtomicU64>, end: Arc<Mutex<Option<String>>>) {
    let how = loop {
        match stream.next().await {
            Ok(Some(event)) if event.json()["method"] == "notifications/resources/updated" => {
                updates.fetch_add(1, Ordering::Relaxed);
            }
            Ok(Some(_)) => {}
            Ok(None) => break "it was closed".to_owned(),
            Err(error) => break format!("{error:#}"),
        }
    };
    if let Ok(mut end) = end.lock() {
        *end = Some(how);
    }
}
