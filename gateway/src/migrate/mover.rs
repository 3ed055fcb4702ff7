//! The machine's driver: what happens goes in, what shall be done is done.

use super::care::{Care, Order, Standing, StreamOrder, Tell};
use super::errand::{Errand, PATIENCE, Refused};
use super::{Caller, Denied, Seed, owed};
use crate::clock;
use crate::edge::Edge;
use crate::sessions::Entry;
use mcphub_routing::{
    Choice, Era, Excluded, HubId, Pin, Residency, ResidencyId, ResidencyIndex, RouteQuery, select,
};
use mcphub_session::migration::{
    Action, Answer, Event, Failed, Loss, MOVE_DEADLINE, Migration, RequestKey, Session, Step, Ticket, Why,
};
use mcphub_session::record::{Record, Revision, Stay};
use mcphub_session::{SessionStore as _, StoreError};
use std::collections::{HashMap, HashSet, VecDeque};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

/// How long a session is looked after that owes its client notices and has no stream to say them on. A client that lost
/// its stream opens another within seconds.
const OWING: Duration = Duration::from_secs(60);

/// How long a session that has left a hub waits for what is still in flight there before its session there is ended. A
/// call that runs longer is cut by that, as its caller was told when the session left.
const RETIRE_WAIT: Duration = Duration::from_secs(600);

/// Between two looks whether something is still in flight.
const RETIRE_LOOK: Duration = Duration::from_millis(100);

/// Looks after a session: to be given to [`Care::tell`].
pub(crate) fn tend(
    edge: &Arc<Edge>,
    entry: &Arc<Entry>,
    seed: Seed,
    caller: Caller,
) -> impl FnOnce(UnboundedReceiver<Tell>, Vec<Standing>) {
    let (edge, entry) = (Arc::clone(edge), Arc::clone(entry));
    move |told, streams| {
        tokio::spawn(async move {
            let care = Arc::clone(entry.care());
            if let Some(mover) = Mover::begin(edge, entry, seed, caller, &streams).await {
                mover.run(told, &care).await;
            } else {
                dismiss(told, &care);
            }
        });
    }
}

/// Tells everybody who asks that the session is over.
fn dismiss(mut told: UnboundedReceiver<Tell>, care: &Care) {
    loop {
        while let Ok(tell) = told.try_recv() {
            match tell {
                Tell::Ask { reply, .. } => drop(reply.send(Order::Answer(Answer::SessionUnknown, None))),
                Tell::StreamOpened(standing) => drop(standing.orders.send(StreamOrder::End)),
                _ => {}
            }
        }
        if care.ends(&told) {
            return;
        }
    }
}

struct Mover {
    edge: Arc<Edge>,
    seed: Seed,
    machine: Migration,
    entry: Arc<Entry>,
    /// Entries of stays that it has left while it was looked after.
    before: Vec<Arc<Entry>>,
    caller: Caller,
    denied: Option<Box<Denied>>,
    asking: HashMap<RequestKey, oneshot::Sender<Order>>,
    streams: HashMap<RequestKey, UnboundedSender<StreamOrder>>,
    ended: Vec<oneshot::Sender<()>>,
    events: VecDeque<Event>,
    alarms: Vec<(Instant, Event)>,
    /// What was asked for and is not answered yet.
    open: HashSet<Ticket>,
    errands: JoinSet<(Event, Option<Box<Denied>>)>,
    /// Where it shall go if that hub can have it.
    wanted: Option<HubId>,
    /// When the first sign came, until it has moved.
    began: Option<Instant>,
    owes_until: Option<Instant>,
}

