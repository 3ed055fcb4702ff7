//! Event streams: only whole events go out, silence is filled with comments, and every end is said in words.

use super::answers::{has_answer, is_answer};
use super::cached;
use super::exchange::{Client, Job, count, is_standing_stream, note, suspect, tally};
use super::relay::{Arrived, Relayed, leave};
use super::task;
use super::wording::{Names, Wording, has_event_id};
use crate::clock;
use crate::control::lifecycle::{Phase, reached};
use crate::http::Downstream;
use crate::observe::metrics::HubOutcome;
use crate::upstream::Hangup;
use bytes::BytesMut;
use mcphub_health::Outcome;
use mcphub_http1::{FieldLines, Framing, Known, Method};
use mcphub_mcp::sse::{Event, KEEP_ALIVE, events, last_event, write_event, write_retry};
use mcphub_mcp::{Asked, EventSplitter, Failure, Id, RawId, sse};
use mcphub_routing::Era;
use mcphub_session::event_id::About;
use mcphub_session::migration::Loss;
use mcphub_session::record::Stay;
use mcphub_session::{Mark, UpstreamId};
use tokio::time::{Instant, sleep_until};

/// Bytes that are collected into one write while a hub has more to say.
const COALESCE: usize = 64 * 1024;
/// The last event is remembered to find out whether it was the answer; a longer one is looked at when it passes.
const REMEMBER: usize = 16 * 1024;

/// Why a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The hub ended it properly.
    Hub,
    /// The hub broke off, or sent what is no event stream.
    Broken,
    /// The client has gone.
    Left,
    /// We are stopping.
    Stopping,
}

/// How much of a hub's stream has been heard.
enum Heard {
    SoFar,
    All,
    Broken,
}

/// One stream on its way through.
#[derive(Debug)]
pub(super) struct Stream {
    pending: BytesMut,
    splitter: EventSplitter,
    last: Vec<u8>,
    answered: bool,
    /// Of a batch: the requests that have no answer yet, once an event has passed.
    unanswered: Option<Vec<Id>>,
    resumable: bool,
    /// Within a session: in whose words.
    pub(super) wording: Wording,
}

pub(super) async fn relay<'u>(
    job: &Job<'_>,
    mut arrived: Arrived<'u>,
    held: BytesMut,
    lines: &FieldLines,
    client: &mut Client<'_, '_>,
) -> Relayed<'u> {
    client.caching.streams(&arrived.answer.head);
    let begun = client.stream.take();
    let goes_on = begun.is_some();
    let mut stream = match begun {
        Some(stream) => stream.going_on(job, held),
        None => Box::new(Stream::new(job, held, opening_names(job, &arrived, client))),
    };
    if !goes_on
        && let Heard::All = stream.collect(&mut arrived)
        && let (true, answered) = stream.may_go_at_once(job)
    {
        stream.at_once(job, arrived, (lines, answered), client).await;
        return Relayed::Done;
    }
    // The hub has answered; how long its stream then lasts says nothing about it.
    note(job, arrived.upstream, client.trace, Outcome::Ok);
    job.edge.metrics.streams.inc();
    let status = arrived.answer.head.status;
    let end = if !goes_on && client.down.begin(status, lines, Framing::Chunked).is_err() {
        End::Left
    } else {
        stream.run(job, &mut arrived, client, !goes_on).await
    };
    job.edge.metrics.streams.dec();
    stream.end(job, arrived, end, client).await
}

/// What is called how in the events that answer an `initialize`: its session has no lodging yet.
fn opening_names(job: &Job<'_>, arrived: &Arrived<'_>, client: &Client<'_, '_>) -> Option<Names> {
    if !job.message.opens_session() {
        return None;
    }
    let hub = job.snapshot.table.hub(client.trace.hub?)?.id.clone();
    let upstream = arrived.answer.head.fields.get(Known::SessionId)?;
    let upstream = UpstreamId::new(upstream).ok()?.into();
    Some(names(job, Mark::of(&Stay { number: 0, hub, upstream })))
}

/// What is called how in the events of the answer to this request.
fn names(job: &Job<'_>, stay: Mark) -> Names {
    let about = job.with_asked(|asked| match asked {
        Asked::One(id) => About::One(id.to_id()),
        Asked::Many(ids) => About::Many(ids.iter().map(RawId::to_id).collect()),
        Asked::Nothing | Asked::Unknown => About::Nothing,
    });
    Names::new(stay, about)
}

