//! The object that the API server of a site would store, as the answer to a dry run tells. An older `CustomResourceDefinition` prunes
//! fields that it does not know, and a webhook may change others, both without an error: the change would be written again and
//! again, and the nodes of the site would run without what the spec asks for.

use casskop_common::api::CassandraCluster;
use kube_core::{Resource, ResourceExt};

use crate::multi::{
    children,
    plan::{SiteObject, site::differences},
};

/// The part of a change that the site does not keep, in words; none if the change is stored as it is.
pub fn not_kept(what: &SiteObject, stored: &CassandraCluster) -> Option<String> {
    let (before, wanted) = match what {
        SiteObject::Create(wanted) => (None, wanted),
        SiteObject::Change { before, after } => (Some(before), after),
        _ => return None,
    };
    if let Some(path) = pruned(wanted, stored) {
        return Some(format!(
            "its API server prunes {path}, which the CustomResourceDefinition there does not know: apply manifests/crds of this version in the site, and then upgrade the operator of the site; or remove the field"
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
    children::unknown_field(&spec(wanted), &spec(stored), "spec")
}
