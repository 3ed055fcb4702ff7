//! Pingora's own health checks, one look at a time; and ours, for whoever drives Pingora's trait.

use super::{Finding, Prober, letters};
use crate::upstream::{TrustError, trusting};
use async_trait::async_trait;
use mcphub_conf::settings::{HubScheme, HubSettings};
use mcphub_health::Outcome;
use pingora::connectors::http::Connector;
use pingora::connectors::{ConnectorOptions, TransportConnector};
use pingora::http::RequestHeader;
use pingora::protocols::l4::socket::SocketAddr as PingoraAddr;
use pingora::{Error, ErrorType};
use pingora_load_balancing::Backend;
use pingora_load_balancing::health_check::{HealthCheck, HttpHealthCheck, TcpHealthCheck};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Where a connector that never speaks TLS finds its certificate authorities: nowhere. Reading the system's would take
/// milliseconds and keep 140 KiB, for each hub.
const NOBODY: &str = "/dev/null";

/// A check of Pingora's.
pub(super) struct Check(Arc<dyn HealthCheck + Send + Sync>);

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Check").finish_non_exhaustive()
    }
}

impl Check {
    /// A connection that opens, TLS included where the hub has it.
    pub(super) fn tcp(hub: &HubSettings, patience: Duration) -> Result<Self, TrustError> {
        // Without TLS there is nothing of the hub in it, and the caller's time-out is the only one: one serves all.
        static PLAIN: OnceLock<Arc<TcpHealthCheck>> = OnceLock::new();
        if hub.url.scheme == HubScheme::Https {
            let mut check = TcpHealthCheck::new_tls(&hub.url.host);
            check.peer_template.options.connection_timeout = Some(patience);
            check.peer_template.options.total_connection_timeout = Some(patience);
            check.set_connector(TransportConnector::new(Some(options(hub)?)));
            return Ok(Self(Arc::new(*check)));
        }
        let options = options(hub)?;
        let made = || {
            let mut check = TcpHealthCheck::new();
            check.peer_template.options.connection_timeout = None;
            check.set_connector(TransportConnector::new(Some(options)));
            Arc::new(*check)
        };
        Ok(Self(Arc::clone(PLAIN.get_or_init(made)) as _))
    }

    /// A GET that is answered with this status.
    pub(super) fn http(
        hub: &HubSettings,
        path: &str,
        status: u16,
        patience: Duration,
    ) -> Result<Self, TrustError> {
        let tls = hub.url.scheme == HubScheme::Https;
        let connector = Connector::new(Some(options(hub)?));
        let mut check = HttpHealthCheck::new_custom(&hub.url.host, tls, connector);
        let peer = &mut check.peer_template.options;
        peer.connection_timeout = Some(patience);
        peer.total_connection_timeout = Some(patience);
        peer.read_timeout = Some(patience);
        peer.write_timeout = Some(patience);
        if let Some(request) = get(path, &hub.url.authority()) {
            check.req = request;
        }
        check.validator = Some(Box::new(move |head| match head.status.as_u16() {
            found if found == status => Ok(()),
            found => Error::e_explain(ErrorType::CustomCode(STATUS, found), "an unexpected status"),
        }));
        Ok(Self(Arc::new(check)))
    }

    /// Looks at the hub at this address; `Err` where it takes no connection.
    pub(super) async fn look_at(&self, address: SocketAddr) -> Result<Finding, Finding> {
        let backend = Backend { addr: PingoraAddr::Inet(address), weight: 1, ext: http::Extensions::new() };
        match self.0.check(&backend).await {
            Ok(()) => Ok(Finding { outcome: Outcome::Ok, eras: None, boot: None, why: None }),
            Err(error) => {
                let finding = found_by(&error);
                let unreached =
                    finding.outcome == Outcome::ConnectError || *error.etype() == ErrorType::ConnectTimedout;
                if unreached { Err(finding) } else { Ok(finding) }
            }
        }
    }
}

fn options(hub: &HubSettings) -> Result<ConnectorOptions, TrustError> {
    match hub.url.scheme {
        HubScheme::Http => Ok(ConnectorOptions { ca_file: Some(NOBODY.to_owned()), ..trusting(None)? }),
        HubScheme::Https => trusting(hub.ca_file.as_deref()),
    }
}

/// `None` for a path or authority that cannot stand in a request; checked settings have none.
fn get(path: &str, authority: &str) -> Option<RequestHeader> {
    let mut request = RequestHeader::build("GET", path.as_bytes(), None).ok()?;
    request.insert_header("host", authority).ok()?;
    request.insert_header("user-agent", letters::AGENT).ok()?;
    Some(request)
}

/// The name under which a status travels in Pingora's error.
const STATUS: &str = "status";

/// What Pingora's error says of the hub.
pub(super) fn found_by(error: &Error) -> Finding {
    use ErrorType as E;
    let (outcome, why) = match error.etype() {
        E::CustomCode(STATUS, status) => {
            let outcome = if *status >= 500 { Outcome::Http5xx } else { Outcome::RpcTransportError };
            return Finding::failed(outcome, format!("answered {status}"));
        }
        E::ConnectTimedout => (Outcome::Timeout, "takes no connection in time"),
        E::TLSHandshakeTimedout => (Outcome::Timeout, "TLS takes too long"),
        E::ReadTimedout => (Outcome::Timeout, "did not answer in time"),
        E::WriteTimedout => (Outcome::Timeout, "did not take our request in time"),
        E::ConnectRefused => (Outcome::ConnectError, "refuses connections"),
        E::ConnectNoRoute => (Outcome::ConnectError, "cannot be reached"),
        E::TLSWantX509Lookup | E::TLSHandshakeFailure | E::InvalidCert | E::HandshakeError => {
            (Outcome::ConnectError, "TLS failed")
        }
        E::ConnectError | E::ConnectProxyFailure | E::BindError | E::SocketError => {
            (Outcome::ConnectError, "takes no connection")
        }
        E::InvalidHTTPHeader | E::H1Error => (Outcome::Reset, "no HTTP"),
        _ => (Outcome::Reset, "broke off"),
    };
    Finding::failed(outcome, why.to_owned())
}

/// Hears of each look: at which backend, what was found, and how long it took.
pub type Observer = Box<dyn Fn(&Backend, &Finding, Duration) + Send + Sync>;

/// A [`Prober`] as Pingora's load balancers want it. The trait knows only passed and failed; what else a look finds
/// goes to the observer beside it.
pub struct HubHealthCheck {
    /// How the hub is asked; by the backend's address, whatever its own name resolves to.
    pub prober: Arc<Prober>,
    /// How long a look may take.
    pub timeout: Duration,
    /// Passes in a row that make a backend healthy.
    pub passes: usize,
    /// Failures in a row that make it unhealthy.
    pub fails: usize,
    /// Told of each look.
    pub observer: Observer,
}

#[async_trait]
impl HealthCheck for HubHealthCheck {
    async fn check(&self, target: &Backend) -> pingora::Result<()> {
        let PingoraAddr::Inet(address) = &target.addr else {
            return Error::e_explain(ErrorType::ConnectError, "hubs have internet addresses");
        };
        let (finding, latency) = self.prober.look(Some(*address), self.timeout).await;
        (self.observer)(target, &finding, latency);
        if finding.outcome.is_failure() {
            let why = finding.why.unwrap_or_default();
            return Error::e_explain(ErrorType::Custom(finding.outcome.as_str()), why);
        }
        Ok(())
    }

    fn health_threshold(&self, success: bool) -> usize {
        if success { self.passes } else { self.fails }
    }
}
