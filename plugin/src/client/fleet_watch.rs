//! A watch of all clusters that reconnects after transient errors, and after refusals.

use std::time::Duration;

use casskop_common::{api::CassandraCluster, readable::Readable};
use futures::{StreamExt, stream::BoxStream};
use kube::{ResourceExt, api::WatchEvent};
use tokio::time::{Instant, sleep_until, timeout};

use super::{backoff::Backoff, clusters::Clusters, failure};
use crate::{
    error::{CliError, Kind, Result},
    model::fleet::{Key, key},
};

/// Shortest time between two attempts to connect.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Pauses between attempts to connect.
const PAUSES: Backoff = Backoff::new(FIRST_PAUSE, Duration::from_secs(15));
/// Time in which a server that refuses a watch has said so: the error is the first line of the stream.
const REFUSAL: Duration = Duration::from_millis(500);
/// Longest wait for the answer to a watch.
const OPENING: Duration = Duration::from_secs(20);
/// Longest silence of a watch: the server ends every watch earlier.
const SILENCE: Duration = Duration::from_secs(130);

/// A change of the clusters or of the connection.
pub enum Change {
    /// All clusters, as they were listed.
    Listed(Vec<Readable<CassandraCluster>>),
    /// The watch is open, and all changes until now have arrived.
    Alive,
    /// One cluster was written.
    Written(Box<Readable<CassandraCluster>>),
    /// One cluster was deleted.
    Deleted(Key),
    /// The connection was lost, for this reason; the watch reconnects.
    Disconnected(String),
}

/// A watch of the clusters of the namespace, or of all namespaces.
pub struct FleetWatch<'a> {
    clusters: &'a Clusters,
    all: bool,
    version: Option<String>,
    stream: Option<BoxStream<'static, kube::Result<WatchEvent<Readable<CassandraCluster>>>>>,
    /// Whether the stream has told anything, or stayed open.
    is_told: bool,
    pauses: Backoff,
    not_before: Instant,
}

impl<'a> FleetWatch<'a> {
    /// Lists the clusters, and watches their changes.
    pub fn new(clusters: &'a Clusters, all: bool) -> Self {
        Self {
            clusters,
            all,
            version: None,
            stream: None,
            is_told: false,
            pauses: PAUSES,
            not_before: Instant::now(),
        }
    }

    /// The next change. After an error the next call tries again, after a pause.
    ///
    /// # Errors
    /// When the API server refuses, for example without the permission to list.
    pub async fn next(&mut self) -> Result<Change> {
        loop {
            let Some(stream) = &mut self.stream else {
                if let Some(change) = self.open().await? {
                    return Ok(change);
                }
                continue;
            };
            let patience = if self.is_told { SILENCE } else { REFUSAL };
            let Ok(event) = timeout(patience, stream.next()).await else {
                if self.is_told {
                    self.stream = None;
                    continue;
                }
                self.heard();
                return Ok(Change::Alive);
            };
            match event {
                // The server ends every watch after a while.
                None if self.is_told => self.stream = None,
                None => {
                    self.stream = None;
                    self.pause();
                    let why = "the watch ends as soon as it is open".to_owned();
                    return Ok(Change::Disconnected(why));
                }
                Some(Ok(WatchEvent::Added(cluster) | WatchEvent::Modified(cluster))) => {
                    self.version = cluster.resource_version();
                    self.heard();
                    return Ok(Change::Written(Box::new(cluster)));
                }
                Some(Ok(WatchEvent::Deleted(cluster))) => {
                    self.version = cluster.resource_version();
                    self.heard();
                    return Ok(Change::Deleted(key(&cluster)));
                }
                Some(Ok(WatchEvent::Bookmark(mark))) => {
                    self.version = Some(mark.metadata.resource_version);
                    self.heard();
                    return Ok(Change::Alive);
                }
                Some(Ok(WatchEvent::Error(status))) => {
                    if let Some(change) = self.lost("watch", &kube::Error::Api(status))? {
                        return Ok(change);
                    }
                }
                Some(Err(error)) => {
                    if let Some(change) = self.lost("watch", &error)? {
                        return Ok(change);
                    }
                }
            }
        }
    }

    /// The watch has told something: it is open, and the next failure is the first one.
    fn heard(&mut self) {
        self.is_told = true;
        self.pauses = PAUSES;
    }

    /// Opens the watch; without a resource version the clusters are listed first.
    async fn open(&mut self) -> Result<Option<Change>> {
        sleep_until(self.not_before).await;
        let Some(version) = self.version.clone() else {
            return match self.clusters.fetch_all(self.all).await {
                Ok(Ok(list)) => {
                    self.version = Some(list.metadata.resource_version.unwrap_or_default());
                    Ok(Some(Change::Listed(list.items)))
                }
                Ok(Err(error)) => self.lost("list", &error),
                Err(error) if error.kind == Kind::NoAnswer => {
                    self.pause();
                    Ok(Some(Change::Disconnected(error.message)))
                }
                Err(error) => Err(self.refused(error)),
            };
        };
        // A watch that ends at once must not cause a busy loop.
        self.not_before = Instant::now() + FIRST_PAUSE;
        match timeout(OPENING, self.clusters.watch_all(self.all, &version)).await {
            Ok(Ok(stream)) => {
                self.stream = Some(stream);
                self.is_told = false;
                Ok(None)
            }
            Ok(Err(error)) => self.lost("watch", &error),
            Err(_) => {
                self.pause();
                let seconds = OPENING.as_secs();
                let why = format!("no answer to a watch within {seconds}s");
                Ok(Some(Change::Disconnected(why)))
            }
        }
    }

    /// Schedules the next attempt; an expired resource version is no error, and the clusters are listed again.
    fn lost(&mut self, verb: &'static str, error: &kube::Error) -> Result<Option<Change>> {
        self.stream = None;
        if !failure::is_transient(error) {
            let error = self.clusters.all_failed(verb, self.all, error);
            return Err(self.refused(error));
        }
        self.pause();
        if matches!(error, kube::Error::Api(status) if status.code == 410) {
            self.version = None;
            return Ok(None);
        }
        Ok(Some(Change::Disconnected(failure::cause(error))))
    }

    /// A refusal may end later: the clusters are listed again.
    fn refused(&mut self, error: CliError) -> CliError {
        self.version = None;
        self.pause();
        error
    }

    fn pause(&mut self) {
        self.not_before = Instant::now() + self.pauses.next().unwrap_or(FIRST_PAUSE);
    }
}
