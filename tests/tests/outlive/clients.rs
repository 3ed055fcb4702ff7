//! Each SDK alone, a few sessions each: they break in different ways.

use std::time::Duration;

use mcphub_tests::outlive::{Script, Sdk};

use crate::kills::check;
use crate::rust_sdk::RustSessions;
use crate::stage::{BRISK, Stage};

/// Sessions of one client.
const SESSIONS: usize = 8;

/// Hubs killed: each time the one with the most sessions.
const KILLS: usize = 3;

async fn kills(stage: &mut Stage) {
    for _ in 0..KILLS {
        tokio::time::sleep(Duration::from_secs(3)).await;
        let victim = stage.busiest().await;
        stage.kill(victim, None).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        stage.bring_back(victim).await;
    }
    tokio::time::sleep(Duration::from_secs(8)).await;
}

fn judge(stage: &Stage, name: &str) {
    let verdict = stage.judge(&format!("{name}, {KILLS} kills"));
    check(&verdict);
    assert_eq!(verdict.answered.len(), 3, "every kind is answered");
    assert!(verdict.updates > 0);
}

async fn check_script(sdk: Sdk) {
    let mut stage = Stage::set(BRISK).await;
    let url = stage.gateway.url();
    let script = Script::start(sdk, &url, SESSIONS, BRISK, &stage.ledger).await.expect("a script");
    kills(&mut stage).await;
    let complaints = script.finish().await.expect("an end");
    for complaint in complaints.iter().take(5) {
        println!("  {complaint}");
    }
    judge(&stage, sdk.name());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typescript_sdk_1_outlives_its_hubs() {
    check_script(Sdk::TypeScript1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typescript_client_2_outlives_its_hubs() {
    check_script(Sdk::TypeScript2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_mcp_1_outlives_its_hubs() {
    check_script(Sdk::Python1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_mcp_2_outlives_its_hubs() {
    check_script(Sdk::Python2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rust_rmcp_outlives_its_hubs() {
    let mut stage = Stage::set(BRISK).await;
    let url = stage.gateway.url();
    let sessions = RustSessions::start(&url, SESSIONS, BRISK, &stage.ledger).await.expect("sessions");
    kills(&mut stage).await;
    sessions.finish().await;
    judge(&stage, "rmcp");
}
