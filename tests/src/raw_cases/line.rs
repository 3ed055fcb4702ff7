//! What is asked for, and of whom? The request line (RFC 9112 sections 2 and 3), and bytes that are no HTTP.

use super::{BAD, Case, Expect, FINE, HOST, good_body, good_fields};

/// A version that is no HTTP/1.
const VERSION: Expect = Expect::Refused(&[400, 505]);
/// A method that the endpoint does not have.
const METHOD: Expect = Expect::Declined(&[400, 405, 501]);
/// A target whose meaning depends on who reads it.
const TWOFOLD: Expect = Expect::Declined(&[400, 404]);
/// A line longer than 8 KiB.
const LONG: Expect = Expect::Refused(&[400, 414, 431]);
/// Nothing is served there.
const NOWHERE: Expect = Expect::Declined(&[404]);
/// Another host than this one.
const ELSEWHERE: Expect = Expect::Declined(&[400, 403, 421]);

/// Request lines, methods, targets, versions, line ends and garbage.
pub fn cases() -> Vec<Case> {
    [line_ends(), versions(), methods(), forms(), paths(), garbage()].concat()
}

/// A good request but for its request line.
fn line(name: &str, line: &str, expect: Expect) -> Case {
    let body = good_body();
    let length = body.len();
    let fields = good_fields();
    let text = format!("{line}\r\nHost: {HOST}\r\n{fields}Content-Length: {length}\r\n\r\n{body}");
    Case::new(name, text, expect)
}

fn line_ends() -> Vec<Case> {
    let good = String::from_utf8(super::good()).unwrap_or_default();
    let before = |name: &str, bytes: &str, expect| Case::new(name, format!("{bytes}{good}"), expect);
    let (head, body) = good.split_once("\r\n\r\n").unwrap_or_default();
    vec![
        Case::new("LF for every CRLF", good.replace("\r\n", "\n"), BAD),
        Case::new("CR for every CRLF", good.replace("\r\n", "\r"), Expect::Dropped).then_eof(),
        Case::new("LF behind the request line", good.replacen("\r\n", "\n", 1), BAD),
        Case::new("LF CR behind the request line", good.replacen("\r\n", "\n\r", 1), BAD),
        Case::new("CR CR LF behind the request line", good.replacen("\r\n", "\r\r\n", 1), BAD),
        Case::new("CRLF LF before the body", format!("{head}\r\n\n{body}"), BAD),
        Case::new("LF LF before the body", format!("{head}\n\n{body}"), BAD),
        Case::new("LF CRLF before the body", format!("{head}\n\r\n{body}"), BAD),
        before("one empty line before the request", "\r\n", Expect::Either(&[400], |_| Ok(()))),
        before(
            "many empty lines before the request",
            &"\r\n".repeat(1000),
            Expect::Either(&[400], |_| Ok(())),
        ),
        before("LF before the request", "\n", Expect::Either(&[400], |_| Ok(()))),
        before("CR before the request", "\r", BAD),
        before("a space before the request", " ", BAD),
        before("a tab before the request", "\t", BAD),
        before("NUL before the request", "\0", BAD),
        before("a byte order mark before the request", "\u{feff}", BAD),
        before("a field before the request", "Host: 127.0.0.1\r\n", BAD),
    ]
}

fn versions() -> Vec<Case> {
    let version = |version: &str, expect| {
        line(&format!("version {version:?}"), &format!("POST /mcp {version}"), expect)
    };
    let either = Expect::Either(&[400, 505], |_| Ok(()));
    let mut cases: Vec<_> = [
        "HTTP/2.0",
        "HTTP/3.0",
        "HTTP/0.9",
        "HTTP/2",
        "HTTP/1",
        "HTTP/1.",
        "HTTP/.1",
        "HTTP/1.10",
        "HTTP/01.1",
        "HTTP/1.1.1",
        "HTTP/11",
        "HTTP/1,1",
        "HTTP/1.1x",
        "HTTP/1.1 x",
        "HTTP/1.1 ",
        "HTTP /1.1",
        "HTTP/ 1.1",
        "http/1.1",
        "Http/1.1",
        "HTTPS/1.1",
        "XHTTP/1.1",
        "ICY/1.1",
        "HTTP-1.1",
        "HTTP",
        "1.1",
        "HTTP/1.\0",
        "HTTP/1.１",
        "HTTP/9.9",
    ]
    .into_iter()
    .map(|v| version(v, VERSION))
    .collect();
    cases.push(version("HTTP/1.2", either));
    cases.push(version("HTTP/1.9", either));
    cases.push(line("no version", "POST /mcp", VERSION));
    cases.push(line("no version, a space", "POST /mcp ", VERSION));
    cases.push(Case::new("a request of HTTP/0.9", "GET /mcp\r\n", Expect::Dropped).then_eof());
    cases.push(line("only a method", "POST", VERSION));
    cases.push(line("two spaces before the version", "POST /mcp  HTTP/1.1", BAD));
    cases.push(line("two spaces before the target", "POST  /mcp HTTP/1.1", BAD));
    cases.push(line("tabs for spaces", "POST\t/mcp\tHTTP/1.1", BAD));
    cases.push(line("vertical tabs for spaces", "POST\x0b/mcp\x0bHTTP/1.1", BAD));
    cases.push(line("no-break spaces", "POST\u{a0}/mcp\u{a0}HTTP/1.1", BAD));
    cases
}

