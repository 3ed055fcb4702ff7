//! What is kept, for how long, and what never is.

use mcphub_tests::mcp::Modern;
use mcphub_tests::raw_hub::Step;
use mcphub_tests::raw_script::{chunk, event, json_answer, sse_head};
use serde_json::{Value, json};

use crate::stage::{
    answer_to, ask, ask_until, asked, cacheable, client, hinting, playing, public, sample_is, scene, status,
};

/// The answer is the hub's but for the asker's own id and the time that is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_the_same_gets_the_same_under_an_id_of_his_own() {
    let (hub, gateway) = scene(hinting(public()), "").await;
    for (number, (method, params)) in cacheable().into_iter().enumerate() {
        let (first, said) = ask(&mut client(&gateway), method, params.clone()).await;
        assert!(said.starts_with("fwd=uri-miss; stored; ttl="), "{method}: {said}");
        for id in [json!(7), json!("7"), json!("a\"é\u{1}"), json!(-9_007_199_254_740_991_i64)] {
            let mut client = client(&gateway);
            let mut message = client.message(method, params.clone());
            message["id"] = id.clone();
            let reply = client.post(&message).await.expect("an answer");
            let mut again = reply.result(&id).expect("a result");
            let left = again["ttlMs"].as_u64().expect("a number");
            assert!((30_000..=60_000).contains(&left), "{method}: {left}");
            again["ttlMs"] = json!(60_000);
            assert_eq!(again, first, "{method}");
            assert!(status(&reply).starts_with("hit; ttl="), "{method}: {}", status(&reply));
            assert_eq!(reply.head.field("content-type"), Some("application/json"));
            assert!(reply.head.field("age").is_some());
        }
        assert_eq!(asked(&hub), number + 1, "{method}");
    }
    sample_is(&gateway, "mcphub_cache_requests_total{result=\"hit\"}", 24.0).await;
    sample_is(&gateway, "mcphub_cache_requests_total{result=\"miss\"}", 6.0).await;
    sample_is(&gateway, "mcphub_cache_stored_total{scope=\"public\"}", 6.0).await;
    sample_is(&gateway, "mcphub_cache_age_seconds_count", 24.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_something_else_gets_something_else() {
    let (hub, gateway) = scene(hinting(public()), "").await;
    let uri = |uri: &str| ("resources/read", json!({ "uri": uri }), json!(uri), Value::Null);
    let page = |cursor: &str| ("tools/list", json!({ "cursor": cursor }), Value::Null, json!(cursor));
    let all = [
        uri("file:///a"),
        uri("file:///b"),
        page("1"),
        page("2"),
        ("tools/list", json!({}), Value::Null, Value::Null),
    ];
    for _ in 0..2 {
        for (method, params, uri, cursor) in all.clone() {
            let (result, _) = ask(&mut client(&gateway), method, params).await;
            assert_eq!((&result["asked"]["uri"], &result["asked"]["cursor"]), (&uri, &cursor));
        }
    }
    assert_eq!(asked(&hub), all.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_its_time_is_over_the_hub_is_asked_again() {
    let (hub, gateway) = scene(hinting(json!({ "ttlMs": 1_000, "cacheScope": "public" })), "").await;
    let mut client = client(&gateway);
    ask(&mut client, "tools/list", json!({})).await;
    let (result, _) = ask_until(&mut client, "tools/list", "hit").await;
    assert!(result["ttlMs"].as_u64().is_some_and(|left| left < 1_000), "{result}");
    ask_until(&mut client, "tools/list", "fwd=stale; stored").await;
    assert_eq!(asked(&hub), 2);
    ask_until(&mut client, "tools/list", "hit").await;
}

/// What its client and its hub have not agreed to reuse goes to the hub every time, unchanged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_not_be_kept_is_asked_for_every_time() {
    let hints = [
        json!({}),
        json!({ "ttlMs": 60_000 }),
        json!({ "cacheScope": "public" }),
        json!({ "ttlMs": 0, "cacheScope": "public" }),
        json!({ "ttlMs": -1, "cacheScope": "public" }),
        json!({ "ttlMs": 60_000, "cacheScope": "everybody" }),
        json!({ "ttlMs": 60_000, "cacheScope": "private" }),
        json!({ "ttlMs": 60_000, "cacheScope": "public", "resultType": "input_required", "requestState": "x" }),
    ];
    for hints in hints {
        let (hub, gateway) = scene(hinting(hints.clone()), "").await;
        let mut client = client(&gateway);
        for _ in 0..2 {
            let (result, said) = ask(&mut client, "tools/list", json!({})).await;
            assert_eq!(said, "fwd=uri-miss", "{hints}");
            assert_eq!(result["ttlMs"], hints["ttlMs"], "{hints}");
        }
        assert_eq!(asked(&hub), 2, "{hints}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rounds_and_wishes_of_clients_go_past_the_cache() {
    let (hub, gateway) = scene(hinting(public()), "").await;
    ask(&mut client(&gateway), "tools/list", json!({})).await;
    for params in [json!({ "requestState": "x" }), json!({ "inputResponses": {} })] {
        assert_eq!(ask(&mut client(&gateway), "tools/list", params).await.1, "fwd=bypass");
    }
    for (name, value) in
        [("Cache-Control", "no-cache"), ("Cache-Control", "max-age=0, no-store"), ("Pragma", "no-cache")]
    {
        let mut client = client(&gateway);
        client.peer = client.peer.with(name, value);
        assert_eq!(ask(&mut client, "tools/list", json!({})).await.1, "fwd=request");
    }
    assert_eq!(asked(&hub), 6);
    assert!(ask(&mut client(&gateway), "tools/list", json!({})).await.1.starts_with("hit"));
    sample_is(&gateway, "mcphub_cache_requests_total{result=\"bypass\"}", 5.0).await;
    // What is not cacheable at all is not spoken of.
    let (_, reply) = client(&gateway).request("tools/call", json!({ "name": "x" })).await.expect("an answer");
    assert_eq!(reply.head.field("cache-status"), None);
}

/// A body that says something else than its headers is for the hub to refuse.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_must_say_what_its_headers_say() {
    let (hub, gateway) = scene(hinting(public()), "").await;
    let mut client = client(&gateway);
    ask(&mut client, "resources/read", json!({ "uri": "file:///a" })).await;
    let body = client.message("resources/read", json!({ "uri": "file:///a" })).to_string();
    let post = async |method: &str, name: &str, version: &str| {
        let fields = format!(
            "Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: {version}\r\nMcp-Method: {method}\r\n{name}"
        );
        let mut raw =
            mcphub_tests::raw_http::RawClient::connect(gateway.listener()).await.expect("a connection");
        raw.send(&crate::stage::post(gateway.listener(), &fields, &body)).await.expect("sent");
        let answer = raw.answer().await.expect("an answer");
        answer.field("cache-status").unwrap_or("none").to_owned()
    };
    let before = asked(&hub);
    assert!(post("resources/read", "Mcp-Name: file:///a\r\n", "2026-07-28").await.contains("hit"));
    assert_eq!(asked(&hub), before);
    for (method, name, version) in [
        ("resources/read", "Mcp-Name: file:///b\r\n", "2026-07-28"),
        ("tools/list", "", "2026-07-28"),
        ("resources/read", "Mcp-Name: file:///a\r\n", "2026-12-24"),
    ] {
        assert_eq!(post(method, name, version).await, "mcphub-edge; fwd=bypass", "{method} {name} {version}");
    }
    assert_eq!(asked(&hub), before + 3);
}

/// Most SDKs answer with a stream of one event. What else stands in it is for the client that asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_one_result_is_kept_as_that_result() {
    for pieces in [false, true] {
        let script = playing(move |seen| {
            let said = event(&answer_to(seen, &public()));
            let (head, end) = (sse_head(""), b"0\r\n\r\n".to_vec());
            if pieces {
                let wait = || Step::Wait(std::time::Duration::from_millis(50));
                let ping = chunk(": ping\n\nid: \ndata: \n\n");
                [
                    Step::Send(head),
                    wait(),
                    Step::Send(ping),
                    wait(),
                    Step::Send(said),
                    wait(),
                    Step::Send(end),
                ]
                .into()
            } else {
                vec![Step::Send([head, said, end].concat())]
            }
        });
        let (hub, gateway) = scene(script, "").await;
        let (first, _) = ask(&mut client(&gateway), "tools/list", json!({})).await;
        let (mut second, said) = ask(&mut client(&gateway), "tools/list", json!({})).await;
        assert!(said.starts_with("hit"), "{said}");
        second["ttlMs"] = first["ttlMs"].clone();
        assert_eq!((first, asked(&hub)), (second, 1));
    }
    let script = playing(|seen| {
        let progress = json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": { "progressToken": 1, "progress": 1 } });
        let events = [event(&progress), event(&answer_to(seen, &public()))].concat();
        vec![Step::Send([sse_head(""), events, b"0\r\n\r\n".to_vec()].concat())]
    });
    let (hub, gateway) = scene(script, "").await;
    for _ in 0..2 {
        assert_eq!(ask(&mut client(&gateway), "tools/list", json!({})).await.1, "fwd=uri-miss");
    }
    assert_eq!(asked(&hub), 2);
}

/// Errors, and answers that HTTP forbids to keep.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_and_forbidden_answers_are_not_kept() {
    let answers: [fn(&mcphub_tests::raw_hub::Seen) -> Vec<u8>; 4] = [
        |seen| {
            let error = json!({ "code": -32602, "message": "no", "data": public() });
            json_answer("200 OK", "", &json!({ "jsonrpc": "2.0", "id": seen.json()["id"], "error": error }))
        },
        |seen| json_answer("404 Not Found", "", &answer_to(seen, &public())),
        |seen| json_answer("200 OK", "Cache-Control: no-store\r\n", &answer_to(seen, &public())),
        |seen| json_answer("200 OK", "Set-Cookie: a=1\r\n", &answer_to(seen, &public())),
    ];
    for answer in answers {
        let (hub, gateway) = scene(playing(move |seen| vec![Step::Send(answer(seen))]), "").await;
        for _ in 0..2 {
            let mut client: Modern = client(&gateway);
            let (_, reply) = client.request("tools/list", json!({})).await.expect("an answer");
            assert_eq!(status(&reply), "fwd=uri-miss");
        }
        assert_eq!(asked(&hub), 2);
    }
}
