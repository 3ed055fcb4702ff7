//! May a request be answered without asking a hub?
//!
//! Asked of modern requests for what the protocol lets be cached, which their `Mcp-Method` tells; nothing else of a
//! request is looked at for any other. What the hub's answer means for those that ask the same is in [`fill`].

use super::admission::{self, Endpoint};
use super::exchange::{Client, Job};
use super::parse::Message;
use super::route;
use crate::cache::Looked;
use crate::cache::entry::{About, Entry};
use crate::cache::flight::{Outcome, Turn, Waiting};
use crate::cache::key::{Asked, Caller, Keys};
use crate::cache::{Cache, key};
use crate::clock;
use crate::control::lifecycle::{Phase, reached};
use crate::edge::Edge;
use crate::observe::cache::Cached;
use fill::Filling;
use mcphub_http1::fields::list;
use mcphub_http1::{FieldLines, Fields, Known};
use mcphub_mcp::cache::{Cacheable, Question, changes_in, may_tell_of_changes};
use mcphub_mcp::reply::Fault;
use mcphub_mcp::sse::{Event, events};
use mcphub_mcp::{EraDecision, Failure, Id, RawId, era};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

mod fill;
mod status;

pub(super) use fill::Caching;

/// Longest wait for what other requests bring, in all. A hub that takes longer is slow, and it may be that hub's turn alone.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// A question, and where its answer may lie.
struct Asking<'a> {
    cache: &'a Arc<Cache>,
    keys: Keys,
    id: RawId<'a>,
    about: About,
}

/// Why a request must go to a hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Must {
    /// Its answer is for nobody else, or nobody here can tell.
    Bypass,
    /// Its client wants it so.
    Request,
}

/// Answers the request, or says in `client.caching` what is to be done with its hub's answer. `true`: it is answered, or
/// its client has left.
pub(super) async fn answer(job: &Job<'_>, client: &mut Client<'_, '_>) -> bool {
    let Some((cache, method)) = cacheable(job) else { return false };
    let asking = match ask(job, cache, method) {
        Ok(asking) => asking,
        Err(must) => {
            cache.metrics.answered(Cached::Bypass);
            client.trace.cached = Some(Cached::Bypass);
            client.caching = Caching::Passed(must == Must::Request);
            return false;
        }
    };
    run(job, &asking, client).await
}

/// The cache and the method, if the one is there and the other cacheable. All that other requests meet of all this.
fn cacheable<'a>(job: &Job<'a>) -> Option<(&'a Arc<Cache>, Cacheable)> {
    let cache = job.snapshot.cache.as_ref()?;
    let Message::Modern(headers) = job.message else { return None };
    Some((cache, Cacheable::of(&headers.method)?))
}

fn ask<'a>(job: &Job<'a>, cache: &'a Arc<Cache>, method: Cacheable) -> Result<Asking<'a>, Must> {
    let head = job.arrival.head;
    let fields = &head.fields;
    let Message::Modern(headers) = job.message else { return Err(Must::Bypass) };
    let Endpoint::Mcp { below } = job.admitted.endpoint else { return Err(Must::Bypass) };
    // What a revision of tomorrow lets be cached, and by which key, is not known today.
    let EraDecision::Modern(version) = era(fields.get(Known::ProtocolVersion)) else {
        return Err(Must::Bypass);
    };
    let residency = route::residency(job).ok_or(Must::Bypass)?;
    let residency = job.snapshot.table.residency_id(residency).map_or("", |id| id.as_str());
    let question = Question::read(job.body, method).ok_or(Must::Bypass)?;
    // The hub would refuse a body that says something else than its headers; so must it.
    if !question.agrees_with(version.as_str().as_bytes(), headers.name.as_deref())
        || !admission::accepts(head, "application/json")
    {
        return Err(Must::Bypass);
    }
    if wants_a_hub(fields) {
        return Err(Must::Request);
    }
    let asked = Asked {
        fields,
        target: (below, head.query().unwrap_or_default()),
        origin: super::forward::origin(job),
        residency,
    };
    let keys = key::Keys::of(&question, &asked, &cache.settings.ignored_headers, cache.settings.private);
    Ok(Asking { cache, keys, about: About::of(&question), id: question.id })
}

/// Whether a client says that it wants no stored answer.
fn wants_a_hub(fields: &Fields) -> bool {
    fields.iter().any(|(name, value, _)| {
        let no = |word: &[u8]| list(value).any(|directive| directive.eq_ignore_ascii_case(word));
        (name.eq_ignore_ascii_case(b"cache-control")
            && (no(b"no-cache") || no(b"no-store") || no(b"max-age=0")))
            || (name.eq_ignore_ascii_case(b"pragma") && no(b"no-cache"))
    })
}

