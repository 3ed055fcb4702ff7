//! When a hub fails, is a request asked again only where that is safe, and is its fate told in words?

use std::time::Duration;

use mcphub_tests::raw_edge::{hub_table, quiet_config};
use mcphub_tests::raw_http::{Answer, RawClient};
use mcphub_tests::raw_hub::{Blackhole, RawHub, Seen, Step};
use mcphub_tests::raw_mcp::{Request, open_session};
use mcphub_tests::raw_script::{LEGACY, chunk, event, json_answer, legacy_call, mcp, mcp_but, sse_head};
use mcphub_tests::{Gateway, free_address};
use serde_json::{Value, json};

/// Which fault a call asks of the hub: the tool's name in either era.
fn fault_of(seen: &Seen) -> Option<String> {
    Some(seen.json()["params"]["name"].as_str()?.to_owned())
}

/// A hub that fails as the tool's name says, after it has read the whole request.
fn faulty(name: &str) -> mcphub_tests::raw_hub::Script {
    mcp_but(name, |seen| {
        let send = |text: &str| Step::Send(text.as_bytes().to_vec());
        let json_head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
        let steps = match fault_of(seen)?.as_str() {
            "reset" => vec![Step::Reset],
            "close" => vec![Step::Close],
            "half a head" => vec![send("HTTP/1.1 200 OK\r\nConte"), Step::Close],
            "half a head, reset" => vec![send("HTTP/1.1 200 OK\r\nConte"), Step::Reset],
            "no HTTP" => vec![send("nonsense\r\n\r\n"), Step::Close],
            "interim, then close" => vec![send("HTTP/1.1 102 Processing\r\n\r\n"), Step::Close],
            "head only" => vec![send(&format!("{json_head}Content-Length: 100\r\n\r\n")), Step::Close],
            "half a body" => {
                vec![send(&format!("{json_head}Content-Length: 100\r\n\r\n{{\"jsonrpc\"")), Step::Close]
            }
            "half a body, reset" => {
                vec![send(&format!("{json_head}Content-Length: 100\r\n\r\n{{\"jsonrpc\"")), Step::Reset]
            }
            "half a chunk" => vec![
                send(&format!("{json_head}Transfer-Encoding: chunked\r\n\r\n50\r\n{{\"json")),
                Step::Close,
            ],
            "no last chunk" => vec![
                send(&format!("{json_head}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n")),
                Step::Close,
            ],
            "a bad chunk" => vec![
                send(&format!("{json_head}Transfer-Encoding: chunked\r\n\r\nxyz\r\n{{}}\r\n0\r\n\r\n")),
                Step::Close,
            ],
            "two lengths" => vec![
                send(&format!("{json_head}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}x")),
                Step::Close,
            ],
            "length and chunks" => vec![
                send(&format!(
                    "{json_head}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"
                )),
                Step::Close,
            ],
            "a broken field" => {
                vec![send("HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 0\r\n\r\n"), Step::Close]
            }
            "a folded field" => {
                vec![send("HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 0\r\n\r\n"), Step::Close]
            }
            "500" => vec![Step::Send(json_answer("500 Internal Server Error", "", &json!({"error": "x"})))],
            "502 with a page" => vec![send(
                "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>",
            )],
            "503" => {
                vec![send("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n")]
            }
            "an empty stream" => vec![Step::Send(sse_head("")), send("0\r\n\r\n")],
            "a stream cut at once" => vec![Step::Send(sse_head("")), Step::Reset],
            "a stream cut within an event" => {
                let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 1, "progressToken": 1}});
                vec![
                    Step::Send(sse_head("")),
                    Step::Send(event(&progress)),
                    Step::Send(chunk("data: {\"jsonrpc\":\"2.0\",\"id\":")),
                    Step::Reset,
                ]
            }
            "a stream ended without an answer" => {
                let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 1, "progressToken": 1}});
                vec![Step::Send(sse_head("")), Step::Send(event(&progress)), send("0\r\n\r\n")]
            }
            _ => return None,
        };
        Some(steps)
    })
}

