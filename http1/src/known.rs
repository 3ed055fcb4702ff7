//! The fields a gateway has to look at. Every other field passes by unread.

macro_rules! known {
    ($($variant:ident = $name:literal, $trait:ident;)*) => {
        /// A field that framing, admission or routing reads.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Known {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl Known {
            /// How many there are; the size of a per-head index.
            pub const COUNT: usize = [$(Known::$variant,)*].len();
            const ALL: [(Known, &'static str); Self::COUNT] = [$((Known::$variant, $name),)*];
            const KINDS: [Kind; Self::COUNT] = [$(Kind::$trait,)*];

            /// The lower-case name.
            #[must_use]
            pub fn name(self) -> &'static str {
                Self::ALL[self as usize].1
            }

            pub(crate) fn kind(self) -> Kind {
                Self::KINDS[self as usize]
            }
        }
    };
}

/// What may be done with a known field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// End to end, once at most.
    Once,
    /// End to end, may be repeated (a list).
    List,
    /// Belongs to one connection; never forwarded.
    Hop,
}

known! {
    Host = "host", Once;
    ContentLength = "content-length", Once;
    TransferEncoding = "transfer-encoding", Hop;
    ContentType = "content-type", Once;
    Accept = "accept", List;
    Origin = "origin", Once;
    Authorization = "authorization", Once;
    Connection = "connection", Hop;
    KeepAlive = "keep-alive", Hop;
    ProxyConnection = "proxy-connection", Hop;
    ProxyAuthorization = "proxy-authorization", Hop;
    ProxyAuthenticate = "proxy-authenticate", Hop;
    Te = "te", Hop;
    Trailer = "trailer", Hop;
    Upgrade = "upgrade", Hop;
    Http2Settings = "http2-settings", Hop;
    Expect = "expect", Once;
    SessionId = "mcp-session-id", Once;
    ProtocolVersion = "mcp-protocol-version", Once;
    McpMethod = "mcp-method", Once;
    McpName = "mcp-name", Once;
    LastEventId = "last-event-id", Once;
    Traceparent = "traceparent", Once;
    ForwardedFor = "x-forwarded-for", List;
    ForwardedHost = "x-forwarded-host", List;
    ForwardedProto = "x-forwarded-proto", List;
    Forwarded = "forwarded", List;
    RealIp = "x-real-ip", List;
    TrueClientIp = "true-client-ip", List;
    ContentEncoding = "content-encoding", List;
    RetryAfter = "retry-after", Once;
}

impl Known {
    /// The known field of this name, which is a token (RFC 9110 section 5.6.2), in any case.
    #[must_use]
    pub fn of(name: &[u8]) -> Option<Self> {
        // The last letter first: names of one length seldom share it.
        let last = name.last()? | CASE;
        Self::matching(name, |name, known| known.last() == Some(&last) && same_token(name, known))
    }

    /// The known field that this name becomes where `_` is read as `-` (CGI and its heirs).
    pub(crate) fn imitated_by(name: &[u8]) -> Option<Self> {
        memchr::memchr(b'_', name)?;
        let same = |a: &[u8], b: &[u8]| {
            a.iter().zip(b).all(|(a, b)| (if *a == b'_' { b'-' } else { a.to_ascii_lowercase() }) == *b)
        };
        Self::matching(name, same)
    }

    fn matching(name: &[u8], same: impl Fn(&[u8], &[u8]) -> bool) -> Option<Self> {
        let (from, to) = (*BY_LENGTH.starts.get(name.len())?, *BY_LENGTH.starts.get(name.len() + 1)?);
        let candidates = BY_LENGTH.order.get(usize::from(from)..usize::from(to))?;
        candidates.iter().copied().find(|known| same(name, known.name().as_bytes()))
    }
}

/// The bit that makes a capital letter a small one. Of the bytes that tokens have, it makes no other into one that a known
/// name has.
const CASE: u8 = 0x20;

/// Whether a token is this known name, which is as long. Eight bytes at a time, since heads are full of names.
fn same_token(name: &[u8], known: &[u8]) -> bool {
    const CASES: u64 = u64::from_ne_bytes([CASE; 8]);
    let (names, rest) = name.as_chunks::<8>();
    let (knowns, known_rest) = known.as_chunks::<8>();
    let differ = |(name, known): (&[u8; 8], &[u8; 8])| {
        (u64::from_ne_bytes(*name) | CASES) ^ u64::from_ne_bytes(*known)
    };
    let rests = rest.iter().zip(known_rest).fold(0, |found, (name, known)| found | ((name | CASE) ^ known));
    names.iter().zip(knowns).map(differ).fold(u64::from(rests), |found, differ| found | differ) == 0
}

/// Longest known name, with room.
const LENGTH_MAX: usize = 30;

/// The known fields by the lengths of their names: of thirty names hardly three share one, so that finding a field costs
/// few byte compares.
struct ByLength {
    order: [Known; Known::COUNT],
    /// Where the names of each length begin in `order`.
    starts: [u8; LENGTH_MAX + 2],
}

static BY_LENGTH: ByLength = {
    let mut order = [Known::Host; Known::COUNT];
    let mut starts = [0; LENGTH_MAX + 2];
    let (mut length, mut filled) = (0, 0);
    while length <= LENGTH_MAX {
        starts[length] = filled as u8;
        let mut at = 0;
        while at < Known::COUNT {
            if Known::ALL[at].1.len() == length {
                order[filled] = Known::ALL[at].0;
                filled += 1;
            }
            at += 1;
        }
        length += 1;
    }
    starts[LENGTH_MAX + 1] = filled as u8;
    assert!(filled == Known::COUNT, "a name is longer than the table goes");
    ByLength { order, starts }
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case_and_aliases_are_seen() {
        assert_eq!(Known::of(b"Mcp-Session-ID"), Some(Known::SessionId));
        assert_eq!(Known::of(b"X-Custom"), None);
        assert_eq!(Known::imitated_by(b"mcp_session-id"), Some(Known::SessionId));
        assert_eq!(Known::imitated_by(b"mcp-session-id"), None);
        assert_eq!(Known::imitated_by(b"api_key"), None);
        for (index, (known, name)) in Known::ALL.iter().enumerate() {
            assert_eq!(*known as usize, index);
            assert_eq!(Known::of(name.to_ascii_uppercase().as_bytes()), Some(*known));
            assert_eq!(Known::of(name.as_bytes()), Some(*known));
        }
    }

    #[test]
    fn no_other_token_is_taken_for_a_known_name() {
        let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        for (known, name) in Known::ALL {
            for at in 0..name.len() {
                for byte in (0..=u8::MAX).filter(token) {
                    let mut other = name.as_bytes().to_vec();
                    other[at] = byte;
                    let same = other.eq_ignore_ascii_case(name.as_bytes());
                    assert_eq!(Known::of(&other) == Some(known), same, "{other:?}");
                }
            }
        }
    }
}
