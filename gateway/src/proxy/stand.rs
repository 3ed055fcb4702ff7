//! The stream that a session's client listens to (GET), from hub to hub.
//!
//! To the client it is one stream, which ends when the gateway stops, the session is over, or no hub is left. Behind it
//! the connection to a hub may break, or lead to another hub from now on; whoever looks after the session
//! ([`crate::migrate`]) says when. In between, comments keep it alive.

use super::exchange::{Client, Job, suspect, tally};
use super::forward;
use super::relay::{Arrived, leave};
use super::streams::{End, Stream};
use super::visit::{Lodging, Sent, Visit};
use super::wording::Names;
use crate::clock;
use crate::control::lifecycle::{Phase, reached};
use crate::migrate::{Attached, StreamOrder, Tell, attached, care::Standing};
use crate::observe::metrics::HubOutcome;
use crate::sessions::{Entry, OpenStream};
use crate::upstream::{Answer, InFlight, Upstream};
use bytes::BytesMut;
use mcphub_http1::{FieldLines, Framing};
use mcphub_mcp::Failure;
use mcphub_mcp::sse::{KEEP_ALIVE, write_event};
use mcphub_session::event_id::About;
use mcphub_session::migration::{Failed, Loss, Notice, STREAM_STOOD, Ticket};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep_until, timeout};

/// How long a hub may take for the head of a stream. It may wait for its first event, so this is no short time; what
/// comes later than the machine's own deadline counts as open meanwhile.
const HEAD_WAIT: Duration = Duration::from_secs(3_600);

/// The hub's side of a stream.
struct Source {
    upstream: Arc<Upstream>,
    guard: InFlight,
    answer: Box<Answer>,
    since: Instant,
}

/// A client's stream and where it leads.
struct Stand<'a, 'v> {
    visit: &'a Visit<'v>,
    job: &'a Job<'a>,
    stream: Box<Stream>,
    source: Option<Source>,
    entry: Arc<Entry>,
    /// Counts the stream with its hub.
    counted: OpenStream,
    /// The connection that is being opened.
    opening: Option<Ticket>,
    sender: UnboundedSender<StreamOrder>,
    /// Whether it resumes the stream of one request: that ends with its answer, and dies with its hub.
    of_request: bool,
}

/// What happened to a stream.
enum Happened {
    Said,
    Ended(End),
    Ordered(StreamOrder),
    Quiet,
}

/// Passes on a stream that a hub has opened, until it ends for the client.
pub(super) async fn run(
    visit: &Visit<'_>,
    job: &Job<'_>,
    arrived: Arrived<'_>,
    lines: &FieldLines,
    about: About,
    client: &mut Client<'_, '_>,
) -> Sent {
    let Some(lodging) = job.lodging else { return Sent::Done };
    client.trace.answered(arrived.answer.head.status);
    super::exchange::note(job, arrived.upstream, client.trace, mcphub_health::Outcome::Ok);
    if client.down.begin(arrived.answer.head.status, lines, Framing::Chunked).is_err() {
        leave(job, arrived, client.trace);
        return Sent::Done;
    }
    let (sender, mut orders) = unbounded_channel();
    let care = Arc::clone(lodging.entry.care());
    let of_request = about != About::Nothing;
    let names = Names::new(lodging.mark(), about);
    let mut stand = Stand {
        visit,
        job,
        stream: Box::new(Stream::new(job, BytesMut::new(), Some(names))),
        source: Some(Source::of(arrived)),
        entry: Arc::clone(lodging.entry),
        counted: lodging.entry.pins().stream(),
        opening: None,
        sender: sender.clone(),
        of_request,
    };
    let stay = stand.entry.stay_number();
    if !of_request {
        care.stream_opened(Standing { stream: visit.key(), stay, orders: sender });
    }
    job.edge.metrics.streams.inc();
    let sent = stand.last(client, &mut orders).await;
    job.edge.metrics.streams.dec();
    if !of_request {
        care.stream_closed(visit.key());
    }
    sent
}

impl Source {
    fn of(arrived: Arrived<'_>) -> Self {
        let Arrived { upstream, guard, answer } = arrived;
        Self { upstream: Arc::clone(upstream), guard, answer, since: now() }
    }
}

fn now() -> Instant {
    Instant::from_std(clock::instant())
}

