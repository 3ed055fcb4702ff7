//! Which HTTP/2 requests could become another request once they are written as HTTP/1.1?
//!
//! **Owns** the table of hostile frames. Malformed requests (RFC 9113 sections 8.1 to 8.3) are refused with an
//! error answer, a reset of the stream or of the connection: which of these, the RFC leaves to the server. None
//! reaches a hub. It **does not know** which gateway it is played against.

use crate::raw_cases::{Check, absent, body_whole, good_body, untouched};
use crate::raw_h2::{END_HEADERS, END_STREAM, Outcome, PADDED, block, frame, kind, play};
use crate::raw_hub::RawHub;

/// The right outcome of a case.
#[derive(Clone, Copy)]
pub enum Expect {
    /// An error answer, or an end of the stream or the connection; nothing upstream.
    Refused,
    /// Answered with one of these; nothing upstream.
    Declined(&'static [u16]),
    /// Answered with 200 after one good request upstream.
    Passed(Check),
    /// Refused or passed: the gateway stands, that is all.
    Stands,
}

/// Frames and their right outcome. `{H}` does not occur here: the authority is given when the table is made.
#[derive(Clone)]
pub struct Case {
    /// What is odd about it.
    pub name: String,
    /// What follows preface and settings.
    pub frames: Vec<u8>,
    /// The right outcome.
    pub expect: Expect,
}

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// The fields of a good request to `authority`.
fn good_fields(authority: &str) -> Fields {
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", authority),
        (":path", "/mcp"),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/list"),
    ];
    fields.map(|(name, value)| (name.into(), value.into())).into()
}

/// A request as HEADERS and one DATA frame.
fn request(fields: &[(Vec<u8>, Vec<u8>)], body: &[u8]) -> Vec<u8> {
    [headers(fields, 0), frame(kind::DATA, END_STREAM, 1, body)].concat()
}

/// HEADERS, with CONTINUATION where a frame is too small.
fn headers(fields: &[(Vec<u8>, Vec<u8>)], flags: u8) -> Vec<u8> {
    let block = block(fields);
    let mut pieces = block.chunks(16_000).enumerate().peekable();
    let mut bytes = Vec::new();
    while let Some((number, piece)) = pieces.next() {
        let end = if pieces.peek().is_none() { END_HEADERS } else { 0 };
        let (kind, flags) =
            if number == 0 { (kind::HEADERS, flags | end) } else { (kind::CONTINUATION, end) };
        bytes.extend(frame(kind, flags, 1, piece));
    }
    bytes
}

/// The whole table, for a gateway that is known as `authority`.
pub fn all(authority: &str) -> Vec<Case> {
    [pseudo(authority), fields(authority), framing(authority), frames(authority)].concat()
}

/// A good request.
pub fn good(authority: &str) -> Vec<u8> {
    request(&good_fields(authority), good_body().as_bytes())
}

fn case(name: impl Into<String>, frames: Vec<u8>, expect: Expect) -> Case {
    Case { name: name.into(), frames, expect }
}

