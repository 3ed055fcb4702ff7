//! *Where does an event end, and what is in it?* Server-sent events, cut out of a stream of bytes.
//!
//! Only whole events may go to a client: a torn one dies with its hub, and the next may come from another hub.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::id::RawId;
use crate::plain;

mod split;
mod write;

pub use split::{EventSplitter, EventTooLarge, Events, events, last_event};
pub use write::{KEEP_ALIVE, copy_with_id, replace_data, write_event, write_retry};

/// One event's fields, borrowed from its bytes.
///
/// A byte order mark at the head of a stream is not looked for: no MCP server sends one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event<'a> {
    /// The last `id:` line; never with NUL, which the standard says to ignore. May be empty: that clears the cursor.
    pub id: Option<&'a [u8]>,
    /// The last `event:` line.
    pub event: Option<&'a [u8]>,
    /// The `data:` lines joined by `\n`; `None` if there was no such line. An empty one is the priming event of
    /// 2025-11-25.
    pub data: Option<Cow<'a, [u8]>>,
    /// The last `retry:` line made of digits, in milliseconds.
    pub retry: Option<u64>,
    /// Whether there was a comment line.
    pub comment: bool,
}

impl<'a> Event<'a> {
    /// Reads the bytes of one event, with or without the empty line at its end. Unknown fields are ignored, as the
    /// standard asks, so any bytes are some event.
    #[must_use]
    pub fn parse(block: &'a [u8]) -> Self {
        let mut event = Self::default();
        for line in split::lines(block) {
            let (field, value) = split::field(line);
            match field {
                b"" if line.first() == Some(&b':') => event.comment = true,
                b"id" if !value.contains(&0) => event.id = Some(value),
                b"event" => event.event = Some(value),
                b"retry" => event.retry = digits(value).or(event.retry),
                b"data" => event.data = Some(joined(event.data.take(), value)),
                _ => {}
            }
        }
        event
    }

    /// Whether there is nothing in it but comments: a keep-alive.
    #[must_use]
    pub fn is_comment(&self) -> bool {
        self.comment
            && self.id.is_none()
            && self.event.is_none()
            && self.data.is_none()
            && self.retry.is_none()
    }
}

fn joined<'a>(before: Option<Cow<'a, [u8]>>, value: &'a [u8]) -> Cow<'a, [u8]> {
    let Some(before) = before else { return Cow::Borrowed(value) };
    let mut whole = before.into_owned();
    whole.push(b'\n');
    whole.extend_from_slice(value);
    Cow::Owned(whole)
}

fn digits(value: &[u8]) -> Option<u64> {
    let all = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    if all { std::str::from_utf8(value).ok()?.parse().ok() } else { None }
}

/// Whether the `data` of an event is the answer to the request `id`: a message with that id and a `result` or an
/// `error`, alone or in a batch. A notification that merely talks about results is not.
#[must_use]
pub fn answer_of(data: &[u8], id: &RawId<'_>) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    if data.trim_ascii_start().first() == Some(&b'[') {
        let Ok(Replies(replies)) = serde_json::from_str(text) else { return false };
        return replies.iter().any(|reply| reply.answers(id));
    }
    match everyday(text) {
        Some(reply) => reply.answers(id),
        None => serde_json::from_str::<Reply<'_>>(text).is_ok_and(|reply| reply.answers(id)),
    }
}

/// An everyday answer. One whose id is `null` has none for the thorough reader: its affair.
fn everyday(text: &str) -> Option<Reply<'_>> {
    let plain::Answer { id, result, error } =
        plain::answer(text).filter(|answer| answer.id != Some("null"))?;
    Some(Reply { id, method: false, result: result.is_some(), error: error.is_some() })
}

/// As much of a message as tells an answer.
#[derive(Debug, Default, PartialEq, Deserialize)]
struct Reply<'a> {
    #[serde(borrow, default, deserialize_with = "raw")]
    id: Option<&'a str>,
    #[serde(default, deserialize_with = "present")]
    method: bool,
    #[serde(default, deserialize_with = "present")]
    result: bool,
    #[serde(default, deserialize_with = "present")]
    error: bool,
}

impl Reply<'_> {
    fn answers(&self, id: &RawId<'_>) -> bool {
        !self.method
            && self.result != self.error
            && self.id.and_then(RawId::parse).is_some_and(|ours| ours == *id)
    }
}

fn raw<'de: 'a, 'a, D: Deserializer<'de>>(source: D) -> Result<Option<&'a str>, D::Error> {
    Ok(Option::<&RawValue>::deserialize(source)?.map(RawValue::get))
}

fn present<'de, D: Deserializer<'de>>(source: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(source).map(|_| true)
}

/// A batch of answers; other elements count as nothing.
struct Replies<'a>(Vec<Reply<'a>>);

impl<'de> Deserialize<'de> for Replies<'de> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Replies<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a batch")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut replies = Vec::new();
                while let Some(reply) = items.next_element()? {
                    replies.push(reply);
                }
                Ok(Replies(replies))
            }
        }
        source.deserialize_seq(Reader)
    }
}

#[cfg(test)]
mod tests;
