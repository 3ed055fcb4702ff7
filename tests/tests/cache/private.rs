//! Nobody is shown what is another's, and nobody decides what another is shown.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mcphub_tests::raw_hub::Step;
use mcphub_tests::raw_script::{answer, json_answer};
use serde_json::json;

use crate::stage::{answer_to, ask, asked, caller, client, hinting, playing, public, sample_is, scene};

fn private() -> serde_json::Value {
    json!({ "ttlMs": 60_000, "cacheScope": "private" })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_one_callers_is_not_kept_unless_asked_for() {
    let (hub, gateway) = scene(hinting(private()), "").await;
    for _ in 0..3 {
        assert_eq!(ask(&mut caller(&gateway, "Bearer a"), "tools/list", json!({})).await.1, "fwd=uri-miss");
    }
    assert_eq!(asked(&hub), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_credentials_never_see_each_others_answers() {
    let (hub, gateway) = scene(hinting(private()), "private = true").await;
    // Two tokens of one subject, two schemes, and two that differ in their last letter.
    let jwt = |signature: &str| format!("Bearer e30.eyJpc3MiOiJhIiwic3ViIjoidSJ9.{signature}");
    let all =
        [jwt("x"), jwt("y"), "Basic YTph".to_owned(), "Basic YTpi".to_owned(), "Bearer YTph".to_owned()];
    for round in 0..3 {
        for credential in &all {
            let (result, said) = ask(&mut caller(&gateway, credential), "tools/list", json!({})).await;
            assert_eq!(result["caller"], json!(credential));
            assert_eq!(said.starts_with("hit"), round > 0, "{credential}: {said}");
        }
        let (result, said) = ask(&mut client(&gateway), "tools/list", json!({})).await;
        assert_eq!((&result["caller"], said.as_str()), (&json!(null), "fwd=uri-miss"));
    }
    assert_eq!(asked(&hub), all.len() + 3);
    sample_is(&gateway, "mcphub_cache_stored_total{scope=\"private\"}", 5.0).await;
}

/// A credential in another header separates callers as well, in what is public too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_credentials_separate_callers_too() {
    for hints in [private(), public()] {
        let (hub, gateway) = scene(hinting(hints), "private = true").await;
        for (name, value) in [("X-Api-Key", "a"), ("X-Api-Key", "b"), ("Cookie", "a=1"), ("Cookie", "a=2")] {
            for _ in 0..2 {
                let mut client = caller(&gateway, "Bearer same");
                client.peer = client.peer.with(name, value);
                ask(&mut client, "tools/list", json!({})).await;
            }
        }
        assert_eq!(asked(&hub), 4);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_is_refused_gets_nothing_from_before() {
    let refuses = Arc::new(AtomicBool::new(false));
    let refused = Arc::clone(&refuses);
    let script = playing(move |seen| {
        let again = seen.json()["params"]["cursor"] == "refuse";
        vec![Step::Send(if again || refused.load(Ordering::SeqCst) {
            answer("401 Unauthorized", "WWW-Authenticate: Bearer\r\n", "")
        } else {
            json_answer("200 OK", "", &answer_to(seen, &private()))
        })]
    });
    let (hub, gateway) = scene(script, "private = true").await;
    let mut one = caller(&gateway, "Bearer a");
    ask(&mut one, "tools/list", json!({})).await;
    assert!(ask(&mut one, "tools/list", json!({})).await.1.starts_with("hit"));
    // The hub no longer knows the token, whatever it is asked.
    refuses.store(true, Ordering::SeqCst);
    let (_, reply) = one.request("tools/list", json!({ "cursor": "refuse" })).await.expect("an answer");
    assert_eq!(reply.status, 401);
    let (_, reply) = one.request("tools/list", json!({})).await.expect("an answer");
    assert_eq!((reply.status, asked(&hub)), (401, 3));
}

/// Who shows no credential is asked for one, whatever others were given.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybodys_answer_is_for_everybody_who_shows_a_credential() {
    let script = playing(|seen| {
        vec![Step::Send(if seen.field("authorization").is_some() {
            json_answer("200 OK", "", &answer_to(seen, &public()))
        } else {
            answer("401 Unauthorized", "WWW-Authenticate: Bearer\r\n", "")
        })]
    });
    let (hub, gateway) = scene(script, "").await;
    ask(&mut caller(&gateway, "Bearer a"), "tools/list", json!({})).await;
    assert!(ask(&mut caller(&gateway, "Bearer b"), "tools/list", json!({})).await.1.starts_with("hit"));
    let (_, reply) = client(&gateway).request("tools/list", json!({})).await.expect("an answer");
    assert_eq!((reply.status, reply.head.field("www-authenticate")), (401, Some("Bearer")));
    assert_eq!(asked(&hub), 2);
}

/// A hub may write what it was sent into what it declares everybody's. Then it is everybody's who sends the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crafted_header_spoils_nobody_elses_answer() {
    let (_hub, gateway) = scene(hinting(public()), "").await;
    let mut evil = client(&gateway);
    evil.peer = evil.peer.with("X-Forwarded-Prefix", "/evil");
    for _ in 0..2 {
        assert_eq!(ask(&mut evil, "tools/list", json!({})).await.0["prefix"], "/evil");
        assert_eq!(ask(&mut client(&gateway), "tools/list", json!({})).await.0["prefix"], json!(null));
    }
    // Ids of single requests do not count, nor what the operator has named.
    for name in ["X-Request-Id", "Traceparent"] {
        let mut traced = client(&gateway);
        traced.peer = traced.peer.with(name, "00-1");
        assert!(ask(&mut traced, "tools/list", json!({})).await.1.starts_with("hit"), "{name}");
    }
}
