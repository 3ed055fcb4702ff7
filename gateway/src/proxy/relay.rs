//! Pass a hub's answer on: at once where it is whole, as it comes where it is not.

use super::admission::Endpoint;
use super::exchange::{Client, Job, Unread, count, read_on};
use super::{Trace, route, streams};
use crate::clock;
use crate::control::lifecycle::{Phase, reached};
use crate::observe::metrics::HubOutcome;
use crate::upstream::{Answer, Hangup, InFlight, Upstream};
use bytes::BytesMut;
use mcphub_http1::{FieldLines, Framing, Known, Method, Refusal};
use mcphub_mcp::Failure;
use mcphub_session::{Claims, InitParams, UpstreamId};
use std::sync::Arc;
use tokio::time::timeout;

/// Bytes of an answer that are held back until it is whole, so that a hub that dies half way can still be reported in
/// words. Larger answers are passed on as they come.
const HOLD_MAX: usize = 256 * 1024;

/// An answer that has begun.
pub(super) struct Arrived<'a> {
    pub(super) upstream: &'a Arc<Upstream>,
    pub(super) guard: InFlight,
    pub(super) answer: Answer,
}

impl Arrived<'_> {
    /// Puts the connection back if the whole answer was read.
    pub(super) fn release(self, job: &Job<'_>) {
        if let Some(link) = self.answer.into_link() {
            self.upstream.release(link, clock::instant(), &job.snapshot.settings.upstream);
        }
    }
}

/// Whether a hub's answer says that the session of the request is over.
fn ends_session(job: &Job<'_>, status: u16) -> bool {
    match job.arrival.head.method {
        Method::Delete if status < 300 => true,
        // Below the endpoint, 404 may be said of something else.
        _ => status == 404 && matches!(job.admitted.endpoint, Endpoint::Mcp { below: "" }),
    }
}

/// How far an answer has been read.
enum Held {
    Whole,
    Begun,
    Hangup(Hangup),
    Left,
    Ending,
}

pub(super) async fn relay(job: &Job<'_>, mut arrived: Arrived<'_>, client: &mut Client<'_, '_>) {
    let status = arrived.answer.head.status;
    let in_band = status >= 500 && job.context.session.is_some() && job.arrival.head.method == Method::Post;
    if in_band {
        // Clients end their whole session on a 5xx; the request alone has failed.
        count(job, arrived.upstream, client.trace, HubOutcome::ServerError);
        return job.fail(client, &Failure::HubError { status }).await;
    }
    if let Some(session) = &job.context.session
        && ends_session(job, status)
    {
        job.edge.sessions.end(&session.key);
    }
    let opens = job.message.opens_session() && status < 300;
    let events = arrived.answer.head.is_event_stream();
    let mut held = BytesMut::new();
    if !events || opens {
        let until = if opens { Until::Answer } else { Until::End };
        match hold(job, &mut arrived.answer, &mut held, until, client).await {
            Held::Whole => {
                count(job, arrived.upstream, client.trace, outcome_of(status, &held));
                let lines = lines(job, client.trace, &arrived.answer, opens.then_some(&held[..]));
                client.trace.answered(status);
                client.trace.bytes = held.len() as u64;
                let _ = client.down.answer(status, &lines, &held).await;
                return arrived.release(job);
            }
            Held::Begun => {}
            Held::Hangup(error) => {
                tracing::debug!(hub = %arrived.upstream.url, %error, "the hub went away within its answer");
                count(job, arrived.upstream, client.trace, HubOutcome::Broken);
                let failure = match error {
                    Hangup::Lost(_) => Failure::HubBroke,
                    Hangup::Malformed(_) => Failure::HubGarbled,
                };
                return job.fail(client, &failure).await;
            }
            Held::Left => return leave(job, arrived, client.trace),
            Held::Ending => return job.fail(client, &Failure::ShuttingDown).await,
        }
    }
    let lines = lines(job, client.trace, &arrived.answer, opens.then_some(&held[..]));
    client.trace.answered(status);
    if events {
        streams::relay(job, arrived, held, &lines, client).await;
    } else {
        pass_on(job, arrived, &held, &lines, client).await;
    }
}

/// When to stop holding back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    /// At the end of the body, or when it grows too large.
    End,
    /// As soon as the answer to this request is in it: a session id is sealed with what the answer says.
    Answer,
}

async fn hold(
    job: &Job<'_>,
    answer: &mut Answer,
    held: &mut BytesMut,
    until: Until,
    client: &mut Client<'_, '_>,
) -> Held {
    let idle = job.snapshot.settings.upstream.idle_deadline;
    let events = answer.head.is_event_stream();
    loop {
        let piece = match answer.piece_now() {
            Ok(Some(piece)) => Ok(piece),
            Err(error) => Err(error),
            Ok(None) => tokio::select! {
                biased;
                piece = timeout(idle, answer.piece()) => match piece {
                    Ok(piece) => piece,
                    Err(_) => Err(Hangup::Lost(std::io::ErrorKind::TimedOut.into())),
                },
                () = client.down.left() => return Held::Left,
                () = reached(client.phase, Phase::Ending) => return Held::Ending,
            },
        };
        match piece {
            Ok(None) => return Held::Whole,
            Ok(Some(data)) if held.is_empty() && answer.is_done() && !events => {
                // One piece is the whole body, the usual case: no copy.
                *held = BytesMut::from(data);
                return Held::Whole;
            }
            Ok(Some(data)) => held.extend_from_slice(&data),
            Err(error) => return Held::Hangup(error),
        }
        if until == Until::Answer && events && streams::has_answer(job, held) {
            return Held::Begun;
        }
        if until == Until::Answer && held.len() > job.snapshot.settings.limits.hub_body {
            return Held::Hangup(Hangup::Malformed(Refusal::HeadTooLarge));
        }
        if until == Until::End && held.len() > HOLD_MAX.min(job.snapshot.settings.limits.hub_body) {
            return Held::Begun;
        }
    }
}

