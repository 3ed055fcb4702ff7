//! *Legacy or modern?* Decided per request from one header, before the body is read.
//!
//! The specification calls revisions with an `initialize` handshake *legacy* (up to 2025-11-25) and those that carry
//! everything in each request *modern* (2026-07-28 and later).

use std::fmt;

/// A published revision of the protocol. Ordered by date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProtocolVersion {
    /// HTTP+SSE days; clients that negotiated it still speak it over Streamable HTTP.
    V2024_11_05,
    /// The first with Streamable HTTP, and the only one with batches.
    V2025_03_26,
    /// The first with the `MCP-Protocol-Version` header.
    V2025_06_18,
    /// The last with sessions.
    V2025_11_25,
    /// The first modern one.
    V2026_07_28,
}

impl ProtocolVersion {
    /// Every known revision, newest first: the order in which an error names them.
    pub const ALL: [Self; 5] =
        [Self::V2026_07_28, Self::V2025_11_25, Self::V2025_06_18, Self::V2025_03_26, Self::V2024_11_05];

    /// What the specification says to assume of a legacy request without the header.
    pub const ASSUMED: Self = Self::V2025_03_26;

    /// The revision of this exact name.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        Some(match text {
            b"2024-11-05" => Self::V2024_11_05,
            b"2025-03-26" => Self::V2025_03_26,
            b"2025-06-18" => Self::V2025_06_18,
            b"2025-11-25" => Self::V2025_11_25,
            b"2026-07-28" => Self::V2026_07_28,
            _ => return None,
        })
    }

    /// Its name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// Whether each request stands alone, without handshake or session.
    #[must_use]
    pub fn is_modern(self) -> bool {
        self >= Self::V2026_07_28
    }
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the `MCP-Protocol-Version` header says about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EraDecision<'a> {
    /// A legacy request; `None` when the header is absent (an `initialize`, or a client older than the header).
    Legacy(Option<ProtocolVersion>),
    /// A modern request: route on its headers, forward its body unread.
    Modern(ProtocolVersion),
    /// A version we do not carry, with its value as sent. The gateway answers it ([`crate::Failure::VersionUnsupported`]):
    /// the specification wants 400 and the list of supported versions from whoever does not implement a version, and
    /// forwarding it would mean applying one era's rules to a revision that may have others. A hub that is ahead of
    /// the gateway is thus reached through the newest revision both know, which is what the client falls back to.
    Unknown(&'a [u8]),
}

/// Decides the era from the value of `MCP-Protocol-Version`, `None` when absent.
///
/// A request with the header more than once is the caller's to refuse; joined by commas it is unknown here.
#[must_use]
pub fn era(header: Option<&[u8]>) -> EraDecision<'_> {
    let Some(value) = header else { return EraDecision::Legacy(None) };
    let value = value.trim_ascii();
    match ProtocolVersion::parse(value) {
        Some(version) if version.is_modern() => EraDecision::Modern(version),
        Some(version) => EraDecision::Legacy(Some(version)),
        None => EraDecision::Unknown(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: Option<&str>, expected: EraDecision<'_>) {
        assert_eq!(era(header.map(str::as_bytes)), expected, "{header:?}");
    }

    #[test]
    fn the_header_decides() {
        check(None, EraDecision::Legacy(None));
        check(Some("2024-11-05"), EraDecision::Legacy(Some(ProtocolVersion::V2024_11_05)));
        check(Some("2025-03-26"), EraDecision::Legacy(Some(ProtocolVersion::V2025_03_26)));
        check(Some(" 2025-11-25\t"), EraDecision::Legacy(Some(ProtocolVersion::V2025_11_25)));
        check(Some("2026-07-28"), EraDecision::Modern(ProtocolVersion::V2026_07_28));
    }

    #[test]
    fn what_we_do_not_carry_is_unknown_whatever_its_date() {
        for value in
            ["", "1999-01-01", "2026-07-29", "2027-01-01", "draft", "2025-11-25, 2025-11-25", "2025-11-2"]
        {
            check(Some(value), EraDecision::Unknown(value.as_bytes()));
        }
    }

    #[test]
    fn names_round_trip_and_order_is_by_date() {
        for version in ProtocolVersion::ALL {
            assert_eq!(ProtocolVersion::parse(version.as_str().as_bytes()), Some(version));
        }
        assert!(ProtocolVersion::ALL.windows(2).all(|pair| pair[0] > pair[1]));
        assert!(ProtocolVersion::ALL.windows(2).all(|pair| pair[0].as_str() > pair[1].as_str()));
        assert_eq!(ProtocolVersion::ALL.iter().filter(|version| version.is_modern()).count(), 1);
    }
}
