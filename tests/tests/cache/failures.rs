//! When no hub answers, what was said a while ago is better than nothing, for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mcphub_tests::raw_hub::Step;
use mcphub_tests::raw_script::{answer, json_answer};
use serde_json::json;

use crate::stage::{answer_to, ask, ask_until, caller, client, hinting, playing, sample_is, scene, status};

fn short(scope: &str) -> serde_json::Value {
    json!({ "ttlMs": 300, "cacheScope": scope })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_fleet_is_bridged_for_so_long_and_no_longer() {
    let (hub, gateway) = scene(hinting(short("public")), "stale_if_error = \"3s\"").await;
    let mut client = client(&gateway);
    let (first, _) = ask(&mut client, "tools/list", json!({})).await;
    hub.stop().await;
    let (stale, said) = ask_until(&mut client, "tools/list", "fwd=stale").await;
    assert!(said.starts_with("fwd=stale; ttl=") && said.ends_with("; detail=stale-if-error"), "{said}");
    // It is told that it is old: who gets it asks again.
    assert_eq!((&stale["ttlMs"], &stale["asked"]), (&json!(0), &first["asked"]));
    let look = async || {
        let (_, reply) = client.request("tools/list", json!({})).await.expect("an answer");
        match reply.status {
            200 => Err(status(&reply)),
            other => Ok(other),
        }
    };
    let ended = mcphub_tests::until("the bridge to end", look).await.expect("in three seconds");
    assert_eq!(ended, 503);
    sample_is(&gateway, "mcphub_cache_requests_total{result=\"stale\"}", 1.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_bound_there_is_no_bridge() {
    let (hub, gateway) = scene(hinting(short("public")), "stale_if_error = \"0ms\"").await;
    let mut client = client(&gateway);
    ask(&mut client, "tools/list", json!({})).await;
    hub.stop().await;
    let look = async || {
        let (_, reply) = client.request("tools/list", json!({})).await.expect("an answer");
        if reply.status == 503 { Ok(()) } else { Err(status(&reply)) }
    };
    mcphub_tests::until("the failure to be told", look).await.expect("at once");
}

/// What is one caller's is never given beyond its time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_private_is_given_when_it_is_old() {
    let (hub, gateway) = scene(hinting(short("private")), "private = true\nstale_if_error = \"1h\"").await;
    let mut client = caller(&gateway, "Bearer a");
    ask(&mut client, "tools/list", json!({})).await;
    assert!(ask(&mut client, "tools/list", json!({})).await.1.starts_with("hit"));
    hub.stop().await;
    let look = async || {
        let (_, reply) = client.request("tools/list", json!({})).await.expect("an answer");
        if reply.status == 503 { Ok(()) } else { Err(status(&reply)) }
    };
    mcphub_tests::until("the failure to be told", look).await.expect("when it is old");
}

/// A hub that answers with an error of its own has not taken back what it said; one that refuses has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_of_hubs_are_bridged_and_refusals_are_told() {
    for (status_line, bridged) in
        [("503 Service Unavailable", true), ("500 x", true), ("403 Forbidden", false)]
    {
        let broken = Arc::new(AtomicBool::new(false));
        let is_broken = Arc::clone(&broken);
        let script = playing(move |seen| {
            vec![Step::Send(if is_broken.load(Ordering::SeqCst) {
                answer(status_line, "", "")
            } else {
                json_answer("200 OK", "", &answer_to(seen, &short("public")))
            })]
        });
        let (_hub, gateway) = scene(script, "").await;
        let mut client = client(&gateway);
        ask(&mut client, "tools/list", json!({})).await;
        broken.store(true, Ordering::SeqCst);
        let look = async || {
            let (_, reply) = client.request("tools/list", json!({})).await.expect("an answer");
            if status(&reply).starts_with("hit") { Err("fresh") } else { Ok(reply) }
        };
        let reply = mcphub_tests::until("its time to be over", look).await.expect("soon");
        let said = status(&reply);
        assert_eq!(reply.status == 200, bridged, "{status_line}: {said}");
        let code = &status_line[..3];
        assert_eq!(said.contains(&format!("fwd-status={code}")), bridged, "{status_line}: {said}");
    }
}
