//! Write the request to a hub, wait for its answer; go on where `course` says.

use super::admission::Admitted;
use super::cached::{self, Caching};
use super::course::{Attempt, Course};
use super::gather::Context;
use super::parse::Message;
use super::streams::Stream;
use super::visit::{self, Lodging};
use super::wait::{self, Instead};
use super::{Arrival, Trace, forward, listen, relay, reply};
use crate::clock;
use crate::control::lifecycle::PhaseWatch;
use crate::edge::Edge;
use crate::http::Downstream;
use crate::observe::metrics::HubOutcome;
use crate::snapshot::Snapshot;
use crate::upstream::{Answer, Hangup, InFlight, Link, Upstream, answer_limits};
use bytes::Bytes;
use mcphub_health::Outcome;
use mcphub_http1::{Method, ResponseHead};
use mcphub_mcp::reply::Fault;
use mcphub_mcp::{Asked, Class, Failure};
use mcphub_routing::{Era, HubIndex};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// A client that leaves sooner without an answer has simply left; one that waited for so long makes us look closer.
const PATIENCE: Duration = Duration::from_secs(1);

/// One request, read and understood, and all that forwarding it needs.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) edge: &'a Arc<Edge>,
    pub(super) snapshot: &'a Arc<Snapshot>,
    pub(super) arrival: &'a Arrival<'a>,
    pub(super) admitted: &'a Admitted<'a>,
    pub(super) message: &'a Message<'a>,
    pub(super) context: &'a Context<'a>,
    pub(super) body: &'a Bytes,
    /// Within a session: where it goes now.
    pub(super) lodging: Option<&'a Lodging<'a>>,
}

/// The client's side of an exchange.
pub(super) struct Client<'a, 'd> {
    /// Where answers go.
    pub(super) down: &'a mut Downstream<'d>,
    /// What is remembered of the request.
    pub(super) trace: &'a mut Trace,
    /// Whether we are stopping.
    pub(super) phase: &'a mut PhaseWatch,
    /// The event stream that has begun for the client, while no hub's answer is being passed on in it.
    pub(super) stream: Option<Box<Stream>>,
    /// What the answer means for others that ask the same.
    pub(super) caching: Caching,
}

/// Forwards the request until it is answered.
pub(super) async fn run(job: &Job<'_>, client: &mut Client<'_, '_>) {
    if let Some(session) = &job.context.session {
        return visit::run(job, session, client).await;
    }
    let mut course = Course::new(job.edge.turn());
    loop {
        let (hub, fresh) = match course.choose(job) {
            Ok(chosen) => chosen,
            Err(failure) => return job.fail(client, &failure).await,
        };
        client.trace.hub = Some(hub);
        client.trace.attempts += 1;
        let ended = attempt(job, (hub, fresh), &course, client).await;
        let denied = match job.next(ended, hub, fresh) {
            None => return,
            Some(next) => course.go_on(job, hub, next, client.trace.attempts),
        };
        if let Some(failure) = denied {
            return job.fail(client, &failure).await;
        }
        job.edge.metrics.retries.inc();
    }
}