fn pseudo(authority: &str) -> Vec<Case> {
    let body = good_body();
    let put = |name: &str, value: &str| {
        let mut fields = good_fields(authority);
        if let Some(field) = fields.iter_mut().find(|(n, _)| n == name.as_bytes()) {
            field.1 = value.into();
        }
        request(&fields, body.as_bytes())
    };
    let without = |name: &str| {
        let mut fields = good_fields(authority);
        fields.retain(|(n, _)| n != name.as_bytes());
        request(&fields, body.as_bytes())
    };
    let with_first = |name: &str, value: &str| {
        let mut fields = good_fields(authority);
        fields.insert(0, (name.into(), value.into()));
        request(&fields, body.as_bytes())
    };
    let mut late = good_fields(authority);
    late.rotate_left(4);
    let refused = Expect::Refused;
    let mut cases = vec![case("pseudo-fields behind the others", request(&late, body.as_bytes()), refused)];
    cases.extend([":method", ":path", ":scheme"].map(|n| case(format!("without {n}"), without(n), refused)));
    cases.push(case("without :authority and host", without(":authority"), refused));
    for (name, value) in
        [(":method", "POST"), (":path", "/mcp"), (":scheme", "http"), (":authority", authority)]
    {
        cases.push(case(format!("{name} twice"), with_first(name, value), refused));
    }
    for (name, value) in [(":status", "200"), (":foo", "x"), (":", "x"), (":protocol", "websocket")] {
        cases.push(case(format!("{name} in a request"), with_first(name, value), refused));
    }
    let wrong = [
        (
            ":path",
            [
                "",
                "mcp",
                "*",
                "/mcp x",
                "/mcp\r\nX-A: b",
                "/mcp\nx",
                "/mcp\0",
                "/mcp\tx",
                "/../mcp",
                "/%2e%2e/mcp",
                "http://x/mcp",
            ]
            .as_slice(),
        ),
        (":method", &["", "PO ST", "POST /mcp HTTP/1.1\r\nX-A: b", "PO\0ST", "PÖST", "TRACE", "PUT", "post"]),
        (":scheme", &["http\r\nX-A: b", "ht tp", "http://x/"]),
        (
            ":authority",
            &["", "a@127.0.0.1", "evil.example", "127.0.0.1\r\nX-A: b", "127.0.0.1 x", "127.0.0.1/x", "*"],
        ),
    ];
    for (name, values) in wrong {
        cases.extend(values.iter().map(|value| case(format!("{name} {value:?}"), put(name, value), refused)));
    }
    // What the parser of the URI drops, or what means nothing here, may pass as long as one good request comes of it.
    cases.push(case("a path with a fragment", put(":path", "/mcp#x"), Expect::Stands));
    cases.push(case("an empty scheme", put(":scheme", ""), Expect::Stands));
    let mut twofold = good_fields("evil.example");
    twofold.push(("host".into(), authority.into()));
    cases.push(case("a foreign authority and our host", request(&twofold, body.as_bytes()), refused));
    cases.push(case("CONNECT", put(":method", "CONNECT"), refused));
    cases.push(case("a path nobody serves", put(":path", "/nowhere"), Expect::Declined(&[404])));
    cases
}

