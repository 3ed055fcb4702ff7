//! How does an answer leave the hub, and where is it cut?
//!
//! Every answer of `/mcp` passes through here: it holds what the request holds (its place in the counters, its turn)
//! until the last byte is out, listens to the switches that end it, and counts the SSE messages that pass when a
//! fault wants the stream cut.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, combinators::BoxBody};
use tokio::{sync::OwnedSemaphorePermit, time::Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::{
    fault::Cut,
    state::{Counted, Ends},
};

/// The body the SDK gives.
pub(crate) type Inner = BoxBody<Bytes, Infallible>;

/// How long a cut waits for the bytes before it to be written: hyper drops what it still buffers when a body fails.
const FLUSH: Duration = Duration::from_millis(20);

/// Set when the connection must be reset rather than closed.
pub(crate) type ResetFlag = Arc<AtomicBool>;

/// What a request keeps until its answer is out.
#[derive(Debug)]
#[expect(dead_code, reason = "held, not read")]
pub(crate) struct Held {
    pub(crate) counted: Counted,
    pub(crate) turn: Option<OwnedSemaphorePermit>,
}

/// A way for a tool to end the stream of its own request before the answer, as a server may since 2025-11-25.
#[derive(Debug, Clone)]
pub(crate) struct StreamControl(CancellationToken);

impl StreamControl {
    pub(crate) fn new(ends: &Ends) -> Self {
        Self(ends.clean.clone())
    }

    /// Ends the stream between two events; the client asks for the rest with `Last-Event-ID`.
    pub(crate) fn close(&self) {
        self.0.cancel();
    }
}

/// The body of one answer.
pub(crate) struct Answer {
    inner: Inner,
    held: Option<Held>,
    stream: Option<Stream>,
}

/// What only SSE answers need.
struct Stream {
    clean: Pin<Box<WaitForCancellationFutureOwned>>,
    reset: Pin<Box<WaitForCancellationFutureOwned>>,
    flag: ResetFlag,
    scan: Option<Scan>,
    dying: Option<(Cut, Pin<Box<Sleep>>)>,
}

/// Why a body ended without its end.
#[derive(Debug)]
pub(crate) struct CutShort;

impl std::fmt::Display for CutShort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the answer was cut short, as asked")
    }
}

impl std::error::Error for CutShort {}

impl Answer {
    /// An answer that is not a stream.
    pub(crate) fn plain(inner: Inner, held: Option<Held>) -> Self {
        Self { inner, held, stream: None }
    }

    /// An SSE answer.
    pub(crate) fn stream(
        inner: Inner,
        held: Held,
        ends: Ends,
        flag: ResetFlag,
        cut: Option<(u64, Cut)>,
    ) -> Self {
        let stream = Stream {
            clean: Box::pin(ends.clean.cancelled_owned()),
            reset: Box::pin(ends.reset.cancelled_owned()),
            flag,
            scan: cut.map(|(after, cut)| Scan { left: after, cut, line: Line::Start, message: false }),
            dying: None,
        };
        Self { inner, held: Some(held), stream: Some(stream) }
    }

    /// A short text or JSON.
    pub(crate) fn full(bytes: impl Into<Bytes>) -> Self {
        Self::plain(http_body_util::Full::new(bytes.into()).boxed(), None)
    }
}

impl Stream {
    fn die(&mut self, cut: Cut) {
        self.dying = Some((cut, Box::pin(tokio::time::sleep(FLUSH))));
    }

