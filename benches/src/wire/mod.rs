//! Which bytes go to and fro in a measured case?
//!
//! Owns the requests of the load generator and the answers of the bench hub, in one place so that the load generator
//! can tell a right answer from a wrong one byte by byte. Does not know sockets.
//!
//! Every message is built once as a [`Template`]; a request then costs eight patched digits, the JSON-RPC id. The id
//! is new for each request of a connection, as MCP demands, and the answer must carry it back.

use memchr::memmem;

/// Digits of a JSON-RPC id sent by the load generator. Fixed, so that ids can be patched in place and lengths hold.
pub const ID_DIGITS: usize = 8;
/// First id of a connection: the smallest number of [`ID_DIGITS`] digits that does not begin with a zero.
pub const ID_FIRST: u32 = 10_000_000;
/// Bytes of the JSON bodies, both ways: a small tool call with its arguments and a small text result.
pub const BODY_BYTES: usize = 400;
/// Events in an answer of the SSE cases, the last of which carries the result.
pub const SSE_EVENTS: usize = 10;
/// Path of the MCP endpoint at every peer.
pub const PATH: &str = "/mcp";
/// The tool that the bench hub answers with a stream.
pub const SSE_TOOL: &str = "sse10";

const LEGACY: &str = "2025-11-25";
const MODERN: &str = "2026-07-28";
const ID_BLANK: &str = "00000000";

/// The two eras of MCP, as far as a request's shape depends on them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Era {
    /// Handshake and `Mcp-Session-Id`.
    Legacy,
    /// Stateless, routed on headers.
    Modern,
}

/// What is sent and what comes back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, clap::ValueEnum)]
pub enum Case {
    /// 400 B of JSON each way, inside a legacy session.
    JsonLegacy,
    /// 400 B of JSON each way, with the headers of the modern era.
    JsonModern,
    /// 400 B of JSON up, ten SSE events down, inside a legacy session.
    SseLegacy,
    /// 400 B of JSON up, ten SSE events down, with the headers of the modern era.
    SseModern,
}

impl Case {
    /// All cases, in the order in which they are run.
    pub const ALL: [Case; 4] = [Case::JsonLegacy, Case::JsonModern, Case::SseLegacy, Case::SseModern];

    /// The era whose request shape is used.
    #[must_use]
    pub fn era(self) -> Era {
        match self {
            Case::JsonLegacy | Case::SseLegacy => Era::Legacy,
            Case::JsonModern | Case::SseModern => Era::Modern,
        }
    }

    /// Whether the answer is an event stream.
    #[must_use]
    pub fn is_sse(self) -> bool {
        matches!(self, Case::SseLegacy | Case::SseModern)
    }

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> String {
        clap::ValueEnum::to_possible_value(&self).map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// The heading in the report.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Case::JsonLegacy => "JSON, legacy era (session id)",
            Case::JsonModern => "JSON, modern era (routing headers)",
            Case::SseLegacy => "SSE answer of ten events, legacy era",
            Case::SseModern => "SSE answer of ten events, modern era",
        }
    }
}

/// A message with one blank of [`ID_DIGITS`] digits in it.
#[derive(Clone, Debug)]
pub struct Template {
    bytes: Vec<u8>,
    id_at: usize,
}

impl Template {
    /// Takes a message whose blank is written as eight zeros after `"id":`, or after the `-` of a session id.
    ///
    /// # Panics
    /// When there is no blank: the messages are constants of this crate.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        // The last one: an `initialize` answer has the session id's blank in its head and the id's in its body.
        let id_at =
            memmem::rfind(&bytes, ID_BLANK.as_bytes()).expect("every template of this crate has a blank");
        Self { bytes, id_at }
    }

    /// The message as last filled.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Writes `id` into the blank. Only the last [`ID_DIGITS`] decimal digits are kept.
    pub fn fill(&mut self, id: u32) {
        self.fill_digits(digits(id));
    }

    /// Writes ready digits into the blank.
    pub fn fill_digits(&mut self, id: [u8; ID_DIGITS]) {
        self.bytes[self.id_at..self.id_at + ID_DIGITS].copy_from_slice(&id);
    }
}

