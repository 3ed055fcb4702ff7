//! What does a client notice while the gateway reloads, stops, or hands over?
//!
//! **Owns** steady traffic in both eras, on kept-alive and on fresh connections, and a crowd of open event streams;
//! both count everything that went wrong, to the single request. They **do not** retry and do not forgive: a request
//! that was written and not answered has failed, whatever a kinder client would do next.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::bail;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::raw_http::{Broken, Ending, PATIENCE, RawClient};
use crate::raw_mcp::{Request, open_session};
use crate::raw_script::{LEGACY, legacy_call};
use crate::wait::until;

/// Pause of each worker between two requests: together some 300 requests a second, light enough for two busy cores.
const PAUSE: Duration = Duration::from_millis(20);

/// How many failures are told in full.
const TOLD: usize = 20;

/// Workers of each of the four kinds.
const WORKERS: u64 = 2;

/// What became of the traffic.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    /// Requests answered as they should be.
    pub answered: u64,
    /// Connections that were refused.
    pub refused: u64,
    /// Requests that failed in any other way.
    pub failed: u64,
    /// The first failures in words.
    pub told: Vec<String>,
}

impl Tally {
    /// Prints the figures, and panics unless every request was answered, and at least so many were.
    #[track_caller]
    #[allow(clippy::print_stdout, reason = "the figures are worth reading when the test passes")]
    pub fn assert_clean(&self, at_least: u64) {
        println!("{} requests answered, {} refused, {} failed", self.answered, self.refused, self.failed);
        assert!(
            self.refused == 0 && self.failed == 0,
            "{} answered, {} refused, {} failed: {:#?}",
            self.answered,
            self.refused,
            self.failed,
            self.told
        );
        assert!(self.answered >= at_least, "only {} requests were made", self.answered);
    }
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    answered: AtomicU64,
    bad: Mutex<Tally>,
}

impl Shared {
    fn fail(&self, who: &str, what: &str, refused: bool) {
        let mut bad = self.bad.lock().unwrap_or_else(PoisonError::into_inner);
        if refused {
            bad.refused += 1;
        } else {
            bad.failed += 1;
        }
        if bad.told.len() < TOLD {
            bad.told.push(format!("{who}: {what}"));
        }
    }
}

/// Steady traffic under way.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    workers: JoinSet<()>,
}

impl Load {
    /// Opens sessions, starts all workers and waits until each kind has been answered.
    pub async fn start(address: SocketAddr) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared::default());
        let mut workers = JoinSet::new();
        for number in 0..WORKERS {
            for kept_alive in [true, false] {
                let session = open_session(address, LEGACY, "").await?;
                for session in [Some(session), None] {
                    let worker = Worker { number, address, session, kept_alive, shared: shared.clone() };
                    workers.spawn(worker.run());
                }
            }
        }
        let load = Self { shared, workers };
        load.after(20 * WORKERS).await?;
        Ok(load)
    }

    /// Requests answered so far.
    pub fn answered(&self) -> u64 {
        self.shared.answered.load(Ordering::Relaxed)
    }

    /// Waits until so many more requests have been answered.
    pub async fn after(&self, more: u64) -> anyhow::Result<()> {
        let goal = self.answered() + more;
        until("requests to be answered", async || {
            let now = self.answered();
            if now >= goal { Ok(()) } else { Err(format!("{now} of {goal}; {:?}", self.tally().told)) }
        })
        .await
    }

    /// What has become of the traffic so far.
    pub fn tally(&self) -> Tally {
        let mut tally = self.shared.bad.lock().unwrap_or_else(PoisonError::into_inner).clone();
        tally.answered = self.answered();
        tally
    }

    /// Lets the requests under way finish, and counts.
    pub async fn finish(mut self) -> Tally {
        self.shared.stop.store(true, Ordering::Relaxed);
        while let Some(done) = self.workers.join_next().await {
            if let Err(error) = done {
                self.shared.fail("a worker", &error.to_string(), false);
            }
        }
        self.tally()
    }
}

/// One client: legacy with a session, modern without.
struct Worker {
    number: u64,
    address: SocketAddr,
    session: Option<String>,
    kept_alive: bool,
    shared: Arc<Shared>,
}

