//! The certificates of mutual TLS, in the form that Java reads.

use std::{
    fs,
    path::{Path, PathBuf},
};

use casskop_core::pod_config::certificates::{KEYS, NAME};

use crate::{
    bootstrap::{
        Error, files,
        pkcs8::{self, Algorithm},
    },
    node_api::Certificates,
};

/// The files of a Secret, as an agent reads them.
struct Files {
    name: String,
    /// In the order of [`KEYS`]; the private key in PKCS#8.
    content: [String; 3],
}

impl Files {
    /// Reads and checks a Secret. An agent ends, or does not listen, with files that do not fit, and the kubelet does not
    /// learn why.
    fn of(secret: &Path, name: String) -> Result<Self, Error> {
        let [ca, certificate, key] = KEYS.map(|key| files::read(&secret.join(key)));
        let (ca, certificate, key) = (ca?, certificate?, key?);
        let [one, two, three] = [&ca, &certificate, &key].map(String::as_bytes);
        Certificates::new(one, two, three, name.clone())
            .map_err(|error| unusable(secret, &error.to_string()))?;
        let key = pkcs8::of_pem(&key);
        let key = key.ok_or_else(|| unusable(secret, "tls.key has an unknown form"))?;
        Ok(Self {
            name,
            content: [ca, certificate, key],
        })
    }

    fn algorithm(&self) -> Option<Algorithm> {
        let [_, _, key] = &self.content;
        pkcs8::algorithm(key)
    }
}

fn unusable(secret: &Path, why: &str) -> Error {
    Error::Invalid {
        path: secret.display().to_string(),
        message: format!("the Secret with the certificates of the nodes: {why}"),
    }
}

/// The private keys that an agent can be renewed to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Renewal {
    /// Keys of any algorithm.
    Any,
    /// Keys of the algorithm that the agent was started with.
    SameAlgorithm,
}

/// Installs certificates for the ring of this name into a folder, and settings beside them. Returns the algorithm of the
/// private key, if an agent can be told it.
pub(super) fn install(
    folder: &Path,
    secret: &Path,
    name: String,
    settings: &[(&str, &str)],
) -> Result<Option<Algorithm>, Error> {
    fs::create_dir_all(folder).map_err(files::failed("create", folder))?;
    let installed = Files::of(secret, name)?;
    for (key, text) in KEYS.iter().zip(&installed.content) {
        files::write_renewable(&folder.join(key), text)?;
    }
    for (file, text) in settings {
        files::write(&folder.join(file), text)?;
    }
    // Last: the probes take the folder for complete.
    files::write(&folder.join(NAME), &installed.name)?;
    Ok(installed.algorithm())
}

/// Takes over certificates that were renewed while Cassandra runs. The server of the Management API notices a file that is
/// written in place, and not one that is replaced, as the kubelet replaces those of a Secret. It notices the certificate and
/// the key only, and reads all files then: the authority comes first, and all are written if one has changed.
pub(super) fn renew(folder: &Path, secret: &Path, renewal: Renewal) -> Result<(), Error> {
    let name = files::read(&folder.join(NAME))?;
    let renewed = Files::of(secret, name)?;
    let mut has_changed = false;
    for (key, text) in KEYS.iter().zip(&renewed.content) {
        has_changed |= files::read(&folder.join(key))? != *text;
    }
    if !has_changed {
        return Ok(());
    }
    let [_, _, key] = KEYS;
    let present = pkcs8::algorithm(&files::read(&folder.join(key))?);
    if renewal == Renewal::SameAlgorithm && present != renewed.algorithm() {
        let why = "tls.key is of another algorithm than the one that the agent was started with: restart the pod";
        return Err(unusable(secret, why));
    }
    for (key, text) in KEYS.iter().zip(&renewed.content) {
        files::overwrite(&folder.join(key), text)?;
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
                &[("more", "text")],
            )
        };
        let renew = || renew(&directory, &secret, Renewal::SameAlgorithm);
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
        super::renew(&directory, &secret, Renewal::Any).unwrap();
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
}
