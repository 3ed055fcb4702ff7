//! What happens to a request? *Gather* who, where and which session; *decide* by `routing::select`; *act*: forward,
//! relay, record. One module per step.
//!
//! | module | step |
//! |---|---|
//! | [`admission`] | may this be asked here at all? |
//! | [`parse`] | what is asked: era, method, tool, id |
//! | [`gather`] | who asks, from where, within which session |
//! | [`route`] | to which hub, and where next if it cannot be reached |
//! | [`cached`] | may it be answered without asking a hub |
//! | [`course`] | where it goes when a hub could not have it |
//! | [`exchange`] | write the request, wait for the answer, answer failures in words |
//! | [`visit`] | within a session: where it lives, and what if that has changed |
//! | [`wait`] | how long an answer is waited for |
//! | [`relay`], [`streams`] | pass the answer on, whole or as it comes |
//! | [`wording`] | within a session: what events and hubs' requests are called |
//! | [`listen`] | the stream that a modern client listens to, from hub to hub |
//! | [`stand`] | the stream that a session's client listens to, from hub to hub |
//! | [`task`] | which hub holds a task |
//! | [`outcome`] | count it and write it down |

pub mod admission;
mod answers;
pub mod budget;
mod cached;
mod course;
mod exchange;
mod forward;
mod gather;
mod listen;
mod outcome;
pub mod parse;
mod relay;
mod reply;
mod route;
mod stand;
mod streams;
mod task;
mod visit;
mod wait;
mod wording;

pub use outcome::Trace;
pub use reply::{lines as lines_of, refusal_of};
pub(crate) use route::InFlight;

use crate::control::lifecycle::PhaseWatch;
use crate::edge::Edge;
use crate::http::{BodyFlaw, Downstream};
use crate::listen::client_addr::Peer;
use crate::snapshot::{Listener, Snapshot};
use cached::Caching;
use mcphub_http1::{Method, RequestHead};
use mcphub_mcp::{Asked, Failure, Scope};
use mcphub_session::LastOpened;
use std::sync::Arc;
use std::time::Instant;

/// One request as it arrived.
#[derive(Debug)]
pub struct Arrival<'a> {
    /// Its head.
    pub head: &'a RequestHead,
    /// Who sent it.
    pub peer: Peer,
    /// Whether it came over TLS.
    pub tls: bool,
    /// When its head was whole.
    pub at: Instant,
}

/// What a connection keeps from request to request.
#[derive(Debug)]
pub struct Kept {
    /// The session that it has brought last.
    session: LastOpened,
    /// Whether we are stopping.
    pub phase: PhaseWatch,
}

impl Kept {
    /// Of a connection that has brought nothing yet.
    #[must_use]
    pub fn new(phase: PhaseWatch) -> Self {
        Self { session: LastOpened::default(), phase }
    }
}

/// Where a request has arrived.
#[derive(Debug)]
struct Site<'a> {
    edge: &'a Arc<Edge>,
    snapshot: &'a Arc<Snapshot>,
    listener: &'a Listener,
}

/// Serves one request to its end.
pub async fn serve(
    edge: &Arc<Edge>,
    snapshot: &Arc<Snapshot>,
    listener: usize,
    arrival: Arrival<'_>,
    mut down: Downstream<'_>,
    kept: &mut Kept,
) {
    let in_flight = &edge.metrics.in_flight;
    in_flight.inc();
    let mut trace = Trace::new(arrival.at);
    match snapshot.listeners.get(listener) {
        Some(listener) => {
            let site = Site { edge, snapshot, listener };
            admit(&site, &arrival, &mut down, &mut trace, kept).await;
        }
        // A listener that the configuration no longer has: it is being closed.
        None => refuse(&mut down, &mut trace, &Failure::UnknownPath, Scope::Legacy, Asked::Unknown).await,
    }
    drop(down);
    outcome::record(edge, snapshot, &arrival, &trace);
    in_flight.dec();
}

async fn admit(
    site: &Site<'_>,
    arrival: &Arrival<'_>,
    down: &mut Downstream<'_>,
    trace: &mut Trace,
    Kept { session: last, phase }: &mut Kept,
) {
    let &Site { edge, snapshot, listener } = site;
    let admitted = match admission::admit(&listener.settings, arrival.head) {
        Ok(admitted) => admitted,
        Err(refused) => {
            trace.era = refused.era;
            let scope = reply::scope_of(refused.era, arrival.head);
            return refuse(down, trace, &refused.failure, scope, Asked::Unknown).await;
        }
    };
    trace.era = admitted.era;
    let limit = if arrival.head.method == Method::Post { snapshot.settings.limits.request_body } else { 0 };
    let body = match down.body(limit).await {
        Ok(body) => body,
        Err(BodyFlaw::Gone) => return trace.left(),
        Err(flaw) => {
            let failure = match flaw {
                BodyFlaw::TooLarge => Failure::BodyTooLarge,
                BodyFlaw::Slow => Failure::ClientTooSlow,
                BodyFlaw::Malformed | BodyFlaw::Gone => Failure::BadHead,
            };
            let scope = reply::scope_of(admitted.era, arrival.head);
            return refuse(down, trace, &failure, scope, Asked::Unknown).await;
        }
    };
    let depth = snapshot.settings.limits.json_depth;
    let message = match parse::parse(&admitted, arrival.head, &body, depth) {
        Ok(message) => message,
        Err(flaw) => {
            let scope = reply::scope_of(admitted.era, arrival.head);
            let answer =
                parse::with_asked_of(&body, depth, |asked| mcphub_mcp::answer(&flaw.failure(), scope, asked));
            trace.refused(&flaw.failure());
            return reply::send(down, trace, &answer).await;
        }
    };
    trace.note_message(&message, snapshot.settings.log.access);
    let context = match gather::gather(site, arrival, &admitted, &message, last).await {
        Ok(context) => context,
        Err(failure) => {
            let scope = reply::scope_of(admitted.era, arrival.head);
            trace.refused(&failure);
            let answer = message.with_asked(&body, depth, |asked| mcphub_mcp::answer(&failure, scope, asked));
            return reply::send(down, trace, &answer).await;
        }
    };
    trace.note_context(&context);
    let _counted = edge.budget.enter();
    let job = exchange::Job {
        edge,
        snapshot,
        arrival,
        admitted: &admitted,
        message: &message,
        context: &context,
        body: &body,
        lodging: None,
    };
    let mut client = exchange::Client { down, trace, phase, stream: None, caching: Caching::No };
    if cached::answer(&job, &mut client).await {
        return;
    }
    exchange::run(&job, &mut client).await;
    client.caching.end(client.trace);
}

/// Answers with a failure in words.
async fn refuse(
    down: &mut Downstream<'_>,
    trace: &mut Trace,
    failure: &Failure<'_>,
    scope: Scope,
    asked: Asked<'_>,
) {
    trace.refused(failure);
    reply::fail(down, trace, failure, scope, asked).await;
}
