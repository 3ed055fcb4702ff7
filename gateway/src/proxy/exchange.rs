//! Write the request to a hub, wait for its answer; find another hub where none of it can have been acted on.
//!
//! When may a request be sent again?
//!
//! - It never reached a hub (no connection): always, to the next one, within the retry budget.
//! - It was written, and the connection ended before a byte of the answer: only if its method is safe to repeat. Over
//!   a connection that had been idle, the hub most likely closed it at that moment, so the same hub is asked once more.
//! - Otherwise never: the client is told in words that the outcome is unknown.

use super::admission::Admitted;
use super::gather::Context;
use super::parse::Message;
use super::{Arrival, Trace, forward, relay, reply, route};
use crate::clock;
use crate::control::lifecycle::{Phase, PhaseWatch, reached};
use crate::edge::Edge;
use crate::http::Downstream;
use crate::observe::metrics::HubOutcome;
use crate::snapshot::Snapshot;
use crate::upstream::{Answer, Hangup, InFlight, Link, Upstream, answer_limits};
use bytes::Bytes;
use mcphub_http1::{Method, ResponseHead};
use mcphub_mcp::{Asked, Failure};
use mcphub_routing::{Choice, Era, Excluded, HubIndex};
use std::io;
use std::sync::Arc;
use tokio::time::timeout;

/// One request, read and understood, and all that forwarding it needs.
pub(super) struct Job<'a> {
    pub(super) edge: &'a Arc<Edge>,
    pub(super) snapshot: &'a Arc<Snapshot>,
    pub(super) arrival: &'a Arrival<'a>,
    pub(super) admitted: &'a Admitted<'a>,
    pub(super) message: &'a Message<'a>,
    pub(super) context: &'a Context<'a>,
    pub(super) body: &'a Bytes,
}

/// The client's side of an exchange.
pub(super) struct Client<'a, 'd> {
    /// Where answers go.
    pub(super) down: &'a mut Downstream<'d>,
    /// What is remembered of the request.
    pub(super) trace: &'a mut Trace,
    /// Whether we are stopping.
    pub(super) phase: &'a mut PhaseWatch,
}

/// Where one attempt ended.
enum Attempt {
    /// The client has its answer, or is gone.
    Done,
    /// No byte was sent.
    Unreached,
    /// It was sent, and no byte came back. `stale`: over a connection that had been idle.
    Lost { stale: bool },
}

/// Forwards the request until it is answered.
pub(super) async fn run(job: &Job<'_>, client: &mut Client<'_, '_>) {
    let settings = &job.snapshot.settings.upstream;
    let turn = job.edge.turn();
    let mut excluded = Excluded::none();
    let mut again = None;
    let mut fresh = false;
    // What is tried again keeps its place under the budget until it is answered.
    let mut granted = None;
    loop {
        let hub = match again.take().map_or_else(|| route::choose(job, excluded, turn), Choice::Keep) {
            Choice::Keep(hub) | Choice::Place(hub) => hub,
            // The hub that holds the session cannot have it, and what it holds is not to be had from another.
            Choice::Move { .. } => return job.fail(client, &Failure::HubUnreachable).await,
            Choice::Refuse(refusal) => {
                tracing::debug!(%refusal, "no hub for a request");
                let failure = route::failure_of(refusal, &job.snapshot.table);
                return job.fail(client, &failure).await;
            }
        };
        if job.context.session.as_ref().is_some_and(|session| session.hub != Some(hub)) {
            return job.fail(client, &Failure::HubUnreachable).await;
        }
        client.trace.hub = Some(hub);
        client.trace.attempts += 1;
        let failure = match attempt(job, hub, fresh, client).await {
            Attempt::Done => return,
            Attempt::Unreached => {
                excluded.insert(hub);
                Failure::HubUnreachable
            }
            Attempt::Lost { stale: true } if job.is_repeatable() && !fresh => {
                again = Some(hub);
                Failure::HubBroke
            }
            Attempt::Lost { .. } if job.is_repeatable() && job.context.session.is_none() => {
                excluded.insert(hub);
                Failure::HubBroke
            }
            Attempt::Lost { .. } => return job.fail(client, &Failure::HubBroke).await,
        };
        fresh = again.is_some();
        granted = granted.or_else(|| job.edge.budget.retry(settings.retry_budget, settings.retry_floor));
        if granted.is_none() {
            job.edge.metrics.retries_denied.inc();
            return job.fail(client, &failure).await;
        }
        if client.trace.attempts >= settings.attempts {
            return job.fail(client, &failure).await;
        }
        job.edge.metrics.retries.inc();
    }
}

impl Job<'_> {
    /// Answers a failure in the shape that fits this request.
    pub(super) async fn fail(&self, client: &mut Client<'_, '_>, failure: &Failure<'_>) {
        client.trace.refused(failure);
        let answer = self.with_asked(|asked| mcphub_mcp::answer(failure, self.context.scope, asked));
        reply::send(client.down, client.trace, &answer).await;
    }

    /// Hands out whose answer a failure is.
    pub(super) fn with_asked<T>(&self, use_asked: impl FnOnce(Asked<'_>) -> T) -> T {
        self.message.with_asked(self.body, self.snapshot.settings.limits.json_depth, use_asked)
    }

    /// Whether it may be sent twice.
    fn is_repeatable(&self) -> bool {
        match self.message {
            // Opening a stream or asking for a document changes nothing; ending a session twice ends it once.
            Message::Bodyless => true,
            message => message.is_safe(),
        }
    }

    /// Whether a client that leaves has thereby cancelled: always in the modern era, and where nobody else could
    /// want the answer.
    pub(super) fn leaving_cancels(&self) -> bool {
        self.admitted.era == Era::Modern || self.arrival.head.method != Method::Post
    }
}

