//! *What is in this body?* The envelope of a legacy POST, read whole, built never.
//!
//! Everything is borrowed from the body. The reading is strict where two readers could differ (duplicate keys, trailing
//! bytes, invalid UTF-8, odd ids) and silent about what is the hub's to judge (unknown members, parameters' types).

mod plain;

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::id::RawId;
use crate::json::{self, DUPLICATE_KEY, Keys, Text};
use crate::methods::{Class, MethodName};
use crate::reply::{Asked, Failure};

/// Deepest nesting taken of a client, levels. Tool arguments rarely reach ten; common JSON readers recurse and stop, or
/// fall over, somewhere above a hundred.
pub const DEPTH_MAX: usize = 64;

/// Most messages in one batch. Only 2025-03-26 has batches, and its clients send a handful.
pub const BATCH_MAX: usize = 1_024;

/// A body, as far as the gateway must know it.
#[derive(Debug)]
pub struct Envelope<'a> {
    /// Which of the shapes of JSON-RPC it is.
    pub kind: Kind<'a>,
    /// `params.name`: the tool of a `tools/call`, the prompt of a `prompts/get`.
    pub name: Option<Cow<'a, str>>,
    /// `params.uri`: what `resources/read` and the subscriptions are about.
    pub uri: Option<Cow<'a, str>>,
    /// `params.taskId`.
    pub task_id: Option<Cow<'a, str>>,
    /// `params._meta.progressToken`: the client wants to hear of progress.
    pub progress_token: Option<RawId<'a>>,
}

/// The shapes of a JSON-RPC body.
#[derive(Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// Wants an answer.
    Request {
        /// What the answer must carry.
        id: RawId<'a>,
        /// The method, unescaped.
        method: MethodName<'a>,
    },
    /// Wants none.
    Notification {
        /// The method, unescaped.
        method: MethodName<'a>,
    },
    /// Answers a request of the hub.
    Response {
        /// The id the hub gave.
        id: RawId<'a>,
    },
    /// Several messages at once (2025-03-26 only): goes whole to one hub and is never repeated.
    Batch {
        /// How many messages, 1 to [`BATCH_MAX`].
        count: usize,
        /// The ids that want answers, in order.
        ids: Vec<RawId<'a>>,
    },
}

impl<'a> Envelope<'a> {
    /// The method of a request or notification.
    #[must_use]
    pub fn method(&self) -> Option<&MethodName<'a>> {
        match &self.kind {
            Kind::Request { method, .. } | Kind::Notification { method } => Some(method),
            Kind::Response { .. } | Kind::Batch { .. } => None,
        }
    }

    /// What the body does. Batches and answers are [`Class::Other`]: forwarded, never repeated.
    #[must_use]
    pub fn class(&self) -> Class {
        self.method().map_or(Class::Other, MethodName::class)
    }

    /// Whether this is the request that opens a session; everything else belongs to one that is open (or to a hub
    /// that keeps none).
    #[must_use]
    pub fn opens_session(&self) -> bool {
        matches!(&self.kind, Kind::Request { method, .. } if method.class() == Class::Initialize)
    }

    /// The tool of a `tools/call`.
    #[must_use]
    pub fn tool(&self) -> Option<&str> {
        let calls = self.class() == Class::ToolCall;
        if calls { self.name.as_deref() } else { None }
    }

    /// Whose answer a failure must be.
    #[must_use]
    pub fn asked(&self) -> Asked<'_> {
        match &self.kind {
            Kind::Request { id, .. } => Asked::One(*id),
            Kind::Notification { .. } | Kind::Response { .. } => Asked::Nothing,
            Kind::Batch { ids, .. } if ids.is_empty() => Asked::Nothing,
            Kind::Batch { ids, .. } => Asked::Many(ids),
        }
    }
}

/// Why a body is not forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not valid UTF-8.
    #[error("the body is not UTF-8")]
    NotUtf8,
    /// Not one whole JSON value.
    #[error("the body is not JSON")]
    NotJson,
    /// Nested deeper than the limit.
    #[error("the body nests too deep")]
    TooDeep,
    /// The message or its `params` has one key twice.
    #[error("a key of the message or its params occurs twice")]
    DuplicateKey,
    /// An id that is neither string nor integer.
    #[error("the id is neither a string nor an integer")]
    BadId,
    /// JSON, but no message.
    #[error("not a JSON-RPC message: {0}")]
    NotAMessage(&'static str),
}

