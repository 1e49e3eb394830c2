//! The finalizer that earlier versions of the operator put on a cluster with `deletePVC`. It is only removed: nothing of a
//! cluster waits for the operator when the cluster is deleted.

use casskop_common::{api::CassandraCluster, names};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::kubernetes::{Kube, apply::Error};

/// Whether the cluster has the finalizer.
pub fn is_there(cluster: &CassandraCluster) -> bool {
    cluster
        .finalizers()
        .iter()
        .any(|name| name == names::VOLUMES_FINALIZER)
}

/// Removes the finalizer, and keeps the finalizers of others. Only the finalizers have to be the observed ones: the status
/// changes while nodes are at work.
///
/// # Errors
/// The API server rejects the request, or the cluster has changed.
pub async fn remove(kube: &Kube, cluster: &CassandraCluster) -> Result<(), Error> {
    let namespace = cluster.namespace().unwrap_or_default();
    let api: Api<CassandraCluster> = Api::namespaced(kube.client.clone(), &namespace);
    let params = PatchParams {
        field_manager: Some(names::OPERATOR_MANAGER.into()),
        ..PatchParams::default()
    };
    let patch = Patch::Json::<()>(patch(cluster));
    let name = &cluster.name_any();
    match api.patch_metadata(name, &params, &patch).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        outcome => outcome
            .map(drop)
            .map_err(Error::of::<CassandraCluster>(name)),
    }
}

fn patch(cluster: &CassandraCluster) -> json_patch::Patch {
    let before = cluster.finalizers();
    let after: Vec<&String> = before
        .iter()
        .filter(|name| *name != names::VOLUMES_FINALIZER)
        .collect();
    let patch = json!([
        { "op": "test", "path": "/metadata/uid", "value": cluster.uid() },
        { "op": "test", "path": "/metadata/finalizers", "value": before },
        { "op": "replace", "path": "/metadata/finalizers", "value": after },
    ]);
    serde_json::from_value(patch).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use casskop_common::api::CassandraClusterSpec;

    use super::*;

    #[test]
    fn the_finalizers_of_others_stay() {
        let ours = names::VOLUMES_FINALIZER;
        for (seen, kept) in [
            (&["a/b", ours, "c/d"][..], json!(["a/b", "c/d"])),
            (&[ours], json!([])),
            (&["a/b"], json!(["a/b"])),
        ] {
            let mut cluster = CassandraCluster::new("demo", CassandraClusterSpec::default());
            cluster.metadata.uid = Some("u".into());
            cluster.metadata.finalizers = Some(seen.iter().map(|&name| name.into()).collect());
            let mut object = serde_json::to_value(&cluster).unwrap();
            json_patch::patch(&mut object, &patch(&cluster)).unwrap();
            assert_eq!(object["metadata"]["finalizers"], kept);
        }
    }
}
