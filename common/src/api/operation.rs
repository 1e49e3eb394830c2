//! State of one requested operation: its plan, its progress and its errors.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::words::open_words;

/// One operation, from its request to its end.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct OperationStatus {
    /// Kind of the operation, such as `cleanup`.
    pub kind: String,
    /// Id of the request.
    pub id: String,
    /// Its arguments, in canonical form.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub arguments: String,
    /// Who asked for it, if not an annotation: `spec` or `autoPilot`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
    /// Where the operation is.
    pub phase: OperationPhase,
    /// One word for machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<OperationReason>,
    /// Names of the checks that keep the operation from its next nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked_by: Vec<String>,
    /// A sentence for people: what it does, waits for, or why it ended so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When the operator first saw the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<MicroTime>,
    /// When the first node was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<MicroTime>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<MicroTime>,
    /// What is to be done, decided before anything was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<OperationPlan>,
    /// Whether the control annotation `retry` that stands now was carried out; removing it allows another one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retried: bool,
    /// Safety checks and what they saw.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub checks: Vec<Check>,
    /// The nodes, in the order of the plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["pod".into()]))]
    pub nodes: Vec<OperationNode>,
}

open_words! {
    /// Reasons of an operation's phase.
    OperationReason {
        /// Pending: the operation waits for what `message` names.
        Waiting = "Waiting",
        /// Pending: paused before it started.
        PausedBeforeStart = "PausedBeforeStart",
        /// The checks in `blockedBy` failed; the operation goes on when they pass.
        ChecksFailing = "ChecksFailing",
        /// Nodes are at work.
        Running = "Running",
        /// No further node starts until the pause is lifted.
        Paused = "Paused",
        /// Cancelled; the operation ends after the steps at work.
        Cancelling = "Cancelling",
        /// Done on every node.
        Done = "Done",
        /// Planned only, as `--dry-run=server` asks.
        DryRun = "DryRun",
        /// At least one node failed.
        NodesFailed = "NodesFailed",
        /// Cancelled by the annotation `<kind>.cancel`.
        Cancelled = "Cancelled",
        /// The annotation was removed or replaced before the operation started.
        Withdrawn = "Withdrawn",
        /// Refused: the request names another cluster by its uid.
        WrongCluster = "WrongCluster",
        /// Refused: no node matches the flags.
        NoTarget = "NoTarget",
        /// Refused: the cluster does not have the data center, rack or pod.
        UnknownTarget = "UnknownTarget",
        /// Refused: the kind works on one node at a time.
        OneNodeOnly = "OneNodeOnly",
        /// Refused: the node that is to be given up is not down.
        NodeIsUp = "NodeIsUp",
        /// Refused: the node never was a member of the ring.
        NotAMember = "NotAMember",
        /// Refused: no node answers, so the keyspaces are not known.
        KeyspacesUnknown = "KeyspacesUnknown",
        /// Refused: the ring does not have the keyspace.
        UnknownKeyspace = "UnknownKeyspace",
        /// Refused: a node has a snapshot of that name.
        SnapshotExists = "SnapshotExists",
        /// Refused: this version of Cassandra has no snapshots that expire.
        TtlNotSupported = "TtlNotSupported",
    }
}

open_words! {
    /// Modes of a node (`StorageService.OperationMode`).
    OperationMode {
        /// Cassandra starts, or has registered nothing yet.
        Starting = "STARTING",
        /// A member of the ring.
        Normal = "NORMAL",
        /// The node joins the ring.
        Joining = "JOINING",
        /// The node failed to join (5.0 and later).
        JoiningFailed = "JOINING_FAILED",
        /// The node hands its data to the others, and leaves the ring.
        Leaving = "LEAVING",
        /// The node has left the ring.
        Decommissioned = "DECOMMISSIONED",
        /// The node failed to leave (5.0 and later).
        DecommissionFailed = "DECOMMISSION_FAILED",
        /// The node takes another token.
        Moving = "MOVING",
        /// The node writes its memtables to disk.
        Draining = "DRAINING",
        /// The node serves nobody until it is restarted.
        Drained = "DRAINED",
    }
}

