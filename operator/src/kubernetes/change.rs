//! Changes of existing objects. Each change applies only to the observed object.

use std::time::Duration;

use casskop_common::{api::CassandraCluster, names};
use k8s_openapi::{
    api::{
        apps::v1::StatefulSet,
        core::v1::{ConfigMap, PersistentVolumeClaim},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
};

use crate::kubernetes::{
    Kube,
    apply::Error,
    objects::{self, Kind, conflict},
};
use casskop_core::objects::{Fence, VolumeExpansion, VolumeOwner, volume_owner::OwnedKind};

/// Time between two polls of a StatefulSet that is deleted without its pods, and the number of polls.
const ORPHAN_EVERY: Duration = Duration::from_millis(100);
const ORPHAN_POLLS: u32 = 100;

/// Sets the replicas of the observed StatefulSet, if it still has the observed version.
pub async fn scale(
    kube: &Kube,
    namespace: &str,
    set: &str,
    (uid, version): (&str, &str),
    replicas: i32,
) -> Result<(), Error> {
    let patch = serde_json::json!({
        "metadata": { "uid": uid, "resourceVersion": version },
        "spec": { "replicas": replicas },
    });
    merged::<StatefulSet>(kube, namespace, set, patch)
        .await
        .map(drop)
}

/// Gives the observed StatefulSet a new version, so that what was decided from this one is rejected. A write that is
/// accepted and makes no new version is an error: an admission webhook may have taken the annotation out.
pub async fn fence(kube: &Kube, namespace: &str, fence: &Fence) -> Result<(), Error> {
    let patch = serde_json::json!({
        "metadata": {
            "uid": fence.uid,
            "resourceVersion": fence.version,
            "annotations": { names::FENCED_VERSION: fence.recorded },
        },
    });
    let written = merged::<StatefulSet>(kube, namespace, &fence.set, patch).await?;
    if written.resource_version().as_ref() != Some(&fence.version) {
        return Ok(());
    }
    let why = format!(
        "the annotation {} did not change it: find the admission webhook that removes the annotation",
        names::FENCED_VERSION
    );
    Err(Error::of::<StatefulSet>(&fence.set)(kube::Error::Service(
        why.into(),
    )))
}

/// Writes a merge patch with the UID and the version of the observed object; a conflict if it has another one now.
pub async fn merged<K: Kind>(
    kube: &Kube,
    namespace: &str,
    name: &str,
    patch: serde_json::Value,
) -> Result<K, Error> {
    let api: Api<K> = Api::namespaced(kube.client.clone(), namespace);
    let params = PatchParams {
        field_manager: Some(names::OPERATOR_MANAGER.into()),
        ..PatchParams::default()
    };
    let written = api.patch(name, &params, &Patch::Merge(patch)).await;
    let written = written.map_err(Error::of::<K>(name))?;
    kube.versions.note(&written);
    Ok(written)
}

/// Deletes a StatefulSet without its pods, which keep running, and waits until it is gone. A crash in between is
/// harmless: the StatefulSet of a rack without one is re-created and adopts the existing pods.
pub async fn orphan(kube: &Kube, namespace: &str, observed: &StatefulSet) -> Result<(), Error> {
    let (name, uid) = (&observed.name_any(), observed.uid());
    let failed = Error::of::<StatefulSet>(name);
    let api: Api<StatefulSet> = Api::namespaced(kube.client.clone(), namespace);
    let only = objects::version_precondition(observed);
    objects::delete(&api, name, only, DeleteParams::orphan())
        .await
        .map_err(&failed)?;
    for _ in 0..ORPHAN_POLLS {
        let live = api.get_metadata_opt(name).await.map_err(&failed)?;
        if live.is_none_or(|live| live.uid() != uid) {
            return Ok(());
        }
        tokio::time::sleep(ORPHAN_EVERY).await;
    }
    Err(failed(kube::Error::Service(
        "it is being taken away from its pods, and still there".into(),
    )))
}

/// Requests a larger volume. The API server rejects the request if the storage class does not support expansion.
pub async fn grow(kube: &Kube, namespace: &str, growth: &VolumeExpansion) -> Result<(), Error> {
    let patch = serde_json::json!({
        "metadata": { "uid": growth.uid, "resourceVersion": growth.version },
        "spec": { "resources": { "requests": { "storage": growth.size } } },
    });
    merged::<PersistentVolumeClaim>(kube, namespace, &growth.name, patch).await?;
    tracing::info!(
        volume = growth.name,
        size = growth.size,
        namespace,
        "request to expand"
    );
    Ok(())
}

/// Writes the owners of a volume or of the ring mark, onto the observed version of the object. Before the cluster becomes
/// an owner, it is read a second time: the garbage collector deletes what a deleted cluster owns, also after a deletion that
/// orphans, and `deletePVC` may have been withdrawn.
pub async fn own(
    kube: &Kube,
    cluster: &CassandraCluster,
    change: &VolumeOwner,
) -> Result<(), Error> {
    let namespace = cluster.namespace().unwrap_or_default();
    if change.owned {
        require_unchanged(kube, cluster).await?;
    }
    match change.kind {
        OwnedKind::Claim => write_owners::<PersistentVolumeClaim>(kube, &namespace, change).await,
        OwnedKind::RingMark => write_owners::<ConfigMap>(kube, &namespace, change).await,
    }
}

async fn write_owners<K: Kind>(
    kube: &Kube,
    namespace: &str,
    change: &VolumeOwner,
) -> Result<(), Error> {
    let patch = serde_json::json!({ "metadata": {
        "uid": change.uid,
        "resourceVersion": change.version,
        "ownerReferences": change.owners,
    } });
    let name = &change.name;
    match merged::<K>(kube, namespace, name, patch).await {
        // An object that is gone has no owner.
        Err(error) if error.is_not_found() && !change.owned => return Ok(()),
        outcome => drop(outcome?),
    }
    tracing::info!(%change, namespace, owned = change.owned, "owner changed");
    Ok(())
}

/// The current version of the observed cluster; a conflict if its spec has changed, or its deletion has begun or gone on
/// since. The status changes while nodes are at work.
pub async fn require_unchanged(kube: &Kube, cluster: &CassandraCluster) -> Result<String, Error> {
    let namespace = &cluster.namespace().unwrap_or_default();
    let name = cluster.name_any();
    let api: Api<CassandraCluster> = Api::namespaced(kube.client.clone(), namespace);
    let failed = Error::of::<CassandraCluster>(&name);
    let live = api.get_metadata_opt(&name).await.map_err(&failed)?;
    let state = |meta: &ObjectMeta| {
        let deletion = meta.deletion_timestamp.clone();
        (meta.uid.clone(), meta.generation, deletion)
    };
    let same = live.filter(|live| {
        state(&live.metadata) == state(&cluster.metadata)
            && live.finalizers() == cluster.finalizers()
    });
    let version = same.and_then(|live| live.resource_version());
    version.ok_or_else(|| failed(conflict("it was changed or deleted after the lookup")))
}

/// Deletes an object in its preconditions version.
pub async fn delete<K: Kind>(
    kube: &Kube,
    namespace: &str,
    name: &str,
    preconditions: Preconditions,
) -> Result<(), Error> {
    let api: Api<K> = Api::namespaced(kube.client.clone(), namespace);
    objects::delete(&api, name, preconditions, DeleteParams::background())
        .await
        .map_err(Error::of::<K>(name))
}

/// Writes a JSON patch; its tests prevent a change of a different object of the same name.
pub async fn json_patched<K: Kind>(
    kube: &Kube,
    namespace: &str,
    name: &str,
    patch: serde_json::Value,
) -> Result<(), Error> {
    let failed = Error::of::<K>(name);
    let patch: json_patch::Patch =
        serde_json::from_value(patch).map_err(|error| failed(kube::Error::SerdeError(error)))?;
    let api: Api<K> = Api::namespaced(kube.client.clone(), namespace);
    let params = PatchParams {
        field_manager: Some(names::OPERATOR_MANAGER.into()),
        ..PatchParams::default()
    };
    let written = api.patch(name, &params, &Patch::Json::<()>(patch)).await;
    kube.versions.note(&written.map_err(failed)?);
    Ok(())
}