impl Worker {
    async fn run(self) {
        let host = self.address.to_string();
        let era = if self.session.is_some() { "legacy" } else { "modern" };
        let who = format!("{era} {}, kept alive: {}", self.number, self.kept_alive);
        let mut connection: Option<RawClient> = None;
        let mut id = 0;
        while !self.shared.stop.load(Ordering::Relaxed) {
            id += 1;
            // A connection whose end has arrived is not used again; that is all the kindness there is.
            let kept = connection.take().filter(|client| self.kept_alive && !client.ended());
            let reused = kept.is_some();
            let client = match kept {
                Some(client) => Ok(client),
                None => RawClient::connect(self.address).await,
            };
            match client {
                Ok(mut client) => match self.ask(&mut client, &host, id).await {
                    Ok(again) => {
                        self.shared.answered.fetch_add(1, Ordering::Relaxed);
                        connection = again.then_some(client);
                    }
                    Err(what) => {
                        self.shared.fail(&who, &format!("request {id}, reused: {reused}: {what}"), false);
                    }
                },
                Err(error) => {
                    let refused = error.kind() == std::io::ErrorKind::ConnectionRefused;
                    self.shared.fail(&who, &error.to_string(), refused);
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// One call; says whether the connection may be used again.
    async fn ask(&self, client: &mut RawClient, host: &str, id: u64) -> Result<bool, String> {
        let request = match &self.session {
            Some(session) => Request::legacy(host, session, legacy_call(id, "echo", &json!({"n": id}))),
            None => Request::modern(
                host,
                id,
                "tools/call",
                "echo",
                json!({"name": "echo", "arguments": {"n": id}}),
            ),
        };
        client.send(&request.bytes()).await.map_err(|error| format!("sending: {error}"))?;
        let answer = client.answer().await.map_err(|broken| format!("{broken:?}"))?;
        let json = answer.json();
        let echoed = &json["result"]["structuredContent"]["echo"]["n"];
        if answer.status != 200 || json["id"] != id || *echoed != id {
            return Err(format!("{} {}", answer.status, answer.text()));
        }
        Ok(!answer.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")))
    }
}

/// How an event stream came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamEnd {
    /// By the last chunk, between two events; with the last of its text.
    Proper(String),
    /// By the last chunk, within an event; with the last of its text.
    Torn(String),
    /// Without one.
    Cut(Broken),
}

#[derive(Debug, Default)]
struct StreamState {
    events: AtomicU64,
    end: Mutex<Option<StreamEnd>>,
}

/// Which stream a client holds open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A legacy GET within a session.
    Get,
    /// A modern `subscriptions/listen`.
    Listen,
}

/// A crowd of open event streams; closed when dropped.
#[derive(Debug)]
pub struct Streams {
    states: Vec<(Kind, Arc<StreamState>)>,
    _readers: JoinSet<()>,
}

/// How much of a stream's text is kept for its end.
const TAIL: usize = 2048;

impl Streams {
    /// Opens so many streams, half of each kind, and waits until each has brought an event.
    pub async fn open(address: SocketAddr, count: usize) -> anyhow::Result<Self> {
        let mut streams = Self { states: Vec::new(), _readers: JoinSet::new() };
        let host = address.to_string();
        for number in 0..count {
            let (kind, request) = if number % 2 == 0 {
                let session = open_session(address, LEGACY, "").await?;
                (Kind::Get, Request::stream(&host, &session))
            } else {
                let request = Request::modern(&host, number as u64, "subscriptions/listen", "", json!({}));
                (Kind::Listen, request)
            };
            let mut client = RawClient::connect(address).await?;
            client.send(&request.bytes()).await?;
            let head =
                timeout(PATIENCE, client.head()).await?.map_err(|broken| anyhow::anyhow!("{broken:?}"))?;
            let kind_of = head.field("content-type").unwrap_or_default();
            if head.status != 200 || !kind_of.starts_with("text/event-stream") {
                bail!("a stream is answered with {} {kind_of}", head.status);
            }
            let state = Arc::new(StreamState::default());
            streams.states.push((kind, state.clone()));
            streams._readers.spawn(read(client, state));
        }
        streams.after_events(1).await?;
        Ok(streams)
    }

    /// Waits until every stream has brought so many more events.
    pub async fn after_events(&self, more: u64) -> anyhow::Result<()> {
        let count = |state: &StreamState| state.events.load(Ordering::Relaxed);
        let goals: Vec<_> = self.states.iter().map(|(_, state)| count(state) + more).collect();
        until("events on every stream", async || {
            let late =
                self.states.iter().zip(&goals).filter(|((_, state), goal)| count(state) < **goal).count();
            if late == 0 { Ok(()) } else { Err(format!("{late} streams bring nothing; {:?}", self.ends())) }
        })
        .await
    }

    /// The streams that have ended, and how.
    pub fn ends(&self) -> Vec<(Kind, StreamEnd)> {
        let end = |state: &StreamState| state.end.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.states.iter().filter_map(|(kind, state)| Some((*kind, end(state)?))).collect()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.states.len()
    }
}

async fn read(mut client: RawClient, state: Arc<StreamState>) {
    let mut text = String::new();
    let end = loop {
        match client.chunk().await {
            Ok(Some(chunk)) => {
                let chunk = String::from_utf8_lossy(&chunk);
                let news = chunk.matches("data:").count() as u64;
                state.events.fetch_add(news, Ordering::Relaxed);
                text.push_str(&chunk);
                let start = text.ceil_char_boundary(text.len().saturating_sub(TAIL));
                text.drain(..start);
            }
            Ok(None) if text.ends_with("\n\n") => break StreamEnd::Proper(text),
            Ok(None) => break StreamEnd::Torn(text),
            Err(broken) => break StreamEnd::Cut(broken),
        }
    };
    *state.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
    // The connection of a stream that ended may live on; the next look at it is nobody's here.
    let _ = client.ending(Duration::from_secs(1)).await == Ending::Open;
}
