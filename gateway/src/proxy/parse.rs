//! What is asked?
//!
//! Modern requests say it in their headers and their bodies are not read; legacy ones say it in the body only.

use super::admission::{Admitted, Endpoint};
use mcphub_http1::{Known, Method, RequestHead};
use mcphub_mcp::{
    Asked, Class, Envelope, EnvelopeError, Failure, HeaderFlaw, Kind, MethodName, ModernHeaders, Repeat,
};
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
    /// The mirrored headers, and what is wrong with them.
    Headers(String),
}

impl Flaw {
    /// The failure to answer with.
    #[must_use]
    pub fn failure(&self) -> Failure<'_> {
        match self {
            Self::Envelope(error) => error.failure(),
            Self::Headers(detail) => Failure::HeaderMismatch { detail },
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
        Era::Modern => modern(head, body, depth),
    }
}

fn modern<'a>(head: &'a RequestHead, body: &'a [u8], depth: usize) -> Result<Message<'a>, Flaw> {
    let (method, name) = (head.fields.get(Known::McpMethod), head.fields.get(Known::McpName));
    let flaw = match ModernHeaders::read(method, name) {
        Ok(headers) => return Ok(Message::Modern(headers)),
        Err(flaw) => flaw,
    };
    let passes = match flaw {
        // Only requests must carry it; what a body without it is, the body alone can tell.
        HeaderFlaw::MethodMissing => mcphub_mcp::peek(body, depth)
            .is_ok_and(|envelope| matches!(envelope.kind, Kind::Notification { .. })),
        // Tasks are an extension: a hub that does not have them says so, whatever else is missing.
        HeaderFlaw::NameMissing => {
            head.fields.text(Known::McpMethod).is_some_and(|name| name.starts_with("tasks/"))
        }
        _ => false,
    };
    if passes {
        let method = head.fields.text(Known::McpMethod).unwrap_or("-");
        return Ok(Message::Modern(ModernHeaders { method: MethodName::new(method.into()), name: None }));
    }
    Err(Flaw::Headers(flaw.to_string()))
}

/// Hands out whose answer a failure of this body is.
pub fn with_asked_of<T>(body: &[u8], depth: usize, use_asked: impl FnOnce(Asked<'_>) -> T) -> T {
    match mcphub_mcp::peek(body, depth) {
        Ok(envelope) => use_asked(envelope.asked()),
        Err(_) => use_asked(Asked::Unknown),
    }
}

impl Message<'_> {
    /// The method, `-` where there is none.
    #[must_use]
    pub fn method(&self) -> &str {
        match self {
            Self::Legacy(envelope) => envelope.method().map_or("-", |method| method),
            Self::Modern(headers) => &headers.method,
            Self::Bodyless => "-",
        }
    }

    /// The method by a name from a bounded set, `-` where there is none.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            // Answers and batches: what strangers name is called so too.
            Self::Legacy(envelope) => envelope.method().map_or("other", MethodName::label),
            Self::Modern(headers) => headers.method.label(),
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

    /// The task that it is about.
    #[must_use]
    pub fn task_id(&self) -> Option<&str> {
        match self {
            Self::Legacy(envelope) if matches!(envelope.class(), Class::Task(_)) => {
                envelope.task_id.as_deref()
            }
            Self::Modern(headers) => headers.task_id(),
            Self::Legacy(_) | Self::Bodyless => None,
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

    /// Hands out whose answer a failure is. A modern body is read for its id only now that something went wrong.
    pub fn with_asked<T>(&self, body: &[u8], depth: usize, use_asked: impl FnOnce(Asked<'_>) -> T) -> T {
        match self {
            Self::Legacy(envelope) => use_asked(envelope.asked()),
            Self::Modern(_) => with_asked_of(body, depth, use_asked),
            Self::Bodyless => use_asked(Asked::Unknown),
        }
    }

    /// Whether it is several messages at once.
    #[must_use]
    pub fn is_batch(&self) -> bool {
        matches!(self, Self::Legacy(envelope) if matches!(envelope.kind, Kind::Batch { .. }))
    }

    /// Whether it opens a legacy session.
    #[must_use]
    pub fn opens_session(&self) -> bool {
        matches!(self, Self::Legacy(envelope) if envelope.opens_session())
    }
}
