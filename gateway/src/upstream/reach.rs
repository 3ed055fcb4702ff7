//! Name to address to connection.

use crate::clock;
use crate::net::Wire;
use mcphub_conf::settings::{HubScheme, HubUrl};
use pingora::connectors::{ConnectorOptions, TransportConnector};
use pingora::upstreams::peer::HttpPeer;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// How long resolved addresses are used. The system's resolver does not tell a record's own time to live; half a
/// minute is the usual floor of DNS-based load balancing.
const RESOLVED_FOR: Duration = Duration::from_secs(30);
/// How long addresses that have had their time are used while a look for new ones fails, or is on its way. A resolver
/// that is out must not take the hubs with it.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Most addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;

/// A hub's certificate authorities cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the certificate authorities in {} cannot be used: {why}", file.display())]
pub struct TrustError {
    file: PathBuf,
    why: String,
}

/// How one authority is reached: its addresses, and TLS where its URL asks for it. Shared by requests and probes, so
/// that a name is resolved once for both.
pub(crate) struct Reach {
    host: String,
    port: u16,
    fixed: Option<SocketAddr>,
    resolved: Mutex<Option<Resolved>>,
    tls: Option<TransportConnector>,
}

/// What a name meant when it was last resolved.
struct Resolved {
    addresses: Vec<SocketAddr>,
    good_until: Instant,
}

impl std::fmt::Debug for Reach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reach").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

impl Reach {
    /// # Errors
    /// Its certificate authorities cannot be used.
    pub(crate) fn new(url: &HubUrl, ca_file: Option<&Path>) -> Result<Self, TrustError> {
        let tls = match url.scheme {
            HubScheme::Http => None,
            HubScheme::Https => Some(connector(ca_file)?),
        };
        let fixed = url.host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, url.port));
        Ok(Self { host: url.host.clone(), port: url.port, fixed, resolved: Mutex::new(None), tls })
    }

    /// A connection to the first address that takes one.
    pub(crate) async fn connect(&self, deadline: Duration) -> io::Result<Wire> {
        let mut failure = io::Error::from(io::ErrorKind::NotFound);
        for address in self.addresses().await? {
            match self.connect_to(address, deadline).await {
                Ok(wire) => return Ok(wire),
                Err(error) => failure = error,
            }
        }
        self.forget();
        Err(failure)
    }

    /// No address took a connection: what the name means may have changed, and is asked again next time.
    pub(crate) fn forget(&self) {
        if let Some(resolved) = &mut *self.resolved() {
            resolved.good_until = clock::instant();
        }
    }

    /// A connection to this address, TLS included.
    pub(crate) async fn connect_to(&self, address: SocketAddr, deadline: Duration) -> io::Result<Wire> {
        let Some(tls) = &self.tls else {
            let tcp = TcpStream::connect(address).await?;
            tcp.set_nodelay(true)?;
            return Ok(Wire::Tcp(tcp));
        };
        let mut peer = HttpPeer::new(address, true, self.host.clone());
        peer.options.connection_timeout = Some(deadline);
        peer.options.total_connection_timeout = Some(deadline);
        tls.new_stream(&peer).await.map(Wire::Tls).map_err(io::Error::other)
    }

    /// All addresses of the name, at most [`ADDRESSES_MAX`].
    pub(crate) async fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        if let Some(fixed) = self.fixed {
            return Ok(vec![fixed]);
        }
        let now = clock::instant();
        let old = match &mut *self.resolved() {
            Some(resolved) if now < resolved.good_until => return Ok(resolved.addresses.clone()),
            Some(resolved) => {
                // Others go on with these meanwhile, so that one look is on its way and not a hundred.
                resolved.good_until = now + RETRY_AFTER;
                Some(resolved.addresses.clone())
            }
            None => None,
        };
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        let found = found.map(|found| found.take(ADDRESSES_MAX).collect::<Vec<_>>());
        match (found, old) {
            (Ok(addresses), _) if !addresses.is_empty() => {
                let resolved = Resolved { addresses: addresses.clone(), good_until: now + RESOLVED_FOR };
                *self.resolved() = Some(resolved);
                Ok(addresses)
            }
            (_, Some(old)) => Ok(old),
            (found, None) => found,
        }
    }

    fn resolved(&self) -> MutexGuard<'_, Option<Resolved>> {
        self.resolved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Pingora's connector ends the process on a bad file, so the file is read here first.
fn connector(ca_file: Option<&Path>) -> Result<TransportConnector, TrustError> {
    trusting(ca_file).map(|options| TransportConnector::new(Some(options)))
}

/// Options of a connector that pools nothing and trusts these certificate authorities, or the system's.
pub(crate) fn trusting(ca_file: Option<&Path>) -> Result<ConnectorOptions, TrustError> {
    let mut options = ConnectorOptions::new(0);
    if let Some(file) = ca_file {
        let flaw = |why: String| TrustError { file: file.to_owned(), why };
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(file).map_err(|error| flaw(error.to_string()))? {
            let certificate = certificate.map_err(|error| flaw(error.to_string()))?;
            roots.add(certificate).map_err(|error| flaw(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(flaw("it holds no certificate".into()));
        }
        let path = file.to_str().ok_or_else(|| flaw("its path is not UTF-8".into()))?;
        options.ca_file = Some(path.to_owned());
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(host: &str) -> Reach {
        let url = HubUrl { scheme: HubScheme::Http, host: host.to_owned(), port: 7, path: "/mcp".to_owned() };
        Reach::new(&url, None).expect("no files")
    }

    fn know(reach: &Reach, good_until: Instant) -> Vec<SocketAddr> {
        let addresses = vec![SocketAddr::from(([192, 0, 2, 1], 7))];
        *reach.resolved() = Some(Resolved { addresses: addresses.clone(), good_until });
        addresses
    }

    #[tokio::test]
    async fn a_name_is_resolved_again_after_its_time_or_a_failure() {
        let reach = reach("localhost");
        let old = know(&reach, clock::instant() + RESOLVED_FOR);
        assert_eq!(reach.addresses().await.expect("known"), old);
        reach.forget();
        let new = reach.addresses().await.expect("localhost");
        assert!(new != old && new.iter().all(|address| address.ip().is_loopback()), "{new:?}");
    }

    #[tokio::test]
    async fn a_resolver_that_is_out_takes_no_hub_with_it() {
        let reach = reach("nobody.invalid");
        assert!(reach.addresses().await.is_err());
        let old = know(&reach, clock::instant());
        assert_eq!(reach.addresses().await.expect("the old ones"), old);
        // Nobody else looks for a while.
        assert!(reach.resolved().as_ref().is_some_and(|r| r.good_until > clock::instant()));
    }
}
