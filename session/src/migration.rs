//! *A session's hub is gone. What now?*
//!
//! The move of one session to another hub, as a state machine: [`Event`]s in, [`Step`]s out. It decides everything and
//! does nothing; whoever drives it does what it says and tells what came of it.
//!
//! ```text
//!                 lost, wanted elsewhere
//!      ┌─► Home ──────────────────────────► Reading ◄──── asked again ────┐
//!      │    ▲ ▲                              │ │ │                        │
//!      │    │ └── another gateway moved it ──┘ │ └── expired ─► Ending    │
//!      │    │                                  ▼                  │       │
//!   no hub  │      ┌─ the next hub, please ─ Choosing             ▼       │
//!      │    │      │                           ▼                 Over     │
//!      └────┼──────┼──────────────────────── Greeting  initialize         │
//!           │      ├── lost, does not fit ◄── ▼                           │
//!           │      ├──────────────── lost ◄─ Confirming  initialized      │
//!           │      │                           ▼                          │
//!           │      ├──────────────── lost ◄─ Restoring  level,            │
//!           │      ▼                           ▼        subscriptions     │
//!           │   Choosing                     Claiming  compare-and-set    │
//!           │                                  │ │ │                      │
//!           └──── won, or lost to another ─────┘ │ └─ no answer ─► InDoubt┘
//!                                                └─ changed otherwise: Restoring
//!
//!   from every state: the client's DELETE, or another end ─► Ending ─► Over
//! ```
//!
//! What holds, whatever comes in which order:
//!
//! - **Single flight.** One machine looks after a session within a gateway, and moves it to one hub at a time.
//! - **No request goes to a new hub before the compare-and-set has won.** Whoever loses it takes the winner's hub, and
//!   ends the session that it has made in vain. If nobody says whether it was won, the session is *in doubt*: it is
//!   served neither here nor there, until the store can be read.
//! - **Nothing is done twice that may not be.** A lost exchange is sent again only if its hub cannot have acted on it or
//!   it is safe ([`is_safe`]); a batch never is. Otherwise the client is told at once, in words.
//! - **Nobody waits for ever.** Each action that is waited for has a deadline, a move as a whole has one, the number of
//!   exchanges that wait has a bound, and so has the number of hubs tried.
//! - **What has ended never comes back.**
//!
//! # Expired, or lost?
//!
//! A hub that answers that it does not know the session has expired it, if it had no reason to forget: then the client
//! gets 404. If it was started again ([`Memory`]), the session is lost and moves, perhaps to the same hub. In either
//! case the record is read first: another gateway may have moved the session, and then nothing of the kind is true.
//!
//! # How to drive it
//!
//! 1. Make one when the first exchange of a session meets a [`Loss`], or when the session shall leave its hub:
//!    [`Migration::new`] with what is known of the session. Keep it under the session's key, and bring everything of
//!    the session to it while it is there: exchanges that arrive ([`Event::Arrived`]), lose their hub ([`Event::Lost`])
//!    or their client ([`Event::Left`]). Streams that stand open already are told first ([`Event::StreamOpened`]).
//! 2. Do the steps that [`Migration::step`] returns, in their order, and log each with its reason. Tell the answer of
//!    each action with a ticket, by its deadline or as [`Event::Late`]; after that the true answer still, whenever it
//!    comes, since a hub may have made a session that must be ended.
//!    The store's part is [`crate::SessionStore`]: `Read` is `latest`, `Write` is `write`, an owed tombstone is `end`,
//!    and what `watch` says of the session is [`Event::Noticed`]. A conflict is `Conflict`; an error after which the
//!    write may have happened is `Late`; any other is `Failed`.
//! 3. An exchange told as arrived or lost is the machine's until a [`Action::Send`] or [`Action::Answer`] for it comes.
//!    Sent, it is the driver's again: its answer is passed on as always, whatever becomes of the machine.
//! 4. [`Action::Moved`] is for the map that the hot path looks at, the counts of pins, logs and metrics.
//! 5. When [`Migration::is_at_rest`], the machine may be dropped; while it owes notices ([`Migration::owes_notices`])
//!    it is better kept for a minute. A handshake that is answered afterwards has made a
//!    session that must be ended by DELETE.
//!
//! The credential is not here: handshakes go out with the `Authorization` of the exchange that came last. Nor is the
//! clock: `now` is passed in, and alarms are told.

mod action;
mod arrive;
mod claim;
mod end;
mod event;
mod handshake;
mod held;
mod leave;
mod streams;

