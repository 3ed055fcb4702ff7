//! Is a task asked for at the hub that has made it, by whoever may?

use mcphub_tests::Gateway;
use mcphub_tests::raw_edge::{hub_table, quiet_config};
use mcphub_tests::raw_hub::{RawHub, Script, Step};
use mcphub_tests::raw_mcp::Request;
use mcphub_tests::raw_script::{event, json_answer, mcp_but, result, sse_head};
use serde_json::{Value, json};

/// How a hub hands out its task: as 2026-07-28 has it, the same on a stream, or as 2025-11-25 has it.
const TOOLS: [&str; 3] = ["plain", "streamed", "legacy"];

/// A hub whose tools hand out tasks, all of one id: what leads to a hub must not be the id alone.
fn tasks(name: &'static str) -> Script {
    mcp_but(name, move |seen| {
        let message = seen.json();
        let id = &message["id"];
        let task = json!({ "taskId": "t", "status": "working", "createdAt": "x", "lastUpdatedAt": "x" });
        let steps = match (message["method"].as_str()?, message["params"]["name"].as_str()) {
            ("tools/call", Some("plain" | "streamed")) => {
                let mut task = task;
                task["resultType"] = json!("task");
                task["ttlMs"] = json!(60_000);
                task["_meta"] = json!({ "hub": name });
                let made = result(id, task);
                if message["params"]["name"] == "plain" {
                    vec![Step::Send(json_answer("200 OK", "", &made))]
                } else {
                    vec![
                        Step::Send(sse_head("")),
                        Step::Send(event(&made)),
                        Step::Send(b"0\r\n\r\n".to_vec()),
                    ]
                }
            }
            ("tools/call", Some("legacy")) => {
                let made = json!({ "task": task, "_meta": { "hub": name } });
                vec![Step::Send(json_answer("200 OK", "", &result(id, made)))]
            }
            ("tasks/get" | "tasks/cancel", _) => {
                let found = json!({ "taskId": "t", "status": "working", "_meta": { "hub": name } });
                vec![Step::Send(json_answer("200 OK", "", &result(id, found)))]
            }
            _ => return None,
        };
        Some(steps)
    })
}

struct Scene {
    hubs: Vec<(&'static str, RawHub)>,
    gateway: Gateway,
}

impl Scene {
    async fn start() -> Self {
        let mut hubs = Vec::new();
        let mut config =
            quiet_config().section("[routing]\nalgorithm = \"round-robin\"\nsticky_sessions = false\n");
        for name in ["a", "b", "c"] {
            let hub = RawHub::start(tasks(name)).await.expect("a hub on loopback");
            config = config.section(&hub_table(name, "primary", "us-east", &hub.url()));
            hubs.push((name, hub));
        }
        let gateway = Gateway::start(config).await.expect("the gateway starts");
        Self { hubs, gateway }
    }

    /// The message that answers a request of this caller.
    async fn ask(&self, caller: &str, modern: bool, method: &str, name: &str) -> Value {
        let host = self.gateway.listener().to_string();
        let params = if method == "tools/call" { json!({ "name": name }) } else { json!({ "taskId": name }) };
        let request = if modern {
            Request::modern(&host, 7, method, name, params)
        } else {
            let body = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
            Request::post(&host, body.to_string())
        };
        let request = request.with(&format!("Authorization: Bearer {caller}\r\n"));
        let text = request.send(self.gateway.listener()).await.expect("an answer").text();
        let data = text.lines().find_map(|line| line.strip_prefix("data:")).unwrap_or(&text);
        serde_json::from_str(data.trim()).unwrap_or_else(|_| panic!("no message in {text}"))
    }

    async fn hub(&self, caller: &str, modern: bool, method: &str, name: &str) -> String {
        let answer = self.ask(caller, modern, method, name).await;
        let hub = answer["result"]["_meta"]["hub"].as_str();
        hub.unwrap_or_else(|| panic!("no hub in {answer}")).to_owned()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_asked_for_where_it_was_made() {
    let scene = Scene::start().await;
    for (number, tool) in TOOLS.iter().enumerate() {
        let caller = format!("caller-{number}");
        let modern = *tool != "legacy";
        let made_by = scene.hub(&caller, modern, "tools/call", tool).await;
        for _ in 0..4 {
            assert_eq!(scene.hub(&caller, modern, "tasks/get", "t").await, made_by, "{tool}");
        }
        assert_eq!(scene.hub(&caller, modern, "tasks/cancel", "t").await, made_by, "{tool}");
    }
    // Another caller's task of this id is another task: nobody knows where it is.
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..6 {
        seen.insert(scene.hub("nobody", true, "tasks/get", "t").await);
    }
    assert!(seen.len() > 1, "{seen:?}");
}

/// Nobody else can say anything about the task.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_lost_with_its_hub_in_words() {
    let mut scene = Scene::start().await;
    let made_by = scene.hub("x", true, "tools/call", "plain").await;
    let at = scene.hubs.iter().position(|(name, _)| *name == made_by).expect("one of them");
    let (_, hub) = scene.hubs.remove(at);
    hub.stop().await;
    scene.hubs.iter().for_each(|(_, hub)| drop(hub.take()));
    for method in ["tasks/get", "tasks/cancel"] {
        let answer = scene.ask("x", true, method, "t").await;
        assert_eq!(answer["id"], 7, "{answer}");
        assert_eq!(answer["error"]["data"]["reason"], "hub_unreachable", "{answer}");
    }
    assert!(scene.hubs.iter().all(|(_, hub)| hub.log().requests.is_empty()));
}
