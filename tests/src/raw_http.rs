//! What does a peer answer to exactly these bytes?
//!
//! **Owns** a client that writes the bytes it is given, in the pieces it is given, and reads answers without
//! forgiving anything: a status line, a header block, a body of the announced length, and how the connection
//! ended. It **does not know** what a good request looks like; that is the caller's affair.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longest wait for anything a test expects to happen. Generous: it only bounds a test that is already failing.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Largest answer kept, in bytes. Larger than any answer these tests ask for.
const ANSWER_MAX: usize = 16 << 20;

/// One answer as it stood on the wire.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code, 100 to 599.
    pub status: u16,
    /// Header fields in order, names as sent.
    pub fields: Vec<(String, String)>,
    /// Body with its transfer coding taken off.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first field of that name, in any case.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// The body as text, whatever it is; for messages.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// How a connection stood when the client stopped looking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The peer said goodbye (FIN).
    Closed,
    /// The peer cut the connection (RST): what it had sent before may be lost on a real network.
    Reset,
    /// Still open.
    Open,
}

/// Why no answer could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broken {
    /// The connection ended before the first byte of an answer.
    NoAnswer(Ending),
    /// The connection ended inside an answer.
    Torn(Ending),
    /// The bytes are no HTTP/1.1 answer.
    Garbled(String),
    /// Nothing for [`PATIENCE`], or for the time the caller gave.
    Silent,
}

/// How request bytes are cut up on their way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// One write.
    Whole,
    /// Two writes, cut at that many thousandths of the length.
    At(usize),
    /// Writes of that many bytes each.
    Every(usize),
}

impl Cut {
    fn pieces(self, bytes: &[u8]) -> Vec<&[u8]> {
        match self {
            Cut::Whole => vec![bytes],
            Cut::At(thousandths) => {
                let (head, tail) = bytes.split_at(bytes.len() * thousandths.min(1000) / 1000);
                vec![head, tail]
            }
            Cut::Every(size) => bytes.chunks(size.max(1)).collect(),
        }
    }
}

/// A connection that writes what it is told and reads what comes.
#[derive(Debug)]
pub struct RawClient<S = TcpStream> {
    stream: S,
    unread: Vec<u8>,
}