/// Every fault that [`faulty`] knows, but for those whose answer is the hub's own.
const FAULTS: [&str; 20] = [
    "reset",
    "close",
    "half a head",
    "half a head, reset",
    "no HTTP",
    "interim, then close",
    "head only",
    "half a body",
    "half a body, reset",
    "half a chunk",
    "no last chunk",
    "a bad chunk",
    "two lengths",
    "length and chunks",
    "a broken field",
    "a folded field",
    "an empty stream",
    "a stream cut at once",
    "a stream cut within an event",
    "a stream ended without an answer",
];

/// The hub's own failures, which clients in a session cannot bear as a 5xx.
const SERVER_ERRORS: [&str; 3] = ["500", "502 with a page", "503"];

/// The JSON-RPC message that answers `id`, in whatever body it came.
fn message_for(answer: &Answer, id: &Value) -> Option<Value> {
    let text = answer.text();
    let whole = serde_json::from_str::<Value>(&text).ok();
    let events = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data:")?.trim()).ok());
    whole
        .into_iter()
        .chain(events)
        .find(|message| message.get("id") == Some(id) && message.get("method").is_none())
}

async fn two_hubs() -> (RawHub, RawHub, Gateway) {
    let first = RawHub::start(faulty("first")).await.expect("a hub on loopback");
    let second = RawHub::start(mcp("second")).await.expect("a hub on loopback");
    let config = quiet_config()
        .section(&hub_table("first", "primary", "us-east", &first.url()))
        .section(&hub_table("second", "secondary", "us-west", &second.url()));
    let gateway = Gateway::start(config).await.expect("the gateway starts");
    (first, second, gateway)
}

/// How often a hub was asked to call this tool.
fn calls_of(hub: &RawHub, tool: &str) -> usize {
    let of_tool = |seen: &&Seen| fault_of(seen).as_deref() == Some(tool);
    hub.log().requests.iter().filter(of_tool).count()
}

/// Inside a session a failure is a JSON-RPC error in a 200, with the request's own id; nothing is asked twice, and the
/// session lives on, on another hub if need be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_session_every_failure_is_told_in_words() {
    let (first, second, gateway) = two_hubs().await;
    let host = gateway.listener().to_string();
    let mut flaws = Vec::new();
    for (number, fault) in FAULTS.iter().chain(&SERVER_ERRORS).enumerate() {
        let ids = [json!(1000 + number), json!(format!("id-{number}"))];
        for id in ids {
            first.take();
            second.take();
            // One of its own each time: after a loss it lives on the second hub.
            let session = open_session(gateway.listener(), LEGACY, "").await.expect("a session");
            // What the one before has left there is ended at any time.
            let handshakes =
                first.log().requests.iter().filter(|seen| seen.json()["method"] == "initialize").count();
            assert_eq!(handshakes, 1, "opened on the first hub");
            let body = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": fault, "arguments": {}}});
            let request = Request::legacy(&host, &session, body.to_string());
            let answer = match request.send(gateway.listener()).await {
                Ok(answer) => answer,
                Err(error) => {
                    flaws.push(format!("{fault}: a bare cut: {error:#}"));
                    continue;
                }
            };
            let error = message_for(&answer, &id).map(|message| message["error"]["code"].clone());
            if answer.status != 200 || error != Some(json!(-32603)) {
                flaws.push(format!("{fault}: {} {}", answer.status, answer.text()));
            }
            let asked = (calls_of(&first, fault), calls_of(&second, fault));
            if asked != (1, 0) {
                flaws.push(format!("{fault}: asked {} times, and {} times elsewhere", asked.0, asked.1));
            }
            let call = Request::legacy(&host, &session, legacy_call(1, "echo", &json!({})));
            let answer = call.send(gateway.listener()).await.expect("an answer");
            if answer.status != 200 || !answer.json()["result"].is_object() {
                flaws.push(format!("{fault}: it does not live on: {} {}", answer.status, answer.text()));
            }
        }
    }
    assert!(flaws.is_empty(), "{}", flaws.join("\n"));
}

