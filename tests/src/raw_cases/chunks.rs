//! Is this chunk as long as it says? The chunked coding (RFC 9112 section 7.1).

use super::{BAD, Case, Expect, absent, body_whole, good_body, post};

const WHOLE: Expect = Expect::Passed(body_whole);
const EITHER: Expect = Expect::Either(&[400], body_whole);
/// Too large a size is broken or too large.
const HUGE: Expect = Expect::Refused(&[400, 413]);
/// Bytes that only serve to be read.
const BULK: Expect = Expect::Refused(&[400, 413, 431]);
/// A harmless trailer may be dropped or refused; it must not become a header field.
const TRAILER: Expect = Expect::Either(&[400], |seen| body_whole(seen).and(absent(seen, &["x-checksum"])));

/// Chunk sizes, chunk data, extensions, the end and trailers.
pub fn cases() -> Vec<Case> {
    [sizes(), data(), extensions(), ends(), trailers()].concat()
}

fn chunked(name: &str, body: &str, expect: Expect) -> Case {
    Case::new(name, post("Transfer-Encoding: chunked\r\n", body), expect)
}

/// The good body as one chunk, its size line replaced.
fn sized(name: &str, line: &str, expect: Expect) -> Case {
    chunked(name, &format!("{line}\r\n{}\r\n0\r\n\r\n", good_body()), expect)
}

fn sizes() -> Vec<Case> {
    let n = good_body().len();
    let (two, rest) = (&good_body()[..2], &good_body()[2..]);
    let split = format!("2\r\n{two}\r\n{:X}\r\n{rest}\r\n0\r\n\r\n", rest.len());
    let small: String = good_body().chars().map(|c| format!("1\r\n{c}\r\n")).collect();
    vec![
        chunked("two chunks, size in capitals", &split, WHOLE),
        chunked("a chunk for each byte", &format!("{small}0\r\n\r\n"), WHOLE),
        sized("a size with leading zeros", &format!("000{n:x}"), WHOLE),
        sized("a size with 40 leading zeros", &format!("{}{n:x}", "0".repeat(40)), EITHER),
        sized("an empty size", "", BAD),
        sized("a size with plus", &format!("+{n:x}"), BAD),
        sized("a size with minus", &format!("-{n:x}"), BAD),
        sized("a size with 0x", &format!("0x{n:x}"), BAD),
        sized("a size with 0X", &format!("0X{n:x}"), BAD),
        sized("a size with h", &format!("{n:x}h"), BAD),
        sized("a size behind a space", &format!(" {n:x}"), BAD),
        sized("a size behind a tab", &format!("\t{n:x}"), BAD),
        sized("a size before a space", &format!("{n:x} "), BAD),
        sized("a size before a tab", &format!("{n:x}\t"), BAD),
        sized("a size before a vertical tab", &format!("{n:x}\x0b"), BAD),
        sized("a size before NUL", &format!("{n:x}\0"), BAD),
        sized("a size of two words", &format!("{n:x} 0"), BAD),
        sized("a size with underscore", "1_0", BAD),
        sized("a size with a fraction", &format!("{n:x}.0"), BAD),
        sized("a size with a comma", &format!("{n:x},"), BAD),
        sized("a size in quotes", &format!("\"{n:x}\""), BAD),
        sized("a size in full-width digits", "５", BAD),
        sized("a size of no digits", "zz", BAD),
        sized("a size of g", "g", BAD),
        sized("a size of 2^64 and the body", &format!("1{n:016x}"), HUGE),
        sized("a size of 2^32 and the body", &format!("1{n:08x}"), HUGE),
        sized("a size of 16 f", &"f".repeat(16), HUGE),
        sized("a size of 15 f", &"f".repeat(15), HUGE),
        sized("a size of 2^63 - 1", "7fffffffffffffff", HUGE),
        sized("a size of 100 f", &"f".repeat(100), HUGE),
        sized("a size line of 70 KiB", &"0".repeat(70 << 10), BULK),
    ]
}

fn data() -> Vec<Case> {
    let body = good_body();
    let n = body.len();
    let (less, more) = (n - 3, n + 3);
    vec![
        chunked("no CRLF behind the data", &format!("{n:x}\r\n{body}0\r\n\r\n"), BAD),
        chunked("LF behind the data", &format!("{n:x}\r\n{body}\n0\r\n\r\n"), BAD),
        chunked("CR behind the data", &format!("{n:x}\r\n{body}\r0\r\n\r\n"), BAD),
        chunked("LF CR behind the data", &format!("{n:x}\r\n{body}\n\r0\r\n\r\n"), BAD),
        chunked("two CRLF behind the data", &format!("{n:x}\r\n{body}\r\n\r\n0\r\n\r\n"), BAD),
        chunked("data longer than its size", &format!("{less:x}\r\n{body}\r\n0\r\n\r\n"), BAD),
        chunked("data shorter than its size", &format!("{more:x}\r\n{body}\r\n0\r\n\r\n"), BAD),
        chunked("LF behind the size", &format!("{n:x}\n{body}\r\n0\r\n\r\n"), BAD),
        chunked("CR behind the size", &format!("{n:x}\r{body}\r\n0\r\n\r\n"), BAD),
        chunked("CR CR LF behind the size", &format!("{n:x}\r\r\n{body}\r\n0\r\n\r\n"), BAD),
        chunked("LF everywhere", &format!("{n:x}\n{body}\n0\n\n"), BAD),
        chunked("data that ends early", &format!("{n:x}\r\n{}", &body[..less]), Expect::Dropped).then_eof(),
        chunked("no chunk at all", "", Expect::Dropped).then_eof(),
    ]
}

