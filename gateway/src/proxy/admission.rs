//! May this be asked here at all?
//!
//! Decided from the head alone, before a byte of the body is read: path, `Host`, `Origin`, method, era, media type.
//! Browsers are kept out unless invited: a page on any site may reach a gateway on the same machine or network by
//! DNS rebinding, so a foreign `Host` or `Origin` is refused whatever else is right.

use mcphub_conf::settings::{AllowedHosts, ListenerSettings};
use mcphub_http1::response::media_type_is;
use mcphub_http1::{Known, Method, RequestHead};
use mcphub_mcp::{EraDecision, Failure, ProtocolVersion, era};
use mcphub_routing::Era;

/// Where OAuth clients look for the resource's metadata (RFC 9728); passed on to a hub.
const METADATA: &str = "/.well-known/oauth-protected-resource";

/// Where an admitted request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint<'a> {
    /// The MCP endpoint, and what the path has below it.
    Mcp {
        /// Empty, or starting with `/`.
        below: &'a str,
    },
    /// A metadata document, at the hub's origin.
    Metadata {
        /// The whole path.
        path: &'a str,
    },
}

/// A request that may go on.
#[derive(Debug, Clone, Copy)]
pub struct Admitted<'a> {
    /// Where to.
    pub endpoint: Endpoint<'a>,
    /// In which era.
    pub era: Era,
}

/// A request that may not.
#[derive(Debug)]
pub struct Refused<'a> {
    /// Why.
    pub failure: Failure<'a>,
    /// The era it was asked in, as far as known.
    pub era: Era,
}

/// Admits or refuses a head.
///
/// # Errors
/// The failure to answer with.
pub fn admit<'a>(listener: &ListenerSettings, head: &'a RequestHead) -> Result<Admitted<'a>, Refused<'a>> {
    let era = era_of(head);
    let refused = |failure| Err(Refused { failure, era });
    let Some(endpoint) = endpoint(&listener.path, head.path()) else { return refused(Failure::UnknownPath) };
    if !host_allowed(&listener.allowed_hosts, head) {
        return refused(Failure::HostNotAllowed);
    }
    if !origin_allowed(&listener.allowed_origins, head) {
        return refused(Failure::OriginNotAllowed);
    }
    if let Endpoint::Metadata { .. } = endpoint {
        return if head.method == Method::Get {
            Ok(Admitted { endpoint, era })
        } else {
            refused(Failure::MethodNotAllowed)
        };
    }
    let method_fits = match era {
        Era::Legacy => matches!(head.method, Method::Get | Method::Post | Method::Delete),
        Era::Modern => head.method == Method::Post,
    };
    if !method_fits {
        return refused(Failure::MethodNotAllowed);
    }
    let json = || media_type_is(head.fields.get(Known::ContentType), b"application/json");
    if head.method == Method::Post && (!json() || is_encoded(head)) {
        return refused(Failure::ContentType);
    }
    if head.method == Method::Get && !accepts(head, "text/event-stream") {
        return refused(Failure::NotAcceptable);
    }
    Ok(Admitted { endpoint, era })
}

/// A version that we do not know is left to the hub, which alone can say what it supports: as a modern request if it
/// is younger than the last legacy revision (they are dates), else as a legacy one.
fn era_of(head: &RequestHead) -> Era {
    match era(head.fields.get(Known::ProtocolVersion)) {
        EraDecision::Modern(_) => Era::Modern,
        EraDecision::Legacy(_) => Era::Legacy,
        EraDecision::Unknown(version) => {
            let dated =
                version.len() == 10 && version.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-');
            let younger = version > ProtocolVersion::V2025_11_25.as_str().as_bytes();
            if dated && younger { Era::Modern } else { Era::Legacy }
        }
    }
}

fn endpoint<'a>(mcp: &str, path: &'a str) -> Option<Endpoint<'a>> {
    let below_of =
        |prefix: &str| path.strip_prefix(prefix).filter(|below| below.is_empty() || below.starts_with('/'));
    if let Some(below) = below_of(mcp.trim_end_matches('/')) {
        return Some(Endpoint::Mcp { below });
    }
    below_of(METADATA).map(|_| Endpoint::Metadata { path })
}

fn host_allowed(allowed: &AllowedHosts, head: &RequestHead) -> bool {
    let AllowedHosts::Only(allowed) = allowed else { return true };
    let Some(host) = head.fields.text(Known::Host) else { return false };
    let (name, port) = split_port(host);
    allowed.iter().any(|entry| {
        name.eq_ignore_ascii_case(&entry.host) && entry.port.is_none_or(|wanted| Some(wanted) == port)
    })
}

/// `name` or `[v6]`, and the port where one is given. The head reader has checked both.
fn split_port(host: &str) -> (&str, Option<u16>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()),
        _ => (host, None),
    }
}

fn origin_allowed(allowed: &[String], head: &RequestHead) -> bool {
    let Some(origin) = head.fields.get(Known::Origin) else { return true };
    let Ok(origin) = std::str::from_utf8(origin) else { return false };
    if allowed.iter().any(|entry| entry.eq_ignore_ascii_case(origin)) {
        return true;
    }
    // A page that was served under our own name may call us. `null` and anything odd has no authority to compare.
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    match (authority, head.fields.text(Known::Host)) {
        (Some(authority), Some(host)) => authority.eq_ignore_ascii_case(host),
        _ => false,
    }
}

/// A body in a content coding would have to be decoded to be read; no MCP client sends one.
fn is_encoded(head: &RequestHead) -> bool {
    head.fields.values(Known::ContentEncoding).any(|value| !value.eq_ignore_ascii_case(b"identity"))
}

/// Whether the client takes this media type.
pub(super) fn accepts(head: &RequestHead, wanted: &str) -> bool {
    let kind = wanted.split('/').next().unwrap_or_default();
    head.fields.values(Known::Accept).flat_map(|value| value.split(|byte| *byte == b',')).any(|range| {
        let range = range.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        range.eq_ignore_ascii_case(wanted.as_bytes())
            || range == b"*/*"
            || range.strip_suffix(b"/*").is_some_and(|prefix| prefix.eq_ignore_ascii_case(kind.as_bytes()))
    })
}
