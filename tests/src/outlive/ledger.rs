//! What did every client see, operation by operation?

#![allow(clippy::disallowed_methods, reason = "measures what really happened, when it happened")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment, counted from the beginning of the ledger.
pub type At = Duration;

/// One session's name, for instance `raw 17`.
pub type Name = Arc<str>;

/// What an operation asks of its hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Something that may be asked again: a list, a read, a ping.
    Safe,
    /// A read-only tool that reports its progress.
    Progress,
    /// A tool without annotations that leaves a mark.
    Act,
}

/// How an operation ended, as its client saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// With a result.
    Result,
    /// With a JSON-RPC error that carries the request's id.
    Error {
        /// Its code.
        code: i64,
        /// Its message.
        message: String,
    },
    /// In a way that is no answer: a cut, a reset, an HTTP error.
    Broken(String),
    /// Not at all, within the client's patience.
    Silent,
}

/// One operation of one session.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// Who asked.
    pub session: Name,
    /// For what.
    pub kind: Kind,
    /// The key of an `act`.
    pub key: Option<String>,
    /// When.
    pub asked: At,
    /// When it was over.
    pub over: At,
    /// What a hub takes for it.
    pub own: Duration,
    /// How it ended.
    pub end: End,
    /// The progress that was reported, in order.
    pub progress: Vec<f64>,
}

/// The end of one hub.
#[derive(Debug, Clone, PartialEq)]
pub struct Kill {
    /// Which.
    pub hub: String,
    /// When the signal was sent.
    pub at: At,
    /// When the process was gone.
    pub dead: At,
    /// The sessions that were on it, as far as is known.
    pub sessions: BTreeSet<Name>,
}

/// One session that follows a resource.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Watch {
    /// Since when its stream is open and its subscription granted.
    pub since: At,
    /// When the updates came.
    pub updates: Vec<At>,
    /// When its stream was closed, torn or silent, and how.
    pub closed: Vec<(At, String)>,
}

/// All that was seen.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Record {
    /// Every operation that is over.
    pub operations: Vec<Operation>,
    /// Every session that follows a resource.
    pub watches: BTreeMap<Name, Watch>,
    /// The hubs killed.
    pub kills: Vec<Kill>,
    /// Session ids other than the first of their session, and how they came.
    pub other_ids: Vec<(Name, String)>,
    /// When nothing could be answered, because the gateway itself was gone.
    pub outages: Vec<(At, At)>,
    /// When watching ended; zero while it goes on.
    pub until: At,
}

/// Where all clients write.
#[derive(Debug)]
pub struct Ledger {
    start: Instant,
    start_unix: Duration,
    record: Mutex<Record>,
}

impl Ledger {
    /// An empty ledger that begins now.
    pub fn open() -> Arc<Self> {
        let start_unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Arc::new(Self { start: Instant::now(), start_unix, record: Mutex::default() })
    }

    /// Now.
    pub fn now(&self) -> At {
        self.start.elapsed()
    }

    /// The moment that another process calls so many milliseconds since 1970.
    pub fn at_unix_ms(&self, millis: f64) -> At {
        Duration::try_from_secs_f64(millis / 1e3).unwrap_or_default().saturating_sub(self.start_unix)
    }

    /// What has been written so far, to be changed.
    pub fn write(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many hubs have been killed so far.
    pub fn kills(&self) -> usize {
        self.write().kills.len()
    }

    /// Everything, at the end.
    pub fn close(&self) -> Record {
        let now = self.now();
        let mut record = self.write().clone();
        if record.until.is_zero() {
            record.until = now;
        }
        record.operations.sort_by_key(|operation| operation.over);
        record
    }
}
