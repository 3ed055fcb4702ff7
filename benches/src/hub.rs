//! The bench hub: which answer costs the least CPU and is still what a proxy must carry?
//!
//! **A measuring instrument, not a hub.** It keeps no sessions, checks no header, knows two tools and answers from
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
use crate::wire::{self, ID_DIGITS, Template};

/// Most connections at once; further ones are closed. Four peers with pools of 64 use 256.
const CONNECTIONS_MAX: usize = 4096;
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
                accept(listener, &poll, &mut connections)?;
                continue;
            }
            let Some(slot) = usize::try_from(data.u64()).ok().and_then(|at| connections.get_mut(at)) else {
                continue;
            };
            // Dropping a connection closes it, and closing takes it out of the epoll set.
            if slot.as_mut().is_some_and(|connection| connection.turn(&mut answers).is_err()) {
                *slot = None;
            }
        }
    }
}

fn accept(
    listener: &TcpListener,
    poll: &impl rustix::fd::AsFd,
    all: &mut Vec<Option<Connection>>,
) -> Result<()> {
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            // The client left again, or there are no descriptors: the next event tries again.
            Err(_) => return Ok(()),
        };
        let free = all.iter().position(Option::is_none).unwrap_or(all.len());
        if free >= CONNECTIONS_MAX {
            continue;
        }
        stream.set_nonblocking(true).context("making a connection non-blocking")?;
        stream.set_nodelay(true).context("setting TCP_NODELAY")?;
        epoll::add(poll, &stream, epoll::EventData::new_u64(free as u64), epoll::EventFlags::IN)
            .context("watching a connection")?;
        if free == all.len() {
            all.push(None);
        }
        all[free] = Some(Connection { stream, buffer: vec![0; 4096], filled: 0 });
    }
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
}

impl Connection {
    /// Reads what is there and answers every whole request. An error means: close.
    fn turn(&mut self, answers: &mut Answers) -> Result<()> {
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
                ("DELETE", _) => Answer::Static(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
                _ => Answer::Static(
                    b"HTTP/1.1 405 Method Not Allowed\r\nAllow: POST, DELETE\r\nContent-Length: 0\r\n\r\n",
                ),
            };
            // An answer fits the socket's buffer by far, since the client waits for it before the next request.
            let bytes = answer.bytes();
            let written = self.stream.write(bytes).context("writing an answer")?;
            ensure!(written == bytes.len(), "the socket took {written} of {} bytes", bytes.len());
            ensure!(!closes, "the client asked to close");
            self.buffer.copy_within(len..self.filled, 0);
            self.filled -= len;
        }
        Ok(())
    }
}

/// The prebuilt answers, and room to decode a chunked request.
struct Answers {
    ready: Ready,
    scratch: Vec<u8>,
}

struct Ready {
    json: Template,
    sse: Template,
    sse_marker: memmem::Finder<'static>,
    id_marker: memmem::Finder<'static>,
    method_marker: memmem::Finder<'static>,
    sessions: u32,
}

impl Answers {
    fn new() -> Self {
        let blank = "0".repeat(ID_DIGITS);
        let ready = Ready {
            json: Template::new(wire::json_answer(&blank)),
            sse: Template::new(wire::sse_answer(&blank)),
            sse_marker: memmem::Finder::new(wire::SSE_TOOL),
            id_marker: memmem::Finder::new("\"id\":"),
            method_marker: memmem::Finder::new("\"method\":\""),
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
    let method = ready.method_marker.find(body).map_or(&b""[..], |at| {
        let rest = &body[at + 10..];
        &rest[..memchr::memchr(b'"', rest).unwrap_or(rest.len())]
    });
    let text = || std::str::from_utf8(id).unwrap_or("null");
    match method {
        b"tools/call" => {
            let streamed = ready.sse_marker.find(body).is_some();
            if let Ok(digits) = id.try_into() {
                let template = if streamed { &mut ready.sse } else { &mut ready.json };
                template.fill_digits(digits);
                Answer::Ready(template.bytes())
            } else {
                Answer::Built(if streamed { wire::sse_answer(text()) } else { wire::json_answer(text()) })
            }
        }
        b"initialize" => {
            ready.sessions = ready.sessions.wrapping_add(1) % 100_000_000;
            Answer::Built(wire::initialize_answer(text(), ready.sessions))
        }
        b"server/discover" => Answer::Built(wire::discover_answer(text())),
        b"tools/list" => Answer::Built(wire::tools_answer(text())),
        other => Answer::Built(wire::other_answer(text(), other)),
    }
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
        check(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, "HTTP/1.1 202", "");
    }
}
