//! Job descriptions: JSON in a file or an environment variable. They hold no secret.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::manifest::NodeEntry;
use crate::{Cluster, Name, Store};

/// Bounds of what a job takes from the node and from the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Limits {
    /// Files that are transferred at once.
    pub transfers: u32,
    /// Bytes in a second, read from the volume or from the store; without it as fast as it goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<u64>,
    /// Seconds until a request without an answer is given up: 1 to 300.
    pub request_seconds: u32,
    /// Seconds for which a request is tried again: at most 600.
    pub retry_seconds: u32,
}

/// A bound that no job can keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} is {value}: write {range}")]
pub struct LimitsError {
    name: &'static str,
    value: u64,
    range: &'static str,
}

impl Limits {
    /// Most seconds of [`Limits::request_seconds`].
    pub const REQUEST_SECONDS: u32 = 300;
    /// Most seconds of [`Limits::retry_seconds`].
    pub const RETRY_SECONDS: u32 = 600;

    /// Checks the bounds.
    ///
    /// # Errors
    /// With one of them, a job never ends or never moves.
    pub fn check(&self) -> Result<(), LimitsError> {
        let wrong = |name, value, range| Err(LimitsError { name, value, range });
        if !(1..=64).contains(&self.transfers) {
            return wrong("transfers", self.transfers.into(), "1 to 64");
        }
        if self.bytes_per_second == Some(0) {
            return wrong("bytesPerSecond", 0, "at least 1, or leave it out");
        }
        if !(1..=Self::REQUEST_SECONDS).contains(&self.request_seconds) {
            return wrong("requestSeconds", self.request_seconds.into(), "1 to 300");
        }
        if self.retry_seconds > Self::RETRY_SECONDS {
            return wrong("retrySeconds", self.retry_seconds.into(), "at most 600");
        }
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            transfers: 4,
            bytes_per_second: None,
            request_seconds: 60,
            retry_seconds: 150,
        }
    }
}

/// `casskop-backup node`: uploads the snapshot of one node and writes its manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeJob {
    /// The cluster that the node belongs to.
    pub cluster: Cluster,
    /// Where the backup is kept.
    pub store: Store,
    /// Id of the backup.
    pub backup: Name,
    /// When the backup began: the same for all nodes.
    pub started_at: Timestamp,
    /// Tag of the snapshot.
    pub snapshot: Name,
    /// The node, as the operator has read it.
    pub node: NodeEntry,
    /// Keyspaces to back up; all if there is none.
    #[serde(default)]
    pub keyspaces: Vec<Name>,
    /// Keyspaces that a snapshot was taken of: a table of them that had files then and has no snapshot is missing. One that was
    /// dropped or made meanwhile is not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taken: Vec<Name>,
    /// Tables that the snapshot has to have, as the schema names them; it may have others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<TableName>,
    /// Folders `<data>` with `<keyspace>/<table>-<id>/snapshots/<tag>/` below them; mounted read-only.
    pub data_directories: Vec<String>,
    /// An earlier backup of the same node: a file that is still the same one (inode, size, time of change) is not read again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Name>,
    /// Bounds.
    #[serde(default)]
    pub limits: Limits,
}

/// A table of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TableName {
    /// Its keyspace.
    pub keyspace: Name,
    /// Its folder, `<table>-<id>`.
    pub directory: Name,
}

/// `casskop-backup complete`: checks that everything is there and writes the cluster manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompleteJob {
    /// The cluster.
    pub cluster: Cluster,
    /// Where the backup is kept.
    pub store: Store,
    /// Id of the backup.
    pub backup: Name,
    /// When the backup began, as in the jobs of the nodes.
    pub started_at: Timestamp,
    /// Host ids of all nodes that the backup has to have.
    pub nodes: Vec<Name>,
    /// Names of nodes that are left out because the request says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<Name>,
    /// Host ids of members of the ring that run in other Kubernetes clusters, of which the backup has nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elsewhere: Vec<Name>,
    /// Bounds.
    #[serde(default)]
    pub limits: Limits,
}

/// `casskop-backup list`, `show`, `verify` and `delete`: a cluster in a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StoreJob {
    /// The cluster.
    pub cluster: Cluster,
    /// Where its backups are kept.
    pub store: Store,
    /// Bounds.
    #[serde(default)]
    pub limits: Limits,
}

