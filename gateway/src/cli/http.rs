//! One HTTP exchange with a process on this machine: the admin interface, a hub of the demo.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::BytesMut;
use mcphub_http1::head::HeadScan;
use mcphub_http1::{BodyReader, HeadLimits, Piece, ResponseHead};

use crate::clock;

/// Most bytes of an answer: a status of many hubs stays far below.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// Asks, and reads the whole answer, all `within` the time.
pub(super) fn exchange(
    address: SocketAddr,
    request_line: &str,
    token: Option<&str>,
    within: Duration,
) -> anyhow::Result<Answer> {
    send(address, request_line, token, None, within)
}

/// Asks with a body of JSON.
pub(super) fn post(
    address: SocketAddr,
    request_line: &str,
    token: Option<&str>,
    body: &serde_json::Value,
    within: Duration,
) -> anyhow::Result<Answer> {
    send(address, request_line, token, Some(body.to_string()), within)
}

fn send(
    address: SocketAddr,
    request_line: &str,
    token: Option<&str>,
    body: Option<String>,
    within: Duration,
) -> anyhow::Result<Answer> {
    let deadline = clock::instant() + within;
    let mut stream = TcpStream::connect_timeout(&address, within)
        .with_context(|| format!("cannot connect to {address}"))?;
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    // Nothing of ours holds a line break, a token file could.
    if authorization.matches('\n').count() > 1 {
        bail!("the token has a line break in it");
    }
    let content_type = if body.is_some() { "Content-Type: application/json\r\n" } else { "" };
    let body = body.unwrap_or_default();
    let request = format!(
        "{request_line} HTTP/1.1\r\nHost: {address}\r\n{authorization}Accept: application/json\r\n\
         {content_type}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.set_write_timeout(Some(within))?;
    stream.write_all(request.as_bytes()).with_context(|| format!("cannot ask {address}"))?;

    let (mut buffer, mut piece) = (BytesMut::new(), [0; 16 * 1024]);
    let (mut scan, mut reader) = (HeadScan::default(), None::<(u16, BodyReader)>);
    let mut body = Vec::new();
    loop {
        if reader.is_none() {
            let head = ResponseHead::take(&mut buffer, &mut scan, &HeadLimits::default());
            let head = head.with_context(|| format!("{address} does not speak HTTP"))?;
            reader = head
                .filter(|head| head.status >= 200)
                .map(|head| (head.status, BodyReader::new(head.framing)));
        }
        if let Some((status, reader)) = &mut reader {
            while let Some(piece) = reader.take(&mut buffer).context("the answer is torn")? {
                match piece {
                    Piece::Data(data) => body.extend_from_slice(&data),
                    Piece::End => return Ok(Answer { status: *status, body }),
                }
            }
        }
        if body.len() + buffer.len() > ANSWER_BYTES_MAX {
            bail!("the answer of {address} is longer than 16 MiB");
        }
        let left = deadline.saturating_duration_since(clock::instant());
        if left.is_zero() {
            bail!("{address} did not answer within {} s", within.as_secs());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut piece).with_context(|| format!("{address} did not answer"))? {
            0 => match reader {
                Some((status, reader)) if reader.may_end_here() => return Ok(Answer { status, body }),
                _ => bail!("{address} closed the connection in the middle of its answer"),
            },
            count => buffer.extend_from_slice(&piece[..count]),
        }
    }
}
