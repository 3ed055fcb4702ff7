//! What becomes of each kind of exchange when a session moves? The cases one by one, with hubs that do exactly what the
//! case needs. (Crowds of real clients, and hubs that are killed under them, are in `outlive`.)

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mcphub_session::migration::STREAMS_MAX;
use mcphub_tests::mcp::{Legacy, Peer, Reply};
use mcphub_tests::raw_hub::{RawHub, Seen, Step};
use mcphub_tests::raw_script::{answer, event, json_answer, mcp, mcp_but, result, sse_head};
use mcphub_tests::{Config, Gateway, Hub, until};
use serde_json::{Value, json};

/// Hubs in the order in which clients of these tests are given them.
const PLACES: [&str; 3] = ["us-east", "us-west", "ap-northeast"];

/// A gateway in front of these hubs, with one worker thread; those of most other tests have one for each core.
async fn gateway(hubs: &[&RawHub], sections: &str) -> Gateway {
    let alone = Config::new().threads(1);
    let config = hubs.iter().zip(PLACES).enumerate().fold(alone, |config, (at, (hub, place))| {
        config.hub_at(&format!("hub-{at}"), "primary", place, &hub.url())
    });
    Gateway::start(config.section(sections)).await.expect("the gateway starts")
}

async fn hub(name: &str) -> RawHub {
    RawHub::start(mcp(name)).await.expect("a hub")
}

/// A hub that plays this where it has an answer.
async fn hub_but(name: &str, fault: impl Fn(&Seen) -> Option<Vec<Step>> + Send + Sync + 'static) -> RawHub {
    RawHub::start(mcp_but(name, fault)).await.expect("a hub")
}

fn method_of(seen: &Seen) -> String {
    seen.json()["method"].as_str().unwrap_or_default().to_owned()
}

/// Whether this is a client's message in a session, and no probe or handshake.
fn is_call(seen: &Seen, method: &str) -> bool {
    seen.method == "POST" && method_of(seen) == method && seen.field("mcp-session-id").is_some()
}

async fn open(gateway: &Gateway) -> Legacy {
    Legacy::initialize(gateway.listener()).await.expect("a session")
}

/// Which hub answers.
async fn served_by(client: &mut Legacy) -> String {
    let called = client.call("tools/call", json!({ "name": "x", "arguments": {} })).await.expect("an answer");
    called["structuredContent"]["hub"].as_str().expect("a hub").to_owned()
}

fn initialized(seen: &[Seen]) -> usize {
    seen.iter().filter(|seen| method_of(seen) == "initialize").count()
}

/// The error of an answer: HTTP 200, code -32603, this id.
fn failed(reply: &Reply, id: &Value, reason: &str) {
    let error = &reply.response(id).expect("an answer with its own id")["error"];
    assert_eq!((reply.status, &error["code"]), (200, &json!(-32603)), "{error}");
    assert_eq!(error["data"]["reason"], reason, "{error}");
}

#[tokio::test]
async fn a_session_goes_on_at_the_next_hub_with_everything_it_had() {
    let (first, second) = (hub("a").await, hub("b").await);
    let gateway = gateway(&[&first, &second], "").await;
    let mut client = open(&gateway).await;
    assert_eq!(served_by(&mut client).await, "a");
    client.call("logging/setLevel", json!({ "level": "warning" })).await.expect("a level");
    for uri in ["x://1", "x://2", "x://3"] {
        client.call("resources/subscribe", json!({ "uri": uri })).await.expect("a subscription");
    }
    client.call("resources/unsubscribe", json!({ "uri": "x://2" })).await.expect("one less");
    first.stop().await;
    second.take();
    assert_eq!(served_by(&mut client).await, "b");
    let log = second.log();
    let told: Vec<(String, Value)> = log
        .requests
        .iter()
        .filter(|seen| seen.method == "POST" && !method_of(seen).starts_with("server/"))
        .map(|seen| (method_of(seen), seen.json()["params"].clone()))
        .collect();
    let methods: Vec<&str> = told.iter().map(|(method, _)| &**method).collect();
    assert_eq!(methods[..2], ["initialize", "notifications/initialized"]);
    assert_eq!(told[0].1["clientInfo"]["name"], "mcphub-tests", "in the client's own name");
    let mut settings: Vec<String> =
        told[2..told.len() - 1].iter().map(|(method, params)| format!("{method} {params}")).collect();
    settings.sort();
    assert_eq!(
        settings,
        [
            r#"logging/setLevel {"level":"warning"}"#,
            r#"resources/subscribe {"uri":"x://1"}"#,
            r#"resources/subscribe {"uri":"x://3"}"#,
        ]
    );
    assert_eq!(methods.last(), Some(&"tools/call"), "nothing goes there before all is restored");
    // No hub ever sees what the client calls the session.
    let ours = client.session.clone().expect("an id");
    assert!(log.requests.iter().all(|seen| seen.field("mcp-session-id") != Some(&*ours)));
}