impl Stand<'_, '_> {
    /// Keeps the stream until it ends for the client.
    async fn last(
        &mut self,
        client: &mut Client<'_, '_>,
        orders: &mut UnboundedReceiver<StreamOrder>,
    ) -> Sent {
        let keepalive = self.job.snapshot.settings.upstream.stream_keepalive;
        let quiet = sleep_until(now() + keepalive);
        tokio::pin!(quiet);
        // The head goes out at once: a client waits for it.
        if client.down.send(&[]).await.is_err() {
            return self.left(client);
        }
        loop {
            let happened = tokio::select! {
                biased;
                order = orders.recv() => order.map_or(Happened::Quiet, Happened::Ordered),
                said = said(&mut self.source, &mut self.stream) => said,
                () = client.down.left() => Happened::Ended(End::Left),
                () = reached(client.phase, Phase::Draining) => Happened::Ended(End::Stopping),
                () = quiet.as_mut() => Happened::Quiet,
            };
            let spoken = match happened {
                Happened::Said => self.stream.flush(self.job, client, false).await,
                Happened::Quiet => client.down.send(KEEP_ALIVE).await.map(|()| true).map_err(|_| End::Left),
                Happened::Ordered(order) => match self.obey(order, client).await {
                    Ok(spoken) => Ok(spoken),
                    Err(end) => Err(end),
                },
                Happened::Ended(end) => Err(end),
            };
            match spoken {
                Ok(true) => quiet.as_mut().reset(now() + keepalive),
                Ok(false) => {}
                Err(End::Left) => return self.left(client),
                Err(End::Stopping) => return self.close(client).await,
                Err(end @ (End::Hub | End::Broken)) if self.of_request => {
                    return self.end_of_request(end, client).await;
                }
                Err(end @ (End::Hub | End::Broken)) => self.cut(end, client),
            }
        }
    }

    /// The stream of one request has ended. If its hub broke off, the request has no answer.
    async fn end_of_request(&mut self, end: End, client: &mut Client<'_, '_>) -> Sent {
        if let Some(source) = self.source.take() {
            let outcome = if end == End::Hub { HubOutcome::Ok } else { HubOutcome::Broken };
            tally(&source.upstream, client.trace, outcome);
        }
        let failure = Failure::HubBroke;
        let about = self.stream.wording.names.as_ref().map(|names| names.about().clone());
        if let (End::Broken, Some(about)) = (end, about) {
            client.trace.refused(&failure);
            let body = about.with_asked(|asked| failure.body(mcphub_mcp::Scope::LegacySession, asked));
            let mut out = Vec::new();
            write_event(&mut out, self.stream.wording.end(), None, &body);
            let _ = client.down.send(&out).await;
            let (stay, how) = (self.entry.stay_number(), Loss::Broke);
            self.visit.tell(&self.entry, |caller| Tell::Lost { stay, how, caller });
        }
        let _ = client.down.end().await;
        Sent::Done
    }

    /// Its connection to a hub has ended. Where it goes on is not for the stream to say.
    fn cut(&mut self, end: End, client: &mut Client<'_, '_>) {
        let Some(source) = self.source.take() else { return };
        tracing::debug!(hub = %source.upstream.url, ?end, "a hub broke off its stream");
        self.stream.begin_anew(self.job);
        tally(&source.upstream, client.trace, HubOutcome::Ok);
        if end == End::Broken {
            // Middleboxes cut what stands open for long. A closer look tells what to think of it.
            suspect(self.job, &source.upstream);
        }
        let stood = now().saturating_duration_since(source.since) >= STREAM_STOOD;
        self.tell_cut(stood);
    }

    fn tell_cut(&self, stood: bool) {
        let (stream, stay) = (self.visit.key(), self.entry.stay_number());
        self.visit.tell(&self.entry, |caller| Tell::StreamCut { stream, stay, stood, caller });
    }

    /// Does as it is told. `true` if the client was told something.
    async fn obey(&mut self, order: StreamOrder, client: &mut Client<'_, '_>) -> Result<bool, End> {
        match order {
            StreamOrder::Attach(ticket, entry) => {
                self.attach(ticket, entry);
                Ok(false)
            }
            StreamOrder::Attached(ticket, result) => {
                self.attached(ticket, result);
                Ok(false)
            }
            StreamOrder::Notify(notice) => {
                let mut out = Vec::new();
                write_event(&mut out, None, Some(b"message"), &notification(&notice));
                client.down.send(&out).await.map(|()| true).map_err(|_| End::Left)
            }
            StreamOrder::End => Err(End::Stopping),
            StreamOrder::Leave(to) => {
                self.visit.tell(&self.entry, |caller| Tell::Leave { caller, to: to.map(|to| *to) });
                Ok(false)
            }
            StreamOrder::Eject => {
                let (stay, how) = (self.entry.stay_number(), Loss::Ejected);
                self.visit.tell(&self.entry, |caller| Tell::Lost { stay, how, caller });
                Ok(false)
            }
            StreamOrder::Noticed(found) => {
                self.visit.tell(&self.entry, |_| Tell::Noticed(*found));
                Ok(false)
            }
        }
    }

