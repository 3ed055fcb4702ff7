//! How does one session of a crowd live?

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::timeout;

use super::{At, End, Kind, Ledger, Name, Operation, Watch};
use crate::mcp::{EventStream, Legacy, Peer, Reply};

/// The resource that changes each second while somebody follows it.
pub const CLOCK: &str = "hub://clock";

/// The resource by which a hub says who it is.
const SELF: &str = "hub://self";

/// How long a client waits beyond an operation's own running time. Longer than the promise, so that what is late is
/// seen to be late.
const PATIENCE: Duration = Duration::from_secs(20);

/// Pause before a stream that was closed is opened again.
const REOPEN: Duration = Duration::from_millis(200);

/// What a session does all day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Reads, one read after the other.
    Reader,
    /// Calls a read-only tool that takes long and reports progress.
    Caller,
    /// Calls a tool without annotations that leaves a mark.
    Actor,
    /// Follows a resource on an open stream, and asks this and that in between.
    Follower,
}

impl Role {
    /// All of them, in the order in which they are given out.
    pub const ALL: [Self; 4] = [Self::Reader, Self::Caller, Self::Actor, Self::Follower];
}

/// How long hubs take.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// For a read; the rig tells the hubs by a fault.
    pub read: Duration,
    /// For a call with progress.
    pub call: Duration,
    /// How often it reports.
    pub steps: u32,
    /// For an act.
    pub act: Duration,
    /// How long followers, whose point is their stream, rest between two calls.
    pub pause: Duration,
}

/// What can be seen of a session from outside.
#[derive(Debug, Default)]
pub(super) struct Station {
    hub: Mutex<String>,
    doing: Mutex<Option<Kind>>,
    /// Whether its stream is open.
    pub(super) streams: AtomicBool,
    /// Whether it has subscribed to something.
    pub(super) follows: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Station {
    /// The hub that answered last.
    pub(super) fn hub(&self) -> String {
        lock(&self.hub).clone()
    }

    /// What is under way.
    pub(super) fn doing(&self) -> Option<Kind> {
        *lock(&self.doing)
    }
}

/// A session and its ways in: one for each gateway, taken in turn.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: Name,
    pub(super) station: Arc<Station>,
    ledger: Arc<Ledger>,
    doors: Vec<Legacy>,
    turn: usize,
    acts: usize,
    /// The number of kills after which it has last asked where it is.
    seen: usize,
}

impl Member {
    /// Opens a session by the first of these gateways, as a client at `from`.
    pub(super) async fn open(
        ledger: Arc<Ledger>,
        name: Name,
        gateways: &[SocketAddr],
        from: &str,
    ) -> anyhow::Result<Self> {
        let peer = |address: &SocketAddr| Peer::new(*address).with("X-Forwarded-For", from);
        let (first, others) = gateways.split_first().context("a gateway")?;
        let session = Legacy::initialize_at(peer(first)).await?;
        let others = others.iter().zip(1..).map(|(address, turn)| session.by(peer(address), turn));
        let mut doors: Vec<_> = others.collect();
        doors.insert(0, session);
        let station = Arc::default();
        let mut member = Self { name, station, ledger, doors, turn: 0, acts: 0, seen: 0 };
        member.seen = member.ledger.kills();
        // As real clients do; and so each gateway learns what the tools of each hub say of themselves.
        for _ in 0..gateways.len() {
            member.ask(Kind::Safe, "tools/list", json!({}), Duration::ZERO, None).await;
        }
        Ok(member)
    }

    /// The session id.
    pub(super) fn id(&self) -> &str {
        self.doors[0].session.as_deref().unwrap_or_default()
    }

    /// Lives until it is told to stop. `first` is a pause before the first call, so that not all ask at once.
    pub(super) async fn live(
        mut self,
        role: Role,
        pace: Pace,
        first: Duration,
        mut stop: watch::Receiver<bool>,
    ) -> Self {
        let mut turn = 0;
        let _ = timeout(first, stop.wait_for(|stop| *stop)).await;
        while !*stop.borrow() {
            let kills = self.ledger.kills();
            if self.seen != kills {
                self.seen = kills;
                self.ping().await;
            }
            let failed = match role {
                Role::Reader => self.read(pace.read).await,
                Role::Caller => self.call(pace).await,
                Role::Actor => self.act(pace.act).await,
                Role::Follower => {
                    let failed = self.odds(turn).await;
                    let _ = timeout(pace.pause, stop.wait_for(|stop| *stop)).await;
                    failed
                }
            };
            if failed {
                // A gateway that is down refuses at once; do not ask it as fast as we can.
                let _ = timeout(REOPEN, stop.wait_for(|stop| *stop)).await;
            }
            turn += 1;
        }
        self
    }

