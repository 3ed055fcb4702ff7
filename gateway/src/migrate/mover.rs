//! The machine's driver: what happens goes in, what shall be done is done.

mod act;

use super::care::{Care, Order, Standing, StreamOrder, Tell};
use super::{Caller, Denied, Seed};
use crate::clock;
use crate::edge::Edge;
use crate::sessions::Entry;
use mcphub_routing::HubId;
use mcphub_session::SessionStore as _;
use mcphub_session::migration::{Answer, Event, Migration, RequestKey, Session, Step, Ticket};
use mcphub_session::record::{Record, Revision};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::sleep_until;

/// How long a session is looked after that owes its client notices and has no stream to say them on. A client that lost
/// its stream opens another within seconds.
const OWING: Duration = Duration::from_secs(60);

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
    /// When the last hub was asked to take the session.
    greeting_at: Duration,
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
        act::fill_offer(&edge, &mut record);
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
            greeting_at: Duration::ZERO,
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
            care.rests(self.rests());
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
        if !self.rests() {
            return false;
        }
        if !self.machine.owes_notices() {
            return true;
        }
        let until = *self.owes_until.get_or_insert_with(|| clock::instant() + OWING);
        clock::instant() >= until
    }

    /// Whether nothing is going on.
    fn rests(&self) -> bool {
        self.machine.is_at_rest() && self.errands.is_empty() && self.asking.is_empty()
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
                self.wanted = to.or(self.wanted.take());
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
                session = %self.seed.key, phase = self.machine.phase(), action = act::name_of(&action), %why,
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
}

/// The record that a token makes, of a session that this process knows to live elsewhere.
fn first_at(first: &Record, entry: &Entry) -> Record {
    let mut record = first.clone();
    if let (Some(stay), mcphub_session::record::Life::Live(live)) = (entry.stay(), &mut record.life) {
        live.stay = stay.clone();
    }
    record
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
