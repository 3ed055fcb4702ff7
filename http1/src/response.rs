//! Reading a response head from a hub.

use crate::fields::{Fields, list};
use crate::head::{EMPTY_LINE, HeadScan, take_head};
use crate::request::{chunked, content_length};
use crate::{FIELDS_MAX, Framing, HeadLimits, Known, Refusal};
use bytes::{Bytes, BytesMut};
use std::mem::MaybeUninit;

/// A response head.
#[derive(Debug, Clone)]
pub struct ResponseHead {
    /// 100 to 599.
    pub status: u16,
    /// How the body ends, for a request that was not `HEAD`.
    pub framing: Framing,
    /// Whether the connection may carry another exchange after this one.
    pub keep_alive: bool,
    /// The header fields.
    pub fields: Fields,
}

impl ResponseHead {
    /// Takes one head from the front of `buf`, or `None` while it is incomplete. Interim responses
    /// (status 1xx) are returned like any other; the caller reads on.
    ///
    /// # Errors
    /// Why the message cannot be trusted. The connection must be dropped.
    pub fn take(
        buf: &mut BytesMut,
        scan: &mut HeadScan,
        limits: &HeadLimits,
    ) -> Result<Option<Self>, Refusal> {
        match take_head(buf, scan, limits)? {
            Some(raw) => Self::parse(&raw, limits).map(Some),
            None => Ok(None),
        }
    }

    fn parse(raw: &Bytes, limits: &HeadLimits) -> Result<Self, Refusal> {
        let mut scratch = [const { MaybeUninit::uninit() }; FIELDS_MAX];
        let mut parsed = httparse::Response::new(&mut []);
        let config = httparse::ParserConfig::default();
        match config.parse_response_with_uninit_headers(&mut parsed, raw, &mut scratch) {
            Ok(httparse::Status::Complete(end)) if end == raw.len() => {}
            Ok(httparse::Status::Complete(_)) => return Err(Refusal::LineEnd),
            Ok(httparse::Status::Partial) => return Err(Refusal::FirstLine),
            Err(httparse::Error::TooManyHeaders) => return Err(Refusal::HeadTooLarge),
            Err(httparse::Error::Status | httparse::Error::Version | httparse::Error::Token) => {
                return Err(Refusal::FirstLine);
            }
            Err(_) => return Err(Refusal::Field),
        }
        if parsed.headers.len() > limits.fields.max(FIELDS_MAX) {
            return Err(Refusal::HeadTooLarge);
        }
        let (Some(status), Some(minor)) = (parsed.code, parsed.version) else {
            return Err(Refusal::FirstLine);
        };
        if !(100..600).contains(&status) {
            return Err(Refusal::FirstLine);
        }
        let mut fields = Fields::new(raw.clone(), raw.len() - EMPTY_LINE, parsed.headers.len());
        for header in parsed.headers.iter() {
            fields.push(header.name.as_bytes(), header.value)?;
        }
        fields.check_lines()?;
        let framing = response_framing(&fields, status)?;
        let closes = fields
            .values(Known::Connection)
            .flat_map(list)
            .any(|option| option.eq_ignore_ascii_case(b"close"));
        let keep_alive = minor == 1 && !closes && framing != Framing::UntilClose;
        Ok(Self { status, framing, keep_alive, fields })
    }

    /// Whether the media type of the body is `text/event-stream`.
    #[must_use]
    pub fn is_event_stream(&self) -> bool {
        media_type_is(self.fields.get(Known::ContentType), b"text/event-stream")
    }
}

/// Whether a `Content-Type` value names this media type, parameters aside.
#[must_use]
pub fn media_type_is(value: Option<&[u8]>, wanted: &[u8]) -> bool {
    value.is_some_and(|value| {
        if value.eq_ignore_ascii_case(wanted) {
            return true;
        }
        let essence = value.split(|byte| *byte == b';').next().unwrap_or_default();
        essence.trim_ascii().eq_ignore_ascii_case(wanted)
    })
}

fn response_framing(fields: &Fields, status: u16) -> Result<Framing, Refusal> {
    if status < 200 || status == 204 || status == 304 {
        return Ok(Framing::None);
    }
    match (fields.get(Known::ContentLength), fields.get(Known::TransferEncoding)) {
        (Some(_), Some(_)) => Err(Refusal::TwoLengths),
        (None, Some(_)) => chunked(fields).map(|()| Framing::Chunked),
        (Some(value), None) => content_length(value).map(|length| match length {
            0 => Framing::None,
            length => Framing::Length(length),
        }),
        (None, None) => Ok(Framing::UntilClose),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<(u16, Framing, bool), Refusal>) {
        let mut buf = BytesMut::from(text.as_bytes());
        let found = ResponseHead::take(&mut buf, &mut HeadScan::default(), &HeadLimits::default())
            .map(|head| head.expect("a whole head"))
            .map(|head| (head.status, head.framing, head.keep_alive));
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn framing_follows_the_rules() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", Ok((200, Framing::Length(7), true)));
        check("HTTP/1.1 202 \r\nContent-Length: 0\r\n\r\n", Ok((202, Framing::None, true)));
        check("HTTP/1.1 204 No Content\r\n\r\n", Ok((204, Framing::None, true)));
        check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Ok((200, Framing::Chunked, true)));
        check("HTTP/1.1 200 OK\r\n\r\n", Ok((200, Framing::UntilClose, false)));
        check("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n", Ok((200, Framing::Length(1), false)));
        check(
            "HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 1\r\n\r\n",
            Ok((200, Framing::Length(1), false)),
        );
        check(
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            Err(Refusal::TwoLengths),
        );
        check("HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n", Err(Refusal::ContentLength));
        check("HTTP/1.1 99 Odd\r\n\r\n", Err(Refusal::FirstLine));
        check("ICY 200 OK\r\n\r\n", Err(Refusal::FirstLine));
        check("HTTP/1.1 200 OK\r\nX: a\nContent-Length: 1\r\n\r\n", Err(Refusal::LineEnd));
        check("HTTP/1.1 200 OK\r\nContent-Length: 1\n\nX: a\r\n\r\n", Err(Refusal::LineEnd));
        check("HTTP/1.1 200 OK\nContent-Length: 1\r\n\r\n", Err(Refusal::LineEnd));
        check("HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n", Err(Refusal::Field));
    }
}