fn methods() -> Vec<Case> {
    let method =
        |name: &str, expect| line(&format!("method {name:?}"), &format!("{name} /mcp HTTP/1.1"), expect);
    vec![
        method("", BAD),
        method("post", METHOD),
        method("Post", METHOD),
        method("FOO", METHOD),
        method("POSTX", METHOD),
        method("XPOST", METHOD),
        method("PUT", METHOD),
        method("PATCH", METHOD),
        method("TRACE", METHOD),
        method("TRACK", METHOD),
        method("DEBUG", METHOD),
        method("PROPFIND", METHOD),
        method("CONNECT", METHOD),
        method("!#$%&'*+-.^_`|~", METHOD),
        method("PO:ST", BAD),
        method("PO(ST", BAD),
        method("\"POST\"", BAD),
        method("PO\0ST", BAD),
        method("PO\x01ST", BAD),
        method("PO\x7fST", BAD),
        method("PÖST", BAD),
        line(
            "a method of 100 letters",
            &format!("{} /mcp HTTP/1.1", "A".repeat(100)),
            Expect::Declined(&[400, 405, 414, 501]),
        ),
        line(
            "a method of 64 KiB",
            &format!("{} /mcp HTTP/1.1", "A".repeat(64 << 10)),
            Expect::Refused(&[400, 405, 414, 431, 501]),
        ),
    ]
}

fn forms() -> Vec<Case> {
    let origin: Expect = Expect::Passed(|seen| {
        let host = seen.field("host").unwrap_or_default();
        if seen.target == "/mcp" && !host.contains("evil") {
            Ok(())
        } else {
            Err("another target or host".into())
        }
    });
    let target = |name: &str, target: &str, expect| line(name, &format!("POST {target} HTTP/1.1"), expect);
    vec![
        target("absolute form of this host", "http://{H}/mcp", origin),
        target("absolute form with scheme in capitals", "HTTP://{H}/mcp", Expect::Either(&[400], |_| Ok(()))),
        target("absolute form, other than Host", "http://evil.example/mcp", ELSEWHERE),
        target("absolute form with other port", "http://127.0.0.1:1/mcp", ELSEWHERE),
        target("absolute form with user", "http://a@{H}/mcp", ELSEWHERE),
        target("absolute form with user and password", "http://a:b@{H}/mcp", ELSEWHERE),
        target("absolute form without host", "http:///mcp", BAD),
        target("absolute form without slashes", "http:/mcp", BAD),
        target(
            "absolute form of https on cleartext",
            "https://{H}/mcp",
            Expect::Either(&[400, 403, 421], |_| Ok(())),
        ),
        target("absolute form of ftp", "ftp://{H}/mcp", ELSEWHERE),
        target("absolute form of file", "file:///etc/passwd", BAD),
        target("absolute form of a hub elsewhere", "http://169.254.169.254/latest", ELSEWHERE),
        target("absolute form with dot segments", "http://{H}/mcp/../x", BAD),
        target("authority form", "{H}", BAD),
        target("authority form with user", "a@{H}", BAD),
        target("asterisk form with POST", "*", BAD),
        target("two targets", "/mcp /mcp", BAD),
        target("a relative target", "mcp", BAD),
        target("a target of a question", "?x", BAD),
        target("a target with quotes", "\"/mcp\"", BAD),
        line("OPTIONS *", "OPTIONS * HTTP/1.1", Expect::Declined(&[200, 204, 400, 405, 501])),
        line("CONNECT to a host", "CONNECT evil.example:443 HTTP/1.1", Expect::Declined(&[400, 405, 501])),
        line("CONNECT to a path", "CONNECT /mcp HTTP/1.1", Expect::Declined(&[400, 405, 501])),
        line("GET in authority form", "GET {H} HTTP/1.1", BAD),
        line("the preface of HTTP/2 in HTTP/1.1", "PRI * HTTP/1.1", Expect::Declined(&[400, 405, 501])),
    ]
}

