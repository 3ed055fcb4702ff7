//! Should the session leave, and where is it now? From the first sign to a hub to try.

use mcphub_routing::HubId;

use super::claim::Attempt;
use super::event::{Loss, Memory, Ticket};
use super::{Action, HUBS_MAX, Migration, State, Stuck, Why};
use crate::record::{Ended, Found, Life, Live, Stay};

/// One move, from its first sign to its end.
#[derive(Debug)]
pub(super) struct Course {
    pub(super) cause: Cause,
    /// The alarm of the whole move.
    pub(super) alarm: Ticket,
    /// The answer that is waited for.
    pub(super) waits: Ticket,
    /// Hubs that cannot have the session.
    avoid: Vec<HubId>,
    tried: usize,
    /// A hub that may have the session already.
    pub(super) doubt: Option<Box<Attempt>>,
    /// Some hub would not have it for want of a credential.
    pub(super) unauthorized: bool,
}

/// Why a session leaves. The stronger one comes later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
    /// It is wanted elsewhere; its hub can serve it still.
    Wish,
    /// Its hub does not know it, and had no reason to forget it.
    Forgotten,
    /// Its hub was started again, and may have it again.
    Restarted,
    /// Its hub is lost.
    Lost,
}

impl Cause {
    fn of(how: Loss) -> Self {
        match how {
            Loss::Unreachable | Loss::Broke | Loss::Ejected => Self::Lost,
            Loss::Unknown(Memory::SameBoot | Memory::BootUnknown) => Self::Forgotten,
            Loss::Unknown(Memory::Restarted | Memory::FailedSince) => Self::Restarted,
        }
    }

    pub(super) fn why(self) -> Why {
        match self {
            Self::Wish => Why::Leaving,
            Self::Forgotten => Why::HubForgot,
            Self::Restarted => Why::HubRestarted,
            Self::Lost => Why::HubLost,
        }
    }
}

impl Migration {
    /// The session is wanted elsewhere.
    pub(super) fn leave(&mut self) {
        if matches!(self.state, State::Home) {
            self.begin(Cause::Wish, None);
        }
    }

    /// Something speaks against the hub that the session lives on.
    pub(super) fn suspect(&mut self, how: Loss) {
        let cause = Cause::of(how);
        match &mut self.state {
            State::Home => self.begin(cause, None),
            State::Reading(course)
            | State::Choosing(course)
            | State::Greeting(course, _)
            | State::Confirming(course, _)
            | State::Restoring(course, _)
            | State::Claiming(course, _) => course.cause = course.cause.max(cause),
            State::InDoubt(..) | State::Ending(_) | State::Over(_) => {}
        }
    }

    /// Somebody asks for a session that may live here or there.
    pub(super) fn ask_again(&mut self) {
        match self.enter(State::Home) {
            State::InDoubt(attempt, _) => self.begin(Cause::Lost, Some(attempt)),
            other => self.state = other,
        }
    }

    fn begin(&mut self, cause: Cause, doubt: Option<Box<Attempt>>) {
        let why = if doubt.is_some() { Why::InDoubt } else { cause.why() };
        let (alarm, waits) = (self.ticket(), self.ticket());
        self.act(Action::Alarm { ticket: alarm }, why);
        self.act(Action::Read { ticket: waits }, why);
        let course = Course { cause, alarm, waits, avoid: Vec::new(), tried: 0, doubt, unauthorized: false };
        self.state = State::Reading(course);
    }

    /// What the record says.
    pub(super) fn read(&mut self, ticket: Ticket, found: Option<Found>) {
        let course = match self.enter(State::Home) {
            State::Reading(course) if course.waits == ticket => course,
            other => return self.state = other,
        };
        // A record of another caller is not this session's: as if there were none.
        let found = found.filter(|found| found.record.caller == self.caller);
        match found {
            Some(Found { record, revision }) => match record.life {
                Life::Ended { why, .. } => self.ended_elsewhere(course, why),
                Life::Live(live) => self.read_live(course, *live, revision),
            },
            None => {
                self.revision = crate::Revision::NONE;
                self.go_on(course);
            }
        }
    }

    fn read_live(&mut self, course: Course, live: Live, revision: crate::Revision) {
        if let Some(attempt) = course.doubt.as_deref().filter(|attempt| attempt.stay == live.stay) {
            self.revision = revision;
            return self.win(course.cause, attempt);
        }
        if self.is_elsewhere(&live.stay) {
            return self.adopt(course.doubt.as_deref(), live, revision);
        }
        // A copy that lags behind does not know where we have been since. The compare-and-set will tell.
        let stay = self.live.stay.clone();
        self.live = Live { stay, ..live };
        self.revision = revision;
        self.go_on(course);
    }

