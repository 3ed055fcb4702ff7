//! What happens to a request before the SDK sees it, and to an answer after?
//!
//! `paths → fault → limits → era → SDK → answer`. Each era has a service of the SDK of its own: the legacy one
//! keeps sessions and an event store; the modern one keeps nothing, gives no event ids, and takes a client that
//! leaves for a cancellation. One service could serve both, but its event store would then also number modern
//! streams and keep their requests alive, which that revision forbids.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use rmcp::{
    model::ProtocolVersion,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService,
        session::{SessionManager as _, never::NeverSessionManager},
    },
};
use serde_json::{json, value::RawValue};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::{
    args::{Args, Eras},
    body::{Answer, CutShort, Held, Inner, ResetFlag, StreamControl},
    fault::{Cut, Fault, Injected},
    metrics::{self, Metrics},
    offer::Offer,
    replies::{Reply, busy, json_reply, peek, reply, text, unreadable},
    sessions::{RETRY, Sessions},
    state::{Counters, Ends, Sentence, State},
};

/// Largest request body, in bytes: 4 MiB, as the SDKs have it.
const BODY_MAX: usize = 4 << 20;

/// How long a client may take to send a request body.
const BODY_WAIT: Duration = Duration::from_secs(30);

/// How often a quiet stream gets a comment.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Most requests that may wait for a turn; the next gets 503.
const QUEUE_MAX: usize = 4_096;

const PROTOCOL_VERSION: &str = "mcp-protocol-version";
const SESSION_ID: &str = "mcp-session-id";

/// The face of the hub towards HTTP.
pub(crate) struct Front {
    state: Arc<State>,
    metrics: Metrics,
    sessions: Arc<Sessions>,
    legacy: StreamableHttpService<Offer, Sessions>,
    modern: StreamableHttpService<Offer, NeverSessionManager>,
    turns: Arc<Semaphore>,
    /// `mcphub-hub` and `mcphub-boot`, put on every answer.
    badge: HeaderMap,
}