#[tokio::test]
async fn what_may_not_be_done_twice_is_answered_and_what_may_is_done_elsewhere() {
    let broken = |seen: &Seen| {
        (is_call(seen, "tools/call") || is_call(seen, "resources/read")).then(|| vec![Step::Reset])
    };
    let (first, second) = (hub_but("a", broken).await, hub("b").await);
    let gateway = gateway(&[&first, &second], "").await;
    let mut client = open(&gateway).await;
    let (id, reply) = client.request("tools/call", json!({ "name": "x" })).await.expect("an answer");
    failed(&reply, &id, "hub_broke");
    let mut other = open(&gateway).await;
    let read = other.call("resources/read", json!({ "uri": "x://1" })).await.expect("a result");
    assert_eq!(read["structuredContent"]["hub"], "b");
    assert_eq!(served_by(&mut client).await, "b");
    let calls = |log: &[Seen]| log.iter().filter(|seen| is_call(seen, "tools/call")).count();
    assert_eq!((calls(&first.log().requests), calls(&second.log().requests)), (1, 1));
}

#[tokio::test]
async fn hubs_that_do_not_fit_are_passed_over() {
    let version = |seen: &Seen| {
        (method_of(seen) == "initialize").then(|| {
            let about = json!({ "protocolVersion": "2025-03-26", "capabilities": { "tools": {}, "resources": {"subscribe": true} },
                "serverInfo": { "name": "b", "version": "1" } });
            let fields = "Mcp-Session-Id: b-inner-1\r\n";
            vec![Step::Send(json_answer("200 OK", fields, &result(&seen.json()["id"], about)))]
        })
    };
    let (first, second, third) = (hub("a").await, hub_but("b", version).await, hub("c").await);
    let gateway = gateway(&[&first, &second, &third], "").await;
    let mut client = open(&gateway).await;
    first.stop().await;
    assert_eq!(served_by(&mut client).await, "c");
    // What was made in vain is ended.
    until("the session in vain to be ended", async || {
        let log = second.log();
        let deleted = log
            .requests
            .iter()
            .any(|seen| seen.method == "DELETE" && seen.field("mcp-session-id") == Some("b-inner-1"));
        if deleted { Ok(()) } else { Err("no DELETE yet".to_owned()) }
    })
    .await
    .expect("a DELETE");
}

#[tokio::test]
async fn hubs_that_lack_what_the_client_was_offered_are_passed_over() {
    let poorer = |seen: &Seen| {
        (method_of(seen) == "initialize").then(|| {
            let about = json!({ "protocolVersion": seen.json()["params"]["protocolVersion"],
                "capabilities": { "tools": {} }, "serverInfo": { "name": "b", "version": "1" } });
            let fields = "Mcp-Session-Id: b-inner-1\r\n";
            vec![Step::Send(json_answer("200 OK", fields, &result(&seen.json()["id"], about)))]
        })
    };
    let (first, second, third) = (hub("a").await, hub_but("b", poorer).await, hub("c").await);
    let gateway = gateway(&[&first, &second, &third], "").await;
    let mut client = open(&gateway).await;
    first.stop().await;
    assert_eq!(served_by(&mut client).await, "c");
}