impl EnvelopeError {
    /// The failure to answer with.
    #[must_use]
    pub fn failure(self) -> Failure<'static> {
        match self {
            Self::NotUtf8 | Self::NotJson => Failure::BadJson,
            Self::TooDeep | Self::DuplicateKey | Self::BadId | Self::NotAMessage(_) => Failure::BadEnvelope,
        }
    }
}

/// Reads the envelope of `body`, nested at most `depth_limit` deep ([`DEPTH_MAX`] is the usual limit).
///
/// Takes time linear in the body and, for a body of many keys, memory of the same order; recursion is bounded.
pub fn peek(body: &[u8], depth_limit: usize) -> Result<Envelope<'_>, EnvelopeError> {
    let text = std::str::from_utf8(body).map_err(|_| EnvelopeError::NotUtf8)?;
    if let Some(envelope) = plain::read(text, depth_limit) {
        return Ok(envelope);
    }
    thorough(text, depth_limit)
}

/// Reads any body, and knows why one is refused.
fn thorough(text: &str, depth_limit: usize) -> Result<Envelope<'_>, EnvelopeError> {
    let body = text.as_bytes();
    let is_batch = body.trim_ascii_start().first() == Some(&b'[');
    let envelope = if is_batch {
        serde_json::from_str::<Batch<'_>>(text).map_err(|error| why(&error))?.envelope()
    } else {
        serde_json::from_str::<Message<'_>>(text).map_err(|error| why(&error))?.envelope()
    }?;
    // After the parse, so that the walk may take the brackets and quotes at their word.
    if json::deeper_than(body, depth_limit) {
        return Err(EnvelopeError::TooDeep);
    }
    Ok(envelope)
}

/// The `params` of a message as they stand in the body: what an `initialize` is repeated with. `None` if there are
/// none, or if `body` is not a single message that [`peek`] takes.
#[must_use]
pub fn params(body: &[u8]) -> Option<&str> {
    #[derive(Deserialize)]
    struct WithParams<'a> {
        #[serde(borrow)]
        params: Option<&'a RawValue>,
    }
    let text = std::str::from_utf8(body).ok()?;
    serde_json::from_str::<WithParams<'_>>(text).ok()?.params.map(RawValue::get)
}

/// The members of a message.
const MEMBERS: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];

/// The commonest parameters.
const PARAMETERS: [&str; 9] = [
    "name",
    "arguments",
    "_meta",
    "uri",
    "taskId",
    "cursor",
    "protocolVersion",
    "capabilities",
    "clientInfo",
];

const NO_OBJECT: &str = "a message is an object";
const BATCH_EMPTY: &str = "an empty batch";
const BATCH_LONG: &str = "too many messages in a batch";
const PARAMS_SHAPE: &str = "params is not an object";

/// Turns serde's error into ours. Not on the way of a good request.
fn why(error: &serde_json::Error) -> EnvelopeError {
    if !error.is_data() {
        return EnvelopeError::NotJson;
    }
    let text = error.to_string();
    if text.starts_with(DUPLICATE_KEY) || text.starts_with("duplicate field") {
        return EnvelopeError::DuplicateKey;
    }
    let known = [BATCH_LONG, PARAMS_SHAPE].into_iter().find(|reason| text.starts_with(reason));
    EnvelopeError::NotAMessage(known.unwrap_or(NO_OBJECT))
}

/// One message, before it is known to be one.
#[derive(Default)]
struct Message<'a> {
    version: Option<Text<'a>>,
    id: Option<&'a RawValue>,
    method: Option<Text<'a>>,
    params: Params<'a>,
    result: bool,
    error: bool,
}

impl<'a> Message<'a> {
    fn kind(&mut self) -> Result<Kind<'a>, EnvelopeError> {
        if self.version.take().is_none_or(|version| version.0 != "2.0") {
            return Err(EnvelopeError::NotAMessage("jsonrpc is not \"2.0\""));
        }
        let id = self.id.map(|raw| RawId::from_raw(raw).ok_or(EnvelopeError::BadId)).transpose()?;
        match (self.method.take(), id, self.result, self.error) {
            (Some(method), Some(id), false, false) => {
                Ok(Kind::Request { id, method: MethodName::new(method.0) })
            }
            (Some(method), None, false, false) => {
                Ok(Kind::Notification { method: MethodName::new(method.0) })
            }
            (None, Some(id), true, false) | (None, Some(id), false, true) => Ok(Kind::Response { id }),
            _ => Err(EnvelopeError::NotAMessage("neither request, notification nor response")),
        }
    }

    fn envelope(mut self) -> Result<Envelope<'a>, EnvelopeError> {
        let kind = self.kind()?;
        let Params { name, uri, task_id, progress_token } = self.params;
        Ok(Envelope { kind, name, uri, task_id, progress_token })
    }
}

