//! Private keys in the form that Java reads: PKCS#8. Certificate authorities also write PKCS#1 (RSA) and SEC1 (elliptic
//! curves), which PKCS#8 contains unchanged.

use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};

/// Tags of DER.
const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;
/// The curve in a SEC1 key.
const CURVE: u8 = 0xa0;

/// `rsaEncryption` with its parameter, which is null.
const RSA: [u8; 13] = [
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];
/// `id-ecPublicKey`; its parameter is the curve.
const EC: [u8; 9] = [0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

/// Algorithms of private keys that every Java of Cassandra reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// RSA.
    Rsa,
    /// Elliptic curves.
    EllipticCurve,
}

impl Algorithm {
    /// The name in Java.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
            Self::EllipticCurve => "EC",
        }
    }
}

/// The algorithm of a private key in PKCS#8 (PEM). Nothing for another one.
pub(super) fn algorithm(pem: &str) -> Option<Algorithm> {
    let PrivateKeyDer::Pkcs8(key) = PrivateKeyDer::from_pem_slice(pem.as_bytes()).ok()? else {
        return None;
    };
    let (SEQUENCE, content, _) = split(key.secret_pkcs8_der())? else {
        return None;
    };
    let (INTEGER, _, rest) = split(content)? else {
        return None;
    };
    let (SEQUENCE, algorithm, _) = split(rest)? else {
        return None;
    };
    if algorithm.starts_with(&EC) {
        return Some(Algorithm::EllipticCurve);
    }
    (algorithm == RSA).then_some(Algorithm::Rsa)
}

/// Characters in a line of PEM.
const LINE: usize = 64;

/// A private key as PEM in PKCS#8. Nothing if the text has no key, or one without its curve.
pub(super) fn of_pem(pem: &str) -> Option<String> {
    let der = match PrivateKeyDer::from_pem_slice(pem.as_bytes()).ok()? {
        PrivateKeyDer::Pkcs8(key) => key.secret_pkcs8_der().to_vec(),
        PrivateKeyDer::Pkcs1(key) => wrapped(&RSA, key.secret_pkcs1_der()),
        PrivateKeyDer::Sec1(key) => {
            let key = key.secret_sec1_der();
            wrapped(&[&EC, curve(key)?].concat(), key)
        }
        _ => return None,
    };
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len())
        .step_by(LINE)
        .filter_map(|start| text.get(start..text.len().min(start + LINE)))
        .collect();
    Some(format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        lines.join("\n")
    ))
}

/// A key with the algorithm that it is for (RFC 5208).
fn wrapped(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    let parts = [
        element(INTEGER, &[0]),
        element(SEQUENCE, algorithm),
        element(OCTET_STRING, key),
    ];
    element(SEQUENCE, &parts.concat())
}

/// The object identifier of the curve in a SEC1 key (RFC 5915), as it is encoded.
fn curve(key: &[u8]) -> Option<&[u8]> {
    let (SEQUENCE, mut rest, _) = split(key)? else {
        return None;
    };
    while !rest.is_empty() {
        let (tag, content, after) = split(rest)?;
        if tag == CURVE {
            return Some(content);
        }
        rest = after;
    }
    None
}

/// An element of DER.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut bytes = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => bytes.push(short),
        _ => {
            let long = length.to_be_bytes();
            let long: Vec<u8> = long.into_iter().skip_while(|byte| *byte == 0).collect();
            // A length has at most eight bytes.
            bytes.push(0x80 | u8::try_from(long.len()).unwrap_or(8));
            bytes.extend(long);
        }
    }
    bytes.extend(content);
    bytes
}

/// Tag and content of the first element, and the bytes behind it.
fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (long, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if long.len() > 4 {
            return None;
        }
        let length = long
            .iter()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        (length, rest)
    };
    let (content, after) = rest.split_at_checked(length)?;
    Some((tag, content, after))
}

#[cfg(test)]
mod tests {
    use rcgen::KeyPair;
    use rustls::pki_types::{PrivatePkcs8KeyDer, PrivateSec1KeyDer};

    use super::*;

    fn pem(kind: &str, der: &[u8]) -> String {
        let text = STANDARD.encode(der);
        format!("-----BEGIN {kind}-----\n{text}\n-----END {kind}-----\n")
    }

    /// The key that PKCS#8 contains, and its algorithm.
    fn contained(pkcs8: &[u8]) -> (&[u8], &[u8]) {
        let (_, content, _) = split(pkcs8).unwrap();
        let (_, _, rest) = split(content).unwrap();
        let (_, algorithm, rest) = split(rest).unwrap();
        let (_, key, _) = split(rest).unwrap();
        (algorithm, key)
    }

    fn der_of(pem: &str) -> Vec<u8> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).unwrap();
        key.secret_pkcs8_der().to_vec()
    }

    #[test]
    fn a_key_in_pkcs8_stays_as_it_is() {
        let key = KeyPair::generate().unwrap();
        let written = of_pem(&key.serialize_pem()).unwrap();
        assert_eq!(der_of(&written), key.serialize_der());
    }

    /// A key of OpenSSL (`openssl ecparam -genkey`) names its curve; the one inside of PKCS#8 does not have to.
    #[test]
    fn a_key_in_sec1_is_wrapped_with_its_curve() {
        let pkcs8 = KeyPair::generate().unwrap().serialize_der();
        let (algorithm, key) = contained(&pkcs8);
        let (_, inner, _) = split(key).unwrap();
        let (_, _, after_version) = split(inner).unwrap();
        let (_, _, after_key) = split(after_version).unwrap();
        let start = &inner[..inner.len() - after_key.len()];
        let curve = element(CURVE, &algorithm[EC.len()..]);
        let sec1 = element(SEQUENCE, &[start, &curve, after_key].concat());
        let sec1 = PrivateSec1KeyDer::from(sec1);
        let written = of_pem(&pem("EC PRIVATE KEY", sec1.secret_sec1_der())).unwrap();
        let written = der_of(&written);
        assert_eq!(contained(&written), (algorithm, sec1.secret_sec1_der()));
        let of_ring =
            rustls::crypto::ring::sign::any_ecdsa_type(&PrivatePkcs8KeyDer::from(written).into());
        assert!(of_ring.is_ok(), "{of_ring:?}");
        // Without its curve it could be of any.
        let nameless = element(SEQUENCE, &[start, after_key].concat());
        assert_eq!(of_pem(&pem("EC PRIVATE KEY", &nameless)), None);
    }

    #[test]
    fn a_key_in_pkcs1_is_wrapped_as_it_is() {
        // The bytes of a key do not matter here; those of RSA are more than a length of one byte can tell.
        let key = element(SEQUENCE, &[7; 1200]);
        let written = of_pem(&pem("RSA PRIVATE KEY", &key)).unwrap();
        assert!(written.lines().all(|line| line.len() <= LINE));
        assert_eq!(contained(&der_of(&written)), (&RSA[..], &key[..]));
    }

    #[test]
    fn what_is_no_key_is_none() {
        for text in [
            "",
            "x",
            &pem("CERTIFICATE", &[1, 2]),
            &pem("EC PRIVATE KEY", &[0x30, 0x82]),
        ] {
            assert_eq!(of_pem(text), None);
        }
    }
}