    pub(super) async fn ping(&mut self) -> bool {
        self.ask(Kind::Safe, "ping", json!({}), Duration::ZERO, None).await
    }

    async fn read(&mut self, own: Duration) -> bool {
        self.ask(Kind::Safe, "resources/read", json!({ "uri": SELF }), own, None).await
    }

    async fn call(&mut self, pace: Pace) -> bool {
        let arguments = json!({ "seconds": pace.call.as_secs_f64(), "steps": pace.steps });
        let token = format!("{} {}", self.name, self.turn);
        let params = json!({ "name": "slow", "arguments": arguments, "_meta": { "progressToken": token } });
        self.ask(Kind::Progress, "tools/call", params, pace.call, None).await
    }

    async fn act(&mut self, own: Duration) -> bool {
        self.acts += 1;
        let key = format!("{} act {}", self.name, self.acts);
        let arguments = json!({ "key": key, "seconds": own.as_secs_f64(), "steps": 1 });
        let params = json!({ "name": "act", "arguments": arguments });
        self.ask(Kind::Act, "tools/call", params, own, Some(key)).await
    }

    /// What is asked in between: everything that may be repeated.
    async fn odds(&mut self, turn: usize) -> bool {
        let (method, params) = match turn % 5 {
            0 => ("tools/list", json!({})),
            1 => ("ping", json!({})),
            2 => ("resources/list", json!({})),
            3 => ("prompts/get", json!({ "name": "test_simple_prompt" })),
            _ => ("resources/templates/list", json!({})),
        };
        self.ask(Kind::Safe, method, params, Duration::ZERO, None).await
    }

    /// Asks one thing and writes down how it went; whether it failed.
    async fn ask(
        &mut self,
        kind: Kind,
        method: &str,
        params: Value,
        own: Duration,
        key: Option<String>,
    ) -> bool {
        let doors = self.doors.len();
        let door = &mut self.doors[self.turn % doors];
        self.turn += 1;
        *lock(&self.station.doing) = Some(kind);
        let asked = self.ledger.now();
        let outcome = timeout(own + PATIENCE, door.request(method, params)).await;
        let over = self.ledger.now();
        *lock(&self.station.doing) = None;
        let (end, progress) = match outcome {
            Err(_) => (End::Silent, Vec::new()),
            Ok(Err(error)) => (End::Broken(format!("{error:#}")), Vec::new()),
            Ok(Ok((id, reply))) => {
                self.look_at(&reply);
                (end_of(&id, &reply), progress_of(&reply))
            }
        };
        let failed = end != End::Result;
        let session = self.name.clone();
        let operation = Operation { session, kind, key, asked, over, own, end, progress };
        self.ledger.write().operations.push(operation);
        failed
    }

    fn look_at(&self, reply: &Reply) {
        if let Some(hub) = reply.head.field("mcphub-hub") {
            hub.clone_into(&mut lock(&self.station.hub));
        }
        if reply.head.field("mcp-session-id").is_some_and(|id| id != self.id()) {
            self.ledger.write().other_ids.push((self.name.clone(), "an answer gives another".to_owned()));
        }
    }

    /// Opens the stream and subscribes to [`CLOCK`]; the task that reads it ends when it is told to stop.
    pub(super) async fn follow(
        &mut self,
        stop: watch::Receiver<bool>,
    ) -> anyhow::Result<impl Future<Output = ()> + Send + use<>> {
        let stream = self.doors[0].open_stream(None).await?;
        anyhow::ensure!(stream.head.status == 200, "the stream is answered with {}", stream.head.status);
        self.doors[0].call("resources/subscribe", json!({ "uri": CLOCK })).await?;
        self.station.follows.store(true, Ordering::Relaxed);
        let since = self.ledger.now();
        self.ledger.write().watches.insert(self.name.clone(), Watch { since, ..Watch::default() });
        let first = &self.doors[0];
        let again = first.by(first.peer.again(), 1 << 16);
        let (name, ledger, station) = (self.name.clone(), self.ledger.clone(), self.station.clone());
        Ok(listen(Listener { name, ledger, station, again }, stream, stop))
    }

