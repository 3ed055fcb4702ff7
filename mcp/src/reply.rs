//! *What is the client told when things go wrong?* One table from failure to HTTP status and JSON-RPC code.
//!
//! Real clients break on the wrong shape of a failure, so the shape depends on where the request stood ([`Scope`]):
//! inside a legacy session a request that fails behind the gateway is answered with HTTP 200 and a JSON-RPC error with
//! the request's own id, because clients drop the whole session on a 5xx, and hang on `id: null` or a bare cut. For
//! the same reason no body ever carries `id: null`: where the id is unknown, the member is left out.
//!
//! Codes: JSON-RPC's own, and from the protocol's reserved range (−32020 to −32099) only what the specification
//! defines. What went wrong in the gateway's words stands in `error.data.reason`.

use crate::era::ProtocolVersion;
use crate::id::RawId;

mod body;
mod table;

pub use body::error_body;
pub use table::{CODES, Fault};

/// Where the failed request stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Legacy, outside a session: `initialize`, or a hub that keeps no sessions.
    Legacy,
    /// Inside a legacy session.
    LegacySession,
    /// Modern.
    Modern,
}

/// Who waits for an answer.
#[derive(Clone, Copy, Debug)]
pub enum Asked<'a> {
    /// The body has not been read or could not be, or the method has none (GET, DELETE).
    Unknown,
    /// Nobody: a notification, or an answer to the hub.
    Nothing,
    /// One request.
    One(RawId<'a>),
    /// The requests of a batch.
    Many(&'a [RawId<'a>]),
}

/// Everything the gateway answers itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure<'a> {
    // The client's request.
    /// The head could not be read in one way only.
    BadHead,
    /// Head or body did not arrive in time.
    ClientTooSlow,
    /// The request target is too long.
    UriTooLong,
    /// The header block is too large.
    HeadTooLarge,
    /// The body is too large.
    BodyTooLarge,
    /// No MCP endpoint here.
    UnknownPath,
    /// The endpoint does not take this HTTP method. Scope [`Scope::Modern`]: only POST is allowed.
    MethodNotAllowed,
    /// The `Host` is not one of ours.
    HostNotAllowed,
    /// The `Origin` is not one of ours.
    OriginNotAllowed,
    /// The body's type is not `application/json`.
    ContentType,
    /// `Accept` leaves out what the answer may be.
    NotAcceptable,
    /// The body is not one whole JSON value.
    BadJson,
    /// The body is JSON, but no message that may pass.
    BadEnvelope,
    /// A mirrored header is missing or malformed.
    HeaderMismatch {
        /// What is wrong; see [`crate::HeaderFlaw`]'s messages.
        detail: &'a str,
    },
    /// A protocol version that is not carried. Read the body first, so that the answer has its id: clients that probe
    /// wait for it.
    VersionUnsupported {
        /// What the client asked for.
        requested: &'a str,
        /// What it may ask for instead, newest first; see [`ProtocolVersion::ALL`].
        supported: &'a [ProtocolVersion],
    },
    /// The version is known, but no hub of the fleet speaks its era. To a modern request this is **not** one of the
    /// modern codes: those would tell a client that speaks both eras not to fall back to `initialize`.
    EraNotServed {
        /// What the fleet speaks, newest first.
        supported: &'a [ProtocolVersion],
    },
    /// The request belongs to a session and names none.
    SessionRequired,
    /// The session is over, or was never ours, or is another's: the client need not know which.
    SessionUnknown,
    /// A GET goes on with a stream whose request has been answered. 405, which says that there is no stream: SDKs leave
    /// it at that.
    NothingFollows,
    /// The session has as many GET streams open as it may.
    TooManyStreams,
    /// A residency rule allows no hub at all for this client.
    ResidencyRefused,

    // The fleet.
    /// No hub can take the request now; whether because of a residency rule is not said.
    NoHub,
    /// No hub could be reached. Nothing was sent: asking again is safe.
    HubUnreachable,
    /// The hub did not answer in time. The outcome is unknown.
    HubTimeout,
    /// The hub broke off before the answer was complete. The outcome is unknown.
    HubBroke,
    /// The hub's answer could not be understood. The outcome is unknown.
    HubGarbled,
    /// The hub answered with a 5xx of this status.
    HubError {
        /// The hub's status, 500 to 599.
        status: u16,
    },

    // The gateway.
    /// Too much at once.
    Overloaded,
    /// The gateway is stopping.
    ShuttingDown,
}

/// An answer of the gateway's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u32>,
    /// `Allow`.
    pub allow: Option<&'static str>,
    /// Whether the connection must not be used again: what follows on it may not be what the client meant.
    pub close: bool,
    /// The body, `application/json`; empty with 202.
    pub body: Vec<u8>,
}

/// How long a client is asked to wait where a hub may be back soon, in seconds: two rounds of probes by default.
pub const RETRY_AFTER: u32 = 4;

/// The answer to `failure`.
///
/// Inside a legacy session a notification that met a failure behind the gateway is answered 202: it wants no answer,
/// is not promised delivery, and a 5xx would end the client's session.
#[must_use]
pub fn answer(failure: &Failure<'_>, scope: Scope, asked: Asked<'_>) -> Answer {
    let in_band = scope == Scope::LegacySession && failure.fault() != Fault::Client;
    let status = match asked {
        Asked::One(_) | Asked::Many(_) if in_band => 200,
        Asked::Nothing if in_band => return Answer::bare(202),
        _ => failure.status(),
    };
    Answer {
        status,
        retry_after: (status == 503).then_some(RETRY_AFTER),
        allow: (status == 405).then_some(if scope == Scope::Modern { "POST" } else { "GET, POST, DELETE" }),
        close: failure.spoils_connection(),
        body: body::of(failure, scope, asked),
    }
}

impl Answer {
    fn bare(status: u16) -> Self {
        Self { status, retry_after: None, allow: None, close: false, body: Vec::new() }
    }
}

impl Failure<'_> {
    /// The body alone for one request: the `data` of an event on a stream that is already open.
    #[must_use]
    pub fn body(&self, scope: Scope, asked: Asked<'_>) -> Vec<u8> {
        body::of(self, scope, asked)
    }
}

#[cfg(test)]
mod tests;
