//! One client connection of HTTP/1.x: heads in, answers out, kept alive in between.

use super::BodyFlaw;
use crate::net::Wire;
use crate::prompt::Prompt;
use bytes::{Bytes, BytesMut};
use mcphub_conf::settings::LimitSettings;
use mcphub_http1::head::HeadScan;
use mcphub_http1::{BodyReader, FieldLines, Framing, HeadLimits, Piece, Refusal, RequestHead, write};
use std::io;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// Bytes that a client may send ahead of its turn (pipelining) before we stop reading.
const AHEAD_MAX: usize = 64 * 1024;
/// How long, and how many bytes, a refused client may go on sending before the connection is torn down. Closing
/// at once would reset the connection and destroy the answer before it is read.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 8 * 1024 * 1024;
/// A write buffer larger than this is given back between requests.
const BUFFER_KEPT: usize = 64 * 1024;

/// A connection and what has been read ahead on it.
#[derive(Debug)]
pub struct Connection {
    wire: Wire,
    buf: BytesMut,
    scan: HeadScan,
    out: Vec<u8>,
    prompt: Prompt,
    limits: Limits,
    /// Whether another request may follow the present one.
    reusable: bool,
    /// Whether part of a request was left unread.
    unread: bool,
}

/// The limits of a connection, taken anew for each request.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    head: HeadLimits,
    head_deadline: Duration,
    body_deadline: Duration,
    write_deadline: Duration,
    idle: Duration,
}

impl Limits {
    /// How long the head of a request may take, and a TLS handshake.
    #[must_use]
    pub fn head_deadline(&self) -> Duration {
        self.head_deadline
    }
}

impl From<&LimitSettings> for Limits {
    fn from(limits: &LimitSettings) -> Self {
        Self {
            head: HeadLimits {
                head: limits.request_head,
                line: limits.request_line,
                fields: limits.header_count,
            },
            head_deadline: limits.header_deadline,
            body_deadline: limits.body_deadline,
            write_deadline: limits.write_deadline,
            idle: limits.keepalive_idle,
        }
    }
}

/// What waiting for a request brought.
#[derive(Debug)]
pub enum Next {
    /// A request.
    Head(Box<RequestHead>),
    /// Bytes that are no request we would forward.
    Refused(Refusal),
    /// A head that was not whole by its deadline.
    Slow,
    /// The client closed, broke, or stayed silent too long.
    Closed,
}

impl Connection {
    /// A new connection on which `buf` has been read already.
    #[must_use]
    pub fn new(wire: Wire, buf: BytesMut, limits: Limits) -> Self {
        Self {
            wire,
            buf,
            scan: HeadScan::default(),
            out: Vec::new(),
            prompt: Prompt::default(),
            limits,
            reusable: true,
            unread: false,
        }
    }

    /// Takes over limits that a reload has changed.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Whether another request may follow.
    #[must_use]
    pub fn reusable(&self) -> bool {
        self.reusable
    }

    /// Whether bytes of the next request are here already.
    #[must_use]
    pub fn has_input(&self) -> bool {
        !self.buf.is_empty()
    }

    /// Waits until `end` for the first byte of a request, `None` if it has not come by then. Cancel-safe. As
    /// [`wait`](Self::wait) else, but cheaper.
    pub async fn wait_briefly(&mut self, end: Instant) -> Option<bool> {
        if !self.buf.is_empty() {
            return Some(true);
        }
        self.out.shrink_to(BUFFER_KEPT);
        tokio::select! {
            biased;
            read = self.wire.read(&mut self.buf) => Some(matches!(read, Ok(1..))),
            () = self.prompt.until(end) => None,
        }
    }

    /// Waits for the first byte of a request. Cancel-safe. `false` when none will come.
    pub async fn wait(&mut self, first: bool) -> bool {
        if !self.buf.is_empty() {
            return true;
        }
        // Whoever is silent for longer holds as little as can be.
        self.out = Vec::new();
        self.prompt.rest();
        let patience = if first { self.limits.head_deadline } else { self.limits.idle };
        matches!(timeout(patience, self.wire.read(&mut self.buf)).await, Ok(Ok(1..)))
    }

    /// Reads one head; its first byte is here. The deadline covers the whole of it, however slowly it drips.
    pub async fn head(&mut self) -> Next {
        match RequestHead::take(&mut self.buf, &mut self.scan, &self.limits.head) {
            Ok(Some(head)) => return Next::Head(Box::new(head)),
            Ok(None) => {}
            Err(refusal) => return Next::Refused(refusal),
        }
        match timeout(self.limits.head_deadline, self.rest_of_head()).await {
            Ok(next) => next,
            Err(_) => Next::Slow,
        }
    }

