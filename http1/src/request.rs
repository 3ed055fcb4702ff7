//! Reading a request head.

use crate::fields::{Fields, Span};
use crate::head::{EMPTY_LINE, HeadScan, take_head};
use crate::{FIELDS_MAX, Framing, HeadLimits, Known, Refusal};
use bytes::{Buf, Bytes, BytesMut};
use std::mem::MaybeUninit;

/// The methods an MCP endpoint answers, and all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `POST`
    Post,
    /// `DELETE`
    Delete,
    /// `HEAD`
    Head,
    /// `OPTIONS`
    Options,
    /// Any other token.
    Other,
}

impl Method {
    /// The method of this name; names are case-sensitive (RFC 9110 section 9.1).
    #[must_use]
    pub fn of(name: &str) -> Self {
        match name {
            "GET" => Self::Get,
            "POST" => Self::Post,
            "DELETE" => Self::Delete,
            "HEAD" => Self::Head,
            "OPTIONS" => Self::Options,
            _ => Self::Other,
        }
    }

    /// The name on the wire, `-` for those that are refused anyway.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Delete => "DELETE",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Other => "-",
        }
    }
}

/// A request head that can be read in one way only.
#[derive(Debug, Clone)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// Whether the message is HTTP/1.0, which has no chunks and closes by default.
    pub http10: bool,
    /// How the body ends.
    pub framing: Framing,
    /// Whether the connection may carry another request after this one.
    pub keep_alive: bool,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
    /// The header fields.
    pub fields: Fields,
    raw: Bytes,
    path: Span,
    query: Option<Span>,
}

impl RequestHead {
    /// Takes one head from the front of `buf`, or `None` while it is incomplete.
    ///
    /// # Errors
    /// Why the message is refused. The connection cannot be used after that: where the next message begins
    /// is no longer certain.
    pub fn take(
        buf: &mut BytesMut,
        scan: &mut HeadScan,
        limits: &HeadLimits,
    ) -> Result<Option<Self>, Refusal> {
        // One empty line before the request line is let pass (RFC 9112 section 2.2).
        if scan.is_fresh() && buf.starts_with(b"\r\n") {
            buf.advance(2);
        }
        match take_head(buf, scan, limits)? {
            Some(raw) => Self::parse(&raw, limits).map(Some),
            None => Ok(None),
        }
    }

    fn parse(raw: &Bytes, limits: &HeadLimits) -> Result<Self, Refusal> {
        let mut scratch = [const { MaybeUninit::uninit() }; FIELDS_MAX];
        let mut parsed = httparse::Request::new(&mut []);
        match parsed.parse_with_uninit_headers(raw, &mut scratch) {
            Ok(httparse::Status::Complete(end)) if end == raw.len() => {}
            // An empty line that is ended by LF alone.
            Ok(httparse::Status::Complete(_)) => return Err(Refusal::LineEnd),
            Ok(httparse::Status::Partial) => return Err(Refusal::FirstLine),
            Err(error) => return Err(refusal_of(error, raw)),
        }
        if parsed.headers.len() > limits.fields {
            return Err(Refusal::HeadTooLarge);
        }
        let (Some(method), Some(target), Some(minor)) = (parsed.method, parsed.path, parsed.version) else {
            return Err(Refusal::FirstLine);
        };
        // One space between the three parts, nothing else: what others read as parts of it is refused.
        let line = method.len() + 1 + target.len() + 1 + b"HTTP/1.x".len();
        if !matches!(raw.get(line), Some(b'\r' | b'\n')) {
            return Err(Refusal::FirstLine);
        }
        let mut fields = Fields::new(raw.clone(), raw.len() - EMPTY_LINE, parsed.headers.len());
        for header in parsed.headers.iter() {
            fields.push(header.name.as_bytes(), header.value)?;
        }
        fields.check_lines()?;
        fields.check_names()?;
        let http10 = minor == 0;
        let (authority, rest) = split_target(target)?;
        check_host(&fields, authority, http10)?;
        let (path, query) = check_path(rest)?;
        let (path, query) =
            (Span::of(path.as_bytes(), raw), query.map(|query| Span::of(query.as_bytes(), raw)));
        let expects_continue = check_expect(&fields)?;
        Ok(Self {
            method: Method::of(method),
            http10,
            framing: request_framing(&fields, http10)?,
            keep_alive: keep_alive(&fields, http10),
            expects_continue,
            fields,
            path,
            query,
            raw: raw.clone(),
        })
    }

