//! One connection from its first byte to its last.

use super::client_addr::Peer;
use super::proxy_protocol::{Parsed, parse};
use super::service::Hall;
use super::{Role, http2};
use crate::admin;
use crate::clock;
use crate::control::lifecycle::{Phase, PhaseWatch, reached};
use crate::http::Downstream;
use crate::http::h1::{Connection, Limits, Next};
use crate::net::Wire;
use crate::prompt::PROMPT;
use crate::proxy::{self, Arrival};
use crate::snapshot::Snapshot;
use bytes::{Buf as _, BytesMut};
use mcp::{Asked, Failure, Scope};
use mcphub_conf::settings::ProxyProtocol;
use mcphub_mcp as mcp;
use pingora::listeners::tls::Acceptor;
use pingora::protocols::l4::stream::Stream as L4Stream;
use pingora::protocols::{ALPN, Ssl as _};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// How long a kept-alive connection may stay silent once we are stopping. A client that is about to use it gets its
/// answer, and with it `Connection: close`; closing at once would meet requests that are on their way.
const DRAINING_SILENCE: Duration = Duration::from_secs(2);

/// The first bytes of HTTP/2 with prior knowledge (RFC 9113 section 3.4).
const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Who is at the other end, and what has been read of it already.
struct Opened {
    peer: Peer,
    early: BytesMut,
}

pub(super) async fn serve(hall: &Hall, tcp: TcpStream, address: SocketAddr, phase: PhaseWatch) {
    let _ = tcp.set_nodelay(true);
    let snapshot = hall.edge.snapshots.load_full();
    let patience = snapshot.settings.limits.header_deadline;
    let mut wire = Wire::Tcp(tcp);
    let Ok(Some(opened)) = timeout(patience, open(hall, &snapshot, &mut wire, address.ip())).await else {
        return;
    };
    let Wire::Tcp(tcp) = wire else { return };
    let limits = Limits::from(&snapshot.settings.limits);
    drop(snapshot);
    // On the heap, so that each connection takes what its own kind takes.
    if let Some(acceptor) = &hall.acceptor {
        return Box::pin(over_tls(hall, acceptor, tcp, opened, limits, phase)).await;
    }
    let Opened { peer, early } = opened;
    if hall.http2 && early.starts_with(H2_PREFACE) {
        return Box::pin(prior_knowledge(hall, tcp, peer, early, phase)).await;
    }
    let connection = Connection::new(Wire::Tcp(tcp), early, limits);
    Box::pin(http1(hall, connection, peer, false, phase)).await;
}

async fn over_tls(
    hall: &Hall,
    acceptor: &Acceptor,
    tcp: TcpStream,
    Opened { peer, early }: Opened,
    limits: Limits,
    phase: PhaseWatch,
) {
    let shaken =
        timeout(limits.head_deadline(), Box::pin(acceptor.tls_handshake(rewound(tcp, &early)))).await;
    let Ok(Ok(stream)) = shaken else {
        tracing::debug!(client = %peer.ip(), "TLS handshake failed");
        return;
    };
    if stream.selected_alpn_proto() == Some(ALPN::H2) {
        return Box::pin(http2::serve(hall, Box::new(stream), peer, true, phase)).await;
    }
    let connection = Connection::new(Wire::Tls(Box::new(stream)), BytesMut::new(), limits);
    Box::pin(http1(hall, connection, peer, true, phase)).await;
}

/// HTTP/2 whose client knew that it would be understood.
async fn prior_knowledge(hall: &Hall, tcp: TcpStream, peer: Peer, early: BytesMut, phase: PhaseWatch) {
    let stream = Box::new(rewound(tcp, &early));
    http2::serve(hall, stream, peer, false, phase).await;
}

/// A stream of Pingora's that first gives what has been read already.
fn rewound(tcp: TcpStream, early: &[u8]) -> L4Stream {
    let mut stream = L4Stream::from(tcp);
    stream.rewind(early);
    stream
}

