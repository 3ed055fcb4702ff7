//! Who does the balancer in front say is calling?
//!
//! Reads the PROXY protocol header (versions 1 and 2) that a trusted balancer writes before the first byte of
//! the connection. The grammar inside a header is the business of the `ppp` crate; where a header ends, how
//! long it may be and what counts as *not yet* are decided here, so that the answer for a prefix never
//! contradicts the answer for the whole.
//!
//! Owns: framing, bounds, the meaning of LOCAL and UNKNOWN.
//! Does not know: sockets, and whether the peer may be believed; ask that first.

use std::net::SocketAddr;

use ppp::{v1, v2};

/// Longest version 1 header in bytes, CRLF included: the figure of the protocol's own text.
pub const V1_BYTES_MAX: usize = 107;

/// Longest version 2 header we read, in bytes: 16 fixed ones and 4 KiB of addresses and extensions. The
/// protocol allows 64 KiB; the longest known user (a cloud's TLS extensions) stays under 1 KiB.
pub const V2_BYTES_MAX: usize = V2_FIXED_BYTES + 4096;

/// The first line of version 1 begins so.
const V1_SIGNATURE: &[u8] = b"PROXY ";

/// The first bytes of version 2. No other protocol begins like this; that is what they were chosen for.
const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family and protocol, length.
const V2_FIXED_BYTES: usize = 16;

/// What the bytes so far amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// May become a header; read on. Never said once [`V2_BYTES_MAX`] bytes are there.
    Incomplete,
    /// A whole header.
    Header {
        /// The client; `None` when the balancer speaks for itself (LOCAL, as health checks do) or does not
        /// know (UNKNOWN, or a family that is not IP): the socket's peer is then the client.
        source: Option<SocketAddr>,
        /// The address the client connected to.
        destination: Option<SocketAddr>,
        /// Bytes of the header; the connection's own first byte is the next one.
        consumed: usize,
    },
    /// The first bytes of something else.
    NotProxy,
    /// Begins like a header and is none: close the connection, nothing after it can be trusted.
    Malformed,
}

/// Reads a PROXY header from the beginning of a connection. Call it with all bytes so far; it takes them from
/// the start each time, and a longer prefix never turns a final answer into another one.
#[must_use]
pub fn parse(bytes: &[u8]) -> Parsed {
    if begins_with(bytes, V2_SIGNATURE) {
        parse_v2(bytes)
    } else if begins_with(bytes, V1_SIGNATURE) {
        parse_v1(bytes)
    } else {
        Parsed::NotProxy
    }
}

/// Whether `bytes` agree with the signature as far as both go.
fn begins_with(bytes: &[u8], signature: &[u8]) -> bool {
    bytes.iter().zip(signature).all(|(byte, wanted)| byte == wanted)
}

fn parse_v1(bytes: &[u8]) -> Parsed {
    let window = &bytes[..bytes.len().min(V1_BYTES_MAX)];
    let Some(newline) = window.iter().position(|byte| *byte == b'\n') else {
        return if window.len() == V1_BYTES_MAX { Parsed::Malformed } else { Parsed::Incomplete };
    };
    let line = &window[..=newline];
    // `ppp` takes a space for a CR: `… 443 \n` would pass.
    if !line.ends_with(b"\r\n") {
        return Parsed::Malformed;
    }
    let Ok(header) = v1::Header::try_from(line) else { return Parsed::Malformed };
    let (source, destination) = match header.addresses {
        v1::Addresses::Unknown => (None, None),
        v1::Addresses::Tcp4(ip) => (
            Some(SocketAddr::from((ip.source_address, ip.source_port))),
            Some(SocketAddr::from((ip.destination_address, ip.destination_port))),
        ),
        v1::Addresses::Tcp6(ip) => (
            Some(SocketAddr::from((ip.source_address, ip.source_port))),
            Some(SocketAddr::from((ip.destination_address, ip.destination_port))),
        ),
    };
    Parsed::Header { source, destination, consumed: line.len() }
}

