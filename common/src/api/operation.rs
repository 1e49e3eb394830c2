//! State of one requested operation: its plan, its progress and its errors.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{operations::RecordedKind, words::open_words};

/// One operation, from its request to its end.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct OperationStatus {
    /// Kind of the operation, such as `cleanup`.
    pub kind: RecordedKind,
    /// Id of the request.
    pub id: String,
    /// Its arguments, in canonical form.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub arguments: String,
    /// Source of the request, if it is not an annotation: `spec`, `autoPilot` or `schedule`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<Requester>,
    /// Phase of the operation.
    pub phase: OperationPhase,
    /// Reason of the phase, for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<OperationReason>,
    /// Names of the checks that block the next nodes of the operation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked_by: Vec<String>,
    /// Message for people: the current work, the event that the operation waits for, or the reason of its end.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Time at which the operator first observed the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<MicroTime>,
    /// Time at which the first node started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<MicroTime>,
    /// Time of the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<MicroTime>,
    /// `cleanupGeneration` of the cluster when the operation started, of a cleanup; when it was tried last, of a decommission.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleanup_generation: Option<i64>,
    /// Plan of the operation, decided before the first call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<OperationPlan>,
    /// Whether the present control annotation `retry` was carried out; its removal allows another retry.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retried: bool,
    /// Time since which members of the ring have the node to discard in their live view, of a request that waits. The request
    /// is refused if they still have it some seconds later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_live_since: Option<MicroTime>,
    /// Operator process that recorded `seenLiveSince`. Another process, whose clock may differ, observes anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_live_by: Option<String>,
    /// Time since which the ring does not have what the request names, of a request that waits. The request is refused if the
    /// ring still does not have it some seconds later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_found_since: Option<MicroTime>,
    /// Operator process that recorded `notFoundSince`. Another process, whose clock may differ, observes anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_found_by: Option<String>,
    /// Safety checks and their evidence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub checks: Vec<Check>,
    /// The nodes, in the order of the plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["pod".into()]))]
    pub nodes: Vec<OperationNode>,
    /// Nodes that `nodes` leaves out, because the status of a large cluster is limited in size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub omitted_nodes: Option<NodeCounts>,
}

impl OperationStatus {
    /// Number of nodes of the operation.
    pub fn total(&self) -> usize {
        let omitted = self.omitted_nodes.as_ref().map_or(0, NodeCounts::total);
        self.nodes.len() + usize::try_from(omitted).unwrap_or_default()
    }

    /// Number of nodes in a phase.
    pub fn count(&self, phase: NodePhase) -> usize {
        let omitted = self
            .omitted_nodes
            .as_ref()
            .map_or(0, |omitted| omitted.of(phase));
        let known = self.nodes.iter().filter(|node| node.phase == phase);
        known.count() + usize::try_from(omitted).unwrap_or_default()
    }
}

impl OperationReason {
    /// Whether a request is refused for the reason only if a second look, after gossip has had time, finds it again.
    pub fn needs_second_look(&self, is_elsewhere: bool) -> bool {
        *self == Self::NotAMember || (is_elsewhere && *self == Self::UnknownKeyspace)
    }

    /// Whether the reason passes by itself: a request waits, and is not refused.
    pub fn is_momentary(&self) -> bool {
        matches!(
            self,
            Self::KeyspacesUnknown | Self::NoMemberAnswers | Self::TargetMissing
        )
    }
}

/// Numbers of nodes, by phase.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NodeCounts {
    /// Nodes whose turn had not come.
    #[serde(default)]
    pub pending: i64,
    /// Nodes on which every step was done.
    #[serde(default)]
    pub succeeded: i64,
    /// Nodes on which a step failed.
    #[serde(default)]
    pub failed: i64,
    /// Nodes that a cancelled operation left out.
    #[serde(default)]
    pub skipped: i64,
}

impl NodeCounts {
    /// Nodes of all phases.
    pub fn total(&self) -> i64 {
        self.pending + self.succeeded + self.failed + self.skipped
    }

