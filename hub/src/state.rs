//! What does the whole hub share, across connections, sessions and requests?

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use http::Method;
use rmcp::model::{CacheScope, RequestStateCodec};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    args::{Args, Scope},
    fault::{Cut, Fault, Injected},
    journal::Journal,
};

/// Most distinct keys `act` and `put` remember, so that a test gone wild cannot eat the memory.
pub(crate) const KEYS_MAX: usize = 10_000;

/// Longest key or value, in bytes.
pub(crate) const TEXT_MAX: usize = 1_024;

/// Changes a slow listener may fall behind before it is told only that something changed.
const CHANGES_KEPT: usize = 64;

/// The resource that changes.
pub(crate) const CLOCK: &str = "hub://clock";

/// Which list of things on offer has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum List {
    Tools,
    Prompts,
}

/// What can be read from outside, as `GET /counters` gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Name of the hub.
    pub hub: String,
    /// Name of its place.
    pub location: String,
    /// Drawn anew at each start.
    pub boot: String,
    /// Requests to `/mcp` since the start, faulty answers included.
    pub requests: u64,
    /// `initialize` requests that reached the handler.
    pub initialize: u64,
    /// Legacy sessions held now.
    pub sessions_open: usize,
    /// How often `act` was executed, per key.
    pub act: BTreeMap<String, u64>,
    /// How often `put` was executed, per key.
    pub put: BTreeMap<String, u64>,
    /// How often `lookup` was executed.
    pub lookup: u64,
    /// How often a list or a resource was asked for.
    pub asked: u64,
    /// Tool calls that were cancelled while they ran.
    pub cancelled: u64,
    /// POST and DELETE requests whose answer is not complete, `subscriptions/listen` excepted.
    pub in_flight: usize,
    /// Requests waiting for a turn.
    pub queue_depth: usize,
    /// GET streams open now.
    pub get_streams: usize,
    /// `subscriptions/listen` streams open now.
    pub listen_streams: usize,
    /// How often the clock resource has changed.
    pub tick: u64,
}

/// A number that goes up and comes back.
#[derive(Debug, Clone, Default)]
pub(crate) struct Level(Arc<AtomicUsize>);

impl Level {
    /// Counts one more until the returned guard is dropped.
    pub(crate) fn enter(&self) -> Counted {
        self.0.fetch_add(1, Ordering::Relaxed);
        Counted(Arc::clone(&self.0))
    }