/// `casskop-backup purge`: deletes old backups, and objects that no backup has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PurgeJob {
    /// The cluster.
    pub cluster: Cluster,
    /// Where its backups are kept.
    pub store: Store,
    /// Backups that are kept, the newest; without it and `keepDays` all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_count: Option<u32>,
    /// Days for which a backup is kept. With `keepCount`, a backup is kept if either says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_days: Option<u32>,
    /// Backups that are known: those that exist no longer are told among the deleted ones, whenever they were deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<Name>,
    /// Backups whose requests have ended for good: one of them that is not complete is given up at once, and holds no deletion up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub over: Vec<Name>,
    /// Hours between the pass that finds an object without a backup and the one that may delete it.
    #[serde(default = "default_sweep_after_hours")]
    pub sweep_after_hours: u32,
    /// Days without a sign of life after which a backup that was begun counts as given up: at least 1.
    #[serde(default = "default_abandon_after_days")]
    pub abandon_after_days: u32,
    /// Bounds.
    #[serde(default)]
    pub limits: Limits,
}

fn default_sweep_after_hours() -> u32 {
    24
}

fn default_abandon_after_days() -> u32 {
    7
}

/// `casskop-backup fetch`: brings the files of one node into an empty folder. Exactly one of `hostId` and `place` says which node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FetchJob {
    /// The cluster whose backup it is.
    pub cluster: Cluster,
    /// Where the backup is kept.
    pub store: Store,
    /// Id of the backup.
    pub backup: Name,
    /// Host id of the node in the backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_id: Option<Name>,
    /// Place of a node of a new ring, which becomes the node at the same place in the backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<NodePlace>,
    /// Folder that gets `<keyspace>/<table>-<id>/` with their files.
    pub into: String,
    /// Keyspaces to fetch; all if there is none.
    #[serde(default)]
    pub keyspaces: Vec<Name>,
    /// Number of tokens that the new node has by its configuration. That of the node of the backup has to be the same: a node that
    /// replaces it later follows the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_tokens: Option<u32>,
    /// Release of Cassandra that the new node runs, such as `5.0`, where it is known: not every one reads the files of every other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cassandra: Option<String>,
    /// File that gets a [`RestoreMarker`] once everything else is on the disk. The folder of it has nothing but `into`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
    /// With a marker: folders of the other volumes of the node, which have nothing but `into` either. Cassandra would replay an old
    /// commit log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<String>,
    /// Bounds.
    #[serde(default)]
    pub limits: Limits,
}

/// The place of a node in a ring, and the shape of that ring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodePlace {
    /// Its data center.
    pub dc: String,
    /// Its rack.
    pub rack: String,
    /// Its number in the rack, from 0: that of the node of the backup when those of the rack are sorted by their pods.
    pub ordinal: u32,
    /// All racks of the ring. The backup has to have the same racks, each with as many nodes.
    pub ring: Vec<RackShape>,
    /// Whether the nodes of the ring require logins of their clients. Those of the backup have to do the same: its roles come along.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub logins: bool,
}

/// A rack of a ring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RackShape {
    /// Its data center.
    pub dc: String,
    /// Its name.
    pub rack: String,
    /// Its nodes.
    pub nodes: u32,
}

/// The marker beside the files of a node once all of them are there, with all that the node needs for its first start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreMarker {
    /// The cluster that the backup is of.
    pub cluster: Cluster,
    /// Id of the backup.
    pub backup: Name,
    /// Place of the node in the new ring, if the job said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<NodePlace>,
    /// Host id of the node in the backup. The restored node has another one.
    pub host_id: Name,
    /// Its tokens.
    pub tokens: Vec<String>,
    /// Their number.
    pub num_tokens: u32,
    /// The version of Cassandra that wrote the files.
    pub cassandra_version: String,
}

impl RestoreMarker {
    /// Name of its file, in the root of the data volume.
    pub const FILE: &str = "casskop-restore.json";
    /// Name of the file beside it, which is there from before the first file of the backup on: as long as the marker is missing, the
    /// volume has no node's files, or not all of them.
    pub const BEGUN: &str = "casskop-restore.begun";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_that_no_job_can_keep() {
        let wrong: [fn(&mut Limits); 5] = [
            |limits| limits.transfers = 0,
            |limits| limits.bytes_per_second = Some(0),
            |limits| limits.request_seconds = 0,
            |limits| limits.request_seconds = 301,
            |limits| limits.retry_seconds = 601,
        ];
        assert_eq!(Limits::default().check(), Ok(()));
        for change in wrong {
            let mut limits = Limits::default();
            change(&mut limits);
            assert!(limits.check().is_err(), "{limits:?}");
        }
    }
}
