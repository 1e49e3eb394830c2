//! Deletion of a cluster with the finalizer of an earlier version of the operator. Without that finalizer Kubernetes
//! deletes a cluster without the operator.

use casskop_common::{api::CassandraCluster, names};
use kube::{Resource, ResourceExt, runtime::events::Event};

use super::{Error, act::change_owners};
use crate::kubernetes::{
    Kube, apply, events, finalizer,
    lists::{Freshness, list, list_parts},
    superuser,
};
use casskop_core::{
    objects::volume_owner::{self, AtDeletion, VolumeOwner},
    observed::{OwnedObjects, Volume},
};

/// Removes the finalizer, after the cluster owns the volumes that are to be deleted with it, and no others.
///
/// # Errors
/// The API server rejects a request; the cluster stays until a later attempt succeeds.
pub async fn release(kube: &Kube, cluster: &CassandraCluster) -> Result<(), Error> {
    let namespace = cluster.namespace().unwrap_or_default();
    let selector = names::cluster_selector(&cluster.name_any());
    let (stateful_sets, config_maps, volumes) = tokio::try_join!(
        list(kube, &namespace, &selector, Freshness::Now),
        list(kube, &namespace, &selector, Freshness::Now),
        list_parts(kube, &namespace, &selector, (Freshness::Now, 0), Volume::of),
    )?;
    let live = OwnedObjects {
        stateful_sets,
        config_maps,
        volumes,
        ..OwnedObjects::default()
    };
    if !finalizer::is_there(cluster) {
        let stay = cluster.spec.delete_pvc != Some(true);
        let kept = keep_superuser(kube, cluster, stay).await;
        let owners = volume_owner::still_owned(cluster, &live);
        change(kube, cluster, &owners).await?;
        if volume_owner::orphans(cluster, &live) {
            publish(kube, cluster, events::volumes_orphaned).await;
        }
        return kept;
    }
    let decision = volume_owner::at_deletion(cluster, &live);
    let stay = !matches!(decision, AtDeletion::Go(_));
    let kept = keep_superuser(kube, cluster, stay).await;
    match decision {
        AtDeletion::Stay(owners) | AtDeletion::Go(owners) => change(kube, cluster, &owners).await?,
        AtDeletion::StayOrphaned(owners) => {
            change(kube, cluster, &owners).await?;
            publish(kube, cluster, events::volumes_orphaned).await;
        }
        AtDeletion::StayInDoubt(owners) => {
            change(kube, cluster, &owners).await?;
            publish(kube, cluster, events::volumes_kept).await;
        }
    }
    kept?;
    finalizer::remove(kube, cluster).await?;
    Ok(())
}

async fn publish(kube: &Kube, cluster: &CassandraCluster, event: fn(&str) -> Event) {
    let event = event(&cluster.name_any());
    let about = cluster.object_ref(&());
    events::publish(&kube.client, &kube.reporter, &event, &about).await;
}

/// Changes the owners of volumes.
async fn change(
    kube: &Kube,
    cluster: &CassandraCluster,
    owners: &[VolumeOwner],
) -> Result<(), Error> {
    told(kube, cluster, change_owners(kube, cluster, owners).await).await
}

/// The superuser of the volumes is in Secrets that stay if they do. A rejected change does not hold those of the volumes.
async fn keep_superuser(kube: &Kube, cluster: &CassandraCluster, stay: bool) -> Result<(), Error> {
    if !stay {
        return Ok(());
    }
    told(kube, cluster, superuser::release(kube, cluster).await).await
}

/// The deletion does not wait for a rejected change for ever, so an event reports it.
async fn told(
    kube: &Kube,
    cluster: &CassandraCluster,
    outcome: Result<(), apply::Error>,
) -> Result<(), Error> {
    if let Some(error) = outcome.as_ref().err().filter(|error| !error.is_conflict()) {
        let event = events::owners_not_changed(&error.to_string());
        let about = cluster.object_ref(&());
        events::publish(&kube.client, &kube.reporter, &event, &about).await;
    }
    Ok(outcome?)
}
