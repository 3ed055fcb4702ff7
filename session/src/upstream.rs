//! *What did the hub call this session?* Its own id, before it goes into a header again.

use std::fmt;

/// Longest session id taken of a hub, bytes. SDKs use UUIDs of 36; signed ids have a few hundred.
pub const UPSTREAM_ID_MAX: usize = 1_024;

/// A hub's own session id: visible ASCII (0x21 to 0x7E), 1 byte to [`UPSTREAM_ID_MAX`]. Safe in a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamId<'a>(&'a str);

/// A hub's session id that MCP does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hub's session id must be 1 to {UPSTREAM_ID_MAX} characters of visible ASCII")]
pub struct BadUpstreamId;

impl<'a> UpstreamId<'a> {
    /// The id, if it is one.
    pub fn new(bytes: &'a [u8]) -> Result<Self, BadUpstreamId> {
        let fits = (1..=UPSTREAM_ID_MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
        match std::str::from_utf8(bytes) {
            Ok(text) if fits => Ok(Self(text)),
            _ => Err(BadUpstreamId),
        }
    }

    /// The id again, once it has been one.
    pub(crate) fn trusted(text: &'a str) -> Self {
        Self(text)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        self.0
    }
}

/// A hub's own session id that outlives the header it came in.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UpstreamIdBuf(Box<str>);

impl UpstreamIdBuf {
    /// The id, borrowed.
    #[must_use]
    pub fn as_id(&self) -> UpstreamId<'_> {
        UpstreamId(&self.0)
    }
}

impl From<UpstreamId<'_>> for UpstreamIdBuf {
    fn from(id: UpstreamId<'_>) -> Self {
        Self(id.0.into())
    }
}

/// Who has a hub's session id has the session: it stays out of logs.
impl fmt::Debug for UpstreamIdBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UpstreamIdBuf(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], accepted: bool) {
        assert_eq!(UpstreamId::new(bytes).is_ok(), accepted, "{bytes:?}");
    }

    #[test]
    fn visible_ascii_of_bounded_length() {
        check(b"!~", true);
        check(&[b'a'; UPSTREAM_ID_MAX], true);
        check(&[b'a'; UPSTREAM_ID_MAX + 1], false);
        for bad in [&b""[..], b"a b", b"a\r\nX: y", b"a\x7f", b"\x1f", "é".as_bytes(), b"\xff"] {
            check(bad, false);
        }
    }
}
