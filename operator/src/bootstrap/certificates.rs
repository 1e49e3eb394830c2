//! The certificates of mutual TLS, in the form that Java reads.

use std::{
    fs,
    path::{Path, PathBuf},
};

use casskop_core::pod_config::certificates::{KEYS, KEYSTORE, NAME};
use jiff::Timestamp;

use crate::{
    bootstrap::{
        Error, files,
        pkcs8::{self, Algorithm},
    },
    node_api::Certificates,
};

/// The files that a server reads certificates from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Those of the Secret, as agents read them.
    Separate,
    /// The authorities, and one file with the private key and the certificate, as Cassandra reads them.
    Keystore,
}

/// A Secret, read and checked.
struct Checked {
    name: String,
    ca: String,
    certificate: String,
    /// In PKCS#8.
    key: String,
}

impl Checked {
    /// Reads and checks a Secret. A server ends, or does not listen, with files that do not fit, and the kubelet does not
    /// learn why.
    fn read(secret: &Path, name: String, form: Form) -> Result<Self, Error> {
        let [ca, certificate, key] = KEYS.map(|key| files::read(&secret.join(key)));
        let (ca, certificate, key) = (ca?, certificate?, key?);
        let [one, two, three] = [&ca, &certificate, &key].map(String::as_bytes);
        let checked = Certificates::new(one, two, three, name.clone())
            .map_err(|error| unusable(secret, &error.to_string()))?;
        // An agent proves it to the operator with each request; nodes that do not trust each other are a ring no more.
        if form == Form::Keystore {
            let verified = checked.verify(Timestamp::now());
            verified.map_err(|error| unusable(secret, &error.to_string()))?;
        }
        let key = pkcs8::of_pem(&key);
        let key = key.ok_or_else(|| unusable(secret, "tls.key has an unknown form"))?;
        Ok(Self {
            name,
            ca,
            certificate,
            key,
        })
    }

    /// The files with their names, the authorities first.
    fn files(&self, form: Form) -> Vec<(&'static str, String)> {
        let [ca, certificate, key] = KEYS;
        match form {
            Form::Separate => vec![
                (ca, self.ca.clone()),
                (certificate, self.certificate.clone()),
                (key, self.key.clone()),
            ],
            Form::Keystore => vec![
                (ca, self.ca.clone()),
                (KEYSTORE, format!("{}\n{}", self.key, self.certificate)),
            ],
        }
    }
}

fn unusable(secret: &Path, why: &str) -> Error {
    Error::Invalid {
        path: secret.display().to_string(),
        message: format!("the Secret with the certificates of the nodes: {why}"),
    }
}

/// The private keys that a server can be renewed to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Renewal {
    /// Keys of any algorithm.
    Any,
    /// Keys of the algorithm that the server was started with.
    SameAlgorithm,
}

/// Installs certificates for the ring of this name into a folder, and settings beside them. Returns the algorithm of the
/// private key, if an agent can be told it.
pub(super) fn install(
    folder: &Path,
    secret: &Path,
    name: String,
    form: Form,
    settings: &[(&str, &str)],
) -> Result<Option<Algorithm>, Error> {
    fs::create_dir_all(folder).map_err(files::failed("create", folder))?;
    let installed = Checked::read(secret, name, form)?;
    for (file, text) in installed.files(form) {
        files::write_renewable(&folder.join(file), &text)?;
    }
    for (file, text) in settings {
        files::write(&folder.join(file), text)?;
    }
    // Last: the probes take the folder for complete.
    files::write(&folder.join(NAME), &installed.name)?;
    Ok(pkcs8::algorithm(&installed.key))
}

