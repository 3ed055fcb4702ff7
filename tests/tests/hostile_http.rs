//! Does each malformed request get its documented answer, and does none reach a hub?
//!
//! The table stands in `mcphub_tests::raw_cases`; here it is played against the gateway, whole and in pieces, and
//! against a plain relay, which must fail it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mcphub_tests::raw_cases::{self, Case, Expect, follow_up, play, untouched};
use mcphub_tests::raw_edge::plain_edge;
use mcphub_tests::raw_h2_cases;
use mcphub_tests::raw_http::{Broken, Cut, Ending, PATIENCE, RawClient};
use mcphub_tests::raw_hub::RawHub;
use mcphub_tests::raw_script;
use mcphub_tests::relay::Relay;

/// Cases above this size are sent whole or in halves only: in small pieces they would take minutes.
const SMALL: usize = 2 << 10;

async fn hub() -> RawHub {
    RawHub::start(Arc::new(raw_script::ok)).await.expect("a hub on loopback")
}

/// Plays cases one after another; gives back what went wrong, one line a case.
async fn flaws(cases: &[Case], cut: Cut, gateway: SocketAddr, host: &str, hub: &RawHub) -> Vec<String> {
    let mut flaws = Vec::new();
    for case in cases {
        if let Err(flaw) = play(case, cut, gateway, host, hub).await {
            flaws.push(flaw);
        }
        if let Err(flaw) = follow_up(gateway, host, hub).await {
            flaws.push(format!("{}: {flaw}", case.name));
        }
    }
    flaws
}

async fn check(cut: Cut, cases: &[Case]) {
    let hub = hub().await;
    let gateway = plain_edge(&hub).await.expect("the gateway starts");
    let host = gateway.listener().to_string();
    let flaws = flaws(cases, cut, gateway.listener(), &host, &hub).await;
    assert!(flaws.is_empty(), "{} of {} cases went wrong:\n{}", flaws.len(), cases.len(), flaws.join("\n"));
}

