//! The certificates of the Management API, in the form that its server reads.

use std::{
    fs,
    path::{Path, PathBuf},
};

use casskop_common::names;
use casskop_core::pod_config::{
    RackConfig,
    management_api::{FOLDER, KEYS, METRICS, METRICS_SETTINGS, NAME},
};

use crate::{
    bootstrap::{Error, files, pkcs8},
    node_api::management_api::Certificates,
};

/// The files of a Secret, as the server reads them.
struct Files {
    name: String,
    /// In the order of [`KEYS`]; the private key in PKCS#8.
    content: [String; 3],
}

impl Files {
    /// Reads and checks a Secret. The server ends, or does not listen, with files that do not fit, and the kubelet does not
    /// learn why.
    fn of(secret: &Path, name: String) -> Result<Self, Error> {
        let [ca, certificate, key] = KEYS.map(|key| files::read(&secret.join(key)));
        let (ca, certificate, key) = (ca?, certificate?, key?);
        let unusable = |message: String| Error::Invalid {
            path: secret.display().to_string(),
            message: format!("the Secret of the Management API: {message}"),
        };
        let [one, two, three] = [&ca, &certificate, &key].map(String::as_bytes);
        Certificates::new(one, two, three, name.clone())
            .map_err(|error| unusable(error.to_string()))?;
        let key = pkcs8::of_pem(&key);
        let key = key.ok_or_else(|| unusable("tls.key has an unknown form".into()))?;
        Ok(Self {
            name,
            content: [ca, certificate, key],
        })
    }
}

/// Installs certificates and settings into the configuration folder.
pub(super) fn install(directory: &Path, secret: &Path, rack: &RackConfig) -> Result<(), Error> {
    let folder = directory.join(FOLDER);
    fs::create_dir_all(&folder).map_err(files::failed("create", &folder))?;
    let name = names::ring_host(&rack.cluster_name, &rack.namespace);
    let Files { name, content } = Files::of(secret, name)?;
    for (key, text) in KEYS.iter().zip(&content) {
        files::write_renewable(&folder.join(key), text)?;
    }
    files::write(&folder.join(METRICS), METRICS_SETTINGS)?;
    // Last: the probes take the folder for complete.
    files::write(&folder.join(NAME), &name)
}

/// Takes over certificates that were renewed while Cassandra runs. The server notices a file that is written in place, and
/// not one that is replaced, as the kubelet replaces those of a Secret. It notices the certificate and the key only, and reads
/// all files then: the authority comes first, and all are written if one has changed.
pub(super) fn renew(directory: &Path, secret: &Path) -> Result<(), Error> {
    let folder = directory.join(FOLDER);
    let name = files::read(&folder.join(NAME))?;
    let renewed = Files::of(secret, name)?;
    let mut has_changed = false;
    for (key, text) in KEYS.iter().zip(&renewed.content) {
        has_changed |= files::read(&folder.join(key))? != *text;
    }
    if has_changed {
        for (key, text) in KEYS.iter().zip(&renewed.content) {
            files::overwrite(&folder.join(key), text)?;
        }
    }
    Ok(())
}

/// Reads the certificates back, for the probes of the kubelet.
pub(super) fn certificates(directory: &Path) -> Result<Certificates, String> {
    let folder = directory.join(FOLDER);
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
        let (directory, secret) = (folder.join("etc"), folder.join("secret"));
        fs::create_dir_all(&directory).unwrap();
        fs::create_dir_all(&secret).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["demo.ns.svc".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        let rack = RackConfig {
            cluster_name: "demo".into(),
            namespace: "ns".into(),
            ..RackConfig::default()
        };
        let error = install(&directory, &secret, &rack).expect_err("there is no Secret");
        assert!(error.to_string().starts_with("read "), "{error}");
        fs::write(secret.join("ca.crt"), &certificate).unwrap();
        fs::write(secret.join("tls.crt"), &certificate).unwrap();
        fs::write(secret.join("tls.key"), key.serialize_pem()).unwrap();
        // An init container may run again.
        for _ in 0..2 {
            install(&directory, &secret, &rack).unwrap();
        }
        let read = certificates(&directory).unwrap();
        assert_eq!(format!("{read:?}"), "Certificates(demo.ns.svc)");
        let metrics = fs::read_to_string(directory.join(FOLDER).join(METRICS)).unwrap();
        assert!(metrics.contains("127.0.0.1"), "{metrics}");
        // A renewal is written in place.
        let inode = |name: &str| {
            fs::metadata(directory.join(FOLDER).join(name))
                .unwrap()
                .ino()
        };
        let before = KEYS.map(inode);
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["demo.ns.svc".to_owned()]).unwrap();
        fs::write(
            secret.join("tls.crt"),
            params.self_signed(&key).unwrap().pem(),
        )
        .unwrap();
        renew(&directory, &secret).expect_err("the key is still the old one");
        assert_eq!(certificates(&directory).unwrap(), read);
        fs::write(secret.join("tls.key"), key.serialize_pem()).unwrap();
        renew(&directory, &secret).unwrap();
        assert_ne!(certificates(&directory).unwrap(), read);
        assert_eq!(KEYS.map(inode), before);
        // The server does not notice the authority alone, so the certificate is written again with it.
        let written = |name: &str| {
            let metadata = fs::metadata(directory.join(FOLDER).join(name)).unwrap();
            (metadata.mtime(), metadata.mtime_nsec())
        };
        let before = KEYS.map(written);
        renew(&directory, &secret).unwrap();
        assert_eq!(KEYS.map(written), before, "nothing has changed");
        let other = CertificateParams::new(vec!["other.ns.svc".to_owned()]).unwrap();
        let other = other.self_signed(&KeyPair::generate().unwrap()).unwrap();
        fs::write(secret.join("ca.crt"), certificate + &other.pem()).unwrap();
        renew(&directory, &secret).unwrap();
        let after = KEYS.map(written);
        assert!(
            before
                .iter()
                .zip(&after)
                .all(|(before, after)| before < after)
        );
        fs::write(secret.join("ca.crt"), other.pem()).unwrap();
        renew(&directory, &secret).unwrap();
        let shorter = fs::read_to_string(directory.join(FOLDER).join("ca.crt")).unwrap();
        assert_eq!(shorter, other.pem());
        // The key of something else.
        fs::write(
            secret.join("tls.key"),
            KeyPair::generate().unwrap().serialize_pem(),
        )
        .unwrap();
        let error = install(&directory, &secret, &rack).expect_err("the key is another one");
        assert!(
            error.to_string().contains("is not the key of tls.crt"),
            "{error}"
        );
        fs::remove_dir_all(&folder).unwrap();
    }
}
