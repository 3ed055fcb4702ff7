//! Pass a hub's answer on: at once where it is whole, as it comes where it is not.

use super::admission::Endpoint;
use super::exchange::{Client, Job, Unread, count, read_on};
use super::visit::{self, Lodging};
use super::{Trace, answers, cached, route, streams, task};
use crate::clock;
use crate::control::lifecycle::{Phase, reached};
use crate::observe::metrics::HubOutcome;
use crate::upstream::{Answer, Hangup, InFlight, Upstream};
use bytes::{Bytes, BytesMut};
use mcphub_http1::{FieldLines, Framing, Known, Method, Refusal};
use mcphub_mcp::{Class, Failure};
use mcphub_session::migration::Loss;
use mcphub_session::record::Life;
use mcphub_session::{Claims, InitParams, Revision, SessionStore as _, UpstreamId};
use std::sync::Arc;
use std::time::Instant;
use tokio::time::timeout;

/// Bytes of an answer that are held back until it is whole, so that a hub that dies half way can still be reported in
/// words. Larger answers are passed on as they come.
const HOLD_MAX: usize = 256 * 1024;

/// An answer that has begun.
#[derive(Debug)]
pub(super) struct Arrived<'a> {
    pub(super) upstream: &'a Arc<Upstream>,
    pub(super) guard: InFlight,
    /// On the heap: it goes from hand to hand.
    pub(super) answer: Box<Answer>,
}

impl Arrived<'_> {
    /// Puts the connection back if the whole answer was read. `since`: when it began, where it came in one piece; to take
    /// the connection for idle a little too long is on the safe side, and spares a look at the clock.
    pub(super) fn release(self, job: &Job<'_>, since: Option<Instant>) {
        if let Some(link) = self.answer.into_link() {
            let since = since.unwrap_or_else(clock::instant);
            self.upstream.release(link, since, &job.snapshot.settings.upstream);
        }
    }
}

/// What came of passing an answer on.
pub(super) enum Relayed<'a> {
    /// The client has it, or is gone.
    Done,
    /// Its hub was lost to a request of a session before the answer was there.
    Lost(Loss),
    /// The hub has opened the stream that the session's client listens to.
    Stands(Box<(Arrived<'a>, FieldLines)>),
}

/// How far an answer has been read.
enum Held {
    /// All of it, the usual case: as it was read, without a copy.
    Piece(Bytes),
    /// All of it.
    Whole,
    /// A part; there is more.
    Begun,
    Hangup(Hangup),
    Left,
    Ending,
}

/// Longest error that is looked at for whether it says that the hub does not know the session.
const COMPLAINT_MAX: u64 = 16 * 1024;

pub(super) async fn relay<'u>(
    job: &Job<'_>,
    mut arrived: Arrived<'u>,
    client: &mut Client<'_, '_>,
) -> Relayed<'u> {
    let status = arrived.answer.head.status;
    let method = job.arrival.head.method;
    if let Some(lodging) = job.lodging {
        if status >= 500 && method == Method::Post {
            // Clients end their whole session on a 5xx; the request alone has failed.
            count(job, arrived.upstream, client.trace, HubOutcome::ServerError);
            job.fail(client, &Failure::HubError { status }).await;
            return Relayed::Done;
        }
        // Below the endpoint, 404 may be said of something else.
        if status == 404 && matches!(job.admitted.endpoint, Endpoint::Mcp { below: "" }) {
            count(job, arrived.upstream, client.trace, HubOutcome::Ok);
            return Relayed::Lost(forgotten(lodging, &arrived));
        }
        if status < 400 {
            lodging.entry.note_worked(clock::since_start_at(client.trace.sent_at.unwrap_or(job.arrival.at)));
        }
        if method == Method::Delete && status < 300 {
            Box::pin(visit::ended(job, lodging)).await;
        }
    }
    if matches!(status, 401 | 403) {
        cached::refused(job);
    }
    if status >= 500 && client.caching.has_stale() {
        count(job, arrived.upstream, client.trace, HubOutcome::ServerError);
        cached::stale_instead(Some(status), client).await;
        return Relayed::Done;
    }
    let opens = job.message.opens_session() && status < 300;
    let wants = wants(job, status, opens);
    let events = arrived.answer.head.is_event_stream();
    if events && status == 200 && method == Method::Get && job.lodging.is_some() {
        let lines = lines(job, client.trace, &arrived.answer, None).await;
        return Relayed::Stands(Box::new((arrived, lines)));
    }
    let mut held = BytesMut::new();
    if !events || wants != Wants::Nothing {
        let until = if wants == Wants::Nothing { Until::End } else { Until::Answer };
        match hold(job, &mut arrived.answer, &mut held, until, client).await {
            Held::Piece(body) => {
                if wants != Wants::Nothing {
                    Box::pin(learn(job, &arrived, wants, &body)).await;
                }
                return whole(job, arrived, &body, opens, client).await;
            }
            Held::Whole | Held::Begun if wants != Wants::Nothing => {
                // On the heap, as all that few requests need: what stands open for long pays for all that might be.
                Box::pin(learn(job, &arrived, wants, &held)).await;
            }
            Held::Whole | Held::Begun => {}
            Held::Hangup(error) => {
                tracing::debug!(hub = %arrived.upstream.url, %error, "the hub went away within its answer");
                count(job, arrived.upstream, client.trace, HubOutcome::Broken);
                let failure = match error {
                    Hangup::Lost(_) if job.lodging.is_some() => return Relayed::Lost(Loss::Broke),
                    Hangup::Lost(_) => Failure::HubBroke,
                    Hangup::Malformed(_) => Failure::HubGarbled,
                };
                job.fail(client, &failure).await;
                return Relayed::Done;
            }
            Held::Left => {
                leave(job, arrived, client.trace);
                return Relayed::Done;
            }
            Held::Ending => {
                job.fail(client, &Failure::ShuttingDown).await;
                return Relayed::Done;
            }
        }
        if arrived.answer.is_done() && !events {
            return whole(job, arrived, &held, opens, client).await;
        }
    }
    if !events {
        client.caching.too_large(&arrived.answer.head);
    }
    let mut lines = lines(job, client.trace, &arrived.answer, opens.then_some(&held[..])).await;
    client.caching.say(&mut lines);
    if events {
        if client.stream.is_none() {
            client.trace.answered(status);
        }
        return streams::relay(job, arrived, held, &lines, client).await;
    }
    if client.stream.is_some() {
        // Too large to be one event of a stream that has begun.
        job.fail(client, &Failure::HubGarbled).await;
        return Relayed::Done;
    }
    client.trace.answered(status);
    Box::pin(pass_on(job, arrived, &held, &lines, client)).await;
    Relayed::Done
}