fn fields(authority: &str) -> Vec<Case> {
    let body = good_body();
    let with = |lines: &[(&[u8], &[u8])]| {
        let mut fields = good_fields(authority);
        fields.extend(lines.iter().map(|(n, v)| (n.to_vec(), v.to_vec())));
        request(&fields, body.as_bytes())
    };
    let refused = |name: &str, lines: &[(&[u8], &[u8])]| case(name, with(lines), Expect::Refused);
    let one = |name: &[u8], value: &[u8]| {
        let shown = format!("{:?}: {:?}", String::from_utf8_lossy(name), String::from_utf8_lossy(value));
        case(shown, with(&[(name, value)]), Expect::Refused)
    };
    let n = body.len().to_string();
    let n = n.as_bytes();
    let large = vec![b'x'; 70 << 10];
    let mut cases: Vec<_> = [
        (b"connection".as_slice(), b"close".as_slice()),
        (b"connection", b"x-a"),
        (b"transfer-encoding", b"chunked"),
        (b"keep-alive", b"timeout=5"),
        (b"proxy-connection", b"keep-alive"),
        (b"upgrade", b"h2c"),
        (b"te", b"gzip"),
        (b"te", b"trailers, deflate"),
        (b"X-Upper", b"a"),
        (b"Content-Length", n),
        (b"x a", b"b"),
        (b"x:a", b"b"),
        (b"x\r\na", b"b"),
        (b"x\0a", b"b"),
        (b"", b"b"),
        (b"x\xe9", b"b"),
        (b"x-a", b"b\r\nx-b: c"),
        (b"x-a", b"b\nx-b: c"),
        (b"x-a", b"b\r"),
        (b"x-a", b"b\0"),
        (b"mcp-name", b"a\r\nmcp-session-id: b"),
        (b"traceparent", b"a\nb"),
        (b"host", b"evil.example"),
        (b"content-length", b"1"),
        (b"content-length", b"999"),
        (b"content-length", b"+5"),
        (b"content-length", b""),
        (b"mcp_session_id", b"x"),
        (b"x_forwarded_for", b"x"),
    ]
    .map(|(name, value)| one(name, value))
    .into();
    cases.extend([
        refused("content-length twice", &[(b"content-length", n), (b"content-length", n)]),
        refused("content-length as a list", &[(b"content-length", &[n, b", ", n].concat())]),
        refused("authorization twice", &[(b"authorization", b"a"), (b"authorization", b"b")]),
        refused("mcp-session-id twice", &[(b"mcp-session-id", b"a"), (b"mcp-session-id", b"b")]),
        refused("another content-type", &[(b"content-type", b"text/plain")]),
        refused("another mcp-method", &[(b"mcp-method", b"tools/call")]),
        refused("a field of 70 KiB", &[(b"x-a", &large)]),
        refused("1,000 fields", &[(b"x-a".as_slice(), b"b".as_slice()); 1000]),
        case("te: trailers", with(&[(b"te", b"trailers")]), Expect::Passed(|seen| absent(seen, &["te"]))),
        case("a good content-length", with(&[(b"content-length", n)]), Expect::Passed(body_whole)),
        case("host, the same", with(&[(b"host", authority.as_bytes())]), Expect::Stands),
        case(
            "cookie crumbs",
            with(&[(b"cookie", b"a=b"), (b"cookie", b"c=d")]),
            Expect::Passed(|seen| match seen.all("cookie").as_slice() {
                ["a=b; c=d"] => Ok(()),
                other => Err(format!("{other:?}")),
            }),
        ),
        case(
            "a spoofed address",
            with(&[(b"x-forwarded-for", b"203.0.113.9"), (b"forwarded", b"for=203.0.113.9")]),
            Expect::Passed(|seen| {
                if seen.fields.iter().any(|(_, v)| v.contains("203.0.113.9")) {
                    Err("it was passed on".into())
                } else {
                    Ok(())
                }
            }),
        ),
    ]);
    cases
}

fn framing(authority: &str) -> Vec<Case> {
    let fields = good_fields(authority);
    let body = good_body();
    let (start, rest) = body.as_bytes().split_at(10);
    let data = |flags: u8, bytes: &[u8]| frame(kind::DATA, flags, 1, bytes);
    let trailers = |lines: &[(&str, &str)]| {
        let block = block(lines);
        [
            headers(&fields, 0),
            data(0, body.as_bytes()),
            frame(kind::HEADERS, END_HEADERS | END_STREAM, 1, &block),
        ]
        .concat()
    };
    let padded = [&[4], body.as_bytes(), &[0; 4]].concat();
    let refused = Expect::Refused;
    vec![
        case("a good request", good(authority), Expect::Passed(body_whole)),
        case(
            "a body in two frames",
            [headers(&fields, 0), data(0, start), data(END_STREAM, rest)].concat(),
            Expect::Passed(body_whole),
        ),
        case(
            "a body with padding",
            [headers(&fields, 0), data(END_STREAM | PADDED, &padded)].concat(),
            Expect::Passed(body_whole),
        ),
        case(
            "a body with an empty frame at its end",
            [headers(&fields, 0), data(0, body.as_bytes()), data(END_STREAM, &[])].concat(),
            Expect::Passed(body_whole),
        ),
        case("no body", headers(&fields, END_STREAM), Expect::Stands),
        case(
            "padding longer than the frame",
            [headers(&fields, 0), data(END_STREAM | PADDED, &[200, b'x'])].concat(),
            refused,
        ),
        case("trailers with a pseudo-field", trailers(&[(":path", "/x")]), Expect::Stands),
        case("trailers in capitals", trailers(&[("X-A", "b")]), refused),
        case("trailers with a line break", trailers(&[("x-a", "b\r\nc: d")]), refused),
        case("trailers with content-length", trailers(&[("content-length", "5")]), Expect::Stands),
        case(
            "trailers with transfer-encoding",
            trailers(&[("transfer-encoding", "chunked")]),
            Expect::Stands,
        ),
        case("a harmless trailer", trailers(&[("x-checksum", "1")]), Expect::Stands),
        case(
            "trailers that do not end",
            [
                headers(&fields, 0),
                data(0, start),
                frame(kind::HEADERS, END_HEADERS, 1, &block(&[("x-a", "b")])),
            ]
            .concat(),
            refused,
        ),
        case("data behind the end", [good(authority), data(END_STREAM, b"x")].concat(), Expect::Stands),
        case(
            "the client resets its request",
            [
                headers(&fields, 0),
                data(0, start),
                frame(kind::RST_STREAM, 0, 1, &8_u32.to_be_bytes()),
                frame(kind::PING, 0, 0, &[0; 4]),
            ]
            .concat(),
            refused,
        ),
    ]
}

