//! How does a request say everything about itself?

use std::net::SocketAddr;

use anyhow::Context;
use serde_json::{Value, json};

use super::{ACCEPT, EventStream, MODERN, Peer, Reply, tool_value};

/// A modern client: every request stands alone and says everything in its headers and `_meta`.
#[derive(Debug)]
pub struct Modern {
    /// Where requests go.
    pub peer: Peer,
    next_id: u64,
}

impl Modern {
    /// A client of this address; nothing is sent yet.
    pub fn new(address: SocketAddr) -> Self {
        Self::at(Peer::new(address))
    }

    /// A client with a peer of the caller's making.
    pub fn at(peer: Peer) -> Self {
        Self { peer, next_id: 1 }
    }

    /// The next request with its `_meta`, for callers who want to change it before [`Modern::post`].
    pub fn message(&mut self, method: &str, mut params: Value) -> Value {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": { "name": "mcphub-tests", "version": "1" },
        });
        merge(&mut params["_meta"], meta);
        let id = self.next_id;
        self.next_id += 1;
        json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
    }

    /// Sends a message with the headers that mirror it, and reads the answer to its end.
    pub async fn post(&mut self, message: &Value) -> anyhow::Result<Reply> {
        let mirrored = mirrored_headers(message);
        self.peer.exchange("POST", &modern_fields(&mirrored), Some(message)).await
    }

    /// Sends a request under the next id and hands out the whole answer with that id.
    pub async fn request(&mut self, method: &str, params: Value) -> anyhow::Result<(Value, Reply)> {
        let message = self.message(method, params);
        let reply = self.post(&message).await.with_context(|| method.to_owned())?;
        Ok((message["id"].clone(), reply))
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

    /// Sends a request and hands out the answer as it comes, on a connection of its own. Dropping the stream
    /// cancels the request.
    pub async fn start(&mut self, method: &str, params: Value) -> anyhow::Result<EventStream> {
        let message = self.message(method, params);
        let mirrored = mirrored_headers(&message);
        let (head, client) =
            self.peer.again().send("POST", &modern_fields(&mirrored), Some(&message)).await?;
        Ok(EventStream::new(head, client))
    }
}

/// `Mcp-Method`, and `Mcp-Name` where the method has one.
fn mirrored_headers(message: &Value) -> Vec<(&'static str, String)> {
    let method = message["method"].as_str().unwrap_or_default();
    let name = match method {
        "tools/call" | "prompts/get" => &message["params"]["name"],
        "resources/read" => &message["params"]["uri"],
        _ if method.starts_with("tasks/") => &message["params"]["taskId"],
        _ => &Value::Null,
    };
    let mut headers = vec![("Mcp-Method", method.to_owned())];
    headers.extend(name.as_str().map(|name| ("Mcp-Name", name.to_owned())));
    headers
}

fn modern_fields<'a>(mirrored: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![ACCEPT, ("MCP-Protocol-Version", MODERN)];
    fields.extend(mirrored.iter().map(|(name, value)| (*name, value.as_str())));
    fields
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                into.entry(name).or_insert(value);
            }
        }
        (into, from) => *into = from,
    }
}
