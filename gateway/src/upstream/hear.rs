//! Asking a hub something of our own, and reading what it answers: bounded, to the answer and no further.

use super::{Answer, Hangup, Link};
use bytes::{Bytes, BytesMut};
use mcphub_health::BootId;
use mcphub_http1::response::media_type_is;
use mcphub_http1::{HeadLimits, Known, ResponseHead};
use mcphub_mcp::sse::{answer_of, events};
use mcphub_mcp::{Event, EventSplitter, RawId};
use std::io;
use std::time::Duration;

/// The id of every probe. Each is in no session and has its connection to itself, so none can be taken for another.
pub(crate) const ID: &str = "1";
/// Bounds on the head of an answer.
const HEAD: HeadLimits = HeadLimits { head: 32 * 1024, line: 8 * 1024, fields: 100 };
/// How our own hub tells one life of itself from the next. Others may do the same.
const BOOT: &[u8] = b"mcphub-boot";
/// Longest boot id that is one.
const BOOT_MAX: usize = 128;

/// An answer.
#[derive(Debug)]
pub(crate) struct Heard {
    /// 200 to 599.
    pub(crate) status: u16,
    /// Whether it is a page for people.
    pub(crate) html: bool,
    /// Its body, or of an event stream the data of the event that answers. `None` where it is longer than allowed.
    pub(crate) body: Option<Bytes>,
    /// Which life of the hub answered.
    pub(crate) boot: Option<BootId>,
}

/// Asks, and reads up to `most` bytes of the answer. The connection comes back if it may carry another question.
///
/// # Errors
/// The connection broke before the answer was whole, or what came is no HTTP.
pub(crate) async fn ask(
    link: Link,
    letter: &[u8],
    most: usize,
    patience: Duration,
) -> Result<(Heard, Option<Link>), Hangup> {
    let (heard, answer) = exchange(link, letter, ID, most, patience).await?;
    Ok((heard, answer.into_link()))
}

/// As [`ask`], with the head of the answer and its connection. `id`: that of the request in the letter, as JSON.
///
/// # Errors
/// As [`ask`].
pub(crate) async fn exchange(
    mut link: Link,
    letter: &[u8],
    id: &str,
    most: usize,
    patience: Duration,
) -> Result<(Heard, Answer), Hangup> {
    link.wire.write(&[letter], patience).await?;
    let head = Answer::head(&mut link, &HEAD).await?;
    let (status, streams) = (head.status, head.is_event_stream());
    let html = media_type_is(head.fields.get(Known::ContentType), b"text/html");
    let boot = boot_of(&head);
    let mut answer = Answer::new(head, link);
    let body = match streams && status == 200 {
        true => event(&mut answer, id, most).await?,
        false => whole(&mut answer, most).await?,
    };
    Ok((Heard { status, html, body, boot }, answer))
}

/// Which life of the hub gave this answer, where it says so.
pub(crate) fn boot_of(head: &ResponseHead) -> Option<BootId> {
    let told = head.fields.iter().find(|(name, ..)| name.eq_ignore_ascii_case(BOOT))?.1;
    let text = std::str::from_utf8(told).ok()?.trim();
    (1..=BOOT_MAX).contains(&text.len()).then(|| BootId::of(text))
}

/// The whole body, `None` if it is longer than `most`.
async fn whole(answer: &mut Answer, most: usize) -> Result<Option<Bytes>, Hangup> {
    let Some(first) = answer.piece().await? else { return Ok(Some(Bytes::new())) };
    if first.len() > most {
        return Ok(None);
    }
    let Some(second) = answer.piece().await? else { return Ok(Some(first)) };
    // Most answers are one piece, and never get here.
    let mut body = BytesMut::from(&first[..]);
    let mut next = Some(second);
    while let Some(piece) = next {
        if body.len() + piece.len() > most {
            return Ok(None);
        }
        body.extend_from_slice(&piece);
        next = answer.piece().await?;
    }
    Ok(Some(body.freeze()))
}

/// The data of the event that answers us, among others that may come before it. `None` if it is not among the first
/// `most` bytes.
async fn event(answer: &mut Answer, id: &str, most: usize) -> Result<Option<Bytes>, Hangup> {
    let (mut splitter, mut buffer, mut read) = (EventSplitter::new(most), BytesMut::new(), 0);
    let Some(id) = RawId::parse(id) else { return Ok(None) };
    while let Some(piece) = answer.piece().await? {
        read += piece.len();
        if read > most {
            return Ok(None);
        }
        buffer.extend_from_slice(&piece);
        let Ok(whole) = splitter.whole(&buffer) else { return Ok(None) };
        let passed = buffer.split_to(whole);
        let data = events(&passed).filter_map(|block| Event::parse(block).data);
        if let Some(found) = data.into_iter().find(|data| answer_of(data, &id)) {
            let found = Bytes::copy_from_slice(&found);
            // Its end is usually here already; without it the connection is of no more use.
            while let Some(Some(_)) = answer.piece_now()? {}
            return Ok(Some(found));
        }
    }
    Err(io::Error::from(io::ErrorKind::UnexpectedEof).into())
}
