//! The certificates of mutual TLS: one authority, one certificate and one key for the operator and the nodes of a ring.

use std::{fmt, sync::Arc, time::Duration};

use casskop_core::{authority::Validity, objects::client_ca};
use jiff::Timestamp;
use rustls::{
    CertificateError, RootCertStore, SignatureAlgorithm,
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
    authorities: Arc<RootCertStore>,
    chain: Arc<[CertificateDer<'static>]>,
    key_algorithm: SignatureAlgorithm,
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

/// Why certificates that can be read prove nothing to a ring and its operator. Java, in the nodes, refuses the same ones.
#[derive(thiserror::Error, Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It expires, or begins to be valid: time alone changes that.
    #[error("tls.crt, or a certificate that issued it, has expired or is not valid yet")]
    Time,
    /// The authority.
    #[error("tls.crt was not issued by an authority in ca.crt")]
    Issuer,
    /// The name.
    #[error("tls.crt is not for the name {0}: add it to the DNS names of the certificate")]
    Name(String),
    /// The purpose: nodes are servers, and the operator and the probes are clients.
    #[error(
        "tls.crt is not for {0}: issue it for servers and clients (extended key usages: server auth, client auth)"
    )]
    Usage(&'static str),
    /// Anything else, in the words of the verifier.
    #[error("tls.crt is not valid ({0})")]
    Other(String),
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
        let own = CertifiedKey::from_der(chain.clone(), der, &ring::default_provider());
        let own = own.map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => Unusable::Mismatch,
            rustls::Error::InvalidCertificate(_) => Unusable::Certificate,
            _ => Unusable::Key,
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
            authorities: Arc::new(roots),
            chain: chain.into(),
            key_algorithm: own.key.algorithm(),
            input: Arc::new([ca.to_vec(), certificate.to_vec(), key.to_vec()]),
        })
    }

    /// The certificates of the authorities (PEM), and nothing else of the input.
    pub fn authority_certificates(&self) -> String {
        let [authorities, ..] = &*self.input;
        client_ca::certificates(&String::from_utf8_lossy(authorities)).concat()
    }

    /// Whether a node and a client that have these certificates trust each other now: the chain, the name, and the usage by
    /// servers and by clients.
    ///
    /// # Errors
    /// They would not.
    pub fn verify(&self) -> Result<(), Unfit> {
        self.verify_as_server()?;
        let provider = Arc::new(ring::default_provider());
        let client =
            WebPkiClientVerifier::builder_with_provider(self.authorities.clone(), provider);
        let client = client.build();
        let client = client.map_err(|error| Unfit::Other(error.to_string()))?;
        let (own, issuers) = self.own()?;
        client
            .verify_client_cert(own, issuers, UnixTime::now())
            .map_err(|error| self.unfit(error, "clients"))?;
        Ok(())
    }

    /// Whether a client that trusts the authorities trusts a server with the certificate now: the chain, the name, and the usage
    /// by servers.
    ///
    /// # Errors
    /// It would not.
    pub fn verify_as_server(&self) -> Result<(), Unfit> {
        let outcome = self.verify_at(UnixTime::now())?;
        outcome.map_err(|error| self.unfit(error, "servers"))
    }

    /// The time in which the certificate is valid; nothing if it is not at any time.
    pub fn validity(&self) -> Option<Validity> {
        let at = |time: UnixTime| Timestamp::from_second(i64::try_from(time.as_secs()).ok()?).ok();
        // The verifier tells the limit that a time is beyond of.
        let limit = |seconds: u64| {
            let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
            match self.verify_at(time).ok()?.err()? {
                rustls::Error::InvalidCertificate(CertificateError::ExpiredContext {
                    not_after,
                    ..
                }) => at(not_after),
                rustls::Error::InvalidCertificate(CertificateError::NotValidYetContext {
                    not_before,
                    ..
                }) => at(not_before),
                _ => None,
            }
        };
        let end = u64::try_from(Timestamp::MAX.as_second()).ok()?;
        Some(Validity {
            issued_at: limit(0)?,
            expires_at: limit(end)?,
        })
    }

    /// The finding of a client that verifies the certificate of a server at this time.
    fn verify_at(&self, time: UnixTime) -> Result<Result<(), rustls::Error>, Unfit> {
        let name = ServerName::try_from(self.server_name.as_str());
        let name = name.map_err(|_| Unfit::Name(self.server_name.clone()))?;
        let provider = Arc::new(ring::default_provider());
        let node = WebPkiServerVerifier::builder_with_provider(self.authorities.clone(), provider);
        let node = node
            .build()
            .map_err(|error| Unfit::Other(error.to_string()))?;
        let (own, issuers) = self.own()?;
        let outcome = node.verify_server_cert(own, issuers, &name, &[], time);
        Ok(outcome.map(drop))
    }

    /// The certificate, and those of its issuers.
    fn own(&self) -> Result<(&CertificateDer<'static>, &[CertificateDer<'static>]), Unfit> {
        let unnamed = || Unfit::Name(self.server_name.clone());
        self.chain.split_first().ok_or_else(unnamed)
    }

    /// The algorithm of the private key, by the name that it has in Java.
    pub fn key_algorithm(&self) -> &'static str {
        match self.key_algorithm {
            SignatureAlgorithm::RSA => "RSA",
            SignatureAlgorithm::ECDSA => "EC",
            SignatureAlgorithm::ED25519 => "Ed25519",
            _ => "another",
        }
    }

    fn unfit(&self, error: rustls::Error, usage: &'static str) -> Unfit {
        use CertificateError as E;
        let rustls::Error::InvalidCertificate(error) = error else {
            return Unfit::Other(error.to_string());
        };
        match error {
            E::Expired
            | E::ExpiredContext { .. }
            | E::NotValidYet
            | E::NotValidYetContext { .. } => Unfit::Time,
            // An authority with the name of another one did not sign it.
            E::UnknownIssuer | E::BadSignature => Unfit::Issuer,
            E::NotValidForName | E::NotValidForNameContext { .. } => {
                Unfit::Name(self.server_name.clone())
            }
            E::InvalidPurpose | E::InvalidPurposeContext { .. } => Unfit::Usage(usage),
            error => Unfit::Other(error.to_string()),
        }
    }

    pub(super) fn tls(&self) -> TlsConfig {
        self.tls.clone()
    }

    /// The authorities to trust.
    pub(super) fn authorities(&self) -> Arc<RootCertStore> {
        self.authorities.clone()
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

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams,
        ExtendedKeyUsagePurpose::{self, ClientAuth, ServerAuth},
        IsCa, KeyPair, date_time_ymd,
    };

    use super::*;
    use crate::node_api::management_api::node::{Authority, RING};

    fn made(authority: &Authority, (certificate, key): &(String, String)) -> Certificates {
        let parts = [&authority.pem, certificate, key].map(String::as_bytes);
        Certificates::new(parts[0], parts[1], parts[2], RING.into()).expect("they are readable")
    }

    fn verified(authority: &Authority, own: &(String, String)) -> Result<(), Unfit> {
        made(authority, own).verify()
    }

    #[test]
    fn certificates_fit_if_nodes_and_clients_trust_each_other_with_them() {
        let authority = Authority::new();
        let signed = |change: &dyn Fn(&mut CertificateParams)| {
            let mut params = CertificateParams::new(vec![RING.to_owned()]).unwrap();
            change(&mut params);
            let own = authority.sign(&params, &KeyPair::generate().unwrap());
            verified(&authority, &own)
        };
        let used = |usages: &[ExtendedKeyUsagePurpose]| {
            signed(&|params| params.extended_key_usages = usages.to_vec())
        };
        assert_eq!(used(&[]), Ok(()));
        assert_eq!(used(&[ServerAuth, ClientAuth]), Ok(()));
        assert_eq!(used(&[ServerAuth]), Err(Unfit::Usage("clients")));
        assert_eq!(used(&[ClientAuth]), Err(Unfit::Usage("servers")));
        let past = date_time_ymd(2020, 1, 1);
        assert_eq!(signed(&|params| params.not_after = past), Err(Unfit::Time));
        let future = date_time_ymd(4000, 1, 1);
        assert_eq!(
            signed(&|params| params.not_before = future),
            Err(Unfit::Time)
        );
        let is_authority =
            signed(&|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
        assert!(
            matches!(is_authority, Err(Unfit::Other(_))),
            "{is_authority:?}"
        );
        let name = verified(&authority, &authority.issue("other.ns.svc"));
        assert_eq!(name, Err(Unfit::Name(RING.into())));
        // Both authorities have the same name.
        let issuer = verified(&authority, &Authority::new().issue(RING));
        assert_eq!(issuer, Err(Unfit::Issuer));
    }
}