fn parse_v2(bytes: &[u8]) -> Parsed {
    let Some(fixed) = bytes.get(..V2_FIXED_BYTES) else { return Parsed::Incomplete };
    let whole = V2_FIXED_BYTES + usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if whole > V2_BYTES_MAX {
        return Parsed::Malformed;
    }
    let Some(header) = bytes.get(..whole) else { return Parsed::Incomplete };
    let Ok(header) = v2::Header::try_from(header) else { return Parsed::Malformed };
    let (source, destination) = match (header.command, header.addresses) {
        (v2::Command::Local, _) | (_, v2::Addresses::Unspecified | v2::Addresses::Unix(_)) => (None, None),
        (v2::Command::Proxy, v2::Addresses::IPv4(ip)) => (
            Some(SocketAddr::from((ip.source_address, ip.source_port))),
            Some(SocketAddr::from((ip.destination_address, ip.destination_port))),
        ),
        (v2::Command::Proxy, v2::Addresses::IPv6(ip)) => (
            Some(SocketAddr::from((ip.source_address, ip.source_port))),
            Some(SocketAddr::from((ip.destination_address, ip.destination_port))),
        ),
    };
    Parsed::Header { source, destination, consumed: whole }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(source: &str, destination: &str, consumed: usize) -> Parsed {
        let address = |text: &str| (!text.is_empty()).then(|| text.parse().expect("a socket address"));
        Parsed::Header { source: address(source), destination: address(destination), consumed }
    }

    /// Checks the whole, and that every shorter prefix of a header asks for more.
    fn check(bytes: &[u8], expected: Parsed) {
        assert_eq!(parse(bytes), expected, "{:?}", String::from_utf8_lossy(bytes));
        if let Parsed::Header { consumed, .. } = expected {
            for end in 0..consumed {
                assert_eq!(parse(&bytes[..end]), Parsed::Incomplete, "prefix of {end} bytes");
            }
            assert_eq!(parse(&[&bytes[..consumed], b"GET / HTTP/1.1\r\n"].concat()), expected);
        }
    }

    fn v2(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len()).expect("short").to_be_bytes();
        [V2_SIGNATURE, &[command, family], &length, payload].concat()
    }

    const V4: &[u8] = &[192, 0, 2, 1, 198, 51, 100, 7, 0xC0, 0x00, 0x01, 0xBB];

    #[test]
    fn version_1_headers() {
        check(
            b"PROXY TCP4 192.0.2.1 198.51.100.7 49152 443\r\n",
            header("192.0.2.1:49152", "198.51.100.7:443", 45),
        );
        check(b"PROXY TCP6 2001:db8::1 ::1 1 65535\r\nPOST", header("[2001:db8::1]:1", "[::1]:65535", 36));
        check(b"PROXY UNKNOWN\r\n", header("", "", 15));
        check(b"PROXY UNKNOWN ffff::1 whatever 1 2\r\n", header("", "", 36));
    }

    #[test]
    fn version_2_headers() {
        check(&v2(0x21, 0x11, V4), header("192.0.2.1:49152", "198.51.100.7:443", 28));
        let v6 = [[0x20; 16].as_slice(), &[0x30; 16], &[0, 80, 1, 187]].concat();
        let source = "[2020:2020:2020:2020:2020:2020:2020:2020]:80";
        check(&v2(0x21, 0x21, &v6), header(source, "[3030:3030:3030:3030:3030:3030:3030:3030]:443", 52));
        let with_extension = [V4, &[0x04, 0, 2, 0, 0]].concat();
        check(&v2(0x21, 0x11, &with_extension), header("192.0.2.1:49152", "198.51.100.7:443", 33));
    }

    #[test]
    fn a_balancer_that_speaks_for_itself_gives_no_address() {
        check(&v2(0x20, 0x11, V4), header("", "", 28));
        check(&v2(0x20, 0x00, b""), header("", "", 16));
        check(&v2(0x21, 0x00, b""), header("", "", 16));
        check(&v2(0x21, 0x31, &[b'/'; 216]), header("", "", 232));
    }

    #[test]
    fn other_protocols_are_left_alone() {
        for bytes in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"PRI * HTTP/2.0\r\n\r\n",
            b"\x16\x03\x01",
            b"\r\n\r\nGET",
            b"PROXZ",
            b"proxy TCP4",
        ] {
            check(bytes, Parsed::NotProxy);
        }
    }

    #[test]
    fn torn_and_forged_headers_are_malformed() {
        let too_long = [&b"PROXY UNKNOWN "[..], &[b'x'; 200], b"\r\n"].concat();
        for bytes in [
            &b"PROXY TCP4 192.0.2.1 198.51.100.7 49152\r\n"[..],
            b"PROXY TCP4 192.0.2.1 198.51.100.7 49152 443 \r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.7 49152 65536\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.7 49152 443\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.7 49152 443 \n",
            b"PROXY UNKNOWN \n",
            b"PROXY UNKNOWN\rx\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.7 49152\r443\r\n",
            b"PROXY TCP4 2001:db8::1 ::1 1 2\r\n",
            b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
            b"PROXY UDP4 192.0.2.1 198.51.100.7 1 2\r\n",
            b"PROXY  TCP4 192.0.2.1 198.51.100.7 1 2\r\n",
            b"PROXY \xff\r\n",
            &too_long,
            &v2(0x11, 0x11, V4),
            &v2(0x22, 0x11, V4),
            &v2(0x21, 0x41, V4),
            &v2(0x21, 0x11, &V4[..11]),
            &v2(0x21, 0x21, V4),
            &v2(0x21, 0x11, &[0; 4097]),
        ] {
            check(bytes, Parsed::Malformed);
        }
    }

    #[test]
    fn a_header_of_the_greatest_length_is_read() {
        let payload = [V4, &[0; 4096 - 12]].concat();
        check(&v2(0x21, 0x11, &payload), header("192.0.2.1:49152", "198.51.100.7:443", V2_BYTES_MAX));
        let line = [&b"PROXY UNKNOWN "[..], &[b'x'; V1_BYTES_MAX - 16], b"\r\n"].concat();
        check(&line, header("", "", V1_BYTES_MAX));
    }

    /// Bytes that often begin like a header.
    fn likely() -> impl Strategy<Value = Vec<u8>> {
        let signature = prop_oneof![
            Just(&b""[..]),
            Just(V1_SIGNATURE),
            Just(&b"PROXY TCP4 1.2.3.4 "[..]),
            Just(&b"PROXY UNKNOWN"[..]),
            Just(V2_SIGNATURE),
            Just(&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0"[..]),
        ];
        let rest = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..300),
            proptest::collection::vec(proptest::sample::select(&b"PROXYTC46 .:1\r\n"[..]), 0..200),
        ];
        (signature, rest).prop_map(|(signature, rest)| [signature, &rest].concat())
    }

    proptest! {
        #[test]
        fn a_final_answer_stands_whatever_follows(bytes in likely()) {
            let mut settled = None;
            for end in 0..=bytes.len() {
                let now = parse(&bytes[..end]);
                if let Parsed::Header { consumed, .. } = now {
                    prop_assert!(consumed <= end);
                }
                if let Some(earlier) = settled {
                    prop_assert_eq!(now, earlier, "at {}", end);
                } else if now != Parsed::Incomplete {
                    settled = Some(now);
                }
            }
        }

        #[test]
        fn nobody_is_asked_for_more_than_the_bound(bytes in likely()) {
            let mut long = bytes;
            long.resize(V2_BYTES_MAX, b'x');
            prop_assert_ne!(parse(&long), Parsed::Incomplete);
        }

        #[test]
        fn version_1_addresses_come_back_as_written(source: [u8; 4], port: u16, to: [u8; 16]) {
            let (v4, v6) = (std::net::Ipv4Addr::from(source), std::net::Ipv6Addr::from(to));
            let line = format!("PROXY TCP4 {v4} {v4} {port} 1\r\n");
            check(line.as_bytes(), header(&format!("{v4}:{port}"), &format!("{v4}:1"), line.len()));
            let line = format!("PROXY TCP6 {v6} {v6} {port} 1\r\n");
            check(line.as_bytes(), header(&format!("[{v6}]:{port}"), &format!("[{v6}]:1"), line.len()));
        }
    }
}