impl RawClient<TcpStream> {
    /// Opens a connection, small writes unmerged.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = timeout(PATIENCE, TcpStream::connect(address)).await??;
        stream.set_nodelay(true)?;
        Ok(Self::over(stream))
    }

    /// The socket's own address, as the peer sees it.
    pub fn local(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    /// Whether the peer has ended the connection already; looks without waiting.
    pub fn ended(&self) -> bool {
        let mut byte = [0_u8; 1];
        match self.stream.try_read(&mut byte) {
            Err(e) => e.kind() != io::ErrorKind::WouldBlock,
            // Bytes nobody asked for are as bad as an end: the connection cannot be used again.
            Ok(_) => true,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> RawClient<S> {
    /// Speaks over a stream that stands already, for instance a TLS one.
    pub fn over(stream: S) -> Self {
        Self { stream, unread: Vec::new() }
    }

    /// Writes everything at once. An error is the peer's early end, which reading will show too.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        timeout(PATIENCE, self.stream.write_all(bytes)).await??;
        self.stream.flush().await
    }

    /// Writes in pieces, a moment apart, so that the peer reads them apart. Stops when the peer answers or ends.
    pub async fn send_cut(&mut self, bytes: &[u8], cut: Cut) -> io::Result<()> {
        for piece in cut.pieces(bytes) {
            if cut == Cut::Whole {
                // A large write must not block an answer that comes before its end.
                return self.send_while_reading(piece).await;
            }
            self.send(piece).await?;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }

    async fn send_while_reading(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (mut reader, mut writer) = tokio::io::split(&mut self.stream);
        let unread = &mut self.unread;
        let mut buffer = vec![0_u8; 16 << 10];
        let mut write = std::pin::pin!(async {
            writer.write_all(bytes).await?;
            writer.flush().await
        });
        loop {
            tokio::select! {
                done = &mut write => return done,
                read = reader.read(&mut buffer) => match read {
                    Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(n) => unread.extend_from_slice(&buffer[..n]),
                    Err(e) => return Err(e),
                },
                () = tokio::time::sleep(PATIENCE) => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
    }

    /// Says that no more bytes will come.
    pub async fn finish(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// The next final answer; interim ones (1xx) are skipped.
    pub async fn answer(&mut self) -> Result<Answer, Broken> {
        loop {
            let answer = self.any_answer(PATIENCE).await?;
            if answer.status >= 200 {
                return Ok(answer);
            }
        }
    }

    /// The next answer, interim ones included, if its head and body arrive within `patience`.
    pub async fn any_answer(&mut self, patience: Duration) -> Result<Answer, Broken> {
        timeout(patience, self.read_answer()).await.unwrap_or(Err(Broken::Silent))
    }

    async fn read_answer(&mut self) -> Result<Answer, Broken> {
        let mut answer = self.head().await?;
        answer.body = self.body(&answer).await?;
        Ok(answer)
    }

    /// Reads the body that this head announces, to its end.
    pub async fn body(&mut self, head: &Answer) -> Result<Vec<u8>, Broken> {
        let bodiless = head.status < 200 || matches!(head.status, 204 | 304);
        if bodiless {
            return Ok(Vec::new());
        }
        if let Some(coding) = head.field("transfer-encoding") {
            if !coding.eq_ignore_ascii_case("chunked") {
                return Err(Broken::Garbled(format!("transfer-encoding {coding:?}")));
            }
            let mut body = Vec::new();
            while let Some(chunk) = self.chunk().await? {
                body.extend_from_slice(&chunk);
            }
            Ok(body)
        } else if let Some(length) = head.field("content-length") {
            let length = length.parse().map_err(|_| Broken::Garbled(format!("content-length {length:?}")))?;
            self.take(length).await
        } else {
            self.rest().await
        }
    }

    /// Reads a status line and its header block, leaving the body on the wire.
    pub async fn head(&mut self) -> Result<Answer, Broken> {
        let end = loop {
            if let Some(at) = find(&self.unread, b"\r\n\r\n") {
                break at;
            }
            if self.unread.len() > 1 << 20 {
                return Err(Broken::Garbled("a header block beyond 1 MiB".into()));
            }
            let nothing = self.unread.is_empty();
            self.fill().await.map_err(|e| if nothing { Broken::NoAnswer(e) } else { Broken::Torn(e) })?;
        };
        let block: Vec<u8> = self.unread.drain(..end + 4).collect();
        parse_head(&block[..end])
    }

    /// The next chunk of a chunked body; none at its proper end.
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>, Broken> {
        let line = self.line().await?;
        let size =
            usize::from_str_radix(&line, 16).map_err(|_| Broken::Garbled(format!("chunk size {line:?}")))?;
        if size > ANSWER_MAX {
            return Err(Broken::Garbled(format!("a chunk of {size} bytes")));
        }
        let data = self.take(size).await?;
        let after = self.line().await?;
        if !after.is_empty() {
            return Err(Broken::Garbled(format!("after a chunk: {after:?}")));
        }
        Ok((size > 0).then_some(data))
    }

    /// How the connection ends within `patience`, other bytes aside.
    pub async fn ending(&mut self, patience: Duration) -> Ending {
        let wait = async {
            loop {
                self.unread.clear();
                if let Err(ending) = self.fill().await {
                    return ending;
                }
            }
        };
        timeout(patience, wait).await.unwrap_or(Ending::Open)
    }

    async fn line(&mut self) -> Result<String, Broken> {
        loop {
            if let Some(at) = find(&self.unread, b"\r\n") {
                let line: Vec<u8> = self.unread.drain(..at + 2).take(at).collect();
                return String::from_utf8(line).map_err(|_| Broken::Garbled("a line of no text".into()));
            }
            self.fill().await.map_err(Broken::Torn)?;
        }
    }

    async fn take(&mut self, length: usize) -> Result<Vec<u8>, Broken> {
        if length > ANSWER_MAX {
            return Err(Broken::Garbled(format!("a body of {length} bytes")));
        }
        while self.unread.len() < length {
            self.fill().await.map_err(Broken::Torn)?;
        }
        Ok(self.unread.drain(..length).collect())
    }

    async fn rest(&mut self) -> Result<Vec<u8>, Broken> {
        loop {
            match self.fill().await {
                Ok(()) if self.unread.len() > ANSWER_MAX => {
                    return Err(Broken::Garbled("an answer without end".into()));
                }
                Ok(()) => {}
                Err(Ending::Closed) => return Ok(std::mem::take(&mut self.unread)),
                Err(ending) => return Err(Broken::Torn(ending)),
            }
        }
    }

    async fn fill(&mut self) -> Result<(), Ending> {
        match self.stream.read_buf(&mut self.unread).await {
            Ok(0) => Err(Ending::Closed),
            // A TLS peer that leaves without close_notify has still left.
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Err(Ending::Closed),
            Err(_) => Err(Ending::Reset),
            Ok(_) => Ok(()),
        }
    }
}

fn parse_head(block: &[u8]) -> Result<Answer, Broken> {
    let garbled = |what: &str| Broken::Garbled(format!("{what}: {:?}", String::from_utf8_lossy(block)));
    let text = std::str::from_utf8(block).map_err(|_| garbled("an answer head of no text"))?;
    let mut lines = text.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let rest = status_line.strip_prefix("HTTP/1.1 ").ok_or_else(|| garbled("no HTTP/1.1 status line"))?;
    let status = rest.get(..3).and_then(|s| s.parse().ok()).ok_or_else(|| garbled("no status"))?;
    let mut fields = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':').ok_or_else(|| garbled("a field without colon"))?;
        if name.is_empty() || value.contains(['\r', '\n', '\0']) {
            return Err(garbled("a field that could be read two ways"));
        }
        fields.push((name.to_owned(), value.trim().to_owned()));
    }
    let answer = Answer { status, fields, body: Vec::new() };
    let lengths = answer.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case("content-length")).count();
    if lengths + usize::from(answer.field("transfer-encoding").is_some()) > 1 {
        return Err(garbled("an answer framed twice"));
    }
    Ok(answer)
}

/// Where `needle` begins in `haystack`.
pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

/// A JSON POST for `/mcp` with a right length, for the plain requests between the odd ones.
pub fn post(host: &str, extra: &str, body: &str) -> Vec<u8> {
    format!(
        "POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nAccept: application/json, \
         text/event-stream\r\nContent-Length: {}\r\n{extra}\r\n{body}",
        body.len()
    )
    .into_bytes()
}