/// Reads what comes before HTTP and TLS, and enough of cleartext to tell HTTP/2 from HTTP/1. `None`: not welcome.
async fn open(hall: &Hall, snapshot: &Snapshot, wire: &mut Wire, socket: IpAddr) -> Option<Opened> {
    let mut early = BytesMut::new();
    let Role::Clients(listener) = hall.role else {
        return Some(Opened { peer: Peer::new(socket, None, &Default::default()), early });
    };
    let listener = snapshot.listeners.get(listener)?;
    let mut source = None;
    if listener.settings.proxy_protocol != ProxyProtocol::Off {
        if listener.trusted.contains(socket) {
            source = proxy_header(wire, &mut early, listener.settings.proxy_protocol).await?;
        } else if listener.settings.proxy_protocol == ProxyProtocol::Required {
            return None;
        }
    }
    if hall.http2 && hall.acceptor.is_none() {
        while early.len() < H2_PREFACE.len() && H2_PREFACE.starts_with(&early) {
            if wire.read(&mut early).await.ok()? == 0 {
                return None;
            }
        }
    }
    Some(Opened { peer: Peer::new(socket, source, &listener.trusted), early })
}

/// The source that a PROXY header names. The outer `None`: the connection must end.
#[allow(
    clippy::option_option,
    reason = "whether to go on, and whether an address was given, are two questions"
)]
async fn proxy_header(
    wire: &mut Wire,
    early: &mut BytesMut,
    mode: ProxyProtocol,
) -> Option<Option<SocketAddr>> {
    loop {
        match parse(early) {
            Parsed::Header { source, consumed, .. } => {
                early.advance(consumed);
                return Some(source);
            }
            Parsed::NotProxy if mode == ProxyProtocol::Optional && !early.is_empty() => return Some(None),
            Parsed::NotProxy | Parsed::Malformed if !early.is_empty() => return None,
            _ => {
                if wire.read(early).await.ok()? == 0 {
                    return None;
                }
            }
        }
    }
}

async fn http1(hall: &Hall, mut connection: Connection, peer: Peer, tls: bool, phase: PhaseWatch) {
    let edge = &hall.edge;
    // When the latest request came, and what is kept for the next.
    let (mut latest, mut kept) = (None, proxy::Kept::new(phase));
    loop {
        if !asked(&mut connection, latest, &mut kept.phase).await {
            break;
        }
        let snapshot = edge.snapshots.load_full();
        connection.set_limits(Limits::from(&snapshot.settings.limits));
        let failure = match connection.head().await {
            Next::Head(head) => {
                let last = edge.lifecycle.phase() >= Phase::Draining;
                let at = clock::instant();
                let arrival = Arrival { head: &head, peer, tls, at };
                let down = Downstream::H1(connection.exchange(&head, last));
                match hall.role {
                    Role::Clients(listener) => {
                        // On the heap, and gone with the request: what is idle takes nothing for it, and many connections
                        // in turn use the same few pages.
                        Box::pin(proxy::serve(edge, &snapshot, listener, arrival, down, &mut kept)).await;
                    }
                    Role::Operators => admin::serve(edge, &snapshot, &arrival, down).await,
                }
                if !connection.reusable() {
                    break;
                }
                latest = Some(at);
                continue;
            }
            Next::Refused(refusal) => proxy::refusal_of(refusal),
            Next::Slow => Failure::ClientTooSlow,
            Next::Closed => break,
        };
        edge.metrics.refused(failure.reason());
        let answer = mcp::answer(&failure, Scope::Legacy, Asked::Unknown);
        if hall.role == Role::Operators {
            return admin::refuse(&mut connection, answer.status, &failure).await;
        }
        connection.refuse(answer.status, &proxy::lines_of(&answer), &answer.body).await;
        return;
    }
    connection.finish().await;
}

/// Waits for the next request, the latest having come at `latest`; `false`: the connection is to end.
async fn asked(connection: &mut Connection, latest: Option<Instant>, phase: &mut PhaseWatch) -> bool {
    if let Some(latest) = latest
        && let Some(asked) = connection.wait_briefly(latest + PROMPT).await
    {
        return asked;
    }
    tokio::select! {
        biased;
        asked = connection.wait(latest.is_none()) => asked,
        () = silence(phase) => false,
    }
}

/// Waits until we are stopping and the connection has been silent for a while.
async fn silence(phase: &mut PhaseWatch) {
    reached(phase, Phase::Draining).await;
    tokio::select! {
        () = sleep(DRAINING_SILENCE) => {}
        () = reached(phase, Phase::Ending) => {}
    }
}
