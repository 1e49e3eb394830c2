//! `deletePVC`: the volumes go with the cluster. Our finalizer holds the resource until they were told to; it is the
//! only one we ever touch.

use casskop_common::{api::CassandraCluster, names};
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::kubernetes::{
    Kube,
    objects::{self, Kind},
};

/// Sets our finalizer where the volumes are to go with the cluster, and takes it away where they no longer are.
///
/// # Errors
/// When the API server refuses.
pub async fn prepare(kube: &Kube, cluster: &CassandraCluster) -> Result<(), kube::Error> {
    let wanted = cluster.spec.delete_pvc == Some(true);
    if wanted != is_ours(cluster) {
        write(kube, cluster, wanted).await?;
    }
    Ok(())
}

/// Lets a deleted cluster go, with its volumes where that was asked for. They end when their pods have.
///
/// # Errors
/// When the API server refuses; the cluster stays until it does not.
pub async fn finalize(kube: &Kube, cluster: &CassandraCluster) -> Result<(), kube::Error> {
    if !is_ours(cluster) {
        return Ok(());
    }
    let namespace = cluster.namespace().unwrap_or_default();
    if cluster.spec.delete_pvc == Some(true) {
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
        // It says that there is a ring on the volumes.
        let maps: Api<ConfigMap> = Api::namespaced(kube.client.clone(), &namespace);
        if let Some(mark) = maps.get_opt(&names::ring_mark(&cluster.name_any())).await? {
            delete(&maps, &mark).await?;
        }
    }
    write(kube, cluster, false).await
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
    objects::delete(api, &object.name_any(), objects::very(&uid), how).await
}

/// Adds or removes our finalizer and leaves those of others as they are.
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

/// Holds only for the version that was seen, so that no finalizer that somebody adds meanwhile is lost.
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
