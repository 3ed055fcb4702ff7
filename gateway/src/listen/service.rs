//! The accept loops, as a service of Pingora's server.

use super::{Role, connection, tls};
use crate::control::lifecycle::{Phase, PhaseWatch, reached};
use crate::edge::Edge;
use async_trait::async_trait;
use pingora::listeners::tls::Acceptor;
use pingora::server::{ListenFds, ShutdownWatch};
use pingora::services::Service;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};

/// How long the accept loop rests when the process has no descriptor or memory left.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// A listening socket and whom it is for.
#[derive(Debug)]
pub struct Door {
    /// The socket.
    pub listener: StdListener,
    /// Whom it is for.
    pub role: Role,
    /// Whether connections begin with TLS, and whether HTTP/2 is spoken.
    pub tls: bool,
    /// Whether HTTP/2 is spoken.
    pub http2: bool,
}

/// Told once when every door is being watched.
pub type Started = oneshot::Sender<()>;

/// Accepts and serves connections until the process stops.
pub struct EdgeService {
    name: &'static str,
    threads: usize,
    edge: Arc<Edge>,
    doors: Vec<Door>,
    started: Option<Started>,
}

impl EdgeService {
    /// A service for these doors.
    #[must_use]
    pub fn new(
        name: &'static str,
        threads: usize,
        edge: Arc<Edge>,
        doors: Vec<Door>,
        started: Started,
    ) -> Self {
        Self { name, threads, edge, doors, started: Some(started) }
    }
}

#[async_trait]
impl Service for EdgeService {
    async fn start_service(&mut self, _fds: Option<ListenFds>, _shutdown: ShutdownWatch, _per_fd: usize) {
        let connections = Arc::new(Connections::default());
        let mut loops = Vec::new();
        for door in self.doors.drain(..) {
            match Hall::new(&self.edge, door, &connections) {
                Ok((listener, hall)) => loops.push(tokio::spawn(accept(listener, Arc::new(hall)))),
                // Checked when the socket was made; a door that fails now is a fault of the machine.
                Err(error) => tracing::error!(%error, "a listener could not be started"),
            }
        }
        if let Some(started) = self.started.take() {
            let _ = started.send(());
        }
        for running in loops {
            let _ = running.await;
        }
    }

    fn name(&self) -> &str {
        self.name
    }

    fn threads(&self) -> Option<usize> {
        Some(self.threads)
    }
}

/// What every connection through one door shares.
pub(super) struct Hall {
    pub(super) edge: Arc<Edge>,
    pub(super) role: Role,
    pub(super) acceptor: Option<Acceptor>,
    pub(super) http2: bool,
    connections: Arc<Connections>,
}

impl Hall {
    fn new(edge: &Arc<Edge>, door: Door, connections: &Arc<Connections>) -> io::Result<(TcpListener, Self)> {
        let acceptor = match door.role {
            Role::Clients(listener) if door.tls => {
                Some(tls::acceptor(edge.snapshots.clone(), listener, door.http2).map_err(io::Error::other)?)
            }
            _ => None,
        };
        let listener = TcpListener::from_std(door.listener)?;
        let hall = Self {
            edge: Arc::clone(edge),
            role: door.role,
            acceptor,
            http2: door.http2,
            connections: Arc::clone(connections),
        };
        Ok((listener, hall))
    }
}

/// How many connections there are, over all doors of a service.
#[derive(Debug, Default)]
struct Connections {
    open: AtomicUsize,
    closed: Notify,
}

impl Connections {
    /// Waits until there is room for one more. What waits meanwhile waits in the kernel.
    async fn room(&self, most: impl Fn() -> usize) {
        loop {
            let closed = self.closed.notified();
            if self.open.load(Ordering::Acquire) < most() {
                return;
            }
            closed.await;
        }
    }
}

async fn accept(listener: TcpListener, hall: Arc<Hall>) {
    let mut phase = hall.edge.lifecycle.watch();
    loop {
        let accepted = tokio::select! {
            accepted = next(&listener, &hall) => accepted,
            () = reached(&mut phase, Phase::Draining) => break,
        };
        match accepted {
            Ok((tcp, peer)) => welcome(&hall, tcp, peer, &phase),
            Err(error) if is_exhausted(&error) => {
                tracing::warn!(%error, "cannot accept connections for now");
                tokio::time::sleep(EXHAUSTED).await;
            }
            // The client gave up while it waited.
            Err(error) => tracing::debug!(%error, "accept"),
        }
    }
    // Whoever is in the kernel's queue was told that the connection stands; closing the socket would reset it. The
    // runtime may not have heard of the last ones, so the kernel itself is asked.
    let Ok(listener) = listener.into_std() else { return };
    while let Ok((tcp, peer)) = listener.accept() {
        if tcp.set_nonblocking(true).is_ok()
            && let Ok(tcp) = TcpStream::from_std(tcp)
        {
            welcome(&hall, tcp, peer, &phase);
        }
    }
}

async fn next(listener: &TcpListener, hall: &Hall) -> io::Result<(TcpStream, SocketAddr)> {
    if hall.role != Role::Operators {
        hall.connections.room(|| hall.edge.snapshots.load().settings.limits.connections).await;
    }
    listener.accept().await
}

fn welcome(hall: &Arc<Hall>, tcp: TcpStream, peer: SocketAddr, phase: &PhaseWatch) {
    let metrics = &hall.edge.metrics;
    metrics.connections.inc();
    metrics.connections_total.inc();
    hall.connections.open.fetch_add(1, Ordering::AcqRel);
    let present = hall.edge.lifecycle.enter();
    let (hall, phase) = (Arc::clone(hall), phase.clone());
    tokio::spawn(async move {
        let _leaving = Leaving(&hall);
        connection::serve(&hall, tcp, peer, phase).await;
        drop(present);
    });
}

/// Counts a connection out, however it ends.
struct Leaving<'a>(&'a Hall);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.edge.metrics.connections.dec();
        self.0.connections.open.fetch_sub(1, Ordering::AcqRel);
        self.0.connections.closed.notify_one();
    }
}

/// No descriptors or no memory: accepting again at once would only spin.
fn is_exhausted(error: &io::Error) -> bool {
    use rustix::io::Errno;
    Errno::from_io_error(error)
        .is_some_and(|errno| matches!(errno, Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM))
}
