//! What may an operator ask? Plain HTTP, by default on loopback only.
//!
//! | request | answer |
//! |---|---|
//! | `GET /livez` | 200 while the process works |
//! | `GET /readyz` | 200 when it serves; 503 while it starts or stops |
//! | `GET /metrics` | Prometheus text |
//! | `GET /v1/status` | JSON: version, phase, revision, generation, last reload |
//! | `POST /v1/reload` | reads the configuration again and says what came of it |
//!
//! Where a token is configured, everything but the two probes wants `Authorization: Bearer`. Without one, the `Host`
//! must be a loopback name or address: a web page must not reach the interface through DNS rebinding.

use crate::control::{Reloaded, Status};
use crate::edge::Edge;
use crate::http::Downstream;
use crate::proxy::Arrival;
use crate::snapshot::Snapshot;
use mcphub_http1::{FieldLines, Known, Method, RequestHead};
use serde_json::json;
use std::net::IpAddr;
use std::sync::Arc;
use subtle::ConstantTimeEq as _;

/// Most bytes of a request body; no request has one that means anything yet.
const BODY_MAX: usize = 64 * 1024;

/// An answer.
struct Reply {
    status: u16,
    media_type: &'static str,
    body: String,
}

impl Reply {
    fn text(status: u16, body: &str) -> Self {
        Self { status, media_type: "text/plain; charset=utf-8", body: format!("{body}\n") }
    }

    fn json(status: u16, body: &serde_json::Value) -> Self {
        Self { status, media_type: "application/json", body: format!("{body}\n") }
    }

    fn error(status: u16, message: &str) -> Self {
        Self::json(status, &json!({ "error": message }))
    }
}

/// Answers one request of an operator.
pub async fn serve(
    edge: &Arc<Edge>,
    snapshot: &Arc<Snapshot>,
    arrival: &Arrival<'_>,
    mut down: Downstream<'_>,
) {
    // Read before anything is done: half a request changes nothing.
    let reply = match down.body(BODY_MAX).await {
        Ok(_) => answer(edge, snapshot, arrival.head).await,
        Err(_) => Reply::error(400, "the request body could not be read"),
    };
    let mut lines = FieldLines::new();
    lines.push("content-type", reply.media_type.as_bytes());
    lines.push("cache-control", b"no-store");
    if reply.status == 401 {
        lines.push("www-authenticate", b"Bearer");
    }
    if reply.status == 405 {
        lines.push("allow", if arrival.head.path() == "/v1/reload" { b"POST" } else { b"GET, HEAD" });
    }
    let _ = down.answer(reply.status, &lines, reply.body.as_bytes()).await;
}

async fn answer(edge: &Edge, snapshot: &Snapshot, head: &RequestHead) -> Reply {
    let reads = matches!(head.method, Method::Get | Method::Head);
    let path = head.path();
    match path {
        "/livez" | "/readyz" if !reads => return Reply::error(405, "only GET and HEAD are allowed here"),
        "/livez" => return Reply::text(200, "live"),
        "/readyz" => return ready(edge),
        _ => {}
    }
    if let Err(reply) = authorize(snapshot, head) {
        return reply;
    }
    match path {
        "/metrics" | "/v1/status" if !reads => Reply::error(405, "only GET and HEAD are allowed here"),
        "/metrics" => {
            edge.show();
            edge.metrics.access_dropped.set(i64::try_from(edge.access.dropped()).unwrap_or(i64::MAX));
            Reply { status: 200, media_type: "text/plain; version=0.0.4", body: edge.metrics.render() }
        }
        "/v1/status" => Reply::json(200, &status(edge, snapshot, &edge.control.status())),
        "/v1/reload" if head.method != Method::Post => Reply::error(405, "only POST is allowed here"),
        "/v1/reload" => reload(edge).await,
        _ => Reply::error(404, "there is nothing here"),
    }
}

fn ready(edge: &Edge) -> Reply {
    use crate::control::lifecycle::Phase;
    match edge.lifecycle.phase() {
        Phase::Serving => Reply::text(200, "ready"),
        Phase::Draining | Phase::Ending => Reply::text(503, "stopping"),
    }
}

/// Whether this operator may ask.
fn authorize(snapshot: &Snapshot, head: &RequestHead) -> Result<(), Reply> {
    let Some(token) = &snapshot.settings.admin.token else {
        return if is_local(head) {
            Ok(())
        } else {
            Err(Reply::error(403, "without a token, Host must be a loopback name or address"))
        };
    };
    let given = head.fields.get(Known::Authorization).unwrap_or_default();
    let (scheme, given) = given.split_at(given.len().min(b"Bearer ".len()));
    let same: bool = given.ct_eq(token.expose().as_bytes()).into();
    if scheme.eq_ignore_ascii_case(b"Bearer ") && same {
        Ok(())
    } else {
        Err(Reply::error(401, "a bearer token is required"))
    }
}

fn is_local(head: &RequestHead) -> bool {
    let Some(host) = head.fields.text(Known::Host) else { return false };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn status(edge: &Edge, snapshot: &Snapshot, status: &Status) -> serde_json::Value {
    json!({
        "name": snapshot.settings.gateway.name,
        "location": snapshot.settings.gateway.location.as_str(),
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "phase": format!("{:?}", edge.lifecycle.phase()).to_lowercase(),
        "config_revision": snapshot.revision,
        "config_fingerprint": status.fingerprint,
        "generation": snapshot.table.generation().get(),
        "last_reload": status.last_reload,
        "hubs": snapshot.upstreams.len(),
        "connections": edge.metrics.connections.get(),
        "requests_in_flight": edge.metrics.in_flight.get(),
        "streams_open": edge.metrics.streams.get(),
    })
}

async fn reload(edge: &Edge) -> Reply {
    match edge.control.reload().await {
        Ok(outcome @ (Reloaded::Swapped { .. } | Reloaded::Unchanged { .. })) => {
            Reply::json(200, &json!(outcome))
        }
        Ok(outcome @ Reloaded::NeedsRestart { .. }) => Reply::json(409, &json!(outcome)),
        Ok(outcome @ Reloaded::Refused { .. }) => Reply::json(422, &json!(outcome)),
        Err(error) => Reply::error(503, &error.to_string()),
    }
}
