//! Is this hub fit, and does it know all that the session knew? `initialize`, `initialized`, level, subscriptions.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use mcphub_routing::HubId;
use serde_json::value::RawValue;

use super::claim::Attempt;
use super::event::{Failed, Greeting, Ticket};
use super::leave::Course;
use super::{Action, Migration, State, Why};
use crate::record::{LogLevel, Stay};

/// Settings that are on their way at a time: a session of hundreds of subscriptions on another continent must not take
/// minutes, and a hub must not be flooded.
const RESTORED_AT_ONCE: usize = 16;

/// The `params` to introduce the client with: those that it introduced itself with, but asking for the version that was
/// agreed on. `None` if they are no JSON object.
#[must_use]
pub fn initialize_params(recorded: &str, version: &str) -> Option<String> {
    // Raw values come out as they went in: numbers are not read, and nothing is lost.
    let mut members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(recorded).ok()?;
    let version = serde_json::value::to_raw_value(version).ok()?;
    members.insert("protocolVersion".to_owned(), version);
    serde_json::to_string(&members).ok()
}

/// One setting that a new hub must be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Setting {
    Level(LogLevel),
    Subscribe(Box<str>),
    Unsubscribe(Box<str>),
}

/// What a new hub was told, and what it has still to be told.
#[derive(Debug, Default)]
pub(super) struct Restored {
    level: Option<LogLevel>,
    uris: BTreeSet<Box<str>>,
    todo: VecDeque<Setting>,
    open: Vec<Ticket>,
}

impl Migration {
    /// The `params` of an `initialize` in this session's name; `None` if they are not known.
    pub(super) fn params(&self) -> Option<Arc<str>> {
        let recorded = self.init.as_deref().or(self.live.init.as_deref())?;
        initialize_params(recorded, &self.live.version).map(Into::into)
    }

    /// A hub has answered `initialize`.
    pub(super) fn greeted(&mut self, ticket: Ticket, hub: HubId, greeting: Greeting) {
        let course = match self.enter(State::Home) {
            State::Greeting(course, asked) if course.waits == ticket && asked == hub => course,
            other => {
                self.state = other;
                return self.greeted_late(hub, greeting);
            }
        };
        let flaw = self.flaw(&greeting);
        let Greeting { offer, upstream, .. } = greeting;
        let stay = upstream.map(|upstream| Stay {
            number: self.live.stay.number.saturating_add(1),
            hub: hub.clone(),
            upstream,
        });
        match (stay, flaw) {
            (Some(stay), None) => {
                self.confirm(course, Attempt::new(stay, offer));
            }
            (stay, flaw) => {
                let why = flaw.unwrap_or(Why::NoSessionGiven);
                if let Some(at) = stay {
                    self.act(Action::Delete { at }, why);
                }
                self.try_next(course, hub, why);
            }
        }
    }

    /// What speaks against a hub that answered so.
    fn flaw(&self, greeting: &Greeting) -> Option<Why> {
        if greeting.version != self.live.version {
            return Some(Why::OtherVersion);
        }
        // Where it is not known what the client was offered, the version has to do.
        let offered = self.live.offer.capabilities.as_ref()?;
        let fits = greeting.offer.capabilities.as_ref().is_some_and(|new| new.cover(offered));
        (!fits).then_some(Why::LacksCapabilities)
    }

    fn confirm(&mut self, mut course: Course, attempt: Attempt) {
        course.waits = self.ticket();
        let (ticket, to) = (course.waits, attempt.stay.clone());
        self.state = State::Confirming(course, Box::new(attempt));
        self.act(Action::Confirm { ticket, to }, Why::NextStep);
    }