#[tokio::test]
async fn a_hub_that_dies_during_the_move_is_passed_over() {
    for dies_at in ["initialize", "notifications/initialized", "resources/subscribe"] {
        let dying = move |seen: &Seen| (method_of(seen) == dies_at).then(|| vec![Step::Reset]);
        let (first, second, third) = (hub("a").await, hub_but("b", dying).await, hub("c").await);
        let gateway = gateway(&[&first, &second, &third], "").await;
        let mut client = open(&gateway).await;
        client.call("resources/subscribe", json!({ "uri": "x://1" })).await.expect("a subscription");
        first.stop().await;
        assert_eq!(served_by(&mut client).await, "c", "dies at {dies_at}");
        assert!(initialized(&second.log().requests) > 0, "{dies_at}: it was tried");
    }
}

#[tokio::test]
async fn without_a_hub_clients_are_told_and_go_on_when_one_is_back() {
    let first = hub("a").await;
    let address = first.address;
    let gateway = gateway(&[&first], "").await;
    let mut client = open(&gateway).await;
    first.stop().await;
    let asked = tokio::time::timeout(
        Duration::from_secs(5),
        client.request("resources/read", json!({ "uri": "x://1" })),
    );
    let (id, reply) = asked.await.expect("within five seconds").expect("an answer");
    failed(&reply, &id, "no_hub");
    let mut stream = client.open_stream(None).await.expect("a stream");
    assert_eq!(stream.head.status, 200, "a client that meets failures here would stay deaf");
    let event = stream.next().await.expect("a proper end");
    assert!(event.is_some_and(|event| event.retry.is_some()), "it is told when to come back");
    let _back = RawHub::start_at(&address.to_string(), mcp("again")).await.expect("the same address");
    until("the session to work again", async || {
        let (id, reply) = client.request("ping", json!({})).await.map_err(|error| error.to_string())?;
        reply.result(&id).map(drop).map_err(|error| format!("{error:#}"))
    })
    .await
    .expect("it works again");
    assert_eq!(served_by(&mut client).await, "again");
}

#[tokio::test]
async fn a_hub_started_again_at_its_address_gets_its_sessions_back() {
    let first = Hub::start("hub-0", "us-east", &["--fault-control"]).await.expect("a hub");
    let gateway = Gateway::start(Config::new().hub(&first, "primary")).await.expect("the gateway starts");
    let mut client = open(&gateway).await;
    let before = client.tool("whoami", json!({})).await.expect("an answer");
    let address = first.address();
    drop(first);
    let again =
        Hub::start_at(address, "hub-0", "us-east", &["--fault-control"]).await.expect("the same address");
    let after = client.tool("whoami", json!({})).await.expect("an answer");
    assert_ne!(before["boot"], after["boot"]);
    let counters = again.counters().await.expect("counters");
    assert_eq!((&counters["initialize"], &counters["sessions_open"]), (&json!(1), &json!(1)), "{counters}");
}

#[tokio::test]
async fn a_session_that_a_living_hub_has_expired_is_over() {
    let first = Hub::start("hub-0", "us-east", &["--fault-control"]).await.expect("a hub");
    let gateway = Gateway::start(Config::new().hub(&first, "primary")).await.expect("the gateway starts");
    // Its boot id is known from the first probe on.
    until("a probe", async || {
        let hubs = gateway.status("/v1/hubs").await.map_err(|error| error.to_string())?;
        let boot = hubs.to_string().contains("\"eras\"");
        if boot { Ok(()) } else { Err(hubs.to_string()) }
    })
    .await
    .expect("probed");
    let mut client = open(&gateway).await;
    client.tool("whoami", json!({})).await.expect("an answer");
    let fault = json!({ "refuse_sessions": true }).to_string();
    mcphub_tests::exchange(first.address(), "PUT", "/fault", &fault).await.expect("a fault");
    let (_, reply) = client.request("ping", json!({})).await.expect("an answer");
    assert_eq!(reply.status, 404, "{:?}", reply.messages);
    mcphub_tests::exchange(first.address(), "DELETE", "/fault", "").await.expect("no fault");
    let (_, reply) = client.request("ping", json!({})).await.expect("an answer");
    assert_eq!(reply.status, 404, "what is over stays over");
}

