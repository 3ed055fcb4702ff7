//! The cache stays within its bytes, and does what the file says at each reload.

use mcphub_tests::raw_edge::plain_config;
use mcphub_tests::raw_hub::{RawHub, Step};
use mcphub_tests::raw_script::json_answer;
use mcphub_tests::{Gateway, until};
use serde_json::json;

use crate::stage::{answer_to, ask, asked, client, hinting, playing, public, scene};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_bytes_are_bounded_whatever_is_asked() {
    let large = "x".repeat(50_000);
    let hints = json!({ "ttlMs": 600_000, "cacheScope": "public", "large": large });
    let (_hub, gateway) = scene(hinting(hints), "size = \"1MiB\"").await;
    let mut client = client(&gateway);
    for cursor in 0..100 {
        ask(&mut client, "tools/list", json!({ "cursor": cursor.to_string() })).await;
    }
    let bytes = gateway.metric("mcphub_cache_bytes").await.expect("metrics").expect("a sample");
    assert!((500_000.0..=1_048_576.0).contains(&bytes), "{bytes}");
    let entries = gateway.metric("mcphub_cache_entries").await.expect("metrics").expect("a sample");
    assert!((10.0..=20.0).contains(&entries), "{entries}");
    let evicted = gateway.metric("mcphub_cache_evictions_total").await.expect("metrics").expect("a sample");
    assert!(evicted >= 80.0, "{evicted}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_larger_than_an_entry_may_be_passes_whole() {
    let script = playing(|seen| {
        let length = seen.json()["params"]["cursor"].as_str().and_then(|n| n.parse().ok()).unwrap_or(0);
        let hints = json!({ "ttlMs": 600_000, "cacheScope": "public", "large": "x".repeat(length) });
        vec![Step::Send(json_answer("200 OK", "", &answer_to(seen, &hints)))]
    });
    let (hub, gateway) = scene(script, "entry_size = \"16KiB\"").await;
    // Kept; too large; and so large that it passes as it comes.
    for (length, kept) in [(15_000, true), (17_000, false), (1_000_000, false)] {
        let before = asked(&hub);
        for _ in 0..2 {
            let params = json!({ "cursor": length.to_string() });
            let (result, _) = ask(&mut client(&gateway), "tools/list", params).await;
            assert_eq!(result["large"].as_str().map(str::len), Some(length));
        }
        assert_eq!(asked(&hub) - before, if kept { 1 } else { 2 }, "{length}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_switches_it_off_and_on_and_keeps_it_otherwise() {
    let hub = RawHub::start(hinting(public())).await.expect("a hub");
    let config = plain_config(&hub);
    let mut gateway = Gateway::start(config.clone()).await.expect("a gateway");
    let mut revision = 1.0;
    let mut reload = async |gateway: &mut Gateway, lines: &str| {
        let config = config.clone().section(lines);
        gateway.write_config(&config.text(gateway.directory())).expect("written");
        gateway.reload().expect("a signal");
        revision += 1.0;
        let look = async || match gateway.metric("mcphub_config_revision").await {
            Ok(Some(now)) if now >= revision => Ok(()),
            other => Err(format!("{other:?}")),
        };
        until("the reload", look).await.expect("taken over");
    };
    let said = async |gateway: &Gateway| ask(&mut client(gateway), "tools/list", json!({})).await.1;
    assert!(said(&gateway).await.starts_with("fwd=uri-miss"));
    // What has nothing to do with it leaves it as it is.
    reload(&mut gateway, "[shutdown]\ndeadline = \"29s\"").await;
    assert!(said(&gateway).await.starts_with("hit"));
    reload(&mut gateway, "[cache]\nenabled = false").await;
    assert_eq!((said(&gateway).await, asked(&hub)), (String::new(), 2));
    reload(&mut gateway, "[cache]\nenabled = true").await;
    assert!(said(&gateway).await.starts_with("fwd=uri-miss; stored"));
    assert!(said(&gateway).await.starts_with("hit"));
    reload(&mut gateway, "[cache]\nttl_max = \"1s\"").await;
    assert!(
        said(&gateway).await.starts_with("fwd=uri-miss; stored; ttl="),
        "under other rules it begins anew"
    );
}
