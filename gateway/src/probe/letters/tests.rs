use super::*;
use bytes::BytesMut;
use mcphub_http1::head::HeadScan;
use mcphub_http1::{Framing, HeadLimits, Known, RequestHead};
use mcphub_mcp::{EraDecision, Kind, ModernHeaders, envelope, era, peek};

/// Era, method, whether in a session, and the body, as our own strict readers see them.
fn read(letter: &[u8]) -> (bool, String, bool, String) {
    let (mut buffer, limits) = (BytesMut::from(letter), HeadLimits::default());
    let head =
        RequestHead::take(&mut buffer, &mut HeadScan::default(), &limits).expect("strict").expect("whole");
    assert_eq!(head.framing, Framing::Length(buffer.len() as u64));
    assert_eq!(head.fields.get(Known::Host), Some(&b"h:3001"[..]));
    let envelope = peek(&buffer, envelope::DEPTH_MAX).expect("a message");
    let Kind::Request { method, .. } = &envelope.kind else { panic!("{envelope:?}") };
    let field =
        |name: &str| head.fields.iter().find(|(n, ..)| n.eq_ignore_ascii_case(name.as_bytes())).map(|f| f.1);
    let modern = match era(field("mcp-protocol-version")) {
        EraDecision::Modern(_) => {
            let headers = ModernHeaders::read(field("mcp-method"), field("mcp-name")).expect("headers");
            assert_eq!((&*headers.method, headers.name.as_deref()), (&**method, envelope.tool()));
            true
        }
        EraDecision::Legacy(Some(_)) => false,
        other => panic!("{other:?}"),
    };
    let body = String::from_utf8(buffer.to_vec()).expect("text");
    (modern, method.to_string(), field("mcp-session-id").is_some(), body)
}

#[test]
fn every_letter_says_in_its_headers_what_it_says_in_its_body() {
    let url = mcphub_conf::settings::HubUrl {
        scheme: mcphub_conf::settings::HubScheme::Http,
        host: "h".to_owned(),
        port: 3001,
        path: "/mcp".to_owned(),
    };
    let canary = Canary { tool: "a\"b".to_owned(), arguments: r#"{"x":[1]}"#.to_owned() };
    let letters = Letters::new(&url, Some(&canary));
    let check = |letter: &[u8], modern, method: &str, in_session, part: &str| {
        let (is_modern, called, named, body) = read(letter);
        assert_eq!((is_modern, called.as_str(), named), (modern, method, in_session));
        assert!(body.contains(part) && modern == body.contains("clientCapabilities"), "{body}");
    };
    check(&letters.discover, true, "server/discover", false, "2026-07-28");
    check(&letters.discover_or_refuse, true, "server/discover", true, "2026-07-28");
    check(&letters.ping, false, "ping", true, "");
    check(&letters.tools(None), true, "tools/list", false, "");
    let cursor = RawValue::from_string(r#""p\"1""#.to_owned()).expect("JSON");
    check(&letters.tools(Some(&cursor)), true, "tools/list", false, r#""cursor":"p\"1","#);
    check(
        letters.canary.as_deref().expect("a canary"),
        true,
        "tools/call",
        false,
        r#""arguments":{"x":[1]}"#,
    );
}
