//! What do streams carry, and what happens when a client leaves or comes back?

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::common::{
    LEGACY, Running, events, http, hub, legacy, modern, request, session, sick_hub, tool, within,
};

async fn resume(hub: &Running, session: &str, last: &str) -> Vec<(Option<String>, Value)> {
    let answer = http()
        .get(&hub.url)
        .header("accept", "text/event-stream")
        .header("mcp-session-id", session)
        .header("mcp-protocol-version", LEGACY)
        .header("last-event-id", last)
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    events(&within("the rest", answer.text()).await.expect("a body"))
}

#[tokio::test]
async fn modern_streams_have_no_event_ids_and_legacy_ones_have() {
    let hub = hub().await;
    let id = session(&hub).await;
    let params = json!({ "name": "burst", "arguments": { "events": 2 }, "_meta": { "progressToken": 7 } });
    let answer = modern(&hub, "tools/call", params.clone()).send().await.expect("an answer");
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let seen = events(&answer.text().await.expect("a body"));
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|(id, _)| id.is_none()), "{seen:?}");
    let answer = legacy(&hub, Some(&id), &request(3, "tools/call", params)).send().await.expect("an answer");
    let seen = events(&answer.text().await.expect("a body"));
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|(id, _)| id.is_some()), "{seen:?}");
}

#[tokio::test]
async fn what_was_missed_of_a_cut_answer_comes_with_the_resumption() {
    let hub = sick_hub().await;
    let id = session(&hub).await;
    hub.fault(json!({ "end_mid_stream": 2, "scope": "post" })).await;
    let params = json!({
        "name": "slow", "arguments": { "seconds": 0.2, "steps": 4 }, "_meta": { "progressToken": "t" },
    });
    let answer = legacy(&hub, Some(&id), &request(9, "tools/call", params)).send().await.expect("an answer");
    let seen = events(&within("the cut", answer.text()).await.expect("a body"));
    let last = seen.last().and_then(|(id, _)| id.clone()).expect("an id");
    let rest = resume(&hub, &id, &last).await;
    let progress: Vec<&Value> =
        rest.iter().filter_map(|(_, message)| message.pointer("/params/progress")).collect();
    assert_eq!(progress, [&json!(3.0), &json!(4.0)]);
    assert_eq!(rest.last().expect("the answer").1["id"], 9);
    assert!(resume(&hub, &id, "00000000000000000000000000000001-0").await.is_empty(), "an id of another hub");
}

#[tokio::test]
async fn a_stream_that_its_tool_closes_is_finished_by_resumption() {
    let hub = hub().await;
    let id = session(&hub).await;
    let answer =
        legacy(&hub, Some(&id), &tool(4, "test_reconnection", json!({}))).send().await.expect("an answer");
    let sse = within("the end", answer.text()).await.expect("a body");
    assert!(events(&sse).is_empty(), "the answer is not on this stream: {sse}");
    let last =
        sse.lines().find_map(|line| line.strip_prefix("id:")).expect("a priming event").trim().to_owned();
    let rest = resume(&hub, &id, &last).await;
    assert_eq!(rest.last().expect("the answer").1["id"], 4);
}

#[tokio::test]
async fn a_modern_client_that_leaves_cancels_and_a_legacy_one_does_not() {
    let hub = hub().await;
    let id = session(&hub).await;
    let long = json!({ "name": "slow", "arguments": { "seconds": 600 } });
    let asking = tokio::spawn(modern(&hub, "tools/call", long).send());
    hub.until("the call", |counters| counters.in_flight == 1).await;
    asking.abort();
    hub.until("its end", |counters| counters.cancelled == 1 && counters.in_flight == 0).await;

    let short = tool(2, "act", json!({ "key": "left", "seconds": 0.3 }));
    let answer = legacy(&hub, Some(&id), &short).send().await.expect("headers");
    hub.until("the act", |counters| counters.act.contains_key("left")).await;
    drop(answer);
    hub.until("the client's leaving", |counters| counters.in_flight == 0).await;
    let cancel =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 3 } });
    let longer =
        legacy(&hub, Some(&id), &tool(3, "slow", json!({ "seconds": 600 }))).send().await.expect("headers");
    let told = legacy(&hub, Some(&id), &cancel).send().await.expect("an answer");
    assert_eq!(told.status(), StatusCode::ACCEPTED);
    hub.until("the cancellation", |counters| counters.cancelled == 2).await;
    drop(longer);
}

#[tokio::test]
async fn a_modern_listener_that_leaves_is_gone() {
    let hub = hub().await;
    let params = json!({ "notifications": { "resourceSubscriptions": ["hub://clock"] } });
    let mut stream = modern(&hub, "subscriptions/listen", params).send().await.expect("a stream");
    let first = within("the acknowledgement", stream.chunk()).await.expect("open").expect("a chunk");
    let first = String::from_utf8(first.to_vec()).expect("UTF-8");
    assert!(first.contains("notifications/subscriptions/acknowledged"), "{first}");
    assert_eq!(hub.counters().await.listen_streams, 1);
    drop(stream);
    hub.until("its end", |counters| counters.listen_streams == 0).await;
}

#[tokio::test]
async fn a_hub_that_stops_ends_its_streams_cleanly_and_lets_requests_finish() {
    let mut hub = hub().await;
    let id = session(&hub).await;
    let mut get = http()
        .get(&hub.url)
        .header("accept", "text/event-stream")
        .header("mcp-session-id", &id)
        .send()
        .await
        .expect("a stream");
    let call = tool(1, "slow", json!({ "seconds": 0.3, "steps": 1 }));
    let answer = legacy(&hub, Some(&id), &call).send().await.expect("headers");
    hub.until("both", |counters| (counters.get_streams, counters.in_flight) == (1, 1)).await;
    hub.tell_to_stop();
    while within("the end of the stream", get.chunk()).await.expect("a clean end").is_some() {}
    let seen = events(&within("the result", answer.text()).await.expect("a clean end"));
    assert_eq!(seen.last().expect("the result").1["id"], 1);
    hub.stop().await;
}
