//! The stream that a modern client listens to (`subscriptions/listen`), from hub to hub.
//!
//! To the client it is one stream under one subscription, which ends when the client leaves, the gateway stops, its hub
//! ends it while in service, or no hub is left. Behind it the same request, with the same id and so the same name of the
//! subscription, is sent to the next hub when the present one breaks off, is taken out of service, or drains. The next
//! hub's acknowledgement is kept back, since the client has had one; instead it hears that everything it listens to may
//! have changed, which is true of whatever happened in between. A hub that grants less than the client was promised is
//! no successor.
//!
//! A hub that drains is left only when the next one listens: nothing is missed then.

use super::cached;
use super::exchange::{Client, Job, note, suspect, tally};
use super::relay::{self, Arrived};
use crate::control::lifecycle::{Phase, reached};
use crate::observe::metrics::HubOutcome;
use hub::{Begun, Doing, Done, Fate, Opened, Source};
use mcphub_health::Outcome;
use mcphub_http1::Framing;
use mcphub_mcp::listen::{Filter, Listen, Said, graceful_end, said};
use mcphub_mcp::sse::{Event, KEEP_ALIVE, events, write_event};
use mcphub_mcp::{Class, Failure};
use mcphub_routing::{Era, HubId};
use mcphub_session::migration::STREAM_STOOD;
use std::sync::Arc;
use tokio::time::sleep_until;

mod hub;
mod next;

/// One client's stream.
struct Ear<'a> {
    job: &'a Job<'a>,
    request: Listen,
    /// What the client was told that it would hear of; `None`: nothing yet.
    promised: Option<Filter>,
    source: Option<Source>,
    doing: Option<Doing>,
    /// The hubs that were tried since the last one that listened.
    tried: Vec<HubId>,
    tries: u32,
    /// The hub's result, while it is found out what to think of it.
    result: Vec<u8>,
}

/// Why the stream ends for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Left,
    Stopping,
    NoHub,
    /// It has been told by its hub.
    Told,
}

enum Happened {
    Heard,
    Cut { broken: bool },
    Done(Done),
    MayGo,
    Quiet,
    Ended(End),
}

/// The request, if this answer is a stream that can be continued elsewhere.
pub(super) fn continues(job: &Job<'_>, arrived: &Arrived<'_>) -> Option<Listen> {
    let head = &arrived.answer.head;
    let listens = job.admitted.era == Era::Modern && job.message.class() == Class::Listen;
    if listens && head.status == 200 && head.is_event_stream() { Listen::read(job.body) } else { None }
}

/// Passes on what hubs say, until the stream ends for the client.
pub(super) async fn run(job: &Job<'_>, arrived: Arrived<'_>, request: Listen, client: &mut Client<'_, '_>) {
    let lines = relay::lines(job, client.trace, &arrived.answer, None).await;
    client.trace.answered(arrived.answer.head.status);
    // The hub has answered; how long its stream then lasts says nothing about it.
    note(job, arrived.upstream, client.trace, Outcome::Ok);
    let name = client.trace.hub.and_then(|hub| job.snapshot.table.hub(hub)).map(|hub| hub.id.clone());
    let Some(name) = name else { return };
    if client.down.begin(arrived.answer.head.status, &lines, Framing::Chunked).is_err() {
        return relay::leave(job, arrived, client.trace);
    }
    let limit = job.snapshot.settings.limits.sse_event;
    let mut ear = Ear {
        job,
        request,
        promised: None,
        source: Some(Source::of(name, arrived, limit)),
        doing: None,
        tried: Vec::new(),
        tries: 0,
        result: Vec::new(),
    };
    job.edge.metrics.streams.inc();
    let end = ear.last(client).await;
    job.edge.metrics.streams.dec();
    ear.end(end, client).await;
}

