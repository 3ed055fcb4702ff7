//! Which bytes does the bench hub answer?

use super::step::Step;
use super::{BODY_BYTES, ID_BLANK, LEGACY, MODERN, SSE_EVENTS, padded};

/// Tools in a list of 8 kB: 400 B each, as schemas of public servers are.
const LIST_TOOLS: usize = 20;
/// Tools in a list of 80 kB.
const LIST_LONG_TOOLS: usize = 200;
const KIB: usize = 1024;

/// The steps that are answered with a body of their own: all but those of a session's beginning and end.
pub const READY: [Step; 13] = [
    Step::Call,
    Step::CallReworded,
    Step::Call5k,
    Step::Call16k,
    Step::Call97k,
    Step::CallSse,
    Step::List,
    Step::ListLong,
    Step::ListPublic,
    Step::Resources,
    Step::Prompts,
    Step::Ping,
    Step::Discover,
];

/// The decoded body that a client must see, with a blank for the id. Empty for steps without one.
#[must_use]
pub fn body(step: Step) -> Vec<u8> {
    let result = match step {
        Step::CallSse => return sse_events(ID_BLANK).concat().into_bytes(),
        Step::Initialize | Step::Initialized | Step::Delete => return Vec::new(),
        Step::Call | Step::CallReworded => return called(BODY_BYTES).into_bytes(),
        Step::Call5k => return called(5 * KIB).into_bytes(),
        Step::Call16k => return called(16 * KIB).into_bytes(),
        Step::Call97k => return called(97 * KIB).into_bytes(),
        Step::List => tools(LIST_TOOLS, 0, "private"),
        Step::ListLong => tools(LIST_LONG_TOOLS, 0, "private"),
        // Ten minutes: longer than any run.
        Step::ListPublic => tools(LIST_TOOLS, 600_000, "public"),
        Step::Resources => listed("resources", 10, |n| {
            format!(r#"{{"uri":"file:///notes/{n}.md","name":"note-{n}","mimeType":"text/markdown"}}"#)
        }),
        Step::Prompts => listed("prompts", 5, |n| {
            format!(r#"{{"name":"prompt-{n}","description":"Asks for the notes of one day."}}"#)
        }),
        Step::Ping => "{}".to_owned(),
        Step::Discover => format!(
            r#"{{"resultType":"complete","supportedVersions":["{MODERN}","{LEGACY}"],"capabilities":{{"tools":{{}}}},"ttlMs":0,"cacheScope":"private"}}"#
        ),
    };
    format!(r#"{{"jsonrpc":"2.0","id":{ID_BLANK},"result":{result}}}"#).into_bytes()
}

/// The answer of the hub, head and body, with a blank for the id.
#[must_use]
pub fn answer(step: Step) -> Vec<u8> {
    match step {
        Step::CallSse => sse_response(),
        _ => json_response("", &body(step)),
    }
}

/// The same for an id of another length.
#[must_use]
pub fn answer_with(step: Step, id: &str) -> Vec<u8> {
    let body = body(step);
    let text = String::from_utf8_lossy(&body).replacen(ID_BLANK, id, 1);
    if step == Step::CallSse {
        return chunked(&sse_events(id));
    }
    json_response("", text.as_bytes())
}

/// The JSON body that answers a call, `bytes` long.
fn called(bytes: usize) -> String {
    padded(bytes, |text| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{ID_BLANK},"result":{{"resultType":"complete","content":[{{"type":"text","text":"{text}"}}]}}}}"#
        )
    })
}

fn tools(count: usize, ttl_ms: u32, scope: &str) -> String {
    let real = [Step::Call, Step::CallReworded, Step::Call5k, Step::Call16k, Step::Call97k, Step::CallSse];
    let name = |n: usize| real.get(n).and_then(|step| step.key()).map_or(format!("tool-{n}"), str::to_owned);
    let tool = |n: usize| {
        padded(KIB * 8 / LIST_TOOLS, |text| {
            format!(
                r#"{{"name":"{}","description":"{text}","inputSchema":{{"type":"object","properties":{{"text":{{"type":"string"}}}}}}}}"#,
                name(n)
            )
        })
    };
    let tools: Vec<String> = (0..count).map(tool).collect();
    format!(
        r#"{{"resultType":"complete","ttlMs":{ttl_ms},"cacheScope":"{scope}","tools":[{}]}}"#,
        tools.join(",")
    )
}

fn listed(name: &str, count: usize, item: impl Fn(usize) -> String) -> String {
    let items: Vec<String> = (0..count).map(item).collect();
    format!(r#"{{"resultType":"complete","ttlMs":0,"cacheScope":"private","{name}":[{}]}}"#, items.join(","))
}

/// The events that answer a streamed call with `id`: progress, then the result. They carry no `id:` lines, which
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

/// The head of a stream, which a listening client gets at once and alone.
pub const STREAM_HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n\
    X-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\n\r\n";

fn sse_response() -> Vec<u8> {
    chunked(&sse_events(ID_BLANK))
}

/// A chunk for each event, as streaming servers send them.
fn chunked(events: &[String]) -> Vec<u8> {
    let mut out = STREAM_HEAD.to_vec();
    for event in events {
        out.extend_from_slice(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes());
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

/// The hub's answer to `initialize`. `session` tells sessions apart; the id has the length of a UUID.
#[must_use]
pub fn initialized(id: &str, session: u32) -> Vec<u8> {
    let head = format!("Mcp-Session-Id: 5ca1ab1e-0000-4000-8000-0000{session:08}\r\n");
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{"protocolVersion":"{LEGACY}","capabilities":{{"tools":{{}}}},"serverInfo":{{"name":"bench-hub","version":"0.1.0"}}}}}}"#
    );
    json_response(&head, body.as_bytes())
}

/// The hub's answer to a method that it does not know.
#[must_use]
pub fn unknown(id: &str) -> Vec<u8> {
    let error = r#"{"code":-32601,"message":"the bench hub does not know this method"}"#;
    json_response("", format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#).as_bytes())
}

fn json_response(extra: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{extra}Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_json_of_the_promised_length() {
        let about = |step: Step, bytes: usize, least: usize| {
            let body = body(step);
            assert!((least..=bytes).contains(&body.len()), "{step:?}: {}", body.len());
        };
        about(Step::Call, BODY_BYTES, BODY_BYTES);
        about(Step::Call16k, 16 * KIB, 16 * KIB);
        about(Step::Call97k, 97 * KIB, 97 * KIB);
        about(Step::List, 9 * KIB, 8 * KIB);
        about(Step::ListLong, 90 * KIB, 80 * KIB);
        for step in READY.into_iter().filter(|step| *step != Step::CallSse) {
            let text = String::from_utf8(body(step)).expect("text").replace(ID_BLANK, "7");
            let value: serde_json::Value = serde_json::from_str(&text).expect("valid JSON");
            assert!(value["id"] == 7 && value["result"].is_object(), "{step:?}");
        }
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
