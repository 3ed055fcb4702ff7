//! What probes learn of eras, and what they leave behind.

use super::*;
use mcphub_hub::Eras;

#[tokio::test]
async fn eras_are_learned_and_no_session_is_left_behind() {
    for (serves, expected) in
        [(Eras::Both, EraSet::BOTH), (Eras::Legacy, EraSet::LEGACY), (Eras::Modern, EraSet::MODERN)]
    {
        let hub = own_hub(serves).await;
        let prober = prober(&hub.url, "", "");
        for _ in 0..40 {
            let Probed { report, why } = probe(&prober, PLENTY).await;
            assert_eq!((report.outcome, report.eras, why), (Outcome::Ok, Some(expected), None), "{serves:?}");
            assert!(report.boot.is_some(), "{serves:?}");
        }
        let counters = hub.watch.counters().await;
        assert_eq!(counters.sessions_open, 0, "{serves:?}");
    }
}

#[tokio::test]
async fn configured_eras_are_asked_for_and_differences_told() {
    let check = async |serves: Eras, given: &str, eras: EraSet, why: Option<&str>| {
        let hub = own_hub(serves).await;
        let probed = probe(&prober(&hub.url, &format!("eras = {given}"), ""), PLENTY).await;
        assert_eq!(probed.report.outcome, Outcome::Ok, "{serves:?} {given}");
        assert_eq!((probed.report.eras, probed.why.as_deref()), (Some(eras), why), "{serves:?} {given}");
        assert_eq!(hub.watch.counters().await.sessions_open, 0);
    };
    check(Eras::Both, "[\"legacy\", \"modern\"]", EraSet::BOTH, None).await;
    check(Eras::Both, "[\"legacy\"]", EraSet::LEGACY, None).await;
    check(Eras::Legacy, "[\"legacy\"]", EraSet::LEGACY, None).await;
    check(Eras::Modern, "[\"modern\"]", EraSet::MODERN, None).await;
    let said = "serves the legacy era, and is configured to serve both eras";
    check(Eras::Legacy, "[\"legacy\", \"modern\"]", EraSet::LEGACY, Some(said)).await;
    let said = "serves the modern era, and is configured to serve the legacy era";
    check(Eras::Modern, "[\"legacy\"]", EraSet::MODERN, Some(said)).await;
    check(Eras::Both, "[\"modern\"]", EraSet::BOTH, None).await;
}

/// Never `initialize`; a question that a legacy server might take for the first of a session names one that does not
/// exist.
#[tokio::test]
async fn what_is_asked() {
    let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    let legacy_only =
        r#"{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"Session not found"}}"#;
    let modern = r#"{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2026-07-28"]}}"#;
    let grown = Arc::new(AtomicU8::new(0));
    let is_grown = Arc::clone(&grown);
    let hub = scripted(move |request| {
        let method = request.rsplit("\"method\":\"").next().and_then(|rest| rest.split('"').next());
        let in_session = request.contains("mcp-session-id: ");
        noted.lock().expect("no panic").push((method.unwrap_or_default().to_owned(), in_session));
        let discovers = method == Some("server/discover") && is_grown.load(Ordering::Relaxed) == 1;
        if discovers { json(200, modern) } else { json(404, legacy_only) }
    });
    let hub = hub.await;
    let learner = prober(&hub.url, "", "");
    let check = async |eras: EraSet, expected: &[(&str, bool)]| {
        let probed = probe(&learner, PLENTY).await;
        assert_eq!((probed.report.outcome, probed.report.eras), (Outcome::Ok, Some(eras)));
        let asked = std::mem::take(&mut *asked.lock().expect("no panic"));
        let asked: Vec<_> = asked.iter().map(|(method, session)| (method.as_str(), *session)).collect();
        assert_eq!(asked, expected);
    };
    check(EraSet::LEGACY, &[("server/discover", true)]).await;
    check(EraSet::LEGACY, &[("server/discover", true)]).await;
    // The hub has learned the modern era: it is asked for the legacy one now and then.
    grown.store(1, Ordering::Relaxed);
    check(EraSet::BOTH, &[("server/discover", true)]).await;
    for _ in 0..29 {
        check(EraSet::BOTH, &[("server/discover", false)]).await;
    }
    check(EraSet::BOTH, &[("server/discover", false), ("ping", true)]).await;
    // And has forgotten it again.
    grown.store(0, Ordering::Relaxed);
    check(EraSet::LEGACY, &[("server/discover", false)]).await;
    check(EraSet::LEGACY, &[("server/discover", true)]).await;
    // One that was never legacy before is asked at once.
    grown.store(1, Ordering::Relaxed);
    let newcomer = prober(&hub.url, "", "");
    assert_eq!(probe(&newcomer, PLENTY).await.report.eras, Some(EraSet::BOTH));
    let asked: Vec<_> = asked.lock().expect("no panic").iter().map(|(method, _)| method.clone()).collect();
    assert_eq!(asked, ["server/discover", "ping"]);
}

#[tokio::test]
async fn an_endpoint_that_is_gone_from_a_modern_hub_is_a_failure() {
    let there = Arc::new(AtomicU8::new(1));
    let is_there = Arc::clone(&there);
    let modern = r#"{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2026-07-28","2025-06-18"]}}"#;
    let hub = scripted(move |_| match is_there.load(Ordering::Relaxed) {
        1 => json(200, modern),
        _ => Act::Answer(http(404, "text/plain", "404 page not found")),
    });
    let hub = hub.await;
    let prober = prober(&hub.url, "", "");
    assert_eq!(probe(&prober, PLENTY).await.report.outcome, Outcome::Ok);
    there.store(0, Ordering::Relaxed);
    for _ in 0..2 {
        let probed = probe(&prober, PLENTY).await;
        assert_eq!(probed.report.outcome, Outcome::RpcTransportError);
        assert_eq!(probed.why.as_deref(), Some("no MCP endpoint there (404)"));
    }
}

#[tokio::test]
async fn a_hub_that_wants_credentials_is_alive() {
    for status in [401, 403] {
        let hub = scripted(move |_| Act::Answer(http(status, "", ""))).await;
        for eras in ["", "eras = [\"legacy\"]", "eras = [\"modern\"]"] {
            let Probed { report, why } = probe(&prober(&hub.url, eras, ""), PLENTY).await;
            assert_eq!((report.outcome, report.eras), (Outcome::Ok, None), "{status} {eras}");
            assert_eq!(why, Some(format!("wants credentials ({status})")));
        }
    }
}

#[tokio::test]
async fn faults_of_our_own_hub_are_seen() {
    let hub = own_hub(Eras::Both).await;
    let prober = prober(&hub.url, "", "");
    let check = async |fault: &str, expected: Outcome| {
        hub.watch.set_fault(mcphub_hub::Fault::parse(fault.as_bytes()).expect("a fault"));
        let patience = if expected == Outcome::Timeout { LITTLE } else { PLENTY };
        let probed = probe(&prober, patience).await;
        assert_eq!(probed.report.outcome, expected, "{fault}: {:?}", probed.why);
    };
    check("{}", Outcome::Ok).await;
    check(r#"{"hang":true}"#, Outcome::Timeout).await;
    check(r#"{"error_rate":1.0,"error":"http500"}"#, Outcome::Http5xx).await;
    check(r#"{"error_rate":1.0,"error":"reset"}"#, Outcome::Reset).await;
    check(r#"{"error_rate":1.0,"error":"jsonrpc"}"#, Outcome::RpcTransportError).await;
    check("{}", Outcome::Ok).await;
}
