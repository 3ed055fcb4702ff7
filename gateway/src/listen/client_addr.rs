//! Which address is the client's?
//!
//! The socket's peer, unless the operator trusts that peer as a proxy; then what the proxy says, hop by hop,
//! for as long as each speaker is trusted too. Anything else would let a client choose its own place on the map
//! and walk around a residency rule.
//!
//! The order of the steps:
//!
//! 1. The peer of the socket. If it is not trusted, that is the answer and every header is ignored.
//! 2. The PROXY header's source, if there was a header. If *that* address is not trusted, it is the answer.
//! 3. `X-Forwarded-For`, from the right: each trusted address hands on to the one left of it; the first that is
//!    not trusted is the client. An entry that cannot be read ends the walk at the last hop that could.
//! 4. `Forwarded` (RFC 7239) in the same way, only when there is no `X-Forwarded-For` at all.
//!
//! Why `X-Forwarded-For` first: nearly every proxy appends to it, and few touch `Forwarded`, which then arrives
//! as the client wrote it. Where a proxy writes `Forwarded` only, it must remove `X-Forwarded-For`.
//!
//! Towards a hub we speak `X-Forwarded-For` and `X-Forwarded-Proto` only, rewritten from parsed addresses, so
//! that no byte of a stranger's header is repeated. `Forwarded` is not passed on: two accounts of one journey
//! would disagree.
//!
//! Owns: trust, the walk, the headers we write. Does not know: sockets, geography, any header type.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

/// Entries of a forwarding chain that are looked at, counted from the right. Real chains have two to five hops;
/// the bound keeps a header of commas from costing more than the request it came with.
pub const HOPS_MAX: usize = 32;

/// The networks whose word about the client is believed. Empty: nobody's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Trusts the given networks. A network written for IPv4 also matches the same address seen through an
    /// IPv6 socket (`::ffff:192.0.2.1`).
    #[must_use]
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self(IpNet::aggregate(&networks.into_iter().collect()))
    }

    /// Whether `address` lies in one of the networks.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// Who told us the client's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Nobody: it is the peer of the socket.
    Socket,
    /// A PROXY header of a trusted peer.
    ProxyHeader,
    /// `X-Forwarded-For` by a trusted proxy.
    XForwardedFor,
    /// `Forwarded` by a trusted proxy.
    Forwarded,
}

impl Source {
    /// A name for logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::ProxyHeader => "proxy-header",
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
        }
    }
}

/// The client's address and how we came by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddr {
    /// Canonical: an IPv4 address inside IPv6 is given as IPv4.
    pub ip: IpAddr,
    /// Who said so.
    pub source: Source,
}

/// The other end of a connection: who may speak for clients, and whom we have to name towards a hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    ip: IpAddr,
    text: AddressText,
    source: Source,
    trusted: bool,
}

/// An address in words: every request names it, and writing it is dearer than keeping it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct AddressText {
    /// The longest has eight groups of four digits.
    bytes: [u8; 39],
    len: u8,
}