    pub(crate) fn now(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// One of what a [`Level`] counts.
#[derive(Debug)]
pub(crate) struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What the present fault does to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sentence {
    pub(crate) latency: Duration,
    pub(crate) hang: bool,
    pub(crate) refuse_sessions: bool,
    pub(crate) error: Option<Injected>,
    pub(crate) cut: Option<(u64, Cut)>,
}

#[derive(Debug, Default)]
struct Armed {
    fault: Fault,
    /// Requests the fault has looked at.
    turn: u64,
}

/// Switches that end the answers open now; each is thrown once and then replaced.
#[derive(Debug, Default)]
struct Switches {
    gets: CancellationToken,
    posts: CancellationToken,
    reset: CancellationToken,
}

/// The switches one answer listens to.
#[derive(Debug, Clone)]
pub(crate) struct Ends {
    /// A clean end between two events.
    pub(crate) clean: CancellationToken,
    /// A TCP reset.
    pub(crate) reset: CancellationToken,
}

/// Everything the hub shares.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) args: Args,
    pub(crate) boot: String,
    pub(crate) requests: AtomicU64,
    pub(crate) initialize: AtomicU64,
    pub(crate) lookup: AtomicU64,
    pub(crate) asked: AtomicU64,
    pub(crate) cancelled: AtomicU64,
    pub(crate) in_flight: Level,
    pub(crate) queued: Level,
    pub(crate) get_streams: Level,
    pub(crate) listen_streams: Level,
    /// Seals the `requestState` of input rounds.
    pub(crate) codec: RequestStateCodec,
    /// Cancelled when the hub stops: listeners take their leave.
    pub(crate) draining: CancellationToken,
    /// Whether the tool and the prompt that come and go are there now.
    pub(crate) extra_tool: AtomicBool,
    pub(crate) extra_prompt: AtomicBool,
    pub(crate) lists: broadcast::Sender<List>,
    pub(crate) updates: broadcast::Sender<Arc<str>>,
    tick: AtomicU64,
    acts: Mutex<BTreeMap<String, u64>>,
    journal: Option<Journal>,
    puts: Mutex<BTreeMap<String, u64>>,
    values: Mutex<BTreeMap<String, String>>,
    /// Spares the lock while nothing is wrong.
    faulty: AtomicBool,
    armed: Mutex<Armed>,
    switches: Mutex<Switches>,
}

impl State {
    pub(crate) fn new(args: Args) -> anyhow::Result<Self> {
        let key = match &args.state_key_file {
            Some(path) => std::fs::read(path)
                .with_context(|| format!("cannot read the state key {}", path.display()))?,
            None => [Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat(),
        };
        let codec = RequestStateCodec::try_new(key).context("the state key cannot be used")?;
        let journal = args.journal.as_deref().map(|path| Journal::open(path, &args.id)).transpose()?;
        Ok(Self {
            args,
            boot: Uuid::new_v4().simple().to_string(),
            requests: AtomicU64::new(0),
            initialize: AtomicU64::new(0),
            lookup: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            in_flight: Level::default(),
            queued: Level::default(),
            get_streams: Level::default(),
            listen_streams: Level::default(),
            codec,
            draining: CancellationToken::new(),
            extra_tool: AtomicBool::new(false),
            extra_prompt: AtomicBool::new(false),
            lists: broadcast::channel(CHANGES_KEPT).0,
            updates: broadcast::channel(CHANGES_KEPT).0,
            tick: AtomicU64::new(0),
            acts: Mutex::default(),
            journal,
            puts: Mutex::default(),
            values: Mutex::default(),
            faulty: AtomicBool::new(false),
            armed: Mutex::default(),
            switches: Mutex::default(),
        })
    }

    /// Executes `act` once more for this key. `None` when there is no room for another key.
    ///
    /// With a journal, the line is in the file when this returns: a process that is killed afterwards has left its
    /// trace, and one that is killed before has done nothing.
    pub(crate) fn act(&self, key: &str) -> Option<u64> {
        let times = count_one(&mut lock(&self.acts), key)?;
        if let Some(journal) = &self.journal {
            journal.write(key);
        }
        Some(times)
    }

    /// Stores a value. `None` when there is no room for another key.
    pub(crate) fn put(&self, key: &str, value: &str) -> Option<u64> {
        let times = count_one(&mut lock(&self.puts), key)?;
        lock(&self.values).insert(key.to_owned(), value.to_owned());
        Some(times)
    }

    pub(crate) fn value(&self, key: &str) -> Option<String> {
        lock(&self.values).get(key).cloned()
    }

    /// Changes the clock resource and tells its subscribers; returns how often it has changed.
    pub(crate) fn touch(&self) -> u64 {
        let tick = self.tick.fetch_add(1, Ordering::Relaxed) + 1;
        self.changed(CLOCK);
        tick
    }

    pub(crate) fn tick(&self) -> u64 {
        self.tick.load(Ordering::Relaxed)
    }

    /// Tells the subscribers of a resource that it has changed.
    pub(crate) fn changed(&self, uri: &str) {
        // Nobody listening is no error.
        let _ = self.updates.send(Arc::from(uri));
    }

    pub(crate) fn set_fault(&self, mut fault: Fault) {
        let once = fault.cut_open.take();
        self.faulty.store(fault != Fault::default(), Ordering::Relaxed);
        *lock(&self.armed) = Armed { fault, turn: 0 };
        if let Some(cut) = once {
            self.cut_open(cut);
        }
    }

    /// What the present fault does to this request, if anything.
    pub(crate) fn sentence(&self, method: &Method, body: &[u8]) -> Option<Sentence> {
        if !self.faulty.load(Ordering::Relaxed) {
            return None;
        }
        let mut armed = lock(&self.armed);
        if !armed.fault.covers(method, body) {
            return None;
        }
        armed.turn += 1;
        let Armed { fault, turn } = &*armed;
        Some(Sentence {
            latency: fault.latency(),
            hang: fault.hang,
            refuse_sessions: fault.refuse_sessions,
            error: fault.strikes(*turn, draw()).then_some(fault.error),
            cut: fault.cut(),
        })
    }

    /// The switches an answer to this method listens to.
    pub(crate) fn ends(&self, method: &Method) -> Ends {
        let switches = lock(&self.switches);
        let clean = if method == Method::GET { &switches.gets } else { &switches.posts };
        Ends { clean: clean.child_token(), reset: switches.reset.clone() }
    }

    fn cut_open(&self, cut: Cut) {
        let mut switches = lock(&self.switches);
        match cut {
            Cut::End => {
                std::mem::take(&mut switches.gets).cancel();
                std::mem::take(&mut switches.posts).cancel();
            }
            Cut::Reset => std::mem::take(&mut switches.reset).cancel(),
        }
    }

    /// Asks every stream that would stay open for ever to end between two events.
    pub(crate) fn drain(&self) {
        self.draining.cancel();
        lock(&self.switches).gets.cancel();
    }

    /// Whose lists and fixed resources are.
    pub(crate) fn scope(&self) -> CacheScope {
        match self.args.cache_scope {
            Scope::Public => CacheScope::Public,
            Scope::Private => CacheScope::Private,
        }
    }

    pub(crate) fn counters(&self, sessions_open: usize) -> Counters {
        Counters {
            hub: self.args.id.clone(),
            location: self.args.location.clone(),
            boot: self.boot.clone(),
            requests: self.requests.load(Ordering::Relaxed),
            initialize: self.initialize.load(Ordering::Relaxed),
            sessions_open,
            act: lock(&self.acts).clone(),
            put: lock(&self.puts).clone(),
            lookup: self.lookup.load(Ordering::Relaxed),
            asked: self.asked.load(Ordering::Relaxed),
            cancelled: self.cancelled.load(Ordering::Relaxed),
            in_flight: self.in_flight.now(),
            queue_depth: self.queued.now(),
            get_streams: self.get_streams.now(),
            listen_streams: self.listen_streams.now(),
            tick: self.tick(),
        }
    }
}

fn count_one(counts: &mut BTreeMap<String, u64>, key: &str) -> Option<u64> {
    if !counts.contains_key(key) && counts.len() >= KEYS_MAX {
        return None;
    }
    let times = counts.entry(key.to_owned()).or_default();
    *times += 1;
    Some(*times)
}

/// A number from 0 (included) to 1 (excluded).
fn draw() -> f64 {
    let bits = Uuid::new_v4().as_u64_pair().1 & ((1 << 32) - 1);
    bits as f64 / 2f64.powi(32)
}

/// Nothing here is left half-changed by a panic, so a poisoned lock is as good as any.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        State::new(Args::local("h", "l")).expect("a state")
    }

    #[test]
    fn executions_are_counted_per_key() {
        let state = state();
        assert_eq!((state.act("a"), state.act("a"), state.act("b")), (Some(1), Some(2), Some(1)));
        assert_eq!(state.counters(0).act, BTreeMap::from([("a".to_owned(), 2), ("b".to_owned(), 1)]));
    }

    #[test]
    fn keys_are_bounded_but_known_ones_still_count() {
        let state = state();
        for key in 0..KEYS_MAX {
            assert_eq!(state.act(&key.to_string()), Some(1));
        }
        assert_eq!(state.act("one more"), None);
        assert_eq!(state.act("0"), Some(2));
    }

    #[test]
    fn a_fault_counts_only_the_requests_it_covers() {
        let state = state();
        state.set_fault(Fault::parse(br#"{"error_every":2,"scope":"get"}"#).expect("a fault"));
        assert_eq!(state.sentence(&Method::POST, b""), None);
        let struck: Vec<bool> =
            (0..4).map(|_| state.sentence(&Method::GET, b"").expect("covered").error.is_some()).collect();
        assert_eq!(struck, [false, true, false, true]);
        state.set_fault(Fault::default());
        assert_eq!(state.sentence(&Method::GET, b""), None);
    }
}
