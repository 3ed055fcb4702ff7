//! How do many gateways keep their records together?
//!
//! In one key-value bucket of NATS JetStream. A record's key is the session's short name, its revision the number that
//! the stream gave to the message. The server decides who wins: each write names the revision that it replaces.
//!
//! Each gateway follows the bucket and keeps a mirror of it in memory, from which reads are answered. After each loss of
//! the connection the mirror is read anew; what was known stays readable meanwhile.
//!
//! | module | question |
//! |---|---|
//! | `link` | how does a connection come about, and what is it for? |
//! | `follow` | how does the mirror follow the bucket, for as long as the process lives? |
//! | this one | how is one call answered? |
//!
//! **When is it certain that nothing was written?** Where there is no connection, where nobody answers for the bucket,
//! and where the server has refused. Where a request was sent and no answer came, it may have been written.
//!
//! Expiry is in the record, not in the bucket: servers before 2.11 know one age for a whole bucket only. That age is
//! [`link::AGE_MAX`], longer than any session may live; sweeping removes a record once it may be forgotten.

mod follow;
mod link;

use super::shelf::{Bookmark, Bounds, Shelf, Text};
use super::{DEADLINE, SWEEP_LOOKS};
use crate::clock;
use link::{Last, Link, Sent};
use mcphub_conf::settings::NatsSettings;
use mcphub_session::{Change, Found, Record, Revision, SessionKey, StoreCondition, StoreError};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Records removed in one sweep: one request each.
const SWEPT_AT_ONCE: usize = 100;

/// How often a first write is tried again because what was there has just gone.
const FIRST_TRIES: usize = 3;

/// A message beside its payload: subject, headers.
const ENVELOPE: usize = 512;

#[derive(Clone)]
pub(super) struct Nats {
    shared: Arc<Shared>,
    _end: Arc<End>,
}

/// Ends the task with the last handle.
struct End(tokio::task::AbortHandle);

impl Drop for End {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What the handles and the task share.
struct Shared {
    mirror: Mutex<Mirror>,
    /// The mirror has changed.
    news: watch::Sender<()>,
    state: watch::Sender<State>,
}

struct Mirror {
    shelf: Shelf,
    changes: u64,
    /// Everything was known once. Before, what is not here may still be there.
    read_once: bool,
    /// There are more records than there is room for.
    overflows: bool,
}

/// How it is with the server.
#[derive(Clone)]
struct State {
    link: Option<Link>,
    /// What is wrong: with the connection, or with what was asked last.
    why: Option<String>,
}

impl Shared {
    fn mirror(&self) -> MutexGuard<'_, Mirror> {
        self.mirror.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what the server said of a session: the newest wins.
    fn learn(&self, era: u64, key: SessionKey, last: Last) {
        if self.mirror().learn(era, key, last) {
            self.news.send_replace(());
        }
    }

    /// The connection, if it stands.
    fn link(&self) -> Result<Link, StoreError> {
        let state = self.state.borrow();
        match &state.link {
            Some(link) if link.is_up() => Ok(link.clone()),
            Some(_) => Err(StoreError::unreachable("the connection to NATS is lost")),
            None => {
                Err(StoreError::unreachable(state.why.clone().unwrap_or_else(|| "not connected yet".into())))
            }
        }
    }

