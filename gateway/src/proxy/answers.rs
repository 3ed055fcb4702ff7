//! Is the answer to a request in what a hub has said, and what does it say?

use super::exchange::Job;
use mcphub_mcp::sse::{events, last_event};
use mcphub_mcp::{Asked, Event, sse};
use std::borrow::Cow;

/// Whether this event is the answer to the job's request.
pub(super) fn is_answer(job: &Job<'_>, event: &[u8]) -> bool {
    let event = Event::parse(event);
    let Some(data) = &event.data else { return false };
    job.with_asked(|asked| match asked {
        Asked::One(id) => sse::answer_of(data, &id),
        Asked::Many(ids) => ids.iter().any(|id| sse::answer_of(data, id)),
        Asked::Nothing | Asked::Unknown => true,
    })
}

/// The answer to the job's request in a body, or among the whole events held.
pub(super) fn answer_in<'h>(job: &Job<'_>, held: &'h [u8]) -> Option<Cow<'h, [u8]>> {
    if held.trim_ascii_start().first() == Some(&b'{') {
        return Some(Cow::Borrowed(held));
    }
    events(held).find(|event| is_answer(job, event)).and_then(|event| Event::parse(event).data)
}

/// Whether the answer to the job's request is among the whole events held. Nearly always it is the last of them.
pub(super) fn has_answer(job: &Job<'_>, held: &[u8]) -> bool {
    last_event(held).is_some_and(|last| is_answer(job, last))
        || events(held).any(|event| is_answer(job, event))
}

/// The protocol version in the result of an `initialize`, whatever the answer came in.
pub(super) fn negotiated(job: &Job<'_>, body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Answer {
        result: Initialized,
    }
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Initialized {
        protocol_version: String,
    }
    let version_in = |data: &[u8]| {
        let answer: Answer = serde_json::from_slice(data).ok()?;
        Some(answer.result.protocol_version)
    };
    version_in(body).or_else(|| {
        let answer = events(body).find(|event| is_answer(job, event))?;
        let data: Cow<'_, [u8]> = Event::parse(answer).data?;
        version_in(&data)
    })
}
