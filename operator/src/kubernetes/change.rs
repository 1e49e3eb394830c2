//! Changes of what is there. Each holds only for what was looked at.

use std::time::Duration;

use casskop_common::names;
use k8s_openapi::api::{apps::v1::StatefulSet, core::v1::PersistentVolumeClaim};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
};

use crate::kubernetes::{
    Kube,
    apply::Error,
    objects::{self, Kind},
};
use casskop_core::objects::Growth;

/// Time between two looks at a StatefulSet that is taken away from its pods, and how many there are.
const ORPHAN_EVERY: Duration = Duration::from_millis(100);
const ORPHAN_LOOKS: u32 = 100;

/// Lowers the replicas of the StatefulSet that was looked at, while it has as many as it was seen to have.
pub async fn scale(
    kube: &Kube,
    namespace: &str,
    set: &str,
    (uid, from, to): (&str, i32, i32),
) -> Result<(), Error> {
    let patch = serde_json::json!([
        { "op": "test", "path": "/metadata/uid", "value": uid },
        { "op": "test", "path": "/spec/replicas", "value": from },
        { "op": "replace", "path": "/spec/replicas", "value": to },
    ]);
    json_patched::<StatefulSet>(kube, namespace, set, patch).await
}

/// Takes a StatefulSet away from its pods, which keep running, and waits until it is gone. A crash in between does no
/// harm: a rack without its StatefulSet gets it back with the pods that are there.
pub async fn orphan(kube: &Kube, namespace: &str, seen: &StatefulSet) -> Result<(), Error> {
    let (name, uid) = (&seen.name_any(), seen.uid());
    let failed = Error::of::<StatefulSet>(name);
    let api: Api<StatefulSet> = Api::namespaced(kube.client.clone(), namespace);
    let only = objects::unchanged(seen);
    objects::delete(&api, name, only, DeleteParams::orphan())
        .await
        .map_err(&failed)?;
    for _ in 0..ORPHAN_LOOKS {
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

/// Asks for a larger volume. Where its class cannot grow volumes, the API server says so.
pub async fn grow(kube: &Kube, namespace: &str, growth: &Growth) -> Result<(), Error> {
    let patch = serde_json::json!([
        { "op": "test", "path": "/metadata/uid", "value": growth.uid },
        { "op": "replace", "path": "/spec/resources/requests/storage", "value": growth.size },
    ]);
    json_patched::<PersistentVolumeClaim>(kube, namespace, &growth.name, patch).await?;
    tracing::info!(
        volume = growth.name,
        size = growth.size,
        namespace,
        "asked to grow"
    );
    Ok(())
}

/// Deletes an object as it was looked at.
pub async fn delete<K: Kind>(
    kube: &Kube,
    namespace: &str,
    name: &str,
    seen: Preconditions,
) -> Result<(), Error> {
    let api: Api<K> = Api::namespaced(kube.client.clone(), namespace);
    objects::delete(&api, name, seen, DeleteParams::background())
        .await
        .map_err(Error::of::<K>(name))
}

/// Writes a JSON patch; its tests hold it back from another object of the name.
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
    kube.versions.met(&written.map_err(failed)?);
    Ok(())
}
