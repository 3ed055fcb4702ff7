//! What does one client with a keep-alive connection send, and is what comes back right?

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::event::epoll;

use crate::case::{Case, Era};
use crate::http::{self, Message};
use crate::wire::step::{Expect, Order, Step};
use crate::wire::{self, ID_FIRST, Template, requests};

/// Most bytes of one answer with its head.
const ANSWER_MAX: usize = 256 * 1024;
/// Bytes of a read buffer at first; it doubles as answers need it.
const BUFFER_FIRST: usize = 16 * 1024;
/// Longest wait for a handshake's answer. MCP gateways that are programs of Python take seconds for their first one.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// One client: its connection, and its session where the era has one.
pub(super) struct Client {
    stream: TcpStream,
    pub(super) session: Option<String>,
    authority: String,
    case: Case,
    /// By the step's place in the case; made when first needed, and again in another session.
    requests: Vec<Option<Template>>,
    order: Order,
    /// Place of the step in flight.
    step: usize,
    pub(super) id: u32,
    /// When the request was sent, or should have been.
    pub(super) sent_at: Instant,
    pub(super) waiting: bool,
    buffer: Vec<u8>,
    filled: usize,
}

impl Client {
    /// Opens a connection and, in the legacy era, a session.
    pub(super) fn connect(target: SocketAddr, case: Case, number: usize) -> Result<Self> {
        let stream = open(target)?;
        let authority = target.to_string();
        let session = match case.era() {
            Era::Legacy => Some(handshake(&stream, &authority)?),
            Era::Modern => None,
        };
        stream.set_nonblocking(true).context("making a connection non-blocking")?;
        Ok(Self {
            stream,
            session,
            authority,
            case,
            requests: vec![None; case.steps().len()],
            order: Order::new(case.steps(), number),
            step: 0,
            id: ID_FIRST,
            sent_at: Instant::now(),
            waiting: false,
            buffer: vec![0; BUFFER_FIRST],
            filled: 0,
        })
    }

    pub(super) fn watch(&self, poll: &impl rustix::fd::AsFd, number: usize) -> Result<()> {
        epoll::add(poll, &self.stream, epoll::EventData::new_u64(number as u64), epoll::EventFlags::IN)
            .context("watching a connection")
    }

    /// Sends the next request. `due` is when that should have happened.
    pub(super) fn send(&mut self, due: Instant) -> Result<()> {
        self.step = self.order.step();
        self.id += 1;
        let (step, _) = self.case.steps()[self.step];
        let request = self.requests[self.step]
            .get_or_insert_with(|| step.request(self.case.era(), &self.authority, self.session.as_deref()));
        request.fill(self.id);
        let bytes = request.bytes();
        // One request in flight fits the socket's buffer by far. A closed connection is seen by the next read.
        match (&self.stream).write(bytes) {
            Ok(written) => {
                ensure!(written == bytes.len(), "the socket took {written} of {} bytes", bytes.len());
            }
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {}
            Err(error) => return Err(error).context("writing a request"),
        }
        (self.sent_at, self.waiting) = (due, true);
        Ok(())
    }

    /// Takes in what has come. `true` when the answer is whole and right. `expected` is by the step's place in the case.
    pub(super) fn receive(&mut self, expected: &mut [Expect], scratch: &mut Vec<u8>) -> Result<bool> {
        if self.filled == self.buffer.len() {
            ensure!(self.filled < ANSWER_MAX, "an answer of more than {ANSWER_MAX} bytes");
            self.buffer.resize(self.filled * 2, 0);
        }
        match (&self.stream).read(&mut self.buffer[self.filled..]) {
            Ok(0) => bail!("the endpoint closed the connection"),
            Ok(read) => self.filled += read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error).context("reading an answer"),
        }
        let Some(answer) = http::response(&self.buffer[..self.filled], scratch)? else { return Ok(false) };
        ensure!(answer.len == self.filled, "bytes behind the answer");
        let expected = &mut expected[self.step];
        check(&answer, expected, self.id)
            .with_context(|| format!("judging the answer to {:?}", self.case.steps()[self.step].0))?;
        ensure!(!answer.closes, "the endpoint closes its connection");
        if matches!(expected, Expect::Session) {
            self.session = answer.session.map(str::to_owned);
            self.requests.fill(None);
        }
        (self.filled, self.waiting) = (0, false);
        Ok(true)
    }
}

