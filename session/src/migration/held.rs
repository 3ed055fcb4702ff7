//! Who waits, and what becomes of an exchange whose hub is lost?

use std::collections::VecDeque;

use super::event::{Kind, Loss, Lost, Request, RequestKey};
use super::{Action, Answer, Migration, State, Stuck, Why};
use crate::mark::Mark;
use crate::record::Ended;

/// Most exchanges of one session that wait for its move. Real clients have a handful in flight; those beyond are
/// answered that there are too many.
pub const HELD_MAX: usize = 64;

/// How often one exchange is sent at most, the first time included: a request that has met the death of four hubs may
/// be what kills them.
pub const SENDS_MAX: u8 = 4;

/// Exchanges that wait, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Held(VecDeque<Request>);

impl Held {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn forget(&mut self, request: RequestKey) {
        self.0.retain(|held| held.key != request);
    }
}

/// What becomes of a lost exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is sent again.
    Again,
    /// It is answered.
    Answered(Answer),
    /// It wants the session's end, and gets it.
    End,
}

/// The rule of re-sending.
fn fate(request: &Request, how: Loss) -> Fate {
    let spent = request.sends >= SENDS_MAX;
    let acted = how.may_have_acted();
    match request.kind {
        Kind::Call { safe: false } | Kind::Batch if acted => Fate::Answered(Answer::OutcomeUnknown),
        Kind::Batch => Fate::Answered(Answer::NotServed(Stuck::BatchLost)),
        // Nobody is promised that a notification arrives, and what the hub asked is lost with it.
        Kind::Notification if acted || spent => Fate::Answered(Answer::Accepted),
        Kind::Answer { .. } => Fate::Answered(Answer::Accepted),
        Kind::Resume { .. } => Fate::Answered(Answer::ResumeLost),
        Kind::Delete => Fate::End,
        _ if spent => Fate::Answered(Answer::NotServed(Stuck::TooOften)),
        Kind::Call { .. } | Kind::Notification | Kind::Stream => Fate::Again,
    }
}

impl Migration {
    /// An exchange that has not been sent.
    pub(super) fn arrived(&mut self, request: Request) {
        match self.state {
            State::Home => self.route(request, Why::AtHome),
            State::Over(why) => self.answer(request.key, Answer::SessionUnknown, Why::Ended(why)),
            _ if request.kind == Kind::Delete => {
                self.hold(request);
                self.end(Ended::ByClient, None);
            }
            State::InDoubt(..) => {
                self.hold(request);
                self.ask_again();
            }
            _ => self.hold(request),
        }
    }

    /// The client is gone: nobody can hear an answer, and nothing of what waits has been begun.
    pub(super) fn left(&mut self, request: RequestKey) {
        self.held.forget(request);
        self.streams.forget(request);
    }

    /// An exchange has met the loss of its hub.
    pub(super) fn lost(&mut self, lost: Lost) {
        let Lost { request, stay, how } = lost;
        if let State::Over(why) = self.state {
            if let Some(request) = request {
                self.answer(request.key, Answer::SessionUnknown, Why::Ended(why));
            }
            return;
        }
        let delete = request.is_some_and(|request| self.settle(request, how));
        if delete {
            return self.end(Ended::ByClient, None);
        }
        // What was sent to a hub that the session has left says nothing of the hub it lives on.
        if stay >= self.live.stay.number {
            self.suspect(how);
        }
        match self.state {
            State::Home => self.release(Why::OfAnEarlierStay),
            State::InDoubt(..) if !self.held.is_empty() => self.ask_again(),
            _ => {}
        }
    }

    /// Answers a lost exchange or has it wait to be sent again. `true` if it wants the session's end.
    fn settle(&mut self, request: Request, how: Loss) -> bool {
        match fate(&request, how) {
            Fate::Again => self.hold(request),
            Fate::Answered(with) => {
                let why = if how.may_have_acted() { Why::MayNotRepeat } else { Why::HubLost };
                self.answer(request.key, with, why);
            }
            Fate::End => {
                self.hold(request);
                return true;
            }
        }
        false
    }

    fn hold(&mut self, request: Request) {
        // The end of a session needs no hub, and what ends it must not be refused for want of room.
        if self.held.0.len() >= HELD_MAX && request.kind != Kind::Delete {
            let with = match request.kind {
                Kind::Answer { .. } | Kind::Notification => Answer::Accepted,
                _ => Answer::NotServed(Stuck::TooManyWait),
            };
            return self.answer(request.key, with, Why::Stuck(Stuck::TooManyWait));
        }
        self.held.0.push_back(request);
    }

    pub(super) fn answer(&mut self, request: RequestKey, with: Answer, why: Why) {
        self.act(Action::Answer { request, with }, why);
    }

    /// Sends an exchange where the session lives, if it belongs there.
    fn route(&mut self, request: Request, why: Why) {
        let present = Mark::of(&self.live.stay);
        match request.kind {
            // The ids of hubs begin anew in each stay: passed on, it would answer another question.
            Kind::Answer { stay } if stay != Some(present) => {
                self.answer(request.key, Answer::Accepted, Why::OfAnEarlierStay);
            }
            Kind::Resume { stay } if stay != present => {
                self.answer(request.key, Answer::ResumeLost, Why::OfAnEarlierStay);
            }
            _ => {
                let to = self.live.stay.clone();
                self.act(Action::Send { request: request.key, to }, why);
            }
        }
    }

    /// Sends everything that waits where the session lives.
    pub(super) fn release(&mut self, why: Why) {
        for request in std::mem::take(&mut self.held.0) {
            self.route(request, why);
        }
    }

    /// Answers everything that waits, since it cannot be served.
    pub(super) fn refuse(&mut self, stuck: Stuck) {
        for request in std::mem::take(&mut self.held.0) {
            let with = match request.kind {
                Kind::Answer { .. } | Kind::Notification => Answer::Accepted,
                _ if stuck == Stuck::Unauthorized => Answer::Unauthorized,
                _ => Answer::NotServed(stuck),
            };
            self.answer(request.key, with, Why::Stuck(stuck));
        }
    }

    /// Answers everything that waits that the session is over.
    pub(super) fn dismiss(&mut self, why: Ended) {
        for request in std::mem::take(&mut self.held.0) {
            let ends = request.kind == Kind::Delete && why == Ended::ByClient;
            let with = if ends { Answer::Ended } else { Answer::SessionUnknown };
            self.answer(request.key, with, Why::Ended(why));
        }
    }
}