fn frames(authority: &str) -> Vec<Case> {
    let good = good(authority);
    let fields = good_fields(authority);
    let then_good = |first: Vec<u8>| [first, good.clone()].concat();
    let refused = |name: &str, first: Vec<u8>| case(name, then_good(first), Expect::Refused);
    let bomb: Vec<u8> = {
        // One entry of 4 KiB remembered, then named over and over.
        let mut bytes = vec![0x40];
        bytes.extend(&block(&[("a", "b".repeat(3900))])[1..]);
        bytes.extend([0xbe; 12_000]);
        bytes
    };
    let resets: Vec<u8> = (0..3000_u32)
        .flat_map(|n| {
            let open = frame(kind::HEADERS, END_HEADERS, 2 * n + 1, &block(&fields));
            [open, frame(kind::RST_STREAM, 0, 2 * n + 1, &8_u32.to_be_bytes())].concat()
        })
        .collect();
    let continuations =
        [frame(kind::HEADERS, 0, 1, &block(&fields)), frame(kind::CONTINUATION, 0, 1, &[]).repeat(20_000)]
            .concat();
    let endless = [
        frame(kind::HEADERS, 0, 1, &block(&fields)),
        frame(kind::CONTINUATION, 0, 1, &block(&[("x-a", "b".repeat(16_000))])).repeat(100),
    ]
    .concat();
    let many: Vec<u8> =
        (0..500_u32).flat_map(|n| frame(kind::HEADERS, END_HEADERS, 2 * n + 1, &block(&fields))).collect();
    vec![
        refused("data on a stream nobody opened", frame(kind::DATA, END_STREAM, 1, b"x")),
        refused("headers on stream 0", frame(kind::HEADERS, END_HEADERS | END_STREAM, 0, &block(&fields))),
        refused(
            "headers on an even stream",
            frame(kind::HEADERS, END_HEADERS | END_STREAM, 2, &block(&fields)),
        ),
        refused("a continuation of nothing", frame(kind::CONTINUATION, END_HEADERS, 1, &block(&fields))),
        refused(
            "another frame amid a header block",
            [frame(kind::HEADERS, 0, 1, &block(&fields)), frame(kind::PING, 0, 0, &[0; 8])].concat(),
        ),
        refused("a push by the client", frame(kind::PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])),
        refused("a reset of a stream nobody opened", frame(kind::RST_STREAM, 0, 1, &[0; 4])),
        refused("settings of five bytes", frame(kind::SETTINGS, 0, 0, &[0; 5])),
        refused("settings on a stream", frame(kind::SETTINGS, 0, 1, &[])),
        refused("a window of 2^31", frame(kind::SETTINGS, 0, 0, &[0, 4, 0x80, 0, 0, 0])),
        refused("a frame size of 1", frame(kind::SETTINGS, 0, 0, &[0, 5, 0, 0, 0, 1])),
        refused("a ping of four bytes", frame(kind::PING, 0, 0, &[0; 4])),
        refused("a window update of 0", frame(kind::WINDOW_UPDATE, 0, 0, &[0; 4])),
        refused("a window beyond 2^31", frame(kind::WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes())),
        refused("a frame of 17,000 bytes", frame(kind::DATA, 0, 1, &[0; 17_000])),
        refused(
            "a header block of rubbish",
            frame(kind::HEADERS, END_HEADERS | END_STREAM, 1, &[0x80, 0xff, 0xff]),
        ),
        refused(
            "an index beyond the table",
            frame(kind::HEADERS, END_HEADERS | END_STREAM, 1, &[0xff, 0xff, 0x7f]),
        ),
        refused("a header bomb", frame(kind::HEADERS, END_HEADERS | END_STREAM, 1, &bomb)),
        case("20,000 empty continuations", continuations, Expect::Refused),
        case("continuations without end", endless, Expect::Refused),
        case(
            "3,000 requests, each reset at once",
            [resets, frame(kind::PING, 0, 0, &[0; 4])].concat(),
            Expect::Stands,
        ),
        case(
            "500 requests at once, none finished",
            [many, frame(kind::PING, 0, 0, &[0; 4])].concat(),
            Expect::Refused,
        ),
        case(
            "a flood of settings",
            [frame(kind::SETTINGS, 0, 0, &[]).repeat(10_000), frame(kind::PING, 0, 0, &[0; 4])].concat(),
            Expect::Refused,
        ),
        case(
            "a flood of pings",
            [frame(kind::PING, 0, 0, &[0; 8]).repeat(10_000), frame(kind::PING, 0, 0, &[0; 4])].concat(),
            Expect::Refused,
        ),
        case(
            "a flood of empty data",
            [
                headers(&fields, 0),
                frame(kind::DATA, 0, 1, &[]).repeat(20_000),
                frame(kind::PING, 0, 0, &[0; 4]),
            ]
            .concat(),
            Expect::Refused,
        ),
        case(
            "a frame of a kind nobody knows",
            then_good(frame(0xee, 0xff, 0, b"x")),
            Expect::Passed(body_whole),
        ),
        case(
            "a priority",
            then_good(frame(kind::PRIORITY, 0, 3, &[0, 0, 0, 0, 1])),
            Expect::Passed(body_whole),
        ),
        case("a ping", then_good(frame(kind::PING, 0, 0, &[0; 8])), Expect::Passed(body_whole)),
    ]
}