    /// A step of the handshake is done; `accepted`: the hub would have it.
    pub(super) fn step_done(&mut self, ticket: Ticket, accepted: bool) {
        match self.enter(State::Home) {
            State::Confirming(course, attempt) if course.waits == ticket && accepted => {
                self.restore(course, attempt, Why::NextStep);
            }
            State::Restoring(course, mut attempt) if attempt.restored.is_open(ticket) => {
                attempt.restored.open.retain(|other| *other != ticket);
                attempt.refused += u32::from(!accepted);
                self.restore_on(course, attempt, Why::NextStep);
            }
            other => self.state = other,
        }
    }

    /// Has the hub told what the record says beyond what the hub knows already.
    pub(super) fn restore(&mut self, course: Course, mut attempt: Box<Attempt>, why: Why) {
        let live = &self.live;
        let restored = &mut attempt.restored;
        if let Some(level) = live.level.filter(|level| restored.level != Some(*level)) {
            restored.todo.push_back(Setting::Level(level));
        }
        let gone = restored.uris.iter().filter(|uri| !live.subscriptions.contains(uri)).cloned();
        let mut changes: VecDeque<_> = gone.map(Setting::Unsubscribe).collect();
        let new = live.subscriptions.iter().filter(|uri| !restored.uris.contains(*uri));
        changes.extend(new.map(|uri| Setting::Subscribe(uri.into())));
        restored.todo.append(&mut changes);
        restored.level = live.level;
        restored.uris = live.subscriptions.iter().map(Into::into).collect();
        self.restore_on(course, attempt, why);
    }

    fn restore_on(&mut self, course: Course, mut attempt: Box<Attempt>, why: Why) {
        while attempt.restored.open.len() < RESTORED_AT_ONCE {
            let Some(setting) = attempt.restored.todo.pop_front() else { break };
            let (ticket, to) = (self.ticket(), attempt.stay.clone());
            attempt.restored.open.push(ticket);
            let action = match setting {
                Setting::Level(level) => Action::SetLevel { ticket, to, level },
                Setting::Subscribe(uri) => Action::Subscribe { ticket, to, uri },
                Setting::Unsubscribe(uri) => Action::Unsubscribe { ticket, to, uri },
            };
            self.act(action, why);
        }
        if attempt.restored.open.is_empty() {
            self.claim(course, attempt, why);
        } else {
            self.state = State::Restoring(course, attempt);
        }
    }

    /// A step of the handshake, or what else a hub was asked for, has failed.
    pub(super) fn step_failed(&mut self, ticket: Ticket, how: Failed) {
        let why = Why::HandshakeFailed;
        match self.enter(State::Home) {
            State::Choosing(course) if course.waits == ticket => {
                self.state = State::Choosing(course);
                self.chosen(ticket, None);
            }
            State::Greeting(mut course, hub) if course.waits == ticket => {
                course.unauthorized |= how == Failed::Unauthorized;
                self.try_next(course, hub, why);
            }
            State::Confirming(course, attempt) if course.waits == ticket => {
                self.next_after(course, &attempt, how);
            }
            // A resource that this hub does not have is no reason to give up the session. The client is told that it
            // has changed, asks for it, and hears.
            State::Restoring(course, attempt)
                if attempt.restored.is_open(ticket) && how == Failed::Refused =>
            {
                self.state = State::Restoring(course, attempt);
                self.step_done(ticket, false);
            }
            State::Restoring(course, attempt) if attempt.restored.is_open(ticket) => {
                self.next_after(course, &attempt, how);
            }
            other => self.state = other,
        }
    }

    fn next_after(&mut self, mut course: Course, attempt: &Attempt, how: Failed) {
        course.unauthorized |= how == Failed::Unauthorized;
        self.discard(attempt, Why::HandshakeFailed);
        self.try_next(course, attempt.stay.hub.clone(), Why::HandshakeFailed);
    }

    /// Ends the session that was made in vain.
    pub(super) fn discard(&mut self, attempt: &Attempt, why: Why) {
        self.act(Action::Delete { at: attempt.stay.clone() }, why);
    }
}

impl Restored {
    fn is_open(&self, ticket: Ticket) -> bool {
        self.open.contains(&ticket)
    }
}
