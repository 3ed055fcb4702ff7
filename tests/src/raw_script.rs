//! How does a small, well-behaved MCP hub answer, written out by hand?
//!
//! **Owns** the scripts for [`crate::raw_hub::RawHub`]: answers with right framing, and one hub of both eras whose
//! every answer names it. It **does not know** the gateway. The real hub (the official SDK) serves the tests that
//! are about MCP; this one serves those that count bytes and connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::raw_hub::{Script, Seen, Step};

/// Between two events of an endless stream: a test sees several within a second.
pub const EVENT_EVERY: Duration = Duration::from_millis(250);

/// The revision that the legacy requests of these tests speak.
pub const LEGACY: &str = "2025-11-25";

/// The revision that the modern requests of these tests speak.
pub const MODERN: &str = "2026-07-28";

/// The revisions that the hub of these scripts knows.
const KNOWN: [&str; 4] = ["2025-03-26", "2025-06-18", LEGACY, MODERN];

/// An answer with a body of known length.
pub fn answer(status: &str, fields: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// A JSON answer.
pub fn json_answer(status: &str, fields: &str, body: &Value) -> Vec<u8> {
    answer(status, &format!("Content-Type: application/json\r\n{fields}"), &body.to_string())
}

/// The head of a chunked event stream.
pub fn sse_head(fields: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n{fields}\
         Transfer-Encoding: chunked\r\n\r\n"
    )
    .into_bytes()
}

/// One event in a chunk of its own.
pub fn event(message: &Value) -> Vec<u8> {
    chunk(&format!("event: message\ndata: {message}\n\n"))
}

/// One chunk.
pub fn chunk(text: &str) -> Vec<u8> {
    format!("{:x}\r\n{text}\r\n", text.len()).into_bytes()
}

/// A good answer to whatever was asked, for tests that are not about MCP.
pub fn ok(seen: &Seen) -> Vec<Step> {
    let id = seen.json().get("id").cloned().unwrap_or(json!(0));
    vec![Step::Send(json_answer("200 OK", "", &result(&id, json!({"reached": true}))))]
}

/// The envelope of a result.
#[expect(clippy::needless_pass_by_value, reason = "reads as the json! literal it is given")]
pub fn result(id: &Value, result: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": result})
}

/// A hub of both eras. Its name is in every tool result, as text and as `structuredContent.hub`.
pub fn mcp(name: &str) -> Script {
    mcp_but(name, |_| None)
}

/// [`mcp`], but where `fault` has an answer of its own, that is played.
pub fn mcp_but(name: &str, fault: impl Fn(&Seen) -> Option<Vec<Step>> + Send + Sync + 'static) -> Script {
    let hub = McpHub { name: name.to_owned(), sessions: AtomicU64::new(0) };
    Arc::new(move |seen| fault(seen).unwrap_or_else(|| hub.steps(seen)))
}

struct McpHub {
    name: String,
    sessions: AtomicU64,
}

impl McpHub {
    fn steps(&self, seen: &Seen) -> Vec<Step> {
        if seen.target.starts_with("/.well-known/") {
            let body = json!({"resource": "http://edge.test/mcp", "hub": self.name});
            return vec![Step::Send(json_answer("200 OK", "", &body))];
        }
        let version = seen.field("mcp-protocol-version");
        let modern = version == Some(MODERN);
        if version.is_some_and(|version| !KNOWN.contains(&version)) {
            let error =
                json!({"jsonrpc": "2.0", "error": {"code": -32600, "message": "a version nobody knows"}});
            return vec![Step::Send(json_answer("400 Bad Request", "", &error))];
        }
        if seen.method == "POST" && !is_message(&seen.body) {
            let error =
                json!({"jsonrpc": "2.0", "error": {"code": -32700, "message": "no JSON-RPC message"}});
            return vec![Step::Send(json_answer("400 Bad Request", "", &error))];
        }
        let accept = seen.all("accept").join(",");
        let accepts = |kind: &str| accept.contains(kind);
        if seen.method == "POST" && !(accepts("application/json") && accepts("text/event-stream")) {
            return vec![Step::Send(answer("406 Not Acceptable", "", ""))];
        }
        match seen.method.as_str() {
            "POST" if modern => self.modern(&seen.json()),
            "POST" => self.legacy(seen, &seen.json()),
            "GET" if !modern && seen.field("mcp-session-id").is_some() => self.stream(""),
            "DELETE" if !modern => vec![Step::Send(answer("204 No Content", "", ""))],
            _ => vec![Step::Send(answer("405 Method Not Allowed", "Allow: POST\r\n", ""))],
        }
    }

