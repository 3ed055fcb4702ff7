//! What does a client hear of hubs that behave oddly on a stream, to the event?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mcphub_tests::mcp::{EventStream, Modern};
use mcphub_tests::raw_edge::{hub_table, quiet_config};
use mcphub_tests::raw_hub::{RawHub, Script, Seen, Step};
use mcphub_tests::raw_script::{chunk, event, mcp_but, sse_head};
use mcphub_tests::{Gateway, until};
use serde_json::{Value, json};

/// A hub that answers requests to listen with these steps.
fn listened(name: &str, steps: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static) -> Script {
    mcp_but(name, move |seen| {
        (seen.json()["method"] == "subscriptions/listen").then(|| {
            let mut all = vec![Step::Send(sse_head(""))];
            all.extend(steps(seen));
            all
        })
    })
}

fn meta() -> Value {
    json!({ "io.modelcontextprotocol/subscriptionId": 1 })
}

fn acknowledged(granted: &Value) -> Step {
    let params = json!({ "notifications": granted, "_meta": meta() });
    Step::Send(event(&json!({
        "jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": params
    })))
}

fn tools() -> Value {
    json!({ "toolsListChanged": true })
}

async fn scene(first: Script, second: Script) -> (RawHub, RawHub, Gateway) {
    let first = RawHub::start(first).await.expect("a hub on loopback");
    let second = RawHub::start(second).await.expect("a hub on loopback");
    let config = quiet_config()
        .section(&hub_table("first", "primary", "us-east", &first.url()))
        .section(&hub_table("second", "secondary", "us-west", &second.url()));
    let gateway = Gateway::start(config).await.expect("the gateway starts");
    (first, second, gateway)
}

async fn listen(gateway: &Gateway) -> EventStream {
    let wanted = json!({ "notifications": { "toolsListChanged": true, "promptsListChanged": true } });
    Modern::new(gateway.listener()).start("subscriptions/listen", wanted).await.expect("a stream")
}

/// What the stream brings: methods, `result` or `error`, and how it ended.
async fn heard(stream: &mut EventStream, most: usize) -> Vec<String> {
    let mut all = Vec::new();
    while all.len() < most {
        match stream.next().await.expect("whole events and a proper end") {
            None => {
                all.push("end".to_owned());
                return all;
            }
            Some(event) if event.data.is_empty() => {}
            Some(event) => {
                assert_eq!(event.id, None, "modern streams have no ids");
                let message = event.json();
                let method = message["method"].as_str().map(str::to_owned);
                let word = || if message["result"].is_null() { "error" } else { "result" }.to_owned();
                all.push(method.unwrap_or_else(word).replace("notifications/", ""));
            }
        }
    }
    all
}

/// A hub in service that ends a stream in words means the stream.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_of_a_hub_in_service_is_the_clients() {
    let result =
        json!({ "jsonrpc": "2.0", "id": 1, "result": { "resultType": "complete", "_meta": meta() } });
    let first = listened("first", move |_| {
        vec![acknowledged(&tools()), Step::Send(event(&result)), Step::Send(b"0\r\n\r\n".to_vec())]
    });
    let second = listened("second", |_| vec![acknowledged(&tools()), Step::Hang]);
    let (_first, second, gateway) = scene(first, second).await;
    let mut stream = listen(&gateway).await;
    assert_eq!(heard(&mut stream, 9).await, ["subscriptions/acknowledged", "result", "end"]);
    assert_eq!(second.log().requests.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_of_a_hub_is_the_clients() {
    let error = json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": -32601, "message": "no" } });
    let first =
        listened("first", move |_| vec![Step::Send(event(&error)), Step::Send(b"0\r\n\r\n".to_vec())]);
    let second = listened("second", |_| vec![acknowledged(&tools()), Step::Hang]);
    let (_first, second, gateway) = scene(first, second).await;
    assert_eq!(heard(&mut listen(&gateway).await, 9).await, ["error", "end"]);
    assert_eq!(second.log().requests.len(), 0);
}

/// The same request goes to the next hub; a torn event dies with its hub; only what was granted can have been missed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_hub_gets_the_same_request() {
    let first = listened("first", |_| {
        vec![
            acknowledged(&tools()),
            Step::Send(chunk("data: {\"torn\":")),
            Step::Wait(Duration::from_millis(100)),
            Step::Reset,
        ]
    });
    let news = json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "_meta": meta() } });
    let second = listened("second", move |_| {
        vec![
            acknowledged(&json!({ "toolsListChanged": true, "promptsListChanged": true })),
            Step::Send(event(&news)),
            Step::Hang,
        ]
    });
    let (first, second, gateway) = scene(first, second).await;
    let mut stream = listen(&gateway).await;
    assert_eq!(heard(&mut stream, 3).await, ["subscriptions/acknowledged", "tools/list_changed", "message"]);
    let (one, two) = (first.log(), second.log());
    assert_eq!((one.requests.len(), two.requests.len()), (1, 1));
    assert_eq!(one.requests[0].json(), two.requests[0].json());
    assert_eq!(one.requests[0].field("mcp-method"), two.requests[0].field("mcp-method"));
    // The client leaves, and so do we.
    drop(stream);
    let look = async || if second.log().left == 1 { Ok(()) } else { Err("it is listened to still") };
    until("the hub to be left", look).await.expect("soon");
}

