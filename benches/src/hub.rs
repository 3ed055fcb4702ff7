//! The bench hub: which answer costs the least CPU and is still what a proxy must carry?
//!
//! **A measuring instrument, not a hub.** It keeps no sessions, checks no header, knows a few tools and answers from
//! prebuilt bytes, so that on a core shared with the load generator the proxy under test stays the narrowest place.
//! The real hub is `mcphub-hub`.
//!
//! Owns an epoll loop on one thread: a read and a write per request. Does not know who is in front of it. It never
//! closes a connection first, so that no proxy meets a dead connection of its pool.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use anyhow::{Context, Result, ensure};
use memchr::memmem;
use rustix::buffer::spare_capacity;
use rustix::event::epoll;

use crate::http;
use crate::wire::answers::{self, READY, STREAM_HEAD};
use crate::wire::step::Step;
use crate::wire::{ID_DIGITS, Template};

/// Most connections at once; further ones are closed. 8,000 streams, and a pool of each peer besides.
const CONNECTIONS_MAX: usize = 12_000;
/// Most bytes of one request.
const REQUEST_MAX: usize = 64 * 1024;
const LISTENER: u64 = u64::MAX;

/// Answers on `listener` until the process ends.
///
/// # Errors
/// When the listener or epoll fails; a failing connection is closed and forgotten.
pub fn serve(listener: &TcpListener) -> Result<()> {
    listener.set_nonblocking(true).context("making the listener non-blocking")?;
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC).context("creating an epoll set")?;
    epoll::add(&poll, listener, epoll::EventData::new_u64(LISTENER), epoll::EventFlags::IN)
        .context("watching the listener")?;
    let mut connections: Vec<Option<Connection>> = Vec::new();
    // Places of connections that are gone.
    let mut free: Vec<u64> = Vec::new();
    let mut answers = Answers::new();
    let mut events: Vec<epoll::Event> = Vec::with_capacity(256);
    loop {
        events.clear();
        match epoll::wait(&poll, spare_capacity(&mut events), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("waiting for requests"),
        }
        for event in &events {
            let data = event.data;
            if data.u64() == LISTENER {
                accept(listener, &poll, &mut connections, &mut free)?;
                continue;
            }
            let Some(slot) = usize::try_from(data.u64()).ok().and_then(|at| connections.get_mut(at)) else {
                continue;
            };
            // Dropping a connection closes it, and closing takes it out of the epoll set.
            if slot.as_mut().is_some_and(|connection| connection.turn(&poll, data, &mut answers).is_err()) {
                *slot = None;
                free.push(data.u64());
            }
        }
    }
}

fn accept(
    listener: &TcpListener,
    poll: &impl rustix::fd::AsFd,
    all: &mut Vec<Option<Connection>>,
    free: &mut Vec<u64>,
) -> Result<()> {
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            // The client left again, or there are no descriptors: the next event tries again.
            Err(_) => return Ok(()),
        };
        if free.is_empty() {
            if all.len() >= CONNECTIONS_MAX {
                continue;
            }
            free.push(all.len() as u64);
            all.push(None);
        }
        let Some(place) = free.pop() else { continue };
        stream.set_nonblocking(true).context("making a connection non-blocking")?;
        stream.set_nodelay(true).context("setting TCP_NODELAY")?;
        epoll::add(poll, &stream, epoll::EventData::new_u64(place), epoll::EventFlags::IN)
            .context("watching a connection")?;
        let connection = Connection { stream, buffer: vec![0; 4096], filled: 0, unsent: Vec::new() };
        all[usize::try_from(place).context("counting connections")?] = Some(connection);
    }
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
    /// What the socket has not taken yet of a large answer.
    unsent: Vec<u8>,
}

