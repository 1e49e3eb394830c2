//! The nodes of a ring, in Cassandra's own words. How the words travel is the transport's business
//! ([`jolokia`]); nothing else in the operator knows about it.

pub mod jolokia;
mod replication;

pub use replication::Replication;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use casskop_common::names::RackId;
use serde::{Deserialize, Serialize};

/// Something a node is told to do. Blocks until it is done, which may take hours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Call {
    /// `StorageService.forceKeyspaceCleanup(int, String, String...)`: drops what the node no longer owns.
    Cleanup {
        /// Keyspace to clean.
        keyspace: String,
        /// Its tables; none is all of them.
        tables: Vec<String>,
        /// Threads; 0 is as many as compaction has.
        jobs: i32,
    },
    /// `StorageService.forceKeyspaceFlush(String, String...)`: writes memtables to disk.
    Flush {
        /// Keyspace to flush.
        keyspace: String,
        /// Its tables; none is all of them.
        tables: Vec<String>,
    },
    /// `StorageService.forceKeyspaceCompaction(boolean, String, String...)`.
    Compact {
        /// Keyspace to work on.
        keyspace: String,
        /// Its tables; none is all of them.
        tables: Vec<String>,
        /// Whether several files are left instead of one.
        split: bool,
    },
    /// `StorageService.garbageCollect(String, int, String, String...)`.
    GarbageCollect {
        /// Keyspace to work on.
        keyspace: String,
        /// Its tables; none is all of them.
        tables: Vec<String>,
        /// Whether single cells are looked at, too.
        cells: bool,
        /// Threads; 0 is as many as compaction has.
        jobs: i32,
    },
    /// `StorageService.scrub` with seven arguments, which every version has.
    Scrub {
        /// Keyspace to work on.
        keyspace: String,
        /// Its tables; none is all of them.
        tables: Vec<String>,
        /// Whether what cannot be read is left out.
        skip_corrupted: bool,
        /// Whether a snapshot is made before.
        snapshot: bool,
        /// Threads; 0 is as many as compaction has.
        jobs: i32,
    },
    /// `StorageService.upgradeSSTables(String, boolean, int, String...)`.
    UpgradeSsTables {
        /// Keyspace to work on.
        keyspace: String,
        /// Its tables; none is all of them.
        tables: Vec<String>,
        /// Whether files of the newest format are rewritten, too.
        include_all: bool,
        /// Threads; 0 is as many as compaction has.
        jobs: i32,
    },
    /// `StorageService.relocateSSTables(int, String, String...)`.
    Relocate {
        /// Keyspace to work on.
        keyspace: String,
        /// Its tables; none is all of them.
        tables: Vec<String>,
        /// Threads; 0 is as many as compaction has.
        jobs: i32,
    },
    /// `StorageService.loadNewSSTables(String, String)`.
    Refresh {
        /// Its keyspace.
        keyspace: String,
        /// The table.
        table: String,
    },
    /// `StorageService.repairAsync(String, Map)`, followed to its end by `getParentRepairStatus(int)` (4.0 and later).
    Repair {
        /// Keyspace to repair.
        keyspace: String,
        /// Its tables; none is all of them.
        tables: Vec<String>,
        /// Whether all data is compared, and not only what was written since the last repair.
        full: bool,
        /// Whether only ranges are repaired that the node is the first replica of.
        primary_range: bool,
        /// `sequential`, `parallel` or `dc_parallel`.
        parallelism: &'static str,
    },
    /// `CompactionManager.stopCompactionById(String)`: stops a task that works on `SSTables`; its files stay as they were.
    StopTask {
        /// Id of the task.
        id: String,
    },
    /// `StorageService.forceTerminateAllRepairSessions()`: ends the repairs that the node has begun.
    StopRepairs,
    /// `StorageService.takeSnapshot(String, Map, String...)`.
    Snapshot {
        /// Keyspace to work on.
        keyspace: String,
        /// Its tables; none is all of them.
        tables: Vec<String>,
        /// Name of the snapshot.
        name: String,
        /// When Cassandra deletes it (4.1 and later), such as `12h`.
        ttl: Option<String>,
        /// Whether memtables are left out.
        skip_flush: bool,
    },
    /// `StorageService.clearSnapshot(String, String...)`.
    ClearSnapshot {
        /// Keyspaces; none is all of them.
        keyspaces: Vec<String>,
        /// Name of the snapshot.
        name: String,
    },
    /// `StorageService.drain()`: writes memtables to disk and stops taking part in the ring, until a restart.
    Drain,
    /// `StorageService.rebuild(String, String, String, String)`: streams the node's ranges of a keyspace from another data
    /// center.
    Rebuild {
        /// The data center.
        from_dc: String,
        /// Its keyspace.
        keyspace: String,
    },
    /// `StorageService.removeNode(String)`: takes a dead node out of the ring; its ranges are streamed among the others.
    RemoveNode {
        /// Host id of the dead node.
        host_id: String,
    },
    /// `StorageService.decommission(boolean)`: streams all data to the other nodes and leaves the ring.
    Decommission {
        /// Whether to leave although a keyspace then has fewer nodes than replicas.
        force: bool,
    },
}

