//! The certificates of mutual TLS: one authority, one certificate and one key for the operator and the nodes of a ring.

use std::{fmt, sync::Arc};

use rustls::{
    RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    sign::CertifiedKey,
};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

/// The certificates that prove a ring and its operator to each other. The key is never printed.
#[derive(Clone)]
pub struct Certificates {
    tls: TlsConfig,
    server_name: String,
    /// All of the input, to compare.
    input: Arc<[Vec<u8>; 3]>,
}

/// Why certificates cannot be used. Their content is never part of the message.
#[derive(thiserror::Error, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// The certificate of the authority.
    #[error("ca.crt has no certificate that can be read (PEM)")]
    Authority,
    /// The certificate.
    #[error("tls.crt has no certificate that can be read (PEM)")]
    Certificate,
    /// The key.
    #[error(
        "tls.key has no private key that can be read (PEM; PKCS#8, PKCS#1 or SEC1, not encrypted)"
    )]
    Key,
    /// The certificate and the key.
    #[error("tls.key is not the key of tls.crt")]
    Mismatch,
    /// The name of the ring.
    #[error("the name of the ring is no DNS name")]
    Name,
}

impl Certificates {
    /// Certificates from PEM. A node proves by its certificate that it is `server_name`, which is not its address: the
    /// nodes of a ring share a certificate, and addresses change.
    ///
    /// # Errors
    /// A part is missing or cannot be read, or the key does not belong to the certificate.
    pub fn new(
        ca: &[u8],
        certificate: &[u8],
        key: &[u8],
        server_name: String,
    ) -> Result<Self, Unusable> {
        let authorities = certificates(ca).ok_or(Unusable::Authority)?;
        let mut roots = RootCertStore::empty();
        for authority in &authorities {
            let added = roots.add(authority.clone());
            added.map_err(|_| Unusable::Authority)?;
        }
        let chain = certificates(certificate).ok_or(Unusable::Certificate)?;
        let der = PrivateKeyDer::from_pem_slice(key).map_err(|_| Unusable::Key)?;
        let own_key = PrivateKey::from_pem(key).map_err(|_| Unusable::Key)?;
        // Refused here, not by a panic of the HTTP client later.
        CertifiedKey::from_der(chain.clone(), der, &ring::default_provider()).map_err(|error| {
            match error {
                rustls::Error::InconsistentKeys(_) => Unusable::Mismatch,
                rustls::Error::InvalidCertificate(_) => Unusable::Certificate,
                _ => Unusable::Key,
            }
        })?;
        ServerName::try_from(server_name.as_str()).map_err(|_| Unusable::Name)?;
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&owned(&authorities)))
            .client_cert(Some(ClientCert::new_with_certs(&owned(&chain), own_key)))
            .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
            .build();
        Ok(Self {
            tls,
            server_name,
            input: Arc::new([ca.to_vec(), certificate.to_vec(), key.to_vec()]),
        })
    }

    pub(super) fn tls(&self) -> TlsConfig {
        self.tls.clone()
    }

    /// The DNS name that the certificate of each node has.
    pub(super) fn server_name(&self) -> &str {
        &self.server_name
    }
}

impl PartialEq for Certificates {
    fn eq(&self, other: &Self) -> bool {
        self.input == other.input && self.server_name == other.server_name
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificates({})", self.server_name)
    }
}

/// The certificates of a PEM text, at least one.
fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    certificates.ok().filter(|some| !some.is_empty())
}

fn owned(certificates: &[CertificateDer<'static>]) -> Vec<Certificate<'static>> {
    let certificates = certificates.iter();
    certificates
        .map(|certificate| Certificate::from_der(certificate).to_owned())
        .collect()
}