impl Connection {
    /// Reads what is there and answers every whole request. An error means: close.
    fn turn(
        &mut self,
        poll: &impl rustix::fd::AsFd,
        place: epoll::EventData,
        answers: &mut Answers,
    ) -> Result<()> {
        if !self.unsent.is_empty() {
            return self.send_rest(poll, place);
        }
        if self.filled == self.buffer.len() {
            ensure!(self.filled < REQUEST_MAX, "a request of more than {REQUEST_MAX} bytes");
            self.buffer.resize(self.filled * 2, 0);
        }
        match self.stream.read(&mut self.buffer[self.filled..]) {
            Ok(0) => anyhow::bail!("closed by the peer"),
            Ok(read) => self.filled += read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error).context("reading a request"),
        }
        while self.filled > 0 {
            let Some(request) = http::request(&self.buffer[..self.filled], &mut answers.scratch)? else {
                return Ok(());
            };
            let (len, closes) = (request.len, request.closes);
            let answer = match (request.method, request.body) {
                ("POST", body) => post_answer(&mut answers.ready, body),
                // The stream of a session: a head, and then nothing.
                ("GET", _) => Answer::Static(STREAM_HEAD),
                ("DELETE", _) => Answer::Static(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
                _ => Answer::Static(
                    b"HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, POST, DELETE\r\nContent-Length: 0\r\n\r\n",
                ),
            };
            let bytes = answer.bytes();
            let waits = !self.unsent.is_empty();
            let written = match if waits { Ok(0) } else { self.stream.write(bytes) } {
                Ok(written) => written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                Err(error) => return Err(error).context("writing an answer"),
            };
            if written < bytes.len() {
                self.unsent.extend_from_slice(&bytes[written..]);
            }
            if !waits && !self.unsent.is_empty() {
                watch(poll, &self.stream, place, epoll::EventFlags::OUT)?;
            }
            ensure!(!closes, "the client asked to close");
            self.buffer.copy_within(len..self.filled, 0);
            self.filled -= len;
        }
        Ok(())
    }

    /// Goes on with a large answer; nothing is read meanwhile.
    fn send_rest(&mut self, poll: &impl rustix::fd::AsFd, place: epoll::EventData) -> Result<()> {
        match self.stream.write(&self.unsent) {
            Ok(written) => drop(self.unsent.drain(..written)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error).context("writing an answer"),
        }
        if self.unsent.is_empty() {
            watch(poll, &self.stream, place, epoll::EventFlags::IN)?;
        }
        Ok(())
    }
}

fn watch(
    poll: &impl rustix::fd::AsFd,
    stream: &TcpStream,
    place: epoll::EventData,
    flags: epoll::EventFlags,
) -> Result<()> {
    epoll::modify(poll, stream, place, flags).context("watching a connection")
}

/// The prebuilt answers, and room to decode a chunked request.
struct Answers {
    ready: Ready,
    scratch: Vec<u8>,
}

struct Ready {
    templates: Vec<(Step, Template)>,
    id_marker: memmem::Finder<'static>,
    method_marker: memmem::Finder<'static>,
    name_marker: memmem::Finder<'static>,
    cursor_marker: memmem::Finder<'static>,
    sessions: u32,
}

impl Answers {
    fn new() -> Self {
        let ready = Ready {
            templates: READY.map(|step| (step, Template::new(answers::answer(step)))).into(),
            id_marker: memmem::Finder::new("\"id\":"),
            method_marker: memmem::Finder::new("\"method\":\""),
            name_marker: memmem::Finder::new("\"name\":\""),
            cursor_marker: memmem::Finder::new("\"cursor\":\""),
            sessions: 0,
        };
        Self { ready, scratch: Vec::new() }
    }
}

enum Answer<'a> {
    Static(&'static [u8]),
    Ready(&'a [u8]),
    Built(Vec<u8>),
}

impl Answer<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Answer::Static(bytes) | Answer::Ready(bytes) => bytes,
            Answer::Built(bytes) => bytes,
        }
    }
}

fn post_answer<'a>(ready: &'a mut Ready, body: &[u8]) -> Answer<'a> {
    let Some(id) = ready.id_marker.find(body).map(|at| value_at(body, at + 5)) else {
        // A notification, or an answer to a request that this hub never made.
        return Answer::Static(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
    };
    let method = text_after(&ready.method_marker, body).unwrap_or_default();
    let text = || std::str::from_utf8(id).unwrap_or("null");
    if method == b"initialize" {
        ready.sessions = ready.sessions.wrapping_add(1) % 100_000_000;
        return Answer::Built(answers::initialized(text(), ready.sessions));
    }
    let key = match method {
        b"tools/call" => text_after(&ready.name_marker, body),
        b"tools/list" => text_after(&ready.cursor_marker, body),
        _ => None,
    };
    let is_meant = |step: &Step| {
        step.method().is_some_and(|name| name.as_bytes() == method) && step.key().map(str::as_bytes) == key
    };
    let Some((step, template)) = ready.templates.iter_mut().find(|(step, _)| is_meant(step)) else {
        return Answer::Built(answers::unknown(text()));
    };
    if let Ok(digits) = id.try_into() {
        let digits: [u8; ID_DIGITS] = digits;
        template.fill_digits(digits);
        Answer::Ready(template.bytes())
    } else {
        Answer::Built(answers::answer_with(*step, text()))
    }
}

