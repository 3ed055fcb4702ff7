//! Which bytes does a client send?

use super::step::Step;
use super::{BODY_BYTES, ID_BLANK, LEGACY, MODERN, PATH, Template, padded};
use crate::case::Era;

/// The POST of a `step` that has a method and an id.
#[must_use]
pub fn request(step: Step, era: Era, authority: &str, session: Option<&str>) -> Template {
    let routing = routing(step, era, session);
    Template::new(post(authority, &routing, &body(step, era)))
}

/// The headers by which a request is routed, a line each.
fn routing(step: Step, era: Era, session: Option<&str>) -> String {
    let mut routing = match era {
        Era::Legacy => format!("MCP-Protocol-Version: {LEGACY}\r\n"),
        Era::Modern => {
            let method = step.method().unwrap_or_default();
            let mut lines = format!("MCP-Protocol-Version: {MODERN}\r\nMcp-Method: {method}\r\n");
            if let ("tools/call", Some(tool)) = (method, step.key()) {
                lines.push_str(&format!("Mcp-Name: {tool}\r\n"));
            }
            lines
        }
    };
    if let Some(session) = session {
        routing.push_str(&format!("Mcp-Session-Id: {session}\r\n"));
    }
    routing
}

/// The routing headers of a `step` without a session, as names and values.
#[must_use]
pub fn modern_fields(step: Step) -> Vec<(String, String)> {
    let lines = routing(step, Era::Modern, None);
    let pair =
        |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    lines.lines().filter_map(pair).collect()
}

fn body(step: Step, era: Era) -> String {
    let method = step.method().unwrap_or_default();
    let meta = match era {
        Era::Legacy => String::new(),
        Era::Modern => format!(
            r#""io.modelcontextprotocol/protocolVersion":"{MODERN}","io.modelcontextprotocol/clientCapabilities":{{}}"#
        ),
    };
    if let ("tools/call", Some(tool)) = (method, step.key()) {
        let comma = if meta.is_empty() { "" } else { "," };
        return padded(BODY_BYTES, |text| {
            format!(
                r#"{{"jsonrpc":"2.0","id":{ID_BLANK},"method":"tools/call","params":{{"name":"{tool}","_meta":{{"progressToken":"p"{comma}{meta}}},"arguments":{{"text":"{text}"}}}}}}"#
            )
        });
    }
    let cursor = step.key().map_or(String::new(), |key| format!(r#","cursor":"{key}""#));
    format!(
        r#"{{"jsonrpc":"2.0","id":{ID_BLANK},"method":"{method}","params":{{"_meta":{{{meta}}}{cursor}}}}}"#
    )
}

/// The `initialize` request of a legacy client.
#[must_use]
pub fn initialize(authority: &str) -> Template {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":{ID_BLANK},"method":"initialize","params":{{"protocolVersion":"{LEGACY}","capabilities":{{}},"clientInfo":{{"name":"mcphub-bench","version":"0.1.0"}}}}}}"#
    );
    Template::new(post(authority, "", &body))
}

/// The notification that ends a handshake.
#[must_use]
pub fn initialized(authority: &str, session: &str) -> Template {
    let routing = format!("MCP-Protocol-Version: {LEGACY}\r\nMcp-Session-Id: {session}\r\n");
    without_id(post(authority, &routing, r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#))
}

/// The DELETE that ends a session.
#[must_use]
pub fn delete(authority: &str, session: &str) -> Template {
    without_id(bodyless("DELETE", authority, session))
}

/// The GET that opens the stream a session listens to.
#[must_use]
pub fn listen(authority: &str, session: &str) -> Vec<u8> {
    bodyless("GET", authority, session)
}

fn bodyless(method: &str, authority: &str, session: &str) -> Vec<u8> {
    let accept = if method == "GET" { "Accept: text/event-stream\r\n" } else { "" };
    format!(
        "{method} {PATH} HTTP/1.1\r\nHost: {authority}\r\n{accept}MCP-Protocol-Version: {LEGACY}\r\n\
         Mcp-Session-Id: {session}\r\n\r\n"
    )
    .into_bytes()
}

/// A message that is never filled, even where a session id has eight zeros in it.
fn without_id(bytes: Vec<u8>) -> Template {
    Template { bytes, id_at: None }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Case;

    #[test]
    fn bodies_are_json_with_the_id_filled_in_and_calls_have_the_promised_length() {
        for case in Case::all() {
            for (step, _) in case.steps() {
                let mut request = step.request(case.era(), "127.0.0.1:1", Some("s"));
                request.fill(12_345_678);
                let body = request.body();
                if body.is_empty() {
                    continue;
                }
                let value: serde_json::Value = serde_json::from_slice(body).expect("valid JSON");
                assert_eq!(value["method"].as_str(), step.method(), "{step:?}");
                assert_eq!(value["id"] == 12_345_678, *step != Step::Initialized, "{step:?}");
                assert!(step.method() != Some("tools/call") || body.len() == BODY_BYTES, "{step:?}");
            }
        }
    }
}
