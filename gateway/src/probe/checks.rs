//! Pingora's own health checks, one look at a time.

use super::Finding;
use crate::upstream::{TrustError, trusting};
use mcphub_conf::settings::{HubScheme, HubSettings};
use mcphub_health::Outcome;
use pingora::connectors::{ConnectorOptions, TransportConnector};
use pingora::{Error, ErrorType};
use pingora_load_balancing::Backend;
use pingora_load_balancing::health_check::{HealthCheck, TcpHealthCheck};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// Where a connector that never speaks TLS finds its certificate authorities: nowhere. The system's hundred and
/// forty would cost a reading of files and 140 KiB for each hub.
const NOBODY: &str = "/dev/null";

/// A check of Pingora's.
pub(super) struct Check {
    inner: Box<dyn HealthCheck + Send + Sync>,
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Check").finish_non_exhaustive()
    }
}

impl Check {
    /// A connection that opens, TLS included where the hub has it.
    pub(super) fn tcp(hub: &HubSettings, patience: Duration) -> Result<Self, TrustError> {
        let mut check = match hub.url.scheme {
            HubScheme::Http => TcpHealthCheck::new(),
            HubScheme::Https => TcpHealthCheck::new_tls(&hub.url.host),
        };
        check.peer_template.options.connection_timeout = Some(patience);
        check.set_connector(TransportConnector::new(Some(options(hub)?)));
        Ok(Self { inner: check })
    }

    pub(super) async fn look_at(&self, address: SocketAddr) -> Finding {
        let backend = Backend {
            addr: pingora::protocols::l4::socket::SocketAddr::Inet(address),
            weight: 1,
            ext: http::Extensions::new(),
        };
        match self.inner.check(&backend).await {
            Ok(()) => Finding { outcome: Outcome::Ok, eras: None, boot: None, why: None },
            Err(error) => finding(&error),
        }
    }
}

fn options(hub: &HubSettings) -> Result<ConnectorOptions, TrustError> {
    match hub.url.scheme {
        HubScheme::Http => {
            trusting(None).map(|options| ConnectorOptions { ca_file: Some(NOBODY.to_owned()), ..options })
        }
        HubScheme::Https => trusting(hub.ca_file.as_deref().map(Path::new)),
    }
}

/// What Pingora's error says of the hub.
fn finding(error: &Error) -> Finding {
    use ErrorType as E;
    let outcome = match error.etype() {
        E::ConnectTimedout | E::TLSHandshakeTimedout | E::ReadTimedout | E::WriteTimedout => Outcome::Timeout,
        E::CustomCode(_, 500..=599) => Outcome::Http5xx,
        E::CustomCode(..) => Outcome::RpcTransportError,
        E::ConnectError
        | E::ConnectRefused
        | E::ConnectNoRoute
        | E::TLSWantX509Lookup
        | E::TLSHandshakeFailure
        | E::InvalidCert
        | E::HandshakeError
        | E::BindError
        | E::SocketError => Outcome::ConnectError,
        _ => Outcome::Reset,
    };
    Finding::failed(outcome, error.etype().as_str().to_owned())
}