impl Mover {
    async fn begin(
        edge: Arc<Edge>,
        entry: Arc<Entry>,
        seed: Seed,
        caller: Caller,
        streams: &[Standing],
    ) -> Option<Self> {
        let found = edge.records.get(seed.key).await.ok().flatten();
        let found = found.filter(|found| found.record.caller == seed.first.caller);
        let (mut record, revision) = match found {
            Some(found) => (found.record, found.revision),
            None => (first_at(&seed.first, &entry), Revision::NONE),
        };
        fill_offer(&edge, &mut record);
        let alone = edge.records.is_alone();
        let session = Session { record, revision, init: seed.init.clone(), alone };
        let Some(machine) = Migration::new(session) else {
            edge.sessions.end(&seed.key);
            return None;
        };
        // Another gateway may have moved it since this one has looked.
        let entry = if machine.stay().number > entry.stay_number() {
            edge.sessions.moved(&seed.key, machine.stay(), clock::since_start()).unwrap_or(entry)
        } else {
            entry
        };
        let mut mover = Self {
            edge,
            seed,
            machine,
            entry,
            before: Vec::new(),
            caller,
            denied: None,
            asking: HashMap::new(),
            streams: HashMap::new(),
            ended: Vec::new(),
            events: VecDeque::new(),
            alarms: Vec::new(),
            open: HashSet::new(),
            errands: JoinSet::new(),
            wanted: None,
            began: None,
            owes_until: None,
        };
        for standing in streams {
            mover.hear(Tell::StreamOpened(standing.clone()));
        }
        Some(mover)
    }

    async fn run(mut self, mut told: UnboundedReceiver<Tell>, care: &Care) {
        loop {
            while let Some(event) = self.events.pop_front() {
                self.take(event);
            }
            if self.is_done() && care.ends(&told) {
                return;
            }
            let wake = self.wake_at();
            tokio::select! {
                biased;
                Some(tell) = told.recv() => self.hear(tell),
                Some(done) = self.errands.join_next() => match done {
                    Ok((event, denied)) => {
                        self.denied = denied.or(self.denied.take());
                        self.events.push_back(event);
                    }
                    // Whoever waits for it is told by its deadline.
                    Err(error) => tracing::error!(%error, "an errand for a session came to nothing"),
                },
                () = sleep_until(wake.into()) => self.ring(),
            }
        }
    }

    /// Whether nobody needs this any more.
    fn is_done(&mut self) -> bool {
        if !self.machine.is_at_rest() || !self.errands.is_empty() || !self.asking.is_empty() {
            return false;
        }
        if !self.machine.owes_notices() {
            return true;
        }
        let until = *self.owes_until.get_or_insert_with(|| clock::instant() + OWING);
        clock::instant() >= until
    }

    fn wake_at(&self) -> Instant {
        let first = self.alarms.iter().map(|(at, _)| *at).min();
        let owing = self.owes_until.filter(|_| self.machine.is_at_rest());
        first.into_iter().chain(owing).min().unwrap_or_else(|| clock::instant() + OWING)
    }

    /// Tells what is due by now.
    fn ring(&mut self) {
        let now = clock::instant();
        let (due, rest) = std::mem::take(&mut self.alarms).into_iter().partition(|(at, _)| *at <= now);
        self.alarms = rest;
        for (_, event) in due {
            match event {
                Event::Late { ticket } if !self.open.remove(&ticket) => {}
                event => self.events.push_back(event),
            }
        }
    }

    fn hear(&mut self, tell: Tell) {
        let event = match tell {
            Tell::Ask { request, lost, caller, reply } => {
                self.caller = caller;
                self.asking.insert(request.key, reply);
                match lost {
                    None => Event::Arrived(request),
                    Some((stay, how)) => {
                        self.began.get_or_insert_with(clock::instant);
                        Event::Lost(mcphub_session::migration::Lost { request: Some(request), stay, how })
                    }
                }
            }
            Tell::Left(request) => {
                self.asking.remove(&request);
                self.streams.remove(&request);
                Event::Left { request }
            }
            Tell::Lost { stay, how, caller } => {
                self.caller = caller;
                self.began.get_or_insert_with(clock::instant);
                Event::Lost(mcphub_session::migration::Lost { request: None, stay, how })
            }
            Tell::StreamOpened(Standing { stream, stay, orders }) => {
                self.streams.insert(stream, orders);
                Event::StreamOpened { stream, stay }
            }
            Tell::StreamCut { stream, stay, stood, caller } => {
                self.caller = caller;
                Event::StreamCut { stream, stay, stood }
            }
            Tell::Attached(ticket, Ok(())) => self.answered(Event::Done { ticket }, ticket),
            Tell::Attached(ticket, Err(how)) => self.answered(Event::Failed { ticket, how }, ticket),
            Tell::Leave { caller, to } => {
                self.caller = caller;
                self.wanted = to;
                self.began.get_or_insert_with(clock::instant);
                Event::Leave
            }
            Tell::End { why, stay, done } => {
                self.ended.push(done);
                Event::End { why, stay }
            }
            Tell::Noticed(found) => Event::Noticed { found },
        };
        self.events.push_back(event);
    }

