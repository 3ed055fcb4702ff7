//! What reached the hub, to the byte, and what does a hub do that misbehaves to the byte?
//!
//! **Owns** a TCP server that writes down every byte it is sent, reads requests without forgiving anything (so
//! that a request which could be read two ways is noticed as a *stray*), and plays back a script for each one.
//! It **does not know** MCP: [`crate::raw_script`] writes scripts that do.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::raw_http::find;

/// Largest request kept, in bytes: four times the gateway's default body limit.
const REQUEST_MAX: usize = 16 << 20;

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Method, for instance `POST`.
    pub method: String,
    /// Request target as sent.
    pub target: String,
    /// Header fields in order, names as sent.
    pub fields: Vec<(String, String)>,
    /// Body with its transfer coding taken off.
    pub body: Vec<u8>,
    /// Which connection to this hub brought it, counted from 0.
    pub connection: usize,
}

impl Seen {
    /// The first field of that name, in any case.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// All fields of that name, in any case.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str()).collect()
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// One thing a hub does after it has read a request. After the last step it reads the next request.
#[derive(Debug, Clone)]
pub enum Step {
    /// Writes these bytes.
    Send(Vec<u8>),
    /// Does nothing for that long.
    Wait(Duration),
    /// Says nothing more and holds the connection until the peer ends it.
    Hang,
    /// Ends the connection with FIN.
    Close,
    /// Cuts the connection with RST.
    Reset,
    /// Writes these bytes again and again, that far apart, until the peer ends the connection.
    Repeat(Vec<u8>, Duration),
}

/// Decides what a hub does with a request.
pub type Script = Arc<dyn Fn(&Seen) -> Vec<Step> + Send + Sync>;

/// What a hub has seen so far.
#[derive(Debug, Default, Clone)]
pub struct Log {
    /// Bytes received over all connections.
    pub bytes: u64,
    /// Connections accepted.
    pub connections: usize,
    /// Requests in the order in which they were complete.
    pub requests: Vec<Seen>,
    /// Bytes that are no well-formed request, with what is wrong.
    pub strays: Vec<String>,
    /// Connections that the peer ended while a script was still running.
    pub left: usize,
}

/// A hub under a script. Stops when dropped.
#[derive(Debug)]
pub struct RawHub {
    /// Where it listens, on loopback.
    pub address: SocketAddr,
    log: Arc<Mutex<Log>>,
    task: JoinHandle<()>,
}

impl RawHub {
    /// Starts on a free port of 127.0.0.1.
    pub async fn start(script: Script) -> io::Result<Self> {
        Self::start_at("127.0.0.1:0", script).await
    }

    /// Starts on that address, for instance one that refused connections a moment ago.
    pub async fn start_at(address: &str, script: Script) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let log = Arc::new(Mutex::new(Log::default()));
        let task = tokio::spawn(accept(listener, script, log.clone()));
        Ok(Self { address, log, task })
    }

    /// A copy of what was seen so far.
    pub fn log(&self) -> Log {
        lock(&self.log).clone()
    }

    /// Forgets what was seen, and gives it back. Bytes of a request under way count for the next log.
    pub fn take(&self) -> Log {
        std::mem::take(&mut *lock(&self.log))
    }

    /// Stops listening and cuts every connection; when this returns, connections to it are refused.
    pub async fn stop(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
        // Its connections end when their tasks are dropped, which may be a moment later on another thread.
        while Arc::strong_count(&self.log) > 1 {
            tokio::task::yield_now().await;
        }
    }

    /// Where its MCP endpoint is.
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }
}

impl Drop for RawHub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Connections live in a set that dies with the task, so that a dropped hub cuts them all.
async fn accept(listener: TcpListener, script: Script, log: Arc<Mutex<Log>>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let number = {
            let mut log = lock(&log);
            log.connections += 1;
            log.connections - 1
        };
        while connections.try_join_next().is_some() {}
        let served = Served { stream, unread: Vec::new(), number, script: script.clone(), log: log.clone() };
        connections.spawn(served.run());
    }
}

struct Served {
    stream: TcpStream,
    unread: Vec<u8>,
    number: usize,
    script: Script,
    log: Arc<Mutex<Log>>,
}

enum Flaw {
    /// The peer ended the connection between two requests.
    Gone,
    /// What was received is no request.
    Stray(String),
}

impl Served {
    async fn run(mut self) {
        let _ = self.stream.set_nodelay(true);
        loop {
            match self.request().await {
                Ok(seen) => {
                    let steps = (self.script)(&seen);
                    lock(&self.log).requests.push(seen);
                    if !self.play(steps.into()).await {
                        return;
                    }
                }
                Err(Flaw::Gone) => return,
                Err(Flaw::Stray(what)) => {
                    let bytes =
                        String::from_utf8_lossy(&self.unread[..self.unread.len().min(300)]).into_owned();
                    lock(&self.log).strays.push(format!("{what}: {bytes:?}"));
                    return;
                }
            }
        }
    }

    /// Plays the steps; says whether another request may follow.
    async fn play(&mut self, mut steps: VecDeque<Step>) -> bool {
        while let Some(step) = steps.pop_front() {
            let fine = match step {
                Step::Send(bytes) => self.stream.write_all(&bytes).await.is_ok(),
                Step::Wait(time) => self.watch(time).await,
                Step::Hang => {
                    while self.watch(Duration::from_secs(3600)).await {}
                    false
                }
                Step::Close => return false,
                Step::Reset => {
                    let _ = self.stream.set_zero_linger();
                    return false;
                }
                Step::Repeat(bytes, every) => {
                    while self.stream.write_all(&bytes).await.is_ok() && self.watch(every).await {}
                    false
                }
            };
            if !fine {
                lock(&self.log).left += 1;
                return false;
            }
        }
        true
    }

