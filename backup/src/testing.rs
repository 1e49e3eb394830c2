//! What tests share: folders, snapshots, jobs, and a store whose requests fail, lose answers, and can be stepped.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use casskop_backup_protocol::{
    Cluster, CompleteJob, FetchJob, Limits, Name, NodeEntry, NodeJob, PurgeJob, Store,
};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::memory::InMemory;
use object_store::path::Path as Key;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

use crate::bucket::Bucket;

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
    for (path, content) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
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
        },
        keyspaces: Vec::new(),
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
        limits: Limits::default(),
    }
}

pub(crate) fn purge_job(keep_count: Option<u32>) -> PurgeJob {
    PurgeJob {
        cluster: cluster(),
        store: Store::default(),
        keep_count,
        keep_days: None,
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
        host_id: name(host),
        into: into.to_str().unwrap().to_owned(),
        keyspaces: Vec::new(),
        limits: Limits::default(),
    }
}

/// What a store does at a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The request does not arrive.
    Refused,
    /// It arrives, and the answer does not.
    AnswerLost,
}

#[derive(Debug, Default)]
struct State {
    requests: usize,
    /// From this request on; the first one as told, the others are refused.
    dies_at: Option<(usize, Fault)>,
    /// Writes of objects that were acknowledged, by key.
    acknowledged: HashMap<Key, u32>,
    /// When each key was written, in seconds of the virtual clock.
    written: HashMap<Key, u64>,
    now: u64,
}

/// A store in memory with a clock of its own. Each request yields before and after it, so that a test can step it and drop it.
#[derive(Clone, Debug)]
pub(crate) struct Fake {
    pub(crate) inner: Arc<InMemory>,
    state: Arc<Mutex<State>>,
}

impl Fake {
    pub(crate) fn new() -> Self {
        let state = State {
            now: 1_000_000_000,
            ..State::default()
        };
        Self {
            inner: Arc::new(InMemory::new()),
            state: Arc::new(Mutex::new(state)),
        }
    }

    pub(crate) fn bucket(&self) -> Bucket {
        Bucket::new(
            Arc::new(self.clone()),
            "pre/fix",
            &cluster(),
            &Limits::default(),
        )
        .impatient()
    }

    pub(crate) fn dies_at(&self, request: usize, fault: Fault) {
        let mut state = self.state.lock().unwrap();
        state.requests = 0;
        state.dies_at = Some((request, fault));
    }

    pub(crate) fn lives(&self) {
        self.state.lock().unwrap().dies_at = None;
    }

    /// Requests that it has had.
    pub(crate) fn requests(&self) -> usize {
        self.state.lock().unwrap().requests
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.state.lock().unwrap().now += seconds;
    }

    /// Acknowledged writes of objects with content.
    pub(crate) fn sent(&self) -> HashMap<Key, u32> {
        let acknowledged = &self.state.lock().unwrap().acknowledged;
        let object = |key: &&Key| key.as_ref().contains("/objects/");
        acknowledged
            .keys()
            .filter(object)
            .map(|key| (key.clone(), acknowledged[key]))
            .collect()
    }

    pub(crate) async fn keys(&self) -> Vec<String> {
        let all: Vec<ObjectMeta> = self.inner.list(None).try_collect().await.unwrap();
        all.into_iter()
            .map(|meta| meta.location.to_string())
            .collect()
    }

    async fn request<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::task::yield_now().await;
        let fault = {
            let mut state = self.state.lock().unwrap();
            // The clock moves: an object is younger than what was written before it.
            state.now += 1;
            let number = state.requests;
            state.requests += 1;
            match state.dies_at {
                Some((at, fault)) if number == at => Some(fault),
                Some((at, _)) if number > at => Some(Fault::Refused),
                _ => None,
            }
        };
        let lost = || Error::Generic {
            store: "fake",
            source: "connection reset".into(),
        };
        if fault == Some(Fault::Refused) {
            return Err(lost());
        }
        let answer = work.await;
        tokio::task::yield_now().await;
        if fault.is_some() { Err(lost()) } else { answer }
    }

    fn wrote(&self, key: &Key) {
        let mut state = self.state.lock().unwrap();
        let now = state.now;
        state.written.insert(key.clone(), now);
    }

    fn acknowledged(&self, key: &Key) {
        *self
            .state
            .lock()
            .unwrap()
            .acknowledged
            .entry(key.clone())
            .or_default() += 1;
    }

    fn dated(&self, mut meta: ObjectMeta) -> ObjectMeta {
        let written = self
            .state
            .lock()
            .unwrap()
            .written
            .get(&meta.location)
            .copied()
            .unwrap_or_default();
        let age = meta.last_modified.timestamp().unsigned_abs();
        meta.last_modified -= Duration::from_secs(age);
        meta.last_modified += Duration::from_secs(written);
        meta
    }
}

impl std::fmt::Display for Fake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("fake")
    }
}

#[derive(Debug)]
struct Parts(Fake, Key, Box<dyn MultipartUpload>);

#[async_trait::async_trait]
impl MultipartUpload for Parts {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (fake, part) = (self.0.clone(), self.2.put_part(data));
        Box::pin(async move { fake.request(part).await })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let (fake, key) = (self.0.clone(), self.1.clone());
        let answer = fake
            .request(async {
                let answer = self.2.complete().await;
                fake.wrote(&key);
                answer
            })
            .await?;
        self.0.acknowledged(&self.1);
        Ok(answer)
    }

    async fn abort(&mut self) -> Result<()> {
        self.2.abort().await
    }
}

#[async_trait::async_trait]
impl ObjectStore for Fake {
    async fn put_opts(
        &self,
        key: &Key,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let work = async {
            let answer = self.inner.put_opts(key, payload, options).await?;
            self.wrote(key);
            Ok(answer)
        };
        let answer = self.request(work).await?;
        self.acknowledged(key);
        Ok(answer)
    }

    async fn put_multipart_opts(
        &self,
        key: &Key,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let parts = self
            .request(self.inner.put_multipart_opts(key, options))
            .await?;
        Ok(Box::new(Parts(self.clone(), key.clone(), parts)))
    }

    async fn get_opts(&self, key: &Key, options: GetOptions) -> Result<GetResult> {
        let mut answer = self.request(self.inner.get_opts(key, options)).await?;
        answer.meta = self.dated(answer.meta);
        Ok(answer)
    }

    fn delete_stream(
        &self,
        keys: BoxStream<'static, Result<Key>>,
    ) -> BoxStream<'static, Result<Key>> {
        let fake = self.clone();
        keys.then(move |key| {
            let fake = fake.clone();
            async move {
                let key = key?;
                let one = stream::iter([Ok(key.clone())]).boxed();
                fake.request(fake.inner.delete_stream(one).try_collect::<Vec<_>>())
                    .await?;
                Ok(key)
            }
        })
        .boxed()
    }

    fn list(&self, prefix: Option<&Key>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (fake, prefix) = (self.clone(), prefix.cloned());
        let page = async move {
            let all = fake
                .request(fake.inner.list(prefix.as_ref()).try_collect::<Vec<_>>())
                .await?;
            let dated = all
                .into_iter()
                .map(|meta| Ok(fake.dated(meta)))
                .collect::<Vec<_>>();
            Ok::<_, Error>(stream::iter(dated))
        };
        stream::once(page).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Key>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Key, to: &Key, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
