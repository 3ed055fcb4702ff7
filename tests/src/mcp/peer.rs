//! How does a request go out, and how does its answer come in?

use std::net::SocketAddr;

use anyhow::{Context, anyhow, bail};
use serde_json::Value;
use tokio::time::timeout;

use crate::raw_http::{Answer, RawClient};
use crate::sse::{Event, SseParser};
use crate::wait::PATIENCE;

/// Where requests go and what every one of them carries.
#[derive(Debug)]
pub struct Peer {
    address: SocketAddr,
    /// Request target, `/mcp` at first.
    pub target: String,
    /// Value of `Host`, the address at first.
    pub host: String,
    /// Further header fields of every request, for instance `X-Forwarded-For`.
    pub fields: Vec<(String, String)>,
    idle: Option<RawClient>,
}

impl Peer {
    /// A peer at this address.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, target: "/mcp".to_owned(), host: address.to_string(), fields: Vec::new(), idle: None }
    }

    /// Adds a header field to every request.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same place and fields, with a connection of its own.
    pub(crate) fn again(&self) -> Self {
        let Self { address, target, host, fields, idle: _ } = self;
        Self {
            address: *address,
            target: target.clone(),
            host: host.clone(),
            fields: fields.clone(),
            idle: None,
        }
    }

    pub(super) async fn send(
        &mut self,
        method: &str,
        fields: &[(&str, &str)],
        body: Option<&Value>,
    ) -> anyhow::Result<(Answer, RawClient)> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut request = format!("{method} {} HTTP/1.1\r\nHost: {}\r\n", self.target, self.host);
        let own = self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in own.chain(fields.iter().copied()) {
            request += &format!("{name}: {value}\r\n");
        }
        if method == "POST" {
            request += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        }
        request += "\r\n";
        request += &body;
        let mut client = match self.idle.take() {
            Some(client) if !client.ended() => client,
            _ => RawClient::connect(self.address).await?,
        };
        client.send(request.as_bytes()).await.with_context(|| format!("send {method}"))?;
        let head =
            timeout(PATIENCE, client.head()).await.with_context(|| format!("no answer to {method}"))?;
        let head = head.map_err(|broken| anyhow!("{method} was answered with {broken:?}"))?;
        Ok((head, client))
    }

    /// One request whose answer is read to its end, as JSON or as a stream of events.
    pub async fn exchange(
        &mut self,
        method: &str,
        fields: &[(&str, &str)],
        body: Option<&Value>,
    ) -> anyhow::Result<Reply> {
        let (head, client) = self.send(method, fields, body).await?;
        let status = head.status;
        let mut stream = EventStream::new(head, client);
        let mut reply = Reply { status, head: stream.head.clone(), messages: Vec::new(), events: Vec::new() };
        if stream.is_events() {
            while let Some(event) = stream.next().await? {
                if !event.data.is_empty() {
                    reply.messages.push(event.json());
                }
                reply.events.push(event);
            }
        } else {
            let body = stream.body().await?;
            if !body.is_empty() {
                let message = serde_json::from_slice(&body);
                reply.messages.push(message.unwrap_or_else(|_| String::from_utf8_lossy(&body).into()));
            }
        }
        self.idle = stream.into_idle();
        Ok(reply)
    }
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Status and header fields; the body is below.
    pub head: Answer,
    /// The JSON messages of the body in order; a body that is no JSON stands here as a string.
    pub messages: Vec<Value>,
    /// The events, where the answer was a stream.
    pub events: Vec<Event>,
}

impl Reply {
    /// The JSON-RPC response to the request with this id.
    pub fn response(&self, id: &Value) -> anyhow::Result<&Value> {
        let response = self.messages.iter().find(|message| {
            message.get("id") == Some(id)
                && (message.get("result").is_some() || message.get("error").is_some())
        });
        response.with_context(|| format!("no response to {id} in HTTP {}: {:?}", self.status, self.messages))
    }

    /// The result of the request with this id; its error becomes an error that shows it.
    pub fn result(&self, id: &Value) -> anyhow::Result<Value> {
        let response = self.response(id)?;
        match response.get("result") {
            Some(result) if self.status == 200 => Ok(result.clone()),
            _ => bail!("HTTP {}: {response}", self.status),
        }
    }

    /// The notifications of one method that came before the response.
    pub fn notifications<'a>(&'a self, method: &'a str) -> impl Iterator<Item = &'a Value> {
        self.messages.iter().filter(move |message| message["method"] == method)
    }
}

/// An answer whose body is read as it comes.
#[derive(Debug)]
pub struct EventStream {
    /// Status and header fields.
    pub head: Answer,
    client: RawClient,
    parser: SseParser,
    ended: bool,
}

impl EventStream {
    pub(super) fn new(head: Answer, client: RawClient) -> Self {
        Self { head, client, parser: SseParser::default(), ended: false }
    }

    fn is_events(&self) -> bool {
        self.head.field("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"))
    }

    fn is_chunked(&self) -> bool {
        self.head.field("transfer-encoding").is_some()
    }

    /// The next event, or none at the proper end of the stream. An error when the stream is torn, or silent for
    /// [`PATIENCE`].
    pub async fn next(&mut self) -> anyhow::Result<Option<Event>> {
        loop {
            if let Some(event) = self.parser.event() {
                return Ok(Some(event));
            }
            if self.ended {
                if !self.parser.is_at_boundary() {
                    bail!("the stream ended inside an event");
                }
                return Ok(None);
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> anyhow::Result<()> {
        if !self.is_chunked() {
            // A stream that was whole when it was relayed comes in one piece.
            let bytes = self.body().await?;
            self.parser.push(&bytes);
            return Ok(());
        }
        let chunk = timeout(PATIENCE, self.client.chunk()).await.context("the stream is silent")?;
        match chunk.map_err(|broken| anyhow!("the stream broke: {broken:?}"))? {
            Some(bytes) => self.parser.push(&bytes),
            None => self.ended = true,
        }
        Ok(())
    }

    /// The next event that is more than comments, an id or a `retry:`, as JSON.
    pub async fn message(&mut self) -> anyhow::Result<Value> {
        loop {
            match self.next().await? {
                Some(event) if event.data.is_empty() => {}
                Some(event) => return Ok(event.json()),
                None => bail!("the stream ended"),
            }
        }
    }

    /// The next message of this method; others are passed over.
    pub async fn notification(&mut self, method: &str) -> anyhow::Result<Value> {
        loop {
            let message = self.message().await.with_context(|| format!("wait for {method}"))?;
            if message["method"] == method {
                return Ok(message);
            }
        }
    }

    async fn body(&mut self) -> anyhow::Result<Vec<u8>> {
        let body = timeout(PATIENCE, self.client.body(&self.head)).await.context("the body does not end")?;
        self.ended = true;
        body.map_err(|broken| anyhow!("the body broke: {broken:?}"))
    }

    fn into_idle(self) -> Option<RawClient> {
        let closes = self.head.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        (self.ended && !closes).then_some(self.client)
    }
}
