//! How does a session live, from `initialize` to DELETE?

use std::net::SocketAddr;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::{ACCEPT, EventStream, LEGACY, Peer, Reply, tool_value};

/// A legacy session: `initialize`, a session id, POSTs, one GET stream, DELETE.
#[derive(Debug)]
pub struct Legacy {
    /// Where requests go.
    pub peer: Peer,
    /// The session id, if the server gave one.
    pub session: Option<String>,
    /// The negotiated revision.
    pub version: String,
    /// The `InitializeResult`.
    pub server: Value,
    next_id: u64,
}

impl Legacy {
    /// Opens a session at this address: `initialize`, then `notifications/initialized`.
    pub async fn initialize(address: SocketAddr) -> anyhow::Result<Self> {
        Self::initialize_at(Peer::new(address)).await
    }

    /// [`Legacy::initialize`] with a peer of the caller's making.
    pub async fn initialize_at(mut peer: Peer) -> anyhow::Result<Self> {
        let params = json!({
            "protocolVersion": LEGACY,
            "capabilities": {},
            "clientInfo": { "name": "mcphub-tests", "version": "1" },
        });
        let body = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
        let reply = peer.exchange("POST", &[ACCEPT], Some(&body)).await?;
        let server = reply.result(&json!(0)).context("initialize")?;
        let version = server["protocolVersion"].as_str().context("a protocol version")?.to_owned();
        let session = reply.head.field("mcp-session-id").map(str::to_owned);
        let mut client = Self { peer, session, version, server, next_id: 1 };
        client.notify("notifications/initialized", json!({})).await?;
        Ok(client)
    }

    /// A client of a session that exists already, or does not any more.
    pub fn resume(peer: Peer, session: &str, version: &str) -> Self {
        let (session, version) = (Some(session.to_owned()), version.to_owned());
        Self { peer, session, version, server: Value::Null, next_id: 1 }
    }

    /// Another way into the same session, for instance by another gateway; `turn` keeps its request ids apart.
    #[must_use]
    pub fn by(&self, peer: Peer, turn: u64) -> Self {
        let Self { session, version, server, .. } = self;
        let (session, version, server) = (session.clone(), version.clone(), server.clone());
        Self { peer, session, version, server, next_id: 1 + (turn << 32) }
    }

    fn fields(&self) -> Vec<(&str, &str)> {
        let mut fields = vec![ACCEPT, ("MCP-Protocol-Version", self.version.as_str())];
        fields.extend(self.session.as_deref().map(|id| ("Mcp-Session-Id", id)));
        fields
    }

    /// Sends any message and reads the answer to its end.
    pub async fn post(&mut self, message: &Value) -> anyhow::Result<Reply> {
        let (session, version) = (self.session.clone(), self.version.clone());
        let mut fields = vec![ACCEPT, ("MCP-Protocol-Version", version.as_str())];
        fields.extend(session.as_deref().map(|id| ("Mcp-Session-Id", id)));
        self.peer.exchange("POST", &fields, Some(message)).await
    }

    /// Sends a request under the next id and hands out the whole answer with that id.
    pub async fn request(&mut self, method: &str, params: Value) -> anyhow::Result<(Value, Reply)> {
        let id = json!(self.next_id);
        self.next_id += 1;
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let reply = self.post(&message).await.with_context(|| method.to_owned())?;
        Ok((id, reply))
    }

    /// The result of a request; anything else is an error.
    pub async fn call(&mut self, method: &str, params: Value) -> anyhow::Result<Value> {
        let (id, reply) = self.request(method, params).await?;
        reply.result(&id).with_context(|| method.to_owned())
    }

    /// Calls a tool; see [`tool_value`] for what comes back.
    pub async fn tool(&mut self, name: &str, arguments: Value) -> anyhow::Result<Value> {
        let result = self.call("tools/call", json!({ "name": name, "arguments": arguments })).await?;
        tool_value(&result)
    }

    /// Sends a notification, which must be accepted with 202.
    pub async fn notify(&mut self, method: &str, params: Value) -> anyhow::Result<()> {
        let message = json!({ "jsonrpc": "2.0", "method": method, "params": params });
        let reply = self.post(&message).await?;
        if reply.status != 202 {
            bail!("{method} was answered with {}: {:?}", reply.status, reply.messages);
        }
        Ok(())
    }

    /// Sends a request and hands out the answer as it comes, on a connection of its own.
    pub async fn start(&mut self, message: &Value) -> anyhow::Result<EventStream> {
        let (head, client) = self.peer.again().send("POST", &self.fields(), Some(message)).await?;
        Ok(EventStream::new(head, client))
    }

    /// Opens the GET stream, or resumes one after `last_event_id`, on a connection of its own.
    pub async fn open_stream(&self, last_event_id: Option<&str>) -> anyhow::Result<EventStream> {
        let mut fields = self.fields();
        fields[0] = ("Accept", "text/event-stream");
        fields.extend(last_event_id.map(|id| ("Last-Event-ID", id)));
        let (head, client) = self.peer.again().send("GET", &fields, None).await?;
        Ok(EventStream::new(head, client))
    }

    /// Ends the session; the status of the answer.
    pub async fn delete(&mut self) -> anyhow::Result<u16> {
        let (session, version) = (self.session.clone().unwrap_or_default(), self.version.clone());
        let fields = [("MCP-Protocol-Version", version.as_str()), ("Mcp-Session-Id", session.as_str())];
        Ok(self.peer.exchange("DELETE", &fields, None).await?.status)
    }
}
