//! What does an answer say of the hub? Tables, without I/O.
//!
//! | answer | outcome | era |
//! |---|---|---|
//! | 5xx | `Http5xx` | |
//! | JSON-RPC error −32603, whatever the status | `RpcTransportError` | |
//! | 200 with JSON-RPC error −32000 or −32001: connection closed, request timed out, as the SDKs call them | `RpcTransportError`: the hub's own upstream is lost | |
//! | 2xx without the answer to our request | `RpcTransportError`: it is not MCP that answers there | |
//! | 401, 403, 407: it wants credentials, which probes have none of; 429; 3xx | `Ok`, and the reason is told | nothing |
//!
//! To `server/discover`:
//!
//! | answer | outcome | era |
//! |---|---|---|
//! | result | `Ok` | modern; legacy too where `supportedVersions` names such a one, else it is asked for |
//! | −32022 (this version is not served) | `Ok` | those of `data.supported` |
//! | −32020, −32021 (headers or capabilities are lacking) | `Ok`, and the reason is told | modern |
//! | −32601, or −32602 with 200 (the method is not known) | `Ok` | legacy |
//! | any other error with 4xx (no such session, no such version) | `Ok` | legacy |
//! | 400, 422, or 404 for the session that does not exist, as text | `Ok` | legacy |
//! | 404, 410 where no session was named, not JSON-RPC | `RpcTransportError`: the endpoint is gone from there | |
//! | other 4xx | `Ok`, and the reason is told | nothing |
//!
//! To `ping` in a session that does not exist:
//!
//! | answer | outcome | era |
//! |---|---|---|
//! | result (a hub without sessions) | `Ok` | legacy |
//! | −32022 | `Ok` | not legacy, and those of `data.supported` |
//! | any other error (400 and 404, as the SDKs answer) | `Ok` | legacy |
//! | 400, 404, 422 as text | `Ok` | legacy |
//! | other 4xx | `Ok`, and the reason is told | nothing |

use crate::upstream::hear::Heard;
use crate::upstream::hear::ID;
use mcphub_health::Outcome;
use mcphub_mcp::{ProtocolVersion, RawId};
use serde::Deserialize;
use serde_json::value::RawValue;

const INTERNAL: i64 = -32_603;
const INVALID_PARAMS: i64 = -32_602;
const UNKNOWN_METHOD: i64 = -32_601;
const VERSION_UNSUPPORTED: i64 = -32_022;
const CAPABILITY_MISSING: i64 = -32_021;
const HEADER_MISMATCH: i64 = -32_020;
/// What the SDKs say when the server behind them is gone: connection closed, request timed out.
const UPSTREAM_LOST: [i64; 2] = [-32_000, -32_001];

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) outcome: Outcome,
    /// Whether the hub serves the modern era, if that is told.
    pub(super) modern: Option<bool>,
    /// Whether it serves the legacy era, if that is told.
    pub(super) legacy: Option<bool>,
    /// For operators, in our own words.
    pub(super) why: Option<String>,
}

impl Verdict {
    fn ok(modern: Option<bool>, legacy: Option<bool>) -> Self {
        Self { outcome: Outcome::Ok, modern, legacy, why: None }
    }

    fn odd(why: impl Into<String>) -> Self {
        Self { why: Some(why.into()), ..Self::ok(None, None) }
    }

    fn failed(outcome: Outcome, why: impl Into<String>) -> Self {
        Self { outcome, modern: None, legacy: None, why: Some(why.into()) }
    }
}

/// What a body says, as JSON-RPC.
enum Said<'a> {
    /// A result for us.
    Result(&'a RawValue),
    /// An error; refusals often lack our id.
    Error { code: i64, data: Option<&'a RawValue> },
    /// Neither.
    Else,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<ErrorMember<'a>>,
}

#[derive(Deserialize)]
struct ErrorMember<'a> {
    code: i64,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

impl Heard {
    fn said(&self) -> Said<'_> {
        // A derived reader would take the first items of an array for the members.
        let Some(body) = self.body.as_deref().filter(|body| body.trim_ascii_start().starts_with(b"{")) else {
            return Said::Else;
        };
        match serde_json::from_slice::<Message<'_>>(body) {
            Ok(Message { result: None, error: Some(error), .. }) => {
                Said::Error { code: error.code, data: error.data }
            }
            Ok(Message { result: Some(result), error: None, id: Some(id) })
                if RawId::parse(id.get()) == RawId::parse(ID) =>
            {
                Said::Result(result)
            }
            _ => Said::Else,
        }
    }

    fn is_success(&self) -> bool {
        self.status < 300
    }
}

