//! A node that is discarded: its pod and its volumes are deleted, by the recorded UIDs. The ConfigMap of the rack
//! specifies how the next pod starts before anything is deleted.

use crate::{
    effects::Effects,
    executor::{
        Run, peer, pod, volume,
        wait::{Awaited, wait},
    },
    kubernetes::{objects::said, status_store},
};
use casskop_core::node::NodeError;

/// Deletes the pod and the volumes, and waits until they are gone; the next pod joins as a new node.
pub(super) async fn give_up(
    effects: &Effects,
    run: &Run,
) -> Result<Result<(), NodeError>, status_store::Error> {
    match wait(effects, run, Awaited::MayJoin).await? {
        Ok(()) => discard(effects, run).await,
        failed => Ok(failed),
    }
}

/// Deletes the pod and the volumes, and waits until the next pod has replaced the node.
pub(super) async fn replace(
    effects: &Effects,
    run: &Run,
) -> Result<Result<(), NodeError>, status_store::Error> {
    if let Err(error) = wait(effects, run, Awaited::Replaces).await? {
        return Ok(Err(error));
    }
    // If nothing recorded is left, the pod is the successor, which may still be starting.
    match is_left(effects, run).await {
        Ok(false) => return wait(effects, run, Awaited::ComesBack).await,
        Ok(true) => {}
        Err(error) => return Ok(Err(NodeError::Unreachable(said(&error)))),
    }
    // The state of the node may have changed since the request.
    if let Err(error) = peer::is_down(effects, run).await {
        return Ok(Err(error));
    }
    match discard(effects, run).await? {
        Ok(()) => wait(effects, run, Awaited::ComesBack).await,
        failed => Ok(failed),
    }
}

async fn discard(
    effects: &Effects,
    run: &Run,
) -> Result<Result<(), NodeError>, status_store::Error> {
    for volume in &run.volumes {
        if let Err(error) = volume::delete(effects, run, volume).await {
            return Ok(Err(error));
        }
    }
    match pod::delete(effects, run).await {
        Ok(()) => wait(effects, run, Awaited::Gone).await,
        Err(error) => Ok(Err(error)),
    }
}

/// Whether the recorded pod or a recorded volume still exists.
async fn is_left(effects: &Effects, run: &Run) -> Result<bool, kube::Error> {
    for volume in &run.volumes {
        if volume::is_there(effects, run, volume).await? {
            return Ok(true);
        }
    }
    let live = pod::live(effects, run).await?;
    Ok(live.is_some_and(|(uid, _)| uid == run.pod_uid))
}
