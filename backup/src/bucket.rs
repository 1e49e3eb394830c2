//! The folder of one cluster in a store: its layout, and requests with deadlines and bounded answers.
//!
//! ```text
//! <prefix>/<cluster>/<uid>/objects/<2 hex>/<digest>      the content of files
//!                          nodes/<backup>/<host id>/<digest>.json a node's files, never changed
//!                          backups/<backup>.json         written last: the backup exists
//!                          gone/<backup>.json            a tombstone: it exists no longer, and never again
//!                          running/<backup>/<who>.json   written first: the backup is being made
//!                          purge/…                       what a purge is about to delete
//! ```

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use casskop_backup_protocol::{Cluster, Digest, Limits, Name};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{
    Error, GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions,
};
use tokio::time::timeout;

use crate::clock::Clock;
use crate::error::{Failure, Result, chain};
use crate::pace::Pace;

/// One cluster's part of a store.
#[derive(Clone, Debug)]
pub struct Bucket {
    pub(crate) store: Arc<dyn ObjectStore>,
    root: String,
    pub(crate) cluster: Cluster,
    pub(crate) pace: Arc<Pace>,
    pub(crate) transfers: usize,
    /// For one request with all its repetitions.
    deadline: Duration,
    /// For how long a backup waits for a purge that deletes.
    pub(crate) patience: Duration,
    pub(crate) clock: Clock,
}

/// The end of an object that was to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deletion {
    Gone,
    /// An object lock keeps it, or these credentials may not delete.
    Locked,
}

impl Bucket {
    /// The part of `store` below `prefix` that belongs to `cluster`.
    pub fn new(
        store: Arc<dyn ObjectStore>,
        prefix: &str,
        cluster: &Cluster,
        limits: &Limits,
    ) -> Self {
        let folder = format!("{}/{}", cluster.name, cluster.uid);
        let root = if prefix.is_empty() {
            folder
        } else {
            format!("{prefix}/{folder}")
        };
        Self {
            store,
            root,
            cluster: cluster.clone(),
            pace: Arc::new(Pace::new(limits.bytes_per_second)),
            transfers: usize::try_from(limits.transfers.clamp(1, 64)).unwrap_or(4),
            deadline: Duration::from_secs(
                u64::from(limits.retry_seconds.min(Limits::RETRY_SECONDS))
                    + u64::from(limits.request_seconds.clamp(1, Limits::REQUEST_SECONDS)),
            ),
            patience: Duration::from_secs(120),
            clock: Clock::system(),
        }
    }

    /// Does not wait for a purge, and has this clock.
    #[cfg(test)]
    pub(crate) fn impatient(mut self, clock: Clock) -> Self {
        self.patience = Duration::ZERO;
        self.clock = clock;
        self
    }

    pub(crate) fn folder(&self, name: &str) -> Path {
        Path::from(format!("{}/{name}", self.root))
    }

    pub(crate) fn object(&self, digest: &Digest) -> Path {
        let hex = digest.to_string();
        self.folder(&format!("objects/{}/{hex}", &hex[..2]))
    }

    pub(crate) fn node(&self, backup: &Name, host: &Name, digest: &Digest) -> Path {
        self.folder(&format!("nodes/{backup}/{host}/{digest}.json"))
    }

    pub(crate) fn backup(&self, backup: &Name) -> Path {
        self.folder(&format!("backups/{backup}.json"))
    }

    pub(crate) fn running(&self, backup: &Name, who: &Name) -> Path {
        self.folder(&format!("running/{backup}/{who}.json"))
    }

    fn tombstone(&self, backup: &Name) -> Path {
        self.folder(&format!("gone/{backup}.json"))
    }

    /// Whether a backup was deleted or given up.
    pub(crate) async fn is_gone(&self, backup: &Name) -> Result<bool> {
        Ok(self.head(&self.tombstone(backup)).await?.is_some())
    }

    /// Ends a backup for ever. Before its other manifests and its marks are removed, so that no job that is late, and no request
    /// on its way, makes it exist without them.
    pub(crate) async fn bury(&self, backup: &Name) -> Result<()> {
        let path = self.tombstone(backup);
        self.put(&path, Bytes::from_static(b"{}")).await
    }

