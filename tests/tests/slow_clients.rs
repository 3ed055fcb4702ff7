//! Does everybody who lets us wait, client or hub, meet a deadline?
//!
//! No time is measured: each test sets short deadlines and asserts that the end comes at all, within a bound that is
//! an order of magnitude longer, and that prompt clients are served meanwhile.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use mcphub_tests::raw_edge::{hub_table, quiet_config};
use mcphub_tests::raw_http::{Broken, Ending, PATIENCE, RawClient};
use mcphub_tests::raw_hub::{Blackhole, RawHub, Script, Seen, Step};
use mcphub_tests::raw_mcp::{Request, open_session};
use mcphub_tests::raw_script::{
    LEGACY, chunk, event, json_answer, legacy_call, mcp, mcp_but, modern_body, modern_fields, sse_head,
};
use mcphub_tests::{Gateway, until};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Short waits on all sides.
const SHORT: &str = "[limits]\nheader_deadline = \"1s\"\nbody_deadline = \"1s\"\nwrite_deadline = \"1s\"\nkeepalive_idle = \"1s\"\n\
                     [upstream]\nconnect_deadline = \"500ms\"\nanswer_deadline = \"1s\"\nidle_deadline = \"1s\"\nstream_keepalive = \"500ms\"\n";

async fn start(script: Script) -> (RawHub, Gateway, String) {
    let hub = RawHub::start(script).await.expect("a hub on loopback");
    let config = quiet_config().section(&hub_table("raw", "primary", "us-east", &hub.url())).section(SHORT);
    let gateway = Gateway::start(config).await.expect("the gateway starts");
    let host = gateway.listener().to_string();
    (hub, gateway, host)
}

/// Proves that a prompt client is served.
async fn prompt(gateway: &Gateway) {
    let host = gateway.listener().to_string();
    let request = Request::modern(&host, 1, "tools/call", "echo", json!({"name": "echo"}));
    assert_eq!(request.send(gateway.listener()).await.expect("an answer").status, 200);
}

/// Sends the pieces of a request with a pause between two, for ever, until the peer ends the connection.
async fn drip(gateway: &Gateway, first: &[u8], again: &[u8], pause: Duration) -> Ending {
    let mut client = RawClient::connect(gateway.listener()).await.expect("a connection");
    if client.send(first).await.is_err() {
        return Ending::Closed;
    }
    let dripping = async {
        loop {
            if client.ending(pause).await != Ending::Open {
                return Ending::Closed;
            }
            if client.send(again).await.is_err() {
                return Ending::Closed;
            }
        }
    };
    timeout(PATIENCE, dripping).await.unwrap_or(Ending::Open)
}

/// A head has one deadline for the whole of it, however it drips in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_held_past_the_header_deadline() {
    let (hub, gateway, host) = start(mcp("raw")).await;
    let gateway = Arc::new(gateway);
    let line = format!("POST /mcp HTTP/1.1\r\nHost: {host}\r\n");
    let mut slow = JoinSet::new();
    for (first, again, millis) in [
        (line.clone(), "X-A: b\r\n", 300),
        (line.clone(), "b", 100),
        (String::new(), "P", 200),
        ("P".into(), "", 200),
        (line.clone(), "", 200),
        ("\r\n".into(), "\r\n", 100),
    ] {
        for _ in 0..25 {
            let (gateway, first) = (gateway.clone(), first.clone());
            slow.spawn(async move {
                let ending =
                    drip(&gateway, first.as_bytes(), again.as_bytes(), Duration::from_millis(millis)).await;
                (first, again, ending)
            });
        }
    }
    prompt(&gateway).await;
    while let Some(done) = slow.join_next().await {
        let (first, again, ending) = done.expect("no panic");
        assert_eq!(ending, Ending::Closed, "{first:?} then {again:?} for ever is held");
    }
    prompt(&gateway).await;
    // HTTP/2: a preface that never comes whole, and a header block that never ends.
    let open = [mcphub_tests::raw_h2::PREFACE, &mcphub_tests::raw_h2::frame(4, 0, 0, &[])].concat();
    for first in [&b"PRI * HTTP/2.0\r\n\r\n"[..], &open[..open.len() - 3]] {
        assert_eq!(drip(&gateway, first, b"", Duration::from_millis(200)).await, Ending::Closed, "{first:?}");
    }
    assert!(hub.log().strays.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_held_past_the_body_deadline() {
    let (hub, gateway, host) = start(mcp("raw")).await;
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
    );
    hub.take();
    for (framing, again) in [
        ("Content-Length: 100000\r\n\r\n", "x"),
        ("Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"),
        ("Content-Length: 5\r\n\r\n", ""),
        ("Transfer-Encoding: chunked\r\n\r\n5", ""),
    ] {
        let mut client = RawClient::connect(gateway.listener()).await.expect("a connection");
        client.send(format!("{head}{framing}").as_bytes()).await.expect("room for a head");
        let dripping = async {
            loop {
                match client.any_answer(Duration::from_millis(200)).await {
                    Err(Broken::Silent) => {
                        let _ = client.send(again.as_bytes()).await;
                    }
                    other => return other.map(|answer| answer.status),
                }
            }
        };
        let answer = timeout(PATIENCE, dripping).await.expect("an end");
        assert!(
            matches!(answer, Ok(400 | 408) | Err(Broken::NoAnswer(Ending::Closed))),
            "{framing:?}: {answer:?}"
        );
        assert_eq!(client.ending(PATIENCE).await, Ending::Closed);
    }
    assert_eq!(hub.log().bytes, 0, "half a body is nobody's business but the gateway's");
    prompt(&gateway).await;
}

