//! Reading a hub's answer.

use super::Link;
use bytes::{Bytes, BytesMut};
use mcphub_http1::{BodyReader, Framing, Gathered, HeadLimits, Known, Piece, Refusal, ResponseHead};
use std::io;
use std::time::Duration;

/// How an exchange with a hub ended early.
#[derive(Debug, thiserror::Error)]
pub enum Hangup {
    /// The connection ended or broke.
    #[error("the connection to the hub ended")]
    Lost(#[source] io::Error),
    /// What came is no answer.
    #[error("the hub's answer is malformed")]
    Malformed(#[source] Refusal),
}

impl From<io::Error> for Hangup {
    fn from(error: io::Error) -> Self {
        Self::Lost(error)
    }
}

impl From<Refusal> for Hangup {
    fn from(refusal: Refusal) -> Self {
        Self::Malformed(refusal)
    }
}

/// An answer whose head has come.
#[derive(Debug)]
pub struct Answer {
    /// The head.
    pub head: ResponseHead,
    link: Link,
    body: BodyReader,
    /// A body whose length is known and no more than this is given out in one piece.
    gathers: u64,
}

impl Answer {
    /// Waits for the head of the final answer; interim ones are passed over. Cancel-safe as long as the same link is
    /// used again.
    ///
    /// # Errors
    /// The hub closed, broke, or sent something else.
    pub async fn head(link: &mut Link, limits: &HeadLimits) -> Result<ResponseHead, Hangup> {
        loop {
            while let Some(head) = ResponseHead::take(&mut link.buf, &mut link.scan, limits)? {
                if head.status >= 200 {
                    return Ok(head);
                }
                if head.status == 101 {
                    return Err(Hangup::Malformed(Refusal::FirstLine));
                }
            }
            if link.wire.read(&mut link.buf).await? == 0 {
                return Err(Hangup::Lost(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// The answer of a link whose head has been read.
    #[must_use]
    pub fn new(head: ResponseHead, link: Link) -> Self {
        Self { body: BodyReader::new(head.framing), head, link, gathers: 0 }
    }

    /// From now on, a body of known length gives no piece before it is all here, if it has `most` bytes at most. It is
    /// then read into one piece of memory, in as few reads as its hub's writes allow.
    pub fn gather(&mut self, most: usize) {
        self.gathers = most as u64;
    }

    /// The next piece of the body; `None` is its proper end. Cancel-safe.
    ///
    /// # Errors
    /// The body is cut or broken.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, Hangup> {
        loop {
            if let Some(ready) = self.ready()? {
                return Ok(ready);
            }
            if self.link.wire.read(&mut self.link.buf).await? == 0 {
                return self.ended();
            }
        }
    }

    /// The next piece if it is here already; the outer `None` says that more must be waited for.
    ///
    /// # Errors
    /// The body is cut or broken.
    pub fn piece_now(&mut self) -> Result<Option<Option<Bytes>>, Hangup> {
        loop {
            if let Some(ready) = self.ready()? {
                return Ok(Some(ready));
            }
            match self.link.wire.read_now(&mut self.link.buf)? {
                None => return Ok(None),
                Some(0) => return self.ended().map(Some),
                Some(_) => {}
            }
        }
    }

    /// Moves what has come of the body to the end of `out`, until that has `most` bytes; `true` at its proper end.
    ///
    /// # Errors
    /// The body is cut or broken. What was moved before is good.
    pub fn gather_now(&mut self, out: &mut BytesMut, most: usize) -> Result<bool, Hangup> {
        while out.len() < most {
            if self.body.gather(&mut self.link.buf, out, most)? == Gathered::All {
                return Ok(true);
            }
            if out.len() >= most {
                break;
            }
            match self.link.wire.read_now(&mut self.link.buf)? {
                None => break,
                Some(0) => return self.ended().map(|_| true),
                Some(_) => {}
            }
        }
        Ok(false)
    }

    fn ready(&mut self) -> Result<Option<Option<Bytes>>, Refusal> {
        let here = self.link.buf.len() as u64;
        if let BodyReader::Length(left) = self.body
            && (here + 1..=self.gathers).contains(&left)
        {
            self.link.buf.reserve((left - here) as usize);
            return Ok(None);
        }
        Ok(match self.body.take(&mut self.link.buf)? {
            Some(Piece::Data(data)) => Some(Some(data)),
            Some(Piece::End) => Some(None),
            None => None,
        })
    }

    fn ended(&self) -> Result<Option<Bytes>, Hangup> {
        if self.body.may_end_here() {
            Ok(None)
        } else {
            Err(Hangup::Lost(io::ErrorKind::UnexpectedEof.into()))
        }
    }

    /// Whether the whole body has been read.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.body.is_done()
    }

    /// How the body is framed towards us.
    #[must_use]
    pub fn framing(&self) -> Framing {
        self.head.framing
    }

    /// The connection, where the whole answer was read and it may carry another.
    #[must_use]
    pub fn into_link(mut self) -> Option<Link> {
        self.link.patience = patience(&self.head).or(self.link.patience);
        (self.body.is_done() && self.head.keep_alive).then_some(self.link)
    }
}

/// `Keep-Alive: timeout=5`: how long the hub keeps an idle connection. Node.js says so, and means it.
fn patience(head: &ResponseHead) -> Option<Duration> {
    let value = head.fields.text(Known::KeepAlive)?;
    let seconds = value.split(',').find_map(|part| part.trim().strip_prefix("timeout="))?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}
