//! An S3 server with signatures and TLS (versitygw) inside the network of the testbed, at an address that pods reach.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use serde_json::{Value, json};

use crate::{
    Cluster,
    backups::uid,
    command::{self, inside},
    daemon::Daemon,
    management_api::Authority,
    site::HOME,
    trouble::testbed,
    wait::until,
};

/// The address of the first machine of the testbed, which hosts the server beside its pods.
const ADDRESS: &str = "10.250.0.1";
/// The bucket.
const BUCKET: &str = "backups";
/// The folder in the bucket.
const PREFIX: &str = "e2e";
/// The keys that the server accepts.
pub(crate) const KEYS: [(&str, &str); 2] = [
    ("AWS_ACCESS_KEY_ID", "backup"),
    ("AWS_SECRET_ACCESS_KEY", "a-key-of-the-tests-only"),
];

/// The server; it ends, and its objects go, when this value is dropped.
pub struct S3 {
    name: &'static str,
    port: u32,
    folder: PathBuf,
    daemon: Daemon,
    authority: Authority,
}

impl S3 {
    /// Starts a server with an empty bucket. Each test of a process has a name of its own.
    pub fn start(name: &'static str) -> Self {
        let folder = HOME.scratch(&format!("s3-{name}"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("objects").join(BUCKET))
            .expect("the run folder of the testbed is writable");
        let authority = Authority::default();
        let (certificate, key) = authority.issue(ADDRESS);
        let write = |name: &str, text: &str| {
            fs::write(folder.join(name), text).expect("the run folder of the testbed is writable");
        };
        write("tls.crt", &certificate);
        write("tls.key", &key);
        write("ca.crt", authority.pem());
        let mut server = Self {
            name,
            // That of a server that a killed run has left is another one.
            port: 20_000 + std::process::id() % 10_000,
            daemon: Daemon::new("the S3 server", folder.join("log")),
            folder,
            authority,
        };
        server.run();
        server
    }

    /// Runs the server again, with the objects that it had.
    pub fn run(&mut self) {
        let mut command = inside(&program());
        command
            .envs(
                ["ROOT_ACCESS_KEY_ID", "ROOT_SECRET_ACCESS_KEY"]
                    .into_iter()
                    .zip(KEYS.map(|(_, value)| value)),
            )
            .arg("--port")
            .arg(format!("{ADDRESS}:{}", self.port));
        for (option, file) in [("--cert", "tls.crt"), ("--key", "tls.key")] {
            command.arg(option).arg(self.folder.join(file));
        }
        command.arg("posix").arg(self.folder.join("objects"));
        self.daemon.run(command);
        let endpoint = self.endpoint();
        until(&format!("the S3 server {} to answer", self.name), || {
            let ended = self.daemon.exit_code();
            assert!(
                ended.is_none(),
                "the S3 server ended: {}",
                self.daemon.log()
            );
            let mut curl = inside("curl");
            curl.args(["-sS", "-m", "5", "-o", "/dev/null", "--cacert"])
                .arg(self.folder.join("ca.crt"))
                .arg(&endpoint);
            let answer = command::run(curl, "");
            match answer.code {
                0 => Ok(()),
                _ => Err(answer.stderr),
            }
        });
    }

    /// `kill -9`: connections are refused from now on.
    pub fn stop(&mut self) {
        self.daemon.kill();
    }

    /// Stops the server from answering, with its connections open, or lets it answer again.
    pub fn hang(&self, hangs: bool) {
        self.daemon.freeze(hangs);
    }

    /// The store, as the field `s3` of a spec and a description of a job have it.
    pub fn store(&self) -> Value {
        json!({
            "bucket": BUCKET, "prefix": PREFIX, "endpoint": self.endpoint(), "region": "us-east-1",
            "ca": self.authority.pem(),
        })
    }

    /// The objects of a cluster below a folder, with their sizes: by their names below it.
    pub fn objects(&self, cluster: &Cluster, folder: &str) -> BTreeMap<String, u64> {
        let root = self.folder.join("objects").join(BUCKET).join(PREFIX);
        let root = root.join(&cluster.name).join(uid(cluster)).join(folder);
        let mut found = BTreeMap::new();
        collect(&root, &root, &mut found);
        found
    }

    fn endpoint(&self) -> String {
        format!("https://{ADDRESS}:{}", self.port)
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        // The log is shown by the field that is dropped next.
        if !std::thread::panicking() {
            self.daemon.kill();
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// A Secret with the keys that the server accepts, or with another secret key.
pub fn secret(name: &str, other: Option<&str>) -> Value {
    let [(id, id_value), (key, key_value)] = KEYS;
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name },
        "stringData": { id: id_value, key: other.unwrap_or(key_value) },
    })
}

/// The files below a folder. An object that is written is renamed to its name: what is not there any more is no object.
fn collect(root: &Path, folder: &Path, found: &mut BTreeMap<String, u64>) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        let path = entry.path();
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => collect(root, &path, found),
            Ok(metadata) => {
                let name = path.strip_prefix(root).unwrap_or(&path);
                found.insert(name.to_string_lossy().into_owned(), metadata.len());
            }
            Err(_) => {}
        }
    }
}

/// The path of versitygw, which the testbed builds once and keeps.
fn program() -> String {
    static FOLDER: OnceLock<String> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| command::run(testbed("s3.sh", &[]), "").ok());
    format!("{}/versitygw", folder.trim())
}