/// Takes over certificates that were renewed while Cassandra runs. The server of the Management API notices a file that is
/// written in place, and not one that is replaced, as the kubelet replaces those of a Secret. It notices the certificate and
/// the key only, and reads all files then: the authority comes first, and all are written if one has changed. Cassandra looks
/// at the times of all its files, and takes over those that fit.
pub(super) fn renew(
    folder: &Path,
    secret: &Path,
    form: Form,
    renewal: Renewal,
) -> Result<(), Error> {
    let name = files::read(&folder.join(NAME))?;
    let renewed = Checked::read(secret, name, form)?;
    let files = renewed.files(form);
    let mut has_changed = false;
    for (file, text) in &files {
        has_changed |= files::read(&folder.join(file))? != *text;
    }
    if !has_changed {
        return Ok(());
    }
    if renewal == Renewal::SameAlgorithm {
        let [_, _, key] = KEYS;
        let present = pkcs8::algorithm(&files::read(&folder.join(key))?);
        if present != pkcs8::algorithm(&renewed.key) {
            let why = "tls.key is of another algorithm than the one that the agent was started with: restart the pod";
            return Err(unusable(secret, why));
        }
    }
    for (file, text) in &files {
        files::overwrite(&folder.join(file), text)?;
    }
    Ok(())
}