    /// Keeps in mind how the last request went.
    fn note(&self, trouble: Option<&str>) {
        self.state.send_if_modified(|state| {
            let changed = state.link.is_some() && state.why.as_deref() != trouble;
            if changed {
                state.why = trouble.map(str::to_owned);
            }
            changed
        });
    }
}

impl Mirror {
    /// `true` if that is news.
    fn learn(&mut self, era: u64, key: SessionKey, last: Last) -> bool {
        let (revision, text) = match last {
            Last::None => return false,
            Last::Marker(revision) => (revision, None),
            Last::Record(revision, text) => (revision, Some(text)),
        };
        match self.shelf.entry(key) {
            // Told over an earlier connection, too late.
            _ if era != self.shelf.era() => return false,
            Some(known) if known.revision == revision => {
                self.shelf.confirm(key);
                return false;
            }
            // What was known before the bucket was read anew may be of another bucket of the same name.
            Some(known) if known.revision.0 > revision.0 && self.shelf.is_confirmed(known) => return false,
            _ => {}
        }
        let Some(text) = text else { return self.shelf.remove(key).is_some() };
        if self.shelf.has_room(key, &text).is_err() {
            self.overflows = true;
            return self.shelf.remove(key).is_some();
        }
        self.changes += 1;
        self.shelf.put(key, text, revision, self.changes);
        true
    }
}

impl Nats {
    pub(super) fn new(settings: &NatsSettings) -> Self {
        let mut shelf = Shelf::new(Bounds::default());
        // Nothing is known before the bucket has been read.
        shelf.begin();
        let mirror = Mirror { shelf, changes: 0, read_once: false, overflows: false };
        let shared = Arc::new(Shared {
            mirror: Mutex::new(mirror),
            news: watch::Sender::new(()),
            state: watch::Sender::new(State { link: None, why: Some("not connected yet".to_owned()) }),
        });
        let task = tokio::spawn(follow::follow(Arc::clone(&shared), settings.clone()));
        Self { shared, _end: Arc::new(End(task.abort_handle())) }
    }

    /// Waits until the bucket has been read, or for as long as that.
    pub(super) async fn known(&self, patience: Duration) -> bool {
        let mut state = self.shared.state.subscribe();
        let known = || self.condition() == StoreCondition::Ready;
        let wait = async { while !known() && state.changed().await.is_ok() {} };
        tokio::time::timeout(patience, wait).await.is_ok() && known()
    }

    pub(super) async fn get(&self, key: SessionKey) -> Result<Option<Found>, StoreError> {
        let knows_all = {
            let mirror = self.shared.mirror();
            if let Some(entry) = mirror.shelf.entry(key) {
                return entry.found().map(Some);
            }
            mirror.read_once && !mirror.overflows
        };
        // What is not here need not be missing there.
        if knows_all { Ok(None) } else { self.latest(key).await }
    }

    pub(super) async fn latest(&self, key: SessionKey) -> Result<Option<Found>, StoreError> {
        let link = self.shared.link()?;
        let asked = tokio::time::timeout(DEADLINE, self.ask(&link, key)).await;
        let result = asked.unwrap_or_else(|_| Err(no_answer(false)));
        self.shared.note(trouble(&result).as_deref());
        result?.found()
    }

    /// Asks the server, and lets the mirror know.
    async fn ask(&self, link: &Link, key: SessionKey) -> Result<Last, StoreError> {
        let era = self.shared.mirror().shelf.era();
        let last = link.last(key).await?;
        self.shared.learn(era, key, last.clone());
        Ok(last)
    }

    pub(super) async fn write(
        &self,
        key: SessionKey,
        of: Revision,
        record: &Record,
    ) -> Result<Revision, StoreError> {
        let text = Text::of(record)?;
        let bytes = record.to_bytes()?;
        let link = self.shared.link()?;
        let max = link.payload_max().saturating_sub(ENVELOPE);
        if bytes.len() > max {
            return Err(StoreError::TooLarge { bytes: bytes.len(), max });
        }
        let sent = AtomicBool::new(false);
        let writing = self.decide(&link, key, of, (text, bytes), &sent);
        let result = match tokio::time::timeout(DEADLINE, writing).await {
            Ok(result) => result,
            Err(_) => Err(no_answer(sent.load(Ordering::Relaxed))),
        };
        self.shared.note(trouble(&result).as_deref());
        result
    }

