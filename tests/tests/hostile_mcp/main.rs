//! Does each malformed or foreign MCP message get its documented answer, in both eras, without reaching a hub?

mod bodies;
mod sessions;

use bodies::{no_json, no_message};
use std::fmt::Write as _;
use std::net::SocketAddr;

use mcphub_tests::Gateway;
use mcphub_tests::raw_edge::{plain_config, plain_edge};
use mcphub_tests::raw_http::{Answer, Cut, RawClient};
use mcphub_tests::raw_hub::RawHub;
use mcphub_tests::raw_mcp::{Request, open_session};
use mcphub_tests::raw_script::{LEGACY, legacy_call, mcp};
use mcphub_tests::relay::Relay;
use serde_json::{Value, json};

/// What a hub's own session ids contain; no client may see it.
const INNER: &str = "-inner-";

/// Where a case may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// No byte reaches the hub.
    Never,
    /// The hub judges.
    May,
    /// The hub sees exactly one request.
    Once,
}

struct Case {
    name: String,
    request: Request,
    statuses: &'static [u16],
    /// The JSON-RPC codes that fit, where the body must be an error.
    codes: &'static [i64],
    reach: Reach,
}

fn case(name: impl Into<String>, request: Request, statuses: &'static [u16], reach: Reach) -> Case {
    Case { name: name.into(), request, statuses, codes: &[], reach }
}

impl Case {
    fn codes(self, codes: &'static [i64]) -> Self {
        Self { codes, ..self }
    }
}

/// A gateway (or what stands in for one), the hub behind it, and one open session.
struct Rig<Between = Gateway> {
    hub: RawHub,
    _between: Between,
    address: SocketAddr,
    host: String,
    session: String,
}

impl Rig {
    async fn start() -> Self {
        let hub = RawHub::start(mcp("raw")).await.expect("a hub on loopback");
        let gateway = plain_edge(&hub).await.expect("the gateway starts");
        let address = gateway.listener();
        Self::over(hub, gateway, address).await
    }
}