/// Passes on a body that is too large to hold back.
async fn pass_on(
    job: &Job<'_>,
    mut arrived: Arrived<'_>,
    held: &[u8],
    lines: &FieldLines,
    client: &mut Client<'_, '_>,
) {
    let status = arrived.answer.head.status;
    let framing = match arrived.answer.framing() {
        length @ Framing::Length(_) => length,
        _ => Framing::Chunked,
    };
    let idle = job.snapshot.settings.upstream.idle_deadline;
    client.trace.bytes = held.len() as u64;
    if client.down.begin(status, lines, framing).is_err() || client.down.send(held).await.is_err() {
        return leave(job, arrived, client.trace);
    }
    loop {
        let piece = tokio::select! {
            biased;
            piece = timeout(idle, arrived.answer.piece()) => piece,
            () = client.down.left() => return leave(job, arrived, client.trace),
            () = reached(client.phase, Phase::Ending) => return client.down.abandon(),
        };
        match piece {
            Ok(Ok(Some(data))) => {
                client.trace.bytes += data.len() as u64;
                if client.down.send(&data).await.is_err() {
                    return leave(job, arrived, client.trace);
                }
            }
            Ok(Ok(None)) => {
                count(job, arrived.upstream, client.trace, outcome_of(status, &[]));
                let _ = client.down.end().await;
                return arrived.release(job);
            }
            Ok(Err(_)) | Err(_) => {
                // Half a JSON body cannot be mended with words; the client must see that it is cut.
                count(job, arrived.upstream, client.trace, HubOutcome::Broken);
                client.trace.refused(&Failure::HubBroke);
                return client.down.abandon();
            }
        }
    }
}

/// What an answer with this body comes to.
fn outcome_of(status: u16, body: &[u8]) -> HubOutcome {
    match status {
        500.. => HubOutcome::ServerError,
        200 if mcphub_mcp::is_hub_error(body) => HubOutcome::RpcError,
        _ => HubOutcome::Ok,
    }
}

/// The client has gone.
pub(super) fn leave(job: &Job<'_>, arrived: Arrived<'_>, trace: &mut Trace) {
    count(job, arrived.upstream, trace, HubOutcome::ClientLeft);
    trace.left();
    if !job.leaving_cancels() {
        read_on(job, Arc::clone(arrived.upstream), arrived.guard, Unread::Body(Box::new(arrived.answer)));
    }
}

/// The header lines of the answer to the client: the hub's, but for those of its connection and for its session id.
fn lines(job: &Job<'_>, trace: &Trace, answer: &Answer, opened: Option<&[u8]>) -> FieldLines {
    let mut lines = FieldLines::new();
    let fields = &answer.head.fields;
    for (name, value, known) in fields.end_to_end() {
        if known != Some(Known::SessionId) {
            lines.push_bytes(name, value);
        }
    }
    let Some(id) = fields.get(Known::SessionId) else { return lines };
    match (opened, &job.context.session) {
        (Some(body), _) => {
            if let Some(token) = seal(job, trace, id, body) {
                lines.push("mcp-session-id", token.as_bytes());
                job.edge.metrics.sessions_opened.inc();
            }
        }
        // Hubs repeat the id on every answer of a session; so do we, in the form the client knows.
        (None, Some(session)) if session.claims.upstream.as_str().as_bytes() == id => {
            if let Some(token) = job.arrival.head.fields.get(Known::SessionId) {
                lines.push("mcp-session-id", token);
            }
        }
        _ => {}
    }
    lines
}

/// Seals the session that a hub has just opened into the id that the client will hold.
fn seal(job: &Job<'_>, trace: &Trace, id: &[u8], body: &[u8]) -> Option<String> {
    let table = &job.snapshot.table;
    let hub = trace.hub.and_then(|hub| table.hub(hub))?;
    let Ok(upstream) = UpstreamId::new(id) else {
        tracing::warn!(hub = %hub.id, "a hub gave a session id that MCP does not allow");
        return None;
    };
    let version = streams::negotiated(job, body).unwrap_or_default();
    let params = mcphub_mcp::envelope::params(job.body).unwrap_or("{}");
    let residency = route::residency(job).and_then(|residency| table.residency_id(residency));
    let claims = Claims {
        version: &version,
        hub: hub.id.as_str(),
        upstream,
        place: table.place_name(job.context.place).map_or("", |name| name),
        residency: residency.map_or("", |id| id.as_str()),
        init: InitParams::fitting(params),
    };
    let authorization = job.arrival.head.fields.get(Known::Authorization);
    let (sealer, nonce) = (&job.snapshot.sealer, clock::nonce());
    match sealer.seal(&claims, authorization, clock::unix_seconds(), nonce) {
        Ok(token) => {
            job.edge.sessions.open(sealer.name(&nonce), hub.id, clock::since_start());
            Some(token)
        }
        Err(error) => {
            tracing::warn!(hub = %hub.id, %error, "a session could not be sealed");
            None
        }
    }
}
