//! Reading bodies piece by piece.

use crate::{Framing, Refusal};
use bytes::{Buf, Bytes, BytesMut};

/// Longest chunk-size line: 16 digits, and extensions that nobody uses.
const SIZE_LINE_MAX: usize = 256;
/// Longest trailer section. Trailers are read and dropped.
const TRAILER_MAX: usize = 8 * 1024;

/// A piece of a body.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// Some bytes of it, never none.
    Data(Bytes),
    /// The whole body has been read.
    End,
}

/// How much of a body has been gathered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gathered {
    /// What is here, or what there was room for.
    SoFar,
    /// All of it, to its end.
    All,
}

/// Reads a body of any framing out of the bytes that arrive.
#[derive(Debug)]
pub enum BodyReader {
    /// Nothing (more) to read.
    Done,
    /// So many bytes are still to come.
    Length(u64),
    /// Chunks are to come.
    Chunked(ChunkDecoder),
    /// All bytes until the connection closes.
    UntilClose,
}

impl BodyReader {
    /// A reader for this framing.
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        match framing {
            Framing::None | Framing::Length(0) => Self::Done,
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(ChunkDecoder::default()),
            Framing::UntilClose => Self::UntilClose,
        }
    }

    /// Takes the next piece from the front of `buf`; `None` asks for more bytes.
    ///
    /// # Errors
    /// The framing is broken; nothing after this point can be trusted.
    pub fn take(&mut self, buf: &mut BytesMut) -> Result<Option<Piece>, Refusal> {
        match self {
            Self::Done => Ok(Some(Piece::End)),
            Self::Length(left) => {
                if buf.is_empty() {
                    return Ok(None);
                }
                let size = usize::try_from(*left).unwrap_or(usize::MAX).min(buf.len());
                *left -= size as u64;
                if *left == 0 {
                    *self = Self::Done;
                }
                Ok(Some(Piece::Data(buf.split_to(size).freeze())))
            }
            Self::Chunked(decoder) => {
                let piece = decoder.take(buf)?;
                if piece == Some(Piece::End) {
                    *self = Self::Done;
                }
                Ok(piece)
            }
            Self::UntilClose if buf.is_empty() => Ok(None),
            Self::UntilClose => Ok(Some(Piece::Data(buf.split().freeze()))),
        }
    }

    /// Moves what is here of the body from `buf` to the end of `out`, until `out` has `most` bytes. Cheaper than
    /// [`take`](Self::take) where the pieces are to stand together anyway.
    ///
    /// # Errors
    /// The framing is broken; what was moved before that point is good.
    pub fn gather(
        &mut self,
        buf: &mut BytesMut,
        out: &mut BytesMut,
        most: usize,
    ) -> Result<Gathered, Refusal> {
        let mut room = most.saturating_sub(out.len());
        out.reserve(room.min(buf.len()));
        while room > 0 {
            let size = match &mut *self {
                Self::Chunked(decoder) => match decoder.next(buf)? {
                    None => return Ok(Gathered::SoFar),
                    Some(0) => {
                        *self = Self::Done;
                        return Ok(Gathered::All);
                    }
                    Some(size) => {
                        let size = size.min(room);
                        decoder.passed(size);
                        size
                    }
                },
                other => match other.take(buf)? {
                    None => return Ok(Gathered::SoFar),
                    Some(Piece::End) => return Ok(Gathered::All),
                    // Pieces are no larger than the buffer, whose bound is its reader's.
                    Some(Piece::Data(data)) => {
                        out.extend_from_slice(&data);
                        room = room.saturating_sub(data.len());
                        continue;
                    }
                },
            };
            out.extend_from_slice(&buf[..size]);
            buf.advance(size);
            room -= size;
        }
        Ok(Gathered::SoFar)
    }

    /// Whether the body has been read to its end.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// Whether a connection that closes now ends the body properly.
    #[must_use]
    pub fn may_end_here(&self) -> bool {
        matches!(self, Self::Done | Self::UntilClose)
    }

    /// How many bytes are still to come at least: all of them where a length was given, those of the present chunk
    /// otherwise. A body that promises too much can be refused before it has come.
    #[must_use]
    pub fn promised(&self) -> u64 {
        match self {
            Self::Length(left) => *left,
            Self::Chunked(decoder) => decoder.promised(),
            Self::Done | Self::UntilClose => 0,
        }
    }
}

/// Decodes the chunked coding (RFC 9112 section 7.1) strictly.
#[derive(Debug, Default)]
pub struct ChunkDecoder {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Size,
    Data(u64),
    DataEnd,
    Trailer {
        read: usize,
    },
    Done,
}

impl ChunkDecoder {
    /// Bytes of the present chunk that are still to come.
    fn promised(&self) -> u64 {
        match self.state {
            State::Data(left) => left,
            _ => 0,
        }
    }

