//! `deletePVC`: the volumes are deleted with the cluster. The operator's finalizer keeps the resource until the
//! deletion of the volumes is requested; no other finalizer is changed. Volumes of pods that outlive the resource
//! (`kubectl delete --cascade=orphan`) are not deleted.

use casskop_common::{api::CassandraCluster, names};
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{ConfigMap, PersistentVolumeClaim, Pod},
};
use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
    runtime::events::Recorder,
};
use serde_json::{Value, json};

use crate::kubernetes::{
    Kube, events,
    objects::{self, Kind},
};

/// Adds the operator's finalizer if the volumes are to be deleted with the cluster, and removes it otherwise.
///
/// # Errors
/// The API server rejects the request.
pub async fn prepare(kube: &Kube, cluster: &CassandraCluster) -> Result<(), kube::Error> {
    let wanted = cluster.spec.delete_pvc == Some(true);
    if wanted != is_ours(cluster) {
        write(kube, cluster, wanted).await?;
    }
    Ok(())
}

/// Releases a deleted cluster, with its volumes if the spec requests that. Kubernetes removes the volumes when their
/// pods have ended.
///
/// # Errors
/// The API server rejects a request; the cluster stays until a later attempt succeeds.
pub async fn finalize(kube: &Kube, cluster: &CassandraCluster) -> Result<(), kube::Error> {
    if !is_ours(cluster) {
        return Ok(());
    }
    let namespace = cluster.namespace().unwrap_or_default();
    let deletes = cluster.spec.delete_pvc == Some(true);
    let survivor = if deletes {
        survivor(kube, cluster).await?
    } else {
        None
    };
    if let Some(survivor) = survivor {
        tell_kept(kube, cluster, &survivor).await;
    } else if deletes {
        let api: Api<PersistentVolumeClaim> = Api::namespaced(kube.client.clone(), &namespace);
        let selector = names::cluster_selector(&cluster.name_any());
        for claim in api
            .list(&ListParams::default().labels(&selector))
            .await?
            .items
        {
            delete(&api, &claim).await?;
            tracing::info!(
                volume = claim.name_any(),
                namespace,
                "deleted with its cluster"
            );
        }
        // The ConfigMap marks that there is a ring on the volumes.
        let maps: Api<ConfigMap> = Api::namespaced(kube.client.clone(), &namespace);
        if let Some(mark) = maps.get_opt(&names::ring_mark(&cluster.name_any())).await? {
            delete(&maps, &mark).await?;
        }
    }
    write(kube, cluster, false).await
}

/// The object that outlives the cluster, so that its volumes must stay. The garbage collector removes Kubernetes'
/// finalizer as soon as it has orphaned the dependents, so a StatefulSet or pod without its owner counts as well.
async fn survivor(kube: &Kube, cluster: &CassandraCluster) -> Result<Option<String>, kube::Error> {
    let finalizers = cluster.finalizers();
    if finalizers
        .iter()
        .any(|name| name == names::ORPHAN_FINALIZER)
    {
        return Ok(Some("everything that it owns (--cascade=orphan)".into()));
    }
    let uid = cluster.uid().unwrap_or_default();
    let set = outlives::<StatefulSet>(kube, cluster, |owner| *owner == uid).await?;
    if let Some(set) = set {
        return Ok(Some(format!("StatefulSet {set}")));
    }
    // The owner of a pod is its StatefulSet.
    let pod = outlives::<Pod>(kube, cluster, |_| true).await?;
    Ok(pod.map(|pod| format!("pod {pod}")))
}

/// An object of the cluster that is not being deleted, and has no owner that is deleted with the cluster.
async fn outlives<K: Kind>(
    kube: &Kube,
    cluster: &CassandraCluster,
    is_owner: impl Fn(&String) -> bool,
) -> Result<Option<String>, kube::Error> {
    let namespace = cluster.namespace().unwrap_or_default();
    let api: Api<K> = Api::namespaced(kube.client.clone(), &namespace);
    let selector = names::cluster_selector(&cluster.name_any());
    let found = api
        .list(&ListParams::default().labels(&selector))
        .await?
        .items;
    let stays = |object: &&K| {
        let owners = object.owner_references();
        object.meta().deletion_timestamp.is_none()
            && !owners.iter().any(|owner| is_owner(&owner.uid))
    };
    Ok(found.iter().find(stays).map(ResourceExt::name_any))
}