/// The body without the number in `"ttlMs":`, which a cache makes smaller as time goes by.
fn timeless(body: &[u8]) -> (&[u8], &[u8]) {
    const TTL: &[u8] = b"\"ttlMs\":";
    let at = memchr::memmem::find(body, TTL).map_or(body.len(), |at| at + TTL.len());
    let (before, rest) = body.split_at(at);
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (before, &rest[digits..])
}

/// Whether `answer` is the one that was expected for the request `id`.
pub(super) fn check(answer: &Message<'_>, expected: &mut Expect, id: u32) -> Result<()> {
    let (status, body) = (answer.status, answer.body);
    let wanted = match expected {
        Expect::Accepted => status == 202,
        Expect::Ended => status == 200 || status == 204,
        Expect::Body(_) | Expect::Result | Expect::Session => status == 200,
    };
    ensure!(wanted, "status {status}: {}", excerpt(body));
    match expected {
        Expect::Body(template) => {
            template.fill(id);
            let same = body == template.bytes() || timeless(body) == timeless(template.bytes());
            ensure!(same, "a body that is not the hub's: {}", excerpt(body));
        }
        Expect::Result => {
            let text = String::from_utf8_lossy(body);
            // An event's data, or the whole body.
            let json = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap_or(&text);
            let value: serde_json::Value = serde_json::from_str(json).context("reading the answer")?;
            let result = &value["result"];
            ensure!(
                value["id"] == id && result.is_object() && result["isError"] != true,
                "an answer that is no result for {id}: {}",
                excerpt(body)
            );
        }
        Expect::Session => {
            ensure!(answer.session.is_some(), "initialize was answered without Mcp-Session-Id");
        }
        Expect::Accepted | Expect::Ended => {}
    }
    Ok(())
}

/// The beginning of a body, for an error message.
fn excerpt(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(200).collect()
}

pub(super) fn open(target: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(target).with_context(|| format!("connecting to {target}"))?;
    stream.set_nodelay(true).context("setting TCP_NODELAY")?;
    stream.set_read_timeout(Some(HANDSHAKE_MAX)).context("setting a read timeout")?;
    Ok(stream)
}

/// A legacy handshake; returns the session id.
pub(super) fn handshake(stream: &TcpStream, authority: &str) -> Result<String> {
    let mut initialize = requests::initialize(authority);
    initialize.fill(ID_FIRST);
    let (status, session) = roundtrip(stream, initialize.bytes()).context("sending initialize")?;
    ensure!(status == 200, "initialize was answered with status {status}");
    let session = session.context("initialize was answered without Mcp-Session-Id")?;
    let initialized = Step::Initialized.request(Era::Legacy, authority, Some(&session));
    let (status, _) = roundtrip(stream, initialized.bytes()).context("sending notifications/initialized")?;
    ensure!(status == 202, "notifications/initialized was answered with status {status}");
    Ok(session)
}

/// Ends a session over a connection of its own.
pub(super) fn end(target: SocketAddr, session: &str) -> Result<()> {
    let delete = wire::requests::delete(&target.to_string(), session);
    roundtrip(&open(target)?, delete.bytes()).map(drop)
}

/// One blocking request and its answer's status and session id.
pub(super) fn roundtrip(mut stream: &TcpStream, request: &[u8]) -> Result<(u16, Option<String>)> {
    stream.write_all(request).context("writing a request")?;
    let mut buffer = vec![0; BUFFER_FIRST];
    let (mut filled, mut scratch) = (0, Vec::new());
    loop {
        let read = stream.read(&mut buffer[filled..]).context("reading an answer")?;
        ensure!(read > 0, "the endpoint closed the connection");
        filled += read;
        if let Some(answer) = http::response(&buffer[..filled], &mut scratch)? {
            return Ok((answer.status, answer.session.map(str::to_owned)));
        }
    }
}