async fn run(job: &Job<'_>, asking: &Asking<'_>, client: &mut Client<'_, '_>) -> bool {
    let mut filling = Filling::new(job, asking);
    let deadline = Instant::from_std(job.arrival.at) + WAIT_MAX;
    loop {
        match asking.cache.look(&asking.keys, clock::since_start()) {
            Looked::Fresh(entry) => {
                give(&entry, asking, Cached::Hit, status::hit, client).await;
                return true;
            }
            Looked::Apart => break,
            Looked::Missing { stale } => filling.stale = stale,
        }
        match asking.cache.join(asking.keys.shared) {
            Turn::Lead(lead) => {
                // The one before may have come back between the look and the turn.
                if let Looked::Fresh(entry) = asking.cache.look(&asking.keys, clock::since_start()) {
                    lead.land(Outcome::Kept(asking.keys.shared, Arc::clone(&entry)));
                    give(&entry, asking, Cached::Hit, status::hit, client).await;
                    return true;
                }
                filling.lead = Some(lead);
                break;
            }
            Turn::Wait(waiting) => match wait(job, asking, &mut filling, (waiting, deadline), client).await {
                Waited::Answered => return true,
                Waited::GoesAlone => break,
                Waited::NextInLine => {}
            },
        }
    }
    asking.cache.metrics.answered(Cached::Miss);
    client.trace.cached = Some(Cached::Miss);
    client.caching = Caching::Filling(Box::new(filling));
    false
}

/// What became of waiting for another request.
enum Waited {
    Answered,
    GoesAlone,
    NextInLine,
}

async fn wait(
    job: &Job<'_>,
    asking: &Asking<'_>,
    filling: &mut Filling,
    (mut waiting, deadline): (Waiting, Instant),
    client: &mut Client<'_, '_>,
) -> Waited {
    let outcome = tokio::select! {
        biased;
        outcome = waiting.outcome() => outcome,
        () = client.down.left() => {
            client.trace.left();
            return Waited::Answered;
        }
        () = reached(client.phase, Phase::Ending) => {
            job.fail(client, &Failure::ShuttingDown).await;
            return Waited::Answered;
        }
        () = sleep_until(deadline) => Outcome::Apart,
    };
    filling.waited = true;
    let stale = filling.is_refresh();
    match outcome {
        Outcome::Kept(key, entry) if asking.keys.has(&key) => {
            give(&entry, asking, Cached::Collapsed, |left| status::collapsed(stale, left), client).await;
            Waited::Answered
        }
        Outcome::Failed => match filling.stale.take() {
            Some(entry) => {
                give(&entry, asking, Cached::Stale, |left| status::stale(true, None, left), client).await;
                Waited::Answered
            }
            None => Waited::GoesAlone,
        },
        Outcome::Kept(..) | Outcome::Apart => Waited::GoesAlone,
        Outcome::Left => Waited::NextInLine,
    }
}

async fn give(
    entry: &Entry,
    asking: &Asking<'_>,
    cached: Cached,
    status: impl FnOnce(i64) -> String,
    client: &mut Client<'_, '_>,
) {
    send(asking.cache, entry, &asking.id, cached, status, client).await;
}

/// Gives an answer that is kept.
async fn send(
    cache: &Cache,
    entry: &Entry,
    id: &RawId<'_>,
    cached: Cached,
    status: impl FnOnce(i64) -> String,
    client: &mut Client<'_, '_>,
) {
    let now = clock::since_start();
    let (body, age) = (entry.answer(id, now), entry.age(now));
    let mut lines = FieldLines::new();
    lines.push("content-type", b"application/json");
    for (name, value) in entry.lines() {
        lines.push_bytes(name, value);
    }
    lines.push("age", age.as_secs().to_string().as_bytes());
    lines.push("cache-status", status(entry.ttl_seconds(now)).as_bytes());
    cache.metrics.answered(cached);
    cache.metrics.given(age);
    client.trace.cached = Some(cached);
    client.trace.answered(200);
    client.trace.bytes = body.len() as u64;
    let _ = client.down.answer(200, &lines, &body).await;
}

/// Gives what is kept instead of a failure of the fleet, if it is not too old. `false`: there is nothing to give.
/// `status`: what a hub has answered, if one did.
pub(super) async fn stale_instead(status: Option<u16>, client: &mut Client<'_, '_>) -> bool {
    let Some((cache, entry, id)) = client.caching.fail() else { return false };
    let left = |left| status::stale(false, status, left);
    Box::pin(send(&cache, &entry, &Id::as_raw(&id), Cached::Stale, left, client)).await;
    true
}

/// Whether what is kept could be given instead of this failure.
pub(super) fn is_excused(failure: &Failure<'_>) -> bool {
    failure.fault() == Fault::Fleet
}

/// Listens to whole events of a hub for what it takes back.
pub(super) fn hear(edge: &Edge, whole: &[u8]) {
    if !may_tell_of_changes(whole) {
        return;
    }
    // A stream may be older than the snapshot that is in force now.
    let snapshot = edge.snapshots.load();
    let Some(cache) = &snapshot.cache else { return };
    let now = clock::since_start();
    for data in events(whole).filter_map(|event| Event::parse(event).data) {
        changes_in(&data, |changed| cache.changed(&changed, now));
    }
}

/// A hub has refused the request's caller.
pub(super) fn refused(job: &Job<'_>) {
    let authorization = job.arrival.head.fields.get(Known::Authorization);
    let cache = job.snapshot.cache.as_ref();
    if let (Some(cache), Some(caller)) = (cache, Caller::of(authorization)) {
        cache.refused(caller, clock::since_start());
    }
}
