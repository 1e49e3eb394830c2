//! Shared by the tests: folders, snapshots, jobs, and a store whose requests fail, lose answers, and can be stepped.

mod fake;

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};

use casskop_backup_protocol::{
    Cluster, CompleteJob, FetchJob, Limits, Name, NodeEntry, NodeJob, PurgeJob, Store,
};
use futures::poll;

pub(crate) use fake::{Fake, Fault};

/// A folder that goes with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "casskop-backup-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(crate) fn cluster() -> Cluster {
    Cluster {
        name: name("ring"),
        uid: name("uid-1"),
    }
}

pub(crate) const TABLE: &str = "users-0123456789abcdef0123456789abcdef";

/// Writes files of a table into a snapshot; `path` is relative to it.
pub(crate) fn snapshot(data: &Path, tag: &str, files: &[(&str, &[u8])]) {
    let folder = data.join("shop").join(TABLE).join("snapshots").join(tag);
    std::fs::create_dir_all(&folder).unwrap();
    for (path, content) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    list_data(&folder);
}

/// Writes `manifest.json` as Cassandra does.
pub(crate) fn list_data(folder: &Path) {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with('.') {
            let files = std::fs::read_dir(entry.path()).unwrap();
            names.extend(
                files.map(|file| format!("{name}/{}", file.unwrap().file_name().display())),
            );
        } else {
            names.push(name);
        }
    }
    names.retain(|name| name.ends_with("-Data.db"));
    let content = format!("{{\"files\": {names:?}, \"expires_at\": null}}");
    std::fs::write(folder.join("manifest.json"), content).unwrap();
}

pub(crate) fn node_job(data: &Path, backup: &str, host: &str) -> NodeJob {
    NodeJob {
        cluster: cluster(),
        store: Store::default(),
        backup: name(backup),
        started_at: "2026-11-28T00:00:00Z".parse().unwrap(),
        snapshot: name(backup),
        node: NodeEntry {
            host_id: name(host),
            pod: None,
            dc: "dc1".to_owned(),
            rack: "r1".to_owned(),
            tokens: vec![host.to_owned()],
            cassandra_version: "5.0.9".to_owned(),
            schema_version: "s".to_owned(),
            logins: Some(false),
        },
        keyspaces: Vec::new(),
        taken: Vec::new(),
        tables: Vec::new(),
        data_directories: vec![data.to_str().unwrap().to_owned()],
        previous: None,
        limits: Limits::default(),
    }
}

pub(crate) fn complete_job(backup: &str, hosts: &[&str]) -> CompleteJob {
    CompleteJob {
        cluster: cluster(),
        store: Store::default(),
        backup: name(backup),
        started_at: "2026-11-28T00:00:00Z".parse().unwrap(),
        nodes: hosts.iter().map(|host| name(host)).collect(),
        left_out: Vec::new(),
        elsewhere: Vec::new(),
        limits: Limits::default(),
    }
}

pub(crate) fn purge_job(keep_count: Option<u32>) -> PurgeJob {
    PurgeJob {
        cluster: cluster(),
        store: Store::default(),
        keep_count,
        keep_days: None,
        known: Vec::new(),
        over: Vec::new(),
        sweep_after_hours: 24,
        abandon_after_days: 7,
        limits: Limits::default(),
    }
}

pub(crate) fn fetch_job(backup: &str, host: &str, into: &Path) -> FetchJob {
    FetchJob {
        cluster: cluster(),
        store: Store::default(),
        backup: name(backup),
        host_id: Some(name(host)),
        place: None,
        into: into.to_str().unwrap().to_owned(),
        keyspaces: Vec::new(),
        num_tokens: None,
        cassandra: None,
        marker: None,
        volumes: Vec::new(),
        limits: Limits::default(),
    }
}

/// The act of a test at a request.
struct Hook(Box<dyn FnOnce() + Send>);

impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("hook")
    }
}

/// A command that a test steps.
pub(crate) struct Work<T> {
    running: Option<Pin<Box<dyn Future<Output = crate::Result<T>>>>>,
    /// After its end.
    pub(crate) result: Option<crate::Result<T>>,
}

impl<T> Work<T> {
    pub(crate) fn new(work: impl Future<Output = crate::Result<T>> + 'static) -> Self {
        Self {
            running: Some(Box::pin(work)),
            result: None,
        }
    }

    pub(crate) fn succeeded(&self) -> bool {
        matches!(self.result, Some(Ok(_)))
    }

    /// Goes on until the store has had so many requests more, or to the end.
    pub(crate) async fn go_on(&mut self, fake: &Fake, requests: usize) {
        let until = fake.requests().saturating_add(requests);
        while let Some(running) = &mut self.running
            && fake.requests() < until
        {
            if let std::task::Poll::Ready(result) = poll!(running) {
                self.result = Some(result);
                self.running = None;
            }
            // Tasks that read files are woken.
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn end(&mut self, fake: &Fake) {
        self.go_on(fake, usize::MAX).await;
    }
}
