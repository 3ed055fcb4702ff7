//! Where does the body end? Content-Length and Transfer-Encoding (RFC 9112 section 6).

use super::{BAD, Case, Expect, body_whole, good_body, good_fields, post};
use crate::raw_cases::HOST;

/// Either refusing or reading a length with leading zeros is right; forwarding another length is not.
const EITHER: Expect = Expect::Either(&[400], body_whole);
const WHOLE: Expect = Expect::Passed(body_whole);
/// A length beyond every limit is broken or too large.
const HUGE: Expect = Expect::Refused(&[400, 413]);
/// A coding that is not ours to take off.
const CODING: Expect = Expect::Refused(&[400, 501]);

/// Without framing there is no body; what follows is another request.
fn no_body(seen: &crate::raw_hub::Seen) -> Result<(), String> {
    if seen.body.is_empty() { Ok(()) } else { Err("a body without framing".into()) }
}

/// Content-Length and Transfer-Encoding, alone and against each other.
pub fn cases() -> Vec<Case> {
    [lengths(), codings(), hidden(), smuggled()].concat()
}

fn lengths() -> Vec<Case> {
    let n = good_body().len();
    let (more, less) = (n + 7, n - 3);
    let length = |name: &str, lines: String, expect| Case::new(name, post(&lines, &good_body()), expect);
    vec![
        length(
            "content-length twice, the same",
            format!("Content-Length: {n}\r\nContent-Length: {n}\r\n"),
            BAD,
        ),
        length("content-length as a list", format!("Content-Length: {n}, {n}\r\n"), BAD),
        length(
            "content-length twice, longer",
            format!("Content-Length: {n}\r\nContent-Length: {more}\r\n"),
            BAD,
        ),
        length(
            "content-length twice, shorter",
            format!("Content-Length: {n}\r\nContent-Length: {less}\r\n"),
            BAD,
        ),
        length("content-length list of two", format!("Content-Length: {n}, {less}\r\n"), BAD),
        length("content-length twice, 0 first", format!("Content-Length: 0\r\nContent-Length: {n}\r\n"), BAD),
        length("content-length and a comma", format!("Content-Length: {n},\r\n"), BAD),
        length("a comma and content-length", format!("Content-Length: ,{n}\r\n"), BAD),
        length("content-length with plus", format!("Content-Length: +{n}\r\n"), BAD),
        length("content-length with minus", format!("Content-Length: -{n}\r\n"), BAD),
        length("content-length minus zero", "Content-Length: -0\r\n".into(), BAD),
        length("content-length in hex", format!("Content-Length: 0x{n:x}\r\n"), BAD),
        length("content-length with a fraction", format!("Content-Length: {n}.0\r\n"), BAD),
        length("content-length with exponent", "Content-Length: 1e2\r\n".into(), BAD),
        length("content-length in quotes", format!("Content-Length: \"{n}\"\r\n"), BAD),
        length("content-length of two words", format!("Content-Length: {n} {n}\r\n"), BAD),
        length("content-length with inner tab", "Content-Length: 1\t0\r\n".into(), BAD),
        length("content-length empty", "Content-Length:\r\n".into(), BAD),
        length("content-length a word", "Content-Length: many\r\n".into(), BAD),
        length("content-length with underscore", "Content-Length: 1_0\r\n".into(), BAD),
        length("content-length with semicolon", format!("Content-Length: {n};x\r\n"), BAD),
        length("content-length in full-width digits", "Content-Length: １０\r\n".into(), BAD),
        length("content-length with vertical tab", format!("Content-Length: \x0b{n}\r\n"), BAD),
        length("content-length with form feed", format!("Content-Length: {n}\x0c\r\n"), BAD),
        length("content-length with NUL", format!("Content-Length: {n}\0\r\n"), BAD),
        length("content-length of 2^63", "Content-Length: 9223372036854775808\r\n".into(), HUGE),
        length(
            "content-length of 2^64 and the body",
            format!("Content-Length: {}\r\n", (1_u128 << 64) + n as u128),
            HUGE,
        ),
        length(
            "content-length of 2^32 and the body",
            format!("Content-Length: {}\r\n", (1_u64 << 32) + n as u64),
            HUGE,
        ),
        length("content-length of 40 digits", format!("Content-Length: {}\r\n", "9".repeat(40)), HUGE),
        length("content-length with leading zeros", format!("Content-Length: 000{n}\r\n"), EITHER),
        length(
            "content-length with 300 leading zeros",
            format!("Content-Length: {}{n}\r\n", "0".repeat(300)),
            EITHER,
        ),
        length("content-length amid spaces", format!("Content-Length: \t {n} \t \r\n"), WHOLE),
        length("content-length without space", format!("content-LENGTH:{n}\r\n"), WHOLE),
        length("a body shorter than its length", format!("Content-Length: {more}\r\n"), Expect::Dropped)
            .then_eof(),
        length("a POST without framing", String::new(), Expect::Either(&[400, 411], no_body)),
    ]
}

