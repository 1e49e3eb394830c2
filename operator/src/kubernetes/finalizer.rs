//! The finalizer that earlier versions of the operator put on a cluster with `deletePVC`. It is only removed: nothing of a
//! cluster waits for the operator when the cluster is deleted.

use casskop_common::{api::CassandraCluster, names};
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::kubernetes::{
    Kube,
    apply::Error,
    change::{merged, require_unchanged},
};

/// Whether the cluster has the finalizer.
pub fn is_there(cluster: &CassandraCluster) -> bool {
    cluster
        .finalizers()
        .iter()
        .any(|name| name == names::VOLUMES_FINALIZER)
}

/// Removes the finalizer, and keeps the finalizers of others. The cluster has to be the observed one, with the same spec and
/// finalizers: `deletePVC` may have been withdrawn since, and only the finalizer delays a deletion.
///
/// # Errors
/// The API server rejects the request, or the cluster has changed.
pub async fn remove(kube: &Kube, cluster: &CassandraCluster) -> Result<(), Error> {
    let namespace = cluster.namespace().unwrap_or_default();
    let version = require_unchanged(kube, cluster).await?;
    let patch = patch(cluster, &version);
    match merged::<CassandraCluster>(kube, &namespace, &cluster.name_any(), patch).await {
        Err(error) if error.is_not_found() => Ok(()),
        outcome => outcome.map(drop),
    }
}

fn patch(cluster: &CassandraCluster, version: &str) -> Value {
    let others = cluster.finalizers().iter();
    let others: Vec<&String> = others
        .filter(|name| *name != names::VOLUMES_FINALIZER)
        .collect();
    json!({ "metadata": {
        "uid": cluster.uid(),
        "resourceVersion": version,
        "finalizers": others,
    } })
}

#[cfg(test)]
mod tests {
    use casskop_common::api::CassandraClusterSpec;

    use super::*;

    #[test]
    fn the_finalizers_of_others_stay() {
        let ours = names::VOLUMES_FINALIZER;
        for (before, kept) in [
            (&["a/b", ours, "c/d"][..], json!(["a/b", "c/d"])),
            (&[ours], json!([])),
            (&["a/b"], json!(["a/b"])),
        ] {
            let mut cluster = CassandraCluster::new("demo", CassandraClusterSpec::default());
            cluster.metadata.uid = Some("u".into());
            cluster.metadata.finalizers = Some(before.iter().map(|&name| name.into()).collect());
            let mut object = serde_json::to_value(&cluster).unwrap();
            json_patch::merge(&mut object, &patch(&cluster, "1"));
            assert_eq!(object["metadata"]["finalizers"], kept);
        }
    }
}