impl Ear<'_> {
    async fn last(&mut self, client: &mut Client<'_, '_>) -> End {
        let keepalive = self.job.snapshot.settings.upstream.stream_keepalive;
        let quiet = sleep_until(hub::now() + keepalive);
        tokio::pin!(quiet);
        // The head goes out at once: a client waits for it.
        if client.down.send(&[]).await.is_err() {
            return End::Left;
        }
        loop {
            let idle = self.source.as_ref().filter(|_| self.doing.is_none());
            let lets_go = idle.map(|source| Arc::clone(&source.upstream));
            let happened = tokio::select! {
                biased;
                heard = hub::heard(&mut self.source) => heard,
                done = hub::done(&mut self.doing) => Happened::Done(done),
                () = client.down.left() => Happened::Ended(End::Left),
                () = reached(client.phase, Phase::Draining) => Happened::Ended(End::Stopping),
                () = hub::may_go(lets_go.as_deref()) => Happened::MayGo,
                () = quiet.as_mut() => Happened::Quiet,
            };
            let mut out = Vec::new();
            let end = self.take(happened, &mut out, client);
            if !out.is_empty() {
                client.trace.bytes += out.len() as u64;
                if client.down.send(&out).await.is_err() {
                    return End::Left;
                }
                quiet.as_mut().reset(hub::now() + keepalive);
            }
            if let Some(end) = end {
                return end;
            }
        }
    }

    /// Takes in what has happened; `out` is what the client hears of it.
    fn take(&mut self, happened: Happened, out: &mut Vec<u8>, client: &mut Client<'_, '_>) -> Option<End> {
        match happened {
            Happened::Heard => self.hear(out, client),
            Happened::Cut { broken } => {
                self.cut(broken, client);
                self.seek_another()
            }
            Happened::Done(Done::Paused) => self.try_next(),
            Happened::Done(Done::Opened(opened)) => self.opened(*opened, out, client),
            Happened::Done(Done::Unopened(hub, why)) => {
                tracing::debug!(%hub, ?why, "a hub does not listen for a client");
                self.doing = None;
                self.tried.push(hub);
                self.seek()
            }
            Happened::Done(Done::Looked { stops }) => self.judge(stops, out),
            Happened::MayGo => self.may_go(),
            Happened::Quiet => {
                out.extend_from_slice(KEEP_ALIVE);
                None
            }
            Happened::Ended(end) => Some(end),
        }
    }

    /// Takes the whole events of the present hub.
    fn hear(&mut self, out: &mut Vec<u8>, client: &mut Client<'_, '_>) -> Option<End> {
        let source = self.source.as_mut()?;
        let Ok(whole) = source.whole() else {
            tracing::warn!(hub = %source.upstream.url, "a hub's event is larger than sse_event");
            self.cut(true, client);
            return self.seek_another();
        };
        self.sort(&whole, out, client)
    }

    /// What of these events the client gets, and what follows from them.
    fn sort(&mut self, whole: &[u8], out: &mut Vec<u8>, client: &mut Client<'_, '_>) -> Option<End> {
        cached::hear(self.job.edge, whole);
        for event in events(whole) {
            let Some(data) = Event::parse(event).data else {
                out.extend_from_slice(event);
                continue;
            };
            match said(&data, &self.request.id) {
                // A second one of the same hub, which no hub should send, is no news either.
                Said::Acknowledged(_) if self.promised.is_some() => {}
                Said::Acknowledged(granted) => {
                    self.promised = Some(granted);
                    out.extend_from_slice(event);
                }
                Said::Other => out.extend_from_slice(event),
                Said::Error => {
                    out.extend_from_slice(event);
                    self.refused(&data, client);
                    return Some(End::Told);
                }
                Said::Result => {
                    self.result = event.to_vec();
                    return self.look(client);
                }
            }
        }
        None
    }

    fn refused(&mut self, data: &[u8], client: &mut Client<'_, '_>) {
        let Some(source) = self.source.take() else { return };
        if mcphub_mcp::is_hub_error(data) {
            tally(&source.upstream, client.trace, HubOutcome::RpcError);
            note(self.job, &source.upstream, client.trace, Outcome::RpcTransportError);
        } else {
            tally(&source.upstream, client.trace, HubOutcome::Ok);
        }
    }

    /// The hub has ended the stream with a result. One that leaves service, or is about to stop, does so to all of them,
    /// and means its own end rather than the stream's.
    fn look(&mut self, client: &mut Client<'_, '_>) -> Option<End> {
        let Some(source) = self.source.take() else { return Some(End::Told) };
        tally(&source.upstream, client.trace, HubOutcome::Ok);
        let fate = self.fate(&source.hub, Some(&source.upstream));
        self.tried = vec![source.hub.clone()];
        self.settle(&source);
        if fate != Fate::Serves {
            return self.seek_another();
        }
        let deadline = self.job.snapshot.settings.upstream.connect_deadline;
        self.doing = Some(hub::look(Arc::clone(&source.upstream), deadline));
        None
    }

    /// After a look at a hub that has ended the stream with a result.
    fn judge(&mut self, stops: bool, out: &mut Vec<u8>) -> Option<End> {
        self.doing = None;
        let fate = self.tried.last().map_or(Fate::Gone, |hub| self.fate(hub, None));
        if stops || fate != Fate::Serves {
            return self.seek();
        }
        out.append(&mut self.result);
        Some(End::Told)
    }

    /// The connection to the hub has ended without a last word.
    fn cut(&mut self, broken: bool, client: &mut Client<'_, '_>) {
        let Some(source) = self.source.take() else { return };
        tracing::debug!(hub = %source.upstream.url, broken, "a hub broke off a stream");
        tally(&source.upstream, client.trace, if broken { HubOutcome::Broken } else { HubOutcome::Ok });
        // Middleboxes cut what stands open for long. A closer look tells what to think of it.
        suspect(self.job, &source.upstream);
        self.tried = vec![source.hub.clone()];
        self.settle(&source);
    }

    fn settle(&mut self, source: &Source) {
        if hub::now().saturating_duration_since(source.since) >= STREAM_STOOD {
            self.tries = 0;
        }
    }

    /// A hub listens for the client.
    fn opened(&mut self, opened: Opened, out: &mut Vec<u8>, client: &mut Client<'_, '_>) -> Option<End> {
        self.doing = None;
        let Opened { source, begun: Begun { acknowledged, granted, rest } } = opened;
        if self.promised.as_ref().is_some_and(|promised| !granted.covers(promised)) {
            self.tried.push(source.hub);
            return self.seek();
        }
        if let Some(before) = self.source.take() {
            tally(&before.upstream, client.trace, HubOutcome::Ok);
        }
        tracing::debug!(hub = %source.hub, "a client's stream goes on");
        client.trace.hub = self.job.snapshot.table.find(source.hub.as_str());
        self.job.edge.metrics.moves.listen_moved();
        self.tried.clear();
        self.source = Some(source);
        match &self.promised {
            Some(promised) => {
                for message in self.request.wanted.both(promised).changes(&self.request.id) {
                    write_event(out, None, Some(b"message"), &message);
                }
            }
            None => {
                self.promised = Some(granted);
                out.extend_from_slice(&acknowledged);
            }
        }
        self.sort(&rest, out, client)
    }

    async fn end(&mut self, end: End, client: &mut Client<'_, '_>) {
        let outcome = if end == End::Left { HubOutcome::ClientLeft } else { HubOutcome::Ok };
        if let Some(source) = self.source.take() {
            tally(&source.upstream, client.trace, outcome);
        }
        let mut out = Vec::new();
        match end {
            End::Left => return client.trace.left(),
            End::Told => {}
            End::NoHub if self.promised.is_none() => {
                client.trace.refused(&Failure::HubUnreachable);
                let words =
                    self.job.with_asked(|asked| Failure::HubUnreachable.body(self.job.context.scope, asked));
                write_event(&mut out, None, None, &words);
            }
            End::NoHub | End::Stopping => {
                if end == End::NoHub {
                    self.job.edge.metrics.moves.listen_ended();
                }
                write_event(&mut out, None, None, &graceful_end(&self.request.id.as_raw()));
            }
        }
        if out.is_empty() || client.down.send(&out).await.is_ok() {
            let _ = client.down.end().await;
        }
    }
}