/// Passes on an answer that is no stream and all here.
async fn whole<'u>(
    job: &Job<'_>,
    arrived: Arrived<'u>,
    held: &[u8],
    opens: bool,
    client: &mut Client<'_, '_>,
) -> Relayed<'u> {
    let status = arrived.answer.head.status;
    let outcome = outcome_of(status, held);
    count(job, arrived.upstream, client.trace, outcome);
    if outcome == HubOutcome::RpcError && client.caching.has_stale() {
        cached::stale_instead(Some(status), client).await;
        arrived.release(job, client.trace.answered_at);
        return Relayed::Done;
    }
    task::learn(job, client.trace.hub, held);
    client.caching.whole(&arrived.answer.head, held);
    if let Some(lodging) = job.lodging
        && status == 400
        && held.len() as u64 <= COMPLAINT_MAX
        && mcphub_mcp::says_session_unknown(held)
    {
        let loss = forgotten(lodging, &arrived);
        arrived.release(job, client.trace.answered_at);
        return Relayed::Lost(loss);
    }
    if let Some(stream) = client.stream.take() {
        stream.finish(held, client).await;
        arrived.release(job, client.trace.answered_at);
        return Relayed::Done;
    }
    let mut lines = lines(job, client.trace, &arrived.answer, opens.then_some(held)).await;
    client.caching.say(&mut lines);
    client.trace.answered(status);
    client.trace.bytes = held.len() as u64;
    let _ = client.down.answer(status, &lines, held).await;
    arrived.release(job, client.trace.answered_at);
    Relayed::Done
}

/// The hub says that it does not know the session: had it a reason to forget?
fn forgotten(lodging: &Lodging<'_>, arrived: &Arrived<'_>) -> Loss {
    let told = crate::upstream::hear::boot_of(&arrived.answer.head);
    Loss::Unknown(arrived.upstream.memory(lodging.entry.worked(), told))
}

/// What there is to be learned from an answer, before the client has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wants {
    Nothing,
    /// A session's id, and what its hub offers.
    Opening,
    /// Whether a setting was accepted.
    Setting,
    /// What is said of tools.
    Tools,
}

