//! Observed state and events, as the operator reports them.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    BackupStatus, Check, CleanupReason, ClientMode, InternodeMode, OperationStatus, RestoreStatus,
    RoleReplicas, ScheduleStatus, SeenReplication, UserStatus,
};

/// `observedGeneration` of a resource that no operator has observed. It is the default of the CRDs, so that kstatus
/// (Flux, Helm) does not report a resource without a status as current.
pub const UNOBSERVED: i64 = -1;

/// Observed state of a ring.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
#[schemars(extend("default" = { "observedGeneration": UNOBSERVED }))]
pub struct CassandraClusterStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Phase of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// While Initializing: `FirstPodPerRack`, then `NextPodPerRack`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initializing_sub_phase: Option<String>,
    /// The last action of the operator on the cluster: `Initializing`, `ScaleUp`, `UpdateDockerImage`,
    /// `UpdateStatefulSet`, `CorrectCRDConfig` (a refused spec)…
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_cluster_action: Option<String>,
    /// `ToDo`, `Ongoing` or `Done`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_cluster_action_status: Option<String>,
    /// Seeds of new pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seedlist: Vec<String>,
    /// The nodes, by pod name.
    #[x_kube(merge_strategy = MapMerge::Atomic)]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cassandra_node_status: BTreeMap<String, NodeStatus>,
    /// The racks, by `<dc>-<rack>`.
    #[x_kube(merge_strategy = MapMerge::Atomic)]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cassandra_rack_status: BTreeMap<String, RackStatus>,
    /// `Ready`, `Reconciling` and `Stalled` as kstatus reads them, `Available`, `Progressing`, `Degraded`, `SpecAccepted` and
    /// `IntentsAccepted`, and `BackupsCurrent` with a schedule of backups; each with the generation of the spec that it is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Failed checks that block the spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub blocked_by: Vec<Check>,
    /// Operation annotations that are not carried out, and why; at most 200.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["annotation".into()]))]
    pub intent_errors: Vec<IntentError>,
    /// The newest operation of each kind. An operation that ended keeps its failed nodes only, and the number of the other
    /// ones, where the status of a large cluster would become too large.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    // Managed fields of each node of each operation would take as much as the nodes.
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub operations: Vec<OperationStatus>,
    /// Finished operations that a newer one of their kind replaced; the newest 20, newest first, the newest 10 of schedules, and
    /// the last one of each kind that an annotation requested. The oldest ones go first where the status of a large cluster
    /// would become too large.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operation_history: Vec<OperationStatus>,
    /// Ids of requests of the kinds that discard data, by kind, newest first: each ran, and none of them runs again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub used_request_ids: BTreeMap<String, Vec<String>>,
    /// Last observed replication of the keyspaces: nodes require a cleanup where replicas became fewer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication: Option<SeenReplication>,
    /// Replicas of the roles, of a ring with `authentication`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_replicas: Option<RoleReplicas>,
    /// Roles of applications that the operator keeps, and roles that it has made and that cannot log in any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub users: Vec<UserStatus>,
    /// Number of volume claims, and of the ConfigMap that marks the ring, which the cluster owned when it was observed:
    /// Kubernetes deletes them with the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owned_volumes: Option<i32>,
    /// Number of times that nodes began to require a cleanup. It puts requirements and cleanups in order, without the clocks
    /// of the machines that the operator has run on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleanup_generation: Option<i64>,
    /// The last `StatefulSet` whose change was decided. Recorded before the change is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_rack_write: Option<RackWrite>,
    /// Complete backups, the newest first; at most 50 of each store. The store itself has the whole list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub backups: Vec<BackupStatus>,
    /// The restore that the ring began with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<RestoreStatus>,
    /// The schedules of the spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub schedules: Vec<ScheduleStatus>,
}

/// A decided change of a `StatefulSet`. It is written only to this version, and nothing else changes the pods of the cluster
/// until the `StatefulSet` has a newer version.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RackWrite {
    /// Name of the `StatefulSet`.
    pub stateful_set: String,
    /// Its version when the change was decided; empty if it did not exist.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub resource_version: String,
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

/// Phase of a cluster or a rack.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The ring is being formed for the first time.
    Initializing,
    /// The cluster matches the spec.
    Running,
    /// The ring is formed, and does not match the spec (yet).
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
    /// Phase of the rack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Whether `rollingRestart` of the rack was observed as true: each change to true requests one restart.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rolling_restart: bool,
    /// While Initializing: as the field of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initializing_sub_phase: Option<String>,
    /// The last action of the operator on the rack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cassandra_last_action: Option<LastAction>,
    /// The last operation on its pods; see `operations` for the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_last_operation: Option<PodLastOperation>,
}

/// The last operation on the pods of a rack, in the format of the Go `CassKop`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PodLastOperation {
    /// Kind of the operation.
    pub name: String,
    /// `Ongoing` or `Done`.
    pub status: String,
    /// Time of the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// Time of the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Time>,
    /// Pods on which it has not ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pods: Vec<String>,
    /// Pods on which it is done.
    #[serde(default, rename = "podsOK", skip_serializing_if = "Vec::is_empty")]
    pub pods_ok: Vec<String>,
    /// Pods on which it failed.
    #[serde(default, rename = "podsKO", skip_serializing_if = "Vec::is_empty")]
    pub pods_ko: Vec<String>,
}

/// An action of the operator on a rack.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct LastAction {
    /// Name of the action, as in `lastClusterAction`.
    pub name: String,
    /// `ToDo`, `Ongoing` or `Done`.
    pub status: String,
    /// Time of the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// Time at which its end was observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Time>,
}

/// One node of the ring, as it reports itself.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// Cassandra's host id (`StorageService.LocalHostId`).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub host_id: String,
    /// Address of the pod.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub node_ip: String,
    /// Time since which no member of the ring has the node, although all others answer. Some seconds later `hostId` is removed:
    /// the node was taken out of the ring by hand, and its pod may join as a new node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_found_since: Option<Time>,
    /// Operator process that recorded `notFoundSince`. Another process, whose clock may differ, observes anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_found_by: Option<String>,
    /// Data center of the node.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub dc: String,
    /// Rack of the node.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub rack: String,
    /// `StorageService.OperationMode` (NORMAL, JOINING, LEAVING…), or `Unknown` when the node does not answer.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub state: String,
    /// State of the node in the view of its peers: `Up`, `Down` or `Unknown`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub gossip: String,
    /// `StorageService.ReleaseVersion`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Bytes of live data on disk (metric `Storage.Load`); refreshed when it changes by a tenth and a MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_bytes: Option<i64>,
    /// Time since which the node may hold data that it no longer owns. A cleanup of all keyspaces removes the field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleanup_required_since: Option<Time>,
    /// Reason of the required cleanup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleanup_required_reason: Option<CleanupReason>,
    /// `cleanupGeneration` of the cluster when the cleanup became required. A cleanup that starts on the node at this generation
    /// or a later one meets the requirement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleanup_generation: Option<i64>,
    /// Whether the pod is Ready.
    #[serde(default)]
    pub ready: bool,
    /// Connections that the node opens to other nodes and accepts from them, as its pod was started; left out: `Disabled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internode_tls: Option<InternodeMode>,
    /// Connections that the node accepts from clients, as its pod was started; left out: `Disabled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_tls: Option<ClientMode>,
    /// Message about the fault of the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