#[test]
fn the_table_is_long_and_names_each_case_once() {
    let cases = raw_cases::all();
    let mut seen = std::collections::BTreeSet::new();
    let again: Vec<_> = cases.iter().filter(|c| !seen.insert((&c.name, &c.bytes))).map(|c| &c.name).collect();
    assert!(again.is_empty(), "twice in the table: {again:?}");
    assert!(cases.len() >= 400, "{} cases", cases.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_one_write() {
    check(Cut::Whole, &raw_cases::all()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_two_writes() {
    check(Cut::At(500), &raw_cases::all()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_before_the_last_bytes() {
    check(Cut::At(985), &raw_cases::all()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_many_small_writes() {
    let cases: Vec<_> = raw_cases::all().into_iter().filter(|case| case.bytes.len() <= SMALL).collect();
    check(Cut::Every(23), &cases).await;
}

/// Proves that the table bites: what hands every byte to the hub fails every case that must not reach it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_fails_every_refusal() {
    let hub = hub().await;
    let relay = Relay::faithful(hub.address).await.expect("a relay on loopback");
    let host = relay.address().to_string();
    let mut unnoticed = Vec::new();
    let mut refusals = 0;
    for case in raw_cases::all() {
        let silent = case.bytes.is_empty();
        if silent || matches!(case.expect, Expect::Passed(_) | Expect::Either(..)) {
            continue;
        }
        refusals += 1;
        // What waits for more waits for nobody here.
        let case = case.then_eof();
        if play(&case, Cut::Whole, relay.address(), &host, &hub).await.is_ok() {
            unnoticed.push(case.name);
        }
    }
    assert!(refusals >= 300, "{refusals} refusals");
    assert!(unnoticed.is_empty(), "a relay passes as a gateway in {unnoticed:?}");
}

/// And proves that the cases which must pass can pass: most do through a relay, but those that want a field gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_fails_the_checks_of_what_passes() {
    let hub = hub().await;
    let relay = Relay::faithful(hub.address).await.expect("a relay on loopback");
    let host = relay.address().to_string();
    let (mut passed, mut failed) = (Vec::new(), Vec::new());
    for case in raw_cases::all() {
        if matches!(case.expect, Expect::Passed(_)) {
            match play(&case, Cut::Whole, relay.address(), &host, &hub).await {
                Ok(()) => passed.push(case.name),
                Err(flaw) => failed.push(flaw),
            }
        }
    }
    assert!(passed.len() >= 20, "{passed:?}");
    for wanted in
        ["X-Forwarded-For: 203.0.113.9", "a nominated field", "te that nobody", "absolute form of this"]
    {
        assert!(
            failed.iter().any(|flaw| flaw.contains(wanted)),
            "{wanted} passes through a relay: {failed:?}"
        );
    }
}

/// Requests on one connection are answered in their order, or the connection ends after an answer that says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_requests_are_answered_in_order_or_not_at_all() {
    let hub = hub().await;
    let gateway = plain_edge(&hub).await.expect("the gateway starts");
    let host = gateway.listener().to_string();
    let body = |id: u64| raw_script::modern_body(id, "tools/list", serde_json::json!({}));
    let request = |id: u64| {
        let length = body(id).len();
        let lines = format!("Content-Length: {length}\r\n");
        raw_cases::with_host(&raw_cases::post(&lines, &body(id)), &host)
    };
    let mut client = RawClient::connect(gateway.listener()).await.expect("a connection");
    client.send(&[request(1), request(2), request(3)].concat()).await.expect("room for three");
    for id in 1..=3 {
        match client.answer().await {
            Ok(answer) => {
                assert_eq!(
                    (answer.status, answer.json()["id"].as_u64()),
                    (200, Some(id)),
                    "{}",
                    answer.text()
                );
                if answer.field("connection").is_some_and(|c| c.eq_ignore_ascii_case("close")) {
                    assert_eq!(client.ending(PATIENCE).await, Ending::Closed);
                    break;
                }
            }
            Err(broken) => panic!("answer {id} of three: {broken:?}"),
        }
    }
    let log = hub.log();
    assert!(log.strays.is_empty(), "{:?}", log.strays);
}

/// What follows a good request on its connection is judged by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_behind_a_good_request_never_reaches_the_hub() {
    let hub = hub().await;
    let gateway = plain_edge(&hub).await.expect("the gateway starts");
    let host = gateway.listener().to_string();
    let good = raw_cases::with_host(&raw_cases::good(), &host);
    let tails: [&[u8]; 5] = [
        b"GARBAGE\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"POST /mcp HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        b"GET /mcp HTTP/1.1\r\n\r\n",
        b"x",
    ];
    for tail in tails {
        hub.take();
        let mut client = RawClient::connect(gateway.listener()).await.expect("a connection");
        client.send(&[&good, tail].concat()).await.expect("room for both");
        assert_eq!(client.answer().await.map(|answer| answer.status), Ok(200));
        // Not before the answer: a client that ends its half has left.
        client.finish().await;
        match client.answer().await {
            Ok(answer) => assert_eq!(answer.status, 400, "{}", answer.text()),
            Err(broken) => assert_eq!(broken, Broken::NoAnswer(Ending::Closed)),
        }
        assert_eq!(client.ending(PATIENCE).await, Ending::Closed);
        let log = hub.log();
        assert_eq!((log.requests.len(), log.strays.len()), (1, 0), "{tail:?}: {:?}", log.requests);
    }
}

/// A client that waits for `100 Continue` gets it before it has sent a byte of the body.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expect_continue_is_honoured() {
    let hub = hub().await;
    let gateway = plain_edge(&hub).await.expect("the gateway starts");
    let host = gateway.listener().to_string();
    let whole = raw_cases::with_host(&raw_cases::post_with("Expect: 100-continue\r\n"), &host);
    let body = raw_cases::good_body();
    let (head, _) = whole.split_at(whole.len() - body.len());

    let mut client = RawClient::connect(gateway.listener()).await.expect("a connection");
    client.send(head).await.expect("room for a head");
    assert_eq!(client.any_answer(PATIENCE).await.map(|answer| answer.status), Ok(100));
    untouched(&hub).expect("nothing goes up before the body is here");
    client.send(body.as_bytes()).await.expect("room for a body");
    assert_eq!(client.answer().await.map(|answer| answer.status), Ok(200));
    assert_eq!(hub.log().requests.len(), 1);

    // A body that would be refused is refused before it is asked for.
    let refused = format!(
        "POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n\
         Content-Length: 999999999\r\n\r\n"
    );
    let mut client = RawClient::connect(gateway.listener()).await.expect("a connection");
    client.send(refused.as_bytes()).await.expect("room for a head");
    assert_eq!(client.any_answer(PATIENCE).await.map(|answer| answer.status), Ok(413));
}

/// The end of a connection is the client's to ask for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_persist_and_close_as_asked() {
    let hub = hub().await;
    let gateway = plain_edge(&hub).await.expect("the gateway starts");
    let host = gateway.listener().to_string();
    let good = raw_cases::with_host(&raw_cases::good(), &host);

    let mut client = RawClient::connect(gateway.listener()).await.expect("a connection");
    for _ in 0..50 {
        client.send(&good).await.expect("the connection persists");
        assert_eq!(client.answer().await.map(|answer| answer.status), Ok(200));
    }
    let nowhere = raw_cases::with_host(&raw_cases::good(), &host);
    let nowhere = String::from_utf8(nowhere).expect("ASCII").replacen("/mcp", "/nowhere", 1);
    client.send(nowhere.as_bytes()).await.expect("the connection persists");
    let declined = client.answer().await.expect("an answer");
    assert_eq!(declined.status, 404);
    // A request that was declined with its body unread may end the connection, but not without a word.
    if declined.field("connection") == Some("close") {
        assert_eq!(client.ending(PATIENCE).await, Ending::Closed);
        client = RawClient::connect(gateway.listener()).await.expect("a connection");
    }
    client.send(&good).await.expect("the connection persists");
    assert_eq!(client.answer().await.map(|answer| answer.status), Ok(200));

    let last = raw_cases::with_host(&raw_cases::post_with("Connection: close\r\n"), &host);
    client.send(&last).await.expect("the connection persists");
    let answer = client.answer().await.expect("an answer");
    assert_eq!((answer.status, answer.field("connection")), (200, Some("close")));
    assert_eq!(client.ending(PATIENCE).await, Ending::Closed);
}

/// An answer to HEAD has no body, whatever length it tells.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn head_is_declined_without_a_body() {
    let hub = hub().await;
    let gateway = plain_edge(&hub).await.expect("the gateway starts");
    let host = gateway.listener().to_string();
    let mut client = RawClient::connect(gateway.listener()).await.expect("a connection");
    let head = format!("HEAD /mcp HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    client.send(head.as_bytes()).await.expect("room for a head");
    let answer = tokio::time::timeout(PATIENCE, client.head()).await.expect("in time").expect("a head");
    assert!([400, 405, 501].contains(&answer.status), "{}", answer.status);
    let rest = client.any_answer(Duration::from_secs(5)).await;
    assert_eq!(rest.map(|answer| answer.status), Err(Broken::NoAnswer(Ending::Closed)));
    untouched(&hub).expect("HEAD is nobody's business but the gateway's");
}

/// An unread upgrade leaves the connection what it was: what follows is a request, not a tunnel.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_opens_no_tunnel() {
    let hub = hub().await;
    let gateway = plain_edge(&hub).await.expect("the gateway starts");
    let host = gateway.listener().to_string();
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n";
    let mut client = RawClient::connect(gateway.listener()).await.expect("a connection");
    client.send(&raw_cases::with_host(&raw_cases::post_with(upgrade), &host)).await.expect("room");
    let first = client.answer().await.expect("an answer");
    assert_ne!(first.status, 101);
    hub.take();
    let _ = client.send(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\r\n\r\n").await;
    client.finish().await;
    client.ending(PATIENCE).await;
    untouched(&hub).expect("no byte of a tunnel");
}

/// The same questions asked by HTTP/2, where what is sent becomes HTTP/1.1 on its way to the hub.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_frames_that_could_become_another_request_are_refused() {
    let hub = hub().await;
    let gateway = plain_edge(&hub).await.expect("the gateway starts");
    let host = gateway.listener().to_string();
    let cases = raw_h2_cases::all(&host);
    assert!(cases.len() >= 100, "{} cases", cases.len());
    let mut flaws = Vec::new();
    for case in &cases {
        if let Err(flaw) = raw_h2_cases::judge(case, gateway.listener(), &hub).await {
            flaws.push(flaw);
        }
        if let Err(flaw) = follow_up(gateway.listener(), &host, &hub).await {
            flaws.push(format!("{}: {flaw}", case.name));
        }
    }
    assert!(flaws.is_empty(), "{} of {} cases went wrong:\n{}", flaws.len(), cases.len(), flaws.join("\n"));
}

/// Proves that the HTTP/2 table bites.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_fails_every_http2_refusal() {
    let hub = hub().await;
    let relay = Relay::faithful(hub.address).await.expect("a relay on loopback");
    for case in raw_h2_cases::all(&relay.address().to_string()) {
        let noticed = raw_h2_cases::judge(&case, relay.address(), &hub).await.is_err();
        assert!(noticed, "a relay passes as a gateway in {}", case.name);
    }
}