impl Job<'_> {
    /// Answers a failure in the shape that fits this request.
    pub(super) async fn fail(&self, client: &mut Client<'_, '_>, failure: &Failure<'_>) {
        // On the heap: most requests meet none, and all carry about what they might.
        Box::pin(self.answer_failure(client, failure)).await;
    }

    async fn answer_failure(&self, client: &mut Client<'_, '_>, failure: &Failure<'_>) {
        if cached::is_excused(failure) && cached::stale_instead(None, client).await {
            return;
        }
        client.trace.refused(failure);
        let hub = client.trace.hub.filter(|_| failure.fault() == Fault::Fleet);
        let upstream = self.lodging.and_then(|lodging| lodging.upstream(self.snapshot));
        let upstream = upstream.filter(|_| failure.fault() == Fault::Fleet);
        if let Some(upstream) = upstream.or_else(|| self.snapshot.upstreams.get(hub?.get())) {
            upstream.failed_one();
        }
        if let Some(stream) = client.stream.take() {
            let _ = stream.close(self, failure, true, client.down).await;
            return;
        }
        let answer = self.with_asked(|asked| mcphub_mcp::answer(failure, self.context.scope, asked));
        reply::send(client.down, client.trace, &answer).await;
    }

    /// Hands out whose answer a failure is.
    pub(super) fn with_asked<T>(&self, use_asked: impl FnOnce(Asked<'_>) -> T) -> T {
        self.message.with_asked(self.body, self.snapshot.settings.limits.json_depth, use_asked)
    }

    /// Whether it may be sent again after its answer has begun.
    pub(super) fn may_be_sent_again(&self) -> bool {
        let safe = self.message.is_safe() || self.arrival.head.method != Method::Post;
        self.lodging.is_some() && (safe || self.message.class() == Class::ToolCall)
    }

    /// Whether a client that leaves has thereby cancelled: always in the modern era, and where nobody else could
    /// want the answer.
    pub(super) fn leaving_cancels(&self) -> bool {
        self.admitted.era == Era::Modern || self.arrival.head.method != Method::Post
    }
}

async fn attempt(
    job: &Job<'_>,
    (hub, fresh): (HubIndex, bool),
    course: &Course<'_>,
    client: &mut Client<'_, '_>,
) -> Attempt {
    let Some(upstream) = job.snapshot.upstreams.get(hub.get()) else { return Attempt::Unreached };
    match reach(job, upstream, fresh, client).await {
        Ok(arrived)
            if arrived.answer.head.status >= 500
                && job.may_go_elsewhere(upstream)
                && course.has_more(job, hub) =>
        {
            count(job, upstream, client.trace, HubOutcome::ServerError);
            Attempt::Refused { status: arrived.answer.head.status }
        }
        Ok(arrived) => {
            if let Some(request) = listen::continues(job, &arrived) {
                // On the heap: it is larger than all the rest, and most requests are none of these.
                Box::pin(listen::run(job, arrived, request, client)).await;
                return Attempt::Done;
            }
            relay::relay(job, arrived, client).await;
            Attempt::Done
        }
        Err(ended) => ended,
    }
}

/// Sends the request to a hub, and waits until its answer begins.
///
/// # Errors
/// How it ended instead; [`Attempt::Done`] if the client has been answered, or is gone.
pub(super) async fn reach<'u>(
    job: &Job<'_>,
    upstream: &'u Arc<Upstream>,
    fresh: bool,
    client: &mut Client<'_, '_>,
) -> Result<relay::Arrived<'u>, Attempt> {
    let settings = &job.snapshot.settings;
    let guard = upstream.enter();
    let idle = if fresh { None } else { upstream.idle(job.arrival.at) };
    let mut link = match idle {
        Some(link) => link,
        // On the heap: most requests find a connection, and what stands open for long pays for all that might have been.
        None => match Box::pin(connect(job, upstream, client.trace)).await {
            Ok(link) => link,
            Err(error) => {
                tracing::debug!(hub = %upstream.url, %error, "no connection");
                count(job, upstream, client.trace, HubOutcome::Unreachable);
                return Err(Attempt::Unreached);
            }
        },
    };
    let mut head = forward::head(job, upstream);
    let sent = clock::instant();
    client.trace.sent_at = Some(sent);
    let deadline = settings.limits.write_deadline;
    let written = link.wire.write_joined(&mut head, [job.body, &[]], deadline).await;
    drop(head);
    if let Err(error) = written {
        // Some of it may have arrived, and a hub may act on what it has.
        return Err(lost(job, upstream, client.trace, link.reused, &error));
    }
    Err(match wait::for_head(job, upstream, &mut link, sent, client).await {
        Ok(head) => {
            client.trace.answered_at = Some(clock::instant());
            return Ok(relay::Arrived { upstream, guard, answer: Box::new(Answer::new(head, link)) });
        }
        Err(Instead::Hangup(Hangup::Lost(error))) => {
            lost(job, upstream, client.trace, link.reused && link.is_untouched(), &error)
        }
        Err(Instead::Hangup(Hangup::Malformed(refusal))) => {
            tracing::warn!(hub = %upstream.url, %refusal, "malformed answer");
            count(job, upstream, client.trace, HubOutcome::Broken);
            job.fail(client, &Failure::HubGarbled).await;
            Attempt::Done
        }
        Err(Instead::Late) => {
            count(job, upstream, client.trace, HubOutcome::Timeout);
            job.fail(client, &Failure::HubTimeout).await;
            Attempt::Done
        }
        Err(Instead::Left) => {
            left(job, upstream, client.trace, sent);
            if !job.leaving_cancels() {
                read_on(job, Arc::clone(upstream), guard, Unread::Head(link));
            }
            Attempt::Done
        }
        Err(Instead::Ending) => {
            job.fail(client, &Failure::ShuttingDown).await;
            Attempt::Done
        }
        Err(Instead::GivenUp) if link.is_untouched() || job.lodging.is_some() => {
            tracing::debug!(hub = %upstream.url, "the hub was given up");
            count(job, upstream, client.trace, HubOutcome::Timeout);
            Attempt::GivenUp
        }
        Err(Instead::GivenUp) => {
            count(job, upstream, client.trace, HubOutcome::Timeout);
            job.fail(client, &Failure::HubBroke).await;
            Attempt::Done
        }
    })
}

