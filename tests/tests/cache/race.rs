//! Many ask the same before the first has its answer.

use std::time::Duration;

use mcphub_tests::mcp::Modern;
use mcphub_tests::raw_hub::{RawHub, Step};
use mcphub_tests::raw_script::json_answer;
use mcphub_tests::{Config, Gateway, Hub, until};
use serde_json::{Value, json};

use crate::stage::{answer_to, ask, asked, caller, client, playing, public, scene, status};

/// As many as the specification of this cache speaks of.
const CLIENTS: usize = 64;

/// A hub that takes its time.
fn slow(hints: Value, wait: u64) -> mcphub_tests::raw_hub::Script {
    playing(move |seen| {
        let wait = Step::Wait(Duration::from_millis(wait));
        vec![wait, Step::Send(json_answer("200 OK", "", &answer_to(seen, &hints)))]
    })
}

/// Asks with all of them at once, each under an id of its own; the `Cache-Status` of each.
async fn race(clients: Vec<Modern>, method: &'static str) -> Vec<String> {
    let mut under_way = tokio::task::JoinSet::new();
    for (number, mut client) in clients.into_iter().enumerate() {
        under_way.spawn(async move {
            let mut message = client.message(method, json!({}));
            message["id"] = json!(format!("client {number}"));
            let reply = client.post(&message).await.expect("an answer");
            reply.result(&message["id"]).expect("its own answer");
            status(&reply)
        });
    }
    under_way.join_all().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_clients_on_a_cold_key_make_one_request() {
    let (hub, gateway) = scene(slow(public(), 500), "").await;
    // Half of them under credentials of their own: what is public is one answer for all of those.
    for clients in [
        (0..CLIENTS).map(|_| client(&gateway)).collect::<Vec<_>>(),
        (0..CLIENTS).map(|number| caller(&gateway, &format!("Bearer {number}"))).collect(),
    ] {
        let before = asked(&hub);
        let said = race(clients, "tools/list").await;
        assert_eq!(asked(&hub) - before, 1);
        let count = |begins: &str| said.iter().filter(|said| said.starts_with(begins)).count();
        assert_eq!(count("fwd=uri-miss; stored"), 1, "{said:?}");
        assert_eq!(count("fwd=uri-miss; collapsed; ttl=") + count("hit"), CLIENTS - 1, "{said:?}");
    }
}

/// The same at the hub on the official SDK, over and over: whoever comes a moment late finds the answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_second_request_slips_in_between() {
    let hub = Hub::start("a", "us-east", &["--cache-ttl", "600000"]).await.expect("a hub");
    let gateway = Gateway::start(Config::new().hub(&hub, "primary")).await.expect("a gateway");
    for round in 0..10 {
        let asked = async || hub.counters().await.expect("counters")["asked"].as_u64().expect("a number");
        let before = asked().await;
        let clients = (0..CLIENTS).map(|_| {
            let mut client = client(&gateway);
            client.peer = client.peer.with("X-Round", &round.to_string());
            client
        });
        race(clients.collect(), "tools/list").await;
        assert_eq!(asked().await - before, 1, "round {round}");
    }
}

/// The one that went ahead leaves. The others have their answers all the same, from one more request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_leaves_takes_nobody_along() {
    let (hub, gateway) = scene(slow(public(), 700), "").await;
    let mut leader = client(&gateway);
    let leading = tokio::spawn(async move { leader.request("tools/list", json!({})).await });
    arrived(&hub, 1).await;
    let others = tokio::spawn(race((0..CLIENTS).map(|_| client(&gateway)).collect(), "tools/list"));
    // They wait for the first.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(asked(&hub), 1);
    leading.abort();
    let said = others.await.expect("all are answered");
    assert_eq!((said.len(), asked(&hub)), (CLIENTS, 2));
    assert_eq!(hub.log().left, 1, "the hub was told that the first has left");
}

async fn arrived(hub: &RawHub, count: usize) {
    let look = async || if asked(hub) == count { Ok(()) } else { Err(asked(hub)) };
    until("the first to arrive", look).await.expect("soon");
}

/// Those who wait leave too; nothing is left behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_wait_may_leave() {
    let (hub, gateway) = scene(slow(public(), 700), "").await;
    let mut leader = client(&gateway);
    let leading = tokio::spawn(async move { leader.call("tools/list", json!({})).await });
    arrived(&hub, 1).await;
    let waiting: Vec<_> = (0..8)
        .map(|_| {
            let mut client = client(&gateway);
            tokio::spawn(async move { client.call("tools/list", json!({})).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
    leading.await.expect("it goes on").expect("an answer");
    let look = async || match gateway.metric("mcphub_requests_in_flight").await {
        Ok(Some(0.0)) => Ok(()),
        other => Err(format!("{other:?}")),
    };
    until("all to be gone", look).await.expect("soon");
    assert!(ask(&mut client(&gateway), "tools/list", json!({})).await.1.starts_with("hit"));
    assert_eq!(asked(&hub), 1);
}

/// What is for nobody else is asked for by each; and once that is known, nobody waits to learn it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_shared_is_asked_for_by_each() {
    let hints = json!({ "ttlMs": 0, "cacheScope": "public" });
    let (hub, gateway) = scene(slow(hints, 300), "").await;
    let said = race((0..8).map(|_| client(&gateway)).collect(), "tools/list").await;
    assert_eq!(asked(&hub), 8);
    // Who came while the first was under way has waited in vain.
    assert!(said.iter().all(|said| said.starts_with("fwd=uri-miss")), "{said:?}");
    assert!(said.iter().any(|said| said.ends_with("; collapsed=?0")), "{said:?}");
    let said = race((0..8).map(|_| client(&gateway)).collect(), "tools/list").await;
    assert_eq!((asked(&hub), said), (16, vec!["fwd=uri-miss".to_owned(); 8]));
}
