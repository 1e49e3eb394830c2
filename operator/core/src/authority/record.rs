//! The record of what the Secret of the nodes has, beside it. It has times and ids, and nothing secret.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    authority::{Certificate, Validity},
    digest::digest,
};

/// The end of a certificate in PEM.
const END: &str = "-----END CERTIFICATE-----\n";

/// Why the record does not describe the Secret.
#[derive(thiserror::Error, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Nothing is recorded, or the record cannot be read.
    #[error("its record cannot be read")]
    Record,
    /// The certificates are not the recorded ones.
    #[error("ca.crt or tls.crt was changed")]
    Changed,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    issuer: String,
    issued_at: Timestamp,
    expires_at: Timestamp,
    written_at: Timestamp,
    /// Digest of `ca.crt` and `tls.crt`.
    digest: String,
}

/// The certificates of a PEM text.
pub fn blocks(pem: &str) -> impl Iterator<Item = &str> {
    pem.split_inclusive(END)
}

/// Id of an authority, by its certificate in PEM.
pub fn id(certificate: &str) -> String {
    digest(&certificate)
}

/// The record of a certificate, for `ca.crt` and `tls.crt` of the Secret.
pub fn record(certificate: &Certificate, ca: &str, own: &str) -> String {
    let Certificate {
        issuer,
        validity,
        written_at,
        ..
    } = certificate;
    let record = Record {
        issuer: issuer.clone(),
        issued_at: validity.issued_at,
        expires_at: validity.expires_at,
        written_at: *written_at,
        digest: digest(&(ca, own)),
    };
    serde_json::to_string(&record).unwrap_or_default()
}

/// Reads what the Secret has, from its record, `ca.crt` and `tls.crt`.
///
/// # Errors
/// The record does not describe the certificates.
pub fn read(record: &str, ca: &str, own: &str) -> Result<Certificate, Unreadable> {
    let record: Record = serde_json::from_str(record).map_err(|_| Unreadable::Record)?;
    if record.digest != digest(&(ca, own)) {
        return Err(Unreadable::Changed);
    }
    Ok(Certificate {
        issuer: record.issuer,
        trusted: blocks(ca).map(id).collect::<BTreeSet<_>>(),
        validity: Validity {
            issued_at: record.issued_at,
            expires_at: record.expires_at,
        },
        written_at: record.written_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(content: &str) -> String {
        format!("-----BEGIN CERTIFICATE-----\n{content}\n{END}")
    }

    #[test]
    fn a_record_describes_only_the_certificates_that_it_was_written_for() {
        let (old, new, own) = (pem("old"), pem("new"), pem("own"));
        let ca = format!("{old}{new}");
        let time: Timestamp = "2026-11-29T12:00:00Z".parse().unwrap();
        let certificate = Certificate {
            issuer: id(&old),
            trusted: [id(&old), id(&new)].into(),
            validity: Validity::new(time, crate::authority::CERTIFICATE_LIFE),
            written_at: time,
        };
        let written = record(&certificate, &ca, &own);
        assert_eq!(read(&written, &ca, &own), Ok(certificate));
        assert_eq!(read(&written, &old, &own), Err(Unreadable::Changed));
        assert_eq!(read(&written, &ca, &new), Err(Unreadable::Changed));
        for broken in ["", "{}", "null", "[1]"] {
            assert_eq!(read(broken, &ca, &own), Err(Unreadable::Record), "{broken}");
        }
        let issued_later = written.replace("2026-11-29", "soon");
        assert_eq!(read(&issued_later, &ca, &own), Err(Unreadable::Record));
    }
}
