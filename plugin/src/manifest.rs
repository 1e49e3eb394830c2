//! A request as it stands in Git, and as `kubectl` would write it. Pure.

use std::collections::BTreeMap;

use casskop_common::{
    api::{CassandraCluster, GROUP},
    intent::Request,
    names,
};
use kube::Resource;
use serde::Serialize;

use crate::error::{CliError, Result};

/// The part of a manifest that requests an operation.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fragment<'a> {
    api_version: String,
    kind: String,
    metadata: Metadata<'a>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    annotations: BTreeMap<String, String>,
}

/// A fragment to merge into the cluster's manifest: its identity and the one annotation.
pub fn fragment<'a>(name: &'a str, namespace: Option<&'a str>, request: &Request) -> Fragment<'a> {
    let annotations = [(names::request_annotation(&request.kind), request.value())].into();
    Fragment {
        api_version: CassandraCluster::api_version(&()).into_owned(),
        kind: CassandraCluster::kind(&()).into_owned(),
        metadata: Metadata {
            name,
            namespace,
            annotations,
        },
    }
}

/// The `kubectl` command that writes the same. Not as the manager `kubectl-annotate`: Flux removes what such wrote.
pub fn annotate(name: &str, again: &str, request: &Request) -> String {
    let key = names::request_annotation(&request.kind);
    let value = format!("{key}={}", request.value());
    let value = shlex::try_quote(&value).unwrap_or_default();
    let manager = names::PLUGIN_MANAGER;
    format!(
        "kubectl annotate cassandracluster {name}{again} --overwrite --field-manager={manager} {value}"
    )
}

/// `cassandracluster.db.orange.com/demo`, as `kubectl -o name` has it.
pub fn object_name(name: &str) -> String {
    format!("cassandracluster.{GROUP}/{name}")
}

/// As YAML.
///
/// # Errors
/// Never for what we print.
pub fn yaml<T: Serialize>(value: &T) -> Result<String> {
    serde_saphyr::to_string(value)
        .map_err(|error| CliError::failed(format!("cannot write YAML: {error}")))
}

/// As JSON.
///
/// # Errors
/// Never for what we print.
pub fn json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string_pretty(value)
        .map_err(|error| CliError::failed(format!("cannot write JSON: {error}")))
}