/// The text behind `marker`, up to the next quotation mark. Enough for names without escapes.
fn text_after<'a>(marker: &memmem::Finder<'_>, body: &'a [u8]) -> Option<&'a [u8]> {
    let rest = &body[marker.find(body)? + marker.needle().len()..];
    Some(&rest[..memchr::memchr(b'"', rest).unwrap_or(rest.len())])
}

/// The JSON number or string that begins at `at`: up to the next comma or bracket. Enough for ids without commas.
fn value_at(body: &[u8], at: usize) -> &[u8] {
    let rest = &body[at..];
    rest[..memchr::memchr2(b',', b'}', rest).unwrap_or(rest.len())].trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the hub answers to `body`, as status and text.
    fn check(body: &str, starts: &str, holds: &str) {
        let mut answers = Answers::new();
        let answer = post_answer(&mut answers.ready, body.as_bytes());
        let text = std::str::from_utf8(answer.bytes()).expect("text");
        assert!(text.starts_with(starts), "{text}");
        assert!(text.contains(holds), "{text}");
        let whole = http::response(answer.bytes(), &mut Vec::new()).expect("well formed").expect("whole").len;
        assert_eq!(whole, answer.bytes().len());
    }

    #[test]
    fn answers_carry_the_requests_id_and_kind() {
        let json = "HTTP/1.1 200 OK\r\nContent-Type: application/json";
        let sse = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream";
        let call = |id: &str, tool: &str| {
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}"}}}}"#)
        };
        check(&call("12345678", "echo"), json, r#""id":12345678,"result""#);
        check(&call("\"a-1\"", "echo"), json, r#""id":"a-1","result""#);
        check(&call("7", "sse10"), sse, r#""id":7,"result""#);
        check(&call("12345678", "sse10"), sse, r#""id":12345678,"result""#);
        check(r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#, json, "Mcp-Session-Id: ");
        check(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, json, r#""result":{}"#);
        check(r#"{"jsonrpc":"2.0","id":1,"method":"server/discover"}"#, json, "supportedVersions");
        check(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, json, r#""cacheScope":"private""#);
        let public = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"public"}}"#;
        check(public, json, r#""cacheScope":"public""#);
        check(&call("1", "nobody"), json, r#""id":1,"error""#);
        check(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, "HTTP/1.1 202", "");
    }

    #[test]
    fn a_client_that_reads_late_gets_every_answer_in_order() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let target = listener.local_addr().expect("an address");
        std::thread::spawn(move || serve(&listener));
        let mut stream = TcpStream::connect(target).expect("a connection");
        stream.set_read_timeout(Some(std::time::Duration::from_secs(10))).expect("a socket");
        let mut request = Step::Call97k.request(crate::case::Era::Modern, "127.0.0.1:1", None);
        let mut expected = Template::new(answers::body(Step::Call97k));
        let (mut buffer, mut filled) = (vec![0; 1 << 20], 0);
        // More than sockets hold, twice: the hub must read on when all of the first is gone.
        for turn in [10_000_000, 20_000_000] {
            for n in 0..80 {
                request.fill(turn + n);
                stream.write_all(request.bytes()).expect("room for requests");
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
            for n in 0..80 {
                let mut scratch = Vec::new();
                let len = loop {
                    if let Some(answer) =
                        http::response(&buffer[..filled], &mut scratch).expect("well formed")
                    {
                        expected.fill(turn + n);
                        assert!(answer.body == expected.bytes(), "answer {n} of {turn}");
                        break answer.len;
                    }
                    let read = stream.read(&mut buffer[filled..]).expect("an answer in time");
                    assert!(read > 0, "closed");
                    filled += read;
                };
                buffer.copy_within(len..filled, 0);
                filled -= len;
            }
        }
    }
}