/// The same by HTTP/2, where a slow body holds a stream.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_holds_a_stream_past_the_body_deadline() {
    let (hub, gateway, host) = start(mcp("raw")).await;
    hub.take();
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", host.as_str()),
        (":path", "/mcp"),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/list"),
    ];
    let headers = mcphub_tests::raw_h2::frame(1, 4, 1, &mcphub_tests::raw_h2::block(&fields));
    let outcome = mcphub_tests::raw_h2::play(gateway.listener(), &headers).await;
    use mcphub_tests::raw_h2::Outcome;
    let ended = matches!(
        outcome,
        Outcome::Answered(400 | 408, _) | Outcome::Reset(_) | Outcome::GoAway(_) | Outcome::Closed
    );
    assert!(ended, "{outcome:?}");
    assert_eq!(hub.log().bytes, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_is_closed() {
    let (_hub, gateway, host) = start(mcp("raw")).await;
    let mut silent = RawClient::connect(gateway.listener()).await.expect("a connection");
    let mut served = RawClient::connect(gateway.listener()).await.expect("a connection");
    let request = Request::modern(&host, 1, "tools/call", "echo", json!({"name": "echo"})).bytes();
    for _ in 0..3 {
        served.send(&request).await.expect("kept alive");
        assert_eq!(served.answer().await.map(|answer| answer.status), Ok(200));
    }
    assert_eq!(served.ending(PATIENCE).await, Ending::Closed, "after keepalive_idle");
    assert_eq!(silent.ending(PATIENCE).await, Ending::Closed, "nothing was ever asked");
    let mut idle = tokio::net::TcpStream::connect(gateway.listener()).await.expect("a connection");
    let open = [mcphub_tests::raw_h2::PREFACE, &mcphub_tests::raw_h2::frame(4, 0, 0, &[])].concat();
    tokio::io::AsyncWriteExt::write_all(&mut idle, &open).await.expect("room for a preface");
    assert!(mcphub_tests::raw_h2::ends_within(&mut idle, PATIENCE).await, "HTTP/2 without a request");
    prompt(&gateway).await;
}

/// A client that takes nothing of a large answer, or of an endless stream, does not hold its hub for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_never_reads_is_let_go() {
    let flood = mcp_but("raw", |seen| {
        let large = "x".repeat(1 << 20);
        match seen.json()["params"]["name"].as_str()? {
            "large" => Some(vec![Step::Send(json_answer(
                "200 OK",
                "",
                &json!({"jsonrpc": "2.0", "id": 1, "result": {"text": "x".repeat(64 << 20)}}),
            ))]),
            "stream" => Some(vec![
                Step::Send(sse_head("")),
                Step::Repeat(
                    event(
                        &json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": large}}),
                    ),
                    Duration::ZERO,
                ),
            ]),
            _ => None,
        }
    });
    let (hub, gateway, host) = start(flood).await;
    for tool in ["large", "stream"] {
        let left = hub.log().left;
        let request = Request::modern(&host, 1, "tools/call", tool, json!({"name": tool}));
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a small window");
        let stream = socket.connect(gateway.listener()).await.expect("a connection");
        let mut client = RawClient::over(stream);
        client.send(&request.bytes()).await.expect("room for a request");
        if tool == "stream" {
            until("the hub to be let go", async || {
                let now = hub.log().left;
                if now > left { Ok(()) } else { Err(now) }
            })
            .await
            .expect("the endless answer ends");
        }
        until("the gateway to be done with it", async || {
            let busy = gateway.metric("mcphub_requests_in_flight").await.map_err(|e| e.to_string())?;
            if busy == Some(0.0) { Ok(()) } else { Err(format!("{busy:?} in flight")) }
        })
        .await
        .expect(tool);
        prompt(&gateway).await;
    }
}

