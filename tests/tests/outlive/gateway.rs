//! The gateway itself is killed under load and started again: sessions live in their tokens and in the store.

use std::collections::BTreeMap;
use std::time::Duration;

use mcphub_tests::outlive::{Crowd, Flaw, Name, Verdict};
use serde_json::json;

use crate::kills::check;
use crate::stage::{BRISK, Stage};

/// Sessions of our own client: unlike most SDKs, it forgives a connection that is cut.
const SESSIONS: usize = 80;

/// What is left to the process that starts next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// The keys and the store.
    Everything,
    /// The keys alone.
    Keys,
}

/// Kills the gateway, starts it again, and then kills the busiest hub: what is known of a session must be known to the
/// new process, or it cannot move it. Where the store is kept, a hub is killed before, too. What came of it, and how many
/// messages of level info each session that was on that hub gets of two, since all have asked for errors only.
async fn run(left: Left) -> (Verdict, BTreeMap<Name, usize>) {
    let mut stage = Stage::set(BRISK).await;
    let mut crowd =
        Crowd::open(&stage.ledger, &[stage.gateway.listener()], SESSIONS).await.expect("sessions");
    for (name, answer) in crowd.each("logging/setLevel", &json!({ "level": "error" })).await {
        answer.unwrap_or_else(|error| panic!("{name}: {error:#}"));
    }
    crowd.begin(BRISK).await.expect("all begin");
    tokio::time::sleep(Duration::from_secs(3)).await;
    println!("\n{SESSIONS} sessions by hub: {:?}", crowd.by_hub());
    if left == Left::Everything {
        // Sessions that have moved live where their tokens do not say; a record says it.
        let victim = stage.busiest().await;
        stage.kill(victim, Some(&crowd)).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        stage.bring_back(victim).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        println!("  {} was killed; by hub: {:?}", stage.hub(victim), crowd.by_hub());
    }

    let killed = stage.ledger.now();
    stage.gateway.process.kill().await.expect("killed");
    if left == Left::Keys {
        std::fs::remove_dir_all(stage.gateway.directory().join("state")).expect("the store is gone");
    }
    stage.gateway = stage.gateway.spawn_successor(&[]).expect("a process");
    stage.gateway.wait_until_ready().await.expect("it starts again");
    let ready = stage.ledger.now();
    println!("  the gateway was gone for {:.2?}", ready.saturating_sub(killed));
    // Clients look for it a few times a second.
    stage.ledger.write().outages.push((killed, ready + Duration::from_millis(500)));

    tokio::time::sleep(Duration::from_secs(4)).await;
    let victim = stage.busiest().await;
    let moved = crowd.on(stage.hub(victim));
    stage.kill(victim, Some(&crowd)).await;
    println!("  killed {} with {} sessions", stage.hub(victim), moved.len());
    tokio::time::sleep(Duration::from_secs(1)).await;
    stage.bring_back(victim).await;
    tokio::time::sleep(Duration::from_secs(8)).await;
    crowd.rest().await;
    let verdict = stage.judge(&format!("the gateway was killed, {left:?} left"));
    assert!(!moved.is_empty(), "nobody was on the hub");

    let mut messages = BTreeMap::new();
    for (name, count) in crowd.log_messages(&moved).await {
        messages.insert(name.clone(), count.unwrap_or_else(|error| panic!("{name}: {error:#}")));
    }
    (verdict, messages)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_outlive_the_gateway() {
    let (verdict, messages) = run(Left::Everything).await;
    check(&verdict);
    assert!(messages.values().all(|count| *count == 0), "the log level is forgotten: {messages:?}");
}

/// Tokens alone: what cannot stand in them is forgotten once the session moves, and nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_outlive_the_gateway_and_its_disk() {
    let (mut verdict, messages) = run(Left::Keys).await;
    println!(
        "  {} sessions get all log messages again",
        messages.values().filter(|count| **count == 2).count()
    );
    verdict.flaws.remove(&Flaw::Deaf);
    check(&verdict);
}