impl AddressText {
    fn of(ip: IpAddr) -> Self {
        let mut text = Self { bytes: [0; 39], len: 0 };
        let mut rest = &mut text.bytes[..];
        // A canonical address has no IPv4 inside IPv6, which alone would be longer.
        let _ = write!(rest, "{ip}");
        text.len = (39 - rest.len()) as u8;
        text
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl Peer {
    /// Settles steps 1 and 2, once per connection. `proxy_source` is the source of a PROXY header, if there was
    /// one; it is ignored unless `socket` is trusted.
    #[must_use]
    pub fn new(socket: IpAddr, proxy_source: Option<SocketAddr>, trusted: &TrustedProxies) -> Self {
        let peer = |ip: IpAddr, source| {
            let (ip, trusted) = (ip.to_canonical(), trusted.contains(ip));
            Self { ip, text: AddressText::of(ip), source, trusted }
        };
        let at_socket = peer(socket, Source::Socket);
        match proxy_source {
            Some(address) if at_socket.trusted => peer(address.ip(), Source::ProxyHeader),
            _ => at_socket,
        }
    }

    /// The address of the peer: the socket's, or what its PROXY header named.
    #[must_use]
    pub const fn ip(&self) -> IpAddr {
        self.ip
    }

    /// Whether the forwarding headers of this peer are believed.
    #[must_use]
    pub const fn is_trusted(&self) -> bool {
        self.trusted
    }

    /// Settles steps 3 and 4, once per request. Takes the values of every `X-Forwarded-For` and every
    /// `Forwarded` line in the order received.
    #[must_use]
    pub fn client<'h, X, F>(&self, trusted: &TrustedProxies, x_forwarded_for: X, forwarded: F) -> ClientAddr
    where
        X: IntoIterator<Item = &'h [u8], IntoIter: DoubleEndedIterator>,
        F: IntoIterator<Item = &'h [u8], IntoIter: DoubleEndedIterator>,
    {
        let own = ClientAddr { ip: self.ip, source: self.source };
        if !self.trusted {
            return own;
        }
        let mut lines = x_forwarded_for.into_iter().rev().peekable();
        let (source, ip) = if lines.peek().is_some() {
            (Source::XForwardedFor, walk(trusted, lines.flat_map(entries).map(x_forwarded_for_entry)))
        } else {
            let lines = forwarded.into_iter().rev();
            (Source::Forwarded, walk(trusted, lines.flat_map(entries).map(forwarded_entry)))
        };
        ip.map_or(own, |ip| ClientAddr { ip, source })
    }

    /// Appends the `X-Forwarded-For` we send to a hub: a trusted peer's chain with the peer appended, otherwise the
    /// peer alone. Written anew from addresses; an unreadable entry and everything left of it is dropped.
    pub fn write_x_forwarded_for<'h, X>(&self, out: &mut Vec<u8>, x_forwarded_for: X)
    where
        X: IntoIterator<Item = &'h [u8], IntoIter: DoubleEndedIterator>,
    {
        if self.trusted {
            let lines = x_forwarded_for.into_iter().rev();
            let readable = lines.flat_map(entries).map(x_forwarded_for_entry).map_while(|hop| hop);
            let hops: Vec<_> = readable.take(HOPS_MAX - 1).collect();
            for hop in hops.iter().rev() {
                let _ = write!(out, "{hop}, "); // Writing to memory cannot fail.
            }
        }
        out.extend_from_slice(self.text.as_bytes());
    }

    /// The `X-Forwarded-Proto` we send to a hub: what a trusted peer said if it is one of the two words there
    /// are, otherwise what this listener speaks.
    #[must_use]
    pub fn onward_x_forwarded_proto(&self, received: Option<&[u8]>, tls: bool) -> &'static str {
        match received {
            Some(said) if self.trusted && said.eq_ignore_ascii_case(b"https") => "https",
            Some(said) if self.trusted && said.eq_ignore_ascii_case(b"http") => "http",
            _ if tls => "https",
            _ => "http",
        }
    }
}

/// Follows a chain from the nearest hop outwards: the first address that is not trusted, else the last that could
/// be read, `None` if not even the first could.
fn walk(trusted: &TrustedProxies, nearest_first: impl Iterator<Item = Option<IpAddr>>) -> Option<IpAddr> {
    let mut last_good = None;
    for hop in nearest_first.take(HOPS_MAX) {
        let Some(hop) = hop else { break };
        last_good = Some(hop);
        if !trusted.contains(hop) {
            break;
        }
    }
    last_good
}

/// The elements of one header line, last first, without the space around them; empty ones are skipped, as
/// RFC 9110 asks.
///
/// Quotes are matched from the right. What trusted proxies appended is well formed and stands on the right, so an
/// opening quote that a client leaves dangling on the left cannot swallow it.
fn entries(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    split_from_right(line, b',').map(<[u8]>::trim_ascii).filter(|entry| !entry.is_empty())
}

/// Splits at `separator` outside of quotes, the last piece first.
fn split_from_right(line: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest?;
        let mut quoted = false;
        let at = line.iter().rposition(|byte| {
            quoted ^= *byte == b'"';
            *byte == separator && !quoted
        });
        rest = at.map(|at| &line[..at]);
        Some(at.map_or(line, |at| &line[at + 1..]))
    })
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn x_forwarded_for_entry(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?;
    match text.parse::<IpAddr>() {
        Ok(address) => specific(address),
        Err(_) => node(text),
    }
}

/// The `for` of one element of `Forwarded`; `None` for `unknown`, hidden names (`_x`), and anything unclear.
fn forwarded_entry(entry: &[u8]) -> Option<IpAddr> {
    // A backslash escapes in a quoted string. No address needs one, and it would make quotes ambiguous from the
    // right.
    if entry.contains(&b'\\') {
        return None;
    }
    let mut found = None;
    for pair in split_from_right(entry, b';') {
        let pair = std::str::from_utf8(pair).ok()?.trim_matches([' ', '\t']);
        if pair.is_empty() {
            continue;
        }
        let (name, value) = pair.split_once('=')?;
        if name.eq_ignore_ascii_case("for") && found.replace(value).is_some() {
            return None;
        }
    }
    let value = found?;
    let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    node(unquoted)
}

/// A node of RFC 7239: an IPv4 address or an IPv6 address in brackets, either with a port.
fn node(text: &str) -> Option<IpAddr> {
    let (address, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            let port = if port.is_empty() { None } else { Some(port.strip_prefix(':')?) };
            (IpAddr::V6(address.parse().ok()?), port)
        }
        None => match text.split_once(':') {
            Some((address, port)) => (IpAddr::V4(address.parse().ok()?), Some(port)),
            None => (IpAddr::V4(text.parse().ok()?), None),
        },
    };
    if port.is_none_or(is_port) { specific(address) } else { None }
}

/// A port in digits, or hidden (`_x`): either may follow an address, and neither matters here.
fn is_port(text: &str) -> bool {
    match text.strip_prefix('_') {
        Some(hidden) => {
            !hidden.is_empty() && hidden.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        }
        None => text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok(),
    }
}

/// Refuses the address that means *no address*.
fn specific(address: IpAddr) -> Option<IpAddr> {
    let address = address.to_canonical();
    (!address.is_unspecified()).then_some(address)
}

#[cfg(test)]
mod tests;