    /// Takes the next piece from the front of `buf`; `None` asks for more bytes.
    ///
    /// # Errors
    /// The coding is broken.
    pub fn take(&mut self, buf: &mut BytesMut) -> Result<Option<Piece>, Refusal> {
        Ok(match self.next(buf)? {
            None => None,
            Some(0) => Some(Piece::End),
            Some(size) => {
                self.passed(size);
                Some(Piece::Data(buf.split_to(size).freeze()))
            }
        })
    }

    /// Removes what is no data from the front of `buf`: how many bytes of data stand there then, 0 at the end of the
    /// body; `None` asks for more bytes. [`passed`](Self::passed) is to be told how many are taken.
    fn next(&mut self, buf: &mut BytesMut) -> Result<Option<usize>, Refusal> {
        loop {
            match &mut self.state {
                State::Size => {
                    let Some(size) = take_size(buf)? else { return Ok(None) };
                    self.state = match size {
                        0 => State::Trailer { read: 0 },
                        size => State::Data(size),
                    };
                }
                State::Data(_) if buf.is_empty() => return Ok(None),
                State::Data(left) => {
                    return Ok(Some(usize::try_from(*left).unwrap_or(usize::MAX).min(buf.len())));
                }
                State::DataEnd => {
                    if !b"\r\n".starts_with(&buf[..buf.len().min(2)]) {
                        return Err(Refusal::Chunk);
                    }
                    if buf.len() < 2 {
                        return Ok(None);
                    }
                    buf.advance(2);
                    self.state = State::Size;
                }
                State::Trailer { read } => {
                    let room = TRAILER_MAX - *read;
                    let Some(line) = take_line(buf, room, Refusal::Trailer)? else { return Ok(None) };
                    if line.is_empty() {
                        self.state = State::Done;
                        return Ok(Some(0));
                    }
                    *read += line.len() + 2;
                    check_trailer(&line)?;
                }
                State::Done => return Ok(Some(0)),
            }
        }
    }

    /// So many bytes of data were taken.
    fn passed(&mut self, size: usize) {
        if let State::Data(left) = &mut self.state {
            *left = left.saturating_sub(size as u64);
            if *left == 0 {
                self.state = State::DataEnd;
            }
        }
    }
}

/// Takes the size of the next chunk, and its line.
fn take_size(buf: &mut BytesMut) -> Result<Option<u64>, Refusal> {
    // Nearly all are a few digits and no extension.
    let digits = buf.iter().take(8).take_while(|byte| byte.is_ascii_hexdigit()).count();
    if digits > 0 && buf.get(digits..digits + 2) == Some(b"\r\n") {
        let size = buf[..digits].iter().fold(0, |size, digit| size << 4 | u64::from(hex(*digit)));
        buf.advance(digits + 2);
        return Ok(Some(size));
    }
    take_line(buf, SIZE_LINE_MAX, Refusal::Chunk)?.map(|line| chunk_size(&line)).transpose()
}

/// The value of a hexadecimal digit.
fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

/// Takes a line without its CRLF. A bare LF or a stray CR is refused.
fn take_line(buf: &mut BytesMut, max: usize, refusal: Refusal) -> Result<Option<Bytes>, Refusal> {
    let Some(end) = memchr::memchr2(b'\n', b'\r', buf) else {
        return if buf.len() > max { Err(refusal) } else { Ok(None) };
    };
    if buf[end] == b'\n' || end > max {
        return Err(refusal);
    }
    match buf.get(end + 1) {
        None => Ok(None),
        Some(b'\n') => {
            let line = buf.split_to(end).freeze();
            buf.advance(2);
            Ok(Some(line))
        }
        Some(_) => Err(refusal),
    }
}

/// `1*HEXDIG`, at most 15 of them, then nothing or an extension.
fn chunk_size(line: &[u8]) -> Result<u64, Refusal> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    if digits == 0 || digits > 15 {
        return Err(Refusal::Chunk);
    }
    let extension = &line[digits..];
    let plain = |byte: &u8| *byte == b'\t' || (0x20..0x7F).contains(byte);
    if !extension.is_empty() && (extension[0] != b';' || !extension.iter().all(plain)) {
        return Err(Refusal::Chunk);
    }
    let digits = std::str::from_utf8(&line[..digits]).map_err(|_| Refusal::Chunk)?;
    u64::from_str_radix(digits, 16).map_err(|_| Refusal::Chunk)
}