impl<Between> Rig<Between> {
    async fn over(hub: RawHub, between: Between, address: SocketAddr) -> Self {
        let session = open_session(address, LEGACY, "").await.expect("a session");
        Self { hub, _between: between, address, host: address.to_string(), session }
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn call(&self, body: impl Into<Vec<u8>>) -> Request {
        Request::legacy(&self.host, &self.session, body)
    }

    async fn judge(&self, case: &Case) -> Result<Answer, String> {
        self.hub.take();
        let answer = case.request.send(self.address()).await.map_err(|e| format!("{e:#}"))?;
        let text = answer.text();
        if !case.statuses.contains(&answer.status) {
            return Err(format!("answered {} {text:.200}, wanted {:?}", answer.status, case.statuses));
        }
        if !case.codes.is_empty() && answer.status != 200 {
            let json = answer.json();
            let code =
                json["error"]["code"].as_i64().ok_or_else(|| format!("no JSON-RPC error: {text:.200}"))?;
            if !case.codes.contains(&code) {
                return Err(format!("code {code}, wanted {:?}", case.codes));
            }
            // Clients hang on it, or end their session (measured with two SDKs).
            if json.get("id").is_some_and(Value::is_null) {
                return Err("an error with id null".into());
            }
        }
        let shown = format!("{:?}{text}", answer.fields);
        if shown.contains(INNER) {
            return Err(format!("the hub's own session id shows: {shown}"));
        }
        let log = self.hub.log();
        if let Some(seen) = log.requests.iter().find(|s| s.fields.iter().any(|(_, v)| v == &self.session)) {
            return Err(format!("the client's session id reached the hub: {:?}", seen.fields));
        }
        match case.reach {
            Reach::Never if log.bytes > 0 => Err(format!("{} bytes reached the hub", log.bytes)),
            Reach::Once if log.requests.len() != 1 => {
                Err(format!("the hub saw {} requests", log.requests.len()))
            }
            _ if !log.strays.is_empty() => Err(format!("strays {:?}", log.strays)),
            _ => Ok(answer),
        }
    }

    async fn judge_all(&self, cases: &[Case], at_least: usize) {
        assert!(cases.len() >= at_least, "{} cases", cases.len());
        let clean = case(
            "the clean request after it",
            self.call(legacy_call(7, "echo", &json!({}))),
            &[200],
            Reach::Once,
        );
        let mut flaws = String::new();
        for case in cases {
            for case in [case, &clean] {
                if let Err(flaw) = self.judge(case).await {
                    let _ = writeln!(flaws, "{}: {flaw}", case.name);
                }
            }
        }
        assert!(flaws.is_empty(), "{flaws}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn legacy_bodies_that_are_no_message_never_reach_a_hub() {
    let rig = Rig::start().await;
    let mut cases = Vec::new();
    for (name, body) in no_json() {
        cases.push(case(name, rig.call(body.clone()), &[400], Reach::Never).codes(&[-32700, -32600]));
        let name = format!("{name}, outside a session");
        cases.push(case(name, Request::post(&rig.host, body), &[400], Reach::Never).codes(&[-32700, -32600]));
    }
    for (name, body) in no_message() {
        cases.push(case(name, rig.call(body.clone()), &[400], Reach::Never).codes(&[-32600, -32700]));
        let name = format!("{name}, outside a session");
        cases.push(case(name, Request::post(&rig.host, body), &[400], Reach::Never).codes(&[-32600, -32700]));
    }
    rig.judge_all(&cases, 100).await;
}

/// Proves that the tables bite: what hands everything to the hub fails them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_fails_what_a_gateway_must_refuse() {
    let hub = RawHub::start(mcp("raw")).await.expect("a hub on loopback");
    let relay = Relay::faithful(hub.address).await.expect("a relay on loopback");
    let address = relay.address();
    let rig = Rig::over(hub, relay, address).await;
    let bodies =
        no_json().into_iter().chain(no_message().into_iter().map(|(name, body)| (name, body.into_bytes())));
    let mut cases: Vec<_> =
        bodies.map(|(name, body)| case(name, rig.call(body), &[400], Reach::Never)).collect();
    let call = || rig.call(legacy_call(1, "echo", &json!({})));
    cases.extend([
        case("an origin", call().with("Origin: http://evil.example\r\n"), &[403], Reach::Never),
        case("a type", Request { content_type: Some("text/plain".into()), ..call() }, &[415], Reach::Never),
        case("a path", call().line("POST /other"), &[404], Reach::Never),
        case("a session id that is the hub's own", call(), &[200], Reach::Once),
    ]);
    for case in cases {
        assert!(rig.judge(&case).await.is_err(), "a relay passes as a gateway with {}", case.name);
    }
}

/// Modern bodies are the hub's to judge: the gateway routes on the headers. It stands, and passes the judgement on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn modern_bodies_are_judged_by_the_hub() {
    let rig = Rig::start().await;
    let mut cases = Vec::new();
    for (name, body) in no_json() {
        let mut request = Request::modern(&rig.host, 1, "ping", "", json!({}));
        request.body = body;
        cases.push(case(name, request, &[400], Reach::May).codes(&[-32700, -32600]));
    }
    rig.judge_all(&cases, 30).await;
}

/// Odd, and right: passed on as they are, and answered with their own id.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_messages_that_are_right_pass() {
    let rig = Rig::start().await;
    let ids = ["0", "-1", "9007199254740993", "\"\"", "\"a b\"", "\"\u{1F980}\"", "\"1\"", r#""\u0041\"""#];
    for id in ids {
        let body =
            format!(r#"{{"id":{id},"method":"tools/call","params":{{"name":"echo"}},"jsonrpc":"2.0"}}"#);
        let answer = rig.judge(&case(id, rig.call(body), &[200], Reach::Once)).await.expect(id);
        let expected: Value = serde_json::from_str(id).expect("an id");
        assert_eq!(answer.json()["id"], expected);
    }
    let deep = format!("{}{}", "[".repeat(40), "]".repeat(40));
    let bodies = [
        ("40 deep", format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo","arguments":{{"a":{deep}}}}}}}"#)),
        ("a member nobody knows", r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{},"x":[1]}"#.into()),
        ("a method nobody knows", r#"{"jsonrpc":"2.0","id":1,"method":"x/y"}"#.into()),
        ("spaces around", "\r\n\t {\"jsonrpc\":\"2.0\" , \"id\" : 1,\"method\":\"ping\"} \r\n".into()),
        ("an escaped surrogate pair", r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\ud83e\udd80"}}"#.into()),
        ("a large number", r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":1e300,"b":123456789012345678901234567890}}"#.into()),
        ("1,000 keys", format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{{}}}}}"#, (0..1000).map(|n| format!("\"k{n}\":{n}")).collect::<Vec<_>>().join(","))),
    ];
    for (name, body) in bodies {
        let sent = body.clone();
        rig.judge(&case(name, rig.call(body), &[200], Reach::Once)).await.expect(name);
        assert_eq!(
            String::from_utf8_lossy(&rig.hub.log().requests[0].body),
            sent,
            "{name} was changed on its way"
        );
    }
}