    /// A head that came by HTTP/2, checked by the same rules where they apply.
    ///
    /// # Errors
    /// Why the message is refused.
    pub fn from_parts<'a>(
        method: &str,
        path_and_query: &str,
        fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<Self, Refusal> {
        let fields = Fields::from_pairs(fields)?;
        fields.check_names()?;
        let raw = Bytes::copy_from_slice(path_and_query.as_bytes());
        let target = std::str::from_utf8(&raw).map_err(|_| Refusal::Target)?;
        if !target.starts_with('/') {
            return Err(Refusal::Target);
        }
        check_host(&fields, None, false)?;
        let (path, query) = check_path(target)?;
        let (path, query) =
            (Span::of(path.as_bytes(), &raw), query.map(|query| Span::of(query.as_bytes(), &raw)));
        let framing = match fields.get(Known::ContentLength) {
            Some(value) => Framing::Length(content_length(value)?),
            None => Framing::UntilClose,
        };
        Ok(Self {
            method: Method::of(method),
            http10: false,
            framing,
            keep_alive: true,
            expects_continue: false,
            fields,
            path,
            query,
            raw,
        })
    }

    /// The path of the target, without dot segments.
    #[must_use]
    pub fn path(&self) -> &str {
        self.part(self.path)
    }

    /// What follows `?` in the target.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.query.map(|query| self.part(query))
    }

    fn part(&self, span: Span) -> &str {
        // Both parts were checked to be ASCII when the head was parsed.
        std::str::from_utf8(span.in_bytes(&self.raw)).unwrap_or_default()
    }
}

fn refusal_of(error: httparse::Error, raw: &[u8]) -> Refusal {
    let stray = |at: usize| raw.get(at + 1) != Some(&b'\n');
    match error {
        _ if memchr::memchr_iter(b'\r', raw).any(stray) => Refusal::LineEnd,
        httparse::Error::TooManyHeaders => Refusal::HeadTooLarge,
        httparse::Error::HeaderName | httparse::Error::HeaderValue => Refusal::Field,
        httparse::Error::NewLine => Refusal::LineEnd,
        httparse::Error::Version => {
            let line = raw.split(|byte| *byte == b'\r').next().unwrap_or_default();
            let version = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
            if version.starts_with(b"HTTP/") { Refusal::Version } else { Refusal::FirstLine }
        }
        _ => Refusal::FirstLine,
    }
}

/// Splits an absolute target into its authority and the rest; an origin-form target has none. `*` and the bare
/// authority of CONNECT ask for things that an MCP endpoint does not have.
fn split_target(target: &str) -> Result<(Option<&str>, &str), Refusal> {
    if target.starts_with('/') {
        return Ok((None, target));
    }
    let after = ["http://", "https://"]
        .iter()
        .find_map(|scheme| {
            let head = target.get(..scheme.len())?;
            head.eq_ignore_ascii_case(scheme).then(|| &target[scheme.len()..])
        })
        .ok_or(Refusal::Target)?;
    let slash = after.find('/').ok_or(Refusal::Target)?;
    Ok((Some(&after[..slash]), &after[slash..]))
}

fn check_host(fields: &Fields, authority: Option<&str>, http10: bool) -> Result<(), Refusal> {
    let Some(host) = fields.get(Known::Host) else {
        return if http10 { Ok(()) } else { Err(Refusal::Host) };
    };
    if !is_authority(host)
        || authority.is_some_and(|authority| !authority.as_bytes().eq_ignore_ascii_case(host))
    {
        return Err(Refusal::Host);
    }
    Ok(())
}

