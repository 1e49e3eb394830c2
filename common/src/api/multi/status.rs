//! State of a ring over several Kubernetes clusters.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    api::{IntentError, OperationPhase, Phase, UNOBSERVED},
    operations::RecordedKind,
};

/// State of all sites, as far as they can be reached.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
#[schemars(extend("default" = { "observedGeneration": UNOBSERVED }))]
pub struct MultiCasskopStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The site whose nodes form the ring; all others join it. Chosen once, before any object is created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_site: Option<String>,
    /// Sites that are available, of all: `2/3`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// The sites, in the order in which they join.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub sites: Vec<SiteStatus>,
    /// The newest operation of each kind that was requested on this resource.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["kind".into()]))]
    pub operations: Vec<MultiOperation>,
    /// Operations that ended and that a newer one of their kind replaced; the newest 20, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operation_history: Vec<MultiOperation>,
    /// Whether the annotation `reconcile: paused` holds all changes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// Operation annotations that are not carried out, and why; at most 200.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["annotation".into()]))]
    pub intent_errors: Vec<IntentError>,
    /// The conditions of a `CassandraCluster`, about all sites.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

impl MultiCasskopStatus {
    /// Whether an operator has reported anything about the ring.
    pub fn is_reported(&self) -> bool {
        self.observed_generation != Some(UNOBSERVED)
    }
}

/// One Kubernetes cluster of the ring.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SiteStatus {
    /// Name of the site.
    pub name: String,
    /// Whether its API server answers.
    pub reachability: Reachability,
    /// Time of the last change of the reachability.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Message about the site: the event that it waits for, or its fault.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Whether a `CassandraCluster` was ever created here: its volumes may have members of the ring, so no other site forms
    /// a second ring.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub created: bool,
    /// Whether it has, or is to have, the annotation `reconcile: paused` of this resource. The annotation is removed there when
    /// it is removed here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// Its `CassandraCluster`, as last observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ChildStatus>,
}

/// Whether a site can be reached.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reachability {
    /// Its API server does not answer, or refuses the credentials: the status has the last observed state.
    #[default]
    Unknown,
    /// Its API server answers.
    Reachable,
}

impl Reachability {
    /// The word in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::Reachable => "Reachable",
        }
    }
}

/// The `CassandraCluster` of a site.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ChildStatus {
    /// Its UID.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// Its generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// The generation that the operator of the site has observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Its phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Its condition `Available`.
    #[serde(default)]
    pub available: bool,
    /// Its data centers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dcs: Vec<String>,
    /// Nodes that it has.
    #[serde(default)]
    pub nodes: i64,
    /// Those of them that are NORMAL and whose pods are Ready.
    #[serde(default)]
    pub ready_nodes: i64,
    /// Message of its operator: the change in progress, or the fault.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// An operation on all sites, one after the other.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct MultiOperation {
    /// Kind of the operation, such as `cleanup`.
    pub kind: RecordedKind,
    /// Id of the request, the same in every site.
    pub id: String,
    /// Its arguments, in canonical form.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub arguments: String,
    /// Phase of the operation, over all sites.
    pub phase: OperationPhase,
    /// Message: the current work, the event that it waits for, or the reason of its end.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Time at which the operator first observed the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// Controls that sites have, or are to have, such as `pause` and `cancel`. They are removed there when they are removed
    /// here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controls: Vec<String>,
    /// The sites that it is for, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["site".into()]))]
    pub sites: Vec<SiteOperation>,
}

/// An operation in one site.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SiteOperation {
    /// Name of the site.
    pub site: String,
    /// Whether the request was copied to the site.
    #[serde(default)]
    pub requested: bool,
    /// Phase of the operation of the site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<OperationPhase>,
    /// Message of the site's operator.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}