/// A client that was never told that it is listened to hears it from the next hub, and has missed nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_lost_before_its_first_word_leaves_no_trace() {
    let first = listened("first", |_| vec![Step::Wait(Duration::from_millis(100)), Step::Reset]);
    let news = json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "_meta": meta() } });
    let second =
        listened("second", move |_| vec![acknowledged(&tools()), Step::Send(event(&news)), Step::Hang]);
    let (_first, _second, gateway) = scene(first, second).await;
    assert_eq!(heard(&mut listen(&gateway).await, 2).await, ["subscriptions/acknowledged", "message"]);
}

/// A hub that grants less than the client was promised cannot go on; better the client asks anew, and hears so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_that_grants_less_is_no_successor() {
    let first = listened("first", |_| {
        vec![acknowledged(&tools()), Step::Wait(Duration::from_millis(100)), Step::Reset]
    });
    let second = listened("second", |_| vec![acknowledged(&json!({})), Step::Hang]);
    let (first, second, gateway) = scene(first, second).await;
    let mut stream = listen(&gateway).await;
    assert_eq!(stream.message().await.expect("a first word")["params"]["notifications"], tools());
    first.stop().await;
    assert_eq!(heard(&mut stream, 9).await, ["result", "end"]);
    assert!(second.log().requests.len() > 1, "it is asked more than once: it might have learned");
    assert!(second.log().requests.len() <= 8, "{}", second.log().requests.len());
}

/// What breaks at once is not tried for ever, and no faster than is bearable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hubs_that_break_off_at_once_are_tried_a_few_times() {
    let script = || listened("breaks", |_| vec![acknowledged(&tools()), Step::Reset]);
    let (first, second, gateway) = scene(script(), script()).await;
    let mut stream = listen(&gateway).await;
    let all = heard(&mut stream, 99).await;
    assert_eq!(all.first().map(String::as_str), Some("subscriptions/acknowledged"));
    assert_eq!(all[all.len() - 2..], ["result", "end"], "{all:?}");
    assert!(all[1..all.len() - 2].iter().all(|word| word == "tools/list_changed"), "{all:?}");
    let asked = first.log().requests.len() + second.log().requests.len();
    assert!((5..=9).contains(&asked), "asked {asked} times");
}

/// A hub that cannot listen now is passed over, and asked again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_that_comes_back_gets_its_stream_back() {
    let up = Arc::new(AtomicBool::new(true));
    let is_up = Arc::clone(&up);
    let first = listened("first", move |_| {
        if is_up.swap(false, Ordering::SeqCst) {
            vec![acknowledged(&tools()), Step::Wait(Duration::from_millis(100)), Step::Reset]
        } else {
            vec![acknowledged(&tools()), Step::Hang]
        }
    });
    let second = mcp_but("second", |seen| {
        (seen.json()["method"] == "subscriptions/listen").then(|| {
            vec![Step::Send(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n".to_vec())]
        })
    });
    let (first, second, gateway) = scene(first, second).await;
    let mut stream = listen(&gateway).await;
    assert_eq!(heard(&mut stream, 2).await, ["subscriptions/acknowledged", "tools/list_changed"]);
    assert_eq!((first.log().requests.len(), second.log().requests.len()), (2, 1));
}
