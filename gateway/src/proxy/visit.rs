//! Within a session: where does it live, and what if that has changed?
//!
//! A request of a session goes to the hub that the session lives on. Nearly always that is all there is to say. Where the
//! hub is lost, or the session is on its way already, whoever looks after the session says where the request goes
//! ([`crate::migrate`]): to another hub, or nowhere, with an answer in words. An answer that has begun for the client goes
//! on where it is, whichever hub finishes it.
//!
//! | module | question |
//! |---|---|
//! | `lodging` | where does the session live, as far as this request knows? |
//! | `kind` | what is asked, and what may be done with it when its hub is lost? |
//! | `answer` | what does a client hear that no hub answers? |
//! | `settled` | what has a hub agreed to that must be written down? |

mod answer;
mod kind;
mod lodging;
mod settled;

pub(super) use lodging::Lodging;
pub(super) use settled::{ended, set};

use super::course::Attempt;
use super::exchange::{self, Client, Job};
use super::gather::Session;
use super::relay::Relayed;
use super::{forward, relay, route, stand};
use crate::clock;
use crate::migrate::{Order, Seed, Tell, tend};
use crate::sessions::{Busy, Entry};
use bytes::Bytes;
use mcphub_http1::Method;
use mcphub_mcp::sse::KEEP_ALIVE;
use mcphub_routing::{Choice, Excluded, HubState};
use mcphub_session::SessionStore as _;
use mcphub_session::event_id::{About, EventId};
use mcphub_session::migration::{Answer, Kind, Loss, Request, RequestKey};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

/// Longest wait for a word on where to go. A move has a deadline of its own, well before this.
const PATIENCE: Duration = Duration::from_secs(10);

/// Most times that one request is sent or tried to be sent. Whoever looks after the session counts those that may have
/// arrived; this holds where none does, whatever is told.
const ATTEMPTS_MAX: u32 = 32;

/// Numbers the exchanges that somebody else must know of.
static EXCHANGES: AtomicU64 = AtomicU64::new(1);

/// How sending a request to one hub ended.
pub(super) enum Sent {
    /// The client has its answer, or is gone.
    Done,
    /// The hub was lost to it.
    Lost(Loss),
    /// The hub had closed an idle connection: it is asked once more over a fresh one.
    Again,
}

/// One request of a session on its way.
pub(super) struct Visit<'a> {
    pub(super) job: &'a Job<'a>,
    pub(super) session: &'a Session<'a>,
    /// By which others know of it, if they do.
    key: OnceLock<RequestKey>,
    kind: Kind,
    /// The event that a GET goes on after.
    resumed: Option<EventId>,
    /// Its body, where that must be other than the client's.
    reworded: Option<Bytes>,
    sends: u8,
    /// Counts the request in; an open GET stream does not count.
    busy: Option<Busy>,
}

/// Serves a request of a session to its end.
pub(super) async fn run(job: &Job<'_>, session: &Session<'_>, client: &mut Client<'_, '_>) {
    let mut visit = Visit::new(job, session);
    if let Some(failure) = visit.refused() {
        return job.fail(client, &failure).await;
    }
    let mut order = visit.first(client).await;
    let mut fresh = false;
    loop {
        let entry = match order {
            None => return client.trace.left(),
            Some(Order::Send(entry)) => entry,
            Some(Order::Answer(Answer::ResumeLost, _)) if visit.may_begin_anew() => {
                order = visit.ask(&session.entry, None, client).await;
                continue;
            }
            Some(Order::Answer(answer, denied)) => return visit.answer(answer, denied, client).await,
        };
        if client.trace.attempts >= ATTEMPTS_MAX {
            return visit.answer(visit.helpless(), None, client).await;
        }
        client.trace.attempts += 1;
        order = match visit.attempt(&entry, std::mem::take(&mut fresh), client).await {
            Sent::Done => return,
            Sent::Again => {
                job.edge.metrics.retries.inc();
                fresh = true;
                Some(Order::Send(entry))
            }
            Sent::Lost(how) => visit.ask(&entry, Some(how), client).await,
        };
    }
}

impl<'a> Visit<'a> {
    fn new(job: &'a Job<'a>, session: &'a Session<'a>) -> Self {
        let busy = (job.arrival.head.method != Method::Get).then(|| Busy::new(Arc::clone(&session.entry)));
        let mut visit = Self {
            job,
            session,
            key: OnceLock::new(),
            kind: Kind::Stream,
            resumed: None,
            reworded: None,
            sends: 0,
            busy,
        };
        visit.kind = visit.kind_of();
        visit
    }

    /// Its number, given when somebody else must know of it: nearly no request needs one.
    pub(super) fn key(&self) -> RequestKey {
        *self.key.get_or_init(|| RequestKey(EXCHANGES.fetch_add(1, Ordering::Relaxed)))
    }

    fn request(&self) -> Request {
        Request { key: self.key(), kind: self.kind, sends: self.sends }
    }

    /// Where it goes first; `None`: nowhere, its client is gone.
    async fn first(&mut self, client: &mut Client<'_, '_>) -> Option<Order> {
        let entry = &self.session.entry;
        // Looked after it may be for long, at rest, since it owes its client a notice: it must be able to leave all the same.
        let tended = entry.is_tended();
        let lodging = Lodging::of(self.session, entry);
        let here = match self.kind {
            Kind::Answer { stay } => stay == Some(lodging.mark()),
            Kind::Resume { stay } => stay == lodging.mark(),
            _ => true,
        };
        if !here {
            if !tended {
                // It may have moved without our knowledge: what the client answers, or goes on with, must be from somewhere.
                Box::pin(self.catch_up()).await;
            }
            return self.ask(entry, None, client).await;
        }
        let job = Job { lodging: Some(&lodging), ..*self.job };
        match route::choose(&job, Excluded::none(), 0) {
            Choice::Keep(hub) => {
                let state = job.snapshot.table.hub(hub).map(|hub| hub.state);
                let leaves = matches!(state, Some(HubState::Draining { .. })) || entry.is_wanted_away();
                if leaves && self.may_leave(entry) {
                    let to = entry.take_wish().flatten();
                    self.tell(entry, |caller| Tell::Leave { caller, to });
                    return self.ask(entry, None, client).await;
                }
                if tended {
                    return self.ask(entry, None, client).await;
                }
                Some(Order::Send(Arc::clone(entry)))
            }
            _ => self.ask(entry, Some(Loss::Unreachable), client).await,
        }
    }

