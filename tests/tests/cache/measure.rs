//! What does a hit cost beside a request that is forwarded? Printed, not judged:
//! `cargo test -p mcphub-tests --test cache -- --ignored --nocapture measure`, with `MCPHUB_EDGE` at a binary of the
//! profile that is to be measured.
#![allow(clippy::print_stdout, reason = "the figures are what it is for")]
#![allow(clippy::disallowed_methods, reason = "measures what really happened, when it happened")]

use std::time::Duration;

use mcphub_tests::{Config, Gateway, Hub};
use serde_json::json;
use tokio::time::Instant;

use crate::stage::{client, post};

/// Connections at once.
const CONNECTIONS: usize = 16;
/// One measurement.
const SPAN: Duration = Duration::from_secs(4);
/// Of each kind, in turns.
const ROUNDS: usize = 5;

/// CPU seconds that a process has used, by `/proc`: 100 ticks a second.
fn cpu_seconds(pid: i32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

/// Requests per CPU second of the gateway while all connections ask with these fields.
async fn rate(gateway: &Gateway, fields: &str) -> f64 {
    let body = client(gateway).message("tools/list", json!({})).to_string();
    let accept = "Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/list\r\n";
    let letter = post(gateway.listener(), &format!("{accept}{fields}"), &body);
    let (before, end) = (cpu_seconds(gateway.process.pid()), Instant::now() + SPAN);
    let mut under_way = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (address, letter) = (gateway.listener(), letter.clone());
        under_way.spawn(async move {
            let mut raw = mcphub_tests::raw_http::RawClient::connect(address).await.expect("a connection");
            let mut count = 0_u64;
            while Instant::now() < end {
                raw.send(&letter).await.expect("sent");
                assert_eq!(raw.answer().await.expect("an answer").status, 200);
                count += 1;
            }
            count
        });
    }
    let count: u64 = under_way.join_all().await.into_iter().sum();
    count as f64 / (cpu_seconds(gateway.process.pid()) - before)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn measure_a_hit_against_a_forwarded_request() {
    let hub = Hub::start("a", "us-east", &["--cache-ttl", "86400000"]).await.expect("a hub");
    let keys = "[log]\naccess = false\n[cache]\nttl_max = \"1d\"";
    let on = Gateway::start(Config::new().hub(&hub, "primary").section(keys)).await.expect("a gateway");
    let keys = "[log]\naccess = false\n[cache]\nenabled = false";
    let off = Gateway::start(Config::new().hub(&hub, "primary").section(keys)).await.expect("a gateway");
    let median = |mut all: Vec<f64>| {
        all.sort_by(f64::total_cmp);
        (all[all.len() / 2], all[0], all[all.len() - 1])
    };
    let (mut hits, mut forwarded, mut passed) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        hits.push(rate(&on, "").await);
        forwarded.push(rate(&off, "").await);
        passed.push(rate(&on, "Cache-Control: no-cache\r\n").await);
    }
    let (hit, forward, pass) = (median(hits), median(forwarded), median(passed));
    println!("requests per CPU second of the gateway: median (min..max) of {ROUNDS} rounds");
    for (name, (median, min, max)) in
        [("hit", hit), ("forwarded, cache off", forward), ("forwarded past the cache", pass)]
    {
        println!("{name:>26}: {median:.0} ({min:.0}..{max:.0})");
    }
    println!("a hit is worth {:.2} forwarded requests", hit.0 / forward.0);
}
