//! When is a session over, who says so, and who counts?

use mcphub_tests::Gateway;
use mcphub_tests::raw_edge::plain_edge;
use mcphub_tests::raw_hub::{RawHub, Seen, Step};
use mcphub_tests::raw_mcp::{Request, open_session};
use mcphub_tests::raw_script::{LEGACY, answer, legacy_call, mcp_but};
use serde_json::json;

/// A hub that has lost whatever session this tool is called in, and has nothing below its endpoint.
fn forgetful(seen: &Seen) -> Option<Vec<Step>> {
    let lost = seen.json()["params"]["name"] == "lost" || seen.target.ends_with("/below");
    lost.then(|| vec![Step::Send(answer("404 Not Found", "", ""))])
}

/// Sends it; says how it was answered, and how many requests the hub saw of it.
async fn check(gateway: &Gateway, hub: &RawHub, request: Request, expected: (u16, usize)) {
    hub.take();
    let shown = String::from_utf8_lossy(&request.bytes()).into_owned();
    let answer = request.send(gateway.listener()).await.expect("an answer");
    assert_eq!((answer.status, hub.log().requests.len()), expected, "{shown}");
}

async fn sessions(gateway: &Gateway, expected: f64) {
    for (sample, expected) in [("mcphub_sessions", expected), ("mcphub_sessions_busy", 0.0)] {
        let shown = gateway.metric(&format!("{sample}{{hub=\"raw\"}}")).await.expect("metrics");
        assert_eq!(shown, Some(expected), "{sample}");
    }
}

/// What a client or a hub has ended stays ended, without asking the hub again, and is not counted any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ended_session_is_unknown_from_then_on() {
    let hub = RawHub::start(mcp_but("raw", forgetful)).await.expect("a hub on loopback");
    let gateway = plain_edge(&hub).await.expect("the gateway starts");
    let host = gateway.listener().to_string();
    let call = |session: &str, tool: &str| Request::legacy(&host, session, legacy_call(1, tool, &json!({})));
    let mut opened = Vec::new();
    for _ in 0..3 {
        opened.push(open_session(gateway.listener(), LEGACY, "").await.expect("a session"));
    }
    let [lost, deleted, kept] = [&opened[0], &opened[1], &opened[2]];
    sessions(&gateway, 3.0).await;

    check(&gateway, &hub, call(lost, "lost"), (404, 1)).await;
    check(&gateway, &hub, call(lost, "echo"), (404, 0)).await;
    check(&gateway, &hub, Request::stream(&host, lost), (404, 0)).await;
    sessions(&gateway, 2.0).await;

    let delete = |session: &str| Request::stream(&host, session).line("DELETE /mcp");
    check(&gateway, &hub, delete(deleted), (204, 1)).await;
    check(&gateway, &hub, delete(deleted), (404, 0)).await;
    check(&gateway, &hub, call(deleted, "echo"), (404, 0)).await;
    sessions(&gateway, 1.0).await;

    // What is not there below the endpoint is no word about the session.
    check(&gateway, &hub, call(kept, "echo").line("POST /mcp/below"), (404, 1)).await;
    check(&gateway, &hub, call(kept, "echo"), (200, 1)).await;
    sessions(&gateway, 1.0).await;
}
