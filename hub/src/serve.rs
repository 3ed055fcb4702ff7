//! How does a hub start, run and stop?

use std::{
    io,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use anyhow::Context as _;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::{
    args::Args,
    fault::Fault,
    front::Front,
    plumbing::Connection,
    state::{Counters, State},
};

/// Most connections held at once; further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 16_384;

/// Most connections that wait to be accepted, if the system allows as many.
const QUEUE: u32 = 4_096;

/// How long what is in flight may go on once the hub is told to stop.
const GRACE: Duration = Duration::from_secs(2);

/// How long a connection may take to send a request's headers, or stay idle between two requests. Longer than the
/// pools of the usual clients keep theirs (90 s at most), so that it is not we who close one under a request.
const HEADERS: Duration = Duration::from_secs(120);

/// How often the clock resource changes while somebody is subscribed to something.
const TICK: Duration = Duration::from_secs(1);

/// A hub that listens and is ready to serve.
pub struct Hub {
    listener: TcpListener,
    address: SocketAddr,
    front: Arc<Front>,
    stop: CancellationToken,
}

/// A listener whose queue outlasts a burst of clients: tokio's own holds 128, less than a gateway may open at once.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // As tokio's `bind` does: a hub that was killed may start again at once.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(QUEUE)
}

/// Binds the address and prepares the hub. Connections wait until [`Hub::serve`].
///
/// # Errors
/// When the address cannot be bound, or the state key cannot be read or is too short.
pub async fn bind(args: Args) -> anyhow::Result<Hub> {
    let listener = listen(args.listen).with_context(|| format!("cannot listen on {}", args.listen))?;
    let address = listener.local_addr().context("cannot learn the own address")?;
    let stop = CancellationToken::new();
    let front = Arc::new(Front::new(Arc::new(State::new(args)?), stop.clone())?);
    Ok(Hub { listener, address, front, stop })
}

/// Runs a hub until `shutdown` is done and what was in flight has ended, at the latest two seconds later.
///
/// # Errors
/// Those of [`bind`].
pub async fn serve(args: Args, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
    bind(args).await?.serve(shutdown).await
}

impl Hub {
    /// The address that is listened on, with the port that was really taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of the MCP endpoint.
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// A view of the hub that stays good while it runs, for tests in the same process.
    pub fn watch(&self) -> Watch {
        Watch { front: Arc::clone(&self.front) }
    }

    /// Serves until `shutdown` is done, then stops accepting and lets what is in flight finish, for two seconds.
    ///
    /// # Errors
    /// None today; a listener that fails is tried again.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Self { listener, address, front, stop } = self;
        tracing::info!(%address, hub = front.state().args.id, "serving");
        let (graceful, room) = (GracefulShutdown::new(), Arc::new(Semaphore::new(CONNECTIONS_MAX)));
        let mut shutdown = pin!(shutdown);
        let mut clock = tokio::time::interval(TICK);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                _ = clock.tick() => {
                    if front.state().updates.receiver_count() > 0 {
                        front.state().touch();
                    }
                }
                (stream, permit) = accept(&listener, &room) => {
                    let (front, stop, watcher) = (Arc::clone(&front), stop.clone(), graceful.watcher());
                    tokio::spawn(async move {
                        tokio::select! {
                            () = converse(stream, front, watcher) => {}
                            () = stop.cancelled() => {}
                        }
                        drop(permit);
                    });
                }
            }
        }
        drop(listener);
        front.state().drain();
        if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
            debug!("the grace period is over, cutting what is left");
        }
        stop.cancel();
        Ok(())
    }
}

/// A running hub, seen from the same process.
#[derive(Clone)]
pub struct Watch {
    front: Arc<Front>,
}

impl Watch {
    /// What `GET /counters` would say now.
    pub async fn counters(&self) -> Counters {
        self.front.counters().await
    }

    /// What `PUT /fault` does, whether or not the hub was started with fault control.
    pub fn set_fault(&self, fault: Fault) {
        self.front.state().set_fault(fault);
    }

    /// Changes the clock resource, as `POST /counters/touch` does; returns how often it has changed.
    pub fn touch(&self) -> u64 {
        self.front.state().touch()
    }
}

/// The next connection and its place among those that may be held. Dropping it half-way loses neither.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> (TcpStream, tokio::sync::OwnedSemaphorePermit) {
    loop {
        let Ok(permit) = Arc::clone(room).acquire_owned().await else {
            return std::future::pending().await; // Nobody closes the semaphore.
        };
        match listener.accept().await {
            Ok((stream, _)) => return (stream, permit),
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                // Out of descriptors, most likely: give the others time to end.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Serves the requests of one connection.
async fn converse(stream: TcpStream, front: Arc<Front>, watcher: hyper_util::server::graceful::Watcher) {
    let flag = Arc::new(AtomicBool::new(false));
    let io = TokioIo::new(Connection::new(stream, Arc::clone(&flag)));
    let service = service_fn(move |request| {
        let (front, flag) = (Arc::clone(&front), Arc::clone(&flag));
        async move { front.answer(request, flag).await }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .serve_connection(io, service);
    if let Err(error) = watcher.watch(connection).await {
        debug!(%error, "a connection ended early");
    }
}
