//! Does a stream go on, on real hubs, when its hub is killed, stopped or drained?

#![allow(clippy::disallowed_methods, reason = "measures what really happened, when it happened")]

use std::time::{Duration, Instant};

use mcphub_tests::admin::operate;
use mcphub_tests::mcp::{EventStream, Modern};
use mcphub_tests::{Config, Gateway, Hub, Signal, until};
use serde_json::{Value, json};

const CLOCK: &str = "hub://clock";
const TOOLS: &str = "notifications/tools/list_changed";
const PROMPTS: &str = "notifications/prompts/list_changed";
const UPDATED: &str = "notifications/resources/updated";
const MOVED: &str = "mcphub_listen_streams_moved_total";

async fn scene(sections: &str) -> (Hub, Hub, Gateway) {
    let near = Hub::start("near", "us-east", &[]).await.expect("a hub");
    let far = Hub::start("far", "eu-west", &[]).await.expect("a hub");
    let config = Config::new().hub(&near, "primary").hub(&far, "primary").section(sections);
    let gateway = Gateway::start(config).await.expect("the gateway starts");
    (near, far, gateway)
}

/// A client's stream that has been acknowledged and has brought an update.
async fn listening(gateway: &Gateway) -> EventStream {
    let wanted = json!({
        "toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true,
        "resourceSubscriptions": [CLOCK],
    });
    let mut client = Modern::new(gateway.listener());
    let asked = client.start("subscriptions/listen", json!({ "notifications": wanted })).await;
    let mut stream = asked.expect("a stream");
    let first = stream.message().await.expect("an acknowledgement");
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged", "{first}");
    // The hub has no list of resources that changes.
    assert_eq!(first["params"]["notifications"]["resourcesListChanged"], Value::Null, "{first}");
    assert_eq!(first["params"]["notifications"]["resourceSubscriptions"], json!([CLOCK]), "{first}");
    stream.notification(UPDATED).await.expect("an update");
    stream
}

/// The methods of what comes until the lists are said to have changed and an update has come after that. All is about the
/// one subscription.
async fn moved(stream: &mut EventStream) -> Vec<String> {
    let mut methods = Vec::new();
    loop {
        let message = stream.message().await.unwrap_or_else(|error| panic!("{methods:?}: {error:#}"));
        assert_eq!(message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 1, "{message}");
        methods.push(message["method"].as_str().unwrap_or("-").to_owned());
        let after = methods.iter().position(|method| method == PROMPTS).unwrap_or(methods.len());
        if methods.iter().skip(after).filter(|method| *method == UPDATED).count() > 2 {
            return methods;
        }
    }
}

/// What a client that was moved once has heard: what it may have missed, once and in this order, and then updates.
fn check(methods: &[String]) {
    let from = methods.iter().position(|method| method == TOOLS).expect("lists have changed");
    assert!(methods[..from].iter().all(|method| method == UPDATED), "{methods:?}");
    assert_eq!(methods[from + 1], PROMPTS, "{methods:?}");
    assert!(methods[from + 2..].iter().all(|method| method == UPDATED), "{methods:?}");
}

async fn moves(gateway: &Gateway) -> f64 {
    gateway.metric(MOVED).await.expect("metrics").expect("a count")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_outlives_its_hub_and_ends_in_words_with_the_last_one() {
    let (mut near, mut far, gateway) = scene("").await;
    let mut stream = listening(&gateway).await;
    near.process.kill().await.expect("an end");
    check(&moved(&mut stream).await);
    assert_eq!(moves(&gateway).await, 1.0);
    far.process.kill().await.expect("an end");
    let killed = Instant::now();
    let result = loop {
        let message = stream.message().await.expect("an end in words");
        if message["method"] != UPDATED {
            break message;
        }
    };
    let meta = json!({ "io.modelcontextprotocol/subscriptionId": 1 });
    assert_eq!(
        result,
        json!({ "jsonrpc": "2.0", "id": 1, "result": { "resultType": "complete", "_meta": meta } })
    );
    assert!(stream.next().await.expect("a proper end").is_none());
    assert!(killed.elapsed() < Duration::from_secs(15), "{:?}", killed.elapsed());
    assert_eq!(gateway.metric("mcphub_listen_streams_ended_total").await.expect("metrics"), Some(1.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_that_stops_does_not_end_the_stream() {
    let (mut near, _far, gateway) = scene("").await;
    let mut stream = listening(&gateway).await;
    // It says goodbye to all who listen.
    near.process.signal(Signal::TERM).expect("a signal");
    check(&moved(&mut stream).await);
    near.process.exited().await.expect("an end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_hub_alone_may_be_restarted() {
    let near = Hub::start("near", "us-east", &[]).await.expect("a hub");
    let gateway = Gateway::start(Config::new().hub(&near, "primary")).await.expect("the gateway starts");
    let mut stream = listening(&gateway).await;
    let address = near.address();
    drop(near);
    let _again = Hub::start_at(address, "near", "us-east", &[]).await.expect("the hub again");
    check(&moved(&mut stream).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_moves_streams_a_few_at_a_time() {
    let (mut near, far, gateway) = scene("[failover]\nmoves_per_second = 5\n").await;
    let mut streams = Vec::new();
    for _ in 0..6 {
        streams.push(listening(&gateway).await);
    }
    let drained = operate(&gateway, &["drain", "near", "--deadline", "30s", "--wait", "--yes", "--json"]);
    let (drained, times) = tokio::join!(drained, async {
        let mut times = Vec::new();
        for count in 1..=6 {
            let look = async || match moves(&gateway).await {
                moved if moved >= f64::from(count) => Ok(Instant::now()),
                moved => Err(format!("{moved}")),
            };
            times.push(until("streams to move", look).await.expect("they move"));
        }
        times
    });
    let drained = String::from_utf8_lossy(&drained.expect("an end").stdout).into_owned();
    assert!(drained.contains("\"reached\":true") || drained.contains("\"reached\": true"), "{drained}");
    let took = times[5] - times[0];
    assert!(took >= Duration::from_millis(600), "six streams at five a second took {took:?}");
    // The hub that was left is of no more concern to them.
    near.process.kill().await.expect("an end");
    for stream in &mut streams {
        check(&moved(stream).await);
    }
    assert_eq!(moves(&gateway).await, 6.0);
    drop(far);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_without_a_successor_ends_streams_at_its_deadline_in_words() {
    let near = Hub::start("near", "us-east", &[]).await.expect("a hub");
    // It serves, but nobody who listens in this way.
    let far = Hub::start("far", "eu-west", &["--eras", "legacy"]).await.expect("a hub");
    let config = Config::new().hub(&near, "primary").hub(&far, "primary");
    let gateway = Gateway::start(config).await.expect("the gateway starts");
    let mut stream = listening(&gateway).await;
    let begun = Instant::now();
    let verb = ["drain", "near", "--deadline", "3s", "--yes"];
    let drained = operate(&gateway, &verb).await.expect("an end");
    assert!(drained.status.success(), "{drained:?}");
    let result = loop {
        let message = stream.message().await.expect("an end in words");
        if message["method"] != UPDATED {
            break message;
        }
    };
    assert_eq!(result["result"]["resultType"], "complete", "{result}");
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
}
