//! Certificates as a pod installs and renews them.

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
        let folder = std::env::temp_dir().join(format!("casskop-{name}-{}", std::process::id()));
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