pub use action::{Action, Answer, Notice, Step, Stuck, Why};
pub use event::{
    Event, Failed, Greeting, Kind, Loss, Lost, Marks, Memory, Request, RequestKey, Ticket, is_safe,
};
pub use handshake::initialize_params;
pub use held::{HELD_MAX, SENDS_MAX};
pub use streams::{ATTACHES_MAX, STREAMS_MAX};

use std::sync::Arc;
use std::time::Duration;

use mcphub_routing::HubId;

use crate::principal::Fingerprint;
use crate::record::{Ended, Life, Live, Record, Revision, Stay};
use claim::Attempt;
use end::Ending;
use held::Held;
use leave::Course;
use streams::Streams;

/// How long the store may take for one answer. A local store takes microseconds; the leader of a NATS cluster is
/// elected within some seconds, which is an outage.
pub const STORE_DEADLINE: Duration = Duration::from_secs(1);

/// How long a hub may take for one step of a handshake. On another continent, `initialize` takes some 300 ms, new
/// connection included.
pub const HUB_DEADLINE: Duration = Duration::from_secs(2);

/// How long a move may take in all before those who wait for it are told. Clients must not hang for 5 s.
pub const MOVE_DEADLINE: Duration = Duration::from_millis(4_500);

/// A stream that stood for so long was cut for a reason of its own; one that did not counts against attaching it again.
pub const STREAM_STOOD: Duration = Duration::from_secs(10);

/// Most hubs tried in one move: as many as a choice can leave out.
pub const HUBS_MAX: usize = 8;

/// Most attempts to write a record in one go, against others who change it and a store that does not answer.
pub const WRITES_MAX: u8 = 4;

/// What is known of a session when its machine is made.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its record, or the first one its token makes ([`crate::Sealer::first_record`]).
    pub record: Record,
    /// Which writing of it that is, where it was read.
    pub revision: Revision,
    /// The `params` of its `initialize`, where the token has them.
    pub init: Option<Arc<str>>,
    /// Whether no other gateway serves these sessions: then a store that cannot be reached stops nothing.
    pub alone: bool,
}

/// One session, looked after.
#[derive(Debug)]
pub struct Migration {
    caller: Fingerprint,
    expires_at: u64,
    live: Live,
    revision: Revision,
    init: Option<Arc<str>>,
    alone: bool,
    state: State,
    held: Held,
    streams: Streams,
    tickets: u64,
    now: u64,
    steps: Vec<Step>,
}

/// The whole life of a session that is looked after.
#[derive(Debug)]
enum State {
    /// It lives where it is thought to; its exchanges go there.
    Home,
    /// Its hub is lost, or it shall leave it: what does the record say?
    Reading(Course),
    /// Which hub is next?
    Choosing(Course),
    /// `initialize` is on its way to this hub.
    Greeting(Course, HubId),
    /// `notifications/initialized` is on its way.
    Confirming(Course, Box<Attempt>),
    /// Level and subscriptions are on their way.
    Restoring(Course, Box<Attempt>),
    /// The record is being written: from here on others may go to the new hub.
    Claiming(Course, Box<Attempt>),
    /// Nobody said whether it was written. The next exchange asks again.
    InDoubt(Box<Attempt>, Ticket),
    /// The tombstone is being written.
    Ending(Ending),
    /// It has ended.
    Over(Ended),
}

impl Migration {
    /// Looks after a session that lives where its record says. `None` if that says that it has ended.
    #[must_use]
    pub fn new(session: Session) -> Option<Self> {
        let Session { record, revision, init, alone } = session;
        let Record { caller, expires_at, life: Life::Live(live) } = record else { return None };
        Some(Self {
            caller,
            expires_at,
            live: *live,
            revision,
            init,
            alone,
            state: State::Home,
            held: Held::default(),
            streams: Streams::default(),
            tickets: 0,
            now: 0,
            steps: Vec::new(),
        })
    }

    /// Where the session lives, as far as it is known here.
    #[must_use]
    pub fn stay(&self) -> &Stay {
        &self.live.stay
    }

    /// What ended it, if it has ended.
    #[must_use]
    pub fn over(&self) -> Option<Ended> {
        match self.state {
            State::Over(why) => Some(why),
            _ => None,
        }
    }

