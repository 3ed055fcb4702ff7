//! Do requests without a session keep to one hub, by who asks and else from where?

use std::collections::{BTreeMap, BTreeSet};

use mcphub_tests::Config;
use mcphub_tests::Gateway;
use mcphub_tests::raw_edge::{QUIET, hub_table};
use mcphub_tests::raw_hub::RawHub;
use mcphub_tests::raw_mcp::Request;
use mcphub_tests::raw_script::mcp;
use serde_json::{Value, json};

const ALGORITHMS: [&str; 3] = ["round-robin", "least-connections", "health-based"];

struct Scene {
    hubs: BTreeMap<&'static str, RawHub>,
    gateway: Gateway,
}

impl Scene {
    async fn start(algorithm: &str) -> Self {
        let mut hubs = BTreeMap::new();
        let mut config =
            Config::new().section(QUIET).section(&format!("[routing]\nalgorithm = {algorithm:?}\n"));
        for name in ["a", "b", "c"] {
            let hub = RawHub::start(mcp(name)).await.expect("a hub on loopback");
            config = config.section(&hub_table(name, "primary", "us-east", &hub.url()));
            hubs.insert(name, hub);
        }
        let gateway = Gateway::start(config).await.expect("the gateway starts");
        Self { hubs, gateway }
    }

    /// The hub that answers a request with these lines.
    async fn hub(&self, lines: &str) -> String {
        let host = self.gateway.listener().to_string();
        // A call might be lost with its connection when a hub goes; a list is then asked for again.
        let request = Request::modern(&host, 1, "tools/list", "", json!({}));
        let answer = request.with(lines).send(self.gateway.listener()).await.expect("an answer");
        let message: Value = serde_json::from_str(&answer.text()).expect("JSON");
        message["result"]["structuredContent"]["hub"].as_str().expect("a hub").to_owned()
    }

    /// The one hub that answers all of some requests.
    async fn home(&self, lines: &str) -> String {
        let mut seen = BTreeSet::new();
        for _ in 0..4 {
            seen.insert(self.hub(lines).await);
        }
        assert_eq!(seen.len(), 1, "{lines} {seen:?}");
        seen.pop_first().expect("one")
    }
}

async fn check(algorithm: &str) {
    let mut scene = Scene::start(algorithm).await;
    // An address of its own for each call: whoever says who it is may travel.
    let callers: Vec<_> = (0..9).map(|n| format!("Authorization: Bearer caller-{n}\r\n")).collect();
    let mut homes = Vec::new();
    for (n, caller) in callers.iter().enumerate() {
        let here = scene.home(&format!("{caller}X-Forwarded-For: 203.0.{n}.1\r\n")).await;
        assert_eq!(scene.hub(&format!("{caller}X-Forwarded-For: 198.51.{n}.1\r\n")).await, here);
        homes.push(here);
    }
    let used: BTreeSet<_> = homes.iter().cloned().collect();
    assert!(used.len() > 1, "{algorithm}: nine callers are all on {used:?}");
    // Who does not is known by the network.
    let network = scene.home("X-Forwarded-For: 203.0.113.7\r\n").await;
    assert_eq!(scene.hub("X-Forwarded-For: 203.0.113.99\r\n").await, network);

    // All of one caller's requests move together, and nobody else's move at all.
    let lost = homes[0].clone();
    scene.hubs.remove(lost.as_str()).expect("one of them").stop().await;
    for (caller, home) in callers.iter().zip(&homes) {
        let now = scene.home(caller).await;
        assert_eq!(now != *home, *home == lost, "{algorithm}: from {home} to {now}, though {lost} was lost");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_keeps_to_one_hub_and_moves_as_one() {
    for algorithm in ALGORITHMS {
        check(algorithm).await;
    }
}
