//! Does a hub misbehave when told to, only then, and as told?

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::common::{
    Running, events, http, hub, initialize, legacy, modern, session, sick_hub, tool, within,
};

async fn ping(hub: &Running) -> Result<reqwest::Response, reqwest::Error> {
    modern(hub, "tools/call", json!({ "name": "echo", "arguments": { "text": "hi" } })).send().await
}

#[tokio::test]
async fn without_the_flag_there_is_no_fault_control() {
    let hub = hub().await;
    assert_eq!(hub.fault(json!({ "hang": true })).await.status(), StatusCode::NOT_FOUND);
    let taken_back = http().delete(format!("{}/fault", hub.base)).send().await.expect("an answer");
    assert_eq!(taken_back.status(), StatusCode::NOT_FOUND);
    assert_eq!(ping(&hub).await.expect("an answer").status(), StatusCode::OK);
}

#[tokio::test]
async fn nonsense_is_refused_and_changes_nothing() {
    let hub = sick_hub().await;
    for nonsense in [json!({ "hangs": true }), json!({ "error_rate": 2 }), json!([])] {
        assert_eq!(hub.fault(nonsense).await.status(), StatusCode::BAD_REQUEST);
    }
    assert_eq!(ping(&hub).await.expect("an answer").status(), StatusCode::OK);
}

#[tokio::test]
async fn every_second_request_fails_until_the_fault_is_taken_back() {
    let hub = sick_hub().await;
    for (error, status) in [("http500", 500), ("http503", 503)] {
        hub.fault(json!({ "error_every": 2, "error": error })).await;
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push(ping(&hub).await.expect("an answer").status().as_u16());
        }
        assert_eq!(seen, [200, status, 200, status]);
    }
    let taken_back = http().delete(format!("{}/fault", hub.base)).send().await.expect("an answer");
    assert_eq!(taken_back.status(), StatusCode::NO_CONTENT);
    for _ in 0..4 {
        assert_eq!(ping(&hub).await.expect("an answer").status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn an_error_of_json_rpc_carries_the_id_of_its_request() {
    let hub = sick_hub().await;
    hub.fault(json!({ "error_every": 1, "error": "jsonrpc" })).await;
    let answer: Value = ping(&hub).await.expect("an answer").json().await.expect("JSON");
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(1), &json!(-32_603)));
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(
        legacy(&hub, Some("x"), &note).send().await.expect("an answer").status(),
        StatusCode::ACCEPTED
    );
}

#[tokio::test]
async fn a_reset_gives_no_answer_and_metrics_stay_honest() {
    let hub = sick_hub().await;
    hub.fault(json!({ "error_rate": 1.0, "error": "reset" })).await;
    assert!(ping(&hub).await.expect_err("a reset").status().is_none());
    let metrics = http().get(format!("{}/metrics", hub.base)).send().await.expect("an answer");
    assert_eq!(metrics.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_hub_that_hangs_takes_the_request_and_says_nothing() {
    let hub = sick_hub().await;
    hub.fault(json!({ "hang": true, "scope": "post" })).await;
    let asking = tokio::spawn(modern(&hub, "tools/list", json!({})).send());
    hub.until("the request", |counters| counters.in_flight == 1).await;
    asking.abort();
    hub.until("its end", |counters| counters.in_flight == 0).await;
    let get =
        http().get(&hub.url).header("accept", "text/event-stream").send().await.expect("GET is no POST");
    assert_eq!(get.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn latency_holds_back_but_answers() {
    let hub = sick_hub().await;
    hub.fault(json!({ "latency_ms": 50 })).await;
    assert_eq!(ping(&hub).await.expect("an answer").status(), StatusCode::OK);
}

#[tokio::test]
async fn refused_sessions_are_refused_but_new_ones_begin() {
    let hub = sick_hub().await;
    let id = session(&hub).await;
    hub.fault(json!({ "refuse_sessions": true })).await;
    let call = tool(1, "echo", json!({}));
    assert_eq!(
        legacy(&hub, Some(&id), &call).send().await.expect("an answer").status(),
        StatusCode::NOT_FOUND
    );
    let begun = legacy(&hub, None, &initialize()).send().await.expect("an answer");
    assert_eq!(begun.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_stream_ends_or_breaks_after_exactly_so_many_messages() {
    let hub = sick_hub().await;
    let id = session(&hub).await;
    for era in ["legacy", "modern"] {
        for (field, broken) in [("end_mid_stream", false), ("drop_mid_stream", true)] {
            hub.fault(json!({ (field): 3 })).await;
            let params = json!({
                "name": "burst", "arguments": { "events": 10 }, "_meta": { "progressToken": field },
            });
            let request = if era == "modern" {
                modern(&hub, "tools/call", params)
            } else {
                legacy(&hub, Some(&id), &crate::common::request(5, "tools/call", params))
            };
            let mut answer = request.send().await.expect("headers");
            let (mut sse, mut broke) = (Vec::new(), false);
            loop {
                match within("the end", answer.chunk()).await {
                    Ok(Some(bytes)) => sse.extend_from_slice(&bytes),
                    Ok(None) => break,
                    Err(_) => break broke = true,
                }
            }
            let seen = events(&String::from_utf8(sse).expect("UTF-8"));
            assert_eq!((seen.len(), broke), (3, broken), "{field} in the {era} era: {seen:?}");
        }
    }
}

#[tokio::test]
async fn open_streams_can_be_cut() {
    let hub = sick_hub().await;
    let id = session(&hub).await;
    for (cut, broken) in [("end", false), ("reset", true)] {
        let mut stream = http()
            .get(&hub.url)
            .header("accept", "text/event-stream")
            .header("mcp-session-id", &id)
            .send()
            .await
            .expect("a stream");
        assert_eq!(stream.status(), StatusCode::OK);
        hub.until("the stream", |counters| counters.get_streams == 1).await;
        hub.fault(json!({ "cut_open": cut })).await;
        let broke = loop {
            match within("the cut", stream.chunk()).await {
                Ok(Some(_)) => {}
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        assert_eq!(broke, broken, "{cut}");
        hub.until("its end", |counters| counters.get_streams == 0).await;
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(ping(&hub).await.expect("an answer").status(), StatusCode::OK, "a cut is over at once");
}