/// A trailer field is dropped, but one that would change framing or routing is an attempt at something.
fn check_trailer(line: &[u8]) -> Result<(), Refusal> {
    let colon = memchr::memchr(b':', line).ok_or(Refusal::Trailer)?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let sound = !name.is_empty()
        && name.iter().all(token)
        && value.iter().all(|byte| *byte == b'\t' || (*byte >= 0x20 && *byte != 0x7F));
    if sound && crate::Known::of(name).is_none() { Ok(()) } else { Err(Refusal::Trailer) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(mut feed: impl Iterator<Item = Vec<u8>>) -> Result<(Vec<u8>, usize), Refusal> {
        let (mut decoder, mut buf, mut out) = (ChunkDecoder::default(), BytesMut::new(), Vec::new());
        loop {
            match decoder.take(&mut buf)? {
                Some(Piece::Data(data)) => out.extend_from_slice(&data),
                Some(Piece::End) => {
                    let rest = buf.len() + feed.map(|part| part.len()).sum::<usize>();
                    return Ok((out, rest));
                }
                None => match feed.next() {
                    Some(part) => buf.extend_from_slice(&part),
                    None => return Err(Refusal::FirstLine), // Stands for "incomplete" here.
                },
            }
        }
    }

    /// As [`decode`], but gathered a few bytes at a time.
    fn gather(feed: impl Iterator<Item = Vec<u8>>) -> Result<Vec<u8>, Refusal> {
        let (mut reader, mut buf) = (BodyReader::new(Framing::Chunked), BytesMut::new());
        let mut out = BytesMut::new();
        for part in feed {
            buf.extend_from_slice(&part);
            loop {
                let (before, left) = (out.len(), buf.len());
                let most = out.len() + 3;
                if reader.gather(&mut buf, &mut out, most)? == Gathered::All {
                    assert!(reader.is_done());
                    return Ok(out.to_vec());
                }
                assert!(out.len() <= most);
                if (out.len(), buf.len()) == (before, left) {
                    break;
                }
            }
        }
        Err(Refusal::FirstLine)
    }

    #[track_caller]
    fn check(text: &str, expected: Result<&str, Refusal>) {
        let expected = expected.map(|text| text.as_bytes().to_vec());
        let whole = decode(std::iter::once(text.as_bytes().to_vec())).map(|(data, _)| data);
        assert_eq!(whole, expected, "{text:?}");
        let dripping = decode(text.bytes().map(|byte| vec![byte])).map(|(data, _)| data);
        assert_eq!(dripping, expected, "byte by byte: {text:?}");
        for size in [1, 4, text.len().max(1)] {
            let gathered = gather(text.as_bytes().chunks(size).map(<[u8]>::to_vec));
            assert_eq!(gathered, expected, "gathered from {size} at a time: {text:?}");
        }
    }

    #[test]
    fn chunks_are_joined_and_bad_ones_refused() {
        check("5\r\nhello\r\n0\r\n\r\n", Ok("hello"));
        check("5;a=\"b\"\r\nhello\r\n1\r\n!\r\n0\r\nX-Sum: 1\r\n\r\n", Ok("hello!"));
        check("A\r\n0123456789\r\n000\r\n\r\n", Ok("0123456789"));
        check("00000000000000b\r\nhello world\r\n0\r\n\r\n", Ok("hello world"));
        check("0000000B\r\nhello world\r\n0\r\n\r\n", Ok("hello world"));
        for bad in [
            "\r\nhello\r\n0\r\n\r\n",
            "+5\r\nhello\r\n0\r\n\r\n",
            "0x5\r\nhello\r\n0\r\n\r\n",
            "-1\r\n\r\n",
            " 5\r\nhello\r\n0\r\n\r\n",
            "5 \r\nhello\r\n0\r\n\r\n",
            "5\nhello\n0\n\n",
            "5\r\nhello0\r\n\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "ffffffffffffffff\r\nx",
            "5;a\rb\r\nhello\r\n0\r\n\r\n",
            "5;a\nb\r\nhello\r\n0\r\n\r\n",
        ] {
            check(bad, Err(Refusal::Chunk));
        }
        check("0\r\nContent-Length: 5\r\n\r\n", Err(Refusal::Trailer));
        check("0\r\nno colon\r\n\r\n", Err(Refusal::Trailer));
        check("0\r\nX: a\n\r\n", Err(Refusal::Trailer));
        check("5\r\nhel", Err(Refusal::FirstLine));
    }

    #[test]
    fn size_lines_and_trailers_are_bounded() {
        check(&format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(300)), Err(Refusal::Chunk));
        check(&format!("0\r\n{}\r\n", "X: 12345678\r\n".repeat(1000)), Err(Refusal::Trailer));
    }

    #[test]
    fn what_is_promised_is_known_before_it_comes() {
        let mut reader = BodyReader::new(Framing::Chunked);
        let mut buf = BytesMut::from(&b"100000000\r\nab"[..]);
        assert_eq!(reader.promised(), 0);
        assert_eq!(reader.take(&mut buf), Ok(Some(Piece::Data(Bytes::from_static(b"ab")))));
        assert_eq!(reader.promised(), 0x1_0000_0000 - 2);
        assert_eq!(BodyReader::new(Framing::Length(7)).promised(), 7);
    }

    #[test]
    fn a_length_takes_no_byte_too_many() {
        let mut reader = BodyReader::new(Framing::Length(3));
        let mut buf = BytesMut::from(&b"abcd"[..]);
        assert_eq!(reader.take(&mut buf), Ok(Some(Piece::Data(Bytes::from_static(b"abc")))));
        assert_eq!(reader.take(&mut buf), Ok(Some(Piece::End)));
        assert_eq!(&buf[..], b"d");
    }
}
