//! Whom do the two ends of a TLS connection believe?
//!
//! **Owns** an authority with the certificates it issues, good and bad, a client that chooses versions and ALPN, and
//! a TLS front for a hub in cleartext. It **does not know** the gateway.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio_rustls::{TlsAcceptor, TlsConnector};

static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
static OLD: [&SupportedProtocolVersion; 1] = [&TLS12];

/// A certificate and its key as PEM.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl Pair {
    /// Writes both into a folder and gives back where they are.
    pub fn write(&self, directory: &Path, name: &str) -> io::Result<(PathBuf, PathBuf)> {
        let paths = (directory.join(format!("{name}.pem")), directory.join(format!("{name}.key")));
        std::fs::write(&paths.0, &self.certificate)?;
        std::fs::write(&paths.1, &self.key)?;
        Ok(paths)
    }

    fn server(&self) -> anyhow::Result<ServerConfig> {
        let certificate = CertificateDer::from_pem_slice(self.certificate.as_bytes())?;
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes())?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)?;
        Ok(config)
    }
}

/// A certificate authority of one test.
#[derive(Debug)]
pub struct Authority {
    /// Its certificate as PEM: what those who trust it are given.
    pub certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new one that nobody knows.
    pub fn new() -> anyhow::Result<Self> {
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self { certificate, issuer: Issuer::new(params, key) })
    }

    /// A certificate for these names and addresses.
    pub fn issue(&self, names: &[&str]) -> anyhow::Result<Pair> {
        self.issue_until(names, 2049)
    }

    /// One that ended with 2020.
    pub fn issue_expired(&self, names: &[&str]) -> anyhow::Result<Pair> {
        self.issue_until(names, 2020)
    }

    fn issue_until(&self, names: &[&str], year: i32) -> anyhow::Result<Pair> {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names)?;
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(year, 12, 31);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Pair { certificate, key: key.serialize_pem() })
    }
}

/// A client that trusts one authority.
#[derive(Debug, Clone)]
pub struct Client {
    authority: String,
    versions: &'static [&'static SupportedProtocolVersion],
    alpn: Vec<Vec<u8>>,
}

impl Client {
    /// Speaks TLS 1.2 and 1.3 and offers no ALPN.
    pub fn trusting(authority: &Authority) -> Self {
        Self { authority: authority.certificate.clone(), versions: &BOTH, alpn: Vec::new() }
    }

    /// Speaks TLS 1.2 only.
    #[must_use]
    pub fn old(self) -> Self {
        Self { versions: &OLD, ..self }
    }

    /// Offers these protocols.
    #[must_use]
    pub fn offering(self, protocols: &[&str]) -> Self {
        Self { alpn: protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect(), ..self }
    }

    /// Connects, as `localhost`.
    pub async fn connect(&self, address: SocketAddr) -> anyhow::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.as_bytes())?)?;
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(self.versions)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols.clone_from(&self.alpn);
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let stream =
            TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost")?, tcp).await;
        stream.context("the handshake")
    }
}

/// What protocol a connection settled on; empty for none.
pub fn protocol_of(stream: &TlsStream<TcpStream>) -> String {
    String::from_utf8_lossy(stream.get_ref().1.alpn_protocol().unwrap_or_default()).into_owned()
}

/// The certificate that the other side showed.
pub fn certificate_of(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    let shown = stream.get_ref().1.peer_certificates().unwrap_or_default();
    shown.first().map(|certificate| certificate.as_ref().to_vec()).unwrap_or_default()
}

/// Takes TLS off in front of a hub in cleartext; stops when dropped.
#[derive(Debug)]
pub struct TlsFront {
    /// Where it listens, on loopback.
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl TlsFront {
    /// Starts in front of `target` with this certificate.
    pub async fn start(pair: &Pair, target: SocketAddr) -> anyhow::Result<Self> {
        let acceptor = TlsAcceptor::from(Arc::new(pair.server()?));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                connections.spawn(async move {
                    let mut tls = acceptor.accept(tcp).await?;
                    let mut hub = TcpStream::connect(target).await?;
                    tokio::io::copy_bidirectional(&mut tls, &mut hub).await.map(|_| ())
                });
            }
        });
        Ok(Self { address, task })
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.task.abort();
    }
}
