//! How many right answers does this endpoint give, and what do they cost the processes behind it?
//!
//! Owns the load generator: a closed loop over keep-alive connections on one thread, a write and a read per request,
//! from prebuilt bytes. Each connection is a client of its own: in the legacy era it makes a real handshake and keeps
//! its own session id. Every answer is checked: status 200, the body byte by byte, the request's own id.
//!
//! Does not know what it measures: it is given an address and the process ids whose CPU time counts. It reads that
//! CPU time itself, at the very beginning and end of its window, so that start-up and warm-up stay outside.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hdrhistogram::Histogram;
use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use serde::{Deserialize, Serialize};

use crate::wire::{self, Case, Era, ID_FIRST, Template};
use crate::{cpu, http};

/// Most bytes of one answer with its head.
const ANSWER_MAX: usize = 16 * 1024;
/// A request without an answer for so long at the end of the window is an error.
const STALLED_AFTER: Duration = Duration::from_secs(1);
/// After so many errors the run is given up: its figures mean nothing.
const ERRORS_MAX: u64 = 1000;
/// Sessions that are opened over one connection: endpoints close those that have served for long.
const HANDSHAKES_PER_CONNECTION: usize = 100;
/// Longest wait for a handshake's answer.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
/// Longest latency that is told apart, in microseconds.
const LATENCY_MAX: u64 = 60_000_000;

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where the endpoint listens.
    pub target: SocketAddr,
    /// What is sent.
    pub case: Case,
    /// Keep-alive connections, each with one request in flight.
    pub connections: usize,
    /// Load before the window opens.
    pub warmup: Duration,
    /// Length of the window.
    pub window: Duration,
    /// The proxy's process, where there is one: its CPU time and that of its children is read.
    pub proxy: Option<u32>,
    /// The hub's process.
    pub hub: u32,
}

/// What one run found. Counts and times are those of the window alone, except `errors`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// Right answers.
    pub answers: u64,
    /// Wrong or missing answers, warm-up included.
    pub errors: u64,
    /// The first error, in words.
    pub first_error: Option<String>,
    /// Length of the window in seconds, as it really was.
    pub seconds: f64,
    /// CPU seconds of the proxy; 0 without one.
    pub proxy_cpu: f64,
    /// CPU seconds of the hub.
    pub hub_cpu: f64,
    /// CPU seconds of the load generator.
    pub load_cpu: f64,
    /// Median latency in microseconds.
    pub p50: u64,
    /// 99th percentile of the latency in microseconds.
    pub p99: u64,
}

/// CPU seconds at one moment.
struct Clocks {
    proxy: f64,
    hub: f64,
    load: f64,
}

impl Clocks {
    fn read(plan: &Plan) -> Result<Self> {
        Ok(Self {
            proxy: plan.proxy.map_or(Ok(0.0), cpu::seconds)?,
            hub: cpu::seconds(plan.hub)?,
            load: cpu::seconds(std::process::id())?,
        })
    }
}

/// Runs `plan` and ends the sessions it opened.
///
/// # Errors
/// When no connection or session can be had, or a watched process is gone. Wrong answers are counted instead.
pub fn run(plan: &Plan) -> Result<Run> {
    let authority = plan.target.to_string();
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC).context("creating an epoll set")?;
    let mut clients = Vec::with_capacity(plan.connections);
    for n in 0..plan.connections {
        let client = Client::connect(plan, &authority).with_context(|| format!("opening connection {n}"))?;
        client.watch(&poll, n)?;
        clients.push(client);
    }
    let run = drive(plan, &poll, &mut clients);
    for session in clients.iter().filter_map(|client| client.session.as_deref()) {
        // Politeness towards the endpoint; the figures are in.
        let _ = exchange(plan.target, &wire::delete(&authority, session));
    }
    run
}

/// Makes one handshake, to see whether the endpoint serves.
///
/// # Errors
/// When it does not, and why.
pub fn probe(target: SocketAddr) -> Result<()> {
    let authority = target.to_string();
    let stream = open(target)?;
    let session = handshake(&stream, &authority)?;
    let _ = exchange(target, &wire::delete(&authority, &session));
    Ok(())
}

/// Opens so many sessions of other clients, and leaves them idle.
///
/// # Errors
/// When the endpoint does not open one of them.
pub fn crowd(target: SocketAddr, others: usize) -> Result<()> {
    let authority = target.to_string();
    for first in (0..others).step_by(HANDSHAKES_PER_CONNECTION) {
        let stream = open(target)?;
        for n in first..others.min(first + HANDSHAKES_PER_CONNECTION) {
            handshake(&stream, &authority).with_context(|| format!("opening session {n} of the others"))?;
        }
    }
    Ok(())
}