    fn answered(&mut self, event: Event, ticket: Ticket) -> Event {
        self.open.remove(&ticket);
        event
    }

    /// Has the machine take in what has happened, and does what it says.
    fn take(&mut self, event: Event) {
        if let Some(ticket) = ticket_of(&event) {
            self.open.remove(&ticket);
        }
        let steps = self.machine.step(event, clock::unix_seconds());
        for Step { action, why } in steps {
            tracing::debug!(
                session = %self.seed.key, phase = self.machine.phase(), action = name_of(&action), %why,
                "a session is looked after"
            );
            if let (Some(ticket), Some(deadline)) = (action.ticket(), action.deadline()) {
                self.open.insert(ticket);
                self.alarms.push((clock::instant() + deadline, Event::Late { ticket }));
            }
            self.act(action, why);
        }
        if self.machine.over().is_some() {
            for done in self.ended.drain(..) {
                let _ = done.send(());
            }
        }
    }

    fn act(&mut self, action: Action, why: Why) {
        match action {
            Action::Read { ticket } => self.read(ticket),
            Action::Write { ticket, expected, record } => self.write(ticket, expected, record),
            Action::Owe { record } => owed::write(&self.edge, self.seed.key, *record),
            Action::Choose { ticket, avoid, residency } => {
                let hub = self.choose(&avoid, residency.as_ref());
                self.events.push_back(Event::Chosen { ticket, hub });
            }
            Action::Initialize { ticket, hub, params } => {
                let errand = self.errand();
                self.go(ticket, async move {
                    let greeting = Box::new(errand.initialize(&hub, &params).await?);
                    Ok(Event::Greeted { ticket, hub, greeting })
                });
            }
            Action::Confirm { ticket, to } => {
                let errand = self.errand();
                self.go(ticket, async move {
                    errand.confirm(&to).await?;
                    Ok(Event::Done { ticket })
                });
            }
            Action::SetLevel { ticket, to, level } => {
                let params = serde_json::json!({ "level": level.as_str() });
                self.set(ticket, to, "logging/setLevel", params.to_string());
            }
            Action::Subscribe { ticket, to, uri } => {
                self.set(ticket, to, "resources/subscribe", serde_json::json!({ "uri": uri }).to_string());
            }
            Action::Unsubscribe { ticket, to, uri } => {
                self.set(ticket, to, "resources/unsubscribe", serde_json::json!({ "uri": uri }).to_string());
            }
            Action::Delete { at } => {
                let errand = self.errand();
                tokio::spawn(async move { errand.delete(&at).await });
            }
            Action::Retire { at } => self.retire(at),
            Action::Send { request, to } => {
                debug_assert_eq!(to.number, self.entry.stay_number());
                self.reply(request, Order::Send(Arc::clone(&self.entry)));
            }
            Action::Answer { request, with } => {
                let denied = self.denied.clone().filter(|_| with == Answer::Unauthorized);
                self.note_answer(with, why);
                self.reply(request, Order::Answer(with, denied));
            }
            Action::Attach { ticket, stream, to } => {
                debug_assert_eq!(to.number, self.entry.stay_number());
                self.order(stream, StreamOrder::Attach(ticket, Arc::clone(&self.entry)));
            }
            Action::Notify { stream, notice } => self.order(stream, StreamOrder::Notify(Box::new(notice))),
            Action::EndStream { stream } => {
                self.order(stream, StreamOrder::End);
                self.streams.remove(&stream);
            }
            Action::Moved { from, to, refused } => self.moved(&from, &to, refused, why),
            Action::Over { why } => {
                tracing::debug!(session = %self.seed.key, %why, "a session has ended");
                self.edge.sessions.end(&self.seed.key);
            }
            Action::Alarm { ticket } => {
                self.alarms.push((clock::instant() + MOVE_DEADLINE, Event::TimeUp { ticket }));
            }
        }
    }

