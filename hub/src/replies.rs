//! What does the hub say itself, without the SDK?

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::{json, value::RawValue};

use crate::body::Answer;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// An answer on its way out.
pub(crate) type Reply = Response<Answer>;

/// As much of a message as the front needs to know.
#[derive(Deserialize)]
pub(crate) struct Peek<'a> {
    #[serde(borrow)]
    pub(crate) id: Option<&'a RawValue>,
    pub(crate) method: Option<&'a RawValue>,
}

/// The id and method of a body, if it is one JSON object.
pub(crate) fn peek(body: &[u8]) -> Option<Peek<'_>> {
    // A derived reader would take the first items of an array for the fields.
    let object = body.trim_ascii_start().starts_with(b"{");
    object.then(|| serde_json::from_slice(body).ok()).flatten()
}

/// The SDK calls a body that is no JSON, or JSON but no message, an unsupported media type, in plain text. JSON-RPC
/// has codes for both, and 415 is for the header.
pub(crate) fn unreadable(body: &[u8]) -> Reply {
    let (code, message) = match serde_json::from_slice::<&RawValue>(body) {
        Err(_) => (-32_700, "Parse error: the body is not JSON"),
        Ok(_) => (-32_600, "Invalid Request: the body is not one JSON-RPC message"),
    };
    let id = peek(body).and_then(|peek| peek.id).unwrap_or(RawValue::NULL);
    json_reply(
        StatusCode::BAD_REQUEST,
        &json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } }),
    )
}

pub(crate) fn reply(status: StatusCode, kind: HeaderValue, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Answer::full(body));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, kind);
    reply
}

pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    let body = body.into();
    if body.is_empty() {
        let mut reply = Response::new(Answer::full(body));
        *reply.status_mut() = status;
        return reply;
    }
    reply(status, HeaderValue::from_static("text/plain; charset=utf-8"), body)
}

pub(crate) fn json_reply(status: StatusCode, body: &impl serde::Serialize) -> Reply {
    match serde_json::to_vec(body) {
        Ok(body) => reply(status, JSON, body),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

pub(crate) fn busy(why: &'static str) -> Reply {
    let mut reply = text(StatusCode::SERVICE_UNAVAILABLE, why);
    reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    reply
}