fn drive(plan: &Plan, poll: &impl rustix::fd::AsFd, clients: &mut [Client]) -> Result<Run> {
    let mut tally = Tally::new(plan.case)?;
    let mut now = Instant::now();
    for client in clients.iter_mut() {
        client.send(now)?;
    }
    let opens = now + plan.warmup;
    while now < opens {
        now = turn(plan, poll, clients, &mut tally)?;
    }
    let before = Clocks::read(plan)?;
    tally.open();
    let began = Instant::now();
    let closes = began + plan.window;
    while now < closes {
        now = turn(plan, poll, clients, &mut tally)?;
    }
    let ended = Instant::now();
    let after = Clocks::read(plan)?;
    for client in clients.iter().filter(|client| ended.duration_since(client.sent_at) > STALLED_AFTER) {
        tally.error(&anyhow::anyhow!("no answer after {STALLED_AFTER:?} (id {})", client.id))?;
    }
    Ok(Run {
        answers: tally.latency.len(),
        errors: tally.errors,
        first_error: tally.first_error,
        seconds: ended.duration_since(began).as_secs_f64(),
        proxy_cpu: after.proxy - before.proxy,
        hub_cpu: after.hub - before.hub,
        load_cpu: after.load - before.load,
        p50: tally.latency.value_at_quantile(0.50),
        p99: tally.latency.value_at_quantile(0.99),
    })
}

/// Waits for answers once and sends the next requests. Returns the time.
fn turn(
    plan: &Plan,
    poll: &impl rustix::fd::AsFd,
    clients: &mut [Client],
    tally: &mut Tally,
) -> Result<Instant> {
    // A silent endpoint must not keep the window open.
    let wait = rustix::event::Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
    tally.events.clear();
    match epoll::wait(poll, spare_capacity(&mut tally.events), Some(&wait)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error).context("waiting for answers"),
    }
    let mut now = Instant::now();
    for at in 0..tally.events.len() {
        let data = tally.events[at].data;
        let n = usize::try_from(data.u64()).context("reading an epoll event")?;
        let outcome = clients[n].receive(&mut tally.expected, &mut tally.scratch);
        now = Instant::now();
        match outcome {
            Ok(false) => {}
            Ok(true) => {
                let micros = now.duration_since(clients[n].sent_at).as_micros();
                tally.latency.saturating_record(u64::try_from(micros).unwrap_or(LATENCY_MAX));
                clients[n].send(now)?;
            }
            Err(error) => {
                tally.error(&error)?;
                clients[n] = Client::connect(plan, &plan.target.to_string()).context("connecting again")?;
                clients[n].watch(poll, n)?;
                now = Instant::now();
                clients[n].send(now)?;
            }
        }
    }
    Ok(now)
}

struct Tally {
    latency: Histogram<u64>,
    errors: u64,
    first_error: Option<String>,
    expected: Template,
    scratch: Vec<u8>,
    events: Vec<epoll::Event>,
}

impl Tally {
    fn new(case: Case) -> Result<Self> {
        Ok(Self {
            latency: Histogram::new_with_max(LATENCY_MAX, 3).context("making a histogram")?,
            errors: 0,
            first_error: None,
            expected: wire::answer_body(case),
            scratch: Vec::with_capacity(ANSWER_MAX),
            events: Vec::with_capacity(256),
        })
    }

    fn open(&mut self) {
        self.latency.reset();
    }

    fn error(&mut self, error: &anyhow::Error) -> Result<()> {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| format!("{error:#}"));
        ensure!(self.errors < ERRORS_MAX, "{ERRORS_MAX} errors, the first: {:?}", self.first_error);
        Ok(())
    }
}

struct Client {
    stream: TcpStream,
    session: Option<String>,
    request: Template,
    id: u32,
    sent_at: Instant,
    buffer: Box<[u8]>,
    filled: usize,
}

impl Client {
    fn connect(plan: &Plan, authority: &str) -> Result<Self> {
        let stream = open(plan.target)?;
        let session = match plan.case.era() {
            Era::Legacy => Some(handshake(&stream, authority)?),
            Era::Modern => None,
        };
        stream.set_nonblocking(true).context("making a connection non-blocking")?;
        let request = wire::request(plan.case, authority, session.as_deref());
        let buffer = vec![0; ANSWER_MAX].into_boxed_slice();
        Ok(Self { stream, session, request, id: ID_FIRST, sent_at: Instant::now(), buffer, filled: 0 })
    }

    fn watch(&self, poll: &impl rustix::fd::AsFd, n: usize) -> Result<()> {
        epoll::add(poll, &self.stream, epoll::EventData::new_u64(n as u64), epoll::EventFlags::IN)
            .context("watching a connection")
    }

