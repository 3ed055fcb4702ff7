//! A hub takes back what it has said, on whatever stream.

use std::time::Duration;

use mcphub_tests::mcp::{Legacy, Modern};
use mcphub_tests::raw_hub::{RawHub, Step};
use mcphub_tests::raw_script::{event, json_answer, mcp_but, result, sse_head};
use mcphub_tests::{Config, Gateway, Hub, until};
use serde_json::{Value, json};

use crate::stage::{answer_to, ask, asked, client, is_cacheable, public, sample_is, scene};

async fn with_hub() -> (Hub, Gateway) {
    let hub = Hub::start("a", "us-east", &["--cache-ttl", "600000"]).await.expect("a hub");
    let gateway = Gateway::start(Config::new().hub(&hub, "primary")).await.expect("a gateway");
    (hub, gateway)
}

/// How many tools are listed, and how that is known.
async fn tools(gateway: &Gateway) -> (usize, String) {
    let (result, said) = ask(&mut client(gateway), "tools/list", json!({})).await;
    (result["tools"].as_array().map_or(0, Vec::len), said)
}

async fn change_tools(gateway: &Gateway) {
    Modern::new(gateway.listener()).tool("test_trigger_tool_change", json!({})).await.expect("a tool");
}

async fn tools_become(gateway: &Gateway, count: usize) {
    let look = async || match tools(gateway).await {
        (now, _) if now == count => Ok(()),
        other => Err(other),
    };
    until("the list to be the new one", look).await.expect("soon");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notice_to_a_modern_listener_takes_back_the_list() {
    let (_hub, gateway) = with_hub().await;
    let (before, _) = tools(&gateway).await;
    change_tools(&gateway).await;
    assert_eq!(tools(&gateway).await.0, before, "nobody listens: within its time it may be given");
    let wanted = json!({ "notifications": { "toolsListChanged": true, "promptsListChanged": true } });
    let mut stream = client(&gateway).start("subscriptions/listen", wanted).await.expect("a stream");
    stream.notification("notifications/subscriptions/acknowledged").await.expect("a first word");
    change_tools(&gateway).await;
    stream.notification("notifications/tools/list_changed").await.expect("the notice");
    // Who has heard of the change is not given what was before it.
    let (now, said) = tools(&gateway).await;
    assert_eq!((now, said.starts_with("fwd=uri-miss; stored")), (before, true), "{said}");
    assert!(tools(&gateway).await.1.starts_with("hit"));
    sample_is(&gateway, "mcphub_cache_invalidations_total{about=\"tools\"}", 1.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notice_to_a_legacy_session_takes_back_the_list() {
    let (_hub, gateway) = with_hub().await;
    let legacy = Legacy::initialize(gateway.listener()).await.expect("a session");
    let mut stream = legacy.open_stream(None).await.expect("a stream");
    let (before, _) = tools(&gateway).await;
    change_tools(&gateway).await;
    stream.notification("notifications/tools/list_changed").await.expect("the notice");
    tools_become(&gateway, before + 1).await;
}

/// The stream of any other request will do, and only what is named is taken back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notice_within_an_answer_takes_back_one_resource() {
    let script = mcp_but("hub", |seen| {
        let message = seen.json();
        if message["method"] == "tools/call" {
            let updated = json!({
                "jsonrpc": "2.0", "method": "notifications/resources/updated", "params": { "uri": "file:///a/b" }
            });
            let end = event(&result(&message["id"], json!({ "content": [] })));
            let all = [sse_head(""), event(&updated), end, b"0\r\n\r\n".to_vec()];
            return Some(vec![Step::Send(all.concat())]);
        }
        is_cacheable(seen).then(|| vec![Step::Send(json_answer("200 OK", "", &answer_to(seen, &public())))])
    });
    let (hub, gateway) = scene(script, "").await;
    let read = async |uri: &str| {
        let (_, said) = ask(&mut client(&gateway), "resources/read", json!({ "uri": uri })).await;
        said.starts_with("hit")
    };
    for uri in ["file:///a/b", "file:///a", "file:///c"] {
        assert_eq!([read(uri).await, read(uri).await], [false, true]);
    }
    client(&gateway).call("tools/call", json!({ "name": "x" })).await.expect("a result");
    assert_eq!(
        [read("file:///c").await, read("file:///a/b").await, read("file:///a").await],
        [true, false, false]
    );
    assert_eq!(asked(&hub), 5);
}

/// A hub that takes back what it is about to say: the answer may be from before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_under_way_is_taken_back_too() {
    let script = mcp_but("hub", |seen| {
        let message: Value = seen.json();
        if message["method"] == "subscriptions/listen" {
            let meta = json!({ "io.modelcontextprotocol/subscriptionId": message["id"] });
            let said = |method: &str| {
                let params = json!({ "notifications": { "toolsListChanged": true }, "_meta": meta });
                event(&json!({ "jsonrpc": "2.0", "method": method, "params": params }))
            };
            let acknowledged = said("notifications/subscriptions/acknowledged");
            return Some(vec![
                Step::Send([sse_head(""), acknowledged].concat()),
                Step::Wait(Duration::from_millis(500)),
                Step::Send(said("notifications/tools/list_changed")),
                Step::Hang,
            ]);
        }
        is_cacheable(seen).then(|| {
            let wait = Step::Wait(Duration::from_millis(1_000));
            vec![wait, Step::Send(json_answer("200 OK", "", &answer_to(seen, &public())))]
        })
    });
    let (hub, gateway): (RawHub, Gateway) = scene(script, "").await;
    let wanted = json!({ "notifications": { "toolsListChanged": true } });
    let mut stream = client(&gateway).start("subscriptions/listen", wanted).await.expect("a stream");
    stream.notification("notifications/subscriptions/acknowledged").await.expect("a first word");
    // Asked for now, changed in half a second, answered in a second.
    let (_, said) = ask(&mut client(&gateway), "tools/list", json!({})).await;
    assert_eq!(said, "fwd=uri-miss");
    stream.notification("notifications/tools/list_changed").await.expect("the notice");
    ask(&mut client(&gateway), "tools/list", json!({})).await;
    assert_eq!(asked(&hub), 2);
}