/// Outside a session a failure has a status of its own, and a body with the request's own id.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_modern_call_is_never_asked_twice() {
    let (first, second, gateway) = two_hubs().await;
    let host = gateway.listener().to_string();
    let mut flaws = Vec::new();
    for (number, fault) in FAULTS.iter().enumerate() {
        first.take();
        second.take();
        let id = 2000 + number as u64;
        let request = Request::modern(&host, id, "tools/call", "x", json!({"name": fault, "arguments": {}}));
        let answer = match request.send(gateway.listener()).await {
            Ok(answer) => answer,
            Err(error) => {
                flaws.push(format!("{fault}: a bare cut: {error:#}"));
                continue;
            }
        };
        let streamed = fault.contains("stream");
        let right_status = if streamed { answer.status == 200 } else { answer.status == 502 };
        let error = message_for(&answer, &json!(id)).map(|message| message["error"]["code"].clone());
        if !right_status || error != Some(json!(-32603)) {
            flaws.push(format!("{fault}: {} {}", answer.status, answer.text()));
        }
        let (seen, leaked) = (first.log(), second.log());
        if seen.requests.len() != 1 || !leaked.requests.is_empty() {
            flaws.push(format!(
                "{fault}: asked {} times, and {} times elsewhere",
                seen.requests.len(),
                leaked.requests.len()
            ));
        }
    }
    for fault in SERVER_ERRORS {
        let request = Request::modern(&host, 1, "tools/call", "x", json!({"name": fault, "arguments": {}}));
        let answer = request.send(gateway.listener()).await.expect("an answer");
        if !(500..=504).contains(&answer.status) {
            flaws.push(format!("{fault}: {}", answer.status));
        }
    }
    assert!(flaws.is_empty(), "{}", flaws.join("\n"));
    assert!(second.log().requests.is_empty(), "nothing went to the second hub");
}

/// What never reached a hub goes to the next one: answered, executed once, unseen by the client.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_connection_leads_to_the_next_hub() {
    let second = RawHub::start(mcp("second")).await.expect("a hub on loopback");
    let config = quiet_config()
        .section(&hub_table("first", "primary", "us-east", &format!("http://{}/mcp", free_address())))
        .section(&hub_table("second", "secondary", "us-west", &second.url()));
    let gateway = Gateway::start(config).await.expect("the gateway starts");
    let host = gateway.listener().to_string();
    for id in 0..20_u64 {
        let request =
            Request::modern(&host, id, "tools/call", "echo", json!({"name": "echo", "arguments": {"n": id}}));
        let answer = request.send(gateway.listener()).await.expect("an answer");
        assert_eq!(
            (answer.status, &answer.json()["result"]["structuredContent"]["hub"]),
            (200, &json!("second"))
        );
    }
    let log = second.take();
    let mut executed: Vec<_> = log.requests.iter().map(|seen| seen.json()["id"].as_u64()).collect();
    executed.sort_unstable();
    assert_eq!(executed, (0..20).map(Some).collect::<Vec<_>>(), "each exactly once");
    let session =
        open_session(gateway.listener(), LEGACY, "").await.expect("sessions open on the second hub");
    for id in 0..5 {
        let call = Request::legacy(&host, &session, legacy_call(id, "echo", &json!({})));
        assert_eq!(call.send(gateway.listener()).await.expect("an answer").status, 200);
    }
    assert_eq!(second.log().requests.len(), 7, "handshake and calls, each once");
}

