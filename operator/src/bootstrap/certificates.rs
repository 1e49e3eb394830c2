//! The certificates of mutual TLS, in the form that Java reads.

use std::{
    fs,
    path::{Path, PathBuf},
};

use casskop_core::pod_config::certificates::{AUTHORITY, KEYS, KEYSTORE, NAME};

use crate::{
    bootstrap::{
        Error, files,
        overlap::{self, Ages, Held},
        pkcs8::{self, Algorithm},
    },
    node_api::{Certificates, Unfit},
};

/// The files that a server reads certificates from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Those of the Secret, as agents read them.
    Separate,
    /// The authorities, and one file with the private key and the certificate, as Cassandra reads them.
    Keystore,
}

/// The peers that the certificate has to convince.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Peers {
    /// Nodes, or operator and nodes: each is server and client.
    Each,
    /// Clients of Cassandra, which have certificates of their own.
    Clients,
}

/// A Secret that can be read.
struct Files {
    name: String,
    certificates: Certificates,
    /// In the order of [`KEYS`]; the private key in PKCS#8.
    content: [String; 3],
}

impl Files {
    /// Reads and checks a Secret. A server ends, or does not listen, with files that do not fit, and the kubelet does not
    /// learn why.
    fn of(secret: &Path, name: String) -> Result<Self, Error> {
        let [ca, certificate, key] = KEYS.map(|key| files::read(&secret.join(key)));
        let (ca, certificate, key) = (ca?, certificate?, key?);
        let [one, two, three] = [&ca, &certificate, &key].map(String::as_bytes);
        let certificates = Certificates::new(one, two, three, name.clone())
            .map_err(|error| unusable(secret, &error.to_string()))?;
        let key = pkcs8::of_pem(&key);
        let key = key.ok_or_else(|| unusable(secret, "tls.key has an unknown form"))?;
        Ok(Self {
            name,
            certificates,
            content: [ca, certificate, key],
        })
    }

    fn verify(&self, peers: Peers) -> Result<(), Unfit> {
        match peers {
            Peers::Each => self.certificates.verify(),
            Peers::Clients => self.certificates.verify_as_server(),
        }
    }

    fn algorithm(&self) -> Option<Algorithm> {
        let [_, _, key] = &self.content;
        pkcs8::algorithm(key)
    }

    /// The files with their names, the authorities first.
    fn in_form(&self, form: Form) -> Vec<(&'static str, String)> {
        match form {
            Form::Separate => KEYS.into_iter().zip(self.content.iter().cloned()).collect(),
            Form::Keystore => {
                let Held {
                    authorities,
                    keystore,
                } = self.held();
                vec![(AUTHORITY, authorities), (KEYSTORE, keystore)]
            }
        }
    }