    /// Waits that long, or until the peer ends the connection; says whether it still stands.
    async fn watch(&mut self, time: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(time) => true,
            filled = fill(&mut self.stream, &mut self.unread, &self.log) => filled,
        }
    }

    async fn request(&mut self) -> Result<Seen, Flaw> {
        let end = loop {
            if let Some(at) = find(&self.unread, b"\r\n\r\n") {
                break at;
            }
            if self.unread.len() > REQUEST_MAX {
                return Err(Flaw::Stray("a header block without end".into()));
            }
            if !fill(&mut self.stream, &mut self.unread, &self.log).await {
                let nothing = self.unread.is_empty();
                return Err(if nothing { Flaw::Gone } else { Flaw::Stray("a torn request".into()) });
            }
        };
        let mut seen = head(&self.unread[..end], self.number).map_err(Flaw::Stray)?;
        let framing = framing(&seen).map_err(Flaw::Stray)?;
        self.unread.drain(..end + 4);
        seen.body = match framing {
            Framing::Length(length) => self.take(length).await?,
            Framing::Chunked => self.chunks().await?,
        };
        Ok(seen)
    }

    async fn take(&mut self, length: usize) -> Result<Vec<u8>, Flaw> {
        if length > REQUEST_MAX {
            return Err(Flaw::Stray(format!("a body of {length} bytes")));
        }
        while self.unread.len() < length {
            if !fill(&mut self.stream, &mut self.unread, &self.log).await {
                return Err(Flaw::Stray("a torn body".into()));
            }
        }
        Ok(self.unread.drain(..length).collect())
    }

    async fn chunks(&mut self) -> Result<Vec<u8>, Flaw> {
        let mut body = Vec::new();
        loop {
            while find(&self.unread, b"\r\n").is_none() {
                if !fill(&mut self.stream, &mut self.unread, &self.log).await {
                    return Err(Flaw::Stray("a torn chunk size".into()));
                }
            }
            let at = find(&self.unread, b"\r\n").unwrap_or_default();
            let line = String::from_utf8_lossy(&self.unread[..at]).into_owned();
            let plain = !line.is_empty() && line.bytes().all(|b| b.is_ascii_hexdigit()) && line.len() <= 8;
            if !plain {
                return Err(Flaw::Stray(format!("chunk size {line:?}")));
            }
            self.unread.drain(..at + 2);
            let size = usize::from_str_radix(&line, 16).unwrap_or_default();
            let data = self.take(size + 2).await?;
            if !data.ends_with(b"\r\n") {
                return Err(Flaw::Stray("a chunk longer than it says, or a trailer".into()));
            }
            if size == 0 {
                return Ok(body);
            }
            body.extend_from_slice(&data[..size]);
        }
    }
}

async fn fill(stream: &mut TcpStream, unread: &mut Vec<u8>, log: &Mutex<Log>) -> bool {
    match stream.read_buf(unread).await {
        Ok(n) if n > 0 => {
            lock(log).bytes += n as u64;
            true
        }
        _ => false,
    }
}

enum Framing {
    Length(usize),
    Chunked,
}

fn head(block: &[u8], connection: usize) -> Result<Seen, String> {
    // Bytes beyond ASCII are legal in values only; anywhere else the replacement is no token and is noticed.
    let text = String::from_utf8_lossy(block);
    let mut lines = text.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some("HTTP/1.1"), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err("no HTTP/1.1 request line".into());
    };
    let method_ok = !method.is_empty() && method.bytes().all(is_token);
    if !method_ok || !target.starts_with('/') || !target.bytes().all(|b| (0x21..0x7f).contains(&b)) {
        return Err("a method or target that could be read two ways".into());
    }
    let mut fields = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':').ok_or("a field without colon")?;
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(format!("field name {name:?}"));
        }
        if value.bytes().any(|b| (b < 0x20 && b != b'\t') || b == 0x7f) {
            return Err(format!("a control byte in field {name}"));
        }
        fields.push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
    }
    let seen = Seen { method: method.into(), target: target.into(), fields, body: Vec::new(), connection };
    match seen.all("host").len() {
        1 => Ok(seen),
        n => Err(format!("{n} Host fields")),
    }
}

fn framing(seen: &Seen) -> Result<Framing, String> {
    match (seen.all("content-length").as_slice(), seen.all("transfer-encoding").as_slice()) {
        ([], []) => Ok(Framing::Length(0)),
        ([length], []) if !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit()) => {
            length.parse().map(Framing::Length).map_err(|e| format!("content-length {length}: {e}"))
        }
        ([], [coding]) if coding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
        (lengths, codings) => Err(format!("framed by {lengths:?} and {codings:?}")),
    }
}

/// What RFC 9110 section 5.6.2 calls a token character.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// An address where connections are asked for and never completed: its queue is full and nobody accepts.
#[derive(Debug)]
pub struct Blackhole {
    /// Where it is, on loopback.
    pub address: SocketAddr,
    _listener: TcpListener,
    _queue: Vec<TcpStream>,
}

impl Blackhole {
    /// Fills the queue of a listener until the kernel leaves connections waiting.
    pub async fn start() -> io::Result<Self> {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(([127, 0, 0, 1], 0).into())?;
        let listener = socket.listen(1)?;
        let address = listener.local_addr()?;
        let mut queue = Vec::new();
        // The kernel rounds a backlog as it likes; a handful is always enough for 1.
        while let Ok(stream) =
            tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await
        {
            queue.push(stream?);
            if queue.len() > 64 {
                return Err(io::Error::other("the queue of a listener never fills"));
            }
        }
        Ok(Self { address, _listener: listener, _queue: queue })
    }

    /// Where its MCP endpoint would be.
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }
}