    /// Where the session lives, by each of its doors: the hub, its boot, and the hub's own id for it.
    pub(super) async fn whereabouts(&mut self) -> anyhow::Result<Vec<[String; 3]>> {
        let mut found = Vec::new();
        for door in &mut self.doors {
            let said = door.tool("whoami", json!({})).await?;
            let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
            found.push(["hub", "boot", "session"].map(text));
        }
        Ok(found)
    }

    /// One request of the caller's own, beside the book.
    pub(super) async fn own(&mut self, method: &str, params: Value) -> anyhow::Result<Value> {
        let doors = self.doors.len();
        self.turn += 1;
        self.doors[self.turn % doors].call(method, params).await
    }

    /// How many messages of level info get through when a tool writes two. Whatever the level was, it is debug
    /// afterwards: the one message of another call then shows that all that came before it has come.
    pub(super) async fn log_messages(&mut self) -> anyhow::Result<usize> {
        let door = &mut self.doors[0];
        let mut stream = door.open_stream(None).await?;
        door.tool("burst", json!({ "events": 2 })).await?;
        door.call("logging/setLevel", json!({ "level": "debug" })).await?;
        door.tool("burst", json!({ "events": 1 })).await?;
        let mut count = 0;
        while stream.notification("notifications/message").await?["params"]["data"] != "event 1 of 1" {
            count += 1;
        }
        Ok(count)
    }

    /// Ends the session; the status of the answer.
    pub(super) async fn delete(&mut self) -> anyhow::Result<u16> {
        self.doors[0].delete().await
    }
}

struct Listener {
    name: Name,
    ledger: Arc<Ledger>,
    station: Arc<Station>,
    again: Legacy,
}

async fn listen(listener: Listener, stream: EventStream, mut stop: watch::Receiver<bool>) {
    let mut stream = Some(stream);
    while !*stop.borrow() {
        if let Some(open) = stream.take() {
            listener.station.streams.store(true, Ordering::Relaxed);
            let ended = tokio::select! {
                how = listener.read(open) => Some(how),
                _ = stop.wait_for(|stop| *stop) => None,
            };
            listener.station.streams.store(false, Ordering::Relaxed);
            let Some(how) = ended else { return };
            listener.note(|watch, at| watch.closed.push((at, how)));
        }
        let _ = timeout(REOPEN, stop.wait_for(|stop| *stop)).await;
        stream = listener.again.open_stream(None).await.ok().filter(|stream| stream.head.status == 200);
    }
}

impl Listener {
    fn note(&self, change: impl FnOnce(&mut Watch, At)) {
        let at = self.ledger.now();
        change(self.ledger.write().watches.entry(self.name.clone()).or_default(), at);
    }

    /// Reads to the end; how it ended.
    async fn read(&self, mut stream: EventStream) -> String {
        loop {
            match stream.next().await {
                Ok(Some(event)) if event.data.contains("notifications/resources/updated") => {
                    self.note(|watch, at| watch.updates.push(at));
                }
                Ok(Some(_)) => {}
                Ok(None) => return "it ended".to_owned(),
                Err(error) => return format!("{error:#}"),
            }
        }
    }
}

fn end_of(id: &Value, reply: &Reply) -> End {
    if reply.status != 200 {
        return End::Broken(format!("HTTP {}: {:?}", reply.status, reply.messages));
    }
    let Ok(response) = reply.response(id) else {
        return End::Broken(format!("an answer without a response: {:?}", reply.messages));
    };
    if let Some(error) = response.get("error") {
        let message = error["message"].as_str().unwrap_or_default().to_owned();
        return End::Error { code: error["code"].as_i64().unwrap_or_default(), message };
    }
    if response["result"]["isError"] == true {
        return End::Error { code: 0, message: response["result"].to_string() };
    }
    End::Result
}

fn progress_of(reply: &Reply) -> Vec<f64> {
    reply
        .notifications("notifications/progress")
        .filter_map(|note| note["params"]["progress"].as_f64())
        .collect()
}

/// How many members there are of each kind.
pub(super) fn count<K: Ord>(keys: impl Iterator<Item = K>) -> BTreeMap<K, usize> {
    let mut counts = BTreeMap::new();
    for key in keys {
        *counts.entry(key).or_default() += 1;
    }
    counts
}
