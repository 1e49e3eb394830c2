//! The object that the API server of a site would store, as the answer to a dry run tells. An older `CustomResourceDefinition` prunes
//! fields that it does not know, and a webhook may change others, both without an error: the change would be written again and
//! again, and the nodes of the site would run without what the spec asks for.

use casskop_common::api::CassandraCluster;
use kube_core::{Resource, ResourceExt};

use serde_json::Value;

use crate::multi::plan::{SiteObject, site::differences};

/// The part of a change that the site does not keep, in words; none if the change is stored as it is.
pub fn not_kept(what: &SiteObject, stored: &CassandraCluster) -> Option<String> {
    let (before, wanted) = match what {
        SiteObject::Create(wanted) => (None, wanted),
        SiteObject::Change { before, after } => (Some(before), after),
        _ => return None,
    };
    if let Some(path) = pruned(wanted, stored) {
        return Some(format!(
            "its API server prunes {path}, which the CustomResourceDefinition there does not know: remove the field until manifests/crds of this version are applied in the site and its operator is upgraded"
        ));
    }
    let is_without_effect = before.is_some_and(|before| {
        before.spec != wanted.spec
            && before.spec == stored.spec
            && before.labels() == stored.labels()
            && before.annotations() == stored.annotations()
            && before.meta().uid == stored.meta().uid
    });
    is_without_effect.then(|| {
        format!(
            "its API server, or an admission webhook there, sets {} again: correct the webhook, or set the same in override of the site",
            differences(stored, wanted)
        )
    })
}

/// The path of the first field of the spec that is not stored.
fn pruned(wanted: &CassandraCluster, stored: &CassandraCluster) -> Option<String> {
    let spec = |cluster: &CassandraCluster| serde_json::to_value(&cluster.spec).unwrap_or_default();
    missing(&spec(wanted), &spec(stored), "spec")
}

/// Both sides are written by the same types: a field without a value is missing, too.
fn missing(wanted: &Value, stored: &Value, path: &str) -> Option<String> {
    match (wanted, stored) {
        (Value::Object(wanted), Value::Object(stored)) => wanted.iter().find_map(|(key, value)| {
            let path = format!("{path}.{key}");
            match stored.get(key) {
                Some(stored) => missing(value, stored, &path),
                None => (!value.is_null()).then_some(path),
            }
        }),
        (Value::Array(wanted), Value::Array(stored)) => {
            let mut pairs = wanted.iter().zip(stored).enumerate();
            pairs.find_map(|(index, (wanted, stored))| {
                missing(wanted, stored, &format!("{path}[{index}]"))
            })
        }
        _ => None,
    }
}
