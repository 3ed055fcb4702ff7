//! What does an idle session with an open stream cost the gateway?

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use mcphub_tests::mcp::{EventStream, Legacy, Peer};
use mcphub_tests::{Config, Gateway, Hub, until};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Each takes two descriptors of the gateway, one of the hub and one of this process; 20,000 is all there may be.
const SESSIONS: usize = 8_000;

/// What is there before anything is measured: pools, threads, the first pages of everything.
const WARM: usize = 200;

/// KiB of resident memory that one session with its stream may cost.
const EACH_MAX: u64 = 48;

/// How many sessions are opened at once.
const AT_ONCE: usize = 16;

/// Memory in use by a process, in KiB.
fn resident(pid: i32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}

async fn open(gateway: std::net::SocketAddr, number: usize) -> anyhow::Result<EventStream> {
    let from = format!("10.{}.{}.1", number / 256, number % 256);
    let session = Legacy::initialize_at(Peer::new(gateway).with("X-Forwarded-For", &from)).await?;
    let stream = session.open_stream(None).await?;
    ensure!(stream.head.status == 200, "the stream is answered with {}", stream.head.status);
    Ok(stream)
}

async fn open_all(gateway: &Gateway, numbers: std::ops::Range<usize>) -> Vec<EventStream> {
    let (turns, address, mut opening) =
        (Arc::new(Semaphore::new(AT_ONCE)), gateway.listener(), JoinSet::new());
    let mut streams = Vec::new();
    for number in numbers {
        let turn = turns.clone().acquire_owned().await.expect("a turn");
        opening.spawn(async move {
            let _turn = turn;
            open(address, number).await
        });
        while let Some(opened) = opening.try_join_next() {
            streams.push(opened.expect("no panic").expect("a session with a stream"));
        }
    }
    while let Some(opened) = opening.join_next().await {
        streams.push(opened.expect("no panic").expect("a session with a stream"));
    }
    streams
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::disallowed_methods, reason = "measures what really happened, when it happened")]
async fn eight_thousand_idle_sessions_fit() {
    let hub = Hub::start("us-east-1", "us-east", &[]).await.expect("a hub");
    let config = Config::new().hub(&hub, "primary").section("[limits]\nconnections = 12000");
    let gateway = Gateway::start(config.section("[log]\naccess = false")).await.expect("the gateway starts");
    let pid = gateway.process.pid();
    let mut streams = open_all(&gateway, 0..WARM).await;
    let (before, begun) = (resident(pid).expect("its memory"), Instant::now());
    streams.extend(open_all(&gateway, WARM..WARM + SESSIONS).await);
    println!("\n{} sessions with a stream each, opened in {:.1?}", streams.len(), begun.elapsed());

    until("the hub to hold as many streams", async || {
        let counters = hub.counters().await.map_err(|error| format!("{error:#}"))?;
        let held = counters["get_streams"].as_u64().unwrap_or_default();
        if held == streams.len() as u64 { Ok(()) } else { Err(format!("{held} streams")) }
    })
    .await
    .expect("all streams stand");
    // Past the first comments, which every stream gets each 15 s.
    tokio::time::sleep(Duration::from_secs(20)).await;
    let after = resident(pid).expect("its memory");
    let each = (after - before) as f64 / SESSIONS as f64;
    let build = gateway_build();
    println!("  the gateway ({build}): {before} KiB before, {after} KiB after: {each:.1} KiB a session");
    println!(
        "  the hub: {} KiB; this process: {} KiB",
        resident(hub.process.pid()).expect("its memory"),
        resident(std::process::id().try_into().expect("an id")).expect("its memory")
    );
    assert!((after - before) / SESSIONS as u64 <= EACH_MAX, "{each:.1} KiB a session");
}

/// How the gateway was built, as far as its folder tells.
fn gateway_build() -> String {
    let binary = mcphub_tests::edge_binary().expect("a binary");
    let folder = binary.parent().and_then(std::path::Path::file_name).unwrap_or_default();
    format!("{} build", folder.display())
}