fn extensions() -> Vec<Case> {
    let n = good_body().len();
    let ext = |name: &str, tail: &str, expect| sized(name, &format!("{n:x}{tail}"), expect);
    let many: String = good_body().chars().map(|c| format!("1;x={}\r\n{c}\r\n", "y".repeat(1000))).collect();
    vec![
        ext("an extension", ";a=b", EITHER),
        ext("an extension without value", ";a", EITHER),
        ext("two extensions", ";a=b;c=d", EITHER),
        ext("an extension in quotes", ";a=\"b;c\"", EITHER),
        ext("an extension amid spaces", " ; a = b", EITHER),
        ext("an extension without name", ";", EITHER),
        ext("an extension with equals only", ";=", EITHER),
        ext("an extension with a bare LF", ";a\nb", BAD),
        ext("an extension with a bare LF and a chunk", ";a\n0", BAD),
        ext("an extension with a bare CR", ";a\rb", BAD),
        ext("an extension with NUL", ";a\0", BAD),
        ext("an extension with a control byte", ";a=\x01", BAD),
        ext("an extension with CRLF in quotes", ";a=\"\r\n0\r\n\r\n\"", BAD),
        ext("an extension of 70 KiB", &format!(";a={}", "b".repeat(70 << 10)), BULK),
        chunked(
            "300 KiB of extensions for few bytes",
            &format!("{many}0\r\n\r\n"),
            Expect::Either(&[400, 413, 431], body_whole),
        ),
    ]
}

fn ends() -> Vec<Case> {
    let body = good_body();
    let n = body.len();
    let end = |name: &str, tail: &str, expect| chunked(name, &format!("{n:x}\r\n{body}\r\n{tail}"), expect);
    vec![
        end("the end as 000", "000\r\n\r\n", WHOLE),
        end("the end with an extension", "0;a=b\r\n\r\n", EITHER),
        end("the end as 0x0", "0x0\r\n\r\n", BAD),
        end("the end as -0", "-0\r\n\r\n", BAD),
        end("the end as +0", "+0\r\n\r\n", BAD),
        end("the end behind a space", " 0\r\n\r\n", BAD),
        end("the end with LF LF", "0\n\n", BAD),
        end("the end with CRLF LF", "0\r\n\n", BAD),
        end("the end with LF CRLF", "0\n\r\n", BAD),
        end("the end without its last LF", "0\r\n\rX", BAD),
        end("an empty line for the end", "\r\n", BAD),
        end("no end", "", Expect::Dropped).then_eof(),
        end("the end without CRLF", "0", Expect::Dropped).then_eof(),
        end("the end without the empty line", "0\r\n", Expect::Dropped).then_eof(),
        end("the end without half of the empty line", "0\r\n\r", Expect::Dropped).then_eof(),
    ]
}

fn trailers() -> Vec<Case> {
    let body = good_body();
    let n = body.len();
    let trailer = |name: &str, lines: &str, expect| {
        chunked(name, &format!("{n:x}\r\n{body}\r\n0\r\n{lines}\r\n"), expect)
    };
    let forbidden =
        |name: &str, value: &str| trailer(&format!("a trailer {name}"), &format!("{name}: {value}\r\n"), BAD);
    vec![
        trailer("a harmless trailer", "X-Checksum: 1\r\n", TRAILER),
        trailer("two harmless trailers", "X-Checksum: 1\r\nX-Other: 2\r\n", TRAILER),
        forbidden("Content-Length", "0"),
        forbidden("Transfer-Encoding", "chunked"),
        forbidden("Host", "evil.example"),
        forbidden("Authorization", "Bearer x"),
        forbidden("Mcp-Session-Id", "x"),
        forbidden("Content-Type", "text/plain"),
        forbidden("Connection", "close"),
        forbidden("X-Forwarded-For", "203.0.113.9"),
        forbidden("MCP-Protocol-Version", "1999-01-01"),
        trailer("a trailer without colon", "nonsense\r\n", BAD),
        trailer("a trailer with a space before the colon", "X-A : b\r\n", BAD),
        trailer("a folded trailer", "X-A: b\r\n c\r\n", BAD),
        trailer("a trailer with LF", "X-A: b\nX-B: c\r\n", BAD),
        trailer("a trailer with NUL", "X-A: \0\r\n", BAD),
        trailer("a trailer without name", ": b\r\n", BAD),
        trailer("a request in place of trailers", "GET /mcp/smuggled HTTP/1.1\r\nHost: x\r\n", BAD),
        trailer("trailers of 70 KiB", &format!("X-A: {}\r\n", "b".repeat(70 << 10)), BULK),
        trailer("a thousand trailers", &"X-A: b\r\n".repeat(1000), Expect::Either(&[400, 431], body_whole)),
    ]
}