    fn poll_death(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutShort>>> {
        let Some((cut, sleep)) = &mut self.dying else { return Poll::Pending };
        ready!(sleep.as_mut().poll(context));
        match cut {
            Cut::End => Poll::Ready(None),
            Cut::Reset => {
                self.flag.store(true, Ordering::Relaxed);
                Poll::Ready(Some(Err(CutShort)))
            }
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = CutShort;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutShort>>> {
        let this = &mut *self;
        if let Some(stream) = &mut this.stream {
            if stream.dying.is_none() {
                if stream.scan.as_ref().is_some_and(|scan| scan.left == 0) {
                    let cut = stream.scan.as_ref().map_or(Cut::End, |scan| scan.cut);
                    stream.die(cut);
                } else if stream.reset.as_mut().poll(context).is_ready() {
                    stream.die(Cut::Reset);
                } else if stream.clean.as_mut().poll(context).is_ready() {
                    this.held = None;
                    return Poll::Ready(None);
                }
            }
            if stream.dying.is_some() {
                return stream.poll_death(context);
            }
        }
        let Some(frame) = ready!(Pin::new(&mut this.inner).poll_frame(context)) else {
            this.held = None;
            return Poll::Ready(None);
        };
        let Ok(frame) = frame;
        let scan = this.stream.as_mut().and_then(|stream| stream.scan.as_mut());
        Poll::Ready(Some(Ok(match (scan, frame.into_data()) {
            (Some(scan), Ok(data)) => Frame::data(scan.take(data)),
            (None, Ok(data)) => Frame::data(data),
            (_, Err(other)) => other,
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        if self.stream.is_some() { http_body::SizeHint::default() } else { self.inner.size_hint() }
    }
}

/// Counts the SSE messages that pass: events with data. Priming events and comments are none.
struct Scan {
    left: u64,
    cut: Cut,
    line: Line,
    /// Whether the event under way has data.
    message: bool,
}

/// Where in a line of SSE we are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    Start,
    /// So many bytes of `data:` have matched.
    Field(usize),
    /// After `data:`, nothing but spaces yet.
    Value,
    Rest,
}

impl Scan {
    /// The part of these bytes that may still pass.
    fn take(&mut self, mut data: Bytes) -> Bytes {
        const FIELD: &[u8] = b"data:";
        for (index, byte) in data.iter().copied().enumerate() {
            self.line = match (self.line, byte) {
                (_, b'\r') => self.line,
                (Line::Start, b'\n') => {
                    if std::mem::take(&mut self.message) {
                        self.left -= 1;
                    }
                    if self.left == 0 {
                        data.truncate(index + 1);
                        return data;
                    }
                    Line::Start
                }
                (_, b'\n') => Line::Start,
                (Line::Start, byte) if byte == FIELD[0] => Line::Field(1),
                (Line::Field(matched), byte) if byte == FIELD[matched] => {
                    if matched + 1 == FIELD.len() {
                        Line::Value
                    } else {
                        Line::Field(matched + 1)
                    }
                }
                (Line::Value, b' ') => Line::Value,
                (Line::Value, _) => {
                    self.message = true;
                    Line::Rest
                }
                _ => Line::Rest,
            };
        }
        data
    }
}

/// What a body that failed looks like to hyper.
impl From<CutShort> for io::Error {
    fn from(cut: CutShort) -> Self {
        Self::other(cut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SSE: &str =
        "id: 0\nretry: 9\ndata: \n\n: note\n\nid: 1\ndata: {}\n\ndata: a\ndata: b\n\ndata:c\n\n";

    fn check(after: u64, step: usize, expected: &str) {
        let mut scan = Scan { left: after, cut: Cut::End, line: Line::Start, message: false };
        let mut passed = Vec::new();
        for piece in SSE.as_bytes().chunks(step) {
            passed.extend_from_slice(&scan.take(Bytes::copy_from_slice(piece)));
            if scan.left == 0 {
                break;
            }
        }
        assert_eq!(String::from_utf8_lossy(&passed), expected);
    }

    #[test]
    fn only_messages_count_and_the_cut_is_between_events() {
        for step in [1, 3, 7, SSE.len()] {
            check(1, step, "id: 0\nretry: 9\ndata: \n\n: note\n\nid: 1\ndata: {}\n\n");
            check(2, step, "id: 0\nretry: 9\ndata: \n\n: note\n\nid: 1\ndata: {}\n\ndata: a\ndata: b\n\n");
            check(9, step, SSE);
        }
    }
}