/// Batches exist in 2025-03-26 only; they go whole to one hub or are refused, and are never split.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_stay_whole() {
    let rig = Rig::start().await;
    let two = r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"notifications/x"}]"#;
    for version in ["2025-03-26", "2025-06-18", LEGACY] {
        let session = open_session(rig.address(), version, "").await.expect("a session");
        let request = Request::post(&rig.host, two)
            .with(&format!("Mcp-Session-Id: {session}\r\nMCP-Protocol-Version: {version}\r\n"));
        rig.judge(&case(version, request, &[200, 202, 400], Reach::May)).await.expect(version);
        let log = rig.hub.log();
        assert!(
            log.requests.len() <= 1 && log.requests.iter().all(|seen| seen.body == two.as_bytes()),
            "{version}"
        );
    }
    let many = format!("[{}]", vec![r#"{"jsonrpc":"2.0","method":"x"}"#; 5000].join(","));
    rig.judge(&case("a batch of 5,000", rig.call(many), &[400, 413], Reach::Never)).await.expect("refused");
    let opening = format!("[{}]", mcphub_tests::raw_script::initialize_body(LEGACY));
    let request = Request::post(&rig.host, opening);
    rig.judge(&case("initialize in a batch", request, &[200, 202, 400], Reach::May)).await.expect("answered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn types_versions_methods_and_paths_are_checked_before_the_hub() {
    let rig = Rig::start().await;
    let body = || legacy_call(1, "echo", &json!({}));
    let mut cases = Vec::new();
    for kind in [
        "text/plain",
        "application/xml",
        "text/json",
        "application/jsonx",
        "application/json-rpc",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "",
        "json",
        "application",
        "application/",
        "text/html, application/json",
        "*/*",
    ] {
        for mut request in [rig.call(body()), Request::modern(&rig.host, 1, "tools/list", "", json!({}))] {
            request.content_type = Some(kind.into());
            cases.push(case(format!("content-type {kind:?}"), request, &[400, 415], Reach::Never));
        }
    }
    for kind in ["application/json; charset=utf-8", "Application/JSON", "application/json;x=\"a;b\""] {
        let mut request = rig.call(body());
        request.content_type = Some(kind.into());
        cases.push(case(format!("content-type {kind:?}"), request, &[200], Reach::Once));
    }
    let mut untyped = rig.call(body());
    untyped.content_type = None;
    cases.push(case("no content-type", untyped, &[400, 415], Reach::Never));
    cases.push(case(
        "a coded body",
        rig.call(body()).with("Content-Encoding: gzip\r\n"),
        &[400, 415],
        Reach::Never,
    ));
    for accept in [None, Some("text/html"), Some("application/json"), Some("text/event-stream"), Some("")] {
        let mut request = rig.call(body());
        request.accept = accept.map(str::to_owned);
        cases.push(case(format!("accept {accept:?}"), request, &[406], Reach::May));
    }
    for accept in [None, Some("application/json"), Some("text/html"), Some("text/plain;q=1")] {
        let mut request = Request::stream(&rig.host, &rig.session);
        request.accept = accept.map(str::to_owned);
        cases.push(case(format!("GET with accept {accept:?}"), request, &[406], Reach::Never));
    }
    for version in [
        "1999-01-01",
        "2026-07-29",
        "2099-01-01",
        "draft",
        "latest",
        "2025-11-25x",
        "2025-06-18, 2025-11-25",
        "2025-11-25;q=1",
        "1.0",
        "2025_11_25",
        "\"2025-11-25\"",
    ] {
        let request = Request::post(&rig.host, body())
            .with(&format!("Mcp-Session-Id: {}\r\nMCP-Protocol-Version: {version}\r\n", rig.session));
        cases.push(
            // The hub alone knows which it supports; whoever says so, it is a 400.
            case(format!("version {version:?}"), request, &[400], Reach::May)
                .codes(&[-32600, -32602, -32020, -32022]),
        );
    }
    for method in ["PUT", "PATCH", "OPTIONS", "FOO", "TRACE"] {
        let line = format!("{method} /mcp");
        cases.push(case(line.clone(), rig.call(body()).line(&line), &[405, 501], Reach::Never));
    }
    for path in ["/", "/mcpx", "/mcp.json", "/sse", "/message", "/.well-known/openid-configuration"] {
        cases.push(case(path, rig.call(body()).line(&format!("POST {path}")), &[404], Reach::Never));
    }
    cases.push(case(
        "POST to the metadata",
        rig.call(body()).line("POST /.well-known/oauth-protected-resource"),
        &[404, 405],
        Reach::Never,
    ));
    let mut metadata = Request::post(&rig.host, "").line("GET /.well-known/oauth-protected-resource/mcp");
    metadata.content_type = None;
    cases.push(case("GET of the metadata", metadata, &[200], Reach::Once));
    rig.judge_all(&cases, 60).await;
}

/// What the modern era took away, and what it asks for (2026-07-28, streamable HTTP).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn modern_headers_are_checked_before_the_hub() {
    let rig = Rig::start().await;
    let modern = "MCP-Protocol-Version: 2026-07-28\r\n";
    let body = mcphub_tests::raw_script::modern_body(1, "tools/call", json!({"name": "echo"}));
    let with = |lines: &str| Request::post(&rig.host, body.clone()).with(modern).with(lines);
    let mut cases = vec![
        case("no method", with(""), &[400], Reach::Never).codes(&[-32020]),
        case("an empty method", with("Mcp-Method:\r\n"), &[400], Reach::Never).codes(&[-32020]),
        case("a method of two words", with("Mcp-Method: tools call\r\nMcp-Name: x\r\n"), &[400], Reach::May),
        case(
            "a method of 5,000 letters",
            with(&format!("Mcp-Method: {}\r\n", "x".repeat(5000))),
            &[200, 400, 404],
            Reach::May,
        ),
        case("a method nobody knows", with("Mcp-Method: x/y\r\n"), &[200, 404], Reach::Once),
        case("a session id", with("Mcp-Method: tools/list\r\nMcp-Session-Id: x\r\n"), &[200], Reach::Once),
        case(
            "a broken base64 name",
            with("Mcp-Method: tools/call\r\nMcp-Name: =?base64?%%%?=\r\n"),
            &[400],
            Reach::Never,
        )
        .codes(&[-32020]),
        case(
            "a param nobody knows",
            with("Mcp-Method: tools/call\r\nMcp-Name: echo\r\nMcp-Param-Region: x\r\n"),
            &[200],
            Reach::Once,
        ),
    ];
    for method in ["tools/call", "prompts/get", "resources/read"] {
        let request = with(&format!("Mcp-Method: {method}\r\n"));
        cases.push(case(format!("{method} without a name"), request, &[400], Reach::Never).codes(&[-32020]));
    }
    for line in ["GET /mcp", "DELETE /mcp", "PUT /mcp"] {
        let mut request =
            Request::post(&rig.host, "").with(modern).with("Mcp-Method: tools/list\r\n").line(line);
        request.content_type = None;
        cases.push(case(format!("{line} in the modern era"), request, &[405, 501], Reach::Never));
    }
    rig.judge_all(&cases, 14).await;

    // The session header means nothing any more and does not travel; the parameters nobody knows do.
    rig.judge(&cases[5]).await.expect("a session id is ignored");
    assert_eq!(rig.hub.log().requests[0].field("mcp-session-id"), None);
    rig.judge(&cases[7]).await.expect("parameters pass");
    assert_eq!(rig.hub.log().requests[0].field("mcp-param-region"), Some("x"));

    let get = Request::post(&rig.host, "").with(modern).line("GET /mcp");
    let answer = get.send(rig.address()).await.expect("an answer");
    assert_eq!((answer.status, answer.field("allow")), (405, Some("POST")));
    let put = rig.call("{}").line("PUT /mcp").send(rig.address()).await.expect("an answer");
    let allow = put.field("allow").expect("405 says what is allowed").to_owned();
    assert!(["POST", "GET", "DELETE"].iter().all(|method| allow.contains(method)), "{allow}");
}

/// Browsers are kept out unless they were invited.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_origins_and_hosts_are_refused() {
    let rig = Rig::start().await;
    let body = || legacy_call(1, "echo", &json!({}));
    let host = rig.host.clone();
    let port = rig.address().port();
    let mut cases = Vec::new();
    for origin in [
        "http://evil.example".to_owned(),
        "https://evil.example".into(),
        "null".into(),
        String::new(),
        "file://".into(),
        "*".into(),
        format!("http://{host}.evil.example"),
        format!("http://evil.example#{host}"),
        format!("http://{host}@evil.example"),
        format!("http://evil.example/{host}"),
        "http://127.0.0.1".into(),
        "http://127.0.0.1:1".into(),
        "http://localhost:1".into(),
        format!("http://[::1]:{port}"),
        format!("http://0.0.0.0:{port}"),
        "chrome-extension://abc".into(),
        host.clone(),
        format!("//{host}"),
        format!("ftp://{host}"),
        format!("http://{host}, http://evil.example"),
        format!("http://evil.example http://{host}"),
        format!("http://{host}/"),
    ] {
        let line = format!("Origin: {origin}\r\n");
        cases.push(case(line.clone(), rig.call(body()).with(&line), &[403], Reach::Never));
        let modern = Request::modern(&host, 1, "tools/list", "", json!({})).with(&line);
        cases.push(case(format!("modern {line}"), modern, &[403], Reach::Never));
        let opening = Request::initialize(&host, LEGACY).with(&line);
        cases.push(case(format!("initialize {line}"), opening, &[403], Reach::Never));
    }
    cases.push(case(
        "our own origin",
        rig.call(body()).with(&format!("Origin: http://{host}\r\n")),
        &[200],
        Reach::Once,
    ));
    for foreign in [
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "127.0.0.1:1",
        "169.254.169.254",
        "0.0.0.0",
    ] {
        let mut request = rig.call(body());
        request.host = foreign.into();
        cases.push(case(format!("host {foreign}"), request, &[400, 403, 421], Reach::Never));
        let mut stream = Request::stream(&host, &rig.session);
        stream.host = foreign.into();
        cases.push(case(format!("GET with host {foreign}"), stream, &[400, 403, 421], Reach::Never));
    }
    rig.judge_all(&cases, 70).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_beyond_the_limit_are_refused_before_they_are_read() {
    const LIMIT: usize = 4 << 20;
    let rig = Rig::start().await;
    let padded = |size: usize| {
        let start =
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"a":""#;
        let end = r#""}}}"#;
        format!("{start}{}{end}", "x".repeat(size - start.len() - end.len()))
    };
    let cases = [
        case("1 MiB", rig.call(padded(1 << 20)), &[200], Reach::Once),
        case("exactly the limit", rig.call(padded(LIMIT)), &[200], Reach::Once),
        case("a byte more", rig.call(padded(LIMIT + 1)), &[413], Reach::Never),
        case("5 MiB", rig.call(padded(5 << 20)), &[413], Reach::Never),
        case(
            "a GET with a body",
            {
                let mut request = Request::stream(&rig.host, &rig.session);
                request.content_type = Some("application/json".into());
                request.body = b"{}".to_vec();
                request
            },
            &[400, 413, 415],
            Reach::Never,
        ),
    ];
    rig.judge_all(&cases, 5).await;
    let mut modern = Request::modern(&rig.host, 1, "tools/list", "", json!({}));
    modern.body = padded(5 << 20).into_bytes();
    rig.judge(&case("5 MiB, modern", modern, &[413], Reach::Never)).await.expect("413");

    // The same in chunks, where no length announces it.
    rig.hub.take();
    let mut request = rig.call("");
    request.content_type = None;
    request.lines += "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n";
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000)).repeat(80);
    let bytes = [request.bytes(), chunk.into_bytes(), b"0\r\n\r\n".to_vec()].concat();
    let mut client = RawClient::connect(rig.address()).await.expect("a connection");
    let _ = client.send_cut(&bytes, Cut::Whole).await;
    assert_eq!(client.answer().await.map(|answer| answer.status), Ok(413));
    assert_eq!(rig.hub.log().bytes, 0);
}

/// A size that the operator set is the size that holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_are_the_operators() {
    let hub = RawHub::start(mcp("raw")).await.expect("a hub on loopback");
    let limits = "[limits]\nrequest_body = \"2KiB\"\njson_depth = 8\n";
    let gateway = Gateway::start(plain_config(&hub).section(limits)).await.expect("the gateway starts");
    let host = gateway.listener().to_string();
    let session = open_session(gateway.listener(), LEGACY, "").await.expect("a session");
    let send = async |body: String| {
        let request = Request::legacy(&host, &session, body);
        request.send(gateway.listener()).await.expect("an answer").status
    };
    assert_eq!(send(legacy_call(1, "echo", &json!({"a": "x".repeat(1000)}))).await, 200);
    assert_eq!(send(legacy_call(1, "echo", &json!({"a": "x".repeat(3000)}))).await, 413);
    assert_eq!(send(legacy_call(1, "echo", &json!([[[[[[[[1]]]]]]]]))).await, 400);
}
