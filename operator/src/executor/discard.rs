//! A node that is discarded: its pod and its volumes are deleted, by the recorded UIDs. The ConfigMap of the rack
//! specifies how the next pod starts before anything is deleted.

use crate::{
    effects::Effects,
    executor::{
        NodeTask,
        place::{self, Place},
        pod, volume,
        wait::{Awaited, wait},
    },
    kubernetes::{objects::error_text, status_store},
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
    if let Err(error) = wait(effects, task, Awaited::MayJoin).await? {
        return Ok(Err(error));
    }
    let place = match read(effects, task).await {
        Ok(observed) => place::of_a_removed_node(effects, task, observed.ip.as_deref()).await,
        Err(error) => Err(error),
    };
    match place {
        Ok(Place::Vacant) => discard(effects, task).await,
        Ok(Place::Taken) => Ok(Ok(())),
        Err(error) => Ok(Err(error)),
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
    let observed = match read(effects, task).await {
        Ok(observed) => observed,
        Err(error) => return Ok(Err(error)),
    };
    // If nothing recorded is left, the pod is the successor, which may still be starting.
    let has_pod = observed.pod_uid.as_ref() == Some(&task.start.pod_uid);
    if !has_pod && !observed.has_volume {
        return wait(effects, task, Awaited::ComesBack).await;
    }
    // The state of the node may have changed since the request.
    match place::of_a_lost_node(effects, task, observed.ip.as_deref()).await {
        Ok(Place::Vacant) => {}
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
    // A pod that was created anew after the record, by a rollout or by hand, keeps a recorded volume from going.
    let user = match read(effects, task).await {
        Ok(observed) => observed.pod_uid.filter(|_| observed.has_volume),
        Err(error) => return Ok(Err(error)),
    };
    let uid = user.unwrap_or_else(|| task.start.pod_uid.clone());
    match pod::delete(effects, task, &uid, soon).await {
        Ok(()) => wait(effects, task, Awaited::Gone).await,
        Err(error) => Ok(Err(error)),
    }
}

/// The pod and the volumes of a node.
struct ObservedObjects {
    /// UID of the pod of its name.
    pod_uid: Option<String>,
    /// Address of that pod.
    ip: Option<String>,
    /// Whether a recorded volume exists.
    has_volume: bool,
}

async fn read(effects: &Effects, task: &NodeTask) -> Result<ObservedObjects, NodeError> {
    let failed = |error: kube::Error| NodeError::Unreachable(error_text(&error));
    // A pod that is read before a recorded volume does not use the next volume of that name.
    let (pod_uid, pod) = pod::live(effects, task).await.map_err(failed)?.unzip();
    let mut has_volume = false;
    for volume in &task.start.volumes {
        has_volume |= volume::is_there(effects, task, volume)
            .await
            .map_err(failed)?;
    }
    Ok(ObservedObjects {
        pod_uid,
        ip: pod.and_then(|pod| pod.ip),
        has_volume,
    })
}