/// `id` as exactly [`ID_DIGITS`] decimal digits.
#[must_use]
pub fn digits(id: u32) -> [u8; ID_DIGITS] {
    let mut out = [b'0'; ID_DIGITS];
    let mut rest = id;
    for digit in out.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out
}

/// A `tools/call` of `case`, whole with its head, for the endpoint at `authority`.
#[must_use]
pub fn request(case: Case, authority: &str, session: Option<&str>) -> Template {
    let tool = if case.is_sse() { SSE_TOOL } else { "echo" };
    let meta = match case.era() {
        Era::Legacy => String::new(),
        Era::Modern => format!(
            r#","io.modelcontextprotocol/protocolVersion":"{MODERN}","io.modelcontextprotocol/clientCapabilities":{{}}"#
        ),
    };
    let body = padded(|text| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{ID_BLANK},"method":"tools/call","params":{{"name":"{tool}","_meta":{{"progressToken":"p"{meta}}},"arguments":{{"text":"{text}"}}}}}}"#
        )
    });
    let mut routing = match case.era() {
        Era::Legacy => format!("MCP-Protocol-Version: {LEGACY}\r\n"),
        Era::Modern => {
            format!("MCP-Protocol-Version: {MODERN}\r\nMcp-Method: tools/call\r\nMcp-Name: {tool}\r\n")
        }
    };
    if let Some(session) = session {
        routing.push_str(&format!("Mcp-Session-Id: {session}\r\n"));
    }
    Template::new(post(authority, &routing, &body))
}

/// The `initialize` request of a legacy client.
#[must_use]
pub fn initialize(authority: &str) -> Vec<u8> {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":{ID_FIRST},"method":"initialize","params":{{"protocolVersion":"{LEGACY}","capabilities":{{}},"clientInfo":{{"name":"mcphub-bench","version":"0.1.0"}}}}}}"#
    );
    post(authority, "", &body)
}

/// The notification that ends a handshake.
#[must_use]
pub fn initialized(authority: &str, session: &str) -> Vec<u8> {
    let routing = format!("MCP-Protocol-Version: {LEGACY}\r\nMcp-Session-Id: {session}\r\n");
    post(authority, &routing, r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)
}

/// The DELETE that ends a session.
#[must_use]
pub fn delete(authority: &str, session: &str) -> Vec<u8> {
    format!(
        "DELETE {PATH} HTTP/1.1\r\nHost: {authority}\r\nMCP-Protocol-Version: {LEGACY}\r\nMcp-Session-Id: {session}\r\n\r\n"
    )
    .into_bytes()
}

fn post(authority: &str, routing: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {PATH} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: mcphub-bench/0.1\r\n\
         Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n{routing}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Grows `make`'s text until the whole is [`BODY_BYTES`] long.
fn padded(make: impl Fn(&str) -> String) -> String {
    let bare = make("").len();
    make(&"a".repeat(BODY_BYTES.saturating_sub(bare)))
}

/// The JSON body that answers an `echo` call with `id`: [`BODY_BYTES`] long when `id` has [`ID_DIGITS`] characters.
fn json_body(id: &str) -> String {
    let body = padded(|text| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{ID_BLANK},"result":{{"resultType":"complete","content":[{{"type":"text","text":"{text}"}}]}}}}"#
        )
    });
    body.replacen(ID_BLANK, id, 1)
}

/// The events that answer a [`SSE_TOOL`] call with `id`: progress, then the result. They carry no `id:` lines, which
/// the modern era forbids a gateway to add and the legacy era makes optional.
fn sse_events(id: &str) -> Vec<String> {
    let progress = (1..SSE_EVENTS).map(|n| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":"p","progress":{n},"total":{SSE_EVENTS}}}}}"#
        )
    });
    let result = format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete","content":[{{"type":"text","text":"done"}}]}}}}"#
    );
    progress.chain([result]).map(|data| format!("event: message\ndata: {data}\n\n")).collect()
}

