//! Follows one cluster: tells each change, and survives what passes.

use std::time::Duration;

use casskop_common::api::CassandraCluster;
use futures::{StreamExt, stream::BoxStream};
use kube::{ResourceExt, api::WatchEvent};
use tokio::time::{Instant, sleep_until, timeout};

use crate::{client::explain, clusters::Clusters, error::Result};

/// Pause before the first new attempt to connect; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause between attempts.
const LAST_PAUSE: Duration = Duration::from_secs(15);
/// A watch that is silent for longer than the server lets it live is dead.
const SILENCE: Duration = Duration::from_secs(130);

/// What happened.
pub enum Change {
    /// The cluster is now like this.
    Seen(Box<CassandraCluster>),
    /// It is gone.
    Deleted,
    /// The connection was lost, for this reason; it is tried again.
    Trouble(String),
}

/// A watch of one cluster.
pub struct Follower<'a> {
    clusters: &'a Clusters,
    name: String,
    version: Option<String>,
    stream: Option<BoxStream<'static, kube::Result<WatchEvent<CassandraCluster>>>>,
    pause: Duration,
    not_before: Instant,
}

impl<'a> Follower<'a> {
    /// Follows what comes after `cluster`.
    pub fn after(clusters: &'a Clusters, cluster: &CassandraCluster) -> Self {
        Self {
            clusters,
            name: cluster.name_any(),
            version: cluster.resource_version(),
            stream: None,
            pause: FIRST_PAUSE,
            not_before: Instant::now(),
        }
    }

    /// The next change. Waits across repaints: begun anew each second, a slow answer would never arrive.
    ///
    /// # Errors
    /// When trying again cannot help, such as without the permission to watch.
    pub async fn next(&mut self) -> Result<Change> {
        loop {
            let Some(stream) = &mut self.stream else {
                if let Some(change) = self.open().await? {
                    return Ok(change);
                }
                continue;
            };
            let Ok(event) = timeout(SILENCE, stream.next()).await else {
                self.stream = None;
                continue;
            };
            match event {
                // The server ends every watch now and then.
                None => self.stream = None,
                Some(Ok(WatchEvent::Added(cluster) | WatchEvent::Modified(cluster))) => {
                    self.version = cluster.resource_version();
                    self.pause = FIRST_PAUSE;
                    return Ok(Change::Seen(Box::new(cluster)));
                }
                Some(Ok(WatchEvent::Deleted(_))) => return Ok(Change::Deleted),
                Some(Ok(WatchEvent::Bookmark(mark))) => {
                    self.version = Some(mark.metadata.resource_version);
                }
                Some(Ok(WatchEvent::Error(status))) => {
                    if let Some(change) = self.lost(&kube::Error::Api(status))? {
                        return Ok(change);
                    }
                }
                Some(Err(error)) => {
                    if let Some(change) = self.lost(&error)? {
                        return Ok(change);
                    }
                }
            }
        }
    }

    /// Opens the watch; where it left off is forgotten after a while, then the cluster is read anew.
    async fn open(&mut self) -> Result<Option<Change>> {
        sleep_until(self.not_before).await;
        // A watch that ends at once must not become a busy loop.
        self.not_before = Instant::now() + FIRST_PAUSE;
        let Some(version) = self.version.clone() else {
            return match timeout(SILENCE, self.clusters.fetch(&self.name)).await {
                Ok(Ok(None)) => Ok(Some(Change::Deleted)),
                Ok(Ok(Some(cluster))) => {
                    self.version = cluster.resource_version();
                    Ok(Some(Change::Seen(Box::new(cluster))))
                }
                Ok(Err(error)) => self.lost(&error),
                Err(_) => Ok(None),
            };
        };
        match timeout(SILENCE, self.clusters.watch(&self.name, &version)).await {
            Ok(Ok(stream)) => self.stream = Some(stream),
            Ok(Err(error)) => return self.lost(&error),
            Err(_) => {}
        }
        Ok(None)
    }

    /// Connects anew after a while; what is too old to go on from is read anew and no trouble.
    fn lost(&mut self, error: &kube::Error) -> Result<Option<Change>> {
        self.stream = None;
        if !explain::is_transient(error) {
            return Err(self.clusters.watch_failed(&self.name, error));
        }
        if matches!(error, kube::Error::Api(status) if status.code == 410) {
            self.version = None;
            return Ok(None);
        }
        self.not_before = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(LAST_PAUSE);
        Ok(Some(Change::Trouble(explain::cause(error))))
    }
}
