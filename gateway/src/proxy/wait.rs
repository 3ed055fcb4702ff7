//! How long is a hub's answer waited for, and what ends the waiting?

use super::exchange::{Client, Job};
use crate::clock;
use crate::control::lifecycle::{Phase, reached};
use crate::prompt::PROMPT;
use crate::upstream::{Answer, Hangup, Link, Upstream, answer_limits};
use mcphub_http1::ResponseHead;
use std::time::Instant;
use tokio::time::timeout;

/// What came instead of an answer.
pub(super) enum Instead {
    /// The hub went away, or sent something else.
    Hangup(Hangup),
    /// It did not come in time.
    Late,
    /// The client has gone.
    Left,
    /// We are stopping.
    Ending,
    /// The hub was taken out of service because it answers nothing.
    GivenUp,
}

/// Waits for the head of the answer to a request that was sent at `sent`.
pub(super) async fn for_head(
    job: &Job<'_>,
    upstream: &Upstream,
    link: &mut Link,
    sent: Instant,
    client: &mut Client<'_, '_>,
) -> Result<ResponseHead, Instead> {
    let settings = &job.snapshot.settings;
    let limits = answer_limits(&settings.limits);
    let deadline = settings.upstream.answer_deadline;
    tokio::select! {
        biased;
        answer = Answer::head(link, &limits) => return answer.map_err(Instead::Hangup),
        left = client.down.left_by(sent + PROMPT.min(deadline)) => {
            if left {
                return Err(Instead::Left);
            }
        }
    }
    let rest = deadline.saturating_sub(clock::instant().saturating_duration_since(sent));
    tokio::select! {
        biased;
        answer = timeout(rest, Answer::head(link, &limits)) => match answer {
            Ok(answer) => answer.map_err(Instead::Hangup),
            Err(_) => Err(Instead::Late),
        },
        () = client.down.left() => Err(Instead::Left),
        () = reached(client.phase, Phase::Ending) => Err(Instead::Ending),
        () = upstream.given_up_since(sent) => Err(Instead::GivenUp),
    }
}
