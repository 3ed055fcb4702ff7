//! Every hub is replaced, one after the other, each behind a drain: nobody may notice anything.

use std::time::{Duration, Instant};

use mcphub_tests::admin::operate;
use mcphub_tests::chaos::FLEET;
use mcphub_tests::outlive::{Crowd, Load, Script, Sdk};
use mcphub_tests::until;
use serde_json::Value;

use crate::kills::check;
use crate::rust_sdk::RustSessions;
use crate::stage::{BRISK, Stage, sessions_at};

const RAW: usize = 160;

const EACH: usize = 4;

/// The longest call takes 1.6 s. Sessions that ask one thing after the other leave between two; those that are always
/// busy, at the deadline.
const DEADLINE: &str = "10s";

async fn say(stage: &Stage, verb: &[&str]) -> Value {
    let output = operate(&stage.gateway, verb).await.expect("an end");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|flaw| {
        panic!("{verb:?}: {flaw}: {}", String::from_utf8_lossy(&output.stderr));
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::disallowed_methods, reason = "measures what really happened, when it happened")]
async fn a_rolling_restart_behind_drains_is_not_noticed() {
    let mut stage = Stage::set(BRISK).await;
    let (url, address) = (stage.gateway.url(), stage.gateway.listener());
    let mut crowd = Crowd::open(&stage.ledger, &[address], RAW).await.expect("sessions");
    let mut scripts = Vec::new();
    for sdk in Sdk::ALL {
        scripts.push(Script::start(sdk, &url, EACH, BRISK, &stage.ledger).await.expect("a script"));
    }
    let rust = RustSessions::start(&url, EACH, BRISK, &stage.ledger).await.expect("sessions of rmcp");
    crowd.begin(BRISK).await.expect("all begin");
    tokio::time::sleep(Duration::from_secs(3)).await;
    println!("\n{} sessions, by hub: {:?}", RAW + 5 * EACH, crowd.by_hub());

    let load = Load::begin(&stage.processes());
    for number in 0..FLEET {
        let hub = stage.hub(number).to_owned();
        let (held, begun) = (sessions_at(&stage.fleet, number).await, Instant::now());
        let drained =
            say(&stage, &["drain", &hub, "--deadline", DEADLINE, "--wait", "--yes", "--json"]).await;
        let waited = &drained["waited"];
        let left = sessions_at(&stage.fleet, number).await;
        println!(
            "  {hub} with {held} sessions: {} after {:.1?}; {left} left",
            waited["words"],
            begun.elapsed()
        );
        assert_eq!(waited["reached"], true, "{drained}");
        // Whoever was always busy has left at the deadline, with something still in flight: let it finish.
        until(&format!("nothing in flight at {hub}"), async || match stage.fleet.in_flight(number).await {
            Ok(0) => Ok(()),
            other => Err(other),
        })
        .await
        .expect("calls of a second or two end");
        // No kill in the ledger: nothing may be lost by this one.
        stage.fleet.kill(number).await.expect("killed");
        stage.fleet.restart(number).await.expect("it starts again");
        say(&stage, &["undrain", &hub, "--json"]).await;
        stage.all_serve().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    tokio::time::sleep(Duration::from_secs(8)).await;
    println!("  {}", load.used(&stage.processes(), stage.gateway.process.pid()));
    crowd.rest().await;
    let mut complaints = Vec::new();
    for script in scripts {
        complaints.extend(script.finish().await.expect("an end"));
    }
    rust.finish().await;
    let verdict = stage.judge("rolling restart");
    check(&verdict);
    assert_eq!((verdict.lost, complaints), (0, Vec::new()));
}