    /// Nodes of a phase.
    pub fn of(&self, phase: NodePhase) -> i64 {
        match phase {
            NodePhase::Pending => self.pending,
            NodePhase::Succeeded => self.succeeded,
            NodePhase::Failed => self.failed,
            NodePhase::Skipped => self.skipped,
            NodePhase::Running => 0,
        }
    }

    /// Counts one more node. A node at work is never left out.
    pub fn add(&mut self, phase: NodePhase) {
        match phase {
            NodePhase::Pending => self.pending += 1,
            NodePhase::Succeeded => self.succeeded += 1,
            NodePhase::Failed => self.failed += 1,
            NodePhase::Skipped => self.skipped += 1,
            NodePhase::Running => {}
        }
    }
}

open_words! {
    /// Sources of a request that is not an annotation.
    Requester {
        /// The spec requires the operation.
        Spec = "spec",
        /// The operator requests the operation, because `autoPilot` is set.
        AutoPilot = "autoPilot",
        /// A schedule of the spec: its slot has come.
        Schedule = "schedule",
    }
}

impl Requester {
    /// Whether the request stands until it is done, so that the operator tries a failed one again. A request of a schedule
    /// is followed by that of the next slot instead.
    pub fn stands(&self) -> bool {
        *self != Self::Schedule
    }
}

