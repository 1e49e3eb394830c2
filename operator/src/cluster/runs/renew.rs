//! A node that is given up: its pod and its volumes are deleted, those very ones that were recorded. How the next pod
//! starts stands in its rack's ConfigMap before anything is deleted.

use super::{
    Run,
    awaited::{Awaited, wait},
    pod, volume,
};
use crate::{cluster::journal, context::Context, nodes::NodeError};

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
