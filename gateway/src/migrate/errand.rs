//! What is asked of a hub on a session's behalf: the handshake, settings, and the end of what it holds.

use super::caller::{Caller, Denied};
use crate::clock;
use crate::edge::Edge;
use crate::upstream::hear::{self, Heard};
use crate::upstream::{Answer, Hangup, Upstream};
use mcphub_http1::{FieldLines, Known, write};
use mcphub_routing::HubId;
use mcphub_session::migration::{Failed, Greeting, Loss, Memory};
use mcphub_session::record::{Capabilities, Catalogue, Offer, Stay};
use mcphub_session::{UpstreamId, UpstreamIdBuf};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Longest answer that is read. An `initialize` result with long instructions has some ten KiB.
const ANSWER_MAX: usize = 256 * 1024;

/// Most pages of a list that are read.
const PAGES_MAX: usize = 16;

/// How long an errand may take when nobody waits for it any more: what it made must still be found out, and ended.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Asks hubs in the name of one caller.
#[derive(Debug, Clone)]
pub(super) struct Errand {
    pub(super) edge: Arc<Edge>,
    pub(super) caller: Caller,
    /// The protocol version of the session.
    pub(super) version: Arc<str>,
}

/// Why an errand failed, with what a hub said that wants another credential.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) how: Failed,
    pub(super) denied: Option<Box<Denied>>,
}

impl From<Failed> for Refused {
    fn from(how: Failed) -> Self {
        Self { how, denied: None }
    }
}

/// Numbers the requests of our own. Several of one session are under way at a time, beside the client's: a hub that is asked
/// twice under one id answers one of the two only.
static REQUESTS: AtomicU64 = AtomicU64::new(1);

