//! Who is speaking, and which fields go no further? The header block (RFC 9110 sections 5 and 7).

use super::{BAD, Case, Expect, FINE, HOST, absent, good_body, good_fields, post_with};

/// Too large a header block.
const LARGE: Expect = Expect::Refused(&[400, 431]);
/// Another host than this one, or none that can be read.
const ELSEWHERE: Expect = Expect::Declined(&[400, 403, 421]);
/// An expectation that nobody can meet.
const UNMET: Expect = Expect::Declined(&[400, 417]);
/// A client's address that only a trusted proxy may give.
pub const SPOOF: &str = "203.0.113.9";

/// Host, field syntax, sizes, repetition, hop-by-hop fields, aliases, injection.
pub fn cases() -> Vec<Case> {
    [hosts(), syntax(), sizes(), repeated(), hops(), aliases(), claims(), injected(), expectations()].concat()
}

fn with(name: &str, lines: &str, expect: Expect) -> Case {
    Case::new(name, post_with(lines), expect)
}

/// A good request with these lines in place of Host.
fn hosted(name: &str, version: &str, lines: &str, expect: Expect) -> Case {
    let body = good_body();
    let (length, fields) = (body.len(), good_fields());
    Case::new(
        name,
        format!("POST /mcp {version}\r\n{lines}{fields}Content-Length: {length}\r\n\r\n{body}"),
        expect,
    )
}

fn hosts() -> Vec<Case> {
    let host = |value: &str, expect| {
        hosted(&format!("host {value:?}"), "HTTP/1.1", &format!("Host: {value}\r\n"), expect)
    };
    let either = Expect::Either(&[400, 403, 421], |_| Ok(()));
    let same = format!("Host: {HOST}\r\n");
    let mut cases = vec![
        hosted("no host", "HTTP/1.1", "", BAD),
        hosted("no host in HTTP/1.0", "HTTP/1.0", "", ELSEWHERE),
        hosted("a host in HTTP/1.0", "HTTP/1.0", &same, Expect::Either(&[400, 426, 505], |_| Ok(()))),
        hosted("host twice, the same", "HTTP/1.1", &same.repeat(2), BAD),
        hosted("host twice, ours first", "HTTP/1.1", &format!("{same}Host: evil.example\r\n"), BAD),
        hosted("host twice, ours last", "HTTP/1.1", &format!("Host: evil.example\r\n{same}"), BAD),
        hosted("host behind a space", "HTTP/1.1", &format!(" {same}"), BAD),
        hosted("host with a space before the colon", "HTTP/1.1", &format!("Host : {HOST}\r\n"), BAD),
        hosted("host on a folded line", "HTTP/1.1", &format!("Host:\r\n {HOST}\r\n"), BAD),
        hosted("a second host in a folded line", "HTTP/1.1", &format!("{same} evil.example\r\n"), BAD),
    ];
    cases.extend(
        [
            "",
            " ",
            "a@{H}",
            "{H}/x",
            "{H}?x",
            "{H}#x",
            "http://{H}",
            "{H}, evil.example",
            "{H},{H}",
            "{H} {H}",
            "127.0.0.1:abc",
            "127.0.0.1:99999",
            "127.0.0.1:-1",
            "127.0.0.1:80:80",
            "[::1",
            "::1]",
            "[::g]",
            "evil.example",
            "evil.example:80",
            "127.0.0.1.evil.example",
            "*",
            "..",
            "a\tb",
            "%31%32%37.0.0.1",
            "host_with\\backslash",
            "éxample.com",
            "0x7f.1",
            "2130706433",
            "169.254.169.254",
            "\"127.0.0.1\"",
            "<x>",
            "127.0.0.1;x",
        ]
        .map(|value| host(value, ELSEWHERE)),
    );
    cases.extend(["localhost.", "127.0.0.1:", "{H}."].map(|value| host(value, either)));
    cases.push(host("{H}\0", BAD));
    cases.push(host("{H}\x01", BAD));
    cases
}

