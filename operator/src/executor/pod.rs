//! The pod of a node, and its successor of the same name.

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt, api::DeleteParams};

use crate::{
    effects::Effects,
    executor::{
        NodeTask,
        wait::{Awaited, wait},
    },
    kubernetes::{
        objects::{self, in_time},
        status_store,
    },
};
use casskop_core::{node::NodeError, observed::NodePod};

/// Deletes the pod that was recorded at the start of the operation, if it still exists, and waits until its successor
/// serves clients. A call after a restart of the operator continues with the remaining work.
pub(super) async fn replace(
    effects: &Effects,
    task: &NodeTask,
) -> Result<Result<(), NodeError>, status_store::Error> {
    match delete(effects, task, &task.start.pod_uid, DeleteParams::default()).await {
        Ok(()) => wait(effects, task, Awaited::ComesBack).await,
        Err(error) => Ok(Err(error)),
    }
}

/// The current pod of the name, with its UID.
pub(super) async fn live(
    effects: &Effects,
    task: &NodeTask,
) -> Result<Option<(String, NodePod)>, kube::Error> {
    let live = in_time(pods(effects, task).get_opt(&task.start.pod)).await?;
    Ok(live.map(|live| (live.uid().unwrap_or_default(), NodePod::of(&live))))
}

/// Deletes the pod of this UID only; a successor is not deleted. The grace period is the pod's own without one in `how`.
pub(super) async fn delete(
    effects: &Effects,
    task: &NodeTask,
    uid: &str,
    how: DeleteParams,
) -> Result<(), NodeError> {
    let (api, only) = (pods(effects, task), objects::uid_precondition(uid));
    let deleted = objects::delete(&api, &task.start.pod, only, how);
    match in_time(deleted).await {
        // The pod of this name is already a different one.
        Err(error) if objects::is_conflict(&error) => Ok(()),
        outcome => outcome.map_err(|error| {
            NodeError::Unreachable(format!(
                "its pod cannot be deleted: {}",
                objects::error_text(&error)
            ))
        }),
    }
}

fn pods(effects: &Effects, task: &NodeTask) -> Api<Pod> {
    Api::namespaced(effects.kube.client.clone(), &task.cluster.namespace)
}
