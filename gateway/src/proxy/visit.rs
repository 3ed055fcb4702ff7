//! Within a session: where does it live, and what if that has changed?
//!
//! A request of a session goes to the hub that the session lives on. Nearly always that is all there is to say. Where the
//! hub is lost, or the session is on its way already, whoever looks after the session says where the request goes
//! ([`crate::migrate`]): to another hub, or nowhere, with an answer in words. An answer that has begun for the client goes
//! on where it is, whichever hub finishes it.

use super::course::Attempt;
use super::exchange::{self, Client, Job};
use super::gather::Session;
use super::parse::Message;
use super::relay::Relayed;
use super::{forward, relay, route, stand};
use crate::clock;
use crate::migrate::settings::{self, Setting};
use crate::migrate::{Denied, Order, Seed, StreamOrder, Tell, tend};
use crate::sessions::{Busy, Entry};
use crate::snapshot::Snapshot;
use crate::upstream::Upstream;
use bytes::Bytes;
use mcphub_http1::{FieldLines, Known, Method};
use mcphub_mcp::sse::KEEP_ALIVE;
use mcphub_mcp::{Class, Failure, Kind as Shape, Relayed as Said, Scope};
use mcphub_routing::{Choice, Excluded, HubState};
use mcphub_session::event_id::{About, EventId, EventIds};
use mcphub_session::foreign_id::ForeignId;
use mcphub_session::migration::{Answer, Kind, Loss, Marks, Request, RequestKey, STREAMS_MAX, is_safe};
use mcphub_session::record::{Ended, LogLevel, Stay};
use mcphub_session::{Ending, Mark, SessionStore as _, UpstreamId};
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

/// Where a request of a session goes now.
#[derive(Debug)]
pub(super) struct Lodging<'a> {
    /// The session as it lives there.
    pub(super) entry: &'a Arc<Entry>,
    /// The hub.
    pub(super) hub: &'a str,
    /// The hub's own id for the session.
    pub(super) upstream_id: UpstreamId<'a>,
    /// The hub's own id of the event to go on after.
    pub(super) resumes: Option<&'a [u8]>,
    mark: OnceLock<Mark>,
}

impl<'a> Lodging<'a> {
    /// Where this entry says that the session lives.
    pub(super) fn of(session: &'a Session<'_>, entry: &'a Arc<Entry>) -> Self {
        let claims = &session.opened.claims;
        let (hub, upstream_id) = match entry.stay() {
            Some(stay) => (stay.hub.as_str(), stay.upstream.as_id()),
            None => (claims.hub, claims.upstream),
        };
        Self { entry, hub, upstream_id, resumes: None, mark: OnceLock::new() }
    }

    /// The name of this stay, for ids that clients bring back.
    pub(super) fn mark(&self) -> Mark {
        *self.mark.get_or_init(|| match (self.entry.stay(), mcphub_routing::HubId::new(self.hub)) {
            (Some(stay), _) => Mark::of(stay),
            (None, Ok(hub)) => Mark::of(&Stay { number: 0, hub, upstream: self.upstream_id.into() }),
            // The name of a hub that was sealed into a token is one.
            (None, Err(_)) => Mark::none(),
        })
    }