fn syntax() -> Vec<Case> {
    let names = [
        "X A", "X\tA", "X\0A", "X\x01A", "X\x7fA", "X(A)", "X,A", "X;A", "X/A", "X@A", "X[A]", "X{A}",
        "X\"A\"", "X=A", "X\\A", "Xé", " X", "\tX", "X ", "\x0bX", "",
    ];
    let values =
        ["\0", "a\0b", "\x01", "a\x08", "a\x0b", "a\x0cb", "a\x1bb", "\x7f", "a\rb", "a\nb", "\ra", "a\r\r"];
    let mut cases: Vec<_> =
        names.map(|name| with(&format!("field name {name:?}"), &format!("{name}: b\r\n"), BAD)).into();
    cases.extend(
        values.map(|value| with(&format!("field value {value:?}"), &format!("X-A: {value}\r\n"), BAD)),
    );
    cases.extend([
        with("a line without colon", "nonsense\r\n", BAD),
        with("a colon alone", ":\r\n", BAD),
        with("two colons", "X-A:: b\r\n", FINE),
        with("a folded line", "X-A: b\r\n c\r\n", BAD),
        with("a line folded with a tab", "X-A: b\r\n\tc\r\n", BAD),
        with("an empty folded line", "X-A: b\r\n \r\n", BAD),
        with("a field of spaces", "  \r\n", BAD),
        with("an empty value", "X-A:\r\n", FINE),
        with("a value amid tabs and spaces", "X-A:\t b \t\r\n", FINE),
        with("a tab inside a value", "X-A: a\tb\r\n", FINE),
        with("every token character in a name", "!#$%&'*+-.^`|~9Az: b\r\n", FINE),
        with("UTF-8 in a value", "X-A: \u{1F980}\r\n", Expect::Either(&[400], |_| Ok(()))),
    ]);
    let latin = [b"X-A: ".as_slice(), &[0x80, 0xff, 0xc0, 0xaf], b"\r\n"].concat();
    let mut bytes = post_with("@");
    if let Some(at) = crate::raw_http::find(&bytes, b"@") {
        bytes.splice(at..=at, latin);
    }
    cases.push(Case::new("bytes beyond ASCII in a value", bytes, Expect::Either(&[400], |_| Ok(()))));
    cases
}

fn sizes() -> Vec<Case> {
    let many = |count: usize, value: usize| -> String {
        (0..count).map(|i| format!("X-{i}: {}\r\n", "b".repeat(value))).collect()
    };
    let either = Expect::Either(&[400, 431], |_| Ok(()));
    vec![
        with("40 fields", &many(40, 4), FINE),
        with("a value of 4 KiB", &many(1, 4 << 10), FINE),
        with("a name of 1 KiB", &format!("{}: b\r\n", "X".repeat(1 << 10)), either),
        with("a name of 64 KiB", &format!("{}: b\r\n", "X".repeat(64 << 10)), LARGE),
        with("a value of 80 KiB", &many(1, 80 << 10), LARGE),
        with("a value of 256 KiB", &many(1, 256 << 10), LARGE),
        with("a value of 2 MiB", &many(1, 2 << 20), LARGE),
        with("256 fields of 1 KiB", &many(256, 1 << 10), LARGE),
        with("1,000 fields", &many(1000, 4), LARGE),
        with("30,000 fields", &many(30_000, 4), LARGE),
        with("1,000 times the same field", &"X-A: b\r\n".repeat(1000), LARGE),
        with("a million bytes without colon", &"x".repeat(1_000_000), LARGE),
    ]
}