/// Which misbehaviour a call asks of the hub.
fn silent_hub() -> Script {
    mcp_but("raw", |seen: &Seen| {
        let send = |text: &str| Step::Send(text.as_bytes().to_vec());
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
        let drip = |text: &str| Step::Repeat(text.as_bytes().to_vec(), Duration::from_millis(100));
        let steps = match seen.json()["params"]["name"].as_str()? {
            "never answers" => vec![Step::Hang],
            "half a head" => vec![send("HTTP/1.1 200 OK\r\nConte"), Step::Hang],
            "a head that drips" => vec![send("HTTP/1.1 200 OK\r\n"), drip("X-A: b\r\n")],
            "a head without end" => vec![
                send("HTTP/1.1 200 OK\r\n"),
                Step::Repeat(format!("X-A: {}\r\n", "b".repeat(1000)).into_bytes(), Duration::ZERO),
            ],
            "a head of 1 MiB" => vec![send(&format!(
                "HTTP/1.1 200 OK\r\nX-A: {}\r\nContent-Length: 2\r\n\r\n{{}}",
                "b".repeat(1 << 20)
            ))],
            "interim answers without end" => vec![drip("HTTP/1.1 102 Processing\r\n\r\n")],
            "a head and no body" => vec![send(&format!("{head}Content-Length: 100\r\n\r\n")), Step::Hang],
            "half a body" => vec![send(&format!("{head}Content-Length: 100\r\n\r\n{{\"json")), Step::Hang],
            "half a chunk" => {
                vec![send(&format!("{head}Transfer-Encoding: chunked\r\n\r\n50\r\n{{\"json")), Step::Hang]
            }
            "a chunk size without end" => {
                vec![send(&format!("{head}Transfer-Encoding: chunked\r\n\r\n")), drip("0")]
            }
            _ => return None,
        };
        Some(steps)
    })
}

const SILENT: [&str; 10] = [
    "never answers",
    "half a head",
    "a head that drips",
    "a head without end",
    "a head of 1 MiB",
    "interim answers without end",
    "a head and no body",
    "half a body",
    "half a chunk",
    "a chunk size without end",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_hub_meets_its_deadline() {
    let (hub, gateway, host) = start(silent_hub()).await;
    let address = gateway.listener();
    let session = open_session(address, LEGACY, "").await.expect("a session");
    let mut calls = JoinSet::new();
    for (number, fault) in SILENT.into_iter().enumerate() {
        let id = 100 + number as u64;
        let legacy = Request::legacy(&host, &session, legacy_call(id, fault, &json!({})));
        let modern = Request::modern(&host, id, "tools/call", "x", json!({"name": fault}));
        for (era, request, statuses) in [("legacy", legacy, &[200_u16][..]), ("modern", modern, &[502, 504])]
        {
            calls.spawn(async move {
                let answer = request.send(address).await.map_err(|e| format!("{era} {fault}: {e:#}"))?;
                let json = answer.json();
                let right =
                    statuses.contains(&answer.status) && json["id"] == id && json["error"]["code"] == -32603;
                if right {
                    Ok(())
                } else {
                    Err(format!("{era} {fault}: {} {}", answer.status, answer.text()))
                }
            });
        }
    }
    prompt(&gateway).await;
    let mut flaws = Vec::new();
    while let Some(done) = calls.join_next().await {
        flaws.extend(done.expect("no panic").err());
    }
    assert!(flaws.is_empty(), "{}", flaws.join("\n"));
    // Each was asked once: what was sent and not answered is not sent again.
    let asked = hub
        .log()
        .requests
        .iter()
        .filter(|seen| SILENT.contains(&seen.json()["params"]["name"].as_str().unwrap_or("")))
        .count();
    assert_eq!(asked, 2 * SILENT.len());
    prompt(&gateway).await;
}

/// A hub whose machine is gone: nothing answers, not even with a refusal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_that_never_completes_a_connection_is_passed_over() {
    let hole = Blackhole::start().await.expect("a full queue");
    let second = RawHub::start(mcp("second")).await.expect("a hub on loopback");
    let config = quiet_config()
        .section(&hub_table("hole", "primary", "us-east", &hole.url()))
        .section(&hub_table("second", "secondary", "us-west", &second.url()))
        .section(SHORT);
    let gateway = Gateway::start(config).await.expect("the gateway starts");
    prompt(&gateway).await;
    assert_eq!(second.log().requests.len(), 1, "asked once, on the second hub");
}