/// What is the same whatever was asked.
fn common(heard: &Heard) -> Option<Verdict> {
    match heard.status {
        status @ 500.. => return Some(Verdict::failed(Outcome::Http5xx, format!("answered {status}"))),
        status @ (401 | 403 | 407) => return Some(Verdict::odd(format!("wants credentials ({status})"))),
        429 => return Some(Verdict::odd("finds our probes too many (429)")),
        status @ 300..=399 => {
            return Some(Verdict::odd(format!("redirects ({status}): write where to in its url")));
        }
        _ => {}
    }
    match heard.said() {
        Said::Error { code: INTERNAL, .. } => Some(rpc_failed(INTERNAL)),
        Said::Error { code, .. } if heard.is_success() && UPSTREAM_LOST.contains(&code) => {
            Some(rpc_failed(code))
        }
        Said::Else if heard.is_success() => Some(Verdict::failed(
            Outcome::RpcTransportError,
            match heard.body {
                None => format!("answered {} with more than is read of a probe", heard.status),
                Some(_) => format!("answered {} without a JSON-RPC answer", heard.status),
            },
        )),
        _ => None,
    }
}

fn rpc_failed(code: i64) -> Verdict {
    Verdict::failed(Outcome::RpcTransportError, format!("JSON-RPC error {code}"))
}

/// The answer to `server/discover`; `in_session` where the session that does not exist was named.
pub(super) fn discover(heard: &Heard, in_session: bool) -> Verdict {
    if let Some(verdict) = common(heard) {
        return verdict;
    }
    let legacy_only = || Verdict::ok(Some(false), Some(true));
    match heard.said() {
        Said::Result(result) => discovered(result),
        Said::Error { code: VERSION_UNSUPPORTED, data } => {
            let (modern, legacy) = supported(data);
            Verdict {
                why: Some("does not serve 2026-07-28".into()),
                ..Verdict::ok(Some(modern), Some(legacy))
            }
        }
        Said::Error { code: code @ (HEADER_MISMATCH | CAPABILITY_MISSING), .. } => Verdict {
            why: Some(format!("refuses server/discover (JSON-RPC error {code})")),
            ..Verdict::ok(Some(true), None)
        },
        Said::Error { code: UNKNOWN_METHOD, .. } => legacy_only(),
        Said::Error { code: INVALID_PARAMS, .. } if heard.is_success() => legacy_only(),
        Said::Error { code, .. } if heard.is_success() => Verdict::odd(format!("JSON-RPC error {code}")),
        Said::Error { .. } => legacy_only(),
        Said::Else => match heard.status {
            400 | 422 if !heard.html => legacy_only(),
            404 if in_session && !heard.html => legacy_only(),
            status @ (404 | 410) if !in_session => {
                Verdict::failed(Outcome::RpcTransportError, format!("no MCP endpoint there ({status})"))
            }
            status => Verdict::odd(format!("answered {status}")),
        },
    }
}

/// The answer to `ping` in a session that does not exist.
pub(super) fn ping(heard: &Heard) -> Verdict {
    if let Some(verdict) = common(heard) {
        return verdict;
    }
    match heard.said() {
        Said::Error { code: VERSION_UNSUPPORTED, data } => {
            let (modern, _) = supported(data);
            Verdict::ok(Some(modern), Some(false))
        }
        Said::Result(_) | Said::Error { .. } => Verdict::ok(None, Some(true)),
        Said::Else => match heard.status {
            400 | 404 | 422 if !heard.html => Verdict::ok(None, Some(true)),
            status => Verdict::odd(format!("answered {status}")),
        },
    }
}

