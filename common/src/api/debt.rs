//! Pending cleanup: the reason why a node holds data that it no longer owns, and the record that is needed to detect
//! it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::NodeStatus;

/// Reason for which a node may hold data that it no longer owns. The later reasons include the earlier ones.
#[derive(
    Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord,
)]
pub enum CleanupReason {
    /// A keyspace is no longer replicated in the data center. Nodes that leave hand no such data back.
    ReplicationRemoved,
    /// A keyspace has fewer replicas in the data center than before, or is replicated by another strategy.
    ReplicationReduced,
    /// A decommission in the data center failed and the node stays: it has streamed data to other nodes.
    DecommissionFailed,
    /// Other nodes have joined the data center.
    NodesJoined,
}

/// Last observed replication of the keyspaces.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SeenReplication {
    /// Version of the schema of this observation (`StorageService.SchemaVersion`).
    pub schema_version: String,
    /// Replicas of each keyspace by data center; `*` is `SimpleStrategy`, which has no data centers. The first 1000
    /// keyspaces by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keyspaces: BTreeMap<String, BTreeMap<String, i32>>,
}

impl SeenReplication {
    /// Stands for all data centers: `SimpleStrategy` knows none.
    pub const ANYWHERE: &str = "*";
}

impl NodeStatus {
    /// The reason why the node requires a cleanup, if it does. A record without a reason is from an operator version
    /// that required cleanups only after growth.
    pub fn owes_cleanup(&self) -> Option<CleanupReason> {
        self.cleanup_required_since.as_ref()?;
        self.cleanup_required_reason
            .or(Some(CleanupReason::NodesJoined))
    }
}
