//! What is bounded, and what is said at the bound?

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::common::{LEGACY, client, hub, initialize, legacy, modern, session, start, text, tool, within};

#[tokio::test]
async fn a_body_of_five_mebibytes_is_too_large_and_one_of_three_is_not() {
    let hub = hub().await;
    for (mebibytes, status) in [(5, StatusCode::PAYLOAD_TOO_LARGE), (3, StatusCode::OK)] {
        let arguments = json!({ "text": "x".repeat(mebibytes << 20) });
        let answer =
            modern(&hub, "tools/call", json!({ "name": "echo", "arguments": arguments })).send().await;
        // The hub may close before it has read all of what it refuses.
        let Ok(answer) = answer else { continue };
        assert_eq!(answer.status(), status);
    }
}

#[tokio::test]
async fn one_session_too_many_is_told_to_come_back() {
    let hub = start(|args| args.max_sessions = 2).await;
    let first = session(&hub).await;
    session(&hub).await;
    let refused = legacy(&hub, None, &initialize()).send().await.expect("an answer");
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(hub.counters().await.sessions_open, 2);
    let ended = crate::common::http().delete(&hub.url).header("mcp-session-id", &first).send().await;
    assert_eq!(ended.expect("an answer").status(), StatusCode::ACCEPTED);
    session(&hub).await;
}

#[tokio::test]
async fn a_silent_session_is_dropped() {
    let hub = start(|args| args.session_idle = 1).await;
    let id = session(&hub).await;
    hub.until("the end of the session", |counters| counters.sessions_open == 0).await;
    let late = legacy(&hub, Some(&id), &tool(1, "echo", json!({}))).send().await.expect("an answer");
    assert_eq!(late.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn requests_wait_for_their_turn_and_are_counted_as_waiting() {
    let hub = start(|args| args.max_concurrent = 1).await;
    let slow = json!({ "name": "slow", "arguments": { "seconds": 600 } });
    let first = tokio::spawn(modern(&hub, "tools/call", slow).send());
    hub.until("the first", |counters| counters.in_flight == 1).await;
    let second = tokio::spawn(modern(&hub, "tools/list", json!({})).send());
    hub.until("the queue", |counters| counters.queue_depth == 1).await;
    first.abort();
    let answer: Value =
        within("the second", second).await.expect("no panic").expect("an answer").json().await.expect("JSON");
    assert!(answer["result"]["tools"].is_array());
    assert_eq!(hub.counters().await.queue_depth, 0);
}

#[tokio::test]
async fn an_answer_from_the_client_needs_no_turn() {
    let hub = start(|args| args.max_concurrent = 1).await;
    let client = client(&hub, LEGACY).await;
    let told = client.call("test_elicitation", json!({ "message": "who?" })).await;
    assert!(text(&told).contains("ada"), "the call holds the only turn while its client answers: {told:?}");
}