fn wants(job: &Job<'_>, status: u16, opens: bool) -> Wants {
    match job.message.class() {
        _ if opens => Wants::Opening,
        Class::Setting if job.lodging.is_some() && status == 200 => Wants::Setting,
        Class::List
            if status == 200
                && job.snapshot.settings.routing.trust_tool_annotations
                && job.message.method() == "tools/list" =>
        {
            Wants::Tools
        }
        _ => Wants::Nothing,
    }
}

async fn learn(job: &Job<'_>, arrived: &Arrived<'_>, wants: Wants, held: &[u8]) {
    let Some(answer) = answers::answer_in(job, held) else { return };
    match wants {
        Wants::Nothing => {}
        Wants::Opening => {
            if let Some(capabilities) = crate::migrate::capabilities(&answer) {
                arrived.upstream.note_offered(capabilities);
            }
        }
        Wants::Setting if mcphub_mcp::is_result(&answer) => visit::set(job).await,
        Wants::Setting => {}
        Wants::Tools => arrived.upstream.note_tools(&answer),
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
    if !events {
        answer.gather(HOLD_MAX.min(job.snapshot.settings.limits.hub_body));
    }
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
            Ok(Some(data)) if held.is_empty() && answer.is_done() && !events => return Held::Piece(data),
            Ok(Some(data)) => held.extend_from_slice(&data),
            Err(error) => return Held::Hangup(error),
        }
        if until == Until::Answer && events && answers::has_answer(job, held) {
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
                return arrived.release(job, None);
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
        read_on(job, Arc::clone(arrived.upstream), arrived.guard, Unread::Body(arrived.answer));
    }
}

/// The header lines of the answer to the client: the hub's, but for those of its connection and for its session id.
pub(super) async fn lines(
    job: &Job<'_>,
    trace: &Trace,
    answer: &Answer,
    opened: Option<&[u8]>,
) -> FieldLines {
    let mut lines = FieldLines::new();
    let fields = &answer.head.fields;
    lines.push_onward(fields, |known| known != Some(Known::SessionId));
    let Some(id) = fields.get(Known::SessionId) else { return lines };
    match (opened, job.lodging) {
        (Some(body), _) => {
            if let Some(token) = Box::pin(seal(job, trace, id, body)).await {
                lines.push("mcp-session-id", token.as_bytes());
                job.edge.metrics.sessions_opened.inc();
            }
        }
        // Hubs repeat the id on every answer of a session; so do we, in the form the client knows.
        (None, Some(lodging)) if lodging.upstream_id.as_str().as_bytes() == id => {
            if let Some(token) = job.arrival.head.fields.get(Known::SessionId) {
                lines.push("mcp-session-id", token);
            }
        }
        _ => {}
    }
    lines
}

/// Seals the session that a hub has just opened into the id that the client will hold.
async fn seal(job: &Job<'_>, trace: &Trace, id: &[u8], body: &[u8]) -> Option<String> {
    let table = &job.snapshot.table;
    let hub = trace.hub.and_then(|hub| table.hub(hub))?;
    let Ok(upstream) = UpstreamId::new(id) else {
        tracing::warn!(hub = %hub.id, "a hub gave a session id that MCP does not allow");
        return None;
    };
    let version = answers::negotiated(job, body).unwrap_or_default();
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
    let now = clock::unix_seconds();
    match sealer.seal(&claims, authorization, now, nonce) {
        Ok(token) => {
            let sessions = &job.edge.sessions;
            let entry = sessions.open(sealer.name(&nonce), hub.id, clock::since_start());
            sessions.describe(&entry, claims.place, now);
            if let Some(init) = InitParams::to_store(params) {
                keep_params(job, &token, init).await;
            }
            Some(token)
        }
        Err(error) => {
            tracing::warn!(hub = %hub.id, %error, "a session could not be sealed");
            None
        }
    }
}

/// Puts `initialize` parameters that are too large for the token into the session's record. Without them it works, and
/// cannot move.
async fn keep_params(job: &Job<'_>, token: &str, init: Box<str>) {
    let (sealer, now) = (&job.snapshot.sealer, clock::unix_seconds());
    let authorization = job.arrival.head.fields.get(Known::Authorization);
    let mut buffer = Vec::new();
    let Ok(opened) = sealer.open(token.as_bytes(), authorization, now, &mut buffer) else { return };
    let Some(mut record) = sealer.first_record(&opened, now) else { return };
    if let Life::Live(live) = &mut record.life {
        live.init = Some(init);
    }
    if let Err(error) = job.edge.records.write(opened.session, Revision::NONE, &record).await {
        tracing::warn!(session = %opened.session, %error, "a session cannot move: its parameters are not kept");
    }
}
