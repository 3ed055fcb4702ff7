//! Does a gateway still know after a crash what its hubs have been like?

use mcphub_tests::admin::Desk;
use mcphub_tests::{Config, Gateway, Hub, until};
use serde_json::Value;

async fn telemetry(desk: &Desk, hub: &str) -> Result<Value, String> {
    let told = desk.get(&format!("/v1/hubs/{hub}/telemetry?limit=480")).await;
    match told.map_err(|error| format!("{error:#}"))? {
        (200, said) => Ok(said),
        (status, said) => Err(format!("{status}: {said}")),
    }
}

/// A hub that is well, one that has never been there, and a gateway that is killed as soon as it has a sample of each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn telemetry_survives_a_kill() {
    let well = Hub::start("well", "us-east", &[]).await.expect("a hub");
    let config =
        Config::new().hub(&well, "primary").hub_at("gone", "secondary", "us-west", "http://127.0.0.1:1/mcp");
    let mut gateway = Gateway::start(config).await.expect("the gateway starts");
    let desk = Desk::open(&gateway, None).await.expect("a document");
    let (status, _) = desk.get("/v1/hubs/nobody/telemetry").await.expect("an answer");
    assert_eq!(status, 404);

    let before = until("samples of both hubs in the store", async || {
        let both = [telemetry(&desk, "well").await?, telemetry(&desk, "gone").await?];
        let waits = gateway.metric("mcphub_telemetry_unkept_seconds").await.map_err(|e| format!("{e:#}"))?;
        let failed = both[1]["episodes"].as_array().is_some_and(|episodes| !episodes.is_empty());
        let known = both.iter().all(|hub| hub["known"].as_u64() > Some(0));
        if known && failed && waits == Some(0.0) { Ok(both) } else { Err(format!("{waits:?} {both:?}")) }
    })
    .await
    .unwrap_or_else(|error| panic!("{error:#}"));
    let values = &before[0]["samples"][0]["values"];
    assert_eq!(values["probe_fail"], 0.0, "{values}");
    assert!(values["probe_ms"].as_f64() > Some(0.0) && values.get("mem").is_none(), "{values}");
    assert_eq!(before[1]["samples"][0]["values"]["probe_fail"], 1.0, "{}", before[1]);
    let bytes = gateway.metric("mcphub_telemetry_bytes").await.expect("metrics");
    assert!(bytes > Some(2.0 * 46_800.0), "{bytes:?}");

    // The bytes are on their way to the disk.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    gateway.process.kill().await.expect("gone");
    let mut next = gateway.spawn_successor(&[]).expect("another process");
    next.wait_until_ready().await.expect("it starts");
    for (hub, before) in ["well", "gone"].into_iter().zip(&before) {
        let after = telemetry(&desk, hub).await.expect("an answer");
        let oldest = |told: &Value| told["samples"].as_array().and_then(|samples| samples.last().cloned());
        assert_eq!(oldest(&after), oldest(before), "{hub}");
        assert_eq!(after["episodes"].as_array().map(Vec::len), before["episodes"].as_array().map(Vec::len));
    }
}
