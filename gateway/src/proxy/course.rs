//! Where does a request go that belongs to no session when a hub could not have it? ([`super::visit`] is about those
//! that do.)
//!
//! When may a request be sent again?
//!
//! - It never reached a hub (no connection): always, to the next one. The first such move is free, others fall under the
//!   retry budget.
//! - It was written, and the connection ended before a byte of the answer: only if it is safe to repeat: by its method,
//!   or by what the hub says of the tool, where the operator trusts that. Over
//!   a connection that had been idle, the hub most likely closed it at that moment, so the same hub is asked once more.
//! - Its hub answered with a 5xx: if it is safe to repeat, another hub is asked, within the retry budget.
//! - Otherwise never: the client is told in words that the outcome is unknown.

use super::budget::Counted;
use super::exchange::Job;
use super::parse::Message;
use super::route;
use crate::upstream::Upstream;
use mcphub_mcp::Failure;
use mcphub_routing::{Choice, Excluded, HubId, HubIndex};
use mcphub_session::migration::is_safe;

/// Where one attempt ended.
#[derive(Clone, Copy)]
pub(super) enum Attempt {
    /// The client has its answer, or is gone.
    Done,
    /// No byte was sent.
    Unreached,
    /// It was sent, and no byte came back. `stale`: over a connection that had been idle.
    Lost { stale: bool },
    /// It was sent, and the hub was given up before a byte came back.
    GivenUp,
    /// The hub answered that it cannot.
    Refused { status: u16 },
}

/// Where a request may go next.
#[derive(Clone, Copy)]
pub(super) enum Next {
    /// To the same hub, over a fresh connection.
    Again,
    /// To another hub. `instead`: the one that failed does nothing for it any more, so nothing is done twice.
    Elsewhere { failure: Failure<'static>, instead: bool },
    /// Nowhere: this is its answer.
    Nowhere(Failure<'static>),
}

/// How far a request has come from hub to hub.
pub(super) struct Course<'a> {
    excluded: Excluded,
    turn: u64,
    /// The hub to ask again, over a fresh connection.
    again: Option<HubIndex>,
    /// Why the last hub could not have it.
    failure: Option<Failure<'static>>,
    /// What is moved twice keeps its place under the budget until it is answered.
    granted: Option<Counted<'a>>,
}

impl<'a> Course<'a> {
    /// The beginning. `turn` is the number of this placement.
    pub(super) fn new(turn: u64) -> Self {
        Self { excluded: Excluded::none(), turn, again: None, failure: None, granted: None }
    }

    /// The next hub, and whether only a fresh connection to it will do; or why there is none.
    pub(super) fn choose(&mut self, job: &Job<'_>) -> Result<(HubIndex, bool), Failure<'static>> {
        let gone = |hub: &HubId| job.snapshot.table.find(hub.as_str()).is_none();
        if job.context.task.as_ref().is_some_and(gone) {
            return Err(Failure::HubUnreachable);
        }
        let fresh = self.again.is_some();
        let choice =
            self.again.take().map_or_else(|| route::choose(job, self.excluded, self.turn), Choice::Keep);
        let hub = match choice {
            Choice::Keep(hub) | Choice::Place(hub) => hub,
            // Only a task is pinned here, and nobody else has it.
            Choice::Move { .. } => return Err(self.failure.take().unwrap_or(Failure::HubUnreachable)),
            Choice::Refuse(refusal) => {
                tracing::debug!(%refusal, "no hub for a request");
                let failure = route::failure_of(refusal, &job.snapshot.table);
                return Err(self.failure.take().unwrap_or(failure));
            }
        };
        Ok((hub, fresh))
    }

    /// Goes on after this hub, unless there is something against it: then with this answer.
    pub(super) fn go_on(
        &mut self,
        job: &Job<'a>,
        hub: HubIndex,
        next: Next,
        attempts: u32,
    ) -> Option<Failure<'static>> {
        let settings = &job.snapshot.settings.upstream;
        let spent = attempts >= settings.attempts;
        let (failure, instead) = match next {
            Next::Nowhere(failure) => return Some(failure),
            Next::Again if spent => return Some(Failure::HubBroke),
            Next::Again => {
                self.again = Some(hub);
                return None;
            }
            Next::Elsewhere { failure, .. } if spent => return Some(failure),
            Next::Elsewhere { failure, instead } => (failure, instead),
        };
        // The first move away from a hub that is lost asks of the fleet what that hub would have done, and no more. What
        // goes on failing, or may only find the others as busy, multiplies, and is held to the budget.
        let free = instead && self.failure.is_none();
        if !free && self.granted.is_none() {
            self.granted = job.edge.budget.retry(settings.retry_budget, settings.retry_floor);
            if self.granted.is_none() {
                job.edge.metrics.retries_denied.inc();
                return Some(failure);
            }
        }
        self.excluded.insert(hub);
        self.failure = Some(failure);
        if let Some(upstream) = job.snapshot.upstreams.get(hub.get()) {
            upstream.moved_one();
        }
        None
    }

    /// Could another hub have the request of this one?
    pub(super) fn has_more(&self, job: &Job<'_>, hub: HubIndex) -> bool {
        let mut excluded = self.excluded;
        excluded.insert(hub);
        matches!(route::choose(job, excluded, self.turn), Choice::Keep(_) | Choice::Place(_))
    }
}

impl Job<'_> {
    /// Where it goes after an attempt; `None`: it has its answer.
    pub(super) fn next(&self, ended: Attempt, hub: HubIndex, fresh: bool) -> Option<Next> {
        let elsewhere = |failure, instead| Next::Elsewhere { failure, instead };
        let upstream = self.snapshot.upstreams.get(hub.get());
        let repeatable = upstream.is_some_and(|upstream| self.is_repeatable(upstream));
        let other = repeatable && !self.is_bound();
        Some(match ended {
            Attempt::Done => return None,
            Attempt::Unreached if self.is_bound() => Next::Nowhere(Failure::HubUnreachable),
            Attempt::Unreached => elsewhere(Failure::HubUnreachable, true),
            Attempt::Lost { stale: true } if repeatable && !fresh => Next::Again,
            Attempt::Lost { .. } if other => elsewhere(Failure::HubBroke, true),
            Attempt::Lost { .. } => Next::Nowhere(Failure::HubBroke),
            Attempt::GivenUp if other => elsewhere(Failure::HubTimeout, true),
            Attempt::GivenUp => Next::Nowhere(Failure::HubTimeout),
            Attempt::Refused { status } => elsewhere(Failure::HubError { status }, false),
        })
    }

    /// Whether another hub may be asked though this one has been.
    pub(super) fn may_go_elsewhere(&self, from: &Upstream) -> bool {
        self.is_repeatable(from) && !self.is_bound()
    }

    /// Whether one hub alone can have it: that of its session, or of the task it is about.
    fn is_bound(&self) -> bool {
        self.context.session.is_some() || self.context.task.is_some()
    }

    /// Whether it may be sent twice after this hub has had it: that hub's word on its tools counts, if the operator says
    /// so.
    pub(super) fn is_repeatable(&self, had: &Upstream) -> bool {
        let trusted = self.snapshot.settings.routing.trust_tool_annotations;
        match (self.message, self.message.tool()) {
            // Opening a stream or asking for a document changes nothing; ending a session twice ends it once.
            (Message::Bodyless, _) => true,
            (message, Some(tool)) if trusted => is_safe(message.class(), had.marks_of(tool), trusted),
            (message, _) => message.is_safe(),
        }
    }
}