impl Front {
    pub(crate) fn new(state: Arc<State>, stop: CancellationToken) -> anyhow::Result<Self> {
        let args = &state.args;
        let sessions = Arc::new(Sessions::new(args.max_sessions, Duration::from_secs(args.session_idle)));
        let config = config(args, stop);
        let (for_sessions, for_requests) = (Arc::clone(&state), Arc::clone(&state));
        let legacy = StreamableHttpService::new(
            move || Ok(Offer::for_session(Arc::clone(&for_sessions))),
            Arc::clone(&sessions),
            config.clone(),
        );
        let modern = StreamableHttpService::new(
            move || Ok(Offer::for_request(Arc::clone(&for_requests))),
            Arc::new(NeverSessionManager::default()),
            config.with_legacy_session_mode(false).with_json_response(true),
        );
        let metrics = Metrics::new(&args.id, &args.location, &state.boot)?;
        let mut badge = HeaderMap::new();
        for (name, value) in [("mcphub-hub", &args.id), ("mcphub-boot", &state.boot)] {
            // An id that cannot stand in a header is still good everywhere else.
            if let Ok(value) = HeaderValue::from_str(value) {
                badge.insert(name, value);
            }
        }
        let turns = Arc::new(Semaphore::new(args.max_concurrent.clamp(1, Semaphore::MAX_PERMITS)));
        Ok(Self { metrics, sessions, legacy, modern, turns, badge, state })
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    pub(crate) async fn counters(&self) -> Counters {
        self.state.counters(self.sessions.open().await)
    }

    /// Answers one request. An error resets or closes the connection without an answer.
    pub(crate) async fn answer(
        &self,
        request: Request<Incoming>,
        flag: ResetFlag,
    ) -> Result<Reply, CutShort> {
        let mut reply = match (request.method().as_str(), request.uri().path()) {
            (_, "/mcp") => self.endpoint(request, flag).await?,
            ("GET", "/metrics") => match self.metrics.render(&self.counters().await) {
                Ok(text) => reply(StatusCode::OK, HeaderValue::from_static(metrics::CONTENT_TYPE), text),
                Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
            },
            ("GET", "/counters") => json_reply(StatusCode::OK, &self.counters().await),
            ("POST", "/counters/touch") => json_reply(StatusCode::OK, &json!({ "tick": self.state.touch() })),
            ("PUT" | "DELETE", "/fault") if self.state.args.fault_control => self.fault(request).await,
            (_, "/metrics" | "/counters" | "/counters/touch") => {
                text(StatusCode::METHOD_NOT_ALLOWED, "no such method here")
            }
            _ => text(StatusCode::NOT_FOUND, "nothing here; the MCP endpoint is /mcp"),
        };
        for (name, value) in &self.badge {
            reply.headers_mut().insert(name, value.clone());
        }
        Ok(reply)
    }

    async fn fault(&self, request: Request<Incoming>) -> Reply {
        if request.method() == Method::DELETE {
            self.state.set_fault(Fault::default());
            return text(StatusCode::NO_CONTENT, "");
        }
        let fault = match collect(request.into_body()).await {
            Ok(body) => Fault::parse(&body),
            Err(reply) => return reply,
        };
        match fault {
            Ok(fault) => {
                let shown = json_reply(StatusCode::OK, &fault);
                self.state.set_fault(fault);
                shown
            }
            Err(error) => text(StatusCode::BAD_REQUEST, error.to_string()),
        }
    }

    async fn endpoint(&self, request: Request<Incoming>, flag: ResetFlag) -> Result<Reply, CutShort> {
        self.state.requests.fetch_add(1, Ordering::Relaxed);
        let modern = is_modern(request.headers());
        self.metrics.requests.with_label_values(&[if modern { "modern" } else { "legacy" }]).inc();
        let listens = is_listen(request.headers());
        let counted = match *request.method() {
            Method::GET => &self.state.get_streams,
            _ if listens => &self.state.listen_streams,
            _ => &self.state.in_flight,
        };
        let counted = counted.enter();
        let (parts, body) = request.into_parts();
        let body = match collect(body).await {
            Ok(body) => body,
            Err(reply) => return Ok(reply),
        };
        let sentence = self.state.sentence(&parts.method, &body);
        if let Some(sentence) = sentence
            && let Some(reply) = carry_out(sentence, &parts.headers, &body, &flag).await?
        {
            return Ok(reply);
        }
        if let Some(reply) = self.refuse(&parts.method, &parts.headers, modern, &body).await {
            return Ok(reply);
        }
        let turn = if parts.method == Method::POST && !listens {
            match self.turn(&body).await {
                Ok(turn) => turn,
                Err(reply) => return Ok(reply),
            }
        } else {
            None
        };
        let ends = self.state.ends(&parts.method);
        let typed = is_json(&parts.headers);
        let mut request = Request::from_parts(parts, Full::new(body.clone()));
        request.extensions_mut().insert(StreamControl::new(&ends));
        let answer =
            if modern { self.modern.handle(request).await } else { self.legacy.handle(request).await };
        let held = Held { counted, turn };
        if answer.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE && typed {
            return Ok(unreadable(&body));
        }
        Ok(dress(answer, held, ends, flag, sentence.and_then(|sentence| sentence.cut)))
    }

    /// What this hub refuses although the SDK would not, or not so clearly.
    async fn refuse(&self, method: &Method, headers: &HeaderMap, modern: bool, body: &[u8]) -> Option<Reply> {
        match (self.state.args.eras, modern) {
            (Eras::Both, _) | (Eras::Legacy, false) | (Eras::Modern, true) => {}
            (Eras::Legacy, true) => {
                return Some(text(StatusCode::BAD_REQUEST, "Unsupported protocol version"));
            }
            (Eras::Modern, false) => {
                let id = peek(body).and_then(|peek| peek.id).unwrap_or(RawValue::NULL);
                let error = json!({
                    "code": -32_022,
                    "message": "Unsupported protocol version",
                    "data": { "supported": [ProtocolVersion::V_2026_07_28] },
                });
                return Some(json_reply(
                    StatusCode::BAD_REQUEST,
                    &json!({ "jsonrpc": "2.0", "id": id, "error": error }),
                ));
            }
        }
        if modern {
            return None;
        }
        match headers.get(SESSION_ID).map(HeaderValue::to_str) {
            // The SDK takes the end of any session for an end; a client should learn that there was none.
            Some(Ok(id)) if method == Method::DELETE => match self.sessions.has_session(&id.into()).await {
                Ok(false) => Some(text(StatusCode::NOT_FOUND, "Not Found: Session not found")),
                _ => None,
            },
            None if method == Method::POST && self.sessions.full().await => {
                Some(busy("too many sessions are open"))
            }
            _ => None,
        }
    }

    /// Waits for a turn. What only answers or informs needs none, or a call that waits for its own client's answer
    /// could keep that answer out.
    async fn turn(&self, body: &[u8]) -> Result<Option<OwnedSemaphorePermit>, Reply> {
        if let Ok(turn) = Arc::clone(&self.turns).try_acquire_owned() {
            return Ok(Some(turn));
        }
        let asks = peek(body).is_some_and(|peek| peek.method.is_some() && peek.id.is_some());
        if !asks {
            return Ok(None);
        }
        if self.state.queued.now() >= QUEUE_MAX {
            return Err(busy("too many requests wait already"));
        }
        let _queued = self.state.queued.enter();
        Arc::clone(&self.turns).acquire_owned().await.map(Some).map_err(|_| busy("the hub is closing"))
    }
}

fn config(args: &Args, stop: CancellationToken) -> StreamableHttpServerConfig {
    let mut hosts = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    hosts.extend(args.allowed_hosts.iter().cloned());
    let origins: Vec<String> = hosts
        .iter()
        .flat_map(|host| {
            let host = if host == "::1" { "[::1]" } else { host };
            let port = if host.starts_with('[') || !host.contains(':') { ":*" } else { "" };
            ["http", "https"].map(|scheme| format!("{scheme}://{host}{port}"))
        })
        .collect();
    StreamableHttpServerConfig::default()
        .with_allowed_hosts(hosts)
        .with_allowed_origins(origins)
        .enforce_origin_validation()
        .with_sse_keep_alive(Some(KEEP_ALIVE))
        .with_sse_retry(Some(RETRY))
        .with_max_request_body_bytes(BODY_MAX)
        .with_cancellation_token(stop)
}

/// Whether the request names a modern revision, or one later still.
fn is_modern(headers: &HeaderMap) -> bool {
    headers
        .get(PROTOCOL_VERSION)
        .is_some_and(|version| version.as_bytes() >= ProtocolVersion::V_2026_07_28.as_str().as_bytes())
}

fn is_json(headers: &HeaderMap) -> bool {
    let essence = |kind: &str| {
        kind.split(';').next().is_some_and(|e| e.trim().eq_ignore_ascii_case("application/json"))
    };
    headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).is_some_and(essence)
}

