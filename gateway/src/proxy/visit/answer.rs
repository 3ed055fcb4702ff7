//! What does a client hear that no hub answers?

use super::Visit;
use super::lodging::Lodging;
use crate::migrate::Denied;
use crate::proxy::exchange::{Client, Job};
use crate::proxy::streams;
use mcphub_http1::FieldLines;
use mcphub_mcp::{Failure, Scope};
use mcphub_session::event_id::EventIds;
use mcphub_session::migration::{Answer, Kind, Stuck};

impl Visit<'_> {
    /// Answers what no hub answers.
    pub(super) async fn answer(
        &self,
        answer: Answer,
        denied: Option<Box<Denied>>,
        client: &mut Client<'_, '_>,
    ) {
        let job = self.job;
        let lodging = Lodging::of(self.session, &self.session.entry);
        let job = Job { lodging: Some(&lodging), ..*job };
        if let Some(failure) = answer.failure() {
            if answer == Answer::ResumeLost {
                return self.resume_lost(&job, &failure, client).await;
            }
            if matches!(self.kind, Kind::Stream | Kind::Resume { .. }) && answer != Answer::SessionUnknown {
                return self.come_back(&job, &failure, client).await;
            }
            return job.fail(client, &failure).await;
        }
        match (answer, denied) {
            (Answer::Unauthorized, Some(denied)) if client.stream.is_none() => {
                client.trace.answered(denied.status);
                client.trace.bytes = denied.body.len() as u64;
                let _ = client.down.answer(denied.status, &denied.lines, &denied.body).await;
            }
            (Answer::Unauthorized, _) => job.fail(client, &Failure::NoHub).await,
            (Answer::Accepted, _) => self.plain(202, client).await,
            _ => self.plain(200, client).await,
        }
    }

    async fn plain(&self, status: u16, client: &mut Client<'_, '_>) {
        client.trace.answered(status);
        let _ = client.down.answer(status, &FieldLines::new(), &[]).await;
    }

    /// A stream that ends at once, and says when to come back: clients that meet two failures in a row stay deaf.
    async fn come_back(&self, job: &Job<'_>, failure: &Failure<'_>, client: &mut Client<'_, '_>) {
        client.trace.refused(failure);
        let mut out = Vec::new();
        mcphub_mcp::sse::write_retry(&mut out, streams::retry_ms(job));
        self.stream_of(out, client).await;
    }

    /// A whole stream of events.
    async fn stream_of(&self, events: Vec<u8>, client: &mut Client<'_, '_>) {
        let mut lines = FieldLines::new();
        lines.push("content-type", b"text/event-stream");
        lines.push("cache-control", b"no-store");
        client.trace.answered(200);
        client.trace.bytes = events.len() as u64;
        let _ = client.down.answer(200, &lines, &events).await;
    }

    /// A stream whose only event is an error for the request that it was about: clients hang on anything else.
    async fn resume_lost(&self, job: &Job<'_>, failure: &Failure<'_>, client: &mut Client<'_, '_>) {
        client.trace.refused(failure);
        let Some(event) = &self.resumed else { return job.fail(client, failure).await };
        let body = event.about.with_asked(|asked| failure.body(Scope::LegacySession, asked));
        let ids = EventIds::new(event.stay, &event.about);
        let mut out = Vec::new();
        mcphub_mcp::sse::write_event(&mut out, ids.as_ref().map(|ids| ids.end().as_bytes()), None, &body);
        self.stream_of(out, client).await;
    }

    /// What is answered where nobody says what to answer.
    pub(super) fn helpless(&self) -> Answer {
        if self.sends > 0 {
            return Answer::OutcomeUnknown;
        }
        Answer::NotServed(Stuck::TimeUp)
    }
}
