//! Do the clients that people really use work through the gateway?
//!
//! Five SDK releases, each in every era it speaks: 20 sessions and 200 calls, the first half one session after
//! another, the second half at once. The scripts under `clients/` do the work of the npm and PyPI ones and print what
//! they counted; rmcp does the same here.
//!
//! `MCPHUB_DIRECT=1` leaves the gateway out, to tell its faults from those of the hub.

#![allow(clippy::print_stdout, reason = "the figures are worth reading when the test passes")]

mod rmcp_client;

use std::path::PathBuf;

use mcphub_tests::{Config, Gateway, Hub, PATIENCE, node, node_script, python};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::timeout;

/// Longest run of one client, as a multiple of [`PATIENCE`].
const RUN: u32 = 5;

/// Two hubs and a gateway near the first.
struct Scene {
    near: Hub,
    _far: Hub,
    gateway: Option<Gateway>,
}

impl Scene {
    async fn start() -> Self {
        let near = Hub::start("us-east-1", "us-east", &[]).await.expect("a hub");
        let far = Hub::start("eu-central-1", "eu-central", &[]).await.expect("a hub");
        let gateway = if std::env::var_os("MCPHUB_DIRECT").is_some() {
            None
        } else {
            let config = Config::new().hub(&near, "primary").hub(&far, "primary");
            Some(Gateway::start(config).await.expect("a gateway"))
        };
        Self { near, _far: far, gateway }
    }

    fn url(&self) -> String {
        self.gateway.as_ref().map_or_else(|| self.near.url(), Gateway::url)
    }
}

/// What every client must have counted. A client without a place counts as being where the gateway is, so all of
/// it happened on the near hub.
fn expected(era: &str) -> Value {
    let (version, ended) = if era == "legacy" { ("2025-11-25", 20) } else { ("2026-07-28", 0) };
    json!({
        "negotiated": [version], "sessions": 20, "calls": 200, "lists": 60, "progress": 80, "updates": 20,
        "deleted": ended, "gone": ended, "hubs": { "us-east-1": 20 }, "failures": [],
    })
}

fn check(name: &str, era: &str, mut counted: Value) {
    println!("{name}, {era}: {counted}");
    for label in ["client", "era"] {
        counted.as_object_mut().expect("counts").remove(label);
    }
    assert_eq!(counted, expected(era), "{name}, {era}");
}

async fn check_script(name: &str, program: PathBuf, script: PathBuf, era: &str) {
    let scene = Scene::start().await;
    let mut command = Command::new(program);
    command.arg(script).args([&scene.url(), era]).env("PYTHONDONTWRITEBYTECODE", "1").kill_on_drop(true);
    let output = timeout(PATIENCE * RUN, command.output()).await.expect("an end").expect("a start");
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().last().and_then(|line| serde_json::from_str(line).ok());
    let counted = last.unwrap_or_else(|| panic!("no counts: {}\n{said}\n{complaint}", output.status));
    check(name, era, counted);
    assert!(output.status.success(), "{name}, {era}: {}\n{complaint}", output.status);
}

async fn check_node(name: &str, script: &str, era: &str) {
    check_script(name, node().expect("node"), node_script(script).expect("the script"), era).await;
}

async fn check_python(name: &str, environment: &str, script: &str, era: &str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/python/").to_owned() + script;
    check_script(name, python(environment).expect("python"), script.into(), era).await;
}

#[tokio::test]
async fn typescript_sdk_1_legacy() {
    check_node("npm @modelcontextprotocol/sdk 1.32", "sdk1.mjs", "legacy").await;
}

#[tokio::test]
async fn typescript_client_2_legacy() {
    check_node("npm @modelcontextprotocol/client 2.4", "client2.mjs", "legacy").await;
}

#[tokio::test]
async fn typescript_client_2_modern() {
    check_node("npm @modelcontextprotocol/client 2.4", "client2.mjs", "modern").await;
}

#[tokio::test]
async fn python_mcp_1_legacy() {
    check_python("PyPI mcp 1.30", "mcp-1", "mcp1.py", "legacy").await;
}

#[tokio::test]
async fn python_mcp_2_legacy() {
    check_python("PyPI mcp 2.3", "mcp-2", "mcp2.py", "legacy").await;
}

#[tokio::test]
async fn python_mcp_2_modern() {
    check_python("PyPI mcp 2.3", "mcp-2", "mcp2.py", "modern").await;
}

#[tokio::test]
async fn rust_rmcp_legacy() {
    let scene = Scene::start().await;
    check("rmcp 3.11", "legacy", rmcp_client::run(&scene.url(), "legacy").await);
}

#[tokio::test]
async fn rust_rmcp_modern() {
    let scene = Scene::start().await;
    check("rmcp 3.11", "modern", rmcp_client::run(&scene.url(), "modern").await);
}