    /// Has the server decide. What is not known to be alive is looked at first: no tombstone may be replaced, and the
    /// server does not know one when it sees one. A revision names one writing for ever, so that what was alive under
    /// it is so when the server compares.
    async fn decide(
        &self,
        link: &Link,
        key: SessionKey,
        of: Revision,
        (text, bytes): (Text, Vec<u8>),
        sent: &AtomicBool,
    ) -> Result<Revision, StoreError> {
        if of != Revision::NONE && !self.is_alive(key, of) {
            let found = self.ask(link, key).await?.found()?;
            let alive = |found: &Found| found.revision == of && !found.record.has_ended();
            if !found.as_ref().is_some_and(alive) {
                return Err(StoreError::Conflict { found });
            }
        }
        let mut expected = of;
        for _ in 0..FIRST_TRIES {
            let era = self.shared.mirror().shelf.era();
            sent.store(true, Ordering::Relaxed);
            match link.publish(key, expected, bytes.clone()).await? {
                Sent::Stored(revision) => {
                    self.shared.learn(era, key, Last::Record(revision, text));
                    return Ok(revision);
                }
                Sent::Refused => sent.store(false, Ordering::Relaxed),
            }
            let last = self.ask(link, key).await?;
            let found = last.found()?;
            if found.is_some() || of != Revision::NONE {
                return Err(StoreError::Conflict { found });
            }
            // There is none, but something that says so, or there was one until now.
            expected = last.marker().unwrap_or(Revision::NONE);
        }
        Err(StoreError::unreachable("the bucket changes faster than it can be written to"))
    }

    fn is_alive(&self, key: SessionKey, at: Revision) -> bool {
        let mirror = self.shared.mirror();
        mirror.shelf.entry(key).is_some_and(|entry| {
            entry.revision == at && entry.text.record().is_some_and(|record| !record.has_ended())
        })
    }

    pub(super) fn news(&self) -> watch::Receiver<()> {
        self.shared.news.subscribe()
    }

    pub(super) fn next(&self, mark: &mut Bookmark) -> Option<Change> {
        self.shared.mirror().shelf.next(mark)
    }

    pub(super) fn condition(&self) -> StoreCondition {
        if let Err(StoreError::Unreachable { why, .. }) = self.shared.link() {
            return StoreCondition::Unreachable { why };
        }
        if let Some(why) = self.shared.state.borrow().why.clone() {
            return StoreCondition::Unreachable { why };
        }
        let mirror = self.shared.mirror();
        if mirror.overflows {
            return StoreCondition::Degraded {
                why: "there are more records than this gateway has room for".into(),
            };
        }
        if mirror.shelf.is_complete() {
            StoreCondition::Ready
        } else {
            StoreCondition::Degraded { why: "the records are being read".to_owned() }
        }
    }

    pub(super) async fn sweep(&self, now: u64) -> Result<usize, StoreError> {
        let over = self.shared.mirror().shelf.over(now, SWEEP_LOOKS, SWEPT_AT_ONCE);
        if over.is_empty() {
            return Ok(0);
        }
        let link = self.shared.link()?;
        let begun = clock::instant();
        let mut gone = 0;
        for (key, revision) in over {
            // The rest comes with the next sweep round.
            let left = DEADLINE.saturating_sub(clock::instant().saturating_duration_since(begun));
            let asked = tokio::time::timeout(left, link.remove(key, revision)).await;
            let result = asked.unwrap_or_else(|_| Err(no_answer(true)));
            self.shared.note(trouble(&result).as_deref());
            result?;
            let mut mirror = self.shared.mirror();
            if mirror.shelf.entry(key).is_some_and(|entry| entry.revision == revision) {
                mirror.shelf.remove(key);
                gone += 1;
            }
        }
        Ok(gone)
    }
}

fn no_answer(may_be_written: bool) -> StoreError {
    StoreError::Unreachable { why: format!("no answer within {DEADLINE:?}"), may_be_written }
}

/// What a result says about the server.
fn trouble<T>(result: &Result<T, StoreError>) -> Option<String> {
    match result {
        Err(StoreError::Unreachable { why, .. }) => Some(why.clone()),
        _ => None,
    }
}
