//! JSON-RPC error bodies.

use serde::Serialize;

use super::{Asked, Failure, Scope};
use crate::era::ProtocolVersion;
use crate::id::RawId;

/// A JSON-RPC error. Without an id the member is absent, as MCP allows; it is never `null`, on which clients hang.
///
/// `data` is JSON text, or `None` for no such member; the caller vouches that it is JSON.
#[must_use]
pub fn error_body(id: Option<RawId<'_>>, code: i32, message: &str, data: Option<&str>) -> Vec<u8> {
    let mut out = Vec::with_capacity(160);
    write_error(&mut out, id, code, message, data);
    out
}

/// What the gateway says of a failure beyond code and message.
#[derive(Serialize)]
struct Data<'a> {
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    supported: Option<Vec<&'static str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requested: Option<&'a str>,
}

pub(super) fn of(failure: &Failure<'_>, scope: Scope, asked: Asked<'_>) -> Vec<u8> {
    let (code, message, data) = (failure.code(scope), failure.message(), data(failure));
    let one = |id| error_body(id, code, message, Some(&data));
    match asked {
        Asked::Unknown | Asked::Nothing => one(None),
        Asked::One(id) => one(Some(id)),
        Asked::Many(ids) => {
            let mut out = Vec::with_capacity(2 + ids.len() * 200);
            out.push(b'[');
            for (at, id) in ids.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_error(&mut out, Some(*id), code, message, Some(&data));
            }
            out.push(b']');
            out
        }
    }
}

fn data(failure: &Failure<'_>) -> String {
    let mut data = Data { reason: failure.reason(), detail: None, supported: None, requested: None };
    let names =
        |versions: &[ProtocolVersion]| Some(versions.iter().map(|version| version.as_str()).collect());
    match failure {
        Failure::HeaderMismatch { detail } => data.detail = Some(detail),
        Failure::VersionUnsupported { requested, supported } => {
            data.requested = Some(requested);
            data.supported = names(supported);
        }
        Failure::EraNotServed { supported } => data.supported = names(supported),
        _ => {}
    }
    // Strings and lists of strings always have a JSON form.
    serde_json::to_string(&data).unwrap_or_default()
}

fn write_error(out: &mut Vec<u8>, id: Option<RawId<'_>>, code: i32, message: &str, data: Option<&str>) {
    out.extend_from_slice(br#"{"jsonrpc":"2.0","#);
    if let Some(id) = id {
        out.extend_from_slice(br#""id":"#);
        out.extend_from_slice(id.as_json().as_bytes());
        out.push(b',');
    }
    let message = serde_json::to_string(message).unwrap_or_default();
    out.extend_from_slice(format!(r#""error":{{"code":{code},"message":{message}"#).as_bytes());
    if let Some(data) = data {
        out.extend_from_slice(br#","data":"#);
        out.extend_from_slice(data.as_bytes());
    }
    out.extend_from_slice(b"}}");
}
