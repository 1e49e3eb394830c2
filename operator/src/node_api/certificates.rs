//! The certificates of mutual TLS: one authority, one certificate and one key for the operator and the nodes of a ring.

use std::{fmt, sync::Arc, time::Duration};

use casskop_core::authority::Validity;
use jiff::Timestamp;
use rustls::{
    CertificateError, RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    server::WebPkiClientVerifier,
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

/// Why a certificate does not prove that its holder belongs to the ring. Its content is never part of the message.
#[derive(thiserror::Error, Clone, Debug, PartialEq, Eq)]
pub enum Unproven {
    /// It has expired.
    #[error("tls.crt has expired: renew it, or compare the clocks")]
    Expired,
    /// It is not valid yet.
    #[error("tls.crt is not valid yet: wait, or compare the clocks")]
    NotValidYet,
    /// It was issued by another authority.
    #[error(
        "tls.crt is not of an authority in ca.crt: put the certificates of its issuers into tls.crt, and that of their root into ca.crt"
    )]
    Authority,
    /// It is for other names.
    #[error("tls.crt is not for {0}: add this DNS name to the certificate")]
    Name(String),
    /// Another reason of the verifier.
    #[error("tls.crt cannot be verified: {0}")]
    Other(String),
}

impl Unproven {
    fn other(why: impl fmt::Display) -> Self {
        Self::Other(why.to_string())
    }
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

    /// Verifies the certificate as a client does: its authority, its name, and its time.
    ///
    /// # Errors
    /// It proves nothing, for this reason.
    pub fn verify(&self, now: Timestamp) -> Result<(), Unproven> {
        let verified = self.verify_at(now);
        verified.map_err(|error| self.unproven(error))
    }

    fn verify_at(&self, now: Timestamp) -> Result<(), rustls::Error> {
        let general = |why: String| rustls::Error::General(why);
        let (chain, roots) = (self.chain(), self.roots());
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
        let verifier = verifier.map_err(|error| general(error.to_string()))?;
        let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let (first, rest) = chain.split_first().ok_or(unknown)?;
        let name = ServerName::try_from(self.server_name());
        let name = name.map_err(|error| general(error.to_string()))?;
        let outcome = verifier.verify_server_cert(first, rest, &name, &[], unix_time(now));
        outcome.map(drop)
    }

    /// Verifies the certificate as a server does whose client has it.
    ///
    /// # Errors
    /// It proves nothing, for this reason.
    pub fn verify_as_client(&self, now: Timestamp) -> Result<(), Unproven> {
        let (chain, roots) = (self.chain(), self.roots());
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
        let verifier = verifier.map_err(Unproven::other)?;
        let (first, rest) = chain.split_first().ok_or(Unproven::Authority)?;
        let outcome = verifier.verify_client_cert(first, rest, unix_time(now));
        outcome.map(drop).map_err(|error| self.unproven(error))
    }

    /// The time in which the certificate is valid; nothing if it cannot be verified at any time.
    pub fn validity(&self) -> Option<Validity> {
        let at = |time: UnixTime| Timestamp::from_second(i64::try_from(time.as_secs()).ok()?).ok();
        // The verifier tells the limit that a time is beyond of.
        let limit = |now: Timestamp| match self.verify_at(now).err()? {
            rustls::Error::InvalidCertificate(CertificateError::ExpiredContext {
                not_after,
                ..
            }) => at(not_after),
            rustls::Error::InvalidCertificate(CertificateError::NotValidYetContext {
                not_before,
                ..
            }) => at(not_before),
            _ => None,
        };
        Some(Validity {
            issued_at: limit(Timestamp::UNIX_EPOCH)?,
            expires_at: limit(Timestamp::MAX)?,
        })
    }

    fn chain(&self) -> Vec<CertificateDer<'static>> {
        let [_, own, _] = &*self.input;
        certificates(own).unwrap_or_default()
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let [ca, ..] = &*self.input;
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates(ca).unwrap_or_default());
        Arc::new(roots)
    }

    fn unproven(&self, error: rustls::Error) -> Unproven {
        use CertificateError as Why;
        let rustls::Error::InvalidCertificate(why) = error else {
            return Unproven::other(error);
        };
        match why {
            Why::Expired | Why::ExpiredContext { .. } => Unproven::Expired,
            Why::NotValidYet | Why::NotValidYetContext { .. } => Unproven::NotValidYet,
            Why::UnknownIssuer | Why::BadSignature => Unproven::Authority,
            Why::NotValidForName | Why::NotValidForNameContext { .. } => {
                Unproven::Name(self.server_name.clone())
            }
            why => Unproven::other(why),
        }
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

/// A time before 1970 is no time of a certificate.
fn unix_time(at: Timestamp) -> UnixTime {
    let seconds = u64::try_from(at.as_second()).unwrap_or_default();
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
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

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, date_time_ymd};

    use super::*;
    use crate::node_api::management_api::node::{Authority, RING};

    fn now() -> Timestamp {
        "2026-11-30T00:00:00Z".parse().expect("a time")
    }

    /// A certificate of an authority, with these changes.
    fn issued(authority: &Authority, change: impl FnOnce(&mut CertificateParams)) -> Certificates {
        let (certificate, key) = authority.issue_with(RING, change);
        let input = [&authority.pem, &certificate, &key].map(String::as_bytes);
        Certificates::new(input[0], input[1], input[2], RING.into()).expect("certificates")
    }

    #[test]
    fn a_certificate_is_verified_as_a_peer_does_it() {
        let (authority, other) = (Authority::new(), Authority::new());
        let good = issued(&authority, |_| ());
        assert_eq!(good.verify(now()), Ok(()));
        assert_eq!(good.verify_as_client(now()), Ok(()));
        let expired = issued(&authority, |params| {
            params.not_after = date_time_ymd(2026, 11, 29);
        });
        assert_eq!(expired.verify(now()), Err(Unproven::Expired));
        assert_eq!(expired.verify_as_client(now()), Err(Unproven::Expired));
        let validity = expired.validity().expect("it has times");
        assert_eq!(validity.expires_at.to_string(), "2026-11-29T00:00:00Z");
        assert!(validity.issued_at < validity.expires_at);
        let early = issued(&authority, |params| {
            params.not_before = date_time_ymd(2026, 12, 1);
        });
        assert_eq!(early.verify(now()), Err(Unproven::NotValidYet));
        let renamed = issued(&authority, |params| {
            *params = CertificateParams::new(vec!["other.ns.svc".into()]).expect("a name");
        });
        assert_eq!(renamed.verify(now()), Err(Unproven::Name(RING.into())));
        let server = issued(&authority, |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        });
        assert_eq!(server.verify(now()), Ok(()));
        let refused = server.verify_as_client(now());
        assert!(matches!(refused, Err(Unproven::Other(_))), "{refused:?}");
        let (certificate, key) = authority.issue(RING);
        let input = [&other.pem, &certificate, &key].map(String::as_bytes);
        let foreign = Certificates::new(input[0], input[1], input[2], RING.into());
        let foreign = foreign.expect("they can be read");
        assert_eq!(foreign.verify(now()), Err(Unproven::Authority));
        assert_eq!(foreign.verify_as_client(now()), Err(Unproven::Authority));
    }
}