fn chunked_body() -> String {
    let body = good_body();
    format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}

fn codings() -> Vec<Case> {
    let n = good_body().len();
    let coding = |name: &str, lines: String, expect| Case::new(name, post(&lines, &chunked_body()), expect);
    let te = |value: &str, expect| {
        coding(&format!("transfer-encoding {value:?}"), format!("Transfer-Encoding: {value}\r\n"), expect)
    };
    vec![
        te("chunked", WHOLE),
        te("Chunked", WHOLE),
        te("CHUNKED", WHOLE),
        te("  chunked\t", WHOLE),
        te("chunked, chunked", BAD),
        te("identity", CODING),
        te("chunked, identity", CODING),
        te("identity, chunked", CODING),
        te("gzip", CODING),
        te("gzip, chunked", CODING),
        te("chunked, gzip", CODING),
        te("deflate, gzip, chunked", CODING),
        te("x-chunked", CODING),
        te("xchunked", CODING),
        te("chunkedx", CODING),
        te("chunke", CODING),
        te("chunked;q=1", CODING),
        te("chunked;", CODING),
        te("chunked foo", CODING),
        te("\"chunked\"", CODING),
        te("chun\tked", CODING),
        te("", CODING),
        te(",", CODING),
        te("cow", CODING),
        te("chunked\x0b", BAD),
        te("\x0bchunked", BAD),
        te("\x0cchunked", BAD),
        te("chunked\0", BAD),
        te("\u{17f}chunked", CODING),
        te("chun\u{212a}ed", CODING),
        te("chunked,", Expect::Either(&[400, 501], body_whole)),
        te(", chunked", Expect::Either(&[400, 501], body_whole)),
        coding(
            "transfer-encoding twice",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n".into(),
            BAD,
        ),
        coding(
            "chunked and identity lines",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n".into(),
            CODING,
        ),
        coding(
            "identity and chunked lines",
            "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n".into(),
            CODING,
        ),
        coding(
            "a coding nobody knows, then chunked",
            "Transfer-Encoding: cow\r\nTransfer-Encoding: chunked\r\n".into(),
            CODING,
        ),
        coding(
            "content-length, then chunked",
            format!("Content-Length: {n}\r\nTransfer-Encoding: chunked\r\n"),
            BAD,
        ),
        coding(
            "chunked, then content-length",
            format!("Transfer-Encoding: chunked\r\nContent-Length: {n}\r\n"),
            BAD,
        ),
        coding(
            "content-length 0 and chunked",
            "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n".into(),
            BAD,
        ),
        coding(
            "content-length of the coded body and chunked",
            format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", chunked_body().len()),
            BAD,
        ),
        coding(
            "an empty content-length and chunked",
            "Content-Length:\r\nTransfer-Encoding: chunked\r\n".into(),
            BAD,
        ),
        coding(
            "a bad content-length and chunked",
            "Content-Length: x\r\nTransfer-Encoding: chunked\r\n".into(),
            BAD,
        ),
        Case::new(
            "content-length and identity",
            post(&format!("Content-Length: {n}\r\nTransfer-Encoding: identity\r\n"), &good_body()),
            CODING,
        ),
        Case::new(
            "content-length and an empty coding",
            post(&format!("Content-Length: {n}\r\nTransfer-Encoding:\r\n"), &good_body()),
            CODING,
        ),
        Case::new("chunked in HTTP/1.0", old(&chunked_body(), "Transfer-Encoding: chunked\r\n"), BAD),
        Case::new(
            "chunked and content-length in HTTP/1.0",
            old(&chunked_body(), &format!("Content-Length: {n}\r\nTransfer-Encoding: chunked\r\n")),
            BAD,
        ),
    ]
}

