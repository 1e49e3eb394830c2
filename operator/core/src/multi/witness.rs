//! The ConfigMap that a `MultiCasskop` owns in the home cluster. The garbage collector removes the owner from the
//! dependents that it orphans, and then Kubernetes' finalizer of the orphaning deletion: an operator that observes the
//! deletion later still finds in the ConfigMap how the resource is deleted.

use casskop_common::{api::MultiCasskop, names};
use k8s_openapi::api::core::v1::ConfigMap;
use kube_core::{ObjectMeta, Resource, ResourceExt};

use crate::observed::is_owned_by;

/// How a `MultiCasskop` is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// With its dependents, in the background or the foreground.
    Cascades,
    /// Without them (`kubectl delete --cascade=orphan`).
    Orphans,
    /// Nothing proves that the deletion does not orphan.
    InDoubt,
}

/// A write of the ConfigMap.
#[derive(Clone, Debug, PartialEq)]
pub enum WitnessWrite {
    /// Applies it, before anything is written in a site.
    Apply(Box<ConfigMap>),
    /// Removes its finalizer and deletes it, when no cluster is left to handle, or when it was deleted by hand.
    Delete(Box<ConfigMap>),
}

/// How a resource is deleted, by its finalizers and the ConfigMap.
pub fn deletion(multi: &MultiCasskop, witness: Option<&ConfigMap>) -> Deletion {
    let has = |name: &str| multi.finalizers().iter().any(|other| other == name);
    if has(names::ORPHAN_FINALIZER) {
        return Deletion::Orphans;
    }
    if has(names::FOREGROUND_FINALIZER) {
        return Deletion::Cascades;
    }
    match witness {
        Some(witness) if is_owned_by(witness.owner_references(), multi) => Deletion::Cascades,
        Some(_) => Deletion::Orphans,
        None => Deletion::InDoubt,
    }
}

/// The write of the ConfigMap while the resource is not deleted.
pub fn keep(multi: &MultiCasskop, witness: Option<&ConfigMap>) -> Option<WitnessWrite> {
    match witness {
        Some(witness) if witness.metadata.deletion_timestamp.is_some() => {
            Some(WitnessWrite::Delete(Box::new(witness.clone())))
        }
        Some(witness) if is_owned_by(witness.owner_references(), multi) => None,
        _ => Some(WitnessWrite::Apply(Box::new(build(multi)))),
    }
}

/// The ConfigMap of a resource. With its finalizer it is still there when a foreground deletion has deleted it.
fn build(multi: &MultiCasskop) -> ConfigMap {
    let owner = multi.owner_ref(&());
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(names::multi_witness(&multi.name_any())),
            namespace: multi.namespace(),
            labels: Some([(names::MULTI_LABEL.to_owned(), multi.name_any())].into()),
            owner_references: Some(owner.into_iter().collect()),
            finalizers: Some(vec![names::MULTI_FINALIZER.to_owned()]),
            ..ObjectMeta::default()
        },
        ..ConfigMap::default()
    }
}
