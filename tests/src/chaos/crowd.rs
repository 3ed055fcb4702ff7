//! What does each of many clients see, call by call?
//!
//! The load is *open*: each client asks at its own fixed times, whether or not it has been answered. A crowd that waited
//! for its answers would ask less and less of a gateway that stalls, and so be kind to the worst one.

#![allow(clippy::disallowed_methods, reason = "measures what really happened, when it happened")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;

use crate::raw_http::{Broken, RawClient};
use crate::raw_mcp::Request;

/// How many clients there are.
pub const CLIENTS: u64 = 64;

/// How often they ask, all together.
pub const PER_SECOND: u64 = 200;

/// What they ask: a method that is safe to repeat, and whose answer names the hub.
pub const METHOD: &str = "resources/read";

/// The resource by which a hub says who it is.
const RESOURCE: &str = "hub://self";

/// How long a client waits. The SDKs wait for a minute; what is not answered within this would not be answered then
/// either, since both proxies give a hub 5 s.
const PATIENCE: Duration = Duration::from_secs(10);

/// Pause between two calls of one client.
const EVERY: Duration = Duration::from_millis(1000 * CLIENTS / PER_SECOND);

/// How one call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// With the result, from this hub.
    Answered(String),
    /// In any other way, in a word or two.
    Failed(String),
}

/// One call, as its client saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// When it was sent.
    pub asked: Instant,
    /// When the client had its answer, or gave up.
    pub over: Instant,
    /// How it ended.
    pub end: End,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    stop: AtomicBool,
    in_flight: AtomicUsize,
    /// Worst delay of a call behind its own time, µs.
    lag: AtomicU64,
    calls: Mutex<Vec<Call>>,
}

/// A crowd at work.
#[derive(Debug)]
pub struct Crowd {
    shared: Arc<Shared>,
    clients: JoinSet<()>,
}

impl Crowd {
    /// Lets [`CLIENTS`] clients ask [`PER_SECOND`] times a second at this address, evenly spread.
    pub fn start(address: SocketAddr) -> Self {
        let shared = Arc::new(Shared {
            address,
            stop: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            lag: AtomicU64::new(0),
            calls: Mutex::default(),
        });
        let start = tokio::time::Instant::now();
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            let first =
                start + EVERY * u32::try_from(number).unwrap_or(0) / u32::try_from(CLIENTS).unwrap_or(1);
            clients.spawn(client(shared.clone(), number, first));
        }
        Self { shared, clients }
    }

    /// Calls under way now.
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight.load(Ordering::Relaxed)
    }

    /// Asks no more, lets what is under way end, and gives back every call, with the worst delay of a call behind its
    /// own time: how starved this process was.
    pub async fn finish(mut self) -> (Vec<Call>, Duration) {
        self.shared.stop.store(true, Ordering::Relaxed);
        while self.clients.join_next().await.is_some() {}
        let mut calls =
            std::mem::take(&mut *self.shared.calls.lock().unwrap_or_else(PoisonError::into_inner));
        calls.sort_by_key(|call| call.asked);
        (calls, Duration::from_micros(self.shared.lag.load(Ordering::Relaxed)))
    }
}

/// One client: its connections, and the calls it has under way.
async fn client(shared: Arc<Shared>, number: u64, first: tokio::time::Instant) {
    let idle: Arc<Mutex<Vec<RawClient>>> = Arc::default();
    let mut calls = JoinSet::new();
    let mut due = first;
    let mut id = number;
    while !shared.stop.load(Ordering::Relaxed) {
        tokio::time::sleep_until(due).await;
        let lag = u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX);
        shared.lag.fetch_max(lag, Ordering::Relaxed);
        calls.spawn(call(shared.clone(), idle.clone(), id));
        while calls.try_join_next().is_some() {}
        due += EVERY;
        id += CLIENTS;
    }
    while calls.join_next().await.is_some() {}
}

async fn call(shared: Arc<Shared>, idle: Arc<Mutex<Vec<RawClient>>>, id: u64) {
    shared.in_flight.fetch_add(1, Ordering::Relaxed);
    let asked = Instant::now();
    let end = match tokio::time::timeout(PATIENCE, ask(&shared, &idle, id)).await {
        Ok(Ok(hub)) => End::Answered(hub),
        Ok(Err(what)) => End::Failed(what),
        Err(_) => End::Failed("no answer".to_owned()),
    };
    shared.in_flight.fetch_sub(1, Ordering::Relaxed);
    let call = Call { asked, over: Instant::now(), end };
    shared.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
}

async fn ask(shared: &Shared, idle: &Mutex<Vec<RawClient>>, id: u64) -> Result<String, String> {
    let kept = || {
        let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::from_fn(|| idle.pop()).find(|client| !client.ended())
    };
    let mut client = match kept() {
        Some(client) => client,
        None => {
            RawClient::connect(shared.address).await.map_err(|error| format!("no connection: {error}"))?
        }
    };
    let host = shared.address.to_string();
    let request = Request::modern(&host, id, METHOD, RESOURCE, json!({ "uri": RESOURCE }));
    client.send(&request.bytes()).await.map_err(|error| format!("not sent: {error}"))?;
    let answer = client.answer().await.map_err(|broken| match broken {
        Broken::NoAnswer(ending) => format!("cut without an answer: {ending:?}"),
        Broken::Torn(ending) => format!("cut in the answer: {ending:?}"),
        other => format!("{other:?}"),
    })?;
    if !answer.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
        idle.lock().unwrap_or_else(PoisonError::into_inner).push(client);
    }
    let json = answer.json();
    if answer.status != 200 || json["id"] != id {
        return Err(format!("HTTP {}", answer.status));
    }
    let text =
        json["result"]["contents"][0]["text"].as_str().ok_or_else(|| "HTTP 200 with an error".to_owned())?;
    let about: serde_json::Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Ok(about["hub"].as_str().unwrap_or_default().to_owned())
}