fn discovered(result: &RawValue) -> Verdict {
    #[derive(Deserialize)]
    struct Discovered<'a> {
        #[serde(borrow, rename = "supportedVersions")]
        versions: Option<&'a RawValue>,
    }
    let versions = serde_json::from_str::<Discovered<'_>>(result.get()).ok().and_then(|d| d.versions);
    let Some((modern, legacy)) = versions.and_then(eras_of) else {
        return Verdict::odd("its server/discover names no versions");
    };
    // Some servers name modern versions only, whatever else they serve.
    Verdict::ok(Some(modern), legacy.then_some(true))
}

/// Whether a list of versions has a modern one, and a legacy one. `None` for what is no list.
fn eras_of(versions: &RawValue) -> Option<(bool, bool)> {
    let versions: Vec<&RawValue> = serde_json::from_str(versions.get()).ok()?;
    let known = versions.iter().filter_map(|version| {
        ProtocolVersion::parse(version.get().strip_prefix('"')?.strip_suffix('"')?.as_bytes())
    });
    Some(known.fold((false, false), |(modern, legacy), version| {
        (modern || version.is_modern(), legacy || !version.is_modern())
    }))
}

fn supported(data: Option<&RawValue>) -> (bool, bool) {
    #[derive(Deserialize)]
    struct Data<'a> {
        #[serde(borrow)]
        supported: Option<&'a RawValue>,
    }
    let data = data.and_then(|data| serde_json::from_str::<Data<'_>>(data.get()).ok());
    data.and_then(|data| data.supported).and_then(eras_of).unwrap_or_default()
}

/// What a page of `tools/list` says.
#[derive(Debug)]
pub(super) enum Page<'a> {
    /// The tool is there.
    Found,
    /// It is not, and the list goes on from here.
    More(&'a RawValue),
    /// It is not there, or it cannot be told.
    End(Verdict),
}

/// The answer to `tools/list`, searched for a tool.
pub(super) fn tools<'a>(heard: &'a Heard, wanted: &str) -> Page<'a> {
    #[derive(Deserialize)]
    struct Tools<'a> {
        #[serde(borrow)]
        tools: Vec<Tool<'a>>,
        #[serde(borrow, rename = "nextCursor")]
        next: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Tool<'a> {
        #[serde(borrow)]
        name: std::borrow::Cow<'a, str>,
    }
    if let Some(verdict) = common(heard) {
        return Page::End(verdict);
    }
    let flaw = |why: String| Page::End(Verdict::failed(Outcome::RpcTransportError, why));
    match heard.said() {
        Said::Result(result) => match serde_json::from_str::<Tools<'_>>(result.get()) {
            Ok(list) if list.tools.iter().any(|tool| tool.name == wanted) => Page::Found,
            Ok(Tools { next: Some(next), .. }) if next.get().starts_with('"') => Page::More(next),
            Ok(_) => flaw(format!("does not list the tool {wanted}")),
            Err(_) => flaw("its tools/list is malformed".into()),
        },
        Said::Error { code, .. } => flaw(format!("tools/list: JSON-RPC error {code}")),
        Said::Else => flaw(format!("tools/list: answered {}", heard.status)),
    }
}

/// A list of tools that goes on for too long.
pub(super) fn endless_tools() -> Verdict {
    Verdict::failed(Outcome::RpcTransportError, "its tools/list does not end")
}

/// The answer to the canary call.
pub(super) fn canary(heard: &Heard) -> Verdict {
    #[derive(Deserialize)]
    struct Called<'a> {
        #[serde(default, rename = "isError")]
        is_error: bool,
        #[serde(borrow, rename = "resultType")]
        result_type: Option<&'a RawValue>,
    }
    if let Some(verdict) = common(heard) {
        return verdict;
    }
    let failed = |why: String| Verdict::failed(Outcome::RpcTransportError, why);
    match heard.said() {
        Said::Result(result) => match serde_json::from_str::<Called<'_>>(result.get()) {
            Ok(Called { is_error: true, .. }) => failed("the canary call reports an error".into()),
            Ok(Called { result_type: Some(kind), .. }) if kind.get() != "\"complete\"" => {
                failed("the canary call does not complete".into())
            }
            Ok(_) => Verdict::ok(None, None),
            Err(_) => failed("the canary call's result is malformed".into()),
        },
        Said::Error { code, .. } => failed(format!("the canary call: JSON-RPC error {code}")),
        Said::Else => failed(format!("the canary call: answered {}", heard.status)),
    }
}

#[cfg(test)]
mod tests;
