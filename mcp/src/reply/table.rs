//! The table.

use super::{Failure, Scope};

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The client must change its request.
    Client,
    /// A hub failed, or none is there.
    Fleet,
    /// The gateway will not, for now.
    Gateway,
}

/// The JSON-RPC codes used, and nothing else is.
pub const CODES: [i32; 5] = [PARSE, INVALID_REQUEST, INTERNAL, HEADER_MISMATCH, VERSION_UNSUPPORTED];

/// JSON-RPC: not JSON.
const PARSE: i32 = -32700;
/// JSON-RPC: not a request that can be taken.
const INVALID_REQUEST: i32 = -32600;
/// JSON-RPC: the other side failed.
const INTERNAL: i32 = -32603;
/// MCP 2026-07-28.
const HEADER_MISMATCH: i32 = -32020;
/// MCP 2026-07-28.
const VERSION_UNSUPPORTED: i32 = -32022;

/// One row: the status outside a session, the code, the reason for machines, the message for people, whose fault.
struct Row(u16, i32, &'static str, &'static str, Fault);

impl Failure<'_> {
    fn row(&self) -> Row {
        use Fault::{Client, Fleet, Gateway};
        match self {
            Self::BadHead => Row(400, INVALID_REQUEST, "bad_head", "The request head is malformed", Client),
            Self::ClientTooSlow => {
                Row(408, INVALID_REQUEST, "client_too_slow", "The request did not arrive in time", Client)
            }
            Self::UriTooLong => {
                Row(414, INVALID_REQUEST, "uri_too_long", "The request target is too long", Client)
            }
            Self::HeadTooLarge => {
                Row(431, INVALID_REQUEST, "head_too_large", "The headers are too large", Client)
            }
            Self::BodyTooLarge => {
                Row(413, INVALID_REQUEST, "body_too_large", "The body is too large", Client)
            }
            Self::UnknownPath => {
                Row(404, INVALID_REQUEST, "unknown_path", "There is no MCP endpoint here", Client)
            }
            Self::MethodNotAllowed => Row(
                405,
                INVALID_REQUEST,
                "method_not_allowed",
                "The endpoint does not take this method",
                Client,
            ),
            Self::HostNotAllowed => {
                Row(403, INVALID_REQUEST, "host_not_allowed", "The host is not allowed", Client)
            }
            Self::OriginNotAllowed => {
                Row(403, INVALID_REQUEST, "origin_not_allowed", "The origin is not allowed", Client)
            }
            Self::ContentType => {
                Row(415, INVALID_REQUEST, "content_type", "Content-Type must be application/json", Client)
            }
            Self::NotAcceptable => Row(
                406,
                INVALID_REQUEST,
                "not_acceptable",
                "Accept must list application/json and text/event-stream",
                Client,
            ),
            Self::BadJson => Row(400, PARSE, "bad_json", "Parse error", Client),
            Self::BadEnvelope => Row(400, INVALID_REQUEST, "bad_envelope", "Invalid request", Client),
            Self::HeaderMismatch { .. } => {
                Row(400, HEADER_MISMATCH, "header_mismatch", "Header mismatch", Client)
            }
            Self::VersionUnsupported { .. } => {
                Row(400, VERSION_UNSUPPORTED, "version_unsupported", "Unsupported protocol version", Client)
            }
            Self::EraNotServed { .. } => Row(
                400,
                INVALID_REQUEST,
                "era_not_served",
                "No hub here speaks this protocol version",
                Client,
            ),
            Self::SessionRequired => {
                Row(400, INVALID_REQUEST, "session_required", "Mcp-Session-Id is missing", Client)
            }
            Self::SessionUnknown => Row(404, INVALID_REQUEST, "session_unknown", "Session not found", Client),
            Self::NothingFollows => {
                Row(405, INVALID_REQUEST, "nothing_follows", "The request has been answered", Client)
            }
            Self::TooManyStreams => {
                Row(409, INVALID_REQUEST, "too_many_streams", "The session has too many streams open", Client)
            }
            Self::ResidencyRefused => {
                Row(403, INVALID_REQUEST, "residency_refused", "No hub may serve this client", Client)
            }
            Self::NoHub => Row(503, INTERNAL, "no_hub", "No hub is available", Fleet),
            Self::HubUnreachable => Row(503, INTERNAL, "hub_unreachable", "No hub could be reached", Fleet),
            Self::HubTimeout => Row(
                504,
                INTERNAL,
                "hub_timeout",
                "The hub did not answer in time; the outcome is unknown",
                Fleet,
            ),
            Self::HubBroke => {
                Row(502, INTERNAL, "hub_broke", "The hub broke off its answer; the outcome is unknown", Fleet)
            }
            Self::HubGarbled => Row(
                502,
                INTERNAL,
                "hub_garbled",
                "The hub's answer is malformed; the outcome is unknown",
                Fleet,
            ),
            Self::HubError { .. } => Row(502, INTERNAL, "hub_error", "The hub failed", Fleet),
            Self::Overloaded => Row(503, INTERNAL, "overloaded", "The gateway is overloaded", Gateway),
            Self::ShuttingDown => Row(503, INTERNAL, "shutting_down", "The gateway is stopping", Gateway),
        }
    }

    /// The HTTP status where the failure is not answered in band.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            // A hub's own status tells a client outside a session more than ours would.
            Self::HubError { status } if (500..600).contains(status) => *status,
            _ => self.row().0,
        }
    }

    /// The JSON-RPC code. A mirrored header means nothing to a legacy client, nor does its code; an unknown version has
    /// no era, and its code is what tells a modern client to try another version.
    #[must_use]
    pub fn code(&self, scope: Scope) -> i32 {
        match self.row().1 {
            HEADER_MISMATCH if scope != Scope::Modern => INVALID_REQUEST,
            code => code,
        }
    }

    /// A word for `error.data.reason`, logs and metrics: stable, lower case, one of few.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.row().2
    }

    /// A sentence for people.
    #[must_use]
    pub fn message(&self) -> &'static str {
        self.row().3
    }

    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        self.row().4
    }

    /// Whether a request that met this failure may already have been acted on.
    #[must_use]
    pub fn outcome_unknown(&self) -> bool {
        matches!(self, Self::HubTimeout | Self::HubBroke | Self::HubGarbled | Self::HubError { .. })
    }

    /// Whether the bytes that follow on the client's connection can no longer be trusted to start a request.
    pub(super) fn spoils_connection(&self) -> bool {
        matches!(
            self,
            Self::BadHead | Self::ClientTooSlow | Self::UriTooLong | Self::HeadTooLarge | Self::BodyTooLarge
        )
    }
}