fn repeated() -> Vec<Case> {
    let twice = |name: &str, value: &str| {
        with(&format!("{name} twice"), &format!("{name}: {value}\r\n{name}: {value}\r\n"), BAD)
    };
    let again =
        |name: &str, value: &str| with(&format!("another {name}"), &format!("{name}: {value}\r\n"), BAD);
    vec![
        twice("Mcp-Session-Id", "abc"),
        twice("Authorization", "Bearer x"),
        twice("Origin", "http://127.0.0.1"),
        twice("Last-Event-ID", "1"),
        twice("Mcp-Name", "x"),
        with("Mcp-Session-Id of two values", "Mcp-Session-Id: a\r\nMCP-SESSION-ID: b\r\n", BAD),
        with("Authorization of two values", "Authorization: Bearer x\r\nauthorization: Bearer y\r\n", BAD),
        again("Content-Type", "text/plain"),
        again("Content-Type", "application/json"),
        again("MCP-Protocol-Version", "2026-07-28"),
        again("MCP-Protocol-Version", "2025-11-25"),
        again("Mcp-Method", "tools/call"),
        with("Accept twice", "Accept: text/html\r\n", FINE),
        with(
            "Traceparent twice",
            &format!("traceparent: {TRACE}\r\n").repeat(2),
            Expect::Either(&[400], |seen| {
                if seen.all("traceparent").len() <= 1 { Ok(()) } else { Err("both reached the hub".into()) }
            }),
        ),
    ]
}

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Fields of one connection never travel on, and nobody may turn another field into one.
fn hops() -> Vec<Case> {
    let nominate = |names: &str| {
        let lines = format!("Authorization: Bearer x\r\nMcp-Session-Id: y\r\nConnection: {names}\r\n");
        with(&format!("connection {names:?}"), &lines, BAD)
    };
    let mut cases: Vec<_> = [
        "mcp-session-id, authorization",
        "Authorization",
        "close, Mcp-Session-Id",
        "MCP-Protocol-Version",
        "mcp-method",
        "host",
        "content-length",
        "content-type",
        "accept",
        "x-forwarded-for",
        "forwarded",
        "origin",
    ]
    .map(nominate)
    .into();
    cases.extend([
        with("connection close", "Connection: close\r\n", Expect::Passed(|s| absent(s, &["keep-alive"]))),
        with("connection keep-alive", "Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n", Expect::Passed(|s| absent(s, &["keep-alive"]))),
        with("a nominated field of no meaning", "Connection: x-hop\r\nX-Hop: 1\r\n", Expect::Passed(|s| absent(s, &["x-hop"]))),
        with("nominated in two lines", "Connection: keep-alive\r\nConnection: x-hop\r\nX-Hop: 1\r\n", Expect::Passed(|s| absent(s, &["x-hop"]))),
        with("nominated amid empty elements", "Connection: , ,x-hop,\r\nX-Hop: 1\r\n", Expect::Either(&[400], |s| absent(s, &["x-hop"]))),
        with("a connection option that is no token", "Connection: \"x-hop\"\r\nX-Hop: 1\r\n", Expect::Either(&[400], |s| absent(s, &["connection"]))),
        with("proxy-connection", "Proxy-Connection: keep-alive\r\n", Expect::Passed(|s| absent(s, &["proxy-connection"]))),
        with("te", "Connection: te\r\nTE: trailers\r\n", Expect::Either(&[400], |s| absent(s, &["te"]))),
        with("te that nobody nominated", "TE: trailers, deflate;q=0.5\r\n", Expect::Passed(|s| absent(s, &["te"]))),
        with("trailer", "Trailer: X-Checksum\r\n", Expect::Passed(|s| absent(s, &["trailer"]))),
        with("proxy-authorization", "Proxy-Authorization: Basic x\r\n", Expect::Passed(|s| absent(s, &["proxy-authorization"]))),
        with("upgrade to websocket", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n", PLAIN),
        with("upgrade to h2c", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n", PLAIN),
        with("upgrade that nobody nominated", "Upgrade: h2c\r\n", PLAIN),
        with("upgrade to TLS", "Connection: Upgrade\r\nUpgrade: TLS/1.3\r\n", PLAIN),
    ]);
    cases
}

/// An upgrade is not followed: served as if it had not been asked for, or declined.
const PLAIN: Expect =
    Expect::Either(&[400, 426, 501], |s| absent(s, &["upgrade", "http2-settings", "connection"]));

/// Names that a server behind CGI reads as another name, or that look as if only this product may set them.
fn aliases() -> Vec<Case> {
    let alias = |name: &str| with(&format!("alias {name}"), &format!("{name}: x\r\n"), BAD);
    // There are no magic fields: what looks like ours means nothing and passes like any other.
    let own = |name: &str| with(&format!("our own {name}"), &format!("{name}: x\r\n"), FINE);
    vec![
        alias("mcp_session_id"),
        alias("Mcp-Session_Id"),
        alias("MCP_PROTOCOL_VERSION"),
        alias("mcp_method"),
        alias("mcp_name"),
        alias("x_forwarded_for"),
        alias("X_FORWARDED_HOST"),
        alias("content_type"),
        alias("last_event_id"),
        own("Mcp-Hub-Id"),
        own("mcp-hub-session"),
        own("MCP-HUB-PLACE"),
        with("a harmless underscore", "x_custom: 1\r\n", Expect::Either(&[400], |_| Ok(()))),
    ]
}

/// What a client that is no trusted proxy says about its address goes no further.
fn claims() -> Vec<Case> {
    let clean: Expect =
        Expect::Passed(|seen| match seen.fields.iter().find(|(_, value)| value.contains(SPOOF)) {
            Some((name, _)) => Err(format!("{name} carried the spoofed address")),
            None => Ok(()),
        });
    let claim = |line: &str| with(&format!("claim {line:?}"), &format!("{line}\r\n"), clean);
    vec![
        claim("X-Forwarded-For: 203.0.113.9"),
        claim("X-Forwarded-For: 203.0.113.9, 127.0.0.1"),
        claim("X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-For: 203.0.113.9"),
        claim("Forwarded: for=203.0.113.9;proto=https;host=evil.example"),
        claim("X-Forwarded-Host: 203.0.113.9"),
        claim("X-Forwarded-Proto: 203.0.113.9"),
        with(
            "a well-formed traceparent",
            &format!("traceparent: {TRACE}\r\ntracestate: a=b\r\n"),
            Expect::Passed(|seen| {
                let same = seen
                    .field("traceparent")
                    .is_some_and(|t| t.starts_with("00-0af7651916cd43dd8448eb211c80319c-"));
                if same { Ok(()) } else { Err("the trace was lost".into()) }
            }),
        ),
        with("a traceparent that is none", "traceparent: ../../etc\r\n", FINE),
        with(
            "a name that decodes to a line break",
            "Mcp-Name: =?base64?DQpYLUE6IGI=?=\r\n",
            Expect::Either(&[400], |s| absent(s, &["x-a"])),
        ),
    ]
}

/// A line break or NUL inside any value that is passed on or looked at.
fn injected() -> Vec<Case> {
    let names = [
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "Forwarded",
        "X-Real-IP",
        "traceparent",
        "tracestate",
        "baggage",
        "Mcp-Name",
        "Mcp-Param-Region",
        "Mcp-Session-Id",
        "Last-Event-ID",
        "Authorization",
        "Origin",
        "User-Agent",
        "Cookie",
        "Accept-Language",
        "X-Request-Id",
        "Connection",
    ];
    let tails = ["\rX-Injected: 1", "\nX-Injected: 1", "\0"];
    let case =
        |name: &str, tail: &str| with(&format!("{name} with {tail:?}"), &format!("{name}: a{tail}\r\n"), BAD);
    names.iter().flat_map(|name| tails.iter().map(move |tail| case(name, tail))).collect()
}

fn expectations() -> Vec<Case> {
    vec![
        with("expect 100-continue", "Expect: 100-continue\r\n", FINE),
        with("expect 100-Continue", "Expect: 100-Continue\r\n", FINE),
        with("expect something else", "Expect: 200-ok\r\n", UNMET),
        with("expect two things", "Expect: 100-continue, x\r\n", UNMET),
        with("expect nothing", "Expect:\r\n", Expect::Either(&[400, 417], |_| Ok(()))),
        with("expect twice", "Expect: 100-continue\r\nExpect: x\r\n", UNMET),
    ]
}