/// Publishes that the volumes stay, because the resource is gone before its status could tell.
async fn tell_kept(kube: &Kube, cluster: &CassandraCluster, survivor: &str) {
    let note = format!(
        "{survivor} outlives the deletion of the CassandraCluster, so its volumes stay although deletePVC is true: delete them by hand when no pod uses them"
    );
    tracing::warn!(cluster = cluster.name_any(), namespace = cluster.namespace(), %note, "volumes kept");
    let recorder = Recorder::new(kube.client.clone(), kube.reporter.clone());
    let event = events::event(true, "VolumesKept".into(), "delete", &note);
    if let Err(error) = recorder.publish(&event, &cluster.object_ref(&())).await {
        tracing::warn!(cluster = cluster.name_any(), %error, "an event was not published");
    }
}

fn is_ours(cluster: &CassandraCluster) -> bool {
    cluster
        .finalizers()
        .iter()
        .any(|name| name == names::VOLUMES_FINALIZER)
}

async fn delete<K: Kind>(api: &Api<K>, object: &K) -> Result<(), kube::Error> {
    let uid = object.uid().unwrap_or_default();
    let how = DeleteParams::background();
    objects::delete(
        api,
        &object.name_any(),
        objects::uid_precondition(&uid),
        how,
    )
    .await
}

/// Adds or removes the operator's finalizer and keeps the finalizers of others.
async fn write(kube: &Kube, cluster: &CassandraCluster, wanted: bool) -> Result<(), kube::Error> {
    let patch: json_patch::Patch =
        serde_json::from_value(patch(cluster, wanted)).map_err(kube::Error::SerdeError)?;
    let namespace = cluster.namespace().unwrap_or_default();
    let api: Api<CassandraCluster> = Api::namespaced(kube.client.clone(), &namespace);
    let params = PatchParams {
        field_manager: Some(names::OPERATOR_MANAGER.into()),
        ..PatchParams::default()
    };
    match api
        .patch_metadata(&cluster.name_any(), &params, &Patch::Json::<()>(patch))
        .await
    {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        outcome => outcome.map(drop),
    }
}

/// The patch applies only to the observed version, so that no finalizer that was added in the meantime is lost.
fn patch(cluster: &CassandraCluster, wanted: bool) -> Value {
    let path = "/metadata/finalizers";
    let seen = cluster.finalizers();
    let place = seen
        .iter()
        .position(|name| name == names::VOLUMES_FINALIZER);
    let change = match place {
        Some(place) if !wanted => json!({ "op": "remove", "path": format!("{path}/{place}") }),
        None if wanted && seen.is_empty() => {
            json!({ "op": "add", "path": path, "value": [names::VOLUMES_FINALIZER] })
        }
        None if wanted => {
            json!({ "op": "add", "path": format!("{path}/-"), "value": names::VOLUMES_FINALIZER })
        }
        _ => return json!([]),
    };
    let version = cluster.resource_version().unwrap_or_default();
    json!([{ "op": "test", "path": "/metadata/resourceVersion", "value": version }, change])
}

#[cfg(test)]
mod tests {
    use casskop_common::api::CassandraClusterSpec;

    use super::*;

    fn after(seen: &[&str], wanted: bool) -> Value {
        let mut object = json!({ "metadata": { "resourceVersion": "7" } });
        if !seen.is_empty() {
            object["metadata"]["finalizers"] = json!(seen);
        }
        let mut cluster = CassandraCluster::new("demo", CassandraClusterSpec::default());
        cluster.metadata = serde_json::from_value(object["metadata"].clone()).expect("metadata");
        let patch = serde_json::from_value(patch(&cluster, wanted));
        let patch: json_patch::Patch = patch.expect("a patch");
        json_patch::patch(&mut object, &patch).expect("it applies");
        object["metadata"]["finalizers"].clone()
    }

    #[test]
    fn only_our_finalizer_comes_and_goes() {
        let ours = names::VOLUMES_FINALIZER;
        assert_eq!(after(&[], true), json!([ours]));
        assert_eq!(after(&["a/b"], true), json!(["a/b", ours]));
        assert_eq!(after(&["a/b", ours, "c/d"], false), json!(["a/b", "c/d"]));
        assert_eq!(after(&["a/b"], false), json!(["a/b"]));
        assert_eq!(after(&[ours], true), json!([ours]));
    }
}