    async fn rest_of_head(&mut self) -> Next {
        loop {
            match self.wire.read(&mut self.buf).await {
                Ok(0) | Err(_) => return Next::Closed,
                Ok(_) => {}
            }
            match RequestHead::take(&mut self.buf, &mut self.scan, &self.limits.head) {
                Ok(Some(head)) => return Next::Head(Box::new(head)),
                Ok(None) => {}
                Err(refusal) => return Next::Refused(refusal),
            }
        }
    }

    /// The exchange for a head just read. `last`: tell the client that the connection ends after it.
    pub fn exchange(&mut self, head: &RequestHead, last: bool) -> Exchange<'_> {
        self.reusable = head.keep_alive && !last;
        Exchange {
            body: BodyReader::new(head.framing),
            expects_continue: head.expects_continue,
            http10: head.http10,
            bodyless: head.method == mcphub_http1::Method::Head,
            sent: Sent::Nothing,
            connection: self,
        }
    }

    /// Answers bytes that are no request, and ends the connection.
    pub async fn refuse(&mut self, status: u16, lines: &FieldLines, body: &[u8]) {
        self.reusable = false;
        self.out.clear();
        write::response_head(&mut self.out, status, lines, framing_of(body), true);
        if self.wire.write(&[&self.out, body], self.limits.write_deadline).await.is_ok() {
            self.linger().await;
        }
    }

    /// Ends our side, and reads and forgets what the client still sends for a moment.
    pub async fn linger(&mut self) {
        self.wire.shut().await;
        let drain = async {
            let mut read = 0;
            while read < LINGER_BYTES {
                self.buf.clear();
                match self.wire.read(&mut self.buf).await {
                    Ok(0) | Err(_) => return,
                    Ok(size) => read += size,
                }
            }
        };
        let _ = timeout(LINGER, drain).await;
    }

    /// Ends a connection. What was never read of a request is read and forgotten first.
    pub async fn finish(mut self) {
        if self.unread {
            return self.linger().await;
        }
        let _ = timeout(LINGER, self.wire.shut()).await;
    }
}

/// Waits until the client has left. What it sends before its turn is kept.
async fn left(wire: &mut Wire, buf: &mut BytesMut) {
    loop {
        if buf.len() > AHEAD_MAX {
            // It sends more than it may before its turn; whether it left shows when we write.
            return std::future::pending().await;
        }
        if let Ok(0) | Err(_) = wire.read(buf).await {
            return;
        }
    }
}

fn framing_of(body: &[u8]) -> Framing {
    if body.is_empty() { Framing::None } else { Framing::Length(body.len() as u64) }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Nothing,
    /// The head waits in `out` or has left; the body is under way in this framing.
    Begun(Framing),
    Whole,
    Broken,
}

/// One request and its answer on a [`Connection`].
#[derive(Debug)]
pub struct Exchange<'a> {
    connection: &'a mut Connection,
    body: BodyReader,
    expects_continue: bool,
    http10: bool,
    bodyless: bool,
    sent: Sent,
}

