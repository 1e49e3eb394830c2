//! Mutual TLS, by three files that are given by the environment.

use std::{
    fs, io,
    net::TcpStream,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rustls::{
    RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};

use crate::cassandra::log;

/// Variables of the files: authority, certificate, private key.
const VARIABLES: [&str; 3] = [
    "MGMT_API_TLS_CA_CERT_FILE",
    "MGMT_API_TLS_CERT_FILE",
    "MGMT_API_TLS_KEY_FILE",
];

/// An accepted connection.
pub type Stream = StreamOwned<ServerConnection, TcpStream>;

/// A file as it was when it was read: its inode, and the time of its last change.
type Seen = Option<(u64, i64, i64)>;

/// The files, and the configuration that was made of them.
pub struct Tls {
    files: [PathBuf; 3],
    /// Inodes of the certificate and the key when the server began: a file that another one replaces is not noticed.
    watched: [Option<u64>; 2],
    current: Mutex<(Arc<ServerConfig>, [Seen; 2])>,
}

/// The reason why the server ends, or does not listen.
pub enum Unusable {
    /// One of three files is missing: the exit code.
    Exit(u8),
    /// The private key has another form than PKCS#8, or the files do not fit: the server stays and does not listen.
    Silent(String),
}

impl Tls {
    /// Mutual TLS by the files that the environment names; nothing if it names none.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn of_environment() -> Result<Option<Self>, Unusable> {
        let named = VARIABLES.map(|name| std::env::var_os(name).map(PathBuf::from));
        let files = match named {
            [None, None, None] => return Ok(None),
            [Some(ca), Some(certificate), Some(key)] => [ca, certificate, key],
            _ => return Err(Unusable::Exit(11)),
        };
        if !files.iter().all(|file| file.exists()) {
            return Err(Unusable::Exit(10));
        }
        let seen = [seen(&files[1]), seen(&files[2])];
        let config = load(&files).map_err(Unusable::Silent)?;
        Ok(Some(Self {
            watched: seen.map(|seen| seen.map(|(inode, ..)| inode)),
            current: Mutex::new((config, seen)),
            files,
        }))
    }

    /// Answers the greeting of a client. It must have a certificate of the authority; no name is looked at.
    ///
    /// # Errors
    /// The files are no longer usable.
    pub fn accept(&self, stream: TcpStream) -> io::Result<Stream> {
        let config = self.renewed();
        let connection = ServerConnection::new(config).map_err(io::Error::other)?;
        Ok(StreamOwned::new(connection, stream))
    }

    /// The files are read again when the certificate or the key was written in place; the authority alone is not watched.
    fn renewed(&self) -> Arc<ServerConfig> {
        let now = [seen(&self.files[1]), seen(&self.files[2])];
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same_file = now.map(|seen| seen.map(|(inode, ..)| inode)) == self.watched;
        if is_same_file && now != current.1 {
            match load(&self.files) {
                Ok(config) => *current = (config, now),
                Err(why) => log(&format!("renewed TLS files are not used: {why}")),
            }
        }
        current.0.clone()
    }
}

fn seen(file: &Path) -> Seen {
    let data = fs::metadata(file).ok()?;
    Some((data.ino(), data.mtime(), data.mtime_nsec()))
}

fn load([ca, certificate, key]: &[PathBuf; 3]) -> Result<Arc<ServerConfig>, String> {
    let failed = |error: &dyn std::fmt::Display| error.to_string();
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_file_iter(ca).map_err(|error| failed(&error))? {
        let authority = authority.map_err(|error| failed(&error))?;
        roots.add(authority).map_err(|error| failed(&error))?;
    }
    let chain = CertificateDer::pem_file_iter(certificate).map_err(|error| failed(&error))?;
    let chain: Result<Vec<_>, _> = chain.collect();
    let chain = chain.map_err(|error| failed(&error))?;
    let key = PrivatePkcs8KeyDer::from_pem_file(key)
        .map_err(|_| format!("File does not contain valid private key: {}", key.display()))?;
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
    let verifier = verifier.build().map_err(|error| failed(&error))?;
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, PrivateKeyDer::Pkcs8(key))
        .map_err(|error| failed(&error))?;
    Ok(Arc::new(config))
}