    /// The same as Cassandra reads them.
    fn held(&self) -> Held {
        let [ca, certificate, key] = &self.content;
        Held {
            authorities: ca.clone(),
            keystore: format!("{key}\n{certificate}"),
        }
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
    (form, peers): (Form, Peers),
    settings: &[(&str, &str)],
) -> Result<Option<Algorithm>, Error> {
    fs::create_dir_all(folder).map_err(files::failed("create", folder))?;
    let installed = Files::of(secret, name)?;
    match installed.verify(peers) {
        // A node serves its clients with an expired one, too, and takes a renewal over while it runs.
        Ok(()) | Err(Unfit::Time) => {}
        Err(unfit) => return Err(unusable(secret, &unfit.to_string())),
    }
    for (file, text) in installed.in_form(form) {
        files::write_renewable(&folder.join(file), &text)?;
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
/// the key only, and reads all files then: the authority comes first, and all are written if one has changed. Cassandra looks
/// at the times of all its files.
pub(super) fn renew(
    folder: &Path,
    secret: &Path,
    (form, peers): (Form, Peers),
    renewal: Renewal,
) -> Result<(), Error> {
    let name = files::read(&folder.join(NAME))?;
    let renewed = Files::of(secret, name)?;
    let files = renewed.in_form(form);
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
        if present != renewed.algorithm() {
            let why = "tls.key is of another algorithm than the one that the agent was started with: restart the pod";
            return Err(unusable(secret, why));
        }
    }
    let fit = renewed.verify(peers);
    fit.map_err(|unfit| unusable(secret, &unfit.to_string()))?;
    files
        .iter()
        .try_for_each(|(file, text)| files::overwrite(&folder.join(file), text))
}

/// Takes over certificates between nodes in the form of a key store: in steps, so that nodes with the present and nodes with the
/// renewed ones trust each other.
pub(super) fn renew_in_steps(folder: &Path, secret: &Path) -> Result<(), Error> {
    let renewed = Files::of(secret, files::read(&folder.join(NAME))?)?;
    let (authorities, keystore) = (folder.join(AUTHORITY), folder.join(KEYSTORE));
    let present = Held {
        authorities: files::read(&authorities)?,
        keystore: files::read(&keystore)?,
    };
    let wanted = renewed.held();
    if present == wanted {
        return Ok(());
    }
    let fit = renewed.verify(Peers::Each);
    fit.map_err(|unfit| unusable(secret, &unfit.to_string()))?;
    // The times of the files tell how long a node has had their content.
    let ages = Ages {
        authorities: files::age(&authorities)?,
        keystore: files::age(&keystore)?,
    };
    let next = overlap::next(&renewed.name, &present, &wanted, ages);
    if next.authorities != present.authorities {
        files::overwrite(&authorities, &next.authorities)?;
    }
    if next.keystore != present.keystore {
        files::overwrite(&keystore, &next.keystore)?;
    }
    Ok(())
}

/// Trusts the remembered authorities beside those of the Secret, for an hour.
pub(super) fn trust_more(folder: &Path, name: &str, remembered: &Path) -> Result<(), Error> {
    let (authorities, keystore) = (folder.join(AUTHORITY), folder.join(KEYSTORE));
    let Ok(earlier) = files::read(remembered) else {
        return Ok(());
    };
    let installed = files::read(&authorities)?;
    let both = overlap::both(&installed, &earlier);
    // Cassandra does not start with a file that was damaged.
    if both != installed && overlap::is_trusted(name, &both, &files::read(&keystore)?) {
        files::write_renewable(&authorities, &both)?;
    }
    Ok(())
}

/// Keeps the authorities that a node trusts.
pub(super) fn remember_trusted(folder: &Path, remembered: &Path) -> Result<(), Error> {
    let trusted = files::read(&folder.join(AUTHORITY))?;
    match files::read(remembered) {
        Ok(known) if known == trusted => Ok(()),
        _ => files::write(remembered, &trusted),
    }
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
    use std::{os::unix::fs::MetadataExt, time::SystemTime};

    use rcgen::{
        CertificateParams,
        ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth},
        KeyPair, PKCS_ED25519, date_time_ymd,
    };

    use super::*;
    use crate::node_api::management_api::node::{Authority, RING};

    /// The folders of a pod: the files that the agent reads, and the Secret.
    struct Pod {
        folder: PathBuf,
        files: PathBuf,
        secret: PathBuf,
    }

    impl Pod {
        fn new(name: &str) -> Self {
            let folder =
                std::env::temp_dir().join(format!("casskop-{name}-{}", std::process::id()));
            let (files, secret) = (folder.join("files"), folder.join("secret"));
            fs::create_dir_all(&secret).unwrap();
            Self {
                folder,
                files,
                secret,
            }
        }

        fn write(&self, file: &str, text: &str) {
            fs::write(self.secret.join(file), text).unwrap();
        }

        /// Writes a Secret with a certificate of the authority.
        fn has(&self, authority: &Authority, (certificate, key): &(String, String)) {
            self.write("ca.crt", &authority.pem);
            self.write("tls.crt", certificate);
            self.write("tls.key", key);
        }

        fn install(&self) -> Result<Option<Algorithm>, Error> {
            let settings = [("more", "text")];
            install(
                &self.files,
                &self.secret,
                RING.into(),
                (Form::Separate, Peers::Each),
                &settings,
            )
        }

        fn renew(&self) -> Result<(), Error> {
            renew(
                &self.files,
                &self.secret,
                (Form::Separate, Peers::Each),
                Renewal::SameAlgorithm,
            )
        }

        fn written(&self) -> [(i64, i64); 3] {
            KEYS.map(|name| {
                let metadata = fs::metadata(self.files.join(name)).unwrap();
                (metadata.mtime(), metadata.mtime_nsec())
            })
        }

        fn inodes(&self) -> [u64; 3] {
            KEYS.map(|name| fs::metadata(self.files.join(name)).unwrap().ino())
        }
    }

    impl Drop for Pod {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }

    fn refused<T>(result: Result<T, Error>, why: &str) {
        let error = result.err().expect("it is refused").to_string();
        assert!(error.contains(why), "{error}");
    }

    #[test]
    fn what_was_installed_is_read_by_the_probes() {
        let (pod, authority) = (Pod::new("tls"), Authority::new());
        refused(pod.install(), "read ");
        pod.has(&authority, &authority.issue(RING));
        // An init container may run again.
        for _ in 0..2 {
            assert_eq!(pod.install().unwrap(), Some(Algorithm::EllipticCurve));
        }
        let read = certificates(&pod.files).unwrap();
        assert_eq!(format!("{read:?}"), "Certificates(demo.ns.svc)");
        assert_eq!(fs::read_to_string(pod.files.join("more")).unwrap(), "text");
        // The key of something else.
        pod.write("tls.key", &authority.issue(RING).1);
        refused(pod.install(), "is not the key of tls.crt");
    }

    #[test]
    fn a_renewal_is_written_in_place_and_as_a_whole() {
        let (pod, authority) = (Pod::new("tls-renewal"), Authority::new());
        pod.has(&authority, &authority.issue(RING));
        pod.install().unwrap();
        let read = certificates(&pod.files).unwrap();
        let before = pod.inodes();
        let (certificate, key) = authority.issue(RING);
        pod.write("tls.crt", &certificate);
        refused(pod.renew(), "is not the key of tls.crt");
        assert_eq!(certificates(&pod.files).unwrap(), read);
        pod.write("tls.key", &key);
        pod.renew().unwrap();
        assert_ne!(certificates(&pod.files).unwrap(), read);
        assert_eq!(pod.inodes(), before);
        // The server does not notice the authority alone, so the certificate is written again with it.
        let before = pod.written();
        pod.renew().unwrap();
        assert_eq!(pod.written(), before, "nothing has changed");
        let both = Authority::new().pem + &authority.pem;
        pod.write("ca.crt", &both);
        pod.renew().unwrap();
        let after = pod.written();
        let mut files = before.iter().zip(&after);
        assert!(files.all(|(before, after)| before < after));
        pod.write("ca.crt", &authority.pem);
        pod.renew().unwrap();
        let shorter = fs::read_to_string(pod.files.join("ca.crt")).unwrap();
        assert_eq!(shorter, authority.pem);
        // An agent that was started with a key of one algorithm does not read one of another.
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let params = CertificateParams::new(vec![RING.to_owned()]).unwrap();
        let before = pod.written();
        pod.has(&authority, &authority.sign(&params, &key));
        refused(pod.renew(), "restart the pod");
        assert_eq!(pod.written(), before);
        super::renew(
            &pod.files,
            &pod.secret,
            (Form::Separate, Peers::Each),
            Renewal::Any,
        )
        .unwrap();
        assert_ne!(pod.written(), before);
    }

    #[test]
    fn a_node_keeps_what_it_has_when_the_ring_would_not_trust_the_renewal() {
        let (pod, authority) = (Pod::new("tls-unfit"), Authority::new());
        let params = |change: fn(&mut CertificateParams)| {
            let mut params = CertificateParams::new(vec![RING.to_owned()]).unwrap();
            change(&mut params);
            authority.sign(&params, &KeyPair::generate().unwrap())
        };
        let both = params(|params| params.extended_key_usages = vec![ServerAuth, ClientAuth]);
        pod.has(&authority, &both);
        pod.install().unwrap();
        let before = pod.written();
        let expired = params(|params| params.not_after = date_time_ymd(2020, 1, 1));
        for (unfit, why) in [
            (
                params(|params| params.extended_key_usages = vec![ServerAuth]),
                "not for clients",
            ),
            (authority.issue("other.ns.svc"), "the name demo.ns.svc"),
            (Authority::new().issue(RING), "not issued by"),
        ] {
            pod.has(&authority, &unfit);
            refused(pod.renew(), why);
            refused(pod.install(), why);
        }
        pod.has(&authority, &expired);
        refused(pod.renew(), "has expired");
        assert_eq!(pod.written(), before);
        // Time alone keeps no node from its start.
        pod.install().unwrap();
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
        install(
            &directory,
            &secret,
            RING.into(),
            (Form::Keystore, Peers::Each),
            &[],
        )
        .unwrap();
        let keystore = || fs::read_to_string(directory.join(KEYSTORE)).unwrap();
        let before = keystore();
        assert!(before.starts_with("-----BEGIN PRIVATE KEY-----"));
        assert!(before.trim_end().ends_with("-----END CERTIFICATE-----"));
        let renew = || renew_in_steps(&directory, &secret);
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

        // Another authority: the node trusts both, and shows its certificate later.
        let before = keystore();
        let authorities = || fs::read_to_string(directory.join(AUTHORITY)).unwrap();
        let hour_ago = |file: &str| {
            let file = fs::File::options().write(true).open(directory.join(file));
            let then = SystemTime::now() - overlap::FAREWELL;
            file.unwrap().set_modified(then).unwrap();
        };
        write(&other.pem, &foreign, &foreign_key);
        for _ in 0..2 {
            renew().unwrap();
            assert_eq!(keystore(), before);
            assert_eq!(authorities(), other.pem.clone() + &authority.pem);
        }
        hour_ago(AUTHORITY);
        for _ in 0..2 {
            renew().unwrap();
            assert_eq!(keystore(), format!("{foreign_key}\n{foreign}"));
            assert_eq!(authorities(), other.pem.clone() + &authority.pem);
        }
        hour_ago(KEYSTORE);
        renew().unwrap();
        assert_eq!(authorities(), other.pem);

        // A pod that starts anew trusts what the node has trusted, too, if that can be read.
        let install = || {
            let form = (Form::Keystore, Peers::Each);
            install(&directory, &secret, RING.into(), form, &[]).unwrap();
        };
        let remembered = folder.join("remembered");
        install();
        trust_more(&directory, RING, &remembered).unwrap();
        assert_eq!(authorities(), other.pem, "nothing is remembered");
        remember_trusted(&directory, &remembered).unwrap();
        write(&authority.pem, &certificate, &key);
        install();
        trust_more(&directory, RING, &remembered).unwrap();
        assert_eq!(authorities(), authority.pem.clone() + &other.pem);
        install();
        let damaged = other.pem.replace('M', "N");
        fs::write(&remembered, damaged).unwrap();
        trust_more(&directory, RING, &remembered).unwrap();
        assert_eq!(authorities(), authority.pem);
        fs::remove_dir_all(&folder).unwrap();
    }
}
