//! Is a hub's word on its tools believed if, and only if, the operator says so?

use mcphub_tests::Gateway;
use mcphub_tests::raw_edge::{hub_table, quiet_config};
use mcphub_tests::raw_hub::{RawHub, Script, Step};
use mcphub_tests::raw_mcp::Request;
use mcphub_tests::raw_script::{json_answer, mcp, mcp_but, result};
use serde_json::{Value, json};

/// How the first hub fails at a call that it has read.
#[derive(Clone, Copy)]
enum How {
    Reset,
    Error,
}

/// A hub that says what its tools do, and fails at every call.
fn failing(how: How) -> Script {
    mcp_but("first", move |seen| match seen.json()["method"].as_str()? {
        "tools/list" => {
            let tools = json!([
                { "name": "reads", "annotations": { "readOnlyHint": true } },
                { "name": "puts", "annotations": { "idempotentHint": true } },
                { "name": "acts", "annotations": { "readOnlyHint": false } },
                { "name": "unsaid" },
            ]);
            let listed = result(&seen.json()["id"], json!({ "tools": tools }));
            Some(vec![Step::Send(json_answer("200 OK", "", &listed))])
        }
        "tools/call" => Some(match how {
            How::Reset => vec![Step::Reset],
            How::Error => vec![Step::Send(json_answer("500 Internal Server Error", "", &json!({})))],
        }),
        _ => None,
    })
}

/// Which of the calls the second hub answers. Those that it does not are told that nobody knows what came of them.
async fn answered(trust: bool, listed: bool, how: How) -> Vec<&'static str> {
    let first = RawHub::start(failing(how)).await.expect("a hub on loopback");
    let second = RawHub::start(mcp("second")).await.expect("a hub on loopback");
    let config = quiet_config()
        .section(&format!("[routing]\ntrust_tool_annotations = {trust}\n"))
        .section(&hub_table("first", "primary", "us-east", &first.url()))
        .section(&hub_table("second", "secondary", "us-west", &second.url()));
    let gateway = Gateway::start(config).await.expect("the gateway starts");
    let host = gateway.listener().to_string();
    if listed {
        let list = Request::modern(&host, 1, "tools/list", "", json!({}));
        assert_eq!(list.send(gateway.listener()).await.expect("an answer").status, 200);
    }
    let mut all = Vec::new();
    for tool in ["reads", "puts", "acts", "unsaid"] {
        first.take();
        second.take();
        let call = Request::modern(&host, 7, "tools/call", tool, json!({ "name": tool, "arguments": {} }));
        let answer = call.send(gateway.listener()).await.expect("an answer");
        let asked = (first.log().requests.len(), second.log().requests.len());
        let message: Value = serde_json::from_str(&answer.text()).unwrap_or_default();
        if message["result"]["structuredContent"]["hub"] == "second" {
            // Over a connection that had been idle, the hub itself is asked once more first.
            assert!(asked == (1, 1) || asked == (2, 1), "{tool}: {asked:?}");
            all.push(tool);
        } else {
            assert!(answer.status >= 500, "{tool}: {} {}", answer.status, answer.text());
            assert_eq!(asked, (1, 0), "{tool}");
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trusted_marks_allow_a_call_to_be_done_twice() {
    assert_eq!(answered(true, true, How::Reset).await, ["reads", "puts"]);
    assert_eq!(answered(true, true, How::Error).await, ["reads", "puts"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_trust_or_marks_nothing_is_done_twice() {
    let nothing: [&str; 0] = [];
    assert_eq!(answered(false, true, How::Reset).await, nothing);
    assert_eq!(answered(true, false, How::Reset).await, nothing);
}