/// A request of ours, and its id as JSON.
fn request(method: &str, params: &str) -> (String, String) {
    let id = format!(r#""mcphub-edge-{}""#, REQUESTS.fetch_add(1, Ordering::Relaxed));
    (format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#), id)
}

const UNREACHABLE: Failed = Failed::Lost(Loss::Unreachable);
const BROKE: Failed = Failed::Lost(Loss::Broke);

impl Errand {
    /// `initialize`.
    pub(super) async fn initialize(&self, hub: &HubId, params: &str) -> Result<Greeting, Refused> {
        let (heard, answer) = self.post(hub, None, &request("initialize", params)).await?;
        let upstream = answer.head.fields.get(Known::SessionId).and_then(|id| UpstreamId::new(id).ok());
        let upstream = upstream.map(UpstreamIdBuf::from);
        let body = heard.body.as_deref().unwrap_or_default();
        let greeting = greeting(body, upstream).ok_or(BROKE)?;
        self.give_back(hub, answer);
        Ok(greeting)
    }

    /// `notifications/initialized`.
    pub(super) async fn confirm(&self, to: &Stay) -> Result<(), Refused> {
        let body = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_owned();
        let (_, answer) = self.post(&to.hub, Some(to), &(body, String::new())).await?;
        self.give_back(&to.hub, answer);
        self.learn_tools(to).await;
        Ok(())
    }

    /// Learns what this life of the hub says of its tools, where that is believed and nobody has asked it yet: a session
    /// that came here by a move must lose no call the next time either.
    async fn learn_tools(&self, at: &Stay) {
        let trusted = self.edge.snapshots.load().settings.routing.trust_tool_annotations;
        let Some(upstream) = self.upstream(&at.hub).filter(|upstream| trusted && !upstream.knows_tools())
        else {
            return;
        };
        let mut cursor = None;
        for _ in 0..PAGES_MAX {
            let params =
                cursor.map_or_else(|| "{}".to_owned(), |cursor: String| format!(r#"{{"cursor":{cursor}}}"#));
            let asked = self.post(&at.hub, Some(at), &request("tools/list", &params)).await;
            let Ok((heard, answer)) = asked else { return };
            let page = heard.body.unwrap_or_default();
            upstream.note_tools(&page);
            self.give_back(&at.hub, answer);
            cursor = next_page(&page);
            if cursor.is_none() {
                return;
            }
        }
    }

    /// One request that a hub answers with a result or an error.
    pub(super) async fn set(&self, to: &Stay, method: &str, params: &str) -> Result<(), Refused> {
        let (heard, answer) = self.post(&to.hub, Some(to), &request(method, params)).await?;
        let body = heard.body.as_deref().unwrap_or_default();
        let (accepted, refused) = (mcphub_mcp::is_result(body), mcphub_mcp::is_error(body));
        self.give_back(&to.hub, answer);
        match (accepted, refused) {
            (true, _) => Ok(()),
            (_, true) => Err(Failed::Refused.into()),
            _ => Err(BROKE.into()),
        }
    }

    /// DELETE of a hub's session. Tried once.
    pub(super) async fn delete(&self, at: &Stay) {
        let Some(upstream) = self.upstream(&at.hub) else { return };
        let letter = self.letter(&upstream, "DELETE", Some(at), None);
        let ended = tokio::time::timeout(PATIENCE, self.exchange(&upstream, &letter, "")).await;
        match ended {
            Ok(Ok((heard, answer))) => {
                tracing::debug!(hub = %at.hub, status = heard.status, "a hub's session was ended");
                self.give_back(&at.hub, answer);
            }
            Ok(Err(failed)) => tracing::debug!(hub = %at.hub, ?failed, "a hub's session could not be ended"),
            Err(_) => tracing::debug!(hub = %at.hub, "a hub did not say whether its session has ended"),
        }
    }

    /// Posts a message, given with its id.
    async fn post(
        &self,
        hub: &HubId,
        at: Option<&Stay>,
        (body, id): &(String, String),
    ) -> Result<(Heard, Answer), Refused> {
        let upstream = self.upstream(hub).ok_or(UNREACHABLE)?;
        let letter = self.letter(&upstream, "POST", at, Some(body));
        let (heard, answer) = self.exchange(&upstream, &letter, id).await?;
        match heard.status {
            200..300 => Ok((heard, answer)),
            401 | 403 => {
                let denied = Some(Box::new(denied(&heard, &answer)));
                Err(Refused { how: Failed::Unauthorized, denied })
            }
            404 => Err(Failed::Lost(Loss::Unknown(Memory::Restarted)).into()),
            500.. => Err(BROKE.into()),
            _ => Err(Failed::Refused.into()),
        }
    }

    /// Asks over an idle connection if there is one, and once more over a fresh one if that had been closed.
    async fn exchange(
        &self,
        upstream: &Arc<Upstream>,
        letter: &[u8],
        id: &str,
    ) -> Result<(Heard, Answer), Failed> {
        let settings = self.settings();
        let (connecting, writing) = settings;
        let _guard = upstream.enter();
        if let Some(link) = upstream.idle(clock::instant()) {
            match hear::exchange(link, letter, id, ANSWER_MAX, writing).await {
                Ok(heard) => return Ok(heard),
                Err(Hangup::Malformed(_)) => return Err(BROKE),
                Err(Hangup::Lost(_)) => {}
            }
        }
        let begun = clock::instant();
        let link = tokio::select! {
            biased;
            link = upstream.connect(connecting) => link,
            () = upstream.given_up_since(begun) => return Err(UNREACHABLE),
        };
        let link = link.map_err(|_| {
            upstream.note_failed(clock::since_start());
            UNREACHABLE
        })?;
        hear::exchange(link, letter, id, ANSWER_MAX, writing).await.map_err(|_| BROKE)
    }

    fn settings(&self) -> (Duration, Duration) {
        let snapshot = self.edge.snapshots.load();
        (snapshot.settings.upstream.connect_deadline, snapshot.settings.limits.write_deadline)
    }

    fn upstream(&self, hub: &HubId) -> Option<Arc<Upstream>> {
        let snapshot = self.edge.snapshots.load();
        let index = snapshot.table.find(hub.as_str())?;
        snapshot.upstreams.get(index.get()).cloned()
    }

    fn give_back(&self, hub: &HubId, answer: Answer) {
        let Some(upstream) = self.upstream(hub) else { return };
        if let Some(link) = answer.into_link() {
            let snapshot = self.edge.snapshots.load();
            upstream.release(link, clock::instant(), &snapshot.settings.upstream);
        }
    }

    fn letter(&self, upstream: &Upstream, method: &str, at: Option<&Stay>, body: Option<&str>) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024);
        out.extend_from_slice(method.as_bytes());
        out.push(b' ');
        out.extend_from_slice(upstream.url.path.as_bytes());
        out.extend_from_slice(b" HTTP/1.1\r\n");
        write::field(&mut out, b"host", upstream.authority.as_bytes());
        out.extend_from_slice(&self.caller.lines);
        write::field(&mut out, b"accept", b"application/json, text/event-stream");
        if let Some(at) = at {
            write::field(&mut out, b"mcp-session-id", at.upstream.as_id().as_str().as_bytes());
            write::field(&mut out, b"mcp-protocol-version", self.version.as_bytes());
        }
        if let Some(body) = body {
            write::field(&mut out, b"content-type", b"application/json");
            out.extend_from_slice(b"content-length: ");
            write::decimal(&mut out, body.len() as u64);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(body.unwrap_or_default().as_bytes());
        out
    }
}

/// Opens a stream of a session at a hub with which it last worked at `worked`. `letter` is the whole request.
pub(crate) async fn attached(
    edge: &Edge,
    upstream: &Arc<Upstream>,
    letter: &[u8],
    worked: Option<Duration>,
) -> Result<super::Attached, Failed> {
    let (connecting, writing, limits) = {
        let snapshot = edge.snapshots.load();
        let settings = &snapshot.settings;
        let limits = crate::upstream::answer_limits(&settings.limits);
        (settings.upstream.connect_deadline, settings.limits.write_deadline, limits)
    };
    for _ in 0..STILL_THERE_TRIES {
        let guard = upstream.enter();
        let mut link = upstream.connect(connecting).await.map_err(|_| {
            upstream.note_failed(clock::since_start());
            UNREACHABLE
        })?;
        link.wire.write(&[letter], writing).await.map_err(|_| BROKE)?;
        let head = Answer::head(&mut link, &limits).await.map_err(|_| BROKE)?;
        match head.status {
            200 if head.is_event_stream() => {
                let answer = Box::new(Answer::new(head, link));
                return Ok(super::Attached { upstream: Arc::clone(upstream), guard, answer });
            }
            401 | 403 => return Err(Failed::Unauthorized),
            404 => return Err(Failed::Lost(Loss::Unknown(upstream.memory(worked, hear::boot_of(&head))))),
            // The hub has not noticed yet that the stream before has gone: it allows one at a time.
            409 => tokio::time::sleep(STILL_THERE_PAUSE).await,
            500.. => return Err(BROKE),
            _ => return Err(Failed::Refused),
        }
    }
    Err(BROKE)
}

/// How often, and how soon, a hub is asked again that says that the stream before stands open still.
const STILL_THERE_TRIES: u32 = 8;
const STILL_THERE_PAUSE: Duration = Duration::from_millis(200);

fn denied(heard: &Heard, answer: &Answer) -> Denied {
    let mut lines = FieldLines::new();
    for (name, value, known) in answer.head.fields.end_to_end() {
        if known == Some(Known::ContentType) || name.eq_ignore_ascii_case(b"www-authenticate") {
            lines.push_bytes(name, value);
        }
    }
    Denied { status: heard.status, lines, body: heard.body.clone().unwrap_or_default() }
}

/// What an `initialize` result says; `None` if it is none.
fn greeting(message: &[u8], upstream: Option<UpstreamIdBuf>) -> Option<Greeting> {
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(borrow)]
        result: Initialized<'a>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Initialized<'a> {
        protocol_version: String,
        #[serde(borrow)]
        capabilities: Option<&'a RawValue>,
    }
    let Message { result } = serde_json::from_slice(message).ok()?;
    let capabilities = result.capabilities.and_then(|raw| Capabilities::read(raw.get()));
    Some(Greeting {
        version: result.protocol_version.into(),
        offer: Offer { capabilities, catalogue: Catalogue::default() },
        upstream,
    })
}

/// Where a list goes on, as JSON; `None` if this was its last page.
fn next_page(message: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(borrow)]
        result: Page<'a>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Page<'a> {
        #[serde(borrow)]
        next_cursor: Option<&'a RawValue>,
    }
    let Message { result } = serde_json::from_slice(message).ok()?;
    result.next_cursor.map(|cursor| cursor.get().to_owned())
}

/// What an `initialize` result offers.
pub(crate) fn capabilities(message: &[u8]) -> Option<Capabilities> {
    greeting(message, None)?.offer.capabilities
}
