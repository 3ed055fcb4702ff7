//! Hubs that are not well, or not hubs.

use super::*;

const DISCOVERED: &str =
    r#"{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2026-07-28","2025-11-25"]}}"#;

async fn check(act: Act, expected: Outcome, why: &str) {
    let patience = if expected == Outcome::Timeout { LITTLE } else { PLENTY };
    let hub = scripted(move |_| act.clone()).await;
    let probed = probe(&prober(&hub.url, "", ""), patience).await;
    assert_eq!(probed.report.outcome, expected, "{:?}", probed.why);
    assert!(probed.why.as_deref().unwrap_or("").contains(why), "{:?}", probed.why);
}

#[tokio::test]
async fn a_hub_that_is_well_passes_without_a_word() {
    check(json(200, DISCOVERED), Outcome::Ok, "").await;
    check(Act::Say(http(200, "application/json", DISCOVERED)), Outcome::Ok, "").await;
    let until_close = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{DISCOVERED}");
    check(Act::Say(until_close.into_bytes()), Outcome::Ok, "").await;
    let interim = [&b"HTTP/1.1 103 Early\r\n\r\n"[..], &http(200, "application/json", DISCOVERED)].concat();
    check(Act::Say(interim), Outcome::Ok, "").await;
}

#[tokio::test]
async fn refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/mcp", listener.local_addr().expect("an address"));
    drop(listener);
    for kind in ["mcp", "http", "tcp"] {
        let probed = probe(&prober(&url, "", &format!("probe = \"{kind}\"")), PLENTY).await;
        assert_eq!(probed.report.outcome, Outcome::ConnectError, "{kind}");
        assert_eq!(probed.why.as_deref(), Some("refuses connections"), "{kind}");
    }
}

#[tokio::test]
async fn a_name_without_an_address_is_no_connection() {
    let probed = probe(&prober("http://nobody.invalid:1/mcp", "", ""), PLENTY).await;
    assert_eq!(probed.report.outcome, Outcome::ConnectError);
    assert!(probed.why.is_some_and(|why| why.starts_with("its name")));
}

#[tokio::test]
async fn silence_at_any_point_is_a_time_out() {
    check(Act::Hold(Vec::new()), Outcome::Timeout, "no answer within").await;
    check(Act::Hold(b"HTTP/1.1 200 OK\r\ncontent-le".to_vec()), Outcome::Timeout, "no answer within").await;
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"jsonrpc\"".to_vec();
    check(Act::Hold(half), Outcome::Timeout, "no answer within").await;
    let stream =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: hello\n\ndata: {}\n\n".to_vec();
    check(Act::Hold(stream), Outcome::Timeout, "no answer within").await;
}

#[tokio::test]
async fn a_hub_that_accepts_nobody_is_a_time_out_by_any_means() {
    // The kernel shakes hands for a listener that never accepts, so the time-out is that of the answer; a connection
    // that opens is all that "tcp" asks for.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/mcp", listener.local_addr().expect("an address"));
    for (kind, expected) in [("mcp", Outcome::Timeout), ("http", Outcome::Timeout), ("tcp", Outcome::Ok)] {
        let probed = probe(&prober(&url, "", &format!("probe = \"{kind}\"")), LITTLE).await;
        assert_eq!(probed.report.outcome, expected, "{kind}");
        assert!(probed.report.latency >= LITTLE || expected == Outcome::Ok);
    }
}

#[tokio::test]
async fn half_an_answer_is_a_reset() {
    check(Act::Say(Vec::new()), Outcome::Reset, "broke off").await;
    check(Act::Reset(Vec::new()), Outcome::Reset, "broke off").await;
    check(Act::Say(b"HTTP/1.1 200 OK\r\ncontent-le".to_vec()), Outcome::Reset, "broke off").await;
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"jsonrpc\"".to_vec();
    check(Act::Say(half.clone()), Outcome::Reset, "broke off").await;
    check(Act::Reset(half), Outcome::Reset, "broke off").await;
    let stream = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {\"jsonrpc\"".to_vec();
    check(Act::Say(stream), Outcome::Reset, "broke off").await;
}

#[tokio::test]
async fn what_is_no_http_is_a_reset() {
    check(Act::Say(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec()), Outcome::Reset, "no HTTP").await;
    check(Act::Say(b"HTTP/1.1 101 Switching\r\n\r\n".to_vec()), Outcome::Reset, "no HTTP").await;
    let two = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}".to_vec();
    check(Act::Say(two), Outcome::Reset, "no HTTP").await;
    let chunk = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".to_vec();
    check(Act::Say(chunk), Outcome::Reset, "no HTTP").await;
    let noise: Vec<u8> = (0..4096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    check(Act::Say([noise, b"\r\n\r\n".to_vec()].concat()), Outcome::Reset, "no HTTP").await;
}

#[tokio::test]
async fn nothing_is_read_without_end() {
    let header = b"HTTP/1.1 200 OK\r\n".to_vec();
    check(Act::Flood(header, b"x: aaaaaaaaaaaaaaaaaaaaaaaaaa\r\n".repeat(64)), Outcome::Reset, "too large")
        .await;
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{".to_vec();
    let wanted = "more than is read of a probe";
    check(Act::Flood(head, b" ".repeat(4096)), Outcome::RpcTransportError, wanted).await;
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n".to_vec();
    check(Act::Flood(head.clone(), b": still here\n\n".to_vec()), Outcome::RpcTransportError, wanted).await;
    check(Act::Flood(head, b"data: and so on\n".to_vec()), Outcome::RpcTransportError, wanted).await;
    let chunked = b"HTTP/1.1 400 X\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    check(Act::Flood(chunked, b"1\r\nx\r\n".repeat(99)), Outcome::Ok, "").await;
}

#[tokio::test]
async fn an_answer_among_events_ends_the_reading() {
    let events = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: hello\n\nid: 1\ndata: \n\n\
         data: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}}\n\ndata: {DISCOVERED}\n\n"
    );
    check(Act::Hold(events.into_bytes()), Outcome::Ok, "").await;
}

