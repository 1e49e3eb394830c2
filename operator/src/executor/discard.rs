//! A node that is discarded: its pod and its volumes are deleted, by the recorded UIDs. The ConfigMap of the rack
//! specifies how the next pod starts before anything is deleted.

use crate::{
    effects::Effects,
    executor::{
        NodeTask,
        peer::{self, Place},
        pod, volume,
        wait::{Awaited, wait},
    },
    kubernetes::{objects::said, status_store},
};
use casskop_core::node::NodeError;
use kube::api::DeleteParams;

/// Time to end of a pod whose data is discarded. Nothing has to be flushed, and Cassandra that is about to join may not end on
/// a signal: with the grace period of the pod, the operation would wait for half an hour.
const GRACE_SECONDS: u32 = 30;

/// Deletes the pod and the volumes, and waits until they are gone; the next pod joins as a new node.
pub(super) async fn discard_volumes(
    effects: &Effects,
    task: &NodeTask,
) -> Result<Result<(), NodeError>, status_store::Error> {
    match wait(effects, task, Awaited::MayJoin).await? {
        Ok(()) => discard(effects, task).await,
        failed => Ok(failed),
    }
}

/// Deletes the pod and the volumes, and waits until the next pod has replaced the node.
pub(super) async fn replace(
    effects: &Effects,
    task: &NodeTask,
) -> Result<Result<(), NodeError>, status_store::Error> {
    if let Err(error) = wait(effects, task, Awaited::Replaces).await? {
        return Ok(Err(error));
    }
    // If nothing recorded is left, the pod is the successor, which may still be starting.
    match is_left(effects, task).await {
        Ok(false) => return wait(effects, task, Awaited::ComesBack).await,
        Ok(true) => {}
        Err(error) => return Ok(Err(NodeError::Unreachable(said(&error)))),
    }
    let own_ip = match pod::live(effects, task).await {
        Ok(live) => live.and_then(|(_, pod)| pod.ip),
        Err(error) => return Ok(Err(NodeError::Unreachable(said(&error)))),
    };
    // The state of the node may have changed since the request.
    match peer::place(effects, task, own_ip.as_deref()).await {
        Ok(Place::Down) => {}
        Ok(Place::Taken) => return wait(effects, task, Awaited::Serves).await,
        Err(error) => return Ok(Err(error)),
    }
    match discard(effects, task).await? {
        Ok(()) => wait(effects, task, Awaited::ComesBack).await,
        failed => Ok(failed),
    }
}

async fn discard(
    effects: &Effects,
    task: &NodeTask,
) -> Result<Result<(), NodeError>, status_store::Error> {
    for volume in &task.start.volumes {
        if let Err(error) = volume::delete(effects, task, volume).await {
            return Ok(Err(error));
        }
    }
    let soon = DeleteParams::default().grace_period(GRACE_SECONDS);
    let uid = match user_of_volumes(effects, task).await {
        Ok(user) => user.unwrap_or_else(|| task.start.pod_uid.clone()),
        Err(error) => return Ok(Err(NodeError::Unreachable(said(&error)))),
    };
    match pod::delete(effects, task, &uid, soon).await {
        Ok(()) => wait(effects, task, Awaited::Gone).await,
        Err(error) => Ok(Err(error)),
    }
}

/// The UID of the pod that keeps a recorded volume from going. That is another pod than the recorded one if the pod was
/// created anew since, by a rollout or by hand.
async fn user_of_volumes(
    effects: &Effects,
    task: &NodeTask,
) -> Result<Option<String>, kube::Error> {
    // A pod that is read before the volume exists without the next volume of that name.
    let live = pod::live(effects, task).await?;
    for volume in &task.start.volumes {
        if volume::is_there(effects, task, volume).await? {
            return Ok(live.map(|(uid, _)| uid));
        }
    }
    Ok(None)
}

/// Whether the recorded pod or a recorded volume still exists.
async fn is_left(effects: &Effects, task: &NodeTask) -> Result<bool, kube::Error> {
    for volume in &task.start.volumes {
        if volume::is_there(effects, task, volume).await? {
            return Ok(true);
        }
    }
    let live = pod::live(effects, task).await?;
    Ok(live.is_some_and(|(uid, _)| uid == task.start.pod_uid))
}