/// What a node says of itself and of its peers, read at once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Reading {
    /// `StorageService.OperationMode`; `STARTING` also while Cassandra has registered nothing yet.
    pub mode: String,
    /// Addresses of the peers it sees up, itself among them.
    pub live: BTreeSet<String>,
    /// Addresses of the peers it sees down.
    pub unreachable: BTreeSet<String>,
    /// Addresses of joining nodes.
    pub joining: BTreeSet<String>,
    /// Addresses of leaving nodes.
    pub leaving: BTreeSet<String>,
    /// Addresses of moving nodes.
    pub moving: BTreeSet<String>,
    /// Host ids of the ring, by address.
    pub host_ids: BTreeMap<String, String>,
    /// Its own host id.
    pub local_host_id: String,
    /// `StorageService.ReleaseVersion`.
    pub version: String,
    /// Whether clients can connect.
    pub native_transport: bool,
    /// `StorageService.SchemaVersion`.
    pub schema_version: String,
    /// Keyspaces that are replicated (`NonLocalStrategyKeyspaces`), sorted.
    pub keyspaces: Vec<String>,
    /// Bytes of live data on disk.
    pub load: i64,
    /// Tokens that it owns (`StorageService.Tokens`); nothing where it does not say.
    pub tokens: Option<usize>,
}

impl Reading {
    /// Whether the node is a member of the ring and serves clients.
    pub fn is_normal(&self) -> bool {
        self.mode == "NORMAL" && self.native_transport
    }

    /// Members that it sees down. Nodes that have left the ring count as unreachable for days, but not as members.
    pub fn down_members(&self) -> impl Iterator<Item = &String> {
        self.unreachable
            .iter()
            .filter(|ip| self.host_ids.contains_key(*ip))
    }

    /// Address of a member, by its host id.
    pub fn address_of(&self, host_id: &str) -> Option<&String> {
        let mut members = self.host_ids.iter();
        members
            .find(|(_, member)| *member == host_id)
            .map(|(ip, _)| ip)
    }

    /// Whether the node sees a member of the ring come, go or move.
    pub fn is_settled(&self) -> bool {
        self.joining.is_empty() && self.leaving.is_empty() && self.moving.is_empty()
    }
}

/// What a node is busy with, read at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// `StorageService.OperationMode`, as in [`Reading::mode`].
    pub mode: String,
    /// Whether clients can connect.
    pub native_transport: bool,
    /// Tasks that work on `SSTables` (`CompactionManager.Compactions`).
    pub tasks: Vec<Compaction>,
    /// Data that comes or goes (`StreamManager.CurrentStreams`).
    pub streams: Vec<Stream>,
}

impl Activity {
    /// Whether the node is a member of the ring and serves clients.
    pub fn is_normal(&self) -> bool {
        self.mode == "NORMAL" && self.native_transport
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
    /// What is counted, such as `bytes`.
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
    pub current_rx_bytes: i64,
    /// Bytes to receive.
    pub total_rx_bytes: i64,
    /// Bytes sent so far.
    pub current_tx_bytes: i64,
    /// Bytes to send.
    pub total_tx_bytes: i64,
}

/// Name and password of the Jolokia agents of a cluster. Neither is ever printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Name of the user.
    pub username: String,
    /// Its password.
    pub password: String,
    /// Those before: a node knows the one it was started with.
    pub older: Vec<Credentials>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// Where a node listens, and how to be let in.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Address of the pod.
    pub ip: String,
    /// Port of the agent.
    pub port: u16,
    /// Shared by the nodes of a cluster.
    pub credentials: Arc<Credentials>,
}

/// Talks to nodes from asynchronous code: a blocking HTTP client on threads of its own. A call that takes hours has
/// its own thread and starves nobody; nothing waits for it at the end of the process.
#[derive(Clone)]
pub struct Transport {
    agent: ureq::Agent,
}