/// An open stream may be silent as long as it likes: the client hears comments, and is not let go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_stream_is_kept_alive_with_comments() {
    let script = mcp_but("raw", |seen| match (seen.method.as_str(), seen.json()["method"].as_str()) {
        ("GET", _) => Some(vec![Step::Send(sse_head("")), Step::Hang]),
        (_, Some("subscriptions/listen")) => {
            Some(vec![Step::Send(sse_head("")), Step::Send(chunk(": open\n\n")), Step::Hang])
        }
        _ => None,
    });
    let (_hub, gateway, host) = start(script).await;
    let session = open_session(gateway.listener(), LEGACY, "").await.expect("a session");
    let listen = Request::post(&host, modern_body(1, "subscriptions/listen", json!({})))
        .with(&modern_fields("subscriptions/listen", ""));
    for request in [Request::stream(&host, &session), listen] {
        let mut client = RawClient::connect(gateway.listener()).await.expect("a connection");
        client.send(&request.bytes()).await.expect("room for a request");
        let head =
            timeout(PATIENCE, client.head()).await.expect("a head at once, though the hub says nothing more");
        let head = head.expect("a head");
        assert_eq!(head.status, 200);
        // Far longer than the deadlines for answers, bodies and idle connections together.
        let mut comments = 0;
        while comments < 8 {
            let chunk = timeout(PATIENCE, client.chunk()).await.expect("a comment");
            let chunk = chunk.expect("the stream stands").expect("the stream does not end");
            let text = String::from_utf8(chunk).expect("text");
            assert!(text.starts_with(':') && text.ends_with("\n\n"), "{text:?}");
            comments += text.matches("\n\n").count();
        }
    }
}

/// The public tool for slow attacks; none where it is not installed.
#[expect(clippy::print_stdout, reason = "says that it was skipped")]
fn slowhttptest(mode: &[&str], url: &str) -> Option<tokio::process::Child> {
    let mut command = tokio::process::Command::new("slowhttptest");
    command.args(mode).args(["-c", "150", "-r", "150", "-l", "12", "-p", "5", "-u", url]);
    match command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn() {
        Ok(child) => Some(child),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("SKIPPED: slowhttptest is not installed (tests/tools/install.sh abuse)");
            None
        }
        Err(error) => panic!("slowhttptest: {error}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slowhttptest_holds_no_head_and_no_body() {
    let (_hub, gateway, _) = start(mcp("raw")).await;
    for mode in [&["-H", "-i", "1"][..], &["-B", "-i", "1", "-s", "8192"]] {
        let Some(child) = slowhttptest(mode, &gateway.url()) else { return };
        let output = child.wait_with_output().await.expect("its report");
        let report = String::from_utf8_lossy(&output.stdout).into_owned();
        // The tool ends early only when the last connection has been closed on it.
        assert!(
            report.contains("No open connections left"),
            "connections still held with {mode:?}:\n{report}"
        );
        prompt(&gateway).await;
    }
}

/// Slow readers do not see the end of a connection before they have read what came before it: the gateway is asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slowhttptest_holds_nothing_by_reading_slowly() {
    let (_hub, gateway, _) = start(mcp("raw")).await;
    let mode = ["-X", "-w", "10", "-y", "20", "-n", "1", "-z", "16", "-k", "3"];
    let Some(mut child) = slowhttptest(&mode, &gateway.url()) else { return };
    let connections = async |fits: &dyn Fn(f64) -> bool| {
        until("the number of connections", async || {
            let open =
                gateway.metric("mcphub_connections").await.map_err(|e| format!("{e:#}"))?.unwrap_or(-1.0);
            if fits(open) { Ok(()) } else { Err(format!("{open} open")) }
        })
        .await
    };
    connections(&|open| open > 100.0).await.expect("it connects");
    connections(&|open| open < 10.0).await.expect("they are closed");
    assert!(matches!(child.try_wait(), Ok(None)), "while the tool still reads");
    prompt(&gateway).await;
}
