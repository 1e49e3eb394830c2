//! A volume of a discarded node: only the recorded one, by its UID.

use casskop_common::api::VolumeRef;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::{Api, ResourceExt, api::DeleteParams};

use crate::{
    effects::Effects,
    executor::NodeTask,
    kubernetes::objects::{self, in_time},
};
use casskop_core::node::NodeError;

/// Deletes the volume. Kubernetes removes it when its pod has ended.
pub(super) async fn delete(
    effects: &Effects,
    task: &NodeTask,
    volume: &VolumeRef,
) -> Result<(), NodeError> {
    let (api, only) = (
        claims(effects, task),
        objects::uid_precondition(&volume.uid),
    );
    let deleted = objects::delete(&api, &volume.name, only, DeleteParams::default());
    match in_time(deleted).await {
        // The volume of this name is already a different one.
        Err(error) if objects::is_conflict(&error) => Ok(()),
        Err(error) => Err(NodeError::Unreachable(format!(
            "volume {} cannot be deleted: {error}",
            volume.name
        ))),
        Ok(()) => {
            let (kind, id) = (task.start.kind.as_str(), &task.start.id);
            tracing::info!(
                cluster = task.cluster.name,
                volume = volume.name,
                kind,
                id,
                "deleted the volume of a discarded node"
            );
            Ok(())
        }
    }
}

/// Whether the volume still exists.
pub(super) async fn is_there(
    effects: &Effects,
    task: &NodeTask,
    volume: &VolumeRef,
) -> Result<bool, kube::Error> {
    let live = in_time(claims(effects, task).get_metadata_opt(&volume.name)).await?;
    Ok(live.is_some_and(|live| live.uid().as_ref() == Some(&volume.uid)))
}

fn claims(effects: &Effects, task: &NodeTask) -> Api<PersistentVolumeClaim> {
    Api::namespaced(effects.kube.client.clone(), &task.cluster.namespace)
}
