//! How does the load generator come to trust the endpoint's certificate, and what does it offer?

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use super::Plan;

/// The name in the certificate.
pub(super) fn name() -> ServerName<'static> {
    ServerName::IpAddress(std::net::IpAddr::from(std::net::Ipv4Addr::LOCALHOST).into())
}

/// A client that offers TLS 1.3 and `alpn` to everybody alike, and never resumes.
pub(super) fn config(plan: &Plan, alpn: &[u8]) -> Result<Arc<ClientConfig>> {
    let path = plan.certificate.as_deref().context("a case with TLS needs --certificate")?;
    let mut roots = RootCertStore::empty();
    roots.add(read(path)?).context("trusting the certificate")?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .context("choosing TLS 1.3")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

fn read(path: &Path) -> Result<CertificateDer<'static>> {
    CertificateDer::from_pem_file(path).with_context(|| format!("reading {}", path.display()))
}
