//! Which port may this test listen on?

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// First port handed out. The range lies below the system's ephemeral ports (from 32768 on Linux), so that no
/// outgoing connection can take a port between our look and the bind of the process it is meant for.
const FIRST: u32 = 20_000;

/// How many ports the range has.
const COUNT: u32 = 12_000;

/// Distance between the starting points of two test processes with neighbouring ids.
const STRIDE: u32 = 41;

/// A loopback port that nobody listens on, and that this process has not handed out lately.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(STRIDE);
    for _ in 0..COUNT {
        let turn = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + start.wrapping_add(turn) % COUNT;
        let port = u16::try_from(port).expect("the range ends below 65536");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("every port from {FIRST} to {} is taken", FIRST + COUNT - 1);
}

/// [`free_port`] on 127.0.0.1.
pub fn free_address() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, free_port()).into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ports_are_distinct_and_can_be_bound() {
        let addresses: BTreeSet<_> = (0..50).map(|_| free_address()).collect();
        assert_eq!(addresses.len(), 50);
        let listeners: Vec<_> = addresses.iter().map(TcpListener::bind).collect();
        assert!(listeners.iter().all(Result::is_ok));
    }
}