async fn attempt(job: &Job<'_>, hub: HubIndex, fresh: bool, client: &mut Client<'_, '_>) -> Attempt {
    let Some(upstream) = job.snapshot.upstreams.get(hub.get()) else { return Attempt::Unreached };
    let settings = &job.snapshot.settings;
    let guard = upstream.enter();
    let idle = if fresh { None } else { upstream.idle(job.arrival.at) };
    let mut link = match idle {
        Some(link) => link,
        None => match connect(job, upstream).await {
            Ok(link) => link,
            Err(error) => {
                tracing::debug!(hub = %upstream.url, %error, "no connection");
                count(upstream, client.trace, HubOutcome::Unreachable);
                return Attempt::Unreached;
            }
        },
    };
    let head = forward::head(job, upstream);
    let written = link.wire.write(&[&head, job.body], settings.limits.write_deadline).await;
    if let Err(error) = written {
        // Some of it may have arrived, and a hub may act on what it has.
        return lost(upstream, client.trace, link.reused, &error);
    }
    let limits = answer_limits(&settings.limits);
    tokio::select! {
        biased;
        answer = timeout(settings.upstream.answer_deadline, Answer::head(&mut link, &limits)) => match answer {
            Ok(Ok(head)) => {
                client.trace.answered_at = Some(clock::instant());
                let arrived = relay::Arrived { upstream, guard, answer: Answer::new(head, link) };
                relay::relay(job, arrived, client).await;
                Attempt::Done
            }
            Ok(Err(Hangup::Lost(error))) => lost(upstream, client.trace, link.reused && link.is_untouched(), &error),
            Ok(Err(Hangup::Malformed(refusal))) => {
                tracing::warn!(hub = %upstream.url, %refusal, "malformed answer");
                count(upstream, client.trace, HubOutcome::Broken);
                job.fail(client, &Failure::HubGarbled).await;
                Attempt::Done
            }
            Err(_) => {
                count(upstream, client.trace, HubOutcome::Timeout);
                job.fail(client, &Failure::HubTimeout).await;
                Attempt::Done
            }
        },
        () = client.down.left() => {
            count(upstream, client.trace, HubOutcome::ClientLeft);
            client.trace.left();
            if !job.leaving_cancels() {
                read_on(job, Arc::clone(upstream), guard, Unread::Head(link));
            }
            Attempt::Done
        }
        () = reached(client.phase, Phase::Ending) => {
            job.fail(client, &Failure::ShuttingDown).await;
            Attempt::Done
        }
    }
}

async fn connect(job: &Job<'_>, upstream: &Upstream) -> io::Result<Link> {
    upstream.metrics.connects.inc();
    upstream.connect(job.snapshot.settings.upstream.connect_deadline).await
}

fn lost(upstream: &Upstream, trace: &mut Trace, stale: bool, error: &io::Error) -> Attempt {
    tracing::debug!(hub = %upstream.url, %error, stale, "the hub went away");
    count(upstream, trace, HubOutcome::Broken);
    Attempt::Lost { stale }
}

/// Counts how one attempt went; another may follow.
pub(super) fn count(upstream: &Upstream, trace: &mut Trace, outcome: HubOutcome) {
    upstream.metrics.count(outcome);
    trace.outcome = Some(outcome);
}

/// What is still to be read of an answer that nobody waits for.
pub(super) enum Unread {
    /// All of it.
    Head(Link),
    /// The rest of its body.
    Body(Box<Answer>),
}

/// A legacy client that leaves has not cancelled: the hub's work goes on, and its answer is read and dropped, so that
/// the hub is not told otherwise by a closed connection.
pub(super) fn read_on(job: &Job<'_>, upstream: Arc<Upstream>, guard: InFlight, unread: Unread) {
    let snapshot = Arc::clone(job.snapshot);
    let rest = async move {
        let settings = &snapshot.settings;
        let limits = answer_limits(&settings.limits);
        let mut answer = match unread {
            Unread::Body(answer) => answer,
            Unread::Head(mut link) => match Answer::head(&mut link, &limits).await {
                Ok(head) => Box::new(Answer::new(head, link)),
                Err(_) => return,
            },
        };
        while let Ok(Some(_)) = answer.piece().await {}
        if let Some(link) = answer.into_link() {
            upstream.release(link, clock::instant(), &settings.upstream);
        }
        drop(guard);
    };
    let patience = job.snapshot.settings.upstream.leave_read;
    tokio::spawn(async move {
        let _ = timeout(patience, rest).await;
    });
}

/// Whether the answer to this request would be an event stream that stays open.
pub(super) fn is_standing_stream(job: &Job<'_>, head: &ResponseHead) -> bool {
    head.is_event_stream()
        && (job.arrival.head.method == Method::Get || job.message.class() == mcphub_mcp::Class::Listen)
}
