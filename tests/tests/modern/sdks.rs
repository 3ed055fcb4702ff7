//! Do the SDKs' own clients go on hearing when the hub that they listen to is killed?

use std::path::PathBuf;
use std::process::Stdio;

use mcphub_tests::{Config, Gateway, Hub, PATIENCE, node, node_script, python};
use rmcp::model::{ProtocolVersion, ServerNotification, SubscriptionFilter};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::{ClientLifecycleMode, ClientServiceExt};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{ChildStdout, Command};
use tokio::time::timeout;

const CLOCK: &str = "hub://clock";

async fn scene() -> (Hub, Hub, Gateway) {
    let near = Hub::start("near", "us-east", &[]).await.expect("a hub");
    let far = Hub::start("far", "eu-west", &[]).await.expect("a hub");
    let config = Config::new().hub(&near, "primary").hub(&far, "primary");
    let gateway = Gateway::start(config).await.expect("the gateway starts");
    (near, far, gateway)
}

async fn word(lines: &mut Lines<BufReader<ChildStdout>>) -> String {
    let line = timeout(PATIENCE, lines.next_line()).await.expect("the client is silent").expect("a line");
    line.expect("the client has ended")
}

/// A script says `updated` for each update and `ended …` at the end of its subscription.
async fn check_script(program: PathBuf, script: PathBuf) {
    let (mut near, _far, gateway) = scene().await;
    let mut command = Command::new(program);
    command.arg(script).args([&gateway.url(), "modern"]).env("PYTHONDONTWRITEBYTECODE", "1");
    let mut client = command.kill_on_drop(true).stdout(Stdio::piped()).spawn().expect("a start");
    let mut lines = BufReader::new(client.stdout.take().expect("an output")).lines();
    assert_eq!(word(&mut lines).await, "updated");
    near.process.kill().await.expect("an end");
    // One of them may have been under way, one is what may have been missed, the others come from the second hub.
    for _ in 0..4 {
        assert_eq!(word(&mut lines).await, "updated");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typescript_client_2_hears_on() {
    check_script(node().expect("node"), node_script("listen2.mjs").expect("the script")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_mcp_2_hears_on() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/python/listen2.py");
    check_script(python("mcp-2").expect("python"), script.into()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rust_rmcp_hears_on() {
    let (mut near, _far, gateway) = scene().await;
    let lifecycle = ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] };
    let transport = StreamableHttpClientTransport::from_uri(gateway.url());
    let client = ().serve_with_lifecycle(transport, lifecycle).await.expect("a connection");
    let filter = SubscriptionFilter::builder()
        .tools_list_changed()
        .resource_subscriptions(vec![CLOCK.to_owned()])
        .build();
    let mut subscription = client.listen(filter).await.expect("a subscription");
    let mut kinds = Vec::new();
    while kinds.iter().filter(|kind| **kind == "updated").count() < 5 {
        let note = timeout(PATIENCE, subscription.next()).await.expect("silence").expect("a message");
        kinds.push(match note {
            Some(ServerNotification::ResourceUpdatedNotification(_)) => "updated",
            Some(ServerNotification::ToolListChangedNotification(_)) => "tools",
            other => panic!("{kinds:?}, then {other:?}"),
        });
        if kinds.len() == 1 {
            near.process.kill().await.expect("an end");
        }
    }
    assert_eq!(kinds.iter().filter(|kind| **kind == "tools").count(), 1, "{kinds:?}");
    subscription.cancel().await.expect("an end");
}
