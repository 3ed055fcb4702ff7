//! Who has the session now? The compare-and-set, and what it means to lose it.

use mcphub_routing::HubId;

use super::event::{Greeting, Ticket};
use super::handshake::Restored;
use super::leave::{Cause, Course};
use super::{Action, Migration, State, Stuck, WRITES_MAX, Why};
use crate::record::{Ended, Found, Life, Live, Offer, Revision, Stay};

/// A hub's session that was made for this one, and may become its next stay.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) stay: Stay,
    offer: Offer,
    pub(super) restored: Restored,
    /// Settings that the hub would not have.
    pub(super) refused: u32,
    /// The writings that were asked for and may still be answered.
    claims: Vec<Ticket>,
    tries: u8,
}

impl Attempt {
    pub(super) fn new(stay: Stay, offer: Offer) -> Self {
        Self { stay, offer, restored: Restored::default(), refused: 0, claims: Vec::new(), tries: 0 }
    }

    /// Begins anew with the writings that are allowed.
    pub(super) fn asked_again(&mut self) {
        self.tries = 0;
    }

    /// Whether it is this answer that is waited for.
    pub(super) fn is_claimed_by(&self, ticket: Ticket) -> bool {
        self.claims.last() == Some(&ticket)
    }
}

impl Migration {
    /// Asks the store that the session live there.
    pub(super) fn claim(&mut self, course: Course, mut attempt: Box<Attempt>, why: Why) {
        let ticket = self.ticket();
        attempt.claims.push(ticket);
        attempt.tries += 1;
        let record = self.record_of(Life::Live(Box::new(self.live_at(&attempt))));
        let expected = self.revision;
        self.state = State::Claiming(course, attempt);
        self.act(Action::Write { ticket, expected, record }, why);
    }

    /// What the record says once the session lives there.
    pub(super) fn live_at(&self, attempt: &Attempt) -> Live {
        let mut live = self.live.clone();
        live.stay = attempt.stay.clone();
        // What the client was offered stays what it may count on; its lists it will ask for again.
        live.offer.catalogue = attempt.offer.catalogue;
        live.last_used = self.now;
        live
    }

    /// The record was written.
    pub(super) fn written(&mut self, ticket: Ticket, revision: Revision) {
        match self.enter(State::Home) {
            State::Reading(Course { cause, doubt: Some(attempt), .. })
                if attempt.claims.contains(&ticket) =>
            {
                self.revision = revision;
                self.win(cause, &attempt);
            }
            State::Claiming(course, attempt) if attempt.claims.contains(&ticket) => {
                self.revision = revision;
                self.win(course.cause, &attempt);
            }
            State::InDoubt(attempt, _) if attempt.claims.contains(&ticket) => {
                self.revision = revision;
                self.win(Cause::Lost, &attempt);
            }
            State::Ending(ending) if ending.waits == ticket => {
                self.revision = revision;
                self.finish(ending.why);
            }
            other => self.state = other,
        }
    }

    /// Somebody else has written first.
    pub(super) fn conflict(&mut self, ticket: Ticket, found: Option<Found>) {
        match self.enter(State::Home) {
            State::Claiming(course, attempt) if attempt.is_claimed_by(ticket) => {
                self.claim_lost(course, attempt, found);
            }
            State::Ending(ending) if ending.waits == ticket => self.end_conflict(ending, found),
            other => self.state = other,
        }
    }

    fn claim_lost(&mut self, course: Course, attempt: Box<Attempt>, found: Option<Found>) {
        let Some(Found { record, revision }) = found else {
            // The record is gone; nobody else has the session.
            self.revision = Revision::NONE;
            return self.claim_again(course, attempt);
        };
        match record.life {
            Life::Ended { why, .. } => {
                self.discard(&attempt, Why::Ended(why));
                self.ended_elsewhere(course, why);
            }
            // It is ours: written, though nobody had told us.
            Life::Live(live) if live.stay == attempt.stay => {
                self.revision = revision;
                self.win(course.cause, &attempt);
            }
            Life::Live(live) if self.is_elsewhere(&live.stay) => {
                self.discard(&attempt, Why::MovedElsewhere);
                self.adopt(None, *live, revision);
            }
            // Level or subscriptions were changed by way of another gateway.
            Life::Live(live) => {
                let stay = self.live.stay.clone();
                self.live = Live { stay, ..*live };
                self.revision = revision;
                self.claim_again(course, attempt);
            }
        }
    }

    /// Tries once more, with what has changed.
    fn claim_again(&mut self, course: Course, mut attempt: Box<Attempt>) {
        // Every earlier writing has been refused or will be: it was made of a revision that is gone.
        attempt.claims.clear();
        if attempt.tries < WRITES_MAX {
            // What is as it was needs no telling.
            return self.restore(course, attempt, Why::RecordChanged);
        }
        self.discard(&attempt, Why::Stuck(Stuck::Contended));
        self.state = State::Choosing(course);
        self.give_up(Stuck::Contended);
    }

    /// The store does not say whether it has written. Writing the same again does no harm: only one of the two can
    /// succeed, and the other finds it.
    pub(super) fn claim_late(&mut self) {
        match self.enter(State::Home) {
            State::Claiming(course, attempt) if self.alone => {
                let record = self.record_of(Life::Live(Box::new(self.live_at(&attempt))));
                self.act(Action::Owe { record }, Why::Stuck(Stuck::StoreUnreachable));
                self.win(course.cause, &attempt);
            }
            State::Claiming(course, attempt) if attempt.tries < WRITES_MAX => {
                self.claim(course, attempt, Why::TooLate);
            }
            State::Claiming(course, attempt) => {
                self.state = State::Claiming(course, attempt);
                self.give_up(Stuck::StoreUnreachable);
            }
            other => self.state = other,
        }
    }

    /// The store has not written it, and says so: there is no doubt, unless an earlier writing is still on its way.
    pub(super) fn claim_failed(&mut self) {
        match self.enter(State::Home) {
            State::Claiming(course, attempt) if !self.alone && attempt.claims.len() == 1 => {
                self.discard(&attempt, Why::Stuck(Stuck::StoreUnreachable));
                self.state = State::Choosing(course);
                self.give_up(Stuck::StoreUnreachable);
            }
            other => {
                self.state = other;
                self.claim_late();
            }
        }
    }

    /// A hub has answered `initialize` when nobody waited for it any more: what it made serves nobody.
    pub(super) fn greeted_late(&mut self, hub: HubId, greeting: Greeting) {
        let Some(upstream) = greeting.upstream else { return };
        let at = Stay { number: self.live.stay.number.saturating_add(1), hub, upstream };
        self.act(Action::Delete { at }, Why::TooLate);
    }

    /// The record says that the session has ended.
    pub(super) fn ended_elsewhere(&mut self, mut course: Course, why: Ended) {
        if let Some(attempt) = course.doubt.take() {
            self.discard(&attempt, Why::Ended(why));
        }
        // Whoever ended it may not know of this hub. One that knows nothing of the session any more is told in vain.
        self.act(Action::Delete { at: self.live.stay.clone() }, Why::Ended(why));
        self.finish(why);
    }
}
