//! A node that is given up: its pod and its volumes are deleted, those very ones that were recorded. How the next pod
//! starts stands in its rack's ConfigMap before anything is deleted.

use super::{
    Run,
    awaited::{Awaited, wait},
    peer, pod, volume,
};
use crate::{
    cluster::{journal, objects::said},
    context::Context,
    nodes::NodeError,
};

/// Deletes the pod and the volumes, and waits until they are gone; the next pod joins as a new node.
pub(super) async fn give_up(
    ctx: &Context,
    run: &Run,
) -> Result<Result<(), NodeError>, journal::Error> {
    match wait(ctx, run, Awaited::MayJoin).await? {
        Ok(()) => discard(ctx, run).await,
        failed => Ok(failed),
    }
}

/// Deletes the pod and the volumes, and waits until the next pod has taken the node's place.
pub(super) async fn replace(
    ctx: &Context,
    run: &Run,
) -> Result<Result<(), NodeError>, journal::Error> {
    if let Err(error) = wait(ctx, run, Awaited::Replaces).await? {
        return Ok(Err(error));
    }
    // When nothing is left of it, the pod is the next one, perhaps half-way.
    match is_left(ctx, run).await {
        Ok(false) => return wait(ctx, run, Awaited::ComesBack).await,
        Ok(true) => {}
        Err(error) => return Ok(Err(NodeError::Unreachable(said(&error)))),
    }
    // Much may have happened since it was asked for.
    if let Err(error) = peer::is_down(ctx, run).await {
        return Ok(Err(error));
    }
    match discard(ctx, run).await? {
        Ok(()) => wait(ctx, run, Awaited::ComesBack).await,
        failed => Ok(failed),
    }
}

async fn discard(ctx: &Context, run: &Run) -> Result<Result<(), NodeError>, journal::Error> {
    for volume in &run.volumes {
        if let Err(error) = volume::delete(ctx, run, volume).await {
            return Ok(Err(error));
        }
    }
    match pod::delete(ctx, run).await {
        Ok(()) => wait(ctx, run, Awaited::Gone).await,
        Err(error) => Ok(Err(error)),
    }
}

/// Whether the pod or a volume that was recorded is still there.
async fn is_left(ctx: &Context, run: &Run) -> Result<bool, kube::Error> {
    for volume in &run.volumes {
        if volume::is_there(ctx, run, volume).await? {
            return Ok(true);
        }
    }
    let live = pod::live(ctx, run).await?;
    Ok(live.is_some_and(|(uid, _)| uid == run.pod_uid))
}
