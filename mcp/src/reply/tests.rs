use super::*;
use crate::era::ProtocolVersion;
use serde_json::{Value, json};

const SUPPORTED: [ProtocolVersion; 2] = [ProtocolVersion::V2026_07_28, ProtocolVersion::V2025_11_25];

fn every() -> [Failure<'static>; 30] {
    use Failure::*;
    [
        BadHead,
        ClientTooSlow,
        UriTooLong,
        HeadTooLarge,
        BodyTooLarge,
        UnknownPath,
        MethodNotAllowed,
        HostNotAllowed,
        OriginNotAllowed,
        ContentType,
        NotAcceptable,
        BadJson,
        BadEnvelope,
        HeaderMismatch { detail: "Mcp-Name is missing" },
        VersionUnsupported { requested: "1999-01-01", supported: &SUPPORTED },
        EraNotServed { supported: &SUPPORTED },
        SessionRequired,
        SessionUnknown,
        NothingFollows,
        TooManyStreams,
        ResidencyRefused,
        NoHub,
        HubUnreachable,
        HubTimeout,
        HubBroke,
        HubGarbled,
        HubError { status: 500 },
        HubError { status: 200 },
        Overloaded,
        ShuttingDown,
    ]
}

const SCOPES: [Scope; 3] = [Scope::Legacy, Scope::LegacySession, Scope::Modern];

fn id() -> RawId<'static> {
    RawId::parse("\"a\"").unwrap()
}

/// `expected` is the status and code outside a session, then those inside, for a request with an id.
fn check(failure: Failure<'_>, outside: (u16, i32), inside: (u16, i32)) {
    for (scope, expected) in [(Scope::Legacy, outside), (Scope::LegacySession, inside)] {
        let answer = answer(&failure, scope, Asked::One(id()));
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(
            (answer.status, body["error"]["code"].as_i64()),
            (expected.0, Some(expected.1.into())),
            "{failure:?}"
        );
        assert_eq!(body["id"], "a");
        assert_eq!(body["error"]["data"]["reason"], failure.reason());
    }
}

#[test]
fn failures_behind_the_gateway_are_in_band_inside_a_session() {
    for failure in every().into_iter().filter(|failure| failure.fault() != Fault::Client) {
        check(failure, (failure.status(), -32603), (200, -32603));
    }
    check(Failure::NoHub, (503, -32603), (200, -32603));
    check(Failure::HubTimeout, (504, -32603), (200, -32603));
    check(Failure::HubBroke, (502, -32603), (200, -32603));
    check(Failure::HubError { status: 507 }, (507, -32603), (200, -32603));
}

#[test]
fn the_clients_own_mistakes_keep_their_status() {
    check(Failure::SessionUnknown, (404, -32600), (404, -32600));
    check(Failure::SessionRequired, (400, -32600), (400, -32600));
    check(Failure::BadJson, (400, -32700), (400, -32700));
    check(Failure::BodyTooLarge, (413, -32600), (413, -32600));
    check(Failure::ContentType, (415, -32600), (415, -32600));
    check(Failure::NotAcceptable, (406, -32600), (406, -32600));
    check(Failure::OriginNotAllowed, (403, -32600), (403, -32600));
    check(Failure::NothingFollows, (405, -32600), (405, -32600));
    check(Failure::TooManyStreams, (409, -32600), (409, -32600));
}

