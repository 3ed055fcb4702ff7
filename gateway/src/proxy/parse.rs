//! What is asked?
//!
//! Modern requests say it in their headers and their bodies are not read; legacy ones say it in the body only.

use super::admission::{Admitted, Endpoint};
use mcphub_mcp::{Class, Envelope, EnvelopeError, Failure, HeaderFlaw, ModernHeaders, Repeat};
use mcphub_http1::{Known, Method, RequestHead};
use mcphub_routing::Era;

/// A request's content, as far as it is read.
#[derive(Debug)]
pub enum Message<'a> {
    /// A legacy POST.
    Legacy(Envelope<'a>),
    /// A modern POST, by its headers.
    Modern(ModernHeaders<'a>),
    /// GET or DELETE.
    Bodyless,
}

/// Why it could not be read.
#[derive(Debug)]
pub enum Flaw {
    /// The body.
    Envelope(EnvelopeError),
    /// The mirrored headers.
    Headers(HeaderFlaw, String),
}

impl Flaw {
    /// The failure to answer with.
    #[must_use]
    pub fn failure(&self) -> Failure<'_> {
        match self {
            Self::Envelope(error) => error.failure(),
            Self::Headers(_, detail) => Failure::HeaderMismatch { detail },
        }
    }
}

/// Reads what must be read.
///
/// # Errors
/// Why the message does not pass.
pub fn parse<'a>(
    admitted: &Admitted<'a>,
    head: &'a RequestHead,
    body: &'a [u8],
    depth: usize,
) -> Result<Message<'a>, Flaw> {
    if head.method != Method::Post || matches!(admitted.endpoint, Endpoint::Metadata { .. }) {
        return Ok(Message::Bodyless);
    }
    match admitted.era {
        Era::Legacy => mcphub_mcp::peek(body, depth).map(Message::Legacy).map_err(Flaw::Envelope),
        Era::Modern => {
            ModernHeaders::read(head.fields.get(Known::McpMethod), head.fields.get(Known::McpName))
                .map(Message::Modern)
                .map_err(|flaw| Flaw::Headers(flaw, flaw.to_string()))
        }
    }
}

impl Message<'_> {
    /// The method, `-` where there is none.
    #[must_use]
    pub fn method(&self) -> &str {
        match self {
            Self::Legacy(envelope) => envelope.method().unwrap_or("-"),
            Self::Modern(headers) => headers.method,
            Self::Bodyless => "-",
        }
    }

    /// The tool that is called.
    #[must_use]
    pub fn tool(&self) -> Option<&str> {
        match self {
            Self::Legacy(envelope) => envelope.tool(),
            Self::Modern(headers) if headers.class() == Class::ToolCall => headers.name.as_deref(),
            Self::Modern(_) | Self::Bodyless => None,
        }
    }

    /// What the method does.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Legacy(envelope) => envelope.class(),
            Self::Modern(headers) => headers.class(),
            Self::Bodyless => Class::Other,
        }
    }

    /// Whether it may be sent again after its fate has become unknown.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        self.class().repeat() == Repeat::Safe
    }

    /// Whether it opens a legacy session.
    #[must_use]
    pub fn opens_session(&self) -> bool {
        matches!(self, Self::Legacy(envelope) if envelope.opens_session())
    }
}