impl Stream {
    pub(super) fn new(job: &Job<'_>, held: BytesMut, names: Option<Names>) -> Self {
        Self {
            pending: held,
            splitter: EventSplitter::new(job.snapshot.settings.limits.sse_event),
            last: Vec::new(),
            answered: false,
            unanswered: None,
            resumable: false,
            // A stream that is no answer tells nothing of a request that is sent again.
            wording: Wording::new(job.may_be_sent_again() && job.arrival.head.method == Method::Post, names),
        }
    }

    /// The same for the client, from another hub or another connection. What was torn is gone.
    fn going_on(mut self: Box<Self>, job: &Job<'_>, held: BytesMut) -> Box<Self> {
        self.begin_anew(job);
        self.pending = held;
        if let Some(lodging) = job.lodging {
            self.wording.goes_on(lodging.mark());
        }
        self
    }

    /// What comes next comes over another connection.
    pub(super) fn begin_anew(&mut self, job: &Job<'_>) {
        self.pending = BytesMut::new();
        self.splitter = EventSplitter::new(job.snapshot.settings.limits.sse_event);
    }

    /// Takes in what the hub has said.
    pub(super) fn hear(&mut self, data: &[u8]) {
        self.pending.extend_from_slice(data);
    }

    /// Whether no event has come in part only.
    pub(super) fn is_between_events(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether a stream that is all here may go out as it is, and whether its answer is known to be in it: within a
    /// session, not if it lacks its answer.
    fn may_go_at_once(&self, job: &Job<'_>) -> (bool, bool) {
        if job.lodging.is_none() || job.arrival.head.method != Method::Post {
            return (true, false);
        }
        let answered = has_answer(job, &self.pending);
        (answered || has_event_id(&self.pending), answered)
    }

    /// Ends with an answer that came in one piece, from a hub that was asked after the stream had begun.
    pub(super) async fn finish(mut self: Box<Self>, answer: &[u8], client: &mut Client<'_, '_>) {
        let mut out = Vec::with_capacity(answer.len() + 16);
        write_event(&mut out, self.end_id(), Some(b"message"), answer);
        self.answered = true;
        client.trace.bytes += out.len() as u64;
        if client.down.send(&out).await.is_ok() {
            let _ = client.down.end().await;
        }
    }

    /// What is done about the end of a stream.
    async fn end<'u>(
        self: Box<Self>,
        job: &Job<'_>,
        arrived: Arrived<'u>,
        end: End,
        client: &mut Client<'_, '_>,
    ) -> Relayed<'u> {
        let unanswered = job.lodging.is_some() && !self.has_answered(job);
        match end {
            End::Left => leave(job, arrived, client.trace),
            End::Hub if unanswered && !self.polls(job) => {
                count(job, arrived.upstream, client.trace, HubOutcome::Broken);
                client.stream = Some(self);
                return Relayed::Lost(Loss::Broke);
            }
            End::Broken if unanswered => {
                tally(arrived.upstream, client.trace, HubOutcome::Broken);
                note(job, arrived.upstream, client.trace, Outcome::Reset);
                client.stream = Some(self);
                return Relayed::Lost(Loss::Broke);
            }
            End::Hub => {
                tally(arrived.upstream, client.trace, self.outcome());
                if self.outcome() == HubOutcome::RpcError {
                    note(job, arrived.upstream, client.trace, Outcome::RpcTransportError);
                }
                let _ = self.close(job, &Failure::HubBroke, false, client.down).await;
                arrived.release(job, None);
            }
            End::Broken => {
                tally(arrived.upstream, client.trace, HubOutcome::Broken);
                if is_standing_stream(job, &arrived.answer.head) {
                    // Middleboxes cut what stands open for long. A closer look tells what to think of it.
                    suspect(job, arrived.upstream);
                } else {
                    arrived.upstream.failed_one();
                    note(job, arrived.upstream, client.trace, Outcome::Reset);
                }
                client.trace.refused(&Failure::HubBroke);
                let _ = self.close(job, &Failure::HubBroke, true, client.down).await;
            }
            End::Stopping => {
                tally(arrived.upstream, client.trace, HubOutcome::Ok);
                let _ = self.close(job, &Failure::ShuttingDown, true, client.down).await;
            }
        }
        Relayed::Done
    }

    /// Passes on a stream that is here to its end: one write, and no stream to look after.
    async fn at_once(
        mut self: Box<Self>,
        job: &Job<'_>,
        arrived: Arrived<'_>,
        (lines, answered): (&FieldLines, bool),
        client: &mut Client<'_, '_>,
    ) {
        let whole = self.splitter.whole(&self.pending).unwrap_or_else(|too_large| too_large.whole);
        let torn = whole < self.pending.len();
        let out = self.pending.split_to(whole);
        self.remember(job, &out);
        // Of a batch, one answer is not all.
        self.answered |= answered && self.unanswered.is_none();
        task::learn_from_events(job, client.trace.hub, &out);
        cached::hear(job.edge, &out);
        client.caching.events(&out);
        let mut out = self.worded(job, out);
        out.extend_from_slice(&self.last_words(job, &Failure::HubBroke, torn));
        client.trace.bytes = out.len() as u64;
        let _ = client.down.answer(arrived.answer.head.status, lines, &out).await;
        if torn {
            arrived.upstream.failed_one();
            count(job, arrived.upstream, client.trace, HubOutcome::Broken);
            return client.trace.refused(&Failure::HubBroke);
        }
        count(job, arrived.upstream, client.trace, self.outcome());
        arrived.release(job, client.trace.answered_at);
    }

    /// What a stream that its hub ended properly comes to, by its last event.
    fn outcome(&self) -> HubOutcome {
        let failed = mcphub_mcp::may_tell_of_error(&self.last)
            && Event::parse(&self.last).data.is_some_and(|data| mcphub_mcp::is_hub_error(&data));
        if failed { HubOutcome::RpcError } else { HubOutcome::Ok }
    }

    async fn run(
        &mut self,
        job: &Job<'_>,
        arrived: &mut Arrived<'_>,
        client: &mut Client<'_, '_>,
        mut first: bool,
    ) -> End {
        let keepalive = job.snapshot.settings.upstream.stream_keepalive;
        // A stream that stands open ends as soon as we stop; an answer under way may finish.
        let until =
            if is_standing_stream(job, &arrived.answer.head) { Phase::Draining } else { Phase::Ending };
        let quiet = sleep_until(deadline(keepalive));
        tokio::pin!(quiet);
        // The head goes out with the first event, or alone if none is here: a client waits for it.
        loop {
            let heard = self.collect(arrived);
            match self.flush(job, client, std::mem::take(&mut first)).await {
                Ok(true) => quiet.as_mut().reset(deadline(keepalive)),
                Ok(false) => {}
                Err(end) => return end,
            }
            match heard {
                Heard::SoFar => {}
                // An event that is torn when its hub ends dies with it.
                Heard::All => return if self.pending.is_empty() { End::Hub } else { End::Broken },
                Heard::Broken => return End::Broken,
            }
            tokio::select! {
                biased;
                piece = arrived.answer.piece() => match piece {
                    Ok(Some(data)) => self.pending.extend_from_slice(&data),
                    Ok(None) => return if self.pending.is_empty() { End::Hub } else { End::Broken },
                    Err(error) => {
                        self.note(&error, arrived);
                        return End::Broken;
                    }
                },
                () = client.down.left() => return End::Left,
                () = reached(client.phase, until) => return End::Stopping,
                () = quiet.as_mut() => {
                    if client.down.send(KEEP_ALIVE).await.is_err() {
                        return End::Left;
                    }
                    quiet.as_mut().reset(deadline(keepalive));
                }
            }
        }
    }

    /// Takes in what the hub has said already. What came whole before it broke off is still good.
    fn collect(&mut self, arrived: &mut Arrived<'_>) -> Heard {
        match arrived.answer.gather_now(&mut self.pending, COALESCE) {
            Ok(true) => Heard::All,
            Ok(false) => Heard::SoFar,
            Err(error) => {
                self.note(&error, arrived);
                Heard::Broken
            }
        }
    }

    fn note(&self, error: &Hangup, arrived: &Arrived<'_>) {
        tracing::debug!(hub = %arrived.upstream.url, %error, answered = self.answered, "a hub broke off its stream");
    }

    /// Sends the whole events that are here; `first`: at least the head. `true` if anything went out.
    pub(super) async fn flush(
        &mut self,
        job: &Job<'_>,
        client: &mut Client<'_, '_>,
        first: bool,
    ) -> Result<bool, End> {
        let whole = match self.splitter.whole(&self.pending) {
            Ok(whole) => whole,
            Err(too_large) => {
                tracing::warn!(%too_large, "a hub's event is larger than sse_event");
                return Err(End::Broken);
            }
        };
        if whole == 0 && !first {
            return Ok(false);
        }
        let out = self.pending.split_to(whole);
        self.remember(job, &out);
        task::learn_from_events(job, client.trace.hub, &out);
        cached::hear(job.edge, &out);
        client.caching.events(&out);
        let out = self.worded(job, out);
        client.trace.bytes += out.len() as u64;
        match client.down.send(&out).await {
            Ok(()) => Ok(true),
            Err(_) => Err(End::Left),
        }
    }

    /// These whole events as the client gets them.
    fn worded(&mut self, job: &Job<'_>, out: BytesMut) -> BytesMut {
        match job.lodging {
            Some(lodging) => self.wording.put(out, || names(job, lodging.mark())),
            None if self.wording.names.is_some() => self.wording.put(out, || names(job, Mark::none())),
            None => out,
        }
    }

    /// Keeps what must be known when the stream ends: was the answer in it, and can the client resume?
    fn remember(&mut self, job: &Job<'_>, out: &[u8]) {
        if job.arrival.head.method != Method::Post || self.answered {
            return;
        }
        if job.message.is_batch() {
            self.tick_off(job, out);
        }
        let Some(last) = last_event(out) else { return };
        self.last.clear();
        if last.len() <= REMEMBER {
            self.last.extend_from_slice(last);
        } else {
            self.answered = is_answer(job, last);
        }
        self.resumable = self.resumable || has_event_id(out);
    }

    /// Ticks off the requests of a batch that are answered in these events.
    fn tick_off(&mut self, job: &Job<'_>, out: &[u8]) {
        let all = || {
            job.with_asked(|asked| match asked {
                Asked::Many(ids) => ids.iter().map(RawId::to_id).collect(),
                _ => Vec::new(),
            })
        };
        let open = self.unanswered.get_or_insert_with(all);
        for data in events(out).filter_map(|event| Event::parse(event).data) {
            open.retain(|id| !sse::answer_of(&data, &id.as_raw()));
        }
        self.answered = open.is_empty();
    }

    /// Ends the client's stream.
    pub(super) async fn close(
        &self,
        job: &Job<'_>,
        failure: &Failure<'_>,
        early: bool,
        down: &mut Downstream<'_>,
    ) -> std::io::Result<()> {
        let words = self.last_words(job, failure, early);
        if !words.is_empty() {
            down.send(&words).await?;
        }
        down.end().await
    }

    /// What we add at the end. A request that has not been answered gets `failure` as its answer, unless its hub ended
    /// the stream so that the client polls (2025-11-25: events with ids, then a clean end).
    fn last_words(&self, job: &Job<'_>, failure: &Failure<'_>, early: bool) -> Vec<u8> {
        let mut words = Vec::new();
        if job.arrival.head.method == Method::Get {
            if early {
                write_retry(&mut words, retry_ms(job));
            }
        } else if job.message.class() == mcphub_mcp::Class::Listen && matches!(failure, Failure::ShuttingDown)
        {
            job.with_asked(|asked| write_listen_end(&mut words, asked));
        } else if (early || !self.polls(job)) && !self.has_answered(job) {
            let open: Option<Vec<_>> =
                self.unanswered.as_ref().map(|ids| ids.iter().map(Id::as_raw).collect());
            let body = job.with_asked(|asked| match (asked, &open) {
                (Asked::Many(_), Some(open)) => failure.body(job.context.scope, Asked::Many(open)),
                (Asked::One(_) | Asked::Many(_), _) => failure.body(job.context.scope, asked),
                (Asked::Nothing | Asked::Unknown, _) => Vec::new(),
            });
            if !body.is_empty() {
                write_event(&mut words, self.end_id(), None, &body);
            }
        }
        words
    }

    /// The id of an answer that no hub gives as an event: for a client that takes an error for no answer, and goes on.
    fn end_id(&self) -> Option<&[u8]> {
        self.wording.end().filter(|_| self.resumable)
    }

    fn polls(&self, job: &Job<'_>) -> bool {
        self.resumable && job.admitted.era == Era::Legacy
    }

    fn has_answered(&self, job: &Job<'_>) -> bool {
        self.answered || (self.unanswered.is_none() && is_answer(job, &self.last))
    }
}

fn deadline(after: std::time::Duration) -> Instant {
    Instant::from_std(clock::instant()) + after
}

/// How soon a client comes back to a stream that we ended, spread over twice the time so that not all come at once.
pub(super) fn retry_ms(job: &Job<'_>) -> u32 {
    let base = u32::try_from(job.snapshot.settings.shutdown.sse_retry.as_millis()).unwrap_or(u32::MAX / 2);
    let spread = u64::from(base.max(1));
    base.saturating_add(u32::try_from(job.edge.turn() * 7919 % spread).unwrap_or(0))
}

/// The graceful end of a `subscriptions/listen`: its result, so that the client knows that nothing broke.
fn write_listen_end(words: &mut Vec<u8>, asked: Asked<'_>) {
    let Asked::One(id) = asked else { return };
    write_event(words, None, None, &mcphub_mcp::listen::graceful_end(&id));
}
