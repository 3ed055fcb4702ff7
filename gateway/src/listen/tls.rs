//! Certificates of listeners, which a reload may replace, and the handshake.

use crate::snapshot::Snapshot;
use mcphub_routing::Reader;
use pingora::listeners::tls::Acceptor;
use rustls::CipherSuite;
use rustls::crypto::{CryptoProvider, ring as provider};
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
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(with_short_keys_first()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Present { snapshots, listener }));
    config.alpn_protocols =
        if http2 { vec![b"h2".to_vec(), b"http/1.1".to_vec()] } else { vec![b"http/1.1".to_vec()] };
    config.send_half_rtt_data = false;
    // Our order of ciphers is the one below, whatever an old client asks for first.
    config.ignore_client_order = true;
    Ok(Acceptor::from_server_config(Arc::new(config)))
}

/// The provider's ciphers, of those of TLS 1.3 the one with AES-128 and SHA-256 first: nobody can break either, and
/// processors have instructions for SHA-256 but few have them for SHA-384, of which a handshake computes many.
fn with_short_keys_first() -> CryptoProvider {
    let mut provider = provider::default_provider();
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    provider
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_key_is_offered_first_and_nothing_is_lost() {
        let [ours, theirs] = [with_short_keys_first(), provider::default_provider()].map(|provider| {
            let suites = provider.cipher_suites.iter().map(rustls::SupportedCipherSuite::suite);
            suites.collect::<Vec<_>>()
        });
        assert_eq!(ours[0], CipherSuite::TLS13_AES_128_GCM_SHA256);
        let others =
            |suites: &[CipherSuite]| suites.iter().filter(|s| **s != ours[0]).copied().collect::<Vec<_>>();
        assert_eq!(others(&ours), others(&theirs));
        assert_eq!(ours.len(), theirs.len());
    }
}