#[test]
fn modern_codes_are_for_those_who_know_them() {
    let unsupported = Failure::VersionUnsupported { requested: "1999-01-01", supported: &SUPPORTED };
    let answer = answer(&unsupported, Scope::Modern, Asked::One(id()));
    assert_eq!(answer.status, 400);
    let expected = json!({
        "jsonrpc": "2.0",
        "id": "a",
        "error": {
            "code": -32022,
            "message": "Unsupported protocol version",
            "data": {
                "reason": "version_unsupported",
                "requested": "1999-01-01",
                "supported": ["2026-07-28", "2025-11-25"],
            },
        },
    });
    assert_eq!(serde_json::from_slice::<Value>(&answer.body).unwrap(), expected);
    // The version decides the era; an unknown one has none, and the client must hear which there are.
    assert_eq!(unsupported.code(Scope::Legacy), -32022);
    assert_eq!(Failure::HeaderMismatch { detail: "" }.code(Scope::Modern), -32020);
    assert_eq!(Failure::HeaderMismatch { detail: "" }.code(Scope::Legacy), -32600);
    // A client that speaks both eras falls back on anything but a modern code.
    assert_eq!(Failure::EraNotServed { supported: &[] }.code(Scope::Modern), -32600);
}

#[test]
fn no_body_ever_has_a_null_id_and_no_code_is_invented() {
    let ids = [id(), RawId::parse("1").unwrap()];
    for failure in every() {
        for scope in SCOPES {
            assert!(CODES.contains(&failure.code(scope)));
            for asked in [Asked::Unknown, Asked::Nothing, Asked::One(id()), Asked::Many(&ids)] {
                let answer = answer(&failure, scope, asked);
                if answer.body.is_empty() {
                    assert_eq!(answer.status, 202);
                    continue;
                }
                let body: Value = serde_json::from_slice(&answer.body).unwrap();
                let errors = body.as_array().cloned().unwrap_or_else(|| vec![body]);
                assert_eq!(errors.len(), if matches!(asked, Asked::Many(_)) { 2 } else { 1 });
                for error in errors {
                    assert!(error.get("id") != Some(&Value::Null));
                    assert_eq!(error["error"]["code"], failure.code(scope));
                }
            }
        }
    }
}

#[test]
fn inside_a_session_only_the_clients_own_mistakes_have_an_error_status() {
    for failure in every() {
        let statuses = [Asked::Nothing, Asked::One(id())]
            .map(|asked| answer(&failure, Scope::LegacySession, asked).status);
        let expected = if failure.fault() == Fault::Client { [failure.status(); 2] } else { [202, 200] };
        assert_eq!(statuses, expected, "{failure:?}");
    }
    // A GET or DELETE has no id to answer, and so no band to answer in.
    assert_eq!(answer(&Failure::NoHub, Scope::LegacySession, Asked::Unknown).status, 503);
}

#[test]
fn headers_that_go_with_a_status() {
    for failure in every() {
        for scope in SCOPES {
            let answer = answer(&failure, scope, Asked::Unknown);
            assert_eq!(answer.retry_after.is_some(), answer.status == 503, "{failure:?}");
            assert_eq!(answer.allow.is_some(), answer.status == 405, "{failure:?}");
        }
    }
    assert_eq!(answer(&Failure::MethodNotAllowed, Scope::Modern, Asked::Unknown).allow, Some("POST"));
    assert_eq!(
        answer(&Failure::MethodNotAllowed, Scope::Legacy, Asked::Unknown).allow,
        Some("GET, POST, DELETE")
    );
    assert!(answer(&Failure::BadHead, Scope::Legacy, Asked::Unknown).close);
    assert!(!answer(&Failure::BadJson, Scope::Legacy, Asked::Unknown).close);
}

#[test]
fn strangers_words_stay_inside_their_string() {
    let requested = "2025\"},\"id\":null,\r\n\u{0}é";
    let failure = Failure::VersionUnsupported { requested, supported: &[] };
    let body: Value = serde_json::from_slice(&failure.body(Scope::Modern, Asked::Unknown)).unwrap();
    assert_eq!(body["error"]["data"]["requested"], requested);
    assert!(body.get("id").is_none());
    let plain = error_body(Some(RawId::parse("7").unwrap()), -32603, "a \"b\"", Some("[1]"));
    assert_eq!(plain, br#"{"jsonrpc":"2.0","id":7,"error":{"code":-32603,"message":"a \"b\"","data":[1]}}"#);
    assert_eq!(
        error_body(None, -32700, "x", None),
        br#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"x"}}"#
    );
}
