//! *Where does this message begin and end, and can it be read in two ways?*
//!
//! HTTP/1.1 framing without I/O. A request that two readers could understand differently is how requests are
//! smuggled past a gateway, so this reader is strict where the grammar lets others be lenient: CRLF line ends
//! only, no folded lines, one length, one `Host`, `chunked` and nothing else, paths without dot segments.
//!
//! **Owns**: heads of requests and responses as offsets into one buffer, body framing (`Content-Length`,
//! chunked), the serialised form of both, and the reasons for refusing a message.
//!
//! **Does not know**: sockets, time, Pingora, MCP's meaning of any header, or whose fault a bad message is.
//! It never panics on input and never holds more than the limits it was given.

pub mod body;
pub mod fields;
pub mod head;
mod known;
pub mod request;
pub mod response;
pub mod write;

pub use body::{BodyReader, ChunkDecoder, Gathered, Piece};
pub use fields::{FieldLines, Fields};
pub use known::Known;
pub use request::{Method, RequestHead};
pub use response::ResponseHead;

/// Most fields one head may carry, whatever a caller's limits say; the parser's scratch space has this size.
pub const FIELDS_MAX: usize = 128;

/// Bounds on a head.
#[derive(Debug, Clone, Copy)]
pub struct HeadLimits {
    /// Bytes of the whole head, request line to empty line.
    pub head: usize,
    /// Bytes of the first line.
    pub line: usize,
    /// Number of fields, at most [`FIELDS_MAX`].
    pub fields: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { head: 64 * 1024, line: 8 * 1024, fields: 100 }
    }
}

/// How the end of a body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// No body follows.
    None,
    /// Exactly this many bytes follow.
    Length(u64),
    /// Chunks follow, ended by an empty one.
    Chunked,
    /// The body lasts until the connection closes (responses only).
    UntilClose,
}

/// Why a message was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The first line is not `METHOD target HTTP/1.x` (or a status line).
    #[error("the first line is malformed")]
    FirstLine,
    /// The first line is longer than the limit.
    #[error("the request line is too long")]
    LineTooLong,
    /// The head is larger than the limit or has too many fields.
    #[error("the header block is too large")]
    HeadTooLarge,
    /// A version other than HTTP/1.0 and HTTP/1.1.
    #[error("the HTTP version is not supported")]
    Version,
    /// A line ended by a bare LF, a stray CR, or a folded line.
    #[error("a line is not ended by CRLF, or is folded")]
    LineEnd,
    /// A field name or value with characters it may not have.
    #[error("a header field is malformed")]
    Field,
    /// A field that may come once came twice.
    #[error("the header field `{0}` may be given only once")]
    Repeated(&'static str),
    /// A name with `_` that stands for a known one with `-` at servers that treat them alike.
    #[error("a header field name imitates `{0}`")]
    Alias(&'static str),
    /// `Content-Length` is not one plain number.
    #[error("Content-Length is not one plain number")]
    ContentLength,
    /// `Transfer-Encoding` is not exactly `chunked`, or is given in HTTP/1.0.
    #[error("Transfer-Encoding is not exactly `chunked`")]
    TransferEncoding,
    /// Both `Content-Length` and `Transfer-Encoding`.
    #[error("both Content-Length and Transfer-Encoding are given")]
    TwoLengths,
    /// `Host` is missing, malformed, or differs from the authority in the request target.
    #[error("Host is missing or malformed")]
    Host,
    /// The request target is malformed, or its path has dot segments or encoded separators.
    #[error("the request target is malformed or not in its plain form")]
    Target,
    /// `Connection` names a field that must not be dropped on the way.
    #[error("Connection names an end-to-end header field")]
    Nominated,
    /// A chunk's size line or end is malformed.
    #[error("the chunked body is malformed")]
    Chunk,
    /// A trailer section that is malformed, too large, or carries framing fields.
    #[error("the trailer section is malformed")]
    Trailer,
}