    fn send(&mut self, now: Instant) -> Result<()> {
        self.id += 1;
        self.request.fill(self.id);
        let bytes = self.request.bytes();
        // One request in flight fits the socket's buffer by far. A closed connection is seen by the next read.
        match (&self.stream).write(bytes) {
            Ok(written) => {
                ensure!(written == bytes.len(), "the socket took {written} of {} bytes", bytes.len());
            }
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {}
            Err(error) => return Err(error).context("writing a request"),
        }
        self.sent_at = now;
        Ok(())
    }

    /// Takes in what has come. `true` when the answer is whole and right.
    fn receive(&mut self, expected: &mut Template, scratch: &mut Vec<u8>) -> Result<bool> {
        match (&self.stream).read(&mut self.buffer[self.filled..]) {
            Ok(0) if self.filled == self.buffer.len() => bail!("an answer of more than {ANSWER_MAX} bytes"),
            Ok(0) => bail!("the endpoint closed the connection"),
            Ok(read) => self.filled += read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error).context("reading an answer"),
        }
        let Some(answer) = http::response(&self.buffer[..self.filled], scratch)? else { return Ok(false) };
        ensure!(answer.status == 200, "status {}: {}", answer.status, excerpt(answer.body));
        ensure!(answer.len == self.filled, "bytes behind the answer");
        expected.fill(self.id);
        ensure!(answer.body == expected.bytes(), "a body that is not the hub's: {}", excerpt(answer.body));
        ensure!(!answer.closes, "the endpoint closes its connection");
        self.filled = 0;
        Ok(true)
    }
}

/// The beginning of a body, for an error message.
fn excerpt(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(200).collect()
}

fn open(target: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(target).with_context(|| format!("connecting to {target}"))?;
    stream.set_nodelay(true).context("setting TCP_NODELAY")?;
    stream.set_read_timeout(Some(HANDSHAKE_MAX)).context("setting a read timeout")?;
    Ok(stream)
}

/// A legacy handshake; returns the session id.
fn handshake(stream: &TcpStream, authority: &str) -> Result<String> {
    let (status, session) = roundtrip(stream, &wire::initialize(authority)).context("sending initialize")?;
    ensure!(status == 200, "initialize was answered with status {status}");
    let session = session.context("initialize was answered without Mcp-Session-Id")?;
    let (status, _) = roundtrip(stream, &wire::initialized(authority, &session))
        .context("sending notifications/initialized")?;
    ensure!(status == 202, "notifications/initialized was answered with status {status}");
    Ok(session)
}

fn exchange(target: SocketAddr, request: &[u8]) -> Result<(u16, Option<String>)> {
    roundtrip(&open(target)?, request)
}

/// One blocking request and its answer's status and session id.
fn roundtrip(mut stream: &TcpStream, request: &[u8]) -> Result<(u16, Option<String>)> {
    stream.write_all(request).context("writing a request")?;
    let mut buffer = vec![0; ANSWER_MAX];
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

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    fn plan(case: Case, target: SocketAddr) -> Plan {
        let me = std::process::id();
        let (warmup, window) = (Duration::from_millis(20), Duration::from_millis(100));
        Plan { target, case, connections: 4, warmup, window, proxy: None, hub: me }
    }

    #[test]
    fn the_bench_hub_gives_only_right_answers_in_every_case() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let target = listener.local_addr().expect("an address");
        thread::spawn(move || crate::hub::serve(&listener));
        probe(target).expect("the hub serves");
        for case in Case::ALL {
            // A machine too busy for an answer within the window is no fault of the hub's: then ask again.
            let answered = (0..20).any(|_| {
                let run = run(&plan(case, target)).expect("a run");
                let wrong = run.first_error.filter(|error| !error.starts_with("no answer"));
                assert_eq!(wrong, None, "{case:?}");
                run.answers > 0
            });
            assert!(answered, "{case:?}");
        }
    }

    /// Serves each connection with the same bytes for every read.
    fn parrot(answer: Vec<u8>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let target = listener.local_addr().expect("an address");
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answer = answer.clone();
                thread::spawn(move || {
                    let mut stream = stream;
                    let mut buffer = [0; 4096];
                    while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
                        if stream.write_all(&answer).is_err() {
                            break;
                        }
                    }
                });
            }
        });
        target
    }

    #[test]
    fn a_wrong_id_and_a_wrong_status_are_errors() {
        let failed = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n".to_vec();
        for (answer, words) in [(wire::json_answer("00000000"), "not the hub's"), (failed, "status 502")] {
            // Given up after too many errors, or the window was over before: either way the first one is told.
            let told = match run(&plan(Case::JsonModern, parrot(answer))) {
                Ok(run) => {
                    assert!(run.answers == 0 && run.errors > 0, "{run:?}");
                    run.first_error.unwrap_or_default()
                }
                Err(error) => format!("{error:#}"),
            };
            assert!(told.contains(words), "{told}");
        }
    }
}
