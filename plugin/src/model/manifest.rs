//! Annotations as a manifest for Git, and as a `kubectl` command. Pure.

use std::collections::BTreeMap;

use casskop_common::{
    api::{CassandraCluster, GROUP},
    intent::Request,
    names,
};
use kube::Resource;
use serde::Serialize;

use crate::error::{CliError, Result};

/// Annotations by key; `None` removes one.
pub type Annotations = BTreeMap<String, Option<String>>;

/// The part of a manifest that has annotations.
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
    annotations: Annotations,
}

/// The annotation of a request.
pub fn request(request: &Request) -> Annotations {
    let key = names::request_annotation(request.kind);
    [(key, Some(request.value()))].into()
}

/// A fragment to merge into the cluster's manifest: its identity and the annotations.
pub fn fragment<'a>(
    name: &'a str,
    namespace: Option<&'a str>,
    annotations: Annotations,
) -> Fragment<'a> {
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
pub fn annotate(name: &str, connection_args: &str, annotations: &Annotations) -> String {
    let words = annotations.iter().map(|(key, value)| {
        let word = match value {
            Some(value) => format!("{key}={value}"),
            None => format!("{key}-"),
        };
        format!(" {}", shlex::try_quote(&word).unwrap_or_default())
    });
    let words: String = words.collect();
    let manager = names::PLUGIN_MANAGER;
    format!(
        "kubectl annotate cassandracluster {name}{connection_args} --overwrite --field-manager={manager}{words}"
    )
}

/// Connection flags for a command about objects that have their namespaces in them: with another one, `kubectl` refuses them.
pub fn without_namespace(connection_args: &str) -> &str {
    let Some(rest) = connection_args.strip_prefix(" -n ") else {
        return connection_args;
    };
    // No namespace has a space.
    rest.find(' ').map_or("", |end| &rest[end..])
}

/// `cassandracluster.db.orange.com/demo`, as `kubectl -o name` has it.
pub fn object_name(name: &str) -> String {
    format!("cassandracluster.{GROUP}/{name}")
}

/// As YAML.
///
/// # Errors
/// Never for the types of the plugin.
pub fn yaml<T: Serialize>(value: &T) -> Result<String> {
    serde_saphyr::to_string(value)
        .map_err(|error| CliError::failed(format!("cannot write YAML: {error}")))
}

/// As JSON.
///
/// # Errors
/// Never for the types of the plugin.
pub fn json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string_pretty(value)
        .map_err(|error| CliError::failed(format!("cannot write JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use super::without_namespace;

    #[test]
    fn the_namespace_is_the_first_flag() {
        assert_eq!(without_namespace(" -n shop"), "");
        let args = " -n shop --context prod -n other";
        assert_eq!(without_namespace(args), " --context prod -n other");
        assert_eq!(without_namespace(" --context prod"), " --context prod");
        assert_eq!(without_namespace(""), "");
    }
}
