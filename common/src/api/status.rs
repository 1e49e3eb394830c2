//! Observed state and events, as the operator reports them.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Check, CleanupReason, OperationStatus, SeenReplication};

/// `observedGeneration` of a resource that no operator has observed. It is the default of the CRDs, so that kstatus
/// (Flux, Helm) does not report a resource without a status as current.
pub const UNOBSERVED: i64 = -1;

/// State of a ring.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
#[schemars(extend("default" = { "observedGeneration": UNOBSERVED }))]
pub struct CassandraClusterStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where the cluster is in its life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// While Initializing: `FirstPodPerRack`, then `NextPodPerRack`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initializing_sub_phase: Option<String>,
    /// The last thing the operator did to the cluster: `Initializing`, `ScaleUp`, `UpdateDockerImage`,
    /// `UpdateStatefulSet`, `CorrectCRDConfig` (a refused spec)…
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_cluster_action: Option<String>,
    /// `ToDo`, `Ongoing` or `Done`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_cluster_action_status: Option<String>,
    /// Seeds that new pods are given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seedlist: Vec<String>,
    /// The nodes, by pod name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cassandra_node_status: BTreeMap<String, NodeStatus>,
    /// The racks, by `<dc>-<rack>`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cassandra_rack_status: BTreeMap<String, RackStatus>,
    /// `Ready`, `Reconciling` and `Stalled` as kstatus reads them, `Available`, `Progressing`, `Degraded`, `SpecAccepted` and
    /// `IntentsAccepted`; each with the generation of the spec that it is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Checks that keep the spec from being carried out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub blocked_by: Vec<Check>,
    /// Operation annotations that are not carried out, and why; at most 200.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["annotation".into()]))]
    pub intent_errors: Vec<IntentError>,
    /// The newest operation of each kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["kind".into()]))]
    pub operations: Vec<OperationStatus>,
    /// Finished operations that a newer one of their kind replaced; the newest 20, newest first, and the last one of each kind
    /// that an annotation asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operation_history: Vec<OperationStatus>,
    /// Ids of requests of the kinds that discard data, by kind, newest first: each ran, and none of them runs again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub used_request_ids: BTreeMap<String, Vec<String>>,
    /// How keyspaces were replicated when it was last seen: nodes owe a cleanup where replicas became fewer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication: Option<SeenReplication>,
}

impl CassandraClusterStatus {
    /// Whether an operator has reported anything about the cluster.
    pub fn is_reported(&self) -> bool {
        self.observed_generation != Some(UNOBSERVED)
    }
}

/// An operation annotation that is not carried out.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct IntentError {
    /// Key of the annotation.
    pub annotation: String,
    /// The error, and the nearest valid word where there is one.
    pub message: String,
}

/// Where a cluster or a rack is in its life.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The ring is being formed for the first time.
    Initializing,
    /// As asked.
    Running,
    /// Formed, and not (yet) as asked.
    Pending,
}

impl Phase {
    /// Whether the ring was formed or joined at some time, so that it has members.
    pub fn is_formed(self) -> bool {
        matches!(self, Self::Running | Self::Pending)
    }

    /// The word in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Initializing => "Initializing",
            Self::Running => "Running",
            Self::Pending => "Pending",
        }
    }
}

/// One rack.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RackStatus {
    /// Where the rack is in its life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Whether `rollingRestart` of the rack was seen to be true: it asks for one restart each time it becomes so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rolling_restart: bool,
    /// While Initializing: as that of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initializing_sub_phase: Option<String>,
    /// The last thing the operator did to the rack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cassandra_last_action: Option<LastAction>,
    /// The last operation on its pods; see `operations` for the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_last_operation: Option<PodLastOperation>,
}

/// The last operation on the pods of a rack, as the Go `CassKop` tells it.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PodLastOperation {
    /// Kind of the operation.
    pub name: String,
    /// `Ongoing` or `Done`.
    pub status: String,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Time>,
    /// Pods that it has not ended on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pods: Vec<String>,
    /// Pods on which it is done.
    #[serde(default, rename = "podsOK", skip_serializing_if = "Vec::is_empty")]
    pub pods_ok: Vec<String>,
    /// Pods on which it failed.
    #[serde(default, rename = "podsKO", skip_serializing_if = "Vec::is_empty")]
    pub pods_ko: Vec<String>,
}

/// Something the operator did to a rack.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct LastAction {
    /// What it was, as in `lastClusterAction`.
    pub name: String,
    /// `ToDo`, `Ongoing` or `Done`.
    pub status: String,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When it was seen to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Time>,
}

/// One node of the ring, as it says of itself.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// Cassandra's host id (`StorageService.LocalHostId`).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub host_id: String,
    /// Address of the pod.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub node_ip: String,
    /// Data center of the node.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub dc: String,
    /// Rack of the node.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub rack: String,
    /// `StorageService.OperationMode` (NORMAL, JOINING, LEAVING…), or `Unknown` when the node does not answer.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub state: String,
    /// Whether its peers see it up: `Up`, `Down` or `Unknown`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub gossip: String,
    /// `StorageService.ReleaseVersion`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Bytes of live data on disk (metric `Storage.Load`); refreshed when it moved by a tenth and a MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_bytes: Option<i64>,
    /// Since when the node may hold data that it no longer owns; a cleanup of all keyspaces pays this debt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleanup_required_since: Option<Time>,
    /// Why it may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleanup_required_reason: Option<CleanupReason>,
    /// Whether the pod is Ready.
    #[serde(default)]
    pub ready: bool,
    /// Why the node is not as it should be, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
