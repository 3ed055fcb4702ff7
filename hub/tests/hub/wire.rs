//! What does bare HTTP get?

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::{MODERN, http, hub, initialize, legacy, modern, session, start, tool};

#[tokio::test]
async fn an_ended_session_is_not_found_and_so_is_one_that_never_was() {
    let hub = hub().await;
    let id = session(&hub).await;
    let call = tool(1, "echo", json!({}));
    let end = |id: &str| http().delete(&hub.url).header("mcp-session-id", id).send();
    assert_eq!(legacy(&hub, Some(&id), &call).send().await.expect("an answer").status(), StatusCode::OK);
    assert_eq!(end(&id).await.expect("an answer").status(), StatusCode::ACCEPTED);
    assert_eq!(
        legacy(&hub, Some(&id), &call).send().await.expect("an answer").status(),
        StatusCode::NOT_FOUND
    );
    assert_eq!(end(&id).await.expect("an answer").status(), StatusCode::NOT_FOUND);
    assert_eq!(end("never").await.expect("an answer").status(), StatusCode::NOT_FOUND);
    assert_eq!(hub.counters().await.sessions_open, 0);
}

#[tokio::test]
async fn modern_get_and_delete_are_not_allowed() {
    let hub = hub().await;
    for method in [Method::GET, Method::DELETE] {
        let request = http().request(method, &hub.url).header("accept", "text/event-stream");
        let answer = request.header("mcp-protocol-version", MODERN).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}

#[tokio::test]
async fn legacy_methods_are_unknown_to_the_modern_era() {
    let hub = hub().await;
    let cases = [
        (
            "initialize",
            json!({
                "protocolVersion": MODERN,
                "capabilities": {},
                "clientInfo": { "name": "tester", "version": "1" },
            }),
        ),
        ("ping", json!({})),
        ("logging/setLevel", json!({ "level": "info" })),
        ("resources/subscribe", json!({ "uri": "hub://clock" })),
        ("resources/unsubscribe", json!({ "uri": "hub://clock" })),
        ("no/such", json!({})),
    ];
    for (method, params) in cases {
        let answer = modern(&hub, method, params).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{method}");
        let body: Value = answer.json().await.expect("JSON");
        assert_eq!((&body["id"], &body["error"]["code"]), (&json!(1), &json!(-32_601)), "{method}");
    }
}

#[tokio::test]
async fn a_header_that_contradicts_the_body_is_refused() {
    let hub = hub().await;
    let request = modern(&hub, "tools/call", json!({ "name": "place", "arguments": { "region": "eu" } }));
    let answer = request.header("mcp-param-region", "us").send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let body: Value = answer.json().await.expect("JSON");
    assert_eq!(body["error"]["code"], -32_020);
}

#[tokio::test]
async fn a_body_that_is_no_message_is_named_as_what_it_is() {
    let hub = hub().await;
    for (body, code) in
        [("{\"jsonrpc\"", -32_700), ("[{\"id\":1}]", -32_600), ("{\"id\":1}", -32_600), ("", -32_700)]
    {
        let request = http().post(&hub.url).header("accept", "application/json, text/event-stream");
        let answer =
            request.header("content-type", "application/json").body(body).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{body}");
        let told: Value = answer.json().await.expect("JSON");
        assert_eq!(told["error"]["code"], code, "{body}");
        assert_eq!(told["id"], if body.starts_with("{\"id\"") { json!(1) } else { Value::Null }, "{body}");
    }
    let plain = http().post(&hub.url).header("accept", "application/json, text/event-stream").body("{}");
    assert_eq!(plain.send().await.expect("an answer").status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn foreign_hosts_and_origins_are_refused_and_allowed_ones_are_not() {
    let hub = start(|args| args.allowed_hosts = vec!["hub.example".to_owned()]).await;
    let cases = [
        ("host", "evil.example", false),
        ("host", "hub.example", true),
        ("host", "localhost:1", true),
        ("origin", "http://evil.example", false),
        ("origin", "https://hub.example", true),
        ("origin", "http://[::1]:99", true),
        ("origin", "null", false),
    ];
    for (name, value, allowed) in cases {
        let answer =
            modern(&hub, "tools/list", json!({})).header(name, value).send().await.expect("an answer");
        let expected = if allowed { StatusCode::OK } else { StatusCode::FORBIDDEN };
        assert_eq!(answer.status(), expected, "{name}: {value}");
    }
}

#[tokio::test]
async fn counters_and_metrics_tell_the_same_story() {
    let hub = hub().await;
    let id = session(&hub).await;
    let act = tool(1, "act", json!({ "key": "k" }));
    legacy(&hub, Some(&id), &act).send().await.expect("an answer").text().await.expect("a body");
    modern(&hub, "tools/list", json!({})).send().await.expect("an answer").text().await.expect("a body");
    let get = |path: &str| http().get(format!("{}{path}", hub.base)).send();
    let counters: Value = get("/counters").await.expect("an answer").json().await.expect("JSON");
    let of = |name: &str| counters[name].clone();
    assert_eq!((of("hub"), of("location")), (json!("tester"), json!("nowhere")));
    assert_eq!((of("requests"), of("initialize"), of("sessions_open")), (json!(4), json!(1), json!(1)));
    assert_eq!((of("act"), of("in_flight"), of("get_streams")), (json!({ "k": 1 }), json!(0), json!(0)));
    let metrics = get("/metrics").await.expect("an answer").text().await.expect("text");
    let boot = of("boot");
    let boot = boot.as_str().expect("text");
    for line in [
        "mcphub_hub_requests_total{era=\"legacy\"} 3".to_owned(),
        "mcphub_hub_requests_total{era=\"modern\"} 1".to_owned(),
        "mcphub_hub_sessions 1".to_owned(),
        "mcphub_hub_requests_in_flight 0".to_owned(),
        "mcphub_hub_queue_depth 0".to_owned(),
        format!("mcphub_hub_info{{boot=\"{boot}\",hub=\"tester\",location=\"nowhere\"}} 1"),
        "# TYPE process_cpu_seconds_total counter".to_owned(),
        "# TYPE process_resident_memory_bytes gauge".to_owned(),
        "# TYPE process_start_time_seconds gauge".to_owned(),
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in\n{metrics}");
    }
}

#[tokio::test]
async fn every_answer_says_which_start_of_which_hub_gave_it() {
    let hub = hub().await;
    let answer = legacy(&hub, None, &initialize()).send().await.expect("an answer");
    assert_eq!(answer.headers()["mcphub-hub"], "tester");
    assert_eq!(answer.headers()["mcphub-boot"], hub.counters().await.boot);
}

#[tokio::test]
async fn a_touch_from_outside_changes_the_clock() {
    let hub = hub().await;
    let touched = http().post(format!("{}/counters/touch", hub.base)).send().await.expect("an answer");
    assert_eq!(touched.json::<Value>().await.expect("JSON"), json!({ "tick": 1 }));
    let read =
        modern(&hub, "resources/read", json!({ "uri": "hub://clock" })).send().await.expect("an answer");
    let read: Value = read.json().await.expect("JSON");
    assert_eq!(read["result"]["contents"][0]["text"], "{\"tick\":1}");
    assert_eq!(read["result"]["cacheScope"], "private");
}
