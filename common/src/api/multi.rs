//! `MultiCasskop`: one ring over several Kubernetes clusters.

mod status;

use std::collections::BTreeMap;

use kube_derive::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use status::{
    ChildStatus, MultiCasskopStatus, MultiOperation, Reachability, SiteOperation, SiteStatus,
};

/// Desired state of a ring over several sites: a `CassandraCluster` as the base of every site, and the differences of
/// each site.
#[derive(CustomResource, Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[kube(
    group = "db.orange.com",
    version = "v2",
    kind = "MultiCasskop",
    plural = "multicasskops",
    shortname = "mck",
    category = "casskop",
    namespaced,
    crates(kube = "::kube_derive", kube_core = "::kube_core"),
    attr = "x_kube(crates(kube_core = \"::kube_core\"))",
    status = "MultiCasskopStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "One Cassandra ring over several Kubernetes clusters (sites): a CassandraCluster in each of them, made from `base` and `override`. Operations on all of it are requested by the same annotations as on a CassandraCluster, `operations.db.orange.com/<kind>: \"<id> [arguments]\"`.",
    validation = Rule::new("self.metadata.name.size() <= 63")
        .message("the name of a MultiCasskop has at most 63 characters: it stands in a label"),
    printcolumn(
        name = "Available",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Available\")].status"
    ),
    printcolumn(
        name = "Progressing",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Progressing\")].status"
    ),
    printcolumn(
        name = "Degraded",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Degraded\")].status"
    ),
    printcolumn(name = "Sites", type_ = "string", json_path = ".status.summary"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Progressing\")].message",
        priority = 1
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.base.metadata.name == oldSelf.base.metadata.name")
    .message("base.metadata.name cannot be changed: it is the name of the ring, which its nodes have written to their volumes"))]
pub struct MultiCasskopSpec {
    /// Whether the `CassandraCluster` of every site is deleted together with this resource (default true). Volumes stay
    /// unless its `deletePVC` is true. False: each `CassandraCluster` stays, under the operator of its site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_cassandra_cluster: Option<bool>,
    /// Treatment of manual changes to the spec of a site's `CassandraCluster`: `Correct` (default) reverts a change,
    /// `Report` keeps it until this resource changes, and reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// The `CassandraCluster` that is the base of every site. Its `metadata.name` is the name of the ring, and of the
    /// `CassandraCluster` in every site; its namespace is that of this resource.
    #[schemars(schema_with = "cluster_schema")]
    #[x_kube(validation = Rule::new("has(self.metadata) && has(self.metadata.name)")
        .message("base.metadata.name is missing: it is the name of the ring"))]
    pub base: Value,
    /// The sites, by the names under which the operator knows them (contexts or registered names), each with what is
    /// different there: a JSON merge patch over `base`. Null removes a field, lists are replaced; `{}` changes nothing.
    /// Data centers belong to one site each.
    #[serde(rename = "override")]
    #[schemars(schema_with = "overrides_schema")]
    #[x_kube(validation = Rule::new("size(self) > 0")
        .message("override names no site: give at least one, such as `cluster1: {}`"))]
    pub override_: BTreeMap<String, Value>,
}

/// Treatment of manual changes.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Drift {
    /// Manual changes are reverted.
    #[default]
    Correct,
    /// Manual changes stay, and are reported.
    Report,
}

/// The schema of a `CassandraCluster` without its rules, which are too large to be included twice. The controller
/// validates the spec.
fn cluster_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "properties": {
            "apiVersion": { "type": "string" },
            "kind": { "type": "string", "enum": ["CassandraCluster"] },
            "metadata": {
                "type": "object",
                "x-kubernetes-preserve-unknown-fields": true,
                "properties": { "name": { "type": "string", "minLength": 1, "maxLength": 42 } },
            },
            "spec": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
            "status": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
        },
    })
}

fn overrides_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 50,
        "additionalProperties": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
    })
}
