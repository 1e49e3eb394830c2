//! `deletePVC`: the cluster owns the volume claims of its nodes and the mark of its ring, so that Kubernetes' garbage
//! collector deletes them with the cluster, and keeps them if the deletion orphans
//! (`docs/adr/0022-volumes-are-owned-by-their-cluster.md`).

use casskop_common::{api::CassandraCluster, names};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube_core::{Resource, ResourceExt};
use serde::Serialize;

use super::Object;
use crate::observed::{ObservedState, OwnedObjects, is_owned_by};

/// The kind of an object whose owners follow `deletePVC`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum OwnedKind {
    /// The claim of a volume.
    Claim,
    /// The ConfigMap that marks a formed ring.
    RingMark,
}

/// The owners of an object after a change. The change applies only to the observed version of the object.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VolumeOwner {
    /// Kind of the object.
    pub kind: OwnedKind,
    /// Name of the object.
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

impl VolumeOwner {
    /// Whether the owners are those of this object.
    pub(crate) fn is_of(&self, object: &Object) -> bool {
        match object {
            Object::ConfigMap(map) => {
                self.kind == OwnedKind::RingMark && map.metadata.name.as_ref() == Some(&self.name)
            }
            _ => false,
        }
    }
}

impl std::fmt::Display for VolumeOwner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind {
            OwnedKind::Claim => write!(f, "volume {}", self.name),
            OwnedKind::RingMark => write!(f, "ConfigMap {}", self.name),
        }
    }
}

/// The objects whose owners do not match `deletePVC`. The mark is owned only after all volumes are, and is the first to
/// be no longer owned: data must not stay without its mark.
pub fn decide(state: &ObservedState) -> Vec<VolumeOwner> {
    let wanted = state.cluster.spec.delete_pvc == Some(true);
    let mut changes = changes(&state.cluster, &state.live, wanted);
    let awaits_claims = wanted && changes.iter().any(|one| one.kind == OwnedKind::Claim);
    changes.retain(|one| !awaits_claims || one.kind == OwnedKind::Claim);
    changes
}

/// The number of claims that Kubernetes deletes with the cluster, and of the mark of the ring. Claims that are being
/// deleted do not count.
pub fn owned(state: &ObservedState) -> usize {
    let volumes = state.live.volumes.values();
    let claims = volumes
        .filter(|volume| !volume.deleting)
        .filter(|volume| is_owned_by(&volume.owners, &state.cluster));
    let mark = state.live.config_maps.get(&names::ring_mark(state.name()));
    let mark = mark.filter(|map| is_owned_by(map.owner_references(), &state.cluster));
    claims.count() + mark.iter().count()
}

/// Whether the volumes of a cluster with the finalizer of an earlier version are deleted with it, and the changes of their
/// owners that it takes.
#[derive(Clone, Debug, PartialEq)]
pub enum AtDeletion {
    /// They stay, as `deletePVC` requires.
    Stay(Vec<VolumeOwner>),
    /// They stay although `deletePVC` is set, because the deletion orphans.
    StayOrphaned(Vec<VolumeOwner>),
    /// They stay, because the operator finds no proof that the deletion does not orphan.
    StayInDoubt(Vec<VolumeOwner>),
    /// The cluster owns them.
    Go(Vec<VolumeOwner>),
}

/// Decides about the volumes before the finalizer of an earlier version is removed from a cluster that is being deleted.
/// The proof that the deletion does not orphan: Kubernetes deletes the dependents first, or a StatefulSet or ConfigMap
/// still has its owner. The garbage collector removes the owner from the dependents that it orphans.
pub fn at_deletion(cluster: &CassandraCluster, live: &OwnedObjects) -> AtDeletion {
    let has_finalizer = |name: &str| cluster.finalizers().iter().any(|other| other == name);
    let freed = || changes(cluster, live, false);
    if cluster.spec.delete_pvc != Some(true) {
        return AtDeletion::Stay(freed());
    }
    if has_finalizer(names::ORPHAN_FINALIZER) {
        return AtDeletion::StayOrphaned(freed());
    }
    let has_owner = |owners: &[OwnerReference]| is_owned_by(owners, cluster);
    let is_orphaned = live
        .stateful_sets
        .values()
        .any(|set| set.metadata.deletion_timestamp.is_none() && !has_owner(set.owner_references()));
    if is_orphaned {
        return AtDeletion::StayOrphaned(freed());
    }
    let mark = names::ring_mark(&cluster.name_any());
    let mut maps = live.config_maps.iter().filter(|(name, _)| **name != mark);
    let is_certain = has_finalizer(names::FOREGROUND_FINALIZER)
        || live
            .stateful_sets
            .values()
            .any(|set| has_owner(set.owner_references()))
        || maps.any(|(_, map)| has_owner(map.owner_references()));
    if live.volumes.is_empty() || is_certain {
        AtDeletion::Go(changes(cluster, live, true))
    } else {
        AtDeletion::StayInDoubt(freed())
    }
}

/// Whether the garbage collector is about to orphan volumes that `deletePVC` would have deleted.
pub fn orphans(cluster: &CassandraCluster, live: &OwnedObjects) -> bool {
    let mut finalizers = cluster.finalizers().iter();
    cluster.spec.delete_pvc == Some(true)
        && !live.volumes.is_empty()
        && finalizers.any(|name| name == names::ORPHAN_FINALIZER)
}

/// The changes that a deletion without the finalizer still needs: a withdrawn `deletePVC` that was not carried out before.
pub fn still_owned(cluster: &CassandraCluster, live: &OwnedObjects) -> Vec<VolumeOwner> {
    if cluster.spec.delete_pvc == Some(true) {
        return Vec::new();
    }
    changes(cluster, live, false)
}

fn changes(cluster: &CassandraCluster, live: &OwnedObjects, wanted: bool) -> Vec<VolumeOwner> {
    // The cluster does not control a claim, and its deletion does not wait for the claim.
    let Some(owner) = cluster.owner_ref(&()) else {
        return Vec::new();
    };
    let differs = |owners: &[OwnerReference]| is_owned_by(owners, cluster) != wanted;
    let change = |kind, name: &String, uid: String, version: String, owners: &[OwnerReference]| {
        let mut owners = owners.to_vec();
        owners.retain(|other| other.uid != owner.uid);
        owners.extend(wanted.then(|| owner.clone()));
        VolumeOwner {
            kind,
            name: name.clone(),
            uid,
            version,
            owned: wanted,
            owners,
        }
    };
    let volumes = live.volumes.iter().filter(|(name, volume)| {
        !volume.deleting
            && !volume.uid.is_empty()
            && differs(&volume.owners)
            && (!wanted || volume.is_of_a_node(&cluster.name_any(), name))
    });
    let claims = volumes.map(|(name, volume)| {
        let (uid, version) = (volume.uid.clone(), volume.version.clone());
        change(OwnedKind::Claim, name, uid, version, &volume.owners)
    });
    let claims: Vec<_> = claims.collect();
    let mark = live
        .config_maps
        .get_key_value(&names::ring_mark(&cluster.name_any()))
        .filter(|(_, map)| map.metadata.deletion_timestamp.is_none())
        .filter(|(_, map)| differs(map.owner_references()))
        .and_then(|(name, map)| {
            let (uid, version) = (map.uid()?, map.resource_version()?);
            let owners = map.owner_references();
            Some(change(OwnedKind::RingMark, name, uid, version, owners))
        });
    if wanted {
        claims.into_iter().chain(mark).collect()
    } else {
        mark.into_iter().chain(claims).collect()
    }
}
