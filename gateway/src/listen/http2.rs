//! Connections of HTTP/2: Pingora's server, with our exchange in each stream.

use super::Role;
use super::client_addr::Peer;
use super::service::Hall;
use crate::clock;
use crate::control::lifecycle::{Phase, PhaseWatch, reached};
use crate::edge::Edge;
use crate::http::{Downstream, h2};
use crate::proxy::{self, Arrival};
use async_trait::async_trait;
use mcphub_mcp::{Asked, Scope};
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp as _};
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora::server::ShutdownWatch;
use std::sync::Arc;
use tokio::sync::watch;

/// One connection's view of the gateway.
struct App {
    edge: Arc<Edge>,
    listener: usize,
    peer: Peer,
    tls: bool,
    options: HttpServerOptions,
}

pub(super) async fn serve(hall: &Hall, stream: Stream, peer: Peer, tls: bool, mut phase: PhaseWatch) {
    let Role::Clients(listener) = hall.role else { return };
    let idle = hall.edge.snapshots.load().settings.limits.keepalive_idle;
    let mut options = HttpServerOptions::default();
    options.h2c = !tls;
    options.h2_idle_timeout = Some(idle);
    let app = Arc::new(App { edge: Arc::clone(&hall.edge), listener, peer, tls, options });
    let (stop, stopping) = watch::channel(false);
    let running = app.process_new(stream, &stopping);
    tokio::pin!(running);
    tokio::select! {
        _ = &mut running => return,
        () = reached(&mut phase, Phase::Draining) => {}
    }
    // GOAWAY; streams that are open finish.
    let _ = stop.send(true);
    running.await;
}

#[async_trait]
impl HttpServerApp for App {
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        _shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let ServerSession::H2(session) = session else { return None };
        let at = clock::instant();
        let snapshot = self.edge.snapshots.load_full();
        let limits = &snapshot.settings.limits;
        let exchange = h2::Exchange::new(session, limits.body_deadline, limits.write_deadline);
        match exchange.head() {
            Ok(head) => {
                let arrival = Arrival { head: &head, peer: self.peer, tls: self.tls, at };
                let down = Downstream::H2(Box::new(exchange));
                let mut kept = proxy::Kept::new(self.edge.lifecycle.watch());
                proxy::serve(&self.edge, &snapshot, self.listener, arrival, down, &mut kept).await;
            }
            Err(refusal) => {
                let failure = proxy::refusal_of(refusal);
                self.edge.metrics.refused(failure.reason());
                let answer = mcphub_mcp::answer(&failure, Scope::Legacy, Asked::Unknown);
                let mut down = Downstream::H2(Box::new(exchange));
                let _ = down.answer(answer.status, &proxy::lines_of(&answer), &answer.body).await;
            }
        }
        None
    }

    fn h2_options(&self) -> Option<H2Options> {
        let snapshot = self.edge.snapshots.load();
        let limits = &snapshot.settings.limits;
        let mut options = default_h2_options();
        options.max_concurrent_streams(limits.streams_per_connection);
        options.max_header_list_size(u32::try_from(limits.request_head).unwrap_or(u32::MAX));
        Some(options)
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        Some(&self.options)
    }
}
