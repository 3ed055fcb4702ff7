use super::*;
use bytes::Bytes;

const OK: Outcome = Outcome::Ok;
const RPC: Outcome = Outcome::RpcTransportError;

fn heard(status: u16, body: &str) -> Heard {
    let html = body.starts_with('<');
    Heard { status, html, body: Some(Bytes::copy_from_slice(body.as_bytes())), boot: None }
}

fn error(code: i64) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":null,"error":{{"code":{code},"message":"hunter2"}}}}"#)
}

/// Outcome, modern, legacy: `+` is served, `-` is not, `?` is not told.
fn seen(verdict: &Verdict) -> (Outcome, String) {
    let sign = |told: Option<bool>| told.map_or('?', |served| if served { '+' } else { '-' });
    assert!(!verdict.why.as_deref().unwrap_or("").contains("hunter2"), "{verdict:?}");
    assert!(verdict.why.is_some() || verdict.outcome == OK, "{verdict:?}");
    (verdict.outcome, format!("{}{}", sign(verdict.modern), sign(verdict.legacy)))
}

#[track_caller]
fn check(
    status: u16,
    body: &str,
    in_session: (Outcome, &str),
    plain: (Outcome, &str),
    pinged: (Outcome, &str),
) {
    let heard = heard(status, body);
    let expected = [in_session, plain, pinged].map(|(outcome, eras)| (outcome, eras.to_owned()));
    let found = [discover(&heard, true), discover(&heard, false), ping(&heard)].map(|verdict| seen(&verdict));
    assert_eq!(found, expected, "{status} {body}");
}

#[track_caller]
fn check_all(status: u16, body: &str, expected: (Outcome, &str)) {
    check(status, body, expected, expected, expected);
}

/// What servers in use answered when they were asked.
#[test]
fn servers_as_they_are() {
    let (legacy, alive) = ((OK, "-+"), (OK, "?+"));
    // TypeScript 1.32 (server-everything 2026.8.31).
    let body =
        r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID provided"}}"#;
    check(400, body, legacy, legacy, alive);
    let body = r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: Server not initialized"},"id":null}"#;
    check(400, body, legacy, legacy, alive);
    // Python 1.30, with sessions and without.
    let body =
        r#"{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"Session not found"}}"#;
    check(404, body, legacy, legacy, alive);
    let body = r#"{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"Bad Request: Unsupported protocol version: 2026-07-28. Supported versions: 2024-11-05"}}"#;
    check(400, body, legacy, legacy, alive);
    assert_eq!(seen(&ping(&heard(200, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#))), (OK, "?+".into()));
    // Python 2.3, which serves both and names one.
    let body = r#"{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2026-07-28"],"ttlMs":0}}"#;
    assert_eq!(seen(&discover(&heard(200, body), true)), (OK, "+?".into()));
    assert_eq!(seen(&ping(&heard(404, &error(-32600)))), (OK, "?+".into()));
    // Rust (rmcp 3.11) in text.
    check(404, "Not Found: Session not found", legacy, (RPC, "??"), alive);
    check(400, "Unsupported protocol version", legacy, legacy, alive);
    let body = r#"{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2025-03-26","2026-07-28"]}}"#;
    assert_eq!(seen(&discover(&heard(200, body), false)), (OK, "++".into()));
    // Modern only.
    let body = r#"{"error":{"code":-32022,"data":{"supported":["2026-07-28"]},"message":"m"},"id":1,"jsonrpc":"2.0"}"#;
    assert_eq!(seen(&ping(&heard(400, body))), (OK, "+-".into()));
}

#[test]
fn errors_by_code() {
    for status in [200, 400, 404] {
        check_all(status, &error(INTERNAL), (RPC, "??"));
        check(status, &error(VERSION_UNSUPPORTED), (OK, "--"), (OK, "--"), (OK, "--"));
        check(status, &error(HEADER_MISMATCH), (OK, "+?"), (OK, "+?"), (OK, "?+"));
        check(status, &error(CAPABILITY_MISSING), (OK, "+?"), (OK, "+?"), (OK, "?+"));
        check(status, &error(UNKNOWN_METHOD), (OK, "-+"), (OK, "-+"), (OK, "?+"));
    }
    for code in UPSTREAM_LOST {
        check_all(200, &error(code), (RPC, "??"));
        check(400, &error(code), (OK, "-+"), (OK, "-+"), (OK, "?+"));
    }
    check(200, &error(INVALID_PARAMS), (OK, "-+"), (OK, "-+"), (OK, "?+"));
    check(200, &error(7), (OK, "??"), (OK, "??"), (OK, "?+"));
    check(400, &error(7), (OK, "-+"), (OK, "-+"), (OK, "?+"));
    let later = r#"{"id":1,"error":{"code":-32022,"data":{"supported":["2027-01-01","2025-06-18"]}}}"#;
    check(400, later, (OK, "-+"), (OK, "-+"), (OK, "--"));
}

#[test]
fn statuses() {
    for status in [500, 502, 503, 504, 599] {
        check_all(status, &error(-32600), (Outcome::Http5xx, "??"));
        check_all(status, "", (Outcome::Http5xx, "??"));
    }
    for status in [301, 307, 401, 403, 407, 429] {
        check_all(status, "", (OK, "??"));
        check_all(status, &error(-32600), (OK, "??"));
    }
    check_all(405, "", (OK, "??"));
    check(404, "<html>nothing here</html>", (OK, "??"), (RPC, "??"), (OK, "??"));
    check(410, "", (OK, "??"), (RPC, "??"), (OK, "??"));
    check(422, "expected initialize", (OK, "-+"), (OK, "-+"), (OK, "?+"));
    check_all(400, "<html>bad</html>", (OK, "??"));
    for (status, body) in
        [(200, ""), (200, "<html>hello</html>"), (200, "[]"), (200, "{"), (202, ""), (204, "")]
    {
        check_all(status, body, (RPC, "??"));
    }
}

#[test]
fn a_result_must_be_ours() {
    for body in [
        r#"{"jsonrpc":"2.0","id":2,"result":{"supportedVersions":["2026-07-28"]}}"#,
        r#"{"jsonrpc":"2.0","id":"1","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":null,"result":{}}"#,
        r#"{"jsonrpc":"2.0","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":null}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{},"result":{}}"#,
        r#"[1,{},null]"#,
        r#"{"jsonrpc":"2.0","id":1,"error":"no"}"#,
    ] {
        check_all(200, body, (RPC, "??"));
    }
    for versions in ["", r#""supportedVersions":7"#, r#""supportedVersions":"2026-07-28""#] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{{versions}}}}}"#);
        assert_eq!(seen(&discover(&heard(200, &body), false)), (OK, "??".into()), "{body}");
    }
    for (versions, eras) in [("[]", "-?"), (r#"["2025-11-25"]"#, "-+"), (r#"[1,{},"2026-07-28"]"#, "+?")] {
        let body = format!(r#"{{"id":1,"result":{{"supportedVersions":{versions}}}}}"#);
        assert_eq!(seen(&discover(&heard(200, &body), false)), (OK, eras.into()), "{body}");
    }
}

proptest::proptest! {
    #[test]
    fn no_answer_panics(status in 200..600_u16, body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), deep in 0..3000_usize) {
        let nested = [br#"{"id":1,"result":{"tools":"#.repeat(deep), body.clone()].concat();
        for body in [body, nested] {
            let heard = Heard { status, html: false, body: Some(body.into()), boot: None };
            let _ = (discover(&heard, true), ping(&heard), canary(&heard), tools(&heard, "x"));
        }
    }
}
