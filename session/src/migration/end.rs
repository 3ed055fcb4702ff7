//! It is over. How does everybody know, and for good?

use super::event::Ticket;
use super::leave::Course;
use super::{Action, Migration, State, Stuck, WRITES_MAX, Why};
use crate::record::{Ended, Found, Life, Revision};

/// A tombstone on its way.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) why: Ended,
    pub(super) waits: Ticket,
    pub(super) alarm: Ticket,
    tries: u8,
}

impl Migration {
    /// The session has ended. Its hub is told, unless the hub of this very stay has said so.
    pub(super) fn end(&mut self, why: Ended, stay: Option<u32>) {
        match self.enter(State::Home) {
            State::Over(over) => {
                self.state = State::Over(over);
                return self.dismiss(over);
            }
            State::Ending(ending) => {
                // A client's word stands, whatever its hub remembers.
                self.state = State::Ending(Ending { why, ..ending });
                return;
            }
            State::Home | State::Greeting(..) | State::Choosing(_) => {}
            State::Reading(Course { doubt, .. }) => {
                if let Some(attempt) = doubt {
                    self.discard(&attempt, Why::Ended(why));
                }
            }
            State::Confirming(_, attempt)
            | State::Restoring(_, attempt)
            | State::Claiming(_, attempt)
            | State::InDoubt(attempt, _) => self.discard(&attempt, Why::Ended(why)),
        }
        if stay != Some(self.live.stay.number) {
            self.act(Action::Delete { at: self.live.stay.clone() }, Why::Ended(why));
        }
        let alarm = self.ticket();
        self.act(Action::Alarm { ticket: alarm }, Why::Ended(why));
        self.end_for(why, alarm);
    }

    /// Writes the tombstone.
    pub(super) fn end_for(&mut self, why: Ended, alarm: Ticket) {
        let waits = self.ticket();
        self.write_end(Ending { why, waits, alarm, tries: 1 });
    }

    fn write_end(&mut self, ending: Ending) {
        let (ticket, expected, why) = (ending.waits, self.revision, ending.why);
        let record = self.record_of(Life::Ended { at: self.now, why });
        self.state = State::Ending(ending);
        let reason = if why == Ended::Expired { Why::Expired } else { Why::Ended(why) };
        self.act(Action::Write { ticket, expected, record }, reason);
    }

    /// Somebody has changed the record while it was to become a tombstone.
    pub(super) fn end_conflict(&mut self, ending: Ending, found: Option<Found>) {
        let Some(Found { record, revision }) = found else {
            self.revision = Revision::NONE;
            return self.end_again(ending);
        };
        match record.life {
            Life::Ended { why, .. } => {
                // Who asked for the end gets it, whoever was first.
                let why = if ending.why == Ended::ByClient { ending.why } else { why };
                self.finish(why);
            }
            // It has not expired: its hub has forgotten it because it has moved.
            Life::Live(live) if ending.why == Ended::Expired && self.is_elsewhere(&live.stay) => {
                self.adopt(None, *live, revision);
            }
            Life::Live(live) => {
                if self.is_elsewhere(&live.stay) {
                    self.act(Action::Delete { at: live.stay.clone() }, Why::Ended(ending.why));
                    self.live = *live;
                }
                self.revision = revision;
                self.end_again(ending);
            }
        }
    }

    /// The store does not say whether it has written the tombstone.
    pub(super) fn end_late(&mut self) {
        match self.enter(State::Home) {
            State::Ending(ending) => self.end_again(ending),
            other => self.state = other,
        }
    }

    fn end_again(&mut self, ending: Ending) {
        if ending.tries < WRITES_MAX {
            let waits = self.ticket();
            return self.write_end(Ending { waits, tries: ending.tries + 1, ..ending });
        }
        self.state = State::Ending(ending);
        self.end_unwritten();
    }

    /// The tombstone could not be written in time.
    pub(super) fn end_unwritten(&mut self) {
        let State::Ending(Ending { why, .. }) = &self.state else { return };
        let why = *why;
        if why == Ended::Expired && !self.alone {
            // Perhaps it has only moved: nobody can say, so nobody is told that it is over.
            self.state = State::Home;
            self.refuse(Stuck::StoreUnreachable);
            return self.streams_stuck(Stuck::StoreUnreachable);
        }
        let record = self.record_of(Life::Ended { at: self.now, why });
        self.act(Action::Owe { record }, Why::Stuck(Stuck::StoreUnreachable));
        self.finish(why);
    }

    /// It is over, here and everywhere.
    pub(super) fn finish(&mut self, why: Ended) {
        self.state = State::Over(why);
        self.act(Action::Over { why }, Why::Ended(why));
        self.dismiss(why);
        self.end_streams(Why::Ended(why));
    }
}
