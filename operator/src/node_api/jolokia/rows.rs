//! The table of JMX: one row for each attribute that is read and each operation that is called. The requests and the
//! policy of the agent are both derived from it, so the policy allows every request and nothing else.
//!
//! Operations have the signatures of every version of Cassandra from 4.0 on.

use std::time::Duration;

use serde_json::{Value, json};

const STORAGE_SERVICE: &str = "org.apache.cassandra.db:type=StorageService";
const COMPACTION_MANAGER: &str = "org.apache.cassandra.db:type=CompactionManager";
const STREAM_MANAGER: &str = "org.apache.cassandra.net:type=StreamManager";
const SNITCH: &str = "org.apache.cassandra.db:type=EndpointSnitchInfo";
const STORAGE_LOAD: &str = "org.apache.cassandra.metrics:type=Storage,name=Load";

/// Deadline of a read; a healthy node answers in some milliseconds.
pub(super) const READ: Duration = Duration::from_secs(4);
/// Deadline of a call: the work of a large node may take days, and a lost answer has no consequences.
const LONG: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// Deadline of a call that takes seconds to minutes and is not observable while it lasts: only its answer reports the
/// result, and a lost answer must not block other work.
const BRIEF: Duration = Duration::from_secs(15 * 60);

/// The meaning of the value that an operation returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// An operation without a result: `null` once the work is done.
    Nothing,
    /// A status of work on `SSTables`: 0 done, 1 aborted, 2 unable to cancel other work on the same tables.
    Status,
    /// The number of a repair that runs in the background; [`REPAIR_STATUS`] reports its end.
    Repair,
    /// An answer with a value to read.
    Answer,
}

/// An operation of an `MBean`.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) mbean: &'static str,
    /// The name with its full signature: Jolokia refuses an overloaded operation without one.
    pub(super) operation: &'static str,
    pub(super) deadline: Duration,
    pub(super) verdict: Verdict,
}

impl Row {
    /// The request that calls the operation.
    pub(super) fn request(&self, arguments: &Value) -> Value {
        json!({ "type": "exec", "mbean": self.mbean, "operation": self.operation, "arguments": arguments })
    }
}

/// Attributes of an `MBean` that one request reads.
#[derive(Debug)]
pub(super) struct Attributes {
    pub(super) mbean: &'static str,
    pub(super) names: &'static [&'static str],
}

impl Attributes {
    /// The request that reads the attributes. The value of a single attribute is returned directly, several
    /// attributes as an object.
    pub(super) fn request(&self) -> Value {
        let attribute = match self.names {
            [name] => json!(name),
            names => json!(names),
        };
        json!({ "type": "read", "mbean": self.mbean, "attribute": attribute })
    }

    /// The same with processing parameters of Jolokia.
    pub(super) fn request_with(&self, config: Value) -> Value {
        let mut request = self.request();
        request["config"] = config;
        request
    }
}

/// Defines the rows and their list, so that no row can be missing from the list.
macro_rules! operations {
    ($($name:ident: $mbean:ident, $operation:literal, $deadline:ident, $verdict:ident;)*) => {
        $(pub(super) const $name: &Row = &Row {
            mbean: $mbean,
            operation: $operation,
            deadline: $deadline,
            verdict: Verdict::$verdict,
        };)*

        /// All operations.
        pub(super) const OPERATIONS: &[&Row] = &[$($name),*];
    };
}

/// The same for the attributes.
macro_rules! attributes {
    ($($name:ident: $mbean:ident, [$($attribute:literal),*];)*) => {
        $(pub(super) const $name: &Attributes = &Attributes {
            mbean: $mbean,
            names: &[$($attribute),*],
        };)*

        /// All attributes.
        pub(super) const ATTRIBUTES: &[&Attributes] = &[$($name),*];
    };
}

