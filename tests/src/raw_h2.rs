//! What does a peer do with exactly these HTTP/2 frames?
//!
//! **Owns** frames and header blocks written by hand (RFC 9113, RFC 7541 without compression) and a reader that
//! understands just enough of the other side to name the outcome. It **does not know** what is right:
//! [`crate::raw_h2_cases`] does.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::raw_http::PATIENCE;

/// What opens a connection, before the first frame.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Frame types of RFC 9113 section 6.
pub mod kind {
    #![allow(missing_docs, reason = "the names of the RFC")]
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// The last frame of this direction of the stream.
pub const END_STREAM: u8 = 1;
/// The last frame of this header block.
pub const END_HEADERS: u8 = 4;
/// The payload begins with a length of padding.
pub const PADDED: u8 = 8;

/// One frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// A header block of plain literals, not remembered by the peer.
pub fn block<N: AsRef<[u8]>, V: AsRef<[u8]>>(fields: &[(N, V)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        string(&mut bytes, name.as_ref());
        string(&mut bytes, value.as_ref());
    }
    bytes
}

fn string(bytes: &mut Vec<u8>, text: &[u8]) {
    let mut left = text.len();
    if left < 127 {
        bytes.push(u8::try_from(left).unwrap_or_default());
    } else {
        bytes.push(127);
        left -= 127;
        while left >= 128 {
            bytes.push(u8::try_from(left % 128).unwrap_or_default() | 128);
            left /= 128;
        }
        bytes.push(u8::try_from(left).unwrap_or_default());
    }
    bytes.extend_from_slice(text);
}

/// What became of stream 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered to its end with this status and body.
    Answered(u16, Vec<u8>),
    /// It was reset with this error code.
    Reset(u32),
    /// The connection was ended with this error code.
    GoAway(u32),
    /// The connection ended without a word.
    Closed,
    /// Nothing for [`PATIENCE`].
    Silent,
}

/// Opens a cleartext connection by prior knowledge, sends preface, empty settings and `frames`, and waits for the
/// outcome.
pub async fn play(address: SocketAddr, frames: &[u8]) -> Outcome {
    let Ok(stream) = TcpStream::connect(address).await else { return Outcome::Closed };
    let _ = stream.set_nodelay(true);
    play_over(stream, frames).await
}

/// [`play`] over a stream that stands already, for instance a TLS one.
pub async fn play_over(stream: impl AsyncRead + AsyncWrite + Unpin, frames: &[u8]) -> Outcome {
    let opening = [PREFACE, &frame(kind::SETTINGS, 0, 0, &[]), frames].concat();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let writing = async {
        let _ = writer.write_all(&opening).await;
        let _ = writer.flush().await;
        // Keeps the client's half open: its end would be an outcome of its own.
        std::future::pending::<Outcome>().await
    };
    let reading = timeout(PATIENCE, outcome(&mut reader));
    tokio::select! {
        never = writing => never,
        outcome = reading => outcome.unwrap_or(Outcome::Silent),
    }
}

async fn outcome(reader: &mut (impl AsyncRead + Unpin)) -> Outcome {
    let (mut status, mut body) = (0, Vec::new());
    loop {
        let Some((kind, flags, stream, payload)) = next(reader).await else { return Outcome::Closed };
        let code =
            |at: usize| payload.get(at..at + 4).map_or(0, |b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
        match (kind, stream) {
            (kind::GOAWAY, _) => match code(4) {
                // A graceful GOAWAY announces the end and still answers what is under way.
                0 => continue,
                code => return Outcome::GoAway(code),
            },
            (kind::RST_STREAM, 1) => return Outcome::Reset(code(0)),
            (kind::HEADERS, 1) if status == 0 => status = status_of(&payload),
            (kind::DATA, 1) => body.extend_from_slice(&payload),
            _ => {}
        }
        if stream == 1 && matches!(kind, kind::HEADERS | kind::DATA) && flags & END_STREAM != 0 {
            return Outcome::Answered(status, body);
        }
    }
}

/// One frame as it came: kind, flags, stream, payload. None when the connection ends.
pub async fn next(reader: &mut (impl AsyncRead + Unpin)) -> Option<(u8, u8, u32, Vec<u8>)> {
    let mut head = [0_u8; 9];
    reader.read_exact(&mut head).await.ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; usize::try_from(length).ok()?];
    reader.read_exact(&mut payload).await.ok()?;
    let stream = u32::from_be_bytes([head[5] & 127, head[6], head[7], head[8]]);
    Some((head[3], head[4], stream, payload))
}

/// The status that opens a header block; 0 when there is none. Knows the static table's entries 8 to 14 and
/// literal digits, plain or Huffman-coded.
fn status_of(block: &[u8]) -> u16 {
    match block {
        [0x88, ..] => 200,
        [0x89, ..] => 204,
        [0x8a, ..] => 206,
        [0x8b, ..] => 304,
        [0x8c, ..] => 400,
        [0x8d, ..] => 404,
        [0x8e, ..] => 500,
        // A literal whose name is one of those entries.
        [first, length, value @ ..] if (8..=14).contains(&(first & 0x0f)) && first & 0xa0 == 0 => {
            let value = value.get(..usize::from(length & 127)).unwrap_or_default();
            if length & 128 == 0 { plain_digits(value) } else { coded_digits(value) }
        }
        // A change of the table's size comes first.
        [first, rest @ ..] if first & 0xe0 == 0x20 => status_of(rest),
        _ => 0,
    }
}

fn plain_digits(value: &[u8]) -> u16 {
    std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// Three digits in the Huffman code of RFC 7541: five bits for 0 to 2, six for the others.
fn coded_digits(value: &[u8]) -> u16 {
    let mut bits = value.iter().flat_map(|byte| (0..8).rev().map(move |n| u16::from(byte >> n & 1)));
    let mut take = |count: usize| bits.by_ref().take(count).fold(0, |number, bit| number << 1 | bit);
    (0..3).fold(0, |number, _| {
        let five = take(5);
        let digit = if five < 3 { five } else { (five << 1 | take(1)).wrapping_sub(0b01_1001) + 3 };
        number * 10 + digit
    })
}

/// How long a connection stands while nothing is sent; none when it outlives `patience`.
pub async fn ends_within(stream: &mut TcpStream, patience: Duration) -> bool {
    let reading = async { while next(stream).await.is_some() {} };
    timeout(patience, reading).await.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_read_in_every_form() {
        assert_eq!(status_of(&[0x88]), 200);
        assert_eq!(status_of(&[0x08, 3, b'4', b'2', b'1']), 421);
        // 405 and 421 as hpack encoders write them: 4 = 011010, 0 = 00000, 5 = 011011, 2 = 00010, 1 = 00001.
        assert_eq!(status_of(&[0x48, 0x83, 0b0110_1000, 0b0000_1101, 0b1111_1111]), 405);
        assert_eq!(status_of(&[0x3f, 0x48, 0x82, 0b0110_1000, 0b0100_0001]), 421);
    }

    #[test]
    fn long_strings_keep_their_length() {
        let bytes = block(&[("a", "b".repeat(300))]);
        assert_eq!(&bytes[..5], [0, 1, b'a', 127, 128 | 45]);
        assert_eq!(bytes.len(), 3 + 3 + 300);
    }
}
