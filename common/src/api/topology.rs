//! Data centers and racks.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;
use kube_derive::KubeSchema;
use serde::{Deserialize, Serialize};

/// Where the nodes run: data centers, and the racks of each.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
pub struct Topology {
    /// Data centers of the ring; names are unique. Left out: one data center `dc1` with one rack `rack1`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub dc: Vec<Dc>,
}

/// One data center of the ring.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.dataStorageClass) == has(oldSelf.dataStorageClass) && (!has(self.dataStorageClass) || self.dataStorageClass == oldSelf.dataStorageClass)")
    .message("dataStorageClass cannot be changed: the volumes of running nodes stay where they are; add a data center with the other class instead"))]
pub struct Dc {
    /// Name of the data center, as Cassandra knows it: lower-case letters and digits, because it is part of
    /// the names of StatefulSets and pods (`<cluster>-<dc>-<rack>-<n>`).
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]+$')")
        .message("a data center's name has only lower-case letters and digits (no '-'): it is part of pod names <cluster>-<dc>-<rack>-<n>"))]
    pub name: String,
    /// Labels of the Kubernetes nodes this data center may run on (required node affinity), merged with those of the rack.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Cassandra configuration of this data center, merged over `spec.config`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::free_form")]
    pub config: Option<serde_json::Value>,
    /// Racks; names are unique within the data center. Left out: one rack `rack1`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub rack: Vec<Rack>,
    /// Nodes of each rack here instead of `spec.nodesPerRacks`; 0 empties the data center before its removal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub nodes_per_racks: Option<i32>,
    /// Size of the data volume here instead of `spec.dataCapacity`; volumes can only grow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new("isQuantity(self) && quantity(self).isGreaterThan(quantity('0'))")
        .message("dataCapacity is a Kubernetes quantity above 0, such as 10Gi"))]
    pub data_capacity: Option<String>,
    /// Storage class of the data volume here instead of `spec.dataStorageClass`. Cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub data_storage_class: Option<String>,
    /// Resources of the Cassandra container here instead of `spec.resources`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
}

/// One rack: one StatefulSet `<cluster>-<dc>-<rack>`.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct Rack {
    /// Name of the rack, as Cassandra knows it: lower-case letters and digits.
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]+$')")
        .message("a rack's name has only lower-case letters and digits (no '-'): it is part of pod names <cluster>-<dc>-<rack>-<n>"))]
    pub name: String,
    /// Labels of the Kubernetes nodes this rack may run on (required node affinity).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Cassandra configuration of this rack, merged over that of the data center.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::free_form")]
    pub config: Option<serde_json::Value>,
    /// The *change* of this field to true requests one rolling restart of the rack; the operator never resets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolling_restart: Option<bool>,
    /// Pods with an ordinal below this number keep their old revision during a roll-out (a canary);
    /// racks after this one wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub rolling_partition: Option<i32>,
}