/// Reads the certificates back, for the probes of the kubelet.
pub(super) fn certificates(folder: &Path) -> Result<Certificates, String> {
    let read =
        |path: PathBuf| fs::read(&path).map_err(|error| format!("{}: {error}", path.display()));
    let [ca, certificate, key] = KEYS.map(|key| read(folder.join(key)));
    let name = String::from_utf8_lossy(&read(folder.join(NAME))?).into_owned();
    Certificates::new(&ca?, &certificate?, &key?, name)
        .map_err(|error| format!("{}: {error}", folder.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use rcgen::{CertificateParams, KeyPair};

    use super::*;
    use crate::node_api::management_api::node::{Authority, RING};

    #[test]
    fn what_was_installed_is_read_by_the_probes() {
        let folder = std::env::temp_dir().join(format!("casskop-tls-{}", std::process::id()));
        let (directory, secret) = (folder.join("files"), folder.join("secret"));
        fs::create_dir_all(&secret).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["demo.ns.svc".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        let install = |secret: &Path| {
            install(
                &directory,
                secret,
                "demo.ns.svc".into(),
                Form::Separate,
                &[("more", "text")],
            )
        };
        let renew = || renew(&directory, &secret, Form::Separate, Renewal::SameAlgorithm);
        let error = install(&secret).expect_err("there is no Secret");
        assert!(error.to_string().starts_with("read "), "{error}");
        fs::write(secret.join("ca.crt"), &certificate).unwrap();
        fs::write(secret.join("tls.crt"), &certificate).unwrap();
        fs::write(secret.join("tls.key"), key.serialize_pem()).unwrap();
        // An init container may run again.
        for _ in 0..2 {
            assert_eq!(install(&secret).unwrap(), Some(Algorithm::EllipticCurve));
        }
        let read = certificates(&directory).unwrap();
        assert_eq!(format!("{read:?}"), "Certificates(demo.ns.svc)");
        assert_eq!(fs::read_to_string(directory.join("more")).unwrap(), "text");
        // A renewal is written in place.
        let inode = |name: &str| fs::metadata(directory.join(name)).unwrap().ino();
        let before = KEYS.map(inode);
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["demo.ns.svc".to_owned()]).unwrap();
        fs::write(
            secret.join("tls.crt"),
            params.self_signed(&key).unwrap().pem(),
        )
        .unwrap();
        renew().expect_err("the key is still the old one");
        assert_eq!(certificates(&directory).unwrap(), read);
        fs::write(secret.join("tls.key"), key.serialize_pem()).unwrap();
        renew().unwrap();
        assert_ne!(certificates(&directory).unwrap(), read);
        assert_eq!(KEYS.map(inode), before);
        // The server does not notice the authority alone, so the certificate is written again with it.
        let written = |name: &str| {
            let metadata = fs::metadata(directory.join(name)).unwrap();
            (metadata.mtime(), metadata.mtime_nsec())
        };
        let before = KEYS.map(written);
        renew().unwrap();
        assert_eq!(KEYS.map(written), before, "nothing has changed");
        let other = CertificateParams::new(vec!["other.ns.svc".to_owned()]).unwrap();
        let other = other.self_signed(&KeyPair::generate().unwrap()).unwrap();
        fs::write(secret.join("ca.crt"), certificate + &other.pem()).unwrap();
        renew().unwrap();
        let after = KEYS.map(written);
        assert!(
            before
                .iter()
                .zip(&after)
                .all(|(before, after)| before < after)
        );
        fs::write(secret.join("ca.crt"), other.pem()).unwrap();
        renew().unwrap();
        let shorter = fs::read_to_string(directory.join("ca.crt")).unwrap();
        assert_eq!(shorter, other.pem());
        // An agent that was started with a key of one algorithm does not read one of another.
        let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let params = CertificateParams::new(vec!["demo.ns.svc".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        let before = KEYS.map(written);
        fs::write(secret.join("tls.crt"), &certificate).unwrap();
        fs::write(secret.join("tls.key"), key.serialize_pem()).unwrap();
        let error = renew().expect_err("it is another algorithm");
        assert!(error.to_string().contains("restart the pod"), "{error}");
        assert_eq!(KEYS.map(written), before);
        super::renew(&directory, &secret, Form::Separate, Renewal::Any).unwrap();
        assert_ne!(KEYS.map(written), before);
        // The key of something else.
        fs::write(
            secret.join("tls.key"),
            KeyPair::generate().unwrap().serialize_pem(),
        )
        .unwrap();
        let error = install(&secret).expect_err("the key is another one");
        assert!(
            error.to_string().contains("is not the key of tls.crt"),
            "{error}"
        );
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn cassandra_takes_over_what_proves_something_and_keeps_what_it_has_otherwise() {
        let folder = std::env::temp_dir().join(format!("casskop-pem-{}", std::process::id()));
        let (directory, secret) = (folder.join("files"), folder.join("secret"));
        fs::create_dir_all(&secret).unwrap();
        let write = |ca: &str, certificate: &str, key: &str| {
            for (file, text) in KEYS.iter().zip([ca, certificate, key]) {
                fs::write(secret.join(file), text).unwrap();
            }
        };
        let (authority, other) = (Authority::new(), Authority::new());
        let (certificate, key) = authority.issue(RING);
        write(&authority.pem, &certificate, &key);
        install(&directory, &secret, RING.into(), Form::Keystore, &[]).unwrap();
        let keystore = || fs::read_to_string(directory.join(KEYSTORE)).unwrap();
        let before = keystore();
        assert!(before.starts_with("-----BEGIN PRIVATE KEY-----"));
        assert!(before.trim_end().ends_with("-----END CERTIFICATE-----"));
        let renew = || renew(&directory, &secret, Form::Keystore, Renewal::Any);
        let (foreign, foreign_key) = other.issue(RING);
        let (renamed, renamed_key) = authority.issue("other.ns.svc");
        let half = &certificate[..certificate.len() / 2];
        for (ca, certificate, key) in [
            (&authority.pem, foreign.as_str(), &foreign_key),
            (&authority.pem, renamed.as_str(), &renamed_key),
            (&authority.pem, half, &key),
            (&authority.pem, certificate.as_str(), &foreign_key),
            (&authority.pem, "", &key),
            (&String::new(), certificate.as_str(), &key),
        ] {
            write(ca, certificate, key);
            renew().expect_err("it proves nothing");
            assert_eq!(keystore(), before);
        }
        fs::remove_file(secret.join("tls.crt")).unwrap();
        renew().expect_err("there is a key and no certificate");
        assert_eq!(keystore(), before);
        let (certificate, key) = authority.issue(RING);
        write(&authority.pem, &certificate, &key);
        renew().unwrap();
        assert_eq!(keystore(), format!("{key}\n{certificate}"));
        fs::remove_dir_all(&folder).unwrap();
    }
}
