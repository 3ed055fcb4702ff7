//! Doing what the machine says.

use super::Mover;
use crate::clock;
use crate::edge::Edge;
use crate::migrate::care::{Order, StreamOrder};
use crate::migrate::errand::{Errand, PATIENCE, Refused};
use crate::migrate::owed;
use mcphub_routing::{
    Choice, Era, Excluded, HubId, Pin, Residency, ResidencyId, ResidencyIndex, RouteQuery, select,
};
use mcphub_session::migration::{
    Action, Answer, Event, Failed, Loss, MOVE_DEADLINE, RequestKey, Ticket, Why,
};
use mcphub_session::record::{Life, Record, Revision, Stay};
use mcphub_session::{SessionStore as _, StoreError};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long a session that has left a hub waits for what is still in flight there before its session there is ended. A
/// call that runs longer is cut by that, as its caller was told when the session left.
const RETIRE_WAIT: Duration = Duration::from_secs(600);

/// Between two looks whether something is still in flight.
const RETIRE_LOOK: Duration = Duration::from_millis(100);

impl Mover {
    pub(super) fn act(&mut self, action: Action, why: Why) {
        match action {
            Action::Read { ticket } => self.read(ticket),
            Action::Write { ticket, expected, record } => self.write(ticket, expected, record),
            Action::Owe { record } => owed::write(&self.edge, self.seed.key, *record),
            Action::Choose { ticket, avoid, residency } => {
                let hub = self.choose(&avoid, residency.as_ref());
                self.events.push_back(Event::Chosen { ticket, hub });
            }
            Action::Initialize { ticket, hub, params } => {
                self.greeting_at = clock::since_start();
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
                // What its client did not ask for, an operator may ask about.
                if !matches!(why, Why::Ended(_)) {
                    tracing::info!(session = %self.seed.key, %why, "a stream of a session has ended");
                }
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
            self.edge.metrics.moves.moved((&from.hub, &to.hub), took);
            self.edge.sessions.pins_of(&from.hub).moved_one();
            self.edge.sessions.pins_of(&to.hub).received_one();
        } else {
            self.edge.metrics.moves.followed();
        }
        let (sessions, key, now) = (&self.edge.sessions, &self.seed.key, clock::since_start());
        // It may have been forgotten meanwhile, for want of room: then it is seen for the first time again.
        let entry = sessions.moved(key, to, now);
        let entry = entry.or_else(|| sessions.admit(key, to.hub.as_str(), Some(to.clone()), now).ok());
        if let Some(entry) = entry {
            if why == Why::Moved {
                entry.note_worked(self.greeting_at);
            }
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

/// What a client was offered is what its hub offers everybody, as far as that is known here.
pub(super) fn fill_offer(edge: &Edge, record: &mut Record) {
    let Life::Live(live) = &mut record.life else { return };
    if live.offer.capabilities.is_some() {
        return;
    }
    let snapshot = edge.snapshots.load();
    let hub = snapshot.table.find(live.stay.hub.as_str());
    let upstream = hub.and_then(|hub| snapshot.upstreams.get(hub.get()));
    live.offer.capabilities = upstream.and_then(|upstream| upstream.offered());
}

/// The action in a word, for logs.
pub(super) fn name_of(action: &Action) -> &'static str {
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