/// `host[:port]` without user information: a name, an IPv4 address, or a bracketed IPv6 address.
fn is_authority(text: &[u8]) -> bool {
    let (host, port) = match text.strip_prefix(b"[") {
        Some(rest) => {
            let Some(end) = memchr::memchr(b']', rest) else { return false };
            let inside = std::str::from_utf8(&rest[..end]).ok();
            if inside.and_then(|inside| inside.parse::<std::net::Ipv6Addr>().ok()).is_none() {
                return false;
            }
            match &rest[end + 1..] {
                [] => (&b"v6"[..], None),
                [b':', port @ ..] => (&b"v6"[..], Some(port)),
                _ => return false,
            }
        }
        None => match memchr::memchr(b':', text) {
            Some(colon) => (&text[..colon], Some(&text[colon + 1..])),
            None => (text, None),
        },
    };
    let sound = (1..=255).contains(&host.len()) && host.iter().all(|byte| HOST_BYTES[usize::from(*byte)]);
    sound && port.is_none_or(|port| number(port).is_some_and(|port| port <= u64::from(u16::MAX)))
}

/// The value of at most 18 digits and nothing else.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    digits
        .iter()
        .try_fold(0, |value: u64, digit| digit.is_ascii_digit().then(|| value * 10 + u64::from(digit - b'0')))
}

/// Which bytes a path may have (RFC 3986, pchar and `/`).
const PATH_BYTES: [bool; 256] = letters_digits_and(b"-._~!$&'()*+,;=:@/%");

/// Which bytes the name of a host may have.
const HOST_BYTES: [bool; 256] = letters_digits_and(b"-._~");

const fn letters_digits_and(others: &[u8]) -> [bool; 256] {
    let (mut allowed, mut at) = ([false; 256], 0);
    while at < allowed.len() {
        allowed[at] = (at as u8).is_ascii_alphanumeric();
        at += 1;
    }
    at = 0;
    while at < others.len() {
        allowed[others[at] as usize] = true;
        at += 1;
    }
    allowed
}