fn is_listen(headers: &HeaderMap) -> bool {
    is_modern(headers) && headers.get("mcp-method").is_some_and(|method| method == "subscriptions/listen")
}

async fn collect(body: Incoming) -> Result<Bytes, Reply> {
    match tokio::time::timeout(BODY_WAIT, Limited::new(body, BODY_MAX).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            Err(text(StatusCode::PAYLOAD_TOO_LARGE, format!("the request body exceeds {BODY_MAX} bytes")))
        }
        Ok(Err(error)) => {
            Err(text(StatusCode::BAD_REQUEST, format!("cannot read the request body: {error}")))
        }
        Err(_) => Err(text(StatusCode::REQUEST_TIMEOUT, "the request body took too long")),
    }
}

/// Does to a request what a fault wants. `None` lets it pass, for now.
async fn carry_out(
    sentence: Sentence,
    headers: &HeaderMap,
    body: &[u8],
    flag: &ResetFlag,
) -> Result<Option<Reply>, CutShort> {
    tokio::time::sleep(sentence.latency).await;
    if sentence.hang {
        // Until the client has had enough, or the hub is stopped.
        std::future::pending::<()>().await;
    }
    if sentence.refuse_sessions && headers.contains_key(SESSION_ID) {
        return Ok(Some(text(StatusCode::NOT_FOUND, "Not Found: Session not found")));
    }
    let injected = "an injected error";
    Ok(match sentence.error {
        None => None,
        Some(Injected::Http500) => Some(text(StatusCode::INTERNAL_SERVER_ERROR, injected)),
        Some(Injected::Http503) => Some(text(StatusCode::SERVICE_UNAVAILABLE, injected)),
        Some(Injected::Reset) => {
            flag.store(true, Ordering::Relaxed);
            return Err(CutShort);
        }
        Some(Injected::JsonRpc) => Some(match peek(body).and_then(|peek| peek.id) {
            Some(id) => json_reply(
                StatusCode::OK,
                &json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32_603, "message": injected } }),
            ),
            None => text(StatusCode::ACCEPTED, ""),
        }),
    })
}

/// Gives the SDK's answer the body that holds, ends and cuts.
fn dress(answer: Response<Inner>, held: Held, ends: Ends, flag: ResetFlag, cut: Option<(u64, Cut)>) -> Reply {
    let streams = answer.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
    answer.map(|inner| {
        if streams { Answer::stream(inner, held, ends, flag, cut) } else { Answer::plain(inner, Some(held)) }
    })
}