    /// Has the stream lead to the hub of this stay: what is left of the connection before is closed first.
    fn attach(&mut self, ticket: Ticket, entry: Arc<Entry>) {
        self.source = None;
        self.stream.begin_anew(self.job);
        self.counted = entry.pins().stream();
        entry.care().stream_leads(self.visit.key(), entry.stay_number());
        self.entry = entry;
        self.opening = Some(ticket);
        let snapshot = self.job.edge.snapshots.load_full();
        let mut lodging = Lodging::of(self.visit.session, &self.entry);
        let mark = lodging.mark();
        lodging.resumes = self.stream.wording.names.as_ref().and_then(|names| names.cursor(mark));
        let Some(upstream) = lodging.upstream(&snapshot).cloned() else {
            let failed = Err(Failed::Lost(Loss::Unreachable));
            let _ = self.sender.send(StreamOrder::Attached(ticket, failed));
            return;
        };
        let job = Job { snapshot: &snapshot, lodging: Some(&lodging), ..*self.job };
        let letter = forward::head(&job, &upstream);
        if let Some(names) = &mut self.stream.wording.names {
            names.goes_on(mark);
        }
        let (edge, sender, worked) = (Arc::clone(self.job.edge), self.sender.clone(), self.entry.worked());
        tokio::spawn(async move {
            let opened = tokio::select! {
                opened = timeout(HEAD_WAIT, attached(&edge, &upstream, &letter, worked)) => opened,
                // Nobody waits for it any more.
                () = sender.closed() => return,
            };
            let opened = opened.unwrap_or(Err(Failed::Lost(Loss::Broke))).map(Box::new);
            let _ = sender.send(StreamOrder::Attached(ticket, opened));
        });
    }

    /// A hub has answered, or failed to.
    fn attached(&mut self, ticket: Ticket, result: Result<Box<Attached>, Failed>) {
        if self.opening != Some(ticket) {
            return;
        }
        self.opening = None;
        let told = match result {
            Ok(attached) => {
                let Attached { upstream, guard, answer } = *attached;
                self.source = Some(Source { upstream, guard, answer, since: now() });
                Ok(())
            }
            Err(how) => Err(how),
        };
        let unheard = self.entry.care().tell_if_tended(Tell::Attached(ticket, told));
        // Whoever asked took it for open, since it took so long, and has gone.
        if let (Err(Tell::Attached(_, Err(how))), true) = (unheard, self.source.is_none())
            && how != Failed::Refused
        {
            self.tell_cut(false);
        }
    }

    fn left(&mut self, client: &mut Client<'_, '_>) -> Sent {
        client.trace.left();
        if let Some(source) = self.source.take() {
            tally(&source.upstream, client.trace, HubOutcome::ClientLeft);
            drop(source.guard);
        }
        Sent::Done
    }

    /// Ends the client's stream, and says when to come back.
    async fn close(&mut self, client: &mut Client<'_, '_>) -> Sent {
        if let Some(source) = self.source.take() {
            tally(&source.upstream, client.trace, HubOutcome::Ok);
        }
        let _ = self.stream.close(self.job, &Failure::ShuttingDown, true, client.down).await;
        Sent::Done
    }
}

/// What the hub says next; for ever nothing where there is none.
async fn said(source: &mut Option<Source>, stream: &mut Stream) -> Happened {
    let Some(source) = source else { return std::future::pending().await };
    match source.answer.piece().await {
        Ok(Some(data)) => {
            stream.hear(&data);
            Happened::Said
        }
        Ok(None) if stream.is_between_events() => Happened::Ended(End::Hub),
        Ok(None) | Err(_) => Happened::Ended(End::Broken),
    }
}

/// What a client hears of a move, on the wire.
fn notification(notice: &Notice) -> Vec<u8> {
    let mut message = serde_json::json!({ "jsonrpc": "2.0", "method": notice.method() });
    if let Notice::Updated(uri) = notice {
        message["params"] = serde_json::json!({ "uri": uri });
    }
    message.to_string().into_bytes()
}