#[tokio::test]
async fn notifications_and_deletes_need_no_hub() {
    let (first, second) = (hub("a").await, hub("b").await);
    let gateway = gateway(&[&first, &second], "").await;
    let mut client = open(&gateway).await;
    let mut other = open(&gateway).await;
    first.stop().await;
    client.notify("notifications/roots/list_changed", json!({})).await.expect("202");
    let status = other.delete().await.expect("an answer");
    assert!((200..300).contains(&status), "{status}");
    let (_, reply) = other.request("ping", json!({})).await.expect("an answer");
    assert_eq!(reply.status, 404);
    assert_eq!(served_by(&mut client).await, "b");
}

#[tokio::test]
async fn what_a_client_has_ended_stays_ended_when_the_gateway_dies() {
    let first = hub("a").await;
    let mut gateway = gateway(&[&first], "").await;
    let mut client = open(&gateway).await;
    let mut other = open(&gateway).await;
    let status = client.delete().await.expect("an answer");
    assert!((200..300).contains(&status), "{status}");
    gateway.process.kill().await.expect("killed");
    gateway = gateway.spawn_successor(&[]).expect("a process");
    gateway.wait_until_ready().await.expect("it starts again");
    first.take();
    let session = client.session.clone().expect("an id");
    let mut back = Legacy::resume(Peer::new(gateway.listener()), &session, &client.version);
    let (_, reply) = back.request("ping", json!({})).await.expect("an answer");
    assert_eq!(reply.status, 404, "{:?}", reply.messages);
    assert!(!first.log().requests.iter().any(|seen| is_call(seen, "ping")), "no hub is asked for it");
    other.peer = Peer::new(gateway.listener());
    assert_eq!(served_by(&mut other).await, "a");
}

#[tokio::test]
async fn batches_go_whole_to_one_hub_and_once() {
    let broken = |seen: &Seen| (seen.method == "POST" && seen.json().is_array()).then(|| vec![Step::Reset]);
    let (first, second) = (hub_but("a", broken).await, hub("b").await);
    let gateway = gateway(&[&first, &second], "").await;
    let mut client = open(&gateway).await;
    let batch = json!([
        { "jsonrpc": "2.0", "id": "p", "method": "ping" },
        { "jsonrpc": "2.0", "method": "notifications/roots/list_changed" },
        { "jsonrpc": "2.0", "id": 7, "method": "tools/list" },
    ]);
    let reply = client.post(&batch).await.expect("an answer");
    let errors = reply.messages[0].as_array().expect("a batch").clone();
    let ids: Vec<&Value> = errors.iter().map(|error| &error["id"]).collect();
    assert_eq!((reply.status, ids), (200, vec![&json!("p"), &json!(7)]), "{errors:?}");
    assert!(errors.iter().all(|error| error["error"]["code"] == -32603), "{errors:?}");
    assert!(!second.log().requests.iter().any(|seen| seen.json().is_array()), "a batch is never sent again");
}

#[tokio::test]
async fn of_a_batch_that_was_answered_in_part_the_rest_is_answered_with_errors() {
    let half = |seen: &Seen| {
        (seen.method == "POST" && seen.json().is_array()).then(|| {
            let first = result(&json!("p"), json!({}));
            vec![
                Step::Send(sse_head("")),
                Step::Send(event(&first)),
                Step::Wait(Duration::from_millis(50)),
                Step::Reset,
            ]
        })
    };
    let (first, second) = (hub_but("a", half).await, hub("b").await);
    let gateway = gateway(&[&first, &second], "").await;
    let mut client = open(&gateway).await;
    let batch = json!([
        { "jsonrpc": "2.0", "id": "p", "method": "ping" },
        { "jsonrpc": "2.0", "id": 7, "method": "tools/list" },
    ]);
    let reply = client.post(&batch).await.expect("an answer");
    assert_eq!(reply.messages[0]["id"], "p", "{:?}", reply.messages);
    let rest = reply.messages[1].as_array().expect("a batch of the rest");
    assert_eq!((rest.len(), &rest[0]["id"], &rest[0]["error"]["code"]), (1, &json!(7), &json!(-32603)));
}

