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
mod tests;
