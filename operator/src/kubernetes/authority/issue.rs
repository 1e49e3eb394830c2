//! Authorities and certificates, made. All keys are ECDSA P-256.

use std::{collections::BTreeSet, time::Duration};

use casskop_core::authority::{
    AUTHORITY_LIFE, Authority, CERTIFICATE_LIFE, Certificate, Validity, id,
};
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, Error, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use serde::{Deserialize, Serialize};

/// An authority and its private key, as they are stored. It is never printed.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyedAuthority {
    /// Name in its certificate, and in those that it issues.
    name: String,
    /// Its certificate (PEM).
    pub(super) certificate: String,
    /// Its private key (PEM).
    pub(super) key: String,
    issued_at: Timestamp,
    expires_at: Timestamp,
}

impl KeyedAuthority {
    pub(super) fn id(&self) -> String {
        id(&self.certificate)
    }

    /// The part that decisions know.
    pub(super) fn known(&self) -> Authority {
        Authority {
            id: self.id(),
            validity: Validity {
                issued_at: self.issued_at,
                expires_at: self.expires_at,
            },
        }
    }
}

/// A certificate with its private key. It is never printed.
pub(super) struct Issued {
    /// Id of the authority.
    pub(super) issuer: String,
    /// When it is valid.
    pub(super) validity: Validity,
    /// The certificate (PEM).
    pub(super) certificate: String,
    /// The private key (PEM, PKCS#8).
    pub(super) key: String,
}

/// The content of the Secret of the nodes.
pub(super) struct Written {
    /// The description of it.
    pub(super) certificate: Certificate,
    /// The authorities to trust (PEM).
    pub(super) ca: String,
    /// The certificate and its key.
    pub(super) issued: Issued,
}

impl Issued {
    /// Adds the authorities to trust, out of the known ones (PEM).
    pub(super) fn trusting<'a>(
        self,
        trusted: &BTreeSet<String>,
        known: impl Iterator<Item = &'a str>,
        now: Timestamp,
    ) -> Written {
        let mut missing = trusted.clone();
        let ca = known.filter(|authority| missing.remove(&id(authority)));
        let ca = ca.collect();
        Written {
            certificate: Certificate {
                issuer: self.issuer.clone(),
                trusted: trusted.clone(),
                validity: self.validity,
                written_at: now,
            },
            ca,
            issued: self,
        }
    }
}

/// Makes an authority, which signs itself.
///
/// # Errors
/// The system gives no random bytes.
pub(super) fn authority(now: Timestamp) -> Result<KeyedAuthority, Error> {
    // Two authorities that are trusted at the same time have different names, so that no verifier takes one for the other.
    let name = format!("casskop node authority {now}");
    let validity = Validity::new(now, AUTHORITY_LIFE);
    let key = KeyPair::generate()?;
    let certificate = authority_params(&name, validity).self_signed(&key)?;
    Ok(KeyedAuthority {
        name,
        certificate: certificate.pem(),
        key: key.serialize_pem(),
        issued_at: validity.issued_at,
        expires_at: validity.expires_at,
    })
}

/// Issues a certificate for servers and clients, with these DNS names.
///
/// # Errors
/// The key of the authority cannot be used, or the system gives no random bytes.
pub(super) fn certificate(
    authority: &KeyedAuthority,
    hosts: &[String],
    now: Timestamp,
) -> Result<Issued, Error> {
    let mut validity = Validity::new(now, CERTIFICATE_LIFE);
    validity.expires_at = validity.expires_at.min(authority.expires_at);
    let mut params = CertificateParams::new(hosts)?;
    set_validity(&mut params, validity);
    params.distinguished_name = named("casskop node");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    params.use_authority_key_identifier_extension = true;
    let issuer = Issuer::new(
        authority_params(&authority.name, authority.known().validity),
        KeyPair::from_pem(&authority.key)?,
    );
    let key = KeyPair::generate()?;
    Ok(Issued {
        issuer: authority.id(),
        validity,
        certificate: params.signed_by(&key, &issuer)?.pem(),
        key: key.serialize_pem(),
    })
}

fn authority_params(name: &str, validity: Validity) -> CertificateParams {
    let mut params = CertificateParams::default();
    set_validity(&mut params, validity);
    params.distinguished_name = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn named(name: &str) -> DistinguishedName {
    let mut named = DistinguishedName::new();
    named.push(DnType::CommonName, name);
    named
}

fn set_validity(params: &mut CertificateParams, validity: Validity) {
    // Before 1970 is no time at which anything is issued.
    let at = |time: Timestamp| {
        let seconds = u64::try_from(time.as_second()).unwrap_or_default();
        date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
    };
    params.not_before = at(validity.starts_at());
    params.not_after = at(validity.expires_at);
}