    /// The hub, if the configuration still has it.
    pub(super) fn upstream<'s>(&self, snapshot: &'s Snapshot) -> Option<&'s Arc<Upstream>> {
        snapshot.upstreams.get(snapshot.table.find(self.hub)?.get())
    }
}

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

    fn kind_of(&mut self) -> Kind {
        let job = self.job;
        match (job.arrival.head.method, job.message) {
            (Method::Delete, _) => Kind::Delete,
            (Method::Post, Message::Legacy(envelope)) => match &envelope.kind {
                Shape::Request { .. } => Kind::Call { safe: self.is_safe() },
                Shape::Notification { method } if **method == *"notifications/progress" => self.progress(),
                Shape::Notification { .. } => Kind::Notification,
                Shape::Response { id } => self.answer_to(ForeignId::parse(*id)),
                Shape::Batch { .. } => Kind::Batch,
            },
            _ => {
                let event = job.arrival.head.fields.get(Known::LastEventId);
                self.resumed = event.and_then(EventId::parse);
                self.resumed.as_ref().map_or(Kind::Stream, |event| Kind::Resume { stay: event.stay })
            }
        }
    }

    /// What is wrong with a GET, whatever its hub would say.
    fn refused(&self) -> Option<Failure<'static>> {
        if self.job.arrival.head.method != Method::Get {
            return None;
        }
        let open = || self.session.entry.care_if_any().map_or(0, |care| care.streams_open());
        match &self.resumed {
            Some(event) if event.is_end() => Some(Failure::NothingFollows),
            Some(event) if event.about != About::Nothing => None,
            _ if open() >= STREAMS_MAX => Some(Failure::TooManyStreams),
            _ => None,
        }
    }

    /// The client answers a request of its hub: by the hub's own id for it.
    fn answer_to(&mut self, foreign: Option<ForeignId>) -> Kind {
        let stay = foreign.as_ref().map(|foreign| foreign.stay);
        if let (Some(foreign), Said::Answer { id }) = (foreign, mcphub_mcp::relayed(self.job.body)) {
            self.reworded = Some(id.replaced(self.job.body, foreign.hub.as_raw().as_json()).into());
        }
        Kind::Answer { stay }
    }

    /// The client tells how far it has come with what its hub asked, by the hub's own token for it.
    fn progress(&mut self) -> Kind {
        let Said::Progress { token, .. } = mcphub_mcp::relayed(self.job.body) else {
            return Kind::Notification;
        };
        let Some(foreign) = ForeignId::parse(token.id) else { return Kind::Notification };
        self.reworded = Some(token.replaced(self.job.body, foreign.hub.as_raw().as_json()).into());
        Kind::Answer { stay: Some(foreign.stay) }
    }

    /// Whether the request may be done twice.
    fn is_safe(&self) -> bool {
        let trusted = self.job.snapshot.settings.routing.trust_tool_annotations;
        let class = self.job.message.class();
        let marks = match self.job.message.tool() {
            Some(tool) if trusted && class == Class::ToolCall => {
                let lodging = Lodging::of(self.session, &self.session.entry);
                lodging.upstream(self.job.snapshot).map_or(Marks::None, |upstream| upstream.marks_of(tool))
            }
            _ => Marks::None,
        };
        is_safe(class, marks, trusted)
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

    /// A lost GET that was about no request: a fresh stream does as well.
    fn may_begin_anew(&mut self) -> bool {
        let about_nothing = self.resumed.as_ref().is_some_and(|event| event.about == About::Nothing);
        if about_nothing {
            self.resumed = None;
            self.kind = Kind::Stream;
        }
        about_nothing
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

    /// What is answered where nobody says what to answer.
    fn helpless(&self) -> Answer {
        if self.sends > 0 {
            return Answer::OutcomeUnknown;
        }
        Answer::NotServed(mcphub_session::migration::Stuck::TimeUp)
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

    fn may_repeat(&self) -> bool {
        matches!(self.kind, Kind::Call { safe: true } | Kind::Stream | Kind::Resume { .. } | Kind::Delete)
    }

    /// Answers what no hub answers.
    async fn answer(&self, answer: Answer, denied: Option<Box<Denied>>, client: &mut Client<'_, '_>) {
        let job = self.job;
        let lodging = Lodging::of(self.session, &self.session.entry);
        let job = Job { lodging: Some(&lodging), ..*job };
        if let Some(failure) = answer.failure() {
            if answer == Answer::ResumeLost {
                return self.resume_lost(&job, &failure, client).await;
            }
            if matches!(self.kind, Kind::Stream | Kind::Resume { .. }) && answer != Answer::SessionUnknown {
                return self.come_back(&job, &failure, client).await;
            }
            return job.fail(client, &failure).await;
        }
        match (answer, denied) {
            (Answer::Unauthorized, Some(denied)) if client.stream.is_none() => {
                client.trace.answered(denied.status);
                client.trace.bytes = denied.body.len() as u64;
                let _ = client.down.answer(denied.status, &denied.lines, &denied.body).await;
            }
            (Answer::Unauthorized, _) => job.fail(client, &Failure::NoHub).await,
            (Answer::Accepted, _) => self.plain(202, client).await,
            _ => self.plain(200, client).await,
        }
    }

    async fn plain(&self, status: u16, client: &mut Client<'_, '_>) {
        client.trace.answered(status);
        let _ = client.down.answer(status, &FieldLines::new(), &[]).await;
    }

    /// A stream that ends at once, and says when to come back: clients that meet two failures in a row stay deaf.
    async fn come_back(&self, job: &Job<'_>, failure: &Failure<'_>, client: &mut Client<'_, '_>) {
        client.trace.refused(failure);
        let mut out = Vec::new();
        mcphub_mcp::sse::write_retry(&mut out, super::streams::retry_ms(job));
        self.stream_of(out, client).await;
    }

    /// A whole stream of events.
    async fn stream_of(&self, events: Vec<u8>, client: &mut Client<'_, '_>) {
        let mut lines = FieldLines::new();
        lines.push("content-type", b"text/event-stream");
        lines.push("cache-control", b"no-store");
        client.trace.answered(200);
        client.trace.bytes = events.len() as u64;
        let _ = client.down.answer(200, &lines, &events).await;
    }

    /// A stream whose only event is an error for the request that it was about: clients hang on anything else.
    async fn resume_lost(&self, job: &Job<'_>, failure: &Failure<'_>, client: &mut Client<'_, '_>) {
        client.trace.refused(failure);
        let Some(event) = &self.resumed else { return job.fail(client, failure).await };
        let body = event.about.with_asked(|asked| failure.body(Scope::LegacySession, asked));
        let ids = EventIds::new(event.stay, &event.about);
        let mut out = Vec::new();
        mcphub_mcp::sse::write_event(&mut out, ids.as_ref().map(|ids| ids.end().as_bytes()), None, &body);
        self.stream_of(out, client).await;
    }
}

/// A hub has ended the session, as its client asked: so that it stays ended, this is written down before the client hears
/// of it.
pub(super) async fn ended(job: &Job<'_>, lodging: &Lodging<'_>) {
    let Some(session) = &job.context.session else { return };
    let (why, key) = (Ended::ByClient, session.opened.session);
    let (done, told) = oneshot::channel();
    let stay = Some(lodging.entry.stay_number());
    if lodging.entry.care().tell_if_tended(Tell::End { why, stay, done }).is_ok() {
        let _ = tokio::time::timeout(PATIENCE, told).await;
        return;
    }
    job.edge.sessions.end(&key);
    let ending = Ending {
        caller: session.opened.caller,
        expires_at: job.snapshot.sealer.expires_at(&session.opened),
        at: clock::unix_seconds(),
        why,
    };
    if let Err(error) = job.edge.records.end(key, ending).await {
        tracing::warn!(session = %key, %error, "the end of a session is not written down yet");
        crate::migrate::owe(job.edge, key, ending.into());
    }
    let _ = lodging.entry.care().order(StreamOrder::End);
}

/// A hub has accepted a setting of the session.
pub(super) async fn set(job: &Job<'_>) {
    let (Some(session), Message::Legacy(envelope)) = (&job.context.session, job.message) else { return };
    let uri = || envelope.uri.as_deref().map(Box::from);
    let setting = match envelope.method().map(|method| &**method) {
        Some("logging/setLevel") => level(job.body).map(Setting::Level),
        Some("resources/subscribe") => uri().map(Setting::Subscribe),
        Some("resources/unsubscribe") => uri().map(Setting::Unsubscribe),
        _ => None,
    };
    let seed = Seed::of(&job.snapshot.sealer, &session.opened, clock::unix_seconds());
    if let (Some(setting), Some(seed)) = (setting, seed) {
        settings::note(job.edge, seed, setting).await;
    }
}

fn level(body: &[u8]) -> Option<LogLevel> {
    #[derive(serde::Deserialize)]
    struct Params {
        level: String,
    }
    let Params { level } = serde_json::from_str(mcphub_mcp::envelope::params(body)?).ok()?;
    LogLevel::parse(&level)
}
