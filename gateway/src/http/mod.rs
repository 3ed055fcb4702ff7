//! How does a request reach us, and how does an answer leave?
//!
//! One [`Downstream`] for HTTP/1.1 (read by `http1`, on our own connection loop) and HTTP/2 (Pingora's), so that the
//! exchange is written once.

pub mod h1;
pub mod h2;

use bytes::Bytes;
use mcphub_http1::{FieldLines, Framing};
use std::io;
use std::time::Instant;
use tokio::time::timeout_at;

/// Why a request body could not be had.
#[derive(Debug)]
pub enum BodyFlaw {
    /// Larger than the limit.
    TooLarge,
    /// Not whole by the deadline.
    Slow,
    /// Its framing is broken.
    Malformed,
    /// The client left.
    Gone,
}

/// The client's side of one exchange.
#[derive(Debug)]
pub enum Downstream<'a> {
    /// HTTP/1.0 and HTTP/1.1.
    H1(h1::Exchange<'a>),
    /// HTTP/2.
    H2(Box<h2::Exchange>),
}

impl Downstream<'_> {
    /// The whole request body, at most `limit` bytes.
    ///
    /// # Errors
    /// Why it could not be had; the connection then ends after the answer.
    pub async fn body(&mut self, limit: usize) -> Result<Bytes, BodyFlaw> {
        match self {
            Self::H1(h1) => h1.body(limit).await,
            Self::H2(h2) => h2.body(limit).await,
        }
    }

    /// A complete answer in one write.
    ///
    /// # Errors
    /// The client can no longer be reached.
    pub async fn answer(&mut self, status: u16, lines: &FieldLines, body: &[u8]) -> io::Result<()> {
        match self {
            Self::H1(h1) => h1.answer(status, lines, body).await,
            Self::H2(h2) => h2.answer(status, lines, body).await,
        }
    }

    /// The head of an answer whose body follows by [`send`](Self::send). It leaves with the first piece.
    ///
    /// # Errors
    /// The client can no longer be reached.
    pub fn begin(&mut self, status: u16, lines: &FieldLines, framing: Framing) -> io::Result<()> {
        match self {
            Self::H1(h1) => {
                h1.begin(status, lines, framing);
                Ok(())
            }
            Self::H2(h2) => h2.begin(status, lines),
        }
    }

    /// A piece of the body, which may be empty to push out the head alone.
    ///
    /// # Errors
    /// The client can no longer be reached.
    pub async fn send(&mut self, piece: &[u8]) -> io::Result<()> {
        match self {
            Self::H1(h1) => h1.send(piece).await,
            Self::H2(h2) => h2.send(piece).await,
        }
    }

    /// The proper end of the body.
    ///
    /// # Errors
    /// The client can no longer be reached.
    pub async fn end(&mut self) -> io::Result<()> {
        match self {
            Self::H1(h1) => h1.end().await,
            Self::H2(h2) => h2.end().await,
        }
    }

    /// Lets the connection end after this answer: what follows on it may not be what the client meant.
    pub fn last(&mut self) {
        if let Self::H1(h1) = self {
            h1.last();
        }
    }

    /// Waits until the client has left. Cancel-safe.
    pub async fn left(&mut self) {
        match self {
            Self::H1(h1) => h1.left().await,
            Self::H2(h2) => h2.left().await,
        }
    }

    /// Waits until the client has left, but not beyond `end`: whether it has. Cancel-safe.
    pub async fn left_by(&mut self, end: Instant) -> bool {
        match self {
            Self::H1(h1) => h1.left_by(end).await,
            Self::H2(h2) => timeout_at(end.into(), h2.left()).await.is_ok(),
        }
    }

    /// Ends the exchange as broken: the client must see that the body is not whole.
    pub fn abandon(&mut self) {
        match self {
            Self::H1(h1) => h1.abandon(),
            Self::H2(h2) => h2.abandon(),
        }
    }
}