/// The decoded body a client must see in `case`.
#[must_use]
pub fn answer_body(case: Case) -> Template {
    let body = if case.is_sse() { sse_events(ID_BLANK).concat() } else { json_body(ID_BLANK) };
    Template::new(body.into_bytes())
}

/// The hub's answer to an `echo` call, head and body.
#[must_use]
pub fn json_answer(id: &str) -> Vec<u8> {
    json_response("", &json_body(id))
}

/// The hub's answer to an [`SSE_TOOL`] call, head and body: a chunk for each event, as streaming servers send them.
#[must_use]
pub fn sse_answer(id: &str) -> Vec<u8> {
    let mut out = String::from(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n\
         X-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    for event in sse_events(id) {
        out.push_str(&format!("{:x}\r\n{event}\r\n", event.len()));
    }
    out.push_str("0\r\n\r\n");
    out.into_bytes()
}

/// The hub's answer to `initialize`. `session` tells sessions apart; the id has the length of a UUID.
#[must_use]
pub fn initialize_answer(id: &str, session: u32) -> Vec<u8> {
    let head = format!("Mcp-Session-Id: 5ca1ab1e-0000-4000-8000-0000{session:08}\r\n");
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{"protocolVersion":"{LEGACY}","capabilities":{{"tools":{{}}}},"serverInfo":{{"name":"bench-hub","version":"0.1.0"}}}}}}"#
    );
    json_response(&head, &body)
}

/// The hub's answer to `server/discover`, which gateways use as a probe.
#[must_use]
pub fn discover_answer(id: &str) -> Vec<u8> {
    json_response(
        "",
        &format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete","supportedVersions":["{MODERN}","{LEGACY}"],"capabilities":{{"tools":{{}}}},"ttlMs":0,"cacheScope":"private"}}}}"#
        ),
    )
}

/// The hub's answer to `tools/list`.
#[must_use]
pub fn tools_answer(id: &str) -> Vec<u8> {
    json_response(
        "",
        &format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete","ttlMs":0,"cacheScope":"private","tools":[{{"name":"echo","inputSchema":{{"type":"object"}}}},{{"name":"{SSE_TOOL}","inputSchema":{{"type":"object"}}}}]}}}}"#
        ),
    )
}

/// The hub's answer to anything else that has an id: an empty result to `ping`, else "method not found".
#[must_use]
pub fn other_answer(id: &str, method: &[u8]) -> Vec<u8> {
    let outcome = if method == b"ping" {
        r#""result":{}"#
    } else {
        r#""error":{"code":-32601,"message":"the bench hub does not know this method"}"#
    };
    json_response("", &format!(r#"{{"jsonrpc":"2.0","id":{id},{outcome}}}"#))
}

fn json_response(extra: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{extra}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body_of(message: &[u8]) -> &[u8] {
        &message[memmem::find(message, b"\r\n\r\n").expect("a head") + 4..]
    }

    #[test]
    fn bodies_are_json_of_the_promised_length_with_the_id_filled_in() {
        for case in Case::ALL {
            let mut request = request(case, "127.0.0.1:1", Some("s"));
            request.fill(12_345_678);
            let body = body_of(request.bytes());
            assert_eq!(body.len(), BODY_BYTES, "{case:?}");
            let value: serde_json::Value = serde_json::from_slice(body).expect("valid JSON");
            assert_eq!(value["id"], 12_345_678, "{case:?}");
        }
        let answer = json_answer("10000001");
        let value: serde_json::Value = serde_json::from_slice(body_of(&answer)).expect("valid JSON");
        assert_eq!((body_of(&answer).len(), &value["id"]), (BODY_BYTES, &10_000_001.into()));
    }

    #[test]
    fn ten_events_end_with_the_result() {
        let events = sse_events("42");
        assert_eq!(events.len(), SSE_EVENTS);
        for (n, event) in events.iter().enumerate() {
            let data = event.strip_prefix("event: message\ndata: ").and_then(|e| e.strip_suffix("\n\n"));
            let value: serde_json::Value = serde_json::from_str(data.expect("framed")).expect("valid JSON");
            assert_eq!(value["id"] == 42, n == SSE_EVENTS - 1, "event {n}");
        }
    }
}
