//! Reports of a node.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use casskop_common::api::OperationMode;
use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

/// Stands for the host id of a member that a node knows only by its address: it was down when the others restarted.
/// No host id is equal to it.
pub const UNKNOWN_HOST_ID: &str = "unknown";

/// Report of a node about itself and its peers, read at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// `StorageService.OperationMode`; `STARTING` also while Cassandra has registered nothing yet.
    pub mode: OperationMode,
    /// Addresses of the peers it sees up, itself among them.
    pub live: Arc<BTreeSet<String>>,
    /// Addresses of the peers it sees down.
    pub unreachable: Arc<BTreeSet<String>>,
    /// Addresses of joining nodes.
    pub joining: BTreeSet<String>,
    /// Addresses of leaving nodes.
    pub leaving: BTreeSet<String>,
    /// Addresses of moving nodes.
    pub moving: BTreeSet<String>,
    /// Host ids of the ring, by address; [`UNKNOWN_HOST_ID`] where the node knows only the address of a member.
    pub host_ids: Arc<BTreeMap<String, String>>,
    /// Its own host id.
    pub local_host_id: String,
    /// `StorageService.ReleaseVersion`.
    pub version: String,
    /// Whether clients can connect.
    pub native_transport: bool,
    /// `StorageService.SchemaVersion`.
    pub schema_version: String,
    /// Keyspaces that are replicated (`NonLocalStrategyKeyspaces`), sorted.
    pub keyspaces: Arc<Vec<String>>,
    /// Bytes of live data on disk.
    pub load: i64,
    /// Names of its snapshots (`StorageService.SnapshotDetails`); read only where something depends on them.
    pub snapshots: Option<BTreeSet<String>>,
    /// Tokens that it owns (`StorageService.Tokens`); nothing where it does not say.
    pub tokens: Option<usize>,
}

impl Reading {
    /// Whether the node is a member of the ring, whether it serves clients or not.
    pub fn is_member(&self) -> bool {
        self.mode == OperationMode::Normal
    }

    /// Whether the node is a member of the ring and serves clients.
    pub fn is_serving(&self) -> bool {
        self.is_member() && self.native_transport
    }

    /// Members that it sees down. Nodes that have left the ring count as unreachable for days, but not as members.
    pub fn down_members(&self) -> impl Iterator<Item = &String> {
        self.unreachable
            .iter()
            .filter(|ip| self.host_ids.contains_key(*ip))
    }

    /// Number of the members that it sees up, itself among them. A node that is known by gossip only is no member.
    pub fn members_up(&self) -> usize {
        let is_member =
            |ip: &&String| self.host_ids.contains_key(*ip) && !self.joining.contains(*ip);
        self.live.iter().filter(is_member).count()
    }

    /// Address of a member, by its host id.
    pub fn address_of(&self, host_id: &str) -> Option<&String> {
        let mut members = self.host_ids.iter();
        members
            .find(|(_, member)| *member == host_id)
            .map(|(ip, _)| ip)
    }

    /// Whether the host id may be that of a member: it is, or the node knows a member only by its address.
    pub fn may_know(&self, host_id: &str) -> bool {
        let mut members = self.host_ids.values();
        members.any(|member| member == host_id || member == UNKNOWN_HOST_ID)
    }

    /// Whether the list of members has the node itself. A list without it is incomplete, and proves the absence of none.
    pub fn knows_itself(&self) -> bool {
        let mut members = self.host_ids.values();
        members.any(|member| *member == self.local_host_id)
    }

    /// Whether the node sees a member of the ring come, go or move.
    pub fn is_settled(&self) -> bool {
        self.joining.is_empty() && self.leaving.is_empty() && self.moving.is_empty()
    }
}

/// Work in progress on a node, read at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// `StorageService.OperationMode`, as in [`Reading::mode`].
    pub mode: OperationMode,
    /// Whether clients can connect.
    pub native_transport: bool,
    /// Tasks that work on `SSTables` (`CompactionManager.Compactions`).
    pub tasks: Vec<Compaction>,
    /// Data that comes or goes (`StreamManager.CurrentStreams`).
    pub streams: Vec<Stream>,
}

impl Activity {
    /// Whether the node is a member of the ring and serves clients.
    pub fn is_serving(&self) -> bool {
        self.mode == OperationMode::Normal && self.native_transport
    }
}

/// A compaction-like task that runs on a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Compaction {
    /// Keyspace of the task.
    pub keyspace: String,
    /// Table of the task.
    #[serde(rename = "columnfamily")]
    pub table: String,
    /// Such as `Cleanup` or `Compaction`.
    #[serde(rename = "taskType")]
    pub task: String,
    /// Units that are done; Cassandra writes numbers as text.
    #[serde(default)]
    pub completed: String,
    /// Units in all.
    #[serde(default)]
    pub total: String,
    /// The unit of the count, such as `bytes`.
    #[serde(default)]
    pub unit: String,
    /// Id of the task, by which it can be stopped.
    #[serde(default, rename = "compactionId")]
    pub id: String,
}

/// A stream plan that runs on a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Stream {
    /// Such as `Bootstrap`, `Rebuild` or `Unbootstrap`.
    pub description: String,
    /// Bytes received so far.
    #[serde(deserialize_with = "number")]
    pub current_rx_bytes: i64,
    /// Bytes to receive.
    #[serde(deserialize_with = "number")]
    pub total_rx_bytes: i64,
    /// Bytes sent so far.
    #[serde(deserialize_with = "number")]
    pub current_tx_bytes: i64,
    /// Bytes to send.
    #[serde(deserialize_with = "number")]
    pub total_tx_bytes: i64,
}

/// A number, or its text: an agent writes the numbers at its depth limit as text.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    struct Number;

    impl Visitor<'_> for Number {
        type Value = i64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an integer or its text")
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<i64, E> {
            Ok(number)
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<i64, E> {
            i64::try_from(number).map_err(E::custom)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<i64, E> {
            text.parse().map_err(E::custom)
        }
    }

    deserializer.deserialize_any(Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_that_are_up_count() {
        let ips =
            |ips: &[&str]| -> BTreeSet<String> { ips.iter().map(|ip| (*ip).to_owned()).collect() };
        let members = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"];
        let hosts = members.map(|ip| (ip.to_owned(), format!("id of {ip}")));
        let reading = Reading {
            // The last one is known by gossip only.
            live: Arc::new(ips(&["10.0.0.1", "10.0.0.2", "10.0.0.4", "10.0.0.9"])),
            unreachable: Arc::new(ips(&["10.0.0.3"])),
            joining: ips(&["10.0.0.4"]),
            host_ids: Arc::new(hosts.into()),
            ..Reading::default()
        };
        assert_eq!(reading.members_up(), 2);
    }
}