/// A path in its plain form, and the query. Dot segments and encoded separators are refused rather than
/// resolved: two hops that resolve them differently see two different requests.
fn check_path(target: &str) -> Result<(&str, Option<&str>), Refusal> {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let query_sound =
        query.is_none_or(|query| query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
    if !path.bytes().all(|byte| PATH_BYTES[usize::from(byte)]) || !query_sound {
        return Err(Refusal::Target);
    }
    // What can only be wrong with one of these in it; most paths have neither.
    if !path.bytes().any(|byte| matches!(byte, b'%' | b'.')) {
        return Ok((path, query));
    }
    for (at, _) in path.match_indices('%') {
        let code = path.get(at + 1..at + 3).ok_or(Refusal::Target)?;
        let code = u8::from_str_radix(code, 16).map_err(|_| Refusal::Target)?;
        if !path.as_bytes()[at + 1].is_ascii_hexdigit()
            || matches!(code, b'.' | b'/' | b'\\' | 0..0x20 | 0x7F)
        {
            return Err(Refusal::Target);
        }
    }
    if path.split('/').any(|segment| segment == "." || segment == "..") || path.contains("/../") {
        return Err(Refusal::Target);
    }
    Ok((path, query))
}

fn check_expect(fields: &Fields) -> Result<bool, Refusal> {
    match fields.get(Known::Expect) {
        None => Ok(false),
        Some(value) if value.eq_ignore_ascii_case(b"100-continue") => Ok(true),
        Some(_) => Err(Refusal::Field),
    }
}

fn keep_alive(fields: &Fields, http10: bool) -> bool {
    let has = |wanted: &[u8]| fields.connection_options().any(|option| option.eq_ignore_ascii_case(wanted));
    if http10 { has(b"keep-alive") && !has(b"close") } else { !has(b"close") }
}

/// The framing of a request body (RFC 9112 section 6), refusing all that could be read in two ways.
fn request_framing(fields: &Fields, http10: bool) -> Result<Framing, Refusal> {
    match (fields.get(Known::ContentLength), fields.get(Known::TransferEncoding)) {
        (None, None) => Ok(Framing::None),
        (Some(_), Some(_)) => Err(Refusal::TwoLengths),
        (Some(value), None) => match content_length(value)? {
            0 => Ok(Framing::None),
            length => Ok(Framing::Length(length)),
        },
        (None, Some(_)) if http10 => Err(Refusal::TransferEncoding),
        (None, Some(_)) => chunked(fields).map(|()| Framing::Chunked),
    }
}

/// Exactly one `Transfer-Encoding: chunked`.
pub(crate) fn chunked(fields: &Fields) -> Result<(), Refusal> {
    let mut values = fields.values(Known::TransferEncoding);
    let only = values.next().is_some_and(|value| value.eq_ignore_ascii_case(b"chunked"));
    if only && values.next().is_none() { Ok(()) } else { Err(Refusal::TransferEncoding) }
}

/// A plain decimal number: no sign, no list, no blanks, no more than 18 digits.
pub(crate) fn content_length(value: &[u8]) -> Result<u64, Refusal> {
    number(value).ok_or(Refusal::ContentLength)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<RequestHead>, Refusal> {
        let mut buf = BytesMut::from(text.as_bytes());
        RequestHead::take(&mut buf, &mut HeadScan::default(), &HeadLimits::default())
    }

    #[track_caller]
    fn check(text: &str, expected: Result<Framing, Refusal>) {
        let found = read(text).map(|head| head.expect("a whole head").framing);
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn sound_heads_are_read() {
        let head = read("\r\nPOST /mcp?x=1 HTTP/1.1\r\nHost: a:80\r\nContent-Length: 5\r\nX: y\r\n\r\nrest")
            .expect("sound")
            .expect("whole");
        assert_eq!((head.method, head.path(), head.query()), (Method::Post, "/mcp", Some("x=1")));
        assert_eq!(head.framing, Framing::Length(5));
        assert!(head.keep_alive);
        check("GET http://a/mcp HTTP/1.1\r\nHost: A\r\n\r\n", Ok(Framing::None));
        check("GET / HTTP/1.0\r\n\r\n", Ok(Framing::None));
        check(
            "POST / HTTP/1.1\r\nHost: [::1]:8080\r\nTransfer-Encoding: Chunked\r\n\r\n",
            Ok(Framing::Chunked),
        );
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        use Refusal as R;
        let with = |fields: &str| format!("POST /mcp HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
        for (fields, refusal) in [
            ("Content-Length: 2\r\nContent-Length: 2", R::Repeated("content-length")),
            ("Content-Length: 2, 2", R::ContentLength),
            ("Content-Length: +2", R::ContentLength),
            ("Content-Length: 0x2", R::ContentLength),
            ("Content-Length: ", R::ContentLength),
            ("Content-Length: 99999999999999999999", R::ContentLength),
            ("Content-Length: 2\r\nTransfer-Encoding: chunked", R::TwoLengths),
            ("Transfer-Encoding: chunked, chunked", R::TransferEncoding),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", R::TransferEncoding),
            ("Transfer-Encoding: gzip, chunked", R::TransferEncoding),
            ("Transfer-Encoding: identity", R::TransferEncoding),
            ("Transfer-Encoding:\x0bchunked", R::Field),
            ("Host: b", R::Repeated("host")),
            ("X : y", R::Field),
            ("X: a\r\n b", R::Field),
            ("X: a\nY: b", R::LineEnd),
            ("X: a\rY: b", R::LineEnd),
            ("X: a\0b", R::Field),
            ("X: a\r\n\nY: b", R::LineEnd),
            ("X: a\n\nGET / HTTP/1.1", R::LineEnd),
            ("X: a \t\nY: b", R::LineEnd),
            (": y", R::Field),
            ("content_length: 4", R::Alias("content-length")),
            ("Connection: authorization", R::Nominated),
            ("Expect: the-impossible", R::Field),
            ("Mcp-Session-Id: a\r\nmcp-session-id: b", R::Repeated("mcp-session-id")),
        ] {
            check(&with(fields), Err(refusal));
        }
        for (line, refusal) in [
            ("POST /a/../mcp HTTP/1.1", R::Target),
            ("POST /%2e%2e/mcp HTTP/1.1", R::Target),
            ("POST /a%2Fmcp HTTP/1.1", R::Target),
            ("POST /mcp#x HTTP/1.1", R::Target),
            ("POST /m\\cp HTTP/1.1", R::Target),
            ("POST mcp HTTP/1.1", R::Target),
            ("CONNECT a:80 HTTP/1.1", R::Target),
            ("OPTIONS * HTTP/1.1", R::Target),
            ("POST http://b/mcp HTTP/1.1", R::Host),
            ("POST /mcp HTTP/1.1\nX: y", R::LineEnd),
            ("POST /mcp HTTP/1.2", R::Version),
            ("POST /mcp HTTP/2.0", R::Version),
            ("POST /mcp", R::FirstLine),
            ("POST  /mcp HTTP/1.1", R::FirstLine),
            (" POST /mcp HTTP/1.1", R::FirstLine),
        ] {
            check(&format!("{line}\r\nHost: a\r\n\r\n"), Err(refusal));
        }
        for host in ["", "a b", "a@b", "a:b", "a:99999", "[::1", "[x]", "a/b", "a,b"] {
            check(&format!("POST /mcp HTTP/1.1\r\nHost: {host}\r\n\r\n"), Err(R::Host));
        }
        check("POST /mcp HTTP/1.1\r\nX: y\r\n\r\n", Err(R::Host));
        check("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", Err(R::TransferEncoding));
    }

    #[test]
    fn limits_hold_before_the_head_is_whole() {
        assert_eq!(read(&"A".repeat(9000)).err(), Some(Refusal::LineTooLong));
        let many = format!("GET / HTTP/1.1\r\n{}", "X-Filler: yyyyyyyyyyyyyyyyyyyyyyyyy\r\n".repeat(2000));
        assert_eq!(read(&many).err(), Some(Refusal::HeadTooLarge));
        let fields = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(100));
        assert_eq!(read(&fields).err(), Some(Refusal::HeadTooLarge));
        assert_eq!(read("GET / HTTP/1.1\nHost: a\n\n").err(), Some(Refusal::LineEnd));
    }

    proptest::proptest! {
        #[test]
        fn bytes_may_arrive_in_any_pieces(cuts in proptest::collection::vec(1usize..9, 1..80)) {
            let text = b"POST /mcp HTTP/1.1\r\nHost: a\r\nMcp-Session-Id: abc\r\nContent-Length: 2\r\n\r\n{}";
            let (mut buf, mut scan, mut at, mut head) = (BytesMut::new(), HeadScan::default(), 0, None);
            for cut in cuts.iter().cycle() {
                if at == text.len() { break; }
                let next = (at + cut).min(text.len());
                buf.extend_from_slice(&text[at..next]);
                at = next;
                if head.is_none() {
                    head = RequestHead::take(&mut buf, &mut scan, &HeadLimits::default()).expect("sound");
                }
            }
            let head = head.expect("whole");
            proptest::prop_assert_eq!(head.fields.get(Known::SessionId), Some(&b"abc"[..]));
            proptest::prop_assert_eq!(&buf[..], b"{}");
        }

        #[test]
        fn lines_go_on_as_they_came(values in proptest::collection::vec("[ \t]{0,2}[!-~]{0,9}[ \t]{0,2}", 1..9)) {
            let line = |(at, value): (usize, &String)| format!("{}:{value}\r\n", ["Accept", "X-A", "Te", "x-b"][at % 4]);
            let lines: Vec<_> = values.iter().enumerate().map(line).collect();
            let text = format!("POST /mcp HTTP/1.1\r\nHost: a\r\n{}\r\n", lines.concat());
            let head = read(&text).expect("sound").expect("whole");
            let mut copied = Vec::new();
            head.fields.copy_lines(&mut copied, |known| known != Some(Known::Accept));
            let kept: Vec<_> = lines.iter().filter(|line| line.to_lowercase().starts_with('x')).cloned().collect();
            proptest::prop_assert_eq!(String::from_utf8(copied).expect("ascii"), format!("Host: a\r\n{}", kept.concat()));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let mut buf = BytesMut::from(&bytes[..]);
            let _ = RequestHead::take(&mut buf, &mut HeadScan::default(), &HeadLimits::default());
        }
    }
}