open_words! {
    /// Reasons of an operation's phase.
    OperationReason {
        /// Pending: the operation waits for what `message` names.
        Waiting = "Waiting",
        /// Pending: paused before it started.
        PausedBeforeStart = "PausedBeforeStart",
        /// The checks in `blockedBy` failed; the operation continues when they pass.
        ChecksFailing = "ChecksFailing",
        /// Nodes are at work.
        Running = "Running",
        /// No further node starts until the pause is lifted.
        Paused = "Paused",
        /// Cancelled; the operation ends after the steps at work.
        Cancelling = "Cancelling",
        /// Done on every node.
        Done = "Done",
        /// Planned only, as `--dry-run=server` requests.
        DryRun = "DryRun",
        /// At least one node failed.
        NodesFailed = "NodesFailed",
        /// Cancelled by the annotation `<kind>.cancel`.
        Cancelled = "Cancelled",
        /// The annotation was removed or replaced before the operation started.
        Withdrawn = "Withdrawn",
        /// Refused: the annotation was there when the resource was first observed, over a ring that exists, so the
        /// operation may have run before.
        MayHaveRun = "MayHaveRun",
        /// Refused: the request names another cluster by its uid.
        WrongCluster = "WrongCluster",
        /// Pending: no node answers that could be told.
        NoMemberAnswers = "NoMemberAnswers",
        /// Refused: no node matches the flags.
        NoTarget = "NoTarget",
        /// Pending: the spec or the status has the target, and no StatefulSet has it at present.
        TargetMissing = "TargetMissing",
        /// Refused: neither the StatefulSets nor the spec nor the status have the data center, rack or pod.
        UnknownTarget = "UnknownTarget",
        /// Refused: the kind works on one node at a time.
        OneNodeOnly = "OneNodeOnly",
        /// Refused: the node to discard answers, or members have had it in their live view for some seconds.
        NodeIsUp = "NodeIsUp",
        /// Refused: no member knows the node, and none has known it for some seconds.
        NotAMember = "NotAMember",
        /// Pending: the keyspaces are not known, because no node answers or not all nodes have the same schema.
        KeyspacesUnknown = "KeyspacesUnknown",
        /// Refused: every node has the same schema, and it does not have the keyspace; in a ring that continues elsewhere,
        /// for some seconds.
        UnknownKeyspace = "UnknownKeyspace",
        /// Refused: a node has a snapshot of that name.
        SnapshotExists = "SnapshotExists",
        /// Refused: this version of Cassandra has no snapshots that expire.
        TtlNotSupported = "TtlNotSupported",
        /// Refused: `spec.backup.stores` has no usable store of that name.
        UnknownStore = "UnknownStore",
        /// Refused: a node has no volume that a Job could mount beside its pod.
        NoSharedVolume = "NoSharedVolume",
        /// Refused: the transport of `spec.nodeApi` has no way to do it.
        NotSupported = "NotSupported",
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
        /// The node serves no clients until it is restarted.
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
    /// Observed; waits for the event that `message` names.
    #[default]
    Pending,
    /// Planned; with `--dry-run` it ends here.
    Planned,
    /// Nodes are at work.
    Running,
    /// No further node starts until the pause is lifted.
    Paused,
    /// Done on every node.
    Succeeded,
    /// Ended with at least one node that failed.
    Failed,
    /// Never started, for the given reason.
    Refused,
    /// Ended early by request.
    Cancelled,
    /// The request was withdrawn before it started.
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

/// Plan of an operation.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct OperationPlan {
    /// Pods that are processed together; a wave starts when the previous wave has ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waves: Vec<Vec<String>>,
    /// Steps on each node, in order; for most kinds a keyspace each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<String>,
    /// Call of a step on a node, for people.
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
    /// Whether the annotation `<kind>.waive` lets the request continue although the check failed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waived: bool,
    /// Whether the check failed only because no node answers, or because the operator has to do something first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unknown: bool,
    /// Observation behind the result, so that a person can verify it.
    pub evidence: String,
    /// Pods that failed the check.
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
    /// Container of Cassandra when the node was started: the first 13 characters of its id, as `crictl ps` shows them.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub container: String,
    /// Cassandra's host id.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub host_id: String,
    /// Address of the node in the ring, for a kind that discards its volumes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// Volumes of the node, for a kind that discards them. A volume is deleted only while it has this UID.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<VolumeRef>,
    /// Phase of the node.
    pub phase: NodePhase,
    /// The step that runs, or that failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub step: String,
    /// Time at which the first step started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<MicroTime>,
    /// `cleanupGeneration` of the cluster when the first step started, of a cleanup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleanup_generation: Option<i64>,
    /// Time at which the last step ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<MicroTime>,
    /// Completed steps; a restarted operator continues after them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// Progress of the current step, where Cassandra reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<Work>,
    /// Job of the node for the current step, of a node with the Management API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<NodeJob>,
    /// Number of attempts of the current step.
    #[serde(default)]
    pub attempts: i32,
    /// Process of the operator that works on the node, or did last. A call is made only after this is recorded.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub executor: String,
    /// Error of Cassandra, if the node failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Tasks and streams of a step, as the node reports them (`CompactionManager.Compactions`,
/// `StreamManager.CurrentStreams`). A step that works on one table after the other has a task for each.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Work {
    /// Bytes done.
    pub bytes: i64,
    /// Bytes in all, as far as the node knows.
    pub total_bytes: i64,
    /// Bytes per second since the first observation of the running step; 0 while the rate is unknown.
    #[serde(default)]
    pub bytes_per_second: i64,
}

/// A job of a node: work that the node does on its own after it was called, and reports by the id.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NodeJob {
    /// Id that the node gave. Ids of repairs repeat after a restart of Cassandra.
    pub id: String,
    /// Time at which the node made the job, by its clock: it tells the job from a later one with the same id.
    pub submit_time: MicroTime,
}

/// A volume claim, with the UID that tells it from a later claim of the same name.
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
    /// The node has not started.
    #[default]
    Pending,
    /// The node runs a step.
    Running,
    /// Every step done.
    Succeeded,
    /// A step failed for good.
    Failed,
    /// The operation was cancelled before the node started.
    Skipped,
}

impl NodePhase {
    /// Whether the phase of the node is final.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Skipped)
    }
}

/// Progress of a node.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Units done.
    pub done: i64,
    /// Units in all.
    pub total: i64,
    /// Unit of the numbers, such as `keyspaces`.
    pub unit: String,
}