/// A hub that answers `tools/call` with a stream that asks the client something first, and then waits.
fn asking(seen: &Seen) -> Option<Vec<Step>> {
    if seen.json()["result"].is_object() {
        return Some(vec![Step::Send(answer("202 Accepted", "", ""))]);
    }
    is_call(seen, "tools/call").then(|| {
        let question = json!({ "jsonrpc": "2.0", "id": 0, "method": "roots/list" });
        vec![Step::Send(sse_head("")), Step::Send(event(&question)), Step::Hang]
    })
}

#[tokio::test]
async fn answers_to_a_hub_reach_it_by_its_own_id_and_no_other_hub() {
    let (first, second) = (hub_but("a", asking).await, hub("b").await);
    let gateway = gateway(&[&first, &second], "").await;
    let mut client = open(&gateway).await;
    let call = json!({ "jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": { "name": "x" } });
    let mut stream = client.start(&call).await.expect("a stream");
    let question = stream.message().await.expect("a question");
    let id = question["id"].as_str().expect("an id of ours").to_owned();
    assert!(id.starts_with("mcphub1."), "{id}");
    let reply = |id: &str| json!({ "jsonrpc": "2.0", "id": id, "result": { "roots": [] } });
    assert_eq!(client.post(&reply(&id)).await.expect("an answer").status, 202);
    let heard = first
        .log()
        .requests
        .iter()
        .any(|seen| seen.json()["result"]["roots"].is_array() && seen.json()["id"] == 0);
    assert!(heard, "the hub hears its own id");
    first.stop().await;
    let end = stream.message().await.expect("an error");
    assert_eq!((&end["id"], &end["error"]["code"]), (&json!(5), &json!(-32603)));
    assert_eq!(served_by(&mut client).await, "b");
    assert_eq!(client.post(&reply(&id)).await.expect("an answer").status, 202);
    assert!(
        !second.log().requests.iter().any(|seen| seen.json()["result"]["roots"].is_array()),
        "b never asked"
    );
}

#[tokio::test]
async fn a_stream_is_resumed_where_it_was_or_its_request_is_answered() {
    let numbered = |seen: &Seen| {
        if seen.method == "GET" {
            let seen_id = seen.field("last-event-id").map(str::to_owned)?;
            let rest = result(&json!(5), json!({ "after": seen_id }));
            return Some(vec![Step::Send(sse_head("")), Step::Send(event(&rest)), Step::Close]);
        }
        is_call(seen, "tools/call").then(|| {
            let mut steps = vec![Step::Send(sse_head(""))];
            steps.push(Step::Send(mcphub_tests::raw_script::chunk("id: e-1\ndata: \nretry: 10\n\n")));
            // The hub ends the connection, and the client shall come back.
            steps.push(Step::Send(b"0\r\n\r\n".to_vec()));
            steps
        })
    };
    let (first, second) = (hub_but("a", numbered).await, hub("b").await);
    let gateway = gateway(&[&first, &second], "").await;
    let mut client = open(&gateway).await;
    let call = json!({ "jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": { "name": "x" } });
    let mut stream = client.start(&call).await.expect("a stream");
    let primed = stream.next().await.expect("an event").expect("an event");
    let id = primed.id.clone().expect("an id");
    assert!(id.starts_with("mcphub1."), "{id}");
    assert_eq!(stream.next().await.expect("a proper end"), None);
    let mut resumed = client.open_stream(Some(&id)).await.expect("a stream");
    assert_eq!(resumed.message().await.expect("the rest")["result"]["after"], "e-1", "by the hub's own id");
    first.stop().await;
    let mut lost = client.open_stream(Some(&id)).await.expect("a stream");
    assert_eq!(lost.head.status, 200);
    let event = lost.next().await.expect("an event").expect("an event");
    let error = event.json();
    assert_eq!((&error["id"], &error["error"]["code"]), (&json!(5), &json!(-32603)), "{error}");
    // The TypeScript SDK 1 takes an error for no answer, and goes on: after ever more streams, were it let.
    let end = event.id.expect("an id");
    let over = client.open_stream(Some(&end)).await.expect("an answer");
    assert_eq!(over.head.status, 405);
}

