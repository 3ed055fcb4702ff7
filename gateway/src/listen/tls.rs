//! Certificates of listeners, which a reload may replace, and the handshake.

use crate::snapshot::Snapshot;
use mcphub_routing::Reader;
use pingora::listeners::tls::Acceptor;
use rustls::crypto::ring as provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A certificate that cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A PEM file.
    #[error("{} is not a PEM file of the right kind: {why}", path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The certificate file has none.
    #[error("{} holds no certificate", path.display())]
    Empty {
        /// Which.
        path: PathBuf,
    },
    /// Certificate and key do not belong together, or are of a kind that is not supported.
    #[error("certificate and key cannot be used together")]
    Pair(#[source] rustls::Error),
}

/// Reads a certificate chain and its key, and checks that they belong together.
///
/// # Errors
/// Why they cannot be used.
pub fn certificate(chain: &Path, key: &Path) -> Result<Arc<CertifiedKey>, CertificateError> {
    let pem = |path: &Path, why: rustls::pki_types::pem::Error| CertificateError::Pem {
        path: path.to_owned(),
        why: why.to_string(),
    };
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| pem(chain, error))?;
    if certificates.is_empty() {
        return Err(CertificateError::Empty { path: chain.to_owned() });
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| pem(key, error))?;
    CertifiedKey::from_der(certificates, private, &provider::default_provider())
        .map(Arc::new)
        .map_err(CertificateError::Pair)
}

/// Shows whatever certificate the present snapshot has for a listener.
#[derive(Debug)]
struct Present {
    snapshots: Reader<Snapshot>,
    listener: usize,
}

impl ResolvesServerCert for Present {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.snapshots.load().listeners.get(self.listener)?.certificate.clone()
    }
}

/// An acceptor for a listener: TLS 1.2 and 1.3 with rustls' defaults, HTTP/2 offered where wanted.
///
/// # Errors
/// The provider cannot do these versions, which would be a mistake of the build.
pub fn acceptor(
    snapshots: Reader<Snapshot>,
    listener: usize,
    http2: bool,
) -> Result<Acceptor, rustls::Error> {
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(provider::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Present { snapshots, listener }));
    config.alpn_protocols =
        if http2 { vec![b"h2".to_vec(), b"http/1.1".to_vec()] } else { vec![b"http/1.1".to_vec()] };
    config.send_half_rtt_data = false;
    // Our order of ciphers is the safer one, whatever an old client asks for first.
    config.ignore_client_order = true;
    Ok(Acceptor::from_server_config(Arc::new(config)))
}