    fn moved(&mut self, from: &Stay, to: &Stay, refused: u32, why: Why) {
        let took = self.began.take().map(|began| clock::instant().saturating_duration_since(began));
        self.wanted = None;
        self.owes_until = None;
        let took_ms = took.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        tracing::info!(
            session = %self.seed.key, from = %from.hub, to = %to.hub, stay = to.number, refused, took_ms, %why,
            "a session has moved"
        );
        if why == Why::Moved {
            self.edge.metrics.moves.moved(took);
            self.edge.sessions.pins_of(&from.hub).moved_one();
        } else {
            self.edge.metrics.moves.followed();
        }
        if let Some(entry) = self.edge.sessions.moved(&self.seed.key, to, clock::since_start()) {
            let before = std::mem::replace(&mut self.entry, entry);
            self.before.push(before);
        }
    }

    /// Counts what a client was told because its session could not be served.
    fn note_answer(&mut self, with: Answer, why: Why) {
        match with {
            Answer::NotServed(stuck) => {
                self.began = None;
                self.edge.metrics.moves.stuck(stuck);
                tracing::info!(session = %self.seed.key, %stuck, %why, "a session could not move");
            }
            Answer::OutcomeUnknown | Answer::ResumeLost => self.edge.metrics.moves.outcome_unknown(),
            Answer::Unauthorized | Answer::Accepted | Answer::SessionUnknown | Answer::Ended => {}
        }
    }

    fn read(&mut self, ticket: Ticket) {
        let (edge, key) = (Arc::clone(&self.edge), self.seed.key);
        self.go(ticket, async move {
            let found = edge.records.latest(key).await;
            Ok(match found {
                Ok(mut found) => {
                    if let Some(found) = &mut found {
                        fill_offer(&edge, &mut found.record);
                    }
                    Event::Read { ticket, found }
                }
                Err(error) => {
                    tracing::warn!(session = %key, %error, "a session's record cannot be read");
                    Event::Failed { ticket, how: Failed::Lost(Loss::Unreachable) }
                }
            })
        });
    }

    fn write(&mut self, ticket: Ticket, expected: Revision, record: Box<Record>) {
        let (edge, key) = (Arc::clone(&self.edge), self.seed.key);
        self.go(ticket, async move {
            Ok(match edge.records.write(key, expected, &record).await {
                Ok(revision) => Event::Written { ticket, revision },
                Err(StoreError::Conflict { found }) => Event::Conflict { ticket, found },
                Err(StoreError::Unreachable { may_be_written: true, .. }) => Event::Late { ticket },
                Err(error) => {
                    tracing::warn!(session = %key, %error, "a session's record cannot be written");
                    Event::Failed { ticket, how: Failed::Lost(Loss::Unreachable) }
                }
            })
        });
    }

    fn set(&mut self, ticket: Ticket, to: Stay, method: &'static str, params: String) {
        let errand = self.errand();
        self.go(ticket, async move {
            errand.set(&to, method, &params).await?;
            Ok(Event::Done { ticket })
        });
    }

    /// Begins what a ticket was given for.
    fn go(&mut self, ticket: Ticket, errand: impl Future<Output = Result<Event, Refused>> + Send + 'static) {
        self.errands.spawn(async move {
            match timeout(PATIENCE, errand).await {
                Ok(Ok(event)) => (event, None),
                Ok(Err(Refused { how, denied })) => (Event::Failed { ticket, how }, denied),
                Err(_) => (Event::Failed { ticket, how: Failed::Lost(Loss::Unreachable) }, None),
            }
        });
    }

    fn errand(&self) -> Errand {
        let version = self.seed.first.live().map_or("", |live| &live.version);
        Errand { edge: Arc::clone(&self.edge), caller: self.caller.clone(), version: version.into() }
    }

