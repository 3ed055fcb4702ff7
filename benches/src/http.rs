//! Is this HTTP/1.1 message whole, and what is its body?
//!
//! Owns the little framing that hub and load generator share: head, Content-Length, chunked. Does not know sockets or
//! MCP. It trusts its peers to be well-behaved proxies; it is no defence.

use anyhow::{Context, Result, bail, ensure};

/// Most header fields read. Measured messages have fewer than 15.
const FIELDS_MAX: usize = 64;

/// The parts of a whole message.
#[derive(Debug)]
pub struct Message<'a> {
    /// Method of a request, empty for a response.
    pub method: &'a str,
    /// Status of a response, 0 for a request.
    pub status: u16,
    /// Value of `Mcp-Session-Id`, where there is one.
    pub session: Option<&'a str>,
    /// The body, with chunking removed.
    pub body: &'a [u8],
    /// Bytes of the buffer that the message takes.
    pub len: usize,
    /// Whether the sender will close the connection.
    pub closes: bool,
}

#[derive(Default)]
struct Framing<'a> {
    length: usize,
    chunked: bool,
    closes: bool,
    session: Option<&'a str>,
}

/// Reads a request from the front of `buffer`; `None` when it is not whole yet. `scratch` holds a decoded chunked body.
///
/// # Errors
/// When the bytes are no HTTP/1.1 request.
pub fn request<'a>(buffer: &'a [u8], scratch: &'a mut Vec<u8>) -> Result<Option<Message<'a>>> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut head = httparse::Request::new(&mut fields);
    let httparse::Status::Complete(end) = head.parse(buffer).context("reading a request head")? else {
        return Ok(None);
    };
    let framing = framing(head.headers)?;
    finish(buffer, end, &framing, head.method.unwrap_or_default(), 0, scratch)
}

/// Reads a response from the front of `buffer`; `None` when it is not whole yet. `scratch` holds a decoded chunked body.
///
/// # Errors
/// When the bytes are no HTTP/1.1 response with a delimited body.
pub fn response<'a>(buffer: &'a [u8], scratch: &'a mut Vec<u8>) -> Result<Option<Message<'a>>> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(end) = head.parse(buffer).context("reading a response head")? else {
        return Ok(None);
    };
    let framing = framing(head.headers)?;
    finish(buffer, end, &framing, "", head.code.unwrap_or(0), scratch)
}

fn framing<'a>(fields: &[httparse::Header<'a>]) -> Result<Framing<'a>> {
    let mut framing = Framing::default();
    for field in fields {
        let text = || std::str::from_utf8(field.value).context("reading a field value");
        // Lengths first: comparing names costs more than it looks at this rate.
        match field.name.len() {
            14 if field.name.eq_ignore_ascii_case("content-length") => {
                framing.length = text()?.trim().parse().context("reading Content-Length")?;
            }
            17 if field.name.eq_ignore_ascii_case("transfer-encoding") => {
                framing.chunked = text()?.trim().eq_ignore_ascii_case("chunked");
            }
            10 if field.name.eq_ignore_ascii_case("connection") => {
                framing.closes = text()?.trim().eq_ignore_ascii_case("close");
            }
            14 if field.name.eq_ignore_ascii_case("mcp-session-id") => framing.session = Some(text()?),
            _ => {}
        }
    }
    Ok(framing)
}

fn finish<'a>(
    buffer: &'a [u8],
    end: usize,
    framing: &Framing<'a>,
    method: &'a str,
    status: u16,
    scratch: &'a mut Vec<u8>,
) -> Result<Option<Message<'a>>> {
    let rest = &buffer[end..];
    let (body, taken): (&[u8], usize) = if framing.chunked {
        scratch.clear();
        let Some(taken) = dechunk(rest, scratch)? else { return Ok(None) };
        (scratch, taken)
    } else {
        let Some(body) = rest.get(..framing.length) else { return Ok(None) };
        (body, framing.length)
    };
    let session = framing.session;
    Ok(Some(Message { method, status, session, body, len: end + taken, closes: framing.closes }))
}

/// Appends the decoded body to `out` and tells how many bytes it took; `None` when the last chunk is not there yet.
fn dechunk(mut rest: &[u8], out: &mut Vec<u8>) -> Result<Option<usize>> {
    let whole = rest.len();
    loop {
        let size = match httparse::parse_chunk_size(rest) {
            Ok(httparse::Status::Complete((at, size))) => {
                rest = &rest[at..];
                usize::try_from(size).context("reading a chunk size")?
            }
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => bail!("a chunk size that is no number"),
        };
        let Some(tail) = rest.get(size..) else { return Ok(None) };
        if tail.len() < 2 {
            return Ok(None);
        }
        // After the last chunk this is the empty line that ends the trailers, of which measured peers send none.
        ensure!(tail.starts_with(b"\r\n"), "a chunk without its line end, or a trailer");
        out.extend_from_slice(&rest[..size]);
        rest = &tail[2..];
        if size == 0 {
            return Ok(Some(whole - rest.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::answers;
    use crate::wire::step::Step;

    /// A response is whole at its last byte and not one byte earlier, and its body is what was meant.
    fn check(bytes: &[u8], body: &[u8]) {
        for cut in 0..bytes.len() {
            let mut scratch = Vec::new();
            let part = response(&bytes[..cut], &mut scratch).expect("a good prefix");
            assert!(part.is_none(), "whole after {cut} of {} bytes", bytes.len());
        }
        let mut scratch = Vec::new();
        let message = response(bytes, &mut scratch).expect("well formed").expect("whole");
        assert_eq!((message.status, message.len), (200, bytes.len()));
        assert_eq!(message.body, body);
    }

    #[test]
    fn an_answer_is_whole_at_its_last_byte() {
        for step in [Step::Call, Step::CallSse, Step::List] {
            check(&answers::answer(step), &answers::body(step));
        }
    }

    #[test]
    fn broken_chunking_is_an_error() {
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for body in ["zz\r\n", "3\r\nabcdef"] {
            let bytes = [head.as_slice(), body.as_bytes()].concat();
            assert!(response(&bytes, &mut Vec::new()).is_err(), "{body:?}");
        }
    }
}