/// Plays one case and says what is wrong with the outcome.
pub async fn judge(case: &Case, gateway: std::net::SocketAddr, hub: &RawHub) -> Result<(), String> {
    hub.take();
    let outcome = play(gateway, &case.frames).await;
    let flaw = |what: String| Err(format!("{}: {what}", case.name));
    match (case.expect, &outcome) {
        (
            Expect::Refused,
            Outcome::Answered(400..=599, _) | Outcome::Reset(_) | Outcome::GoAway(_) | Outcome::Closed,
        ) => untouched(hub).or_else(flaw),
        (Expect::Declined(statuses), Outcome::Answered(status, _)) if statuses.contains(status) => {
            untouched(hub).or_else(flaw)
        }
        (Expect::Passed(check), Outcome::Answered(200, _)) => {
            let log = hub.log();
            match (log.requests.as_slice(), log.strays.as_slice()) {
                ([one], []) => check(one).or_else(flaw),
                _ => flaw(format!("the hub saw {} requests, strays {:?}", log.requests.len(), log.strays)),
            }
        }
        (Expect::Stands, _) => match hub.log().strays.as_slice() {
            [] => Ok(()),
            strays => flaw(format!("strays {strays:?}")),
        },
        _ => flaw(format!("{outcome:?}")),
    }
}