#[tokio::test]
async fn errors_count_for_what_they_are() {
    check(json(500, ""), Outcome::Http5xx, "answered 500").await;
    check(Act::Say(http(503, "text/html", "<h1>sorry</h1>")), Outcome::Http5xx, "answered 503").await;
    let internal = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"secret"}}"#;
    check(json(200, internal), Outcome::RpcTransportError, "JSON-RPC error -32603").await;
    check(json(200, "<html>"), Outcome::RpcTransportError, "without a JSON-RPC answer").await;
}

#[tokio::test]
async fn an_http_probe_wants_its_status() {
    let check = async |status: u16, expected: u16, outcome: Outcome, why: Option<&str>| {
        let hub = scripted(move |request| {
            assert!(request.starts_with("GET /healthz HTTP/1.1\r\n"), "{request}");
            Act::Answer(http(status, "", "well"))
        });
        let hub = hub.await;
        let health = format!("probe = \"http\"\npath = \"/healthz\"\nexpected_status = {expected}");
        let probed = probe(&prober(&hub.url, "", &health), PLENTY).await;
        assert_eq!((probed.report.outcome, probed.why.as_deref()), (outcome, why), "{status}");
        assert_eq!(probed.report.eras, None);
    };
    check(200, 200, Outcome::Ok, None).await;
    check(204, 204, Outcome::Ok, None).await;
    check(503, 503, Outcome::Ok, None).await;
    check(404, 200, Outcome::RpcTransportError, Some("answered 404")).await;
    check(302, 200, Outcome::RpcTransportError, Some("answered 302")).await;
    check(500, 200, Outcome::Http5xx, Some("answered 500")).await;
}

#[tokio::test]
async fn an_http_probe_notices_what_is_broken() {
    let check = async |act: Act, expected: Outcome, patience: Duration| {
        let hub = scripted(move |_| act.clone()).await;
        let probed = probe(&prober(&hub.url, "", "probe = \"http\""), patience).await;
        assert_eq!(probed.report.outcome, expected, "{:?}", probed.why);
    };
    check(Act::Say(Vec::new()), Outcome::Reset, PLENTY).await;
    check(Act::Say(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec()), Outcome::Reset, PLENTY).await;
    check(Act::Hold(b"HTTP/1.1 200 OK\r\n".to_vec()), Outcome::Timeout, LITTLE).await;
    let endless = Act::Flood(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), b"x".repeat(4096));
    check(endless, Outcome::Timeout, LITTLE).await;
}

#[tokio::test]
async fn each_probe_has_a_connection_of_its_own() {
    let hub = scripted(|_| json(200, DISCOVERED)).await;
    for kind in ["mcp", "http", "tcp"] {
        let before = hub.connections.load(Ordering::Relaxed);
        let prober = prober(&hub.url, "", &format!("probe = \"{kind}\""));
        for _ in 0..3 {
            assert_eq!(probe(&prober, PLENTY).await.report.outcome, Outcome::Ok, "{kind}");
        }
        // A connection that was only opened may not have been accepted yet.
        while hub.connections.load(Ordering::Relaxed) < before + 3 {
            tokio::task::yield_now().await;
        }
        assert_eq!(hub.connections.load(Ordering::Relaxed), before + 3, "{kind}");
    }
}

#[tokio::test]
async fn the_trait_of_pingora_tells_the_same() {
    use pingora_load_balancing::{Backend, health_check::HealthCheck as _};
    let hub = scripted(|_| json(500, "")).await;
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let check = HubHealthCheck {
        prober: Arc::new(prober(&hub.url, "", "")),
        timeout: PLENTY,
        passes: 2,
        fails: 3,
        observer: Box::new(move |backend, finding, _| {
            heard.lock().expect("no panic").push((backend.addr.to_string(), finding.outcome));
        }),
    };
    let address = hub.url.trim_start_matches("http://").trim_end_matches("/mcp").to_owned();
    let error = check.check(&Backend::new(&address).expect("an address")).await.expect_err("500");
    assert_eq!(error.etype().as_str(), "http_5xx");
    assert_eq!(*told.lock().expect("no panic"), [(address, Outcome::Http5xx)]);
    assert_eq!((check.health_threshold(true), check.health_threshold(false)), (2, 3));
}