impl Exchange<'_> {
    pub(super) async fn body(&mut self, limit: usize) -> Result<Bytes, BodyFlaw> {
        if self.body.promised() > limit as u64 {
            return Err(BodyFlaw::TooLarge);
        }
        let deadline = self.connection.limits.body_deadline;
        if let Some(whole) = self.body_at_hand(limit)? {
            return Ok(whole);
        }
        if self.expects_continue {
            self.expects_continue = false;
            let interim: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
            let write_deadline = self.connection.limits.write_deadline;
            self.connection.wire.write(&[interim], write_deadline).await.map_err(|_| BodyFlaw::Gone)?;
        }
        timeout(deadline, self.collect(limit)).await.map_err(|_| BodyFlaw::Slow)?
    }

    /// The body without a copy, where the read that brought the head brought all of it.
    fn body_at_hand(&mut self, limit: usize) -> Result<Option<Bytes>, BodyFlaw> {
        match self.body {
            BodyReader::Done => Ok(Some(Bytes::new())),
            BodyReader::Length(left) if left <= self.connection.buf.len() as u64 && left <= limit as u64 => {
                match self.body.take(&mut self.connection.buf).map_err(|_| BodyFlaw::Malformed)? {
                    Some(Piece::Data(data)) => Ok(Some(data)),
                    _ => Ok(Some(Bytes::new())),
                }
            }
            _ => Ok(None),
        }
    }

    async fn collect(&mut self, limit: usize) -> Result<Bytes, BodyFlaw> {
        let expected = self.body.promised().min(limit as u64) as usize;
        // Room for what has been promised, but not before it has begun to come.
        let mut whole = BytesMut::with_capacity(expected.min(64 * 1024));
        loop {
            match self.body.take(&mut self.connection.buf).map_err(|_| BodyFlaw::Malformed)? {
                Some(Piece::Data(data)) => {
                    if whole.len() + data.len() > limit {
                        return Err(BodyFlaw::TooLarge);
                    }
                    whole.extend_from_slice(&data);
                }
                Some(Piece::End) => return Ok(whole.freeze()),
                None if self.body.promised() > (limit - whole.len()) as u64 => {
                    return Err(BodyFlaw::TooLarge);
                }
                None => match self.connection.wire.read(&mut self.connection.buf).await {
                    Ok(0) | Err(_) => return Err(BodyFlaw::Gone),
                    Ok(_) => {}
                },
            }
            if self.body.is_done() {
                return Ok(whole.freeze());
            }
        }
    }

    pub(super) async fn answer(&mut self, status: u16, lines: &FieldLines, body: &[u8]) -> io::Result<()> {
        let close = self.closes_after();
        let connection = &mut *self.connection;
        connection.out.clear();
        write::response_head(&mut connection.out, status, lines, framing_of(body), close);
        let body = if self.bodyless { &[] } else { body };
        let deadline = connection.limits.write_deadline;
        let written = connection.wire.write_joined(&mut connection.out, [body, &[]], deadline).await;
        self.sent = if written.is_ok() { Sent::Whole } else { Sent::Broken };
        written
    }

    pub(super) fn begin(&mut self, status: u16, lines: &FieldLines, framing: Framing) {
        // HTTP/1.0 has no chunks: such a body ends with the connection.
        let framing = if framing == Framing::Chunked && self.http10 { Framing::UntilClose } else { framing };
        if framing == Framing::UntilClose {
            self.connection.reusable = false;
        }
        let close = self.closes_after();
        self.connection.out.clear();
        write::response_head(&mut self.connection.out, status, lines, framing, close);
        self.sent = Sent::Begun(framing);
    }

    pub(super) async fn send(&mut self, piece: &[u8]) -> io::Result<()> {
        let Sent::Begun(framing) = self.sent else { return Err(io::ErrorKind::InvalidInput.into()) };
        let piece = if self.bodyless { &[] } else { piece };
        let connection = &mut *self.connection;
        let deadline = connection.limits.write_deadline;
        let written = if framing == Framing::Chunked && !piece.is_empty() {
            write::chunk_start(&mut connection.out, piece.len());
            connection.wire.write_joined(&mut connection.out, [piece, b"\r\n"], deadline).await
        } else if connection.out.is_empty() && piece.is_empty() {
            Ok(())
        } else {
            connection.wire.write(&[&connection.out, piece], deadline).await
        };
        connection.out.clear();
        if written.is_err() {
            self.sent = Sent::Broken;
        }
        written
    }

    pub(super) async fn end(&mut self) -> io::Result<()> {
        let Sent::Begun(framing) = self.sent else { return Ok(()) };
        let connection = &mut *self.connection;
        if framing == Framing::Chunked && !self.bodyless {
            connection.out.extend_from_slice(b"0\r\n\r\n");
        }
        let written = if connection.out.is_empty() {
            Ok(())
        } else {
            connection.wire.write(&[&connection.out], connection.limits.write_deadline).await
        };
        connection.out.clear();
        self.sent = if written.is_ok() { Sent::Whole } else { Sent::Broken };
        written
    }

    pub(super) async fn left_by(&mut self, end: Instant) -> bool {
        let Connection { wire, buf, prompt, reusable, .. } = &mut *self.connection;
        tokio::select! {
            biased;
            () = left(wire, buf) => {
                *reusable = false;
                true
            }
            () = prompt.until(end) => false,
        }
    }

    pub(super) async fn left(&mut self) {
        let Connection { wire, buf, reusable, .. } = &mut *self.connection;
        left(wire, buf).await;
        *reusable = false;
    }

    pub(super) fn abandon(&mut self) {
        self.sent = Sent::Broken;
        self.connection.reusable = false;
    }

    pub(super) fn last(&mut self) {
        self.connection.reusable = false;
    }

    /// Whether the connection ends after this answer: it was going to, or part of the request is still unread.
    fn closes_after(&mut self) -> bool {
        if !self.body.is_done() {
            self.connection.reusable = false;
            self.connection.unread = true;
        }
        !self.connection.reusable
    }
}

impl Drop for Exchange<'_> {
    fn drop(&mut self) {
        // An answer that was never finished must not be followed by another.
        if self.sent != Sent::Whole {
            self.connection.reusable = false;
        }
    }
}
