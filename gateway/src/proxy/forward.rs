//! What does the hub get to see?
//!
//! The request written anew: our framing, our `Host`, the hub's own session id, the journey so far. Everything else
//! that belongs to the request's ends passes as it came.

use super::admission::Endpoint;
use super::exchange::Job;
use crate::migrate::Caller;
use crate::net::JOINED_MAX;
use crate::upstream::Upstream;
use mcphub_http1::{Known, Method, write};

/// How we are called in `Via` (RFC 9110 section 7.6.3).
const VIA: &[u8] = b"1.1 mcphub-edge";

/// The head of the request to `upstream`, and room for a small body.
pub(super) fn head(job: &Job<'_>, upstream: &Upstream) -> Vec<u8> {
    let head = job.arrival.head;
    let fields = &head.fields;
    let mut out = Vec::with_capacity(1024 + job.body.len().min(JOINED_MAX));
    out.extend_from_slice(head.method.name().as_bytes());
    out.push(b' ');
    match job.admitted.endpoint {
        Endpoint::Mcp { below: "" } => out.extend_from_slice(upstream.url.path.as_bytes()),
        Endpoint::Mcp { below } => {
            out.extend_from_slice(upstream.url.path.trim_end_matches('/').as_bytes());
            out.extend_from_slice(below.as_bytes());
        }
        Endpoint::Metadata { path } => out.extend_from_slice(path.as_bytes()),
    }
    if let Some(query) = head.query() {
        out.push(b'?');
        out.extend_from_slice(query.as_bytes());
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
    write::field(&mut out, b"host", upstream.authority.as_bytes());
    fields.copy_lines(&mut out, |known| match known {
        // Within a session, event ids are ours.
        Some(Known::LastEventId) if job.lodging.is_some() => false,
        known => !is_ours(job, known),
    });
    if let Some(lodging) = job.lodging {
        write::field(&mut out, b"mcp-session-id", lodging.upstream_id.as_str().as_bytes());
        if let Some(event) = lodging.resumes {
            write::field(&mut out, b"last-event-id", event);
        }
    }
    journey(job, &mut out);
    if head.method == Method::Post {
        out.extend_from_slice(b"content-length: ");
        write::decimal(&mut out, job.body.len() as u64);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// Whether a field is written anew for each hub, or said by a client that may not say it.
fn is_ours(job: &Job<'_>, known: Option<Known>) -> bool {
    match known {
        Some(
            Known::Host
            | Known::SessionId
            | Known::Expect
            | Known::Forwarded
            | Known::ForwardedFor
            | Known::ForwardedHost
            | Known::ForwardedProto,
        ) => true,
        // Where a proxy we trust says who the client is, hubs may hear it; a client does not say so itself.
        Some(Known::RealIp | Known::TrueClientIp) => !job.arrival.peer.is_trusted(),
        _ => false,
    }
}

/// In whose name a hub is asked something of our own on behalf of the request's session: what the client said of itself,
/// and nothing that belongs to this one request.
pub(super) fn caller(job: &Job<'_>) -> Caller {
    let mut lines = Vec::with_capacity(512);
    job.arrival.head.fields.copy_lines(&mut lines, |known| match known {
        Some(
            Known::ContentType
            | Known::Accept
            | Known::ProtocolVersion
            | Known::McpMethod
            | Known::McpName
            | Known::LastEventId
            | Known::Traceparent,
        ) => false,
        known => !is_ours(job, known),
    });
    journey(job, &mut lines);
    Caller { lines: lines.into(), client: job.context.client }
}

/// Where the request has come from.
fn journey(job: &Job<'_>, out: &mut Vec<u8>) {
    let fields = &job.arrival.head.fields;
    let peer = job.arrival.peer;
    out.extend_from_slice(b"x-forwarded-for: ");
    peer.write_x_forwarded_for(out, fields.values(Known::ForwardedFor));
    out.extend_from_slice(b"\r\n");
    let (proto, host) = origin(job);
    write::field(out, b"x-forwarded-proto", proto.as_bytes());
    if let Some(host) = host {
        write::field(out, b"x-forwarded-host", host);
    }
    write::field(out, b"via", VIA);
}

/// Scheme and host by which the client has reached us, or a proxy that we trust.
pub(super) fn origin<'a>(job: &Job<'a>) -> (&'static str, Option<&'a [u8]>) {
    let fields = &job.arrival.head.fields;
    let peer = job.arrival.peer;
    let proto = peer.onward_x_forwarded_proto(fields.get(Known::ForwardedProto), job.arrival.tls);
    let host = fields.get(Known::ForwardedHost).filter(|_| peer.is_trusted()).or(fields.get(Known::Host));
    (proto, host)
}