    /// Whether a session that shall leave its hub may move before this request: nothing else of it is in flight.
    fn may_leave(&self, entry: &Entry) -> bool {
        let alone = entry.in_flight() <= u32::from(self.busy.is_some());
        alone && !matches!(self.kind, Kind::Delete | Kind::Answer { .. } | Kind::Resume { .. })
    }

    /// Looks whether another gateway has moved the session.
    async fn catch_up(&self) {
        let key = self.session.opened.session;
        let Ok(Some(found)) = self.job.edge.records.latest(key).await else { return };
        if let Some(live) = found.record.live().filter(|_| found.record.caller == self.session.opened.caller)
            && live.stay.number > self.session.entry.stay_number()
        {
            self.job.edge.sessions.moved(&key, &live.stay, clock::since_start());
        }
    }

    pub(super) fn seed(&self) -> Option<Seed> {
        Seed::of(&self.job.snapshot.sealer, &self.session.opened, clock::unix_seconds())
    }

    /// Tells whoever looks after the session.
    pub(super) fn tell(&self, entry: &Arc<Entry>, tell: impl FnOnce(crate::migrate::Caller) -> Tell) -> bool {
        let Some(seed) = self.seed() else { return false };
        let caller = forward::caller(self.job);
        entry.care().tell(tell(caller.clone()), tend(self.job.edge, entry, seed, caller));
        true
    }

    /// Asks whoever looks after the session where to go; `None`: the client is gone.
    async fn ask(
        &mut self,
        entry: &Arc<Entry>,
        lost: Option<Loss>,
        client: &mut Client<'_, '_>,
    ) -> Option<Order> {
        let (reply, mut word) = oneshot::channel();
        let (request, lost) = (self.request(), lost.map(|how| (entry.stay_number(), how)));
        if !self.tell(entry, |caller| Tell::Ask { request, lost, caller, reply }) {
            return Some(Order::Answer(Answer::SessionUnknown, None));
        }
        let keepalive = self.job.snapshot.settings.upstream.stream_keepalive;
        let end = Instant::from_std(clock::instant()) + PATIENCE;
        let mut quiet = Instant::from_std(clock::instant()) + keepalive;
        loop {
            tokio::select! {
                biased;
                // Whoever looks after it has ended without a word, which it never should.
                word = &mut word => {
                    return Some(word.unwrap_or(Order::Answer(self.helpless(), None)));
                }
                () = client.down.left() => {
                    let _ = entry.care().tell_if_tended(Tell::Left(self.key()));
                    return None;
                }
                () = sleep_until(end) => return Some(Order::Answer(self.helpless(), None)),
                () = sleep_until(quiet), if client.stream.is_some() => {
                    quiet += keepalive;
                    if client.down.send(KEEP_ALIVE).await.is_err() {
                        return None;
                    }
                }
            }
        }
    }

    /// Sends it to the hub of this stay.
    async fn attempt(&mut self, entry: &Arc<Entry>, fresh: bool, client: &mut Client<'_, '_>) -> Sent {
        let newer = (!Arc::ptr_eq(entry, &self.session.entry)).then(|| self.job.edge.snapshots.load_full());
        if newer.is_some() && self.busy.is_some() {
            self.busy = Some(Busy::new(Arc::clone(entry)));
        }
        let snapshot = newer.as_ref().unwrap_or(self.job.snapshot);
        let mut lodging = Lodging::of(self.session, entry);
        lodging.resumes = self.resumed.as_ref().map(|event| &event.hub[..]);
        let reworded = self.reworded.clone();
        let body = reworded.as_ref().unwrap_or(self.job.body);
        let job = Job { snapshot, lodging: Some(&lodging), body, ..*self.job };
        let Some(upstream) = lodging.upstream(snapshot) else { return Sent::Lost(Loss::Unreachable) };
        client.trace.hub = self.job.snapshot.table.find(lodging.hub);
        let arrived = match exchange::reach(&job, upstream, fresh, client).await {
            Ok(arrived) => arrived,
            Err(Attempt::Done | Attempt::Refused { .. }) => return Sent::Done,
            Err(Attempt::Unreached) => return Sent::Lost(Loss::Unreachable),
            Err(Attempt::Lost { stale: true }) if !fresh && self.may_repeat() => return Sent::Again,
            Err(Attempt::Lost { .. }) => {
                self.sends += 1;
                return Sent::Lost(Loss::Broke);
            }
            Err(Attempt::GivenUp) => {
                self.sends += 1;
                return Sent::Lost(Loss::Ejected);
            }
        };
        self.sends += 1;
        match relay::relay(&job, arrived, client).await {
            Relayed::Done => Sent::Done,
            Relayed::Lost(how) => Sent::Lost(how),
            Relayed::Stands(stands) => {
                let (arrived, lines) = *stands;
                let about = self.resumed.as_ref().map_or(About::Nothing, |event| event.about.clone());
                Box::pin(stand::run(self, &job, arrived, &lines, about, client)).await
            }
        }
    }
}