    /// Another gateway has changed the record. Whoever is about to write it will find out; the others take it in.
    pub(super) fn noticed(&mut self, found: Found) {
        if found.record.caller != self.caller {
            return;
        }
        match (&self.state, found.record.life) {
            (State::Home, Life::Ended { why, .. }) => self.finish(why),
            (State::Home, Life::Live(live)) if self.is_elsewhere(&live.stay) => {
                self.adopt(None, *live, found.revision);
            }
            (State::InDoubt(..), _) => self.ask_again(),
            _ => {}
        }
    }

    /// Whether somebody else has moved the session to this stay.
    pub(super) fn is_elsewhere(&self, stay: &Stay) -> bool {
        stay.number >= self.live.stay.number && *stay != self.live.stay
    }

    /// Nobody says what the record holds.
    pub(super) fn read_late(&mut self) {
        if !self.alone {
            return self.give_up(Stuck::StoreUnreachable);
        }
        match self.enter(State::Home) {
            State::Reading(course) => self.go_on(course),
            other => self.state = other,
        }
    }

    /// The session lives where it was thought to.
    fn go_on(&mut self, mut course: Course) {
        if let Some(mut attempt) = course.doubt.take() {
            attempt.asked_again();
            return self.restore(course, attempt, Why::InDoubt);
        }
        let params = self.params();
        match course.cause {
            Cause::Forgotten => return self.end_for(Ended::Expired, course.alarm),
            // Its hub knows it no more, and no other can.
            Cause::Restarted if params.is_none() => return self.end_for(Ended::Expired, course.alarm),
            Cause::Restarted => {}
            Cause::Wish | Cause::Lost => course.avoid.push(self.live.stay.hub.clone()),
        }
        let why = course.cause.why();
        self.state = State::Choosing(course);
        if params.is_none() {
            return self.give_up(Stuck::NoParams);
        }
        self.choose(why);
    }

    fn choose(&mut self, why: Why) {
        let ticket = self.ticket();
        let residency = self.live.residency.clone();
        let State::Choosing(course) = &mut self.state else { return };
        course.waits = ticket;
        let avoid = course.avoid.clone();
        self.act(Action::Choose { ticket, avoid, residency }, why);
    }

    /// A hub to try, or none.
    pub(super) fn chosen(&mut self, ticket: Ticket, hub: Option<HubId>) {
        let mut course = match self.enter(State::Home) {
            State::Choosing(course) if course.waits == ticket => course,
            other => return self.state = other,
        };
        let hub = hub.filter(|hub| !course.avoid.contains(hub) && course.tried < HUBS_MAX);
        let (Some(hub), Some(params)) = (hub, self.params()) else {
            let stuck = if course.unauthorized { Stuck::Unauthorized } else { Stuck::NoHub };
            self.state = State::Choosing(course);
            return self.give_up(stuck);
        };
        course.tried += 1;
        course.waits = self.ticket();
        let (ticket, why) = (course.waits, course.cause.why());
        self.state = State::Greeting(course, hub.clone());
        self.act(Action::Initialize { ticket, hub, params }, why);
    }

    /// This hub cannot have the session; perhaps the next one can.
    pub(super) fn try_next(&mut self, mut course: Course, hub: HubId, why: Why) {
        course.avoid.push(hub);
        let cause = course.cause;
        // Its own hub has failed it since.
        if cause == Cause::Lost && !course.avoid.contains(&self.live.stay.hub) {
            course.avoid.push(self.live.stay.hub.clone());
        }
        self.state = State::Choosing(course);
        self.choose(why);
    }

    /// The move has come to nothing. Everybody who waits is told; the session stays where it was, and whoever asks next
    /// begins anew.
    pub(super) fn give_up(&mut self, stuck: Stuck) {
        let why = Why::Stuck(stuck);
        let (course, doubt) = match self.enter(State::Home) {
            State::Reading(mut course) => {
                let doubt = course.doubt.take();
                (course, doubt)
            }
            State::Choosing(course) | State::Greeting(course, _) => (course, None),
            State::Confirming(course, attempt) | State::Restoring(course, attempt) => {
                self.discard(&attempt, why);
                (course, None)
            }
            State::Claiming(course, attempt) => (course, Some(attempt)),
            other => return self.state = other,
        };
        if let Some(attempt) = doubt {
            // It asks again by itself: somebody may listen, and what was made must not be forgotten.
            let ticket = self.ticket();
            self.state = State::InDoubt(attempt, ticket);
            self.act(Action::Alarm { ticket }, why);
            return self.refuse(stuck);
        }
        if course.cause == Cause::Wish {
            // Its hub can serve it still.
            self.release(why);
            return self.attach_rest(why);
        }
        self.refuse(stuck);
        self.streams_stuck(stuck);
    }
}
