//! A watch of one cluster that reconnects after transient errors.

use std::time::Duration;

use casskop_common::api::CassandraCluster;
use futures::{StreamExt, stream::BoxStream};
use kube::{ResourceExt, api::WatchEvent};
use tokio::time::{Instant, sleep_until, timeout};

use super::{backoff::Backoff, clusters::Clusters, failure};
use crate::error::Result;

/// Shortest time between two attempts to connect.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Pauses between attempts to connect.
const PAUSES: Backoff = Backoff::new(FIRST_PAUSE, Duration::from_secs(15));
/// Longest silence of a watch: the server ends every watch earlier.
const SILENCE: Duration = Duration::from_secs(130);

/// A change of the cluster or of the connection.
pub enum Change {
    /// The cluster was written.
    Updated(Box<CassandraCluster>),
    /// The cluster was deleted.
    Deleted,
    /// The connection was lost, for this reason; the watch reconnects.
    Disconnected(String),
}

/// A watch of one cluster.
pub struct ClusterWatch<'a> {
    clusters: &'a Clusters,
    name: String,
    version: Option<String>,
    stream: Option<BoxStream<'static, kube::Result<WatchEvent<CassandraCluster>>>>,
    pauses: Backoff,
    not_before: Instant,
}

impl<'a> ClusterWatch<'a> {
    /// Watches the changes after `cluster`.
    pub fn after(clusters: &'a Clusters, cluster: &CassandraCluster) -> Self {
        Self {
            clusters,
            name: cluster.name_any(),
            version: cluster.resource_version(),
            stream: None,
            pauses: PAUSES,
            not_before: Instant::now(),
        }
    }

    /// The next change. The future is kept across repaints: with a new one for each, a slow answer would never arrive.
    ///
    /// # Errors
    /// When a new attempt cannot succeed, for example without the permission to watch.
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
                // The server ends every watch after a while.
                None => self.stream = None,
                Some(Ok(WatchEvent::Added(cluster) | WatchEvent::Modified(cluster))) => {
                    self.version = cluster.resource_version();
                    self.pauses = PAUSES;
                    return Ok(Change::Updated(Box::new(cluster)));
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

    /// Opens the watch; without a resource version the cluster is read first.
    async fn open(&mut self) -> Result<Option<Change>> {
        sleep_until(self.not_before).await;
        // A watch that ends at once must not cause a busy loop.
        self.not_before = Instant::now() + FIRST_PAUSE;
        let Some(version) = self.version.clone() else {
            return match timeout(SILENCE, self.clusters.fetch(&self.name)).await {
                Ok(Ok(None)) => Ok(Some(Change::Deleted)),
                Ok(Ok(Some(cluster))) => {
                    self.version = cluster.resource_version();
                    Ok(Some(Change::Updated(Box::new(cluster))))
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

    /// Schedules the next attempt; an expired resource version is no error, and the cluster is read again.
    fn lost(&mut self, error: &kube::Error) -> Result<Option<Change>> {
        self.stream = None;
        if !failure::is_transient(error) {
            return Err(self.clusters.watch_failed(&self.name, error));
        }
        if matches!(error, kube::Error::Api(status) if status.code == 410) {
            self.version = None;
            return Ok(None);
        }
        self.not_before = Instant::now() + self.pauses.next().unwrap_or(FIRST_PAUSE);
        Ok(Some(Change::Disconnected(failure::cause(error))))
    }
}