    async fn request<T>(
        &self,
        what: impl Fn() -> String,
        request: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T> {
        match self.bounded(request).await {
            Ok(answer) => Ok(answer),
            Err(error) => Err(Failure::store(what(), &error)),
        }
    }

    pub(crate) async fn bounded<T>(
        &self,
        request: impl Future<Output = object_store::Result<T>>,
    ) -> object_store::Result<T> {
        let late = |_| Error::Generic {
            store: "store",
            source: format!("no answer in {} s", self.deadline.as_secs()).into(),
        };
        timeout(self.deadline, request).await.map_err(late)?
    }

    /// Length and time of an object, if it is there.
    pub(crate) async fn head(&self, path: &Path) -> Result<Option<ObjectMeta>> {
        match self.bounded(self.store.head(path)).await {
            Ok(meta) => Ok(Some(meta)),
            // The answer to HEAD has no body: a bucket that is missing looks the same, and is told by the next write.
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(Failure::store(format!("look for {path}"), &error)),
        }
    }

    /// The content of an object that is not larger than `limit`.
    pub(crate) async fn read(&self, path: &Path, limit: u64) -> Result<Option<Bytes>> {
        let what = || format!("read {path}");
        let answer = match self
            .bounded(self.store.get_opts(path, GetOptions::default()))
            .await
        {
            Ok(answer) => answer,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(Failure::store(what(), &error)),
        };
        let large = |size| {
            Failure::damaged(
                what(),
                format!("it has {size} bytes or more, and {limit} are the most"),
                "look at who wrote it",
            )
        };
        let size = answer.meta.size;
        if size > limit {
            return Err(large(size));
        }
        let mut content = BytesMut::new();
        let mut pieces = answer.into_stream();
        while let Some(piece) = self.request(what, pieces.try_next()).await? {
            content.extend_from_slice(&piece);
            // With any header.
            if content.len() as u64 > limit {
                return Err(large(content.len() as u64));
            }
        }
        Ok(Some(content.freeze()))
    }

    /// A range of an object, which has to be there.
    pub(crate) async fn range(&self, path: &Path, from: u64, to: u64) -> Result<Bytes> {
        let what = || format!("read {path}");
        match self.bounded(self.store.get_range(path, from..to)).await {
            Ok(bytes) => Ok(bytes),
            Err(error @ Error::NotFound { .. }) => Err(Failure::damaged(
                what(),
                Failure::store("get it", &error),
                "restore another backup, or the object",
            )),
            Err(error) => Err(Failure::store(what(), &error)),
        }
    }

    pub(crate) async fn put(&self, path: &Path, content: Bytes) -> Result<()> {
        self.request(
            || format!("write {path}"),
            self.store.put(path, content.into()),
        )
        .await?;
        Ok(())
    }

    /// Writes an object that is not there yet. An answer that was lost is asked for: what is there is compared.
    pub(crate) async fn create(&self, path: &Path, content: Bytes) -> Result<()> {
        let what = || format!("write {path}");
        let options = PutOptions::from(PutMode::Create);
        let limit = content.len() as u64 + 1024;
        let error = match self
            .bounded(self.store.put_opts(path, content.clone().into(), options))
            .await
        {
            Ok(_) => return Ok(()),
            // A server that does not know If-None-Match. Two jobs may write one after the other then: each of them looks
            // afterwards at what is there.
            Err(error) if lacks(&error) && self.head(path).await?.is_none() => {
                return self.put(path, content).await;
            }
            Err(error) => error,
        };
        match self.read(path, limit).await {
            Ok(Some(there)) if there == content => Ok(()),
            Ok(Some(_)) => Err(Failure::failed(
                what(),
                "another one is there",
                "give the backup an id that was never used",
            )),
            Ok(None) | Err(_) => Err(Failure::store(what(), &error)),
        }
    }

    /// The objects below a folder; each page has the deadline.
    pub(crate) fn list(&self, folder: &Path) -> impl Stream<Item = Result<ObjectMeta>> + '_ {
        let what = format!("list {folder}");
        let pages = self.store.list(Some(folder));
        stream::unfold(Some(pages), move |pages| {
            let what = what.clone();
            async move {
                let mut pages = pages?;
                match self.request(|| what.clone(), pages.try_next()).await {
                    Ok(Some(meta)) => Some((Ok(meta), Some(pages))),
                    Ok(None) => None,
                    Err(failure) => Some((Err(failure), None)),
                }
            }
        })
    }

    pub(crate) async fn listed(&self, folder: &str) -> Result<Vec<ObjectMeta>> {
        self.list(&self.folder(folder)).try_collect().await
    }

    pub(crate) async fn delete(&self, path: &Path) -> Result<Deletion> {
        match self.bounded(self.store.delete(path)).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(Deletion::Gone),
            Err(Error::PermissionDenied { .. }) => Ok(Deletion::Locked),
            Err(error)
                if ["ObjectLocked", "BlobImmutable"]
                    .iter()
                    .any(|code| error.to_string().contains(code)) =>
            {
                Ok(Deletion::Locked)
            }
            Err(error) => Err(Failure::store(format!("delete {path}"), &error)),
        }
    }

    /// Deletes objects, some at once; the number of those that are locked.
    pub(crate) async fn delete_all(&self, paths: Vec<Path>) -> Result<u64> {
        let mut answers = stream::iter(paths)
            .map(|path| async move { self.delete(&path).await })
            .buffer_unordered(8);
        let mut locked = 0;
        while let Some(answer) = answers.next().await {
            locked += u64::from(answer? == Deletion::Locked);
        }
        Ok(locked)
    }
}

fn lacks(error: &Error) -> bool {
    match error {
        Error::NotImplemented { .. } | Error::NotSupported { .. } => true,
        Error::Generic { .. } => {
            let text = chain(error);
            text.contains("status code: 501") || text.contains("<Code>NotImplemented</Code>")
        }
        _ => false,
    }
}

/// A time of the store. Times are compared only with others of the same store: no clock of a node matters.
pub(crate) fn time_of(meta: &ObjectMeta) -> jiff::Timestamp {
    jiff::Timestamp::from_microsecond(meta.last_modified.timestamp_micros())
        .unwrap_or(jiff::Timestamp::MIN)
}

/// The last segment of a path, without `.json`.
pub(crate) fn json_name(path: &Path) -> Option<Name> {
    path.filename()?.strip_suffix(".json")?.parse().ok()
}

/// The segment before the last one.
pub(crate) fn parent_name(path: &Path) -> Option<Name> {
    path.as_ref().rsplit('/').nth(1)?.parse().ok()
}
