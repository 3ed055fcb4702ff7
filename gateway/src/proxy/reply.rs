//! Answers of our own.

use super::Trace;
use crate::http::Downstream;
use mcphub_http1::{FieldLines, Known, Refusal, RequestHead};
use mcphub_mcp::reply::Answer;
use mcphub_mcp::{Asked, Failure, Scope};
use mcphub_routing::Era;

/// Where a request stood, for the shape of a failure.
pub(super) fn scope_of(era: Era, head: &RequestHead) -> Scope {
    match era {
        Era::Modern => Scope::Modern,
        Era::Legacy if head.fields.get(Known::SessionId).is_some() => Scope::LegacySession,
        Era::Legacy => Scope::Legacy,
    }
}

/// Answers `failure`; errors no longer matter, the client is gone then.
pub(super) async fn fail(
    down: &mut Downstream<'_>,
    trace: &mut Trace,
    failure: &Failure<'_>,
    scope: Scope,
    asked: Asked<'_>,
) {
    send(down, trace, &mcphub_mcp::answer(failure, scope, asked)).await;
}

/// Sends an answer of ours.
pub(super) async fn send(down: &mut Downstream<'_>, trace: &mut Trace, answer: &Answer) {
    trace.answered(answer.status);
    trace.bytes = answer.body.len() as u64;
    if answer.close {
        down.last();
    }
    let _ = down.answer(answer.status, &lines(answer), &answer.body).await;
}

/// The header lines of an answer of ours.
#[must_use]
pub fn lines(answer: &Answer) -> FieldLines {
    let mut lines = FieldLines::new();
    if !answer.body.is_empty() {
        lines.push("content-type", b"application/json");
    }
    if let Some(seconds) = answer.retry_after {
        lines.push("retry-after", seconds.to_string().as_bytes());
    }
    if let Some(allow) = answer.allow {
        lines.push("allow", allow.as_bytes());
    }
    lines
}

/// The failure that bytes which are no sound request are answered with.
#[must_use]
pub fn refusal_of(refusal: Refusal) -> Failure<'static> {
    match refusal {
        Refusal::LineTooLong => Failure::UriTooLong,
        Refusal::HeadTooLarge => Failure::HeadTooLarge,
        _ => Failure::BadHead,
    }
}
