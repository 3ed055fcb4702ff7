//! Writing heads and chunks.

use crate::{FieldLines, Framing};

/// The reason phrase of a status; empty for rare ones, as the grammar allows.
#[must_use]
pub fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        202 => "Accepted",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

/// Appends `HTTP/1.1 <status> <reason>`, the lines, the framing, `Connection: close` where wanted, and the
/// empty line.
pub fn response_head(out: &mut Vec<u8>, status: u16, lines: &FieldLines, framing: Framing, close: bool) {
    out.reserve(lines.as_bytes().len() + 96);
    out.extend_from_slice(b"HTTP/1.1 ");
    decimal(out, u64::from(status));
    out.push(b' ');
    out.extend_from_slice(reason(status).as_bytes());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(lines.as_bytes());
    match framing {
        // A body that may not exist has no length either (RFC 9110 section 8.6).
        Framing::None if status == 204 || status == 304 || status < 200 => {}
        Framing::None => out.extend_from_slice(b"content-length: 0\r\n"),
        Framing::Length(length) => {
            out.extend_from_slice(b"content-length: ");
            decimal(out, length);
            out.extend_from_slice(b"\r\n");
        }
        Framing::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        Framing::UntilClose => {}
    }
    if close {
        out.extend_from_slice(b"connection: close\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends one header line of a request head under construction.
pub fn field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + b": \r\n".len());
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Appends the size line of a chunk of `size` bytes.
pub fn chunk_start(out: &mut Vec<u8>, size: usize) {
    let mut digits = [0u8; 16];
    let (mut at, mut left) = (digits.len(), size);
    loop {
        at -= 1;
        digits[at] = b"0123456789abcdef"[left & 15];
        left >>= 4;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
    out.extend_from_slice(b"\r\n");
}

/// Appends a number in decimal.
pub fn decimal(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0u8; 20];
    let (mut at, mut left) = (digits.len(), number);
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_and_chunks_are_spelt_right() {
        let mut lines = FieldLines::new();
        lines.push("content-type", b"application/json");
        let mut out = Vec::new();
        response_head(&mut out, 200, &lines, Framing::Length(1024), true);
        assert_eq!(
            String::from_utf8(out).expect("ascii"),
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1024\r\nconnection: close\r\n\r\n"
        );
        let mut out = Vec::new();
        for size in [1, 255, 4096] {
            chunk_start(&mut out, size);
        }
        assert_eq!(out, b"1\r\nff\r\n1000\r\n");
    }
}
