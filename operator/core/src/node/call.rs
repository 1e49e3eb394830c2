//! Calls to a node.

use casskop_common::api::NodeApiKind;
use serde::Serialize;

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
    /// `StorageService.rebuild(String, String, String, String)`: streams the node's ranges from another data
    /// center.
    Rebuild {
        /// The data center.
        from_dc: String,
        /// The keyspace; none is all of them.
        keyspace: Option<String>,
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

impl Call {
    /// The words for work that this transport does not support, if the call is such work.
    pub fn not_supported(&self, kind: NodeApiKind) -> Option<&'static str> {
        match (kind, self) {
            (NodeApiKind::Jolokia, _) => None,
            (NodeApiKind::ManagementApi, call) => match call {
                Self::Relocate { .. } => Some("relocate SSTables"),
                Self::StopTask { .. } => Some("stop a task"),
                Self::RemoveNode { .. } => Some("remove a dead node"),
                Self::Snapshot { ttl: Some(_), .. } => Some("make a snapshot that expires"),
                Self::Rebuild {
                    keyspace: Some(_), ..
                } => Some("rebuild a single keyspace"),
                _ => None,
            },
        }
    }

    /// Whether a second call, at a later time and at the same address, does no harm: it repeats work, or is refused.
    pub fn may_repeat(&self) -> bool {
        !matches!(
            self,
            Self::Drain
                | Self::Rebuild { .. }
                | Self::RemoveNode { .. }
                | Self::Decommission { .. }
        )
    }
}