/// A session's hub that refuses connections: the session moves, and what was asked is done once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_whose_hub_is_gone_lives_on_another() {
    let (first, second, gateway) = two_hubs().await;
    let host = gateway.listener().to_string();
    let session = open_session(gateway.listener(), LEGACY, "").await.expect("a session on the first hub");
    assert_eq!(first.log().requests.len(), 2);
    first.stop().await;
    for id in 0..3 {
        let call = Request::legacy(&host, &session, legacy_call(id, "echo", &json!({})));
        let answer = call.send(gateway.listener()).await.expect("an answer, not a cut");
        let hub =
            message_for(&answer, &json!(id)).map(|said| said["result"]["structuredContent"]["hub"].clone());
        assert_eq!((answer.status, hub), (200, Some(json!("second"))), "{}", answer.text());
    }
    let notification = Request::legacy(&host, &session, r#"{"jsonrpc":"2.0","method":"notifications/x"}"#);
    let status = notification.send(gateway.listener()).await.expect("an answer").status;
    assert_eq!(status, 202, "a notification wants no answer, and a 5xx would end the session");
    let log = second.take();
    let asked: Vec<_> = log.requests.iter().map(|seen| seen.json()["method"].clone()).collect();
    let calls = ["tools/call"; 3];
    let expected =
        ["initialize", "notifications/initialized"].into_iter().chain(calls).chain(["notifications/x"]);
    assert_eq!(asked, expected.map(Value::from).collect::<Vec<_>>(), "one handshake, and each thing once");
    let fresh = open_session(gateway.listener(), LEGACY, "").await.expect("new sessions open elsewhere");
    let call = Request::legacy(&host, &fresh, legacy_call(9, "echo", &json!({})));
    let answer = call.send(gateway.listener()).await.expect("an answer");
    assert_eq!(answer.json()["result"]["structuredContent"]["hub"], "second");
}

/// Nobody there at all: the client hears it at once and is told when to come back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_hub_at_all_is_a_503_with_retry_after() {
    let mut config = quiet_config();
    for id in ["a", "b", "c"] {
        config =
            config.section(&hub_table(id, "primary", "us-east", &format!("http://{}/mcp", free_address())));
    }
    let gateway = Gateway::start(config).await.expect("the gateway starts");
    let host = gateway.listener().to_string();
    let requests = [
        Request::modern(&host, 5, "tools/call", "echo", json!({"name": "echo"})),
        Request::initialize(&host, LEGACY),
    ];
    for (request, id) in requests.into_iter().zip([json!(5), json!(0)]) {
        let answer = request.send(gateway.listener()).await.expect("an answer");
        assert_eq!(answer.status, 503, "{}", answer.text());
        let seconds = answer.field("retry-after").and_then(|s| s.parse::<u32>().ok());
        assert!(seconds.is_some_and(|s| (1..=60).contains(&s)), "{:?}", answer.fields);
        let code = message_for(&answer, &id).map(|message| message["error"]["code"].clone());
        assert_eq!(code, Some(json!(-32603)), "{}", answer.text());
    }
}

/// A connection that the hub closed while it was idle is noticed before it is used, even for calls that must not be
/// asked twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_the_hub_closed_is_not_used_again() {
    let hub = RawHub::start(mcp_but("only", |seen| {
        let id = seen.json()["id"].clone();
        // Says nothing of closing, and closes.
        Some(vec![
            Step::Send(json_answer("200 OK", "", &json!({"jsonrpc": "2.0", "id": id, "result": {}}))),
            Step::Close,
        ])
    }))
    .await
    .expect("a hub on loopback");
    let gateway =
        Gateway::start(quiet_config().section(&hub_table("only", "primary", "us-east", &hub.url())))
            .await
            .expect("the gateway starts");
    let host = gateway.listener().to_string();
    for id in 0..30_u64 {
        let request = Request::modern(&host, id, "tools/call", "echo", json!({"name": "echo"}));
        let answer = request.send(gateway.listener()).await.expect("an answer");
        assert_eq!(answer.status, 200, "call {id}: {}", answer.text());
        // The hub's FIN arrives within this; a real hub closes after seconds of silence.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(hub.log().requests.len(), 30, "each exactly once");
}