    /// The next hub in the client's order; the one that somebody wants first, if it may be had at all.
    fn choose(&self, avoid: &[HubId], residency: Option<&ResidencyId>) -> Option<HubId> {
        let snapshot = self.edge.snapshots.load();
        let table = &snapshot.table;
        let standing = snapshot.standing(self.caller.client);
        let residency = match residency {
            None => Residency::Sealed(ResidencyIndex::ANYWHERE),
            Some(id) => table.find_residency(id.as_str()).map_or(standing.residency, Residency::Sealed),
        };
        let mut excluded = Excluded::none();
        for hub in avoid.iter().filter_map(|hub| table.find(hub.as_str())) {
            if !excluded.insert(hub) {
                return None;
            }
        }
        let loads = crate::proxy::InFlight::of(&snapshot.upstreams);
        let wanted = self.wanted.as_ref().and_then(|hub| table.find(hub.as_str()));
        let query = RouteQuery {
            // A wish only: it must be fit for the session like any other.
            pin: wanted.filter(|hub| !excluded.contains(*hub)).map(Pin::Soft),
            residency,
            excluded,
            turn: self.edge.turn(),
            ..RouteQuery::new(standing.region, Era::Legacy, &loads)
        };
        match select(table, &query) {
            Choice::Keep(hub) | Choice::Place(hub) | Choice::Move { to: hub, .. } => {
                table.hub(hub).map(|hub| hub.id.clone())
            }
            Choice::Refuse(refusal) => {
                tracing::debug!(session = %self.seed.key, %refusal, "no hub for a session");
                None
            }
        }
    }

    /// Ends what the session leaves behind at a hub as soon as nothing of it is in flight there.
    fn retire(&self, at: Stay) {
        let errand = self.errand();
        let left = std::iter::once(&self.entry).chain(&self.before);
        let left = left.into_iter().find(|entry| entry.stay_number() == at.number).cloned();
        tokio::spawn(async move {
            let end = clock::instant() + RETIRE_WAIT;
            while left.as_ref().is_some_and(|entry| entry.in_flight() > 0) && clock::instant() < end {
                tokio::time::sleep(RETIRE_LOOK).await;
            }
            errand.delete(&at).await;
        });
    }

    fn reply(&mut self, request: RequestKey, order: Order) {
        // Whoever has left since needs no answer, and nothing of what it wanted was begun.
        if let Some(asking) = self.asking.remove(&request) {
            let _ = asking.send(order);
        }
    }

    fn order(&mut self, stream: RequestKey, order: StreamOrder) {
        let sent = self.streams.get(&stream).is_some_and(|orders| orders.send(order).is_ok());
        if !sent {
            self.streams.remove(&stream);
            self.events.push_back(Event::Left { request: stream });
        }
    }
}

/// The record that a token makes, of a session that this process knows to live elsewhere.
fn first_at(first: &Record, entry: &Entry) -> Record {
    let mut record = first.clone();
    if let (Some(stay), mcphub_session::record::Life::Live(live)) = (entry.stay(), &mut record.life) {
        live.stay = stay.clone();
    }
    record
}

/// What a client was offered is what its hub offers everybody, as far as that is known here.
fn fill_offer(edge: &Edge, record: &mut Record) {
    let mcphub_session::record::Life::Live(live) = &mut record.life else { return };
    if live.offer.capabilities.is_some() {
        return;
    }
    let snapshot = edge.snapshots.load();
    let hub = snapshot.table.find(live.stay.hub.as_str());
    let upstream = hub.and_then(|hub| snapshot.upstreams.get(hub.get()));
    live.offer.capabilities = upstream.and_then(|upstream| upstream.offered());
}

fn ticket_of(event: &Event) -> Option<Ticket> {
    match event {
        Event::Read { ticket, .. }
        | Event::Chosen { ticket, .. }
        | Event::Greeted { ticket, .. }
        | Event::Done { ticket }
        | Event::Failed { ticket, .. }
        | Event::Written { ticket, .. }
        | Event::Conflict { ticket, .. } => Some(*ticket),
        _ => None,
    }
}

fn name_of(action: &Action) -> &'static str {
    match action {
        Action::Read { .. } => "read",
        Action::Write { .. } => "write",
        Action::Owe { .. } => "owe",
        Action::Choose { .. } => "choose",
        Action::Initialize { .. } => "initialize",
        Action::Confirm { .. } => "confirm",
        Action::SetLevel { .. } => "set level",
        Action::Subscribe { .. } => "subscribe",
        Action::Unsubscribe { .. } => "unsubscribe",
        Action::Delete { .. } => "delete",
        Action::Retire { .. } => "retire",
        Action::Send { .. } => "send",
        Action::Answer { .. } => "answer",
        Action::Attach { .. } => "attach",
        Action::Notify { .. } => "notify",
        Action::EndStream { .. } => "end stream",
        Action::Moved { .. } => "moved",
        Action::Over { .. } => "over",
        Action::Alarm { .. } => "alarm",
    }
}
