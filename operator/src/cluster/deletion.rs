//! Deletion of a cluster with the finalizer of an earlier version of the operator. Without that finalizer Kubernetes
//! deletes a cluster without the operator.

use casskop_common::{api::CassandraCluster, names};
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{ConfigMap, PersistentVolumeClaim},
};
use kube::{Resource, ResourceExt};

use super::Error;
use crate::kubernetes::{
    Kube,
    change::own,
    events, finalizer,
    lists::{Freshness, list},
};
use casskop_core::{
    objects::volume_owner::{self, AtDeletion},
    observed::{OwnedObjects, Volume},
};

/// Removes the finalizer, after the cluster owns the volumes that are to be deleted with it.
///
/// # Errors
/// The API server rejects a request; the cluster stays until a later attempt succeeds.
pub async fn release(kube: &Kube, cluster: &CassandraCluster) -> Result<(), Error> {
    if !finalizer::is_there(cluster) {
        return Ok(());
    }
    let namespace = cluster.namespace().unwrap_or_default();
    let selector = names::cluster_selector(&cluster.name_any());
    let (stateful_sets, config_maps, claims) = tokio::try_join!(
        list::<StatefulSet>(kube, &namespace, &selector, Freshness::Now),
        list::<ConfigMap>(kube, &namespace, &selector, Freshness::Now),
        list::<PersistentVolumeClaim>(kube, &namespace, &selector, Freshness::Now),
    )?;
    let live = OwnedObjects {
        stateful_sets,
        config_maps,
        volumes: claims
            .iter()
            .map(|(name, claim)| (name.clone(), Volume::of(claim)))
            .collect(),
        ..OwnedObjects::default()
    };
    match volume_owner::at_deletion(cluster, &live) {
        AtDeletion::Stay => {}
        AtDeletion::StayInDoubt => {
            let event = events::volumes_kept(&cluster.name_any());
            let about = cluster.object_ref(&());
            events::publish(&kube.client, &kube.reporter, &event, &about).await;
        }
        AtDeletion::Go(owners) => {
            for owner in owners {
                own(kube, cluster, &owner).await?;
            }
        }
    }
    finalizer::remove(kube, cluster).await?;
    Ok(())
}