#[tokio::test]
async fn a_call_lost_after_an_event_with_an_id_is_over() {
    let broken = |seen: &Seen| {
        is_call(seen, "tools/call").then(|| {
            let primed = mcphub_tests::raw_script::chunk("id: e-1\ndata: \n\n");
            vec![Step::Send(sse_head("")), Step::Send(primed), Step::Close]
        })
    };
    let hub = hub_but("a", broken).await;
    let gateway = gateway(&[&hub], "").await;
    let mut client = open(&gateway).await;
    let call = json!({ "jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": { "name": "x" } });
    let mut stream = client.start(&call).await.expect("a stream");
    stream.next().await.expect("an event").expect("the first event");
    let event = stream.next().await.expect("an event").expect("the error");
    assert_eq!(event.json()["error"]["data"]["reason"], "hub_broke", "{event:?}");
    let end = event.id.expect("an id");
    let over = client.open_stream(Some(&end)).await.expect("an answer");
    assert_eq!(over.head.status, 405);
    assert!(!hub.log().requests.iter().any(|seen| seen.method == "GET"), "no hub is asked for it");
}

#[tokio::test]
async fn a_stream_too_many_is_refused_and_the_others_stand() {
    let hub = hub("a").await;
    let gateway = gateway(&[&hub], "").await;
    let client = open(&gateway).await;
    let mut streams = Vec::new();
    for _ in 0..STREAMS_MAX {
        let stream = client.open_stream(None).await.expect("an answer");
        assert_eq!(stream.head.status, 200);
        streams.push(stream);
    }
    let more = client.open_stream(None).await.expect("an answer");
    assert_eq!(more.head.status, 409);
    let gets = hub.log().requests.iter().filter(|seen| seen.method == "GET").count();
    assert_eq!(gets, STREAMS_MAX, "no hub is asked for it");
    streams.pop();
    until("room for one", async || match client.open_stream(None).await {
        Ok(stream) if stream.head.status == 200 => Ok(stream),
        answer => Err(format!("{answer:?}")),
    })
    .await
    .expect("a stream again");
}

#[tokio::test]
async fn large_initialize_parameters_move_too() {
    let (first, second) = (hub("a").await, hub("b").await);
    let gateway = gateway(&[&first, &second], "").await;
    let mut peer = Peer::new(gateway.listener());
    let long = "x".repeat(8 * 1024);
    let body = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": long, "version": "1" } } });
    let accept = ("Accept", "application/json, text/event-stream");
    let reply = peer.exchange("POST", &[accept], Some(&body)).await.expect("an answer");
    let session = reply.head.field("mcp-session-id").expect("an id").to_owned();
    let mut client = Legacy::resume(peer, &session, "2025-11-25");
    assert_eq!(served_by(&mut client).await, "a");
    first.stop().await;
    assert_eq!(served_by(&mut client).await, "b");
    let seen =
        second.log().requests.into_iter().find(|seen| method_of(seen) == "initialize").expect("a handshake");
    assert_eq!(seen.json()["params"]["clientInfo"]["name"], long);
}

#[tokio::test]
async fn handshakes_carry_the_callers_present_credential_and_its_refusal_comes_back() {
    let guarded = |seen: &Seen| {
        (method_of(seen) == "initialize" && seen.field("authorization") != Some("Bearer new")).then(|| {
            vec![Step::Send(answer("401 Unauthorized", "WWW-Authenticate: Bearer realm=\"b\"\r\n", ""))]
        })
    };
    let (first, second) = (hub("a").await, hub_but("b", guarded).await);
    let gateway =
        gateway(&[&first, &second], "[session]\nbind = \"none\"\nkey_files = [\"session.key\"]").await;
    let mut client = open(&gateway).await;
    first.stop().await;
    let (_, reply) = client.request("ping", json!({})).await.expect("an answer");
    assert_eq!(reply.status, 401);
    assert_eq!(reply.head.field("www-authenticate"), Some("Bearer realm=\"b\""));
    let session = client.session.clone().expect("an id");
    let peer = Peer::new(gateway.listener()).with("authorization", "Bearer new");
    let mut client = Legacy::resume(peer, &session, &client.version);
    assert_eq!(served_by(&mut client).await, "b");
}