fn paths() -> Vec<Case> {
    let path = |path: &str, expect| line(&format!("path {path:?}"), &format!("POST {path} HTTP/1.1"), expect);
    let either = Expect::Either(&[400, 404], |_| Ok(()));
    let long = |size: usize| {
        line(&format!("a target of {size} bytes"), &format!("POST /mcp?{} HTTP/1.1", "a".repeat(size)), LONG)
    };
    let mut cases: Vec<_> = [
        "/../mcp",
        "/mcp/../mcp",
        "/mcp/..",
        "/mcp/.",
        "/./mcp",
        "/mcp/./x",
        "/%2e%2e/mcp",
        "/mcp/%2E%2E/x",
        "/.%2e/mcp",
        "/mcp/%2e./x",
        "/mcp/%2e/x",
        "//mcp",
        "///mcp",
        "//evil.example/mcp",
        "/\\mcp",
        "/mcp\\x",
        "/mcp/..\\x",
        "/mcp/%5c..%5cx",
        "/mcp%2fx",
        "/mcp%2F..%2Fx",
        "/mcp%5cx",
        "/mcp%00",
        "/mcp%0d%0aX-A:b",
        "/mcp%0a",
        "/mcp%",
        "/mcp%2",
        "/mcp%zz",
        "/mcp%u002e",
        "/mcp#x",
        "/mcp?x#y",
        "/#/mcp",
        "/mcp/..%00/x",
        "/%252e%252e/mcp",
        "/mcp/..?x",
        "/.well-known/oauth-protected-resource/../mcp",
        "/mcp%7f",
    ]
    .into_iter()
    .map(|p| path(p, TWOFOLD))
    .collect();
    cases.extend(
        [
            "/",
            "/MCP",
            "/mcpx",
            "/mc",
            "/metrics",
            "/livez",
            "/v1/status",
            "/.well-known/other",
            "/index.html",
        ]
        .map(|p| path(p, NOWHERE)),
    );
    cases.extend(
        [
            "/%6dcp",
            "/mcp//x",
            "/mcp%c0%ae%c0%ae/x",
            "/mcp/%c0%ae%c0%ae/x",
            "/mcp/..;/x",
            "/mcp;x=1",
            "/mcp/%252e%252e/x",
            "/mcp?<>",
            "/mcp?\"",
            "/mcp?{}",
            "/mcp?|",
        ]
        .map(|p| path(p, either)),
    );
    cases.push(path(
        "/mcp?a=/../b",
        Expect::Either(&[400], |seen| {
            if seen.target == "/mcp?a=/../b" { Ok(()) } else { Err("the query was changed".into()) }
        }),
    ));
    cases.push(path("/mcp?a=b&c", FINE));
    cases.extend(
        ["/m\u{e9}cp", "/mcp\x01", "/mcp\x7f", "/mcp\tx", "/mcp\0", "/mcp\x0bx", "/mcp\rx", "/mcp?\x01"]
            .map(|p| path(p, BAD)),
    );
    cases.extend([long(9 << 10), long(64 << 10), long(300 << 10)]);
    cases
}

fn garbage() -> Vec<Case> {
    let raw = |name: &str, bytes: &[u8]| Case::new(name, bytes, Expect::Dropped).then_eof();
    let hello = [b"\x16\x03\x01\x00\xf8\x01\x00\x00\xf4\x03\x03".as_slice(), &[0x5a; 237]].concat();
    vec![
        raw("nothing", b""),
        raw("one byte", b"P"),
        raw("half a request line", b"POST /mcp HT"),
        raw("empty lines", b"\r\n\r\n\r\n\r\n"),
        raw("NUL bytes", &[0; 512]),
        raw("bytes of 0xff", &[0xff; 512]),
        raw("a TLS hello", &hello),
        raw("an SSL 2 hello", b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10\x01\x00\x80"),
        raw("an SSH banner", b"SSH-2.0-OpenSSH_9.9\r\n"),
        raw("SMTP", b"EHLO evil.example\r\nMAIL FROM:<a@b>\r\n"),
        raw("redis", b"*1\r\n$4\r\nPING\r\n"),
        raw("JSON-RPC without HTTP", b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n"),
        raw("an answer", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        raw("a gopher request", b"/mcp\r\n"),
        raw("a PROXY line nobody announced", b"PROXY TCP4 203.0.113.9 127.0.0.1 1 2\r\n\r\n"),
        raw("a PROXY v2 signature cut short", b"\r\n\r\n\0\r\nQUIT\n"),
        raw("a websocket frame", b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"),
        raw("half of the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\n"),
        raw(
            "a header block without end",
            format!("POST /mcp HTTP/1.1\r\nHost: {HOST}\r\nX-A: b\r\n").as_bytes(),
        ),
    ]
}
