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
            const ALL: [(Known, &'static str, Kind); Self::COUNT] =
                [$((Known::$variant, $name, Kind::$trait),)*];

            /// The lower-case name.
            #[must_use]
            pub fn name(self) -> &'static str {
                Self::ALL[self as usize].1
            }

            pub(crate) fn kind(self) -> Kind {
                Self::ALL[self as usize].2
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
    /// The known field of this name, in any case.
    #[must_use]
    pub fn of(name: &[u8]) -> Option<Self> {
        Self::matching(name, <[u8]>::eq_ignore_ascii_case)
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
        // Length first: of thirty names hardly two share one, so most fields cost a few byte compares.
        Self::ALL
            .iter()
            .find(|(_, known, _)| known.len() == name.len() && same(name, known.as_bytes()))
            .map(|(known, _, _)| *known)
    }
}

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
        for (index, (known, name, _)) in Known::ALL.iter().enumerate() {
            assert_eq!(*known as usize, index);
            assert_eq!(Known::of(name.to_ascii_uppercase().as_bytes()), Some(*known));
        }
    }
}