#[tokio::test]
async fn a_moved_session_belongs_to_its_caller_still() {
    let (first, second) = (hub("a").await, hub("b").await);
    let gateway = gateway(&[&first, &second], "").await;
    let peer = |secret: &str| Peer::new(gateway.listener()).with("authorization", secret);
    let mut client = Legacy::initialize_at(peer("Bearer one")).await.expect("a session");
    first.stop().await;
    assert_eq!(served_by(&mut client).await, "b");
    let session = client.session.clone().expect("an id");
    let mut thief = Legacy::resume(peer("Bearer two"), &session, &client.version);
    let (_, reply) = thief.request("ping", json!({})).await.expect("an answer");
    assert_eq!(reply.status, 404);
    assert_eq!(served_by(&mut client).await, "b");
}

#[tokio::test]
async fn the_clients_stream_stays_open_across_hubs_and_tells_what_was_missed() {
    let (first, second) = (hub("a").await, hub("b").await);
    let gateway = gateway(&[&first, &second], "").await;
    let mut client = open(&gateway).await;
    client.call("resources/subscribe", json!({ "uri": "x://1" })).await.expect("a subscription");
    let mut stream = client.open_stream(None).await.expect("a stream");
    assert_eq!(stream.message().await.expect("news")["params"]["data"], "a");
    first.stop().await;
    let updated = stream.notification("notifications/resources/updated").await.expect("what was missed");
    assert_eq!(updated["params"]["uri"], "x://1");
    loop {
        let news = stream.notification("notifications/message").await.expect("news");
        if news["params"]["data"] == "b" {
            break;
        }
    }
    assert_eq!(served_by(&mut client).await, "b");
    assert_eq!(initialized(&second.log().requests), 1, "stream and calls have moved together");
}

#[tokio::test]
async fn concurrent_requests_move_a_session_once() {
    let (first, second) = (hub("a").await, hub("b").await);
    let gateway = gateway(&[&first, &second], "").await;
    let client = open(&gateway).await;
    let session = client.session.clone().expect("an id");
    first.stop().await;
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let mut one = Legacy::resume(Peer::new(gateway.listener()), &session, &client.version);
        asked.spawn(async move { served_by(&mut one).await });
    }
    while let Some(served) = asked.join_next().await {
        assert_eq!(served.expect("no panic"), "b");
    }
    assert_eq!(initialized(&second.log().requests), 1);
}

#[tokio::test]
async fn a_silent_hub_loses_its_streams_and_its_waiting_requests() {
    let hangs = Arc::new(AtomicBool::new(false));
    let silent = {
        let hangs = Arc::clone(&hangs);
        move |_: &Seen| hangs.load(Ordering::Relaxed).then(|| vec![Step::Hang])
    };
    let (first, second) = (hub_but("a", silent).await, hub("b").await);
    let gateway = gateway(&[&first, &second], "").await;
    let mut client = open(&gateway).await;
    let mut stream = client.open_stream(None).await.expect("a stream");
    assert_eq!(stream.message().await.expect("news")["params"]["data"], "a");
    hangs.store(true, Ordering::Relaxed);
    // A read waits until the hub is given up, and is answered elsewhere; so is what was never sent.
    let read = client.call("resources/read", json!({ "uri": "x://1" })).await.expect("a result");
    assert_eq!(read["structuredContent"]["hub"], "b");
    loop {
        let news = stream.notification("notifications/message").await.expect("news");
        if news["params"]["data"] == "b" {
            break;
        }
    }
}