fn old(body: &str, lines: &str) -> Vec<u8> {
    format!("POST /mcp HTTP/1.0\r\nHost: {HOST}\r\n{}{lines}\r\n{body}", good_fields()).into_bytes()
}

/// Framing fields that one reader sees and another does not.
fn hidden() -> Vec<Case> {
    let n = good_body().len();
    let behind = |name: &str, lines: String| Case::new(name, post(&lines, &chunked_body()), BAD);
    let beside = |line: &str| format!("Content-Length: {n}\r\n{line}");
    vec![
        behind("a space before the colon of content-length", format!("Content-Length : {n}\r\n")),
        behind("a tab before the colon of content-length", format!("Content-Length\t: {n}\r\n")),
        behind("a space before the colon of transfer-encoding", beside("Transfer-Encoding : chunked\r\n")),
        behind("a tab before the colon of transfer-encoding", beside("Transfer-Encoding\t: chunked\r\n")),
        behind("a line folded into transfer-encoding", beside("Transfer-Encoding:\r\n chunked\r\n")),
        behind(
            "a transfer-encoding line that begins with a space",
            beside("X-A: b\r\n Transfer-Encoding: chunked\r\n"),
        ),
        behind(
            "a transfer-encoding line that begins with a tab",
            beside("X-A: b\r\n\tTransfer-Encoding: chunked\r\n"),
        ),
        behind("transfer-encoding behind a bare LF", beside("X-A: b\nTransfer-Encoding: chunked\r\n")),
        behind("transfer-encoding behind a bare CR", beside("X-A: b\rTransfer-Encoding: chunked\r\n")),
        behind("transfer-encoding behind CR CR LF", beside("X-A: b\r\r\nTransfer-Encoding: chunked\r\n")),
        behind("transfer-encoding behind NUL", beside("X-A: b\0\r\nTransfer-Encoding: chunked\r\n")),
        behind("transfer-encoding with NUL in its name", beside("Transfer-Encoding\0: chunked\r\n")),
        behind("transfer-encoding with 0xff in its name", beside("Transfer-Encoding\u{ff}: chunked\r\n")),
        behind("transfer_encoding", beside("Transfer_Encoding: chunked\r\n")),
        behind("content_length", "Transfer-Encoding: chunked\r\nContent_Length: 5\r\n".into()),
        behind("content-length behind a bare LF", format!("X-A: b\nContent-Length: {n}\r\n")),
        behind("transfer-encoding folded with a bare LF", beside("Transfer-Encoding:\n chunked\r\n")),
    ]
}

/// Whole attacks, with a second request inside the body of the first.
fn smuggled() -> Vec<Case> {
    let inner = format!("GET /mcp/smuggled HTTP/1.1\r\nHost: {HOST}\r\nX-A: ");
    let cl_te = format!("0\r\n\r\n{inner}");
    let te_cl = format!("{:x}\r\n{inner}\r\n0\r\n\r\n", inner.len());
    let body = format!("GET /mcp/smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n{}", good_body());
    vec![
        Case::new(
            "CL.TE",
            post(&format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", cl_te.len()), &cl_te),
            BAD,
        ),
        Case::new("TE.CL", post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", &te_cl), BAD),
        Case::new("TE.TE", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", &te_cl), CODING),
        Case::new(
            "a request as the body of a request",
            post(&format!("Content-Length: {}\r\n", body.len()), &body),
            Expect::Either(&[400], |seen| {
                if seen.target == "/mcp" && seen.body.starts_with(b"GET /mcp/smuggled") {
                    Ok(())
                } else {
                    Err("split".into())
                }
            }),
        ),
    ]
}