async fn connect(job: &Job<'_>, upstream: &Upstream, trace: &mut Trace) -> io::Result<Link> {
    upstream.metrics.connects.inc();
    let begun = clock::instant();
    trace.sent_at = Some(begun);
    let link = tokio::select! {
        biased;
        link = upstream.connect(job.snapshot.settings.upstream.connect_deadline) => link,
        // Nobody need wait for a hub that is known to be cut off.
        () = upstream.given_up_since(begun) => Err(io::ErrorKind::HostUnreachable.into()),
    };
    trace.connect = Some(clock::instant().saturating_duration_since(begun));
    link
}

fn lost(job: &Job<'_>, upstream: &Upstream, trace: &mut Trace, stale: bool, error: &io::Error) -> Attempt {
    tracing::debug!(hub = %upstream.url, %error, stale, "the hub went away");
    if stale && job.is_repeatable(upstream) {
        // Hubs may close what is idle. The second try, over a fresh connection, tells what to think of it.
        tally(upstream, trace, HubOutcome::Broken);
        suspect(job, upstream);
    } else {
        count(job, upstream, trace, HubOutcome::Broken);
    }
    Attempt::Lost { stale }
}

/// The client left before a byte of the answer. Perhaps it had waited for long.
fn left(job: &Job<'_>, upstream: &Upstream, trace: &mut Trace, sent: Instant) {
    count(job, upstream, trace, HubOutcome::ClientLeft);
    trace.left();
    if clock::instant().saturating_duration_since(sent) >= PATIENCE {
        suspect(job, upstream);
    }
}

/// Has the hub probed soon, though nothing counts against it.
pub(super) fn suspect(job: &Job<'_>, upstream: &Upstream) {
    if upstream.suspect() {
        job.edge.control.nudge();
    }
}

/// Counts how one attempt went; another may follow.
pub(super) fn count(job: &Job<'_>, upstream: &Upstream, trace: &mut Trace, outcome: HubOutcome) {
    tally(upstream, trace, outcome);
    if let Some(outcome) = outcome.told() {
        note(job, upstream, trace, outcome);
    }
}

/// Counts it, and leaves it to the caller what it says about the hub.
pub(super) fn tally(upstream: &Upstream, trace: &mut Trace, outcome: HubOutcome) {
    upstream.metrics.count(outcome);
    trace.outcome = Some(outcome);
}

/// Notes for the hub's health what came of an attempt.
pub(super) fn note(job: &Job<'_>, upstream: &Upstream, trace: &mut Trace, outcome: Outcome) {
    let Some(sent) = trace.sent_at else { return };
    // What is answered was so when its head came; the rest depends on the client as well.
    let answered = trace.answered_at.filter(|_| !outcome.is_failure());
    let at = answered.unwrap_or_else(clock::instant);
    if upstream.note(outcome, sent, at, trace.connect.take()) {
        job.edge.control.nudge();
    }
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