operations! {
    CLEANUP: STORAGE_SERVICE, "forceKeyspaceCleanup(int,java.lang.String,[Ljava.lang.String;)", LONG, Status;
    FLUSH: STORAGE_SERVICE, "forceKeyspaceFlush(java.lang.String,[Ljava.lang.String;)", BRIEF, Nothing;
    COMPACT: STORAGE_SERVICE, "forceKeyspaceCompaction(boolean,java.lang.String,[Ljava.lang.String;)", LONG, Nothing;
    GARBAGE_COLLECT: STORAGE_SERVICE, "garbageCollect(java.lang.String,int,java.lang.String,[Ljava.lang.String;)", LONG, Status;
    SCRUB: STORAGE_SERVICE, "scrub(boolean,boolean,boolean,boolean,int,java.lang.String,[Ljava.lang.String;)", LONG, Status;
    UPGRADE_SSTABLES: STORAGE_SERVICE, "upgradeSSTables(java.lang.String,boolean,int,[Ljava.lang.String;)", LONG, Status;
    RELOCATE: STORAGE_SERVICE, "relocateSSTables(int,java.lang.String,[Ljava.lang.String;)", LONG, Status;
    REFRESH: STORAGE_SERVICE, "loadNewSSTables(java.lang.String,java.lang.String)", BRIEF, Nothing;
    // The answer is a number and arrives at once.
    REPAIR: STORAGE_SERVICE, "repairAsync(java.lang.String,java.util.Map)", BRIEF, Repair;
    REPAIR_STATUS: STORAGE_SERVICE, "getParentRepairStatus(int)", READ, Answer;
    STOP_REPAIRS: STORAGE_SERVICE, "forceTerminateAllRepairSessions()", BRIEF, Nothing;
    STOP_TASK: COMPACTION_MANAGER, "stopCompactionById(java.lang.String)", BRIEF, Nothing;
    SNAPSHOT: STORAGE_SERVICE, "takeSnapshot(java.lang.String,java.util.Map,[Ljava.lang.String;)", BRIEF, Nothing;
    CLEAR_SNAPSHOT: STORAGE_SERVICE, "clearSnapshot(java.lang.String,[Ljava.lang.String;)", BRIEF, Nothing;
    DRAIN: STORAGE_SERVICE, "drain()", LONG, Nothing;
    // By the readiness probe of a restored node.
    OPEN: STORAGE_SERVICE, "startNativeTransport()", READ, Nothing;
    REBUILD: STORAGE_SERVICE, "rebuild(java.lang.String,java.lang.String,java.lang.String,java.lang.String)", LONG, Nothing;
    REMOVE_NODE: STORAGE_SERVICE, "removeNode(java.lang.String)", LONG, Nothing;
    DECOMMISSION: STORAGE_SERVICE, "decommission(boolean)", LONG, Nothing;
    REPLICATION: STORAGE_SERVICE, "getKeyspaceReplicationInfo(java.lang.String)", READ, Answer;
    DATACENTER: SNITCH, "getDatacenter(java.lang.String)", READ, Answer;
    RACK: SNITCH, "getRack(java.lang.String)", READ, Answer;
}

attributes! {
    NODE: STORAGE_SERVICE, [
        "OperationMode", "LiveNodes", "UnreachableNodes", "JoiningNodes", "LeavingNodes", "MovingNodes",
        "EndpointToHostId", "LocalHostId", "ReleaseVersion", "SchemaVersion", "NativeTransportRunning",
        "NonLocalStrategyKeyspaces"
    ];
    LOAD: STORAGE_LOAD, ["Count"];
    TOKENS: STORAGE_SERVICE, ["Tokens"];
    MODE: STORAGE_SERVICE, ["OperationMode", "NativeTransportRunning"];
    COMPACTIONS: COMPACTION_MANAGER, ["Compactions"];
    STREAMS: STREAM_MANAGER, ["CurrentStreams"];
    SNAPSHOTS: STORAGE_SERVICE, ["SnapshotDetails"];
}