    fn legacy(&self, seen: &Seen, message: &Value) -> Vec<Step> {
        let Some(id) = message.get("id") else {
            return vec![Step::Send(answer("202 Accepted", "", ""))];
        };
        if message["method"] == "initialize" {
            let number = self.sessions.fetch_add(1, Ordering::Relaxed);
            let fields = format!("Mcp-Session-Id: {}\r\n", self.session(number));
            let about = json!({
                "protocolVersion": message["params"]["protocolVersion"],
                "capabilities": {"tools": {}, "resources": {"subscribe": true}},
                "serverInfo": {"name": self.name, "version": "1"}
            });
            return vec![Step::Send(json_answer("200 OK", &fields, &result(id, about)))];
        }
        match seen.field("mcp-session-id") {
            Some(session) if session.starts_with(&format!("{}-inner-", self.name)) => self.call(message),
            Some(_) => vec![Step::Send(answer("404 Not Found", "", "no such session"))],
            None => vec![Step::Send(answer("400 Bad Request", "", "a session id is required"))],
        }
    }

    fn modern(&self, message: &Value) -> Vec<Step> {
        if message["method"] == "subscriptions/listen" {
            let subscription = json!({"io.modelcontextprotocol/subscriptionId": message["id"]});
            let acknowledged = json!({
                "jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged",
                "params": {"_meta": subscription}
            });
            let mut steps = self.stream("X-Accel-Buffering: no\r\n");
            steps.insert(1, Step::Send(event(&acknowledged)));
            return steps;
        }
        self.call(message)
    }

    fn call(&self, message: &Value) -> Vec<Step> {
        let id = &message["id"];
        let outcome = json!({
            "content": [{"type": "text", "text": self.name}],
            "structuredContent": {"hub": self.name, "echo": message["params"]["arguments"]}
        });
        vec![Step::Send(json_answer("200 OK", "", &result(id, outcome)))]
    }

    /// An endless stream of events.
    fn stream(&self, fields: &str) -> Vec<Step> {
        let news = json!({
            "jsonrpc": "2.0", "method": "notifications/message",
            "params": {"level": "info", "data": self.name}
        });
        vec![Step::Send(sse_head(fields)), Step::Repeat(event(&news), EVENT_EVERY)]
    }

    /// The hub's own id of its session; no client may ever see it.
    fn session(&self, number: u64) -> String {
        format!("{}-inner-{number:08}", self.name)
    }
}

/// Whether these bytes are a JSON object or a batch. Reads less strictly than a gateway should.
fn is_message(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|value| value.is_object() || value.is_array())
}

/// A `tools/call` of the legacy era; its body.
pub fn legacy_call(id: u64, tool: &str, arguments: &Value) -> String {
    let params = json!({"name": tool, "arguments": arguments});
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}).to_string()
}

/// A request of the modern era; its body.
pub fn modern_body(id: u64, method: &str, mut params: Value) -> String {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "tests", "version": "1"}
    });
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string()
}

/// The header fields that a modern request needs; `name` is empty for methods without one.
pub fn modern_fields(method: &str, name: &str) -> String {
    let name = if name.is_empty() { String::new() } else { format!("Mcp-Name: {name}\r\n") };
    format!("MCP-Protocol-Version: {MODERN}\r\nMcp-Method: {method}\r\n{name}")
}

/// The handshake's first body.
pub fn initialize_body(version: &str) -> String {
    let params = json!({
        "protocolVersion": version, "capabilities": {},
        "clientInfo": {"name": "tests", "version": "1"}
    });
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}).to_string()
}