impl Default for OperationMode {
    fn default() -> Self {
        Self::Other(String::new())
    }
}

/// Phases of an operation.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OperationPhase {
    /// Seen; waits for something that `message` names.
    #[default]
    Pending,
    /// Planned; with `--dry-run` it ends here.
    Planned,
    /// Nodes are at work.
    Running,
    /// No further node is started until the pause is lifted.
    Paused,
    /// Done on every node.
    Succeeded,
    /// Ended with at least one node that failed.
    Failed,
    /// Not begun, for the reason given.
    Refused,
    /// Ended early by request.
    Cancelled,
    /// The request was taken back before it began.
    Withdrawn,
}

impl OperationPhase {
    /// Whether the phase is final.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Planned
                | Self::Succeeded
                | Self::Failed
                | Self::Refused
                | Self::Cancelled
                | Self::Withdrawn
        )
    }

    /// The word in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Planned => "Planned",
            Self::Running => "Running",
            Self::Paused => "Paused",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Refused => "Refused",
            Self::Cancelled => "Cancelled",
            Self::Withdrawn => "Withdrawn",
        }
    }
}

/// What an operation will do.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct OperationPlan {
    /// Pods that are worked on together; the next wave begins when the one before it has ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waves: Vec<Vec<String>>,
    /// Steps on each node, in order; for most kinds a keyspace each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<String>,
    /// What a step calls on a node, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub call: String,
}

/// One safety check.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
pub struct Check {
    /// Name of the check, such as `ring-settled`.
    pub name: String,
    /// Whether the cluster passed it.
    pub passed: bool,
    /// Whether the request goes on although the check failed, as the annotation `<kind>.waive` says.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waived: bool,
    /// Whether the check failed only because no node could be asked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unknown: bool,
    /// What was seen, so that a person can verify it.
    pub evidence: String,
    /// Pods that the check found wanting.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pods: Vec<String>,
}

impl Check {
    /// Whether the check blocks an operation.
    pub fn is_failing(&self) -> bool {
        !self.passed && !self.waived
    }
}

/// One node in an operation.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct OperationNode {
    /// Pod of the node.
    pub pod: String,
    /// UID of the pod when the node was started.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pod_uid: String,
    /// Cassandra's host id.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub host_id: String,
    /// Address by which the others know it, of a kind that gives its volumes up.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// Its volumes, of a kind that gives them up. They are deleted only while their UIDs are these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<VolumeRef>,
    /// Where the node is.
    pub phase: NodePhase,
    /// The step that runs, or that failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub step: String,
    /// When the first step began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<MicroTime>,
    /// When the last step ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<MicroTime>,
    /// Steps that are done; a restarted operator goes on after them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// How far Cassandra says it is with the step at hand, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<Work>,
    /// How often the current step was begun.
    #[serde(default)]
    pub attempts: i32,
    /// Process of the operator that works on the node, or did last. A call is made only after this is recorded.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub executor: String,
    /// What Cassandra said, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Tasks and streams of a step, as the node tells (`CompactionManager.Compactions`, `StreamManager.CurrentStreams`). A
/// step that works on one table after the other has a task for each.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Work {
    /// Bytes done.
    pub bytes: i64,
    /// Bytes in all, as far as the node knows.
    pub total_bytes: i64,
    /// Bytes in a second, since this step was first seen at work; 0 while that is not known.
    #[serde(default)]
    pub bytes_per_second: i64,
}

/// A volume claim, so exactly that one of its name cannot be mistaken for another.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeRef {
    /// Name of the `PersistentVolumeClaim`.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

/// Phases of a node in an operation.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NodePhase {
    /// Its turn has not come.
    #[default]
    Pending,
    /// At work.
    Running,
    /// Every step done.
    Succeeded,
    /// A step failed for good.
    Failed,
    /// Left out by a cancelled operation.
    Skipped,
}

impl NodePhase {
    /// Whether the phase of the node is final.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Skipped)
    }
}

/// How far a node is.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Units done.
    pub done: i64,
    /// Units in all.
    pub total: i64,
    /// What is counted, such as `keyspaces`.
    pub unit: String,
}