/// When all hubs are lost at once, each request is tried once elsewhere, and only a share of them yet again: never below
/// the floor of 3, never above a fifth of what is under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_stay_within_their_budget() {
    const AT_ONCE: u64 = 100;
    let holes = [Blackhole::start().await, Blackhole::start().await, Blackhole::start().await];
    let holes = holes.map(|hole| hole.expect("a full queue"));
    let [first, second, third] = &holes;
    let config = quiet_config()
        .section(&hub_table("first", "primary", "us-east", &first.url()))
        .section(&hub_table("second", "secondary", "us-west", &second.url()))
        .section(&hub_table("third", "secondary", "us-west", &third.url()))
        .section("[upstream]\nconnect_deadline = \"2s\"\nattempts = 3\n");
    let gateway = Gateway::start(config).await.expect("the gateway starts");
    let (address, host) = (gateway.listener(), gateway.listener().to_string());
    let calls: Vec<_> = (0..AT_ONCE)
        .map(|id| {
            let request = Request::modern(&host, id, "tools/call", "echo", json!({"name": "echo"}));
            tokio::spawn(async move { request.send(address).await.map(|answer| answer.status) })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.expect("no panic").expect("an answer"), 503);
    }
    let retries = gateway.metric("mcphub_retries_total").await.expect("metrics").expect("a counter");
    let denied = gateway.metric("mcphub_retries_denied_total").await.expect("metrics").expect("a counter");
    let again = retries - AT_ONCE as f64;
    assert!((3.0..=20.0).contains(&again), "{retries} retries of {AT_ONCE} requests");
    assert!(denied >= 80.0, "{denied} denied");

    // A request alone may always be tried again.
    let alone = Request::modern(&host, 7, "tools/call", "echo", json!({"name": "echo"}));
    assert_eq!(alone.send(address).await.expect("an answer").status, 503);
    let after = gateway.metric("mcphub_retries_total").await.expect("metrics").expect("a counter");
    assert!(after > retries, "{after} retries");
}

/// A client that leaves a modern call has cancelled it; one that leaves a legacy call has not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaving_cancels_in_the_modern_era_only() {
    let hub = RawHub::start(mcp_but("only", |seen| (fault_of(seen)? == "hang").then(|| vec![Step::Hang])))
        .await
        .expect("a hub on loopback");
    let gateway =
        Gateway::start(quiet_config().section(&hub_table("only", "primary", "us-east", &hub.url())))
            .await
            .expect("the gateway starts");
    let (address, host) = (gateway.listener(), gateway.listener().to_string());
    let session = open_session(address, LEGACY, "").await.expect("a session");
    let arrived = async |count: usize| {
        mcphub_tests::until("the hub to read the call", async || {
            let seen =
                hub.log().requests.iter().filter(|seen| fault_of(seen).as_deref() == Some("hang")).count();
            if seen == count { Ok(()) } else { Err(seen) }
        })
        .await
        .expect("the call arrives");
    };

    let mut legacy = RawClient::connect(address).await.expect("a connection");
    legacy
        .send(&Request::legacy(&host, &session, legacy_call(1, "hang", &json!({}))).bytes())
        .await
        .expect("room");
    arrived(1).await;
    drop(legacy);
    let mut modern = RawClient::connect(address).await.expect("a connection");
    let call = Request::modern(&host, 2, "tools/call", "hang", json!({"name": "hang"}));
    modern.send(&call.bytes()).await.expect("room");
    arrived(2).await;
    drop(modern);
    mcphub_tests::until("the modern call to be cancelled at the hub", async || {
        let left = hub.log().left;
        if left == 1 { Ok(()) } else { Err(left) }
    })
    .await
    .expect("exactly one is cancelled: the modern one, though the legacy client left first");
}