    /// Whether nothing is under way, nobody waits, and every open stream leads to a hub.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        let settled = matches!(self.state, State::Home | State::Over(_));
        settled && self.held.is_empty() && self.streams.are_at_rest()
    }

    /// Whether the client has not heard yet what it may have missed, since it has no stream open. One that lost its
    /// stream opens another within seconds.
    #[must_use]
    pub fn owes_notices(&self) -> bool {
        self.streams.owes()
    }

    /// Where it stands, in a word for logs and metrics.
    #[must_use]
    pub fn phase(&self) -> &'static str {
        match self.state {
            State::Home => "home",
            State::Reading(_) => "reading",
            State::Choosing(_) => "choosing",
            State::Greeting(..) => "greeting",
            State::Confirming(..) => "confirming",
            State::Restoring(..) => "restoring",
            State::Claiming(..) => "claiming",
            State::InDoubt(..) => "in_doubt",
            State::Ending(_) => "ending",
            State::Over(_) => "over",
        }
    }

    /// Takes in what has happened at `now`, in seconds since 1970, and says what to do.
    #[must_use]
    pub fn step(&mut self, event: Event, now: u64) -> Vec<Step> {
        self.now = now;
        match event {
            Event::Arrived(request) => self.arrived(request),
            Event::Left { request } => self.left(request),
            Event::Lost(lost) => self.lost(lost),
            Event::StreamOpened { stream, stay } => self.stream_opened(stream, stay),
            Event::StreamCut { stream, stay, stood } => self.stream_cut(stream, stay, stood),
            Event::Leave => self.leave(),
            Event::End { why, stay } => self.end(why, stay),
            Event::Noticed { found } => self.noticed(found),
            Event::TimeUp { ticket } => self.time_up(ticket),
            Event::Read { ticket, found } => self.read(ticket, found),
            Event::Chosen { ticket, hub } => self.chosen(ticket, hub),
            Event::Greeted { ticket, hub, greeting } => self.greeted(ticket, hub, *greeting),
            Event::Done { ticket } => self.done(ticket),
            Event::Failed { ticket, how } => self.failed(ticket, how),
            Event::Late { ticket } => self.late(ticket),
            Event::Written { ticket, revision } => self.written(ticket, revision),
            Event::Conflict { ticket, found } => self.conflict(ticket, found),
        }
        std::mem::take(&mut self.steps)
    }

    fn act(&mut self, action: Action, why: Why) {
        self.steps.push(Step { action, why });
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// Enters a state, and hands out the one that was.
    fn enter(&mut self, state: State) -> State {
        std::mem::replace(&mut self.state, state)
    }

    /// The session's record, with this life in it.
    fn record_of(&self, life: Life) -> Box<Record> {
        Box::new(Record { caller: self.caller, expires_at: self.expires_at, life })
    }

    /// What is done, by the ticket of what was asked for: a step of the handshake, or a stream that is attached.
    fn done(&mut self, ticket: Ticket) {
        if !self.stream_attached(ticket) {
            self.step_done(ticket, true);
        }
    }

    /// What is not done.
    fn failed(&mut self, ticket: Ticket, how: Failed) {
        if self.stream_failed(ticket, how) {
            return;
        }
        match &self.state {
            State::Reading(course) if course.waits == ticket => self.read_late(),
            State::Claiming(_, attempt) if attempt.is_claimed_by(ticket) => self.claim_failed(),
            State::Ending(ending) if ending.waits == ticket => self.end_late(),
            _ => self.step_failed(ticket, how),
        }
    }

    /// What has not been answered in time.
    fn late(&mut self, ticket: Ticket) {
        // A hub may send the head of a stream with its first event only: what takes long stands open.
        if self.stream_attached(ticket) {
            return;
        }
        match &self.state {
            State::Reading(course) if course.waits == ticket => self.read_late(),
            State::Claiming(_, attempt) if attempt.is_claimed_by(ticket) => self.claim_late(),
            State::Ending(ending) if ending.waits == ticket => self.end_late(),
            _ => self.step_failed(ticket, Failed::Lost(Loss::Unreachable)),
        }
    }

    /// A move has taken too long: nobody waits for it any longer, and what was begun is ended. Or it is time to try
    /// again.
    fn time_up(&mut self, ticket: Ticket) {
        if self.streams_time_up(ticket) {
            return;
        }
        match &self.state {
            State::Reading(course)
            | State::Choosing(course)
            | State::Greeting(course, _)
            | State::Confirming(course, _)
            | State::Restoring(course, _)
            | State::Claiming(course, _)
                if course.alarm == ticket =>
            {
                self.give_up(Stuck::TimeUp);
            }
            State::InDoubt(_, alarm) if *alarm == ticket => self.ask_again(),
            State::Ending(ending) if ending.alarm == ticket => self.end_unwritten(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
