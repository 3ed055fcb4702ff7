//! One stream of HTTP/2, on Pingora's session.

use super::BodyFlaw;
use bytes::{Bytes, BytesMut};
use http::header::{COOKIE, HOST};
use http::{HeaderName, HeaderValue, StatusCode};
use mcphub_http1::{FieldLines, Refusal, RequestHead};
use pingora::http::ResponseHeader;
use pingora::protocols::http::v2::server::HttpSession;
use std::io;
use std::time::Duration;
use tokio::time::timeout;

/// One request and its answer.
#[derive(Debug)]
pub struct Exchange {
    session: Session,
    body_deadline: Duration,
    write_deadline: Duration,
    ended: bool,
}

/// Pingora's session has no `Debug`.
struct Session(HttpSession);

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HttpSession")
    }
}

impl Exchange {
    /// Takes a stream over.
    #[must_use]
    pub fn new(session: HttpSession, body_deadline: Duration, write_deadline: Duration) -> Self {
        Self { session: Session(session), body_deadline, write_deadline, ended: false }
    }

    /// The head of the request, checked like one of HTTP/1.1.
    ///
    /// # Errors
    /// Why the request is refused.
    pub fn head(&self) -> Result<RequestHead, Refusal> {
        let request = self.session.0.req_header();
        let path = request.uri.path_and_query().map_or("*", http::uri::PathAndQuery::as_str);
        let authority = request.uri.authority().map(http::uri::Authority::as_str);
        let host = request.headers.get(HOST).map(HeaderValue::as_bytes);
        // Both may be given, but they must not name two different hosts.
        if let (Some(authority), Some(host)) = (authority, host)
            && !authority.as_bytes().eq_ignore_ascii_case(host)
        {
            return Err(Refusal::Host);
        }
        // Clients may cut a cookie into crumbs; HTTP/1.1 knows one line only (RFC 9113 section 8.2.3).
        let crumbs: Vec<&[u8]> = request.headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
        let cookie = crumbs.join(&b"; "[..]);
        let fields = request
            .headers
            .iter()
            .filter(|(name, _)| **name != COOKIE)
            .map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
        let host = authority.filter(|_| host.is_none()).map(|authority| (&b"host"[..], authority.as_bytes()));
        let cookie = (!cookie.is_empty()).then_some((&b"cookie"[..], &cookie[..]));
        RequestHead::from_parts(request.method.as_str(), path, fields.chain(host).chain(cookie))
    }

    pub(super) async fn body(&mut self, limit: usize) -> Result<Bytes, BodyFlaw> {
        timeout(self.body_deadline, self.collect(limit)).await.map_err(|_| BodyFlaw::Slow)?
    }

    async fn collect(&mut self, limit: usize) -> Result<Bytes, BodyFlaw> {
        let mut first: Option<Bytes> = None;
        let mut more: Option<BytesMut> = None;
        loop {
            let piece = self.session.0.read_body_bytes().await.map_err(|_| BodyFlaw::Gone)?;
            let Some(piece) = piece else {
                return Ok(more.map(BytesMut::freeze).or(first).unwrap_or_default());
            };
            let held = more.as_ref().map_or(0, BytesMut::len) + first.as_ref().map_or(0, Bytes::len);
            if held + piece.len() > limit {
                return Err(BodyFlaw::TooLarge);
            }
            match (&mut more, first.take()) {
                (Some(more), _) => more.extend_from_slice(&piece),
                (None, Some(start)) => {
                    let mut whole = BytesMut::from(&start[..]);
                    whole.extend_from_slice(&piece);
                    more = Some(whole);
                }
                (None, None) => first = Some(piece),
            }
        }
    }

    pub(super) async fn answer(&mut self, status: u16, lines: &FieldLines, body: &[u8]) -> io::Result<()> {
        let mut head = response_head(status, lines)?;
        if status != 204 && status != 304 {
            let _ = head.insert_header(http::header::CONTENT_LENGTH, body.len());
        }
        self.session.0.write_response_header(Box::new(head), body.is_empty()).map_err(io::Error::other)?;
        if !body.is_empty() {
            self.write(body, true).await?;
        }
        self.ended = true;
        Ok(())
    }

    pub(super) fn begin(&mut self, status: u16, lines: &FieldLines) -> io::Result<()> {
        let head = response_head(status, lines)?;
        self.session.0.write_response_header(Box::new(head), false).map_err(io::Error::other)
    }

    pub(super) async fn send(&mut self, piece: &[u8]) -> io::Result<()> {
        if piece.is_empty() { Ok(()) } else { self.write(piece, false).await }
    }

    async fn write(&mut self, piece: &[u8], end: bool) -> io::Result<()> {
        let piece = Bytes::copy_from_slice(piece);
        // On the heap: exchanges of HTTP/1 would carry it about.
        match timeout(self.write_deadline, Box::pin(self.session.0.write_body(piece, end))).await {
            Ok(written) => written.map_err(io::Error::other),
            Err(_) => {
                self.abandon();
                Err(io::ErrorKind::TimedOut.into())
            }
        }
    }

    pub(super) async fn end(&mut self) -> io::Result<()> {
        if self.ended {
            return Ok(());
        }
        self.ended = true;
        self.session.0.finish().map_err(io::Error::other)
    }

    pub(super) async fn left(&mut self) {
        // Resolves on RST_STREAM or the end of the connection. Late body bytes are none of our business.
        while let Ok(Some(_)) = self.session.0.read_body_or_idle(true).await {}
    }

    pub(super) fn abandon(&mut self) {
        self.ended = true;
        self.session.0.shutdown();
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.ended {
            self.session.0.shutdown();
        }
    }
}

fn response_head(status: u16, lines: &FieldLines) -> io::Result<ResponseHeader> {
    let status = StatusCode::from_u16(status).map_err(io::Error::other)?;
    let mut head = ResponseHeader::build(status, Some(16)).map_err(io::Error::other)?;
    for (name, value) in lines.iter() {
        // What HTTP/2 may not carry is left out rather than failing an answer that is otherwise sound.
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            head.append_header(name, value).map_err(io::Error::other)?;
        }
    }
    Ok(head)
}
