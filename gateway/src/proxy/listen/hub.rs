//! The hub's side of a stream that a modern client listens to: what it says, and what is being done about the next one.

use super::Happened;
use crate::clock;
use crate::proxy::relay::Arrived;
use crate::snapshot::Snapshot;
use crate::upstream::{Answer, InFlight, Listening, Upstream, answer_limits};
use bytes::BytesMut;
use mcphub_mcp::listen::{Filter, Said, said};
use mcphub_mcp::sse::{Event, events};
use mcphub_mcp::{EventSplitter, EventTooLarge, Id};
use mcphub_routing::HubId;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// How long a hub may take from the connection to its acknowledgement, which it sends at once.
const ACKNOWLEDGE_WAIT: Duration = Duration::from_secs(5);

/// How long after its result a hub is looked at: one that stops closes its door at about the same time.
const LOOK_AFTER: Duration = Duration::from_millis(200);

/// A hub that listens.
pub(super) struct Source {
    pub(super) hub: HubId,
    pub(super) upstream: Arc<Upstream>,
    pub(super) since: Instant,
    answer: Answer,
    pending: BytesMut,
    splitter: EventSplitter,
    _in_flight: InFlight,
    _listening: Listening,
}

/// A hub that has begun to listen.
pub(super) struct Opened {
    pub(super) source: Source,
    pub(super) begun: Begun,
}

/// The beginning of what a hub says: its acknowledgement, and the whole events after it.
pub(super) struct Begun {
    pub(super) acknowledged: Vec<u8>,
    pub(super) granted: Filter,
    pub(super) rest: Vec<u8>,
}

/// Why a hub does not listen.
#[derive(Debug)]
pub(super) enum Unopened {
    Unreachable,
    Broke,
    Refused,
}

/// What may become of the streams of a hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Serves,
    /// They go where others can have them.
    Leaves,
    /// They end, or go elsewhere.
    Gone,
}

/// What is being done beside listening.
pub(super) type Doing = Pin<Box<dyn Future<Output = Done> + Send>>;

/// What came of it.
pub(super) enum Done {
    Paused,
    Opened(Box<Opened>),
    Unopened(HubId, Unopened),
    Looked { stops: bool },
}

pub(super) fn now() -> Instant {
    Instant::from_std(clock::instant())
}

impl Source {
    pub(super) fn of(hub: HubId, arrived: Arrived<'_>, limit: usize) -> Self {
        let Arrived { upstream, guard, answer } = arrived;
        Self::new((hub, Arc::clone(upstream)), guard, *answer, limit)
    }

    fn new(
        (hub, upstream): (HubId, Arc<Upstream>),
        in_flight: InFlight,
        answer: Answer,
        limit: usize,
    ) -> Self {
        Self {
            hub,
            _listening: upstream.listen(),
            upstream,
            since: now(),
            answer,
            pending: BytesMut::new(),
            splitter: EventSplitter::new(limit),
            _in_flight: in_flight,
        }
    }

    /// The whole events that are here.
    pub(super) fn whole(&mut self) -> Result<BytesMut, EventTooLarge> {
        let whole = self.splitter.whole(&self.pending)?;
        Ok(self.pending.split_to(whole))
    }
}

/// What the hub says next; for ever nothing where there is none. Cancel-safe.
pub(super) async fn heard(source: &mut Option<Source>) -> Happened {
    let Some(source) = source else { return std::future::pending().await };
    match source.answer.piece().await {
        Ok(Some(data)) => {
            source.pending.extend_from_slice(&data);
            Happened::Heard
        }
        // An event that is torn when its hub ends dies with it.
        Ok(None) => Happened::Cut { broken: !source.pending.is_empty() },
        Err(_) => Happened::Cut { broken: true },
    }
}

/// The end of what is being done; never where nothing is.
pub(super) async fn done(doing: &mut Option<Doing>) -> Done {
    match doing {
        Some(doing) => doing.await,
        None => std::future::pending().await,
    }
}

/// Waits until a hub lets the stream go.
pub(super) async fn may_go(hub: Option<&Upstream>) {
    match hub {
        Some(hub) => hub.my_turn_to_go().await,
        None => std::future::pending().await,
    }
}

pub(super) fn pause(time: Duration) -> Doing {
    Box::pin(async move {
        sleep(time).await;
        Done::Paused
    })
}

/// Looks whether a hub that has ended a stream takes connections still.
pub(super) fn look(upstream: Arc<Upstream>, deadline: Duration) -> Doing {
    Box::pin(async move {
        sleep(LOOK_AFTER).await;
        Done::Looked { stops: upstream.connect(deadline).await.is_err() }
    })
}

/// Asks a hub to listen. `letter` is the whole request, `id` its id.
pub(super) fn open(
    snapshot: Arc<Snapshot>,
    (hub, upstream): (HubId, Arc<Upstream>),
    letter: Vec<u8>,
    id: Id,
    limit: usize,
) -> Doing {
    Box::pin(async move {
        let opening = opened(&snapshot, (hub.clone(), upstream), &letter, &id, limit);
        match timeout(ACKNOWLEDGE_WAIT, opening).await {
            Ok(Ok(opened)) => Done::Opened(Box::new(opened)),
            Ok(Err(why)) => Done::Unopened(hub, why),
            Err(_) => Done::Unopened(hub, Unopened::Broke),
        }
    })
}

async fn opened(
    snapshot: &Snapshot,
    (hub, upstream): (HubId, Arc<Upstream>),
    letter: &[u8],
    id: &Id,
    limit: usize,
) -> Result<Opened, Unopened> {
    let settings = &snapshot.settings;
    let in_flight = upstream.enter();
    upstream.metrics.connects.inc();
    let mut link = upstream.connect(settings.upstream.connect_deadline).await.map_err(|_| {
        upstream.note_failed(clock::since_start());
        Unopened::Unreachable
    })?;
    link.wire.write(&[letter], settings.limits.write_deadline).await.map_err(|_| Unopened::Broke)?;
    let head =
        Answer::head(&mut link, &answer_limits(&settings.limits)).await.map_err(|_| Unopened::Broke)?;
    if head.status != 200 || !head.is_event_stream() {
        return Err(Unopened::Refused);
    }
    let mut source = Source::new((hub, upstream), in_flight, Answer::new(head, link), limit);
    loop {
        let data = source.answer.piece().await.map_err(|_| Unopened::Broke)?.ok_or(Unopened::Broke)?;
        source.pending.extend_from_slice(&data);
        let whole = source.whole().map_err(|_| Unopened::Broke)?;
        if let Some(begun) = begun(&whole, id)? {
            return Ok(Opened { source, begun });
        }
    }
}

/// The acknowledgement among these whole events, and what follows it. What comes before it can only be comments.
fn begun(whole: &[u8], id: &Id) -> Result<Option<Begun>, Unopened> {
    let mut at = 0;
    for event in events(whole) {
        at += event.len();
        let Some(data) = Event::parse(event).data else { continue };
        return match said(&data, id) {
            Said::Acknowledged(granted) => {
                let rest = whole.get(at..).unwrap_or_default().to_vec();
                Ok(Some(Begun { acknowledged: event.to_vec(), granted, rest }))
            }
            _ => Err(Unopened::Refused),
        };
    }
    Ok(None)
}
