//! An expected tool, and the canary.

use super::*;

const DISCOVERED: &str =
    r#"{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2026-07-28","2025-11-25"]}}"#;

fn method(request: &str) -> String {
    request.split("mcp-method: ").nth(1).and_then(|rest| rest.lines().next()).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn our_own_hub_lists_and_calls() {
    let hub = own_hub(mcphub_hub::Eras::Both).await;
    let check = async |health: &str, outcome: Outcome, why: Option<&str>| {
        let probed = probe(&prober(&hub.url, "", health), PLENTY).await;
        assert_eq!((probed.report.outcome, probed.why.as_deref()), (outcome, why), "{health}");
        assert_eq!(probed.report.eras, Some(EraSet::BOTH), "{health}");
    };
    let failed = Outcome::RpcTransportError;
    check("expect_tool = \"whoami\"", Outcome::Ok, None).await;
    check("expect_tool = \"nothing\"", failed, Some("does not list the tool nothing")).await;
    check("expect_tool = \"whoami\"\ncanary = { tool = \"whoami\" }", Outcome::Ok, None).await;
    check("canary = { tool = \"echo\", arguments = { text = \"hi\" } }", Outcome::Ok, None).await;
    let wrong = probe(&prober(&hub.url, "", "canary = { tool = \"nothing\" }"), PLENTY).await;
    assert_eq!(wrong.report.outcome, failed);
    assert!(wrong.why.is_some_and(|why| why.starts_with("the canary call")));
}

#[tokio::test]
async fn a_hub_of_the_legacy_era_is_not_asked_for_tools() {
    let hub = own_hub(mcphub_hub::Eras::Legacy).await;
    let probed = probe(&prober(&hub.url, "", "expect_tool = \"nothing\""), PLENTY).await;
    assert_eq!((probed.report.outcome, probed.report.eras), (Outcome::Ok, Some(EraSet::LEGACY)));
}

#[tokio::test]
async fn what_a_canary_may_say() {
    let check = async |act: Act, outcome: Outcome, why: &str| {
        let hub = scripted(move |request| match method(request).as_str() {
            "server/discover" => json(200, DISCOVERED),
            "tools/call" => {
                assert!(request.contains("mcp-name: sing\r\n") && request.contains("{\"n\":1}"), "{request}");
                act.clone()
            }
            other => panic!("{other}"),
        });
        let hub = hub.await;
        let health = "canary = { tool = \"sing\", arguments = { n = 1 } }";
        let patience = if outcome == Outcome::Timeout { LITTLE } else { PLENTY };
        let probed = probe(&prober(&hub.url, "", health), patience).await;
        assert_eq!(probed.report.outcome, outcome, "{:?}", probed.why);
        assert!(probed.why.as_deref().unwrap_or("").contains(why), "{:?}", probed.why);
        // A connection that was good for one answer may just have grown old: that is looked into.
        let connections = if outcome == Outcome::Reset { 2 } else { 1 };
        assert_eq!(hub.connections.load(Ordering::Relaxed), connections);
    };
    let result = |members: &str| json(200, &format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{{members}}}}}"#));
    let failed = Outcome::RpcTransportError;
    check(result(r#""content":[],"resultType":"complete""#), Outcome::Ok, "").await;
    check(result(r#""content":[],"isError":false"#), Outcome::Ok, "").await;
    check(result(r#""content":[],"isError":true"#), failed, "reports an error").await;
    check(result(r#""resultType":"input_required""#), failed, "does not complete").await;
    check(result(r#""isError":3"#), failed, "malformed").await;
    let error = |status, code| {
        json(status, &format!(r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":{code},"message":"m"}}}}"#))
    };
    check(error(200, -32602), failed, "-32602").await;
    check(error(400, -32020), failed, "-32020").await;
    check(json(401, ""), Outcome::Ok, "wants credentials").await;
    check(json(500, ""), Outcome::Http5xx, "500").await;
    check(Act::Hold(Vec::new()), Outcome::Timeout, "no answer").await;
    check(Act::Reset(Vec::new()), Outcome::Reset, "broke off").await;
    let progress =
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#;
    let body = format!("data: {progress}\n\ndata: {{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{{}}}}\n\n");
    check(Act::Answer(http(200, "text/event-stream", &body)), Outcome::Ok, "").await;
}

#[tokio::test]
async fn a_list_of_tools_is_turned_page_by_page() {
    let check = async |last: usize, wanted: &str, outcome: Outcome, why: Option<&str>| {
        let hub = scripted(move |request| {
            if method(request) == "server/discover" {
                return json(200, DISCOVERED);
            }
            let cursor = request.split("\"cursor\":\"p").nth(1).and_then(|rest| rest.split('"').next());
            let page: usize = cursor.map_or(0, |page| page.parse().expect("our own cursor"));
            let next = if page == last { String::new() } else { format!(r#","nextCursor":"p{}""#, page + 1) };
            let tools = format!(r#"[{{"name":"t{page}","inputSchema":{{}}}}]"#);
            json(200, &format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":{tools}{next}}}}}"#))
        });
        let hub = hub.await;
        let probed = probe(&prober(&hub.url, "", &format!("expect_tool = \"{wanted}\"")), PLENTY).await;
        assert_eq!((probed.report.outcome, probed.why.as_deref()), (outcome, why));
    };
    check(3, "t0", Outcome::Ok, None).await;
    check(3, "t3", Outcome::Ok, None).await;
    check(3, "t4", Outcome::RpcTransportError, Some("does not list the tool t4")).await;
    let endless = Some("its tools/list does not end");
    check(usize::MAX, "none", Outcome::RpcTransportError, endless).await;
}

#[tokio::test]
async fn a_hub_that_closes_after_each_answer_is_asked_on_new_connections() {
    let hub = scripted(|request| match method(request).as_str() {
        "server/discover" => Act::Say(http(200, "application/json", DISCOVERED)),
        _ => Act::Say(http(200, "application/json", r#"{"jsonrpc":"2.0","id":1,"result":{}}"#)),
    });
    let hub = hub.await;
    let probed = probe(&prober(&hub.url, "", "canary = { tool = \"sing\" }"), PLENTY).await;
    assert_eq!((probed.report.outcome, probed.why), (Outcome::Ok, None));
    assert_eq!(hub.connections.load(Ordering::Relaxed), 2);
}
