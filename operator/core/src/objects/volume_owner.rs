//! `deletePVC`: the cluster owns the volume claims of its nodes, so that Kubernetes' garbage collector deletes them with
//! the cluster, and keeps them if the deletion orphans (`docs/adr/0022-volumes-are-owned-by-their-cluster.md`).

use casskop_common::{api::CassandraCluster, names};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube_core::{Resource, ResourceExt};
use serde::Serialize;

use crate::observed::{ObservedState, OwnedObjects, Volume};

/// The owners of a volume claim after a change. The change applies only to the observed version of the claim.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VolumeOwner {
    /// Name of the claim.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Its observed resource version.
    pub version: String,
    /// Whether the cluster is one of the owners.
    pub owned: bool,
    /// All owners.
    pub owners: Vec<OwnerReference>,
}

/// The claims whose owners do not match `deletePVC`.
pub fn decide(state: &ObservedState) -> Vec<VolumeOwner> {
    let wanted = state.cluster.spec.delete_pvc == Some(true);
    changes(&state.cluster, &state.live, wanted)
}

/// The claims to own before the finalizer of an earlier version is removed from a cluster that is being deleted. None if
/// the deletion orphans: then the garbage collector has removed the owner from a StatefulSet, or will do so.
pub fn at_deletion(cluster: &CassandraCluster, live: &OwnedObjects) -> Vec<VolumeOwner> {
    let uid = cluster.uid();
    let outlives = live.stateful_sets.values().any(|set| {
        let mut owners = set.owner_references().iter();
        set.metadata.deletion_timestamp.is_none()
            && owners.all(|owner| Some(&owner.uid) != uid.as_ref())
    });
    let orphans = cluster
        .finalizers()
        .iter()
        .any(|name| name == names::ORPHAN_FINALIZER);
    if cluster.spec.delete_pvc != Some(true) || orphans || outlives {
        return Vec::new();
    }
    changes(cluster, live, true)
}

fn changes(cluster: &CassandraCluster, live: &OwnedObjects, wanted: bool) -> Vec<VolumeOwner> {
    // The cluster does not control a claim, and its deletion does not wait for the claim.
    let Some(owner) = cluster.owner_ref(&()) else {
        return Vec::new();
    };
    let is_ours = |other: &OwnerReference| other.uid == owner.uid;
    let volumes = live.volumes.iter().filter(|(name, volume)| {
        !volume.deleting
            && !volume.uid.is_empty()
            && volume.owners.iter().any(is_ours) != wanted
            && (!wanted || is_of_a_node(&cluster.name_any(), name, volume))
    });
    volumes
        .map(|(name, volume)| {
            let mut owners = volume.owners.clone();
            owners.retain(|other| !is_ours(other));
            owners.extend(wanted.then(|| owner.clone()));
            VolumeOwner {
                name: name.clone(),
                uid: volume.uid.clone(),
                version: volume.version.clone(),
                owned: wanted,
                owners,
            }
        })
        .collect()
}

/// Whether a claim is named `<volume>-<pod>` for a pod of the rack in its labels.
fn is_of_a_node(cluster: &str, claim: &str, volume: &Volume) -> bool {
    let set = volume
        .rack
        .as_ref()
        .map(|rack| names::stateful_set(cluster, rack));
    let parts = claim.rsplit_once('-').zip(set);
    parts.is_some_and(|((of, ordinal), set)| {
        let template = of.strip_suffix(&set).and_then(|of| of.strip_suffix('-'));
        template.is_some_and(|template| !template.is_empty()) && ordinal.parse::<u32>().is_ok()
    })
}