impl Default for Transport {
    fn default() -> Self {
        // No proxy: nodes are addressed by pod IP. No connection is kept: there may be thousands of nodes, and the
        // agent answers 40 ms late on a used one (its two small writes meet a delayed acknowledgement).
        let config = ureq::Agent::config_builder()
            .proxy(None)
            .max_idle_connections(0)
            .max_idle_connections_per_host(0);
        Self {
            agent: config.build().new_agent(),
        }
    }
}

impl Transport {
    /// Reads what a node says of itself and of the ring.
    pub async fn read(&self, endpoint: Endpoint) -> Result<Reading, NodeError> {
        let agent = self.agent.clone();
        blocking(move || jolokia::read(&agent, &endpoint)).await
    }

    /// The same of a node that did not answer before: it is not waited for as long.
    pub async fn read_briefly(&self, endpoint: Endpoint) -> Result<Reading, NodeError> {
        let agent = self.agent.clone();
        blocking(move || jolokia::read_briefly(&agent, &endpoint)).await
    }

    /// Reads what a node is busy with.
    pub async fn activity(&self, endpoint: Endpoint) -> Result<Activity, NodeError> {
        let agent = self.agent.clone();
        blocking(move || jolokia::activity(&agent, &endpoint)).await
    }

    /// Reads how keyspaces are replicated, by their names.
    pub async fn replication(
        &self,
        endpoint: Endpoint,
        keyspaces: Vec<String>,
    ) -> Result<BTreeMap<String, Replication>, NodeError> {
        let agent = self.agent.clone();
        blocking(move || jolokia::replication(&agent, &endpoint, &keyspaces)).await
    }

    /// Asks a node where others are, by their addresses.
    pub async fn places(
        &self,
        endpoint: Endpoint,
        ips: Vec<String>,
    ) -> Result<BTreeMap<String, RackId>, NodeError> {
        let agent = self.agent.clone();
        blocking(move || jolokia::places(&agent, &endpoint, &ips)).await
    }

    /// Tells a node to do something and waits until it is done.
    pub async fn call(&self, endpoint: Endpoint, call: Call) -> Result<(), NodeError> {
        let agent = self.agent.clone();
        let (answer, received) = tokio::sync::oneshot::channel();
        let work = move || drop(answer.send(jolokia::call(&agent, &endpoint, &call)));
        let thread = std::thread::Builder::new()
            .name("node-call".into())
            .stack_size(CALL_STACK)
            .spawn(work);
        thread
            .map_err(|error| NodeError::Unreachable(format!("no thread for the call: {error}")))?;
        received.await.unwrap_or_else(|_| {
            Err(NodeError::Unreachable(
                "the call's thread ended early".into(),
            ))
        })
    }
}

/// Stack of a thread that waits for one HTTP answer.
const CALL_STACK: usize = 256 * 1024;

async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, NodeError> + Send + 'static,
) -> Result<T, NodeError> {
    let ended = tokio::task::spawn_blocking(read).await;
    ended.unwrap_or_else(|error| {
        Err(NodeError::Unreachable(format!(
            "the read's thread ended early: {error}"
        )))
    })
}

/// Why a node gave no answer that could be used.
#[derive(thiserror::Error, Clone, Debug, PartialEq, Eq, Serialize)]
pub enum NodeError {
    /// No connection, or it broke before an answer came. Whether a call had begun is unknown.
    #[error("the node does not answer ({0})")]
    Unreachable(String),
    /// No answer in time.
    #[error("the node did not answer within {0} s")]
    Timeout(u64),
    /// Wrong name or password.
    #[error(
        "the node refuses the Jolokia password (HTTP 401): it is not the one that the pod was started with; restart the pod, or restore the Secret"
    )]
    Unauthorized,
    /// The agent's policy forbids the call.
    #[error(
        "the Jolokia policy of the node forbids the call ({0}); the pod was started by an older operator: restart it"
    )]
    Forbidden(String),
    /// An answer that is none.
    #[error("the node's answer makes no sense ({0})")]
    Malformed(String),
    /// Cassandra said no.
    #[error("{0}")]
    Cassandra(String),
    /// The call ended without having done its work, because something else works on the same tables.
    #[error(
        "the node is busy with other work of this kind, or could not stop the compactions of the same tables"
    )]
    Busy,
    /// The call was ended by a cancel.
    #[error("stopped, because the operation was cancelled")]
    Halted,
    /// The call was answered, and what it should have done is not to be seen.
    #[error("Cassandra answered, but it has not done what it was told; its log says why")]
    Unfinished,
}

impl NodeError {
    /// Whether the same call may succeed later without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_)
                | Self::Timeout(_)
                | Self::Malformed(_)
                | Self::Busy
                | Self::Unfinished
        )
    }
}