impl<'de> Deserialize<'de> for Message<'de> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Message<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a message")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut message, mut keys) = (Message::default(), Keys::new(&MEMBERS));
                while let Some(Text(key)) = map.next_key()? {
                    match &*key {
                        "jsonrpc" => message.version = Some(map.next_value()?),
                        "id" => message.id = Some(map.next_value()?),
                        "method" => message.method = Some(map.next_value()?),
                        "params" => message.params = map.next_value()?,
                        "result" => message.result = map.next_value::<IgnoredAny>().map(|_| true)?,
                        "error" => message.error = map.next_value::<IgnoredAny>().map(|_| true)?,
                        _ => _ = map.next_value::<IgnoredAny>()?,
                    }
                    keys.note(key)?;
                }
                keys.distinct()?;
                Ok(message)
            }
        }
        source.deserialize_map(Reader)
    }
}

/// The parameters that name what a request is about.
#[derive(Default)]
struct Params<'a> {
    name: Option<Cow<'a, str>>,
    uri: Option<Cow<'a, str>>,
    task_id: Option<Cow<'a, str>>,
    progress_token: Option<RawId<'a>>,
}

impl<'de> Deserialize<'de> for Params<'de> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Params<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("params")
            }

            // JSON-RPC has no `null` params, but clients with optional fields send it for "none".
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Params::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
                Err(A::Error::custom(PARAMS_SHAPE))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut params, mut keys) = (Params::default(), Keys::new(&PARAMETERS));
                while let Some(Text(key)) = map.next_key()? {
                    match &*key {
                        "name" => params.name = text(map.next_value()?)?,
                        "uri" => params.uri = text(map.next_value()?)?,
                        "taskId" => params.task_id = text(map.next_value()?)?,
                        "_meta" => params.progress_token = progress_token(map.next_value()?)?,
                        _ => _ = map.next_value::<IgnoredAny>()?,
                    }
                    keys.note(key)?;
                }
                keys.distinct()?;
                Ok(params)
            }
        }
        source.deserialize_any(Reader)
    }
}

/// A string if it is one; what else a parameter may be is the hub's affair. A string that means no text (a lone
/// surrogate) is refused, since it could not be compared with anything.
fn text<E: serde::de::Error>(raw: &RawValue) -> Result<Option<Cow<'_, str>>, E> {
    if !raw.get().starts_with('"') {
        return Ok(None);
    }
    json::decode(raw.get()).map(Some).ok_or_else(|| E::custom("a string is not text"))
}

/// The progress token inside `_meta`, which a stranger may have made anything at all.
fn progress_token<E: serde::de::Error>(meta: &RawValue) -> Result<Option<RawId<'_>>, E> {
    #[derive(Deserialize)]
    struct Meta<'a> {
        #[serde(borrow, rename = "progressToken")]
        token: Option<&'a RawValue>,
    }
    if !meta.get().starts_with('{') {
        return Ok(None);
    }
    let meta: Meta<'_> = serde_json::from_str(meta.get()).map_err(E::custom)?;
    Ok(meta.token.and_then(RawId::from_raw))
}

/// An array of messages.
struct Batch<'a>(Vec<Message<'a>>);

impl<'a> Batch<'a> {
    fn envelope(self) -> Result<Envelope<'a>, EnvelopeError> {
        let count = self.0.len();
        if count == 0 {
            return Err(EnvelopeError::NotAMessage(BATCH_EMPTY));
        }
        let mut ids = Vec::new();
        for mut message in self.0 {
            match message.kind()? {
                Kind::Request { method, .. } if method.class() == Class::Initialize => {
                    return Err(EnvelopeError::NotAMessage("initialize inside a batch"));
                }
                Kind::Request { id, .. } => ids.push(id),
                _ => {}
            }
        }
        let kind = Kind::Batch { count, ids };
        Ok(Envelope { kind, name: None, uri: None, task_id: None, progress_token: None })
    }
}

impl<'de> Deserialize<'de> for Batch<'de> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Batch<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a batch")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut messages = Vec::new();
                while let Some(message) = items.next_element()? {
                    if messages.len() == BATCH_MAX {
                        return Err(A::Error::custom(BATCH_LONG));
                    }
                    messages.push(message);
                }
                Ok(Batch(messages))
            }
        }
        source.deserialize_seq(Reader)
    }
}

#[cfg(test)]
mod tests;
