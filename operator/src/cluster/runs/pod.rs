//! A pod that is replaced: deleted, and followed by one of the same name and the same volumes.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt, api::DeleteParams};

use super::{Run, StepEvent, node, tell};
use crate::{
    cluster::{journal, objects, snapshot::NodePod},
    context::Context,
    nodes::NodeError,
};

/// Time between two looks at a pod that is awaited.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Looks between two words about what is awaited.
const SAY_EVERY: u32 = 20;
/// Looks before the pod is given up: two hours, for a node that replays a large commit log.
const LOOKS: u32 = 14_400;
/// Deadline of a request to the API server.
const REQUEST: Duration = Duration::from_secs(30);

/// Deletes the pod that the operation began with, if it is still there, and waits until the next one serves clients.
/// Called again after a restart of the operator it finds what is left to do.
pub(super) async fn replace(
    ctx: &Context,
    run: &Run,
) -> Result<Result<(), NodeError>, journal::Error> {
    if let Err(error) = delete(ctx, run).await {
        return Ok(Err(NodeError::Unreachable(format!(
            "its pod cannot be deleted: {error}"
        ))));
    }
    comes_back(ctx, run).await
}

/// Waits until the pod after the one that the operation began with serves clients.
pub(super) async fn comes_back(
    ctx: &Context,
    run: &Run,
) -> Result<Result<(), NodeError>, journal::Error> {
    let api = pods(ctx, run);
    let pod = run.start.pod.as_str();
    for look in 0..LOOKS {
        let waits_for = match tokio::time::timeout(REQUEST, api.get_opt(pod)).await {
            Ok(Ok(Some(live))) if live.uid().as_deref() == Some(&run.pod_uid) => {
                "the old pod to end".to_owned()
            }
            Ok(Ok(Some(live))) => {
                let live = NodePod::of(&live);
                if live.ready && node::is_normal(ctx, run).await {
                    return Ok(Ok(()));
                }
                live.problem
                    .unwrap_or_else(|| "the new pod to be Ready".into())
            }
            Ok(Ok(None)) => "the new pod".to_owned(),
            Ok(Err(_)) | Err(_) => "the API server".to_owned(),
        };
        if look % SAY_EVERY == SAY_EVERY - 1
            && !tell(
                ctx,
                run,
                StepEvent::Stumbled(format!("waits for {waits_for}")),
            )
            .await?
        {
            return Ok(Err(NodeError::Unreachable("cancelled".into())));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(Err(NodeError::Unreachable(
        "the pod did not come back".into(),
    )))
}

/// Whether the pod that the operation began with is still there.
pub(super) async fn is_there(ctx: &Context, run: &Run) -> Result<bool, kube::Error> {
    let live = pods(ctx, run).get_metadata_opt(&run.start.pod).await?;
    Ok(live.is_some_and(|live| live.uid().as_ref() == Some(&run.pod_uid)))
}

/// Deletes only the very pod that was looked at; the one after it is left alone.
pub(super) async fn delete(ctx: &Context, run: &Run) -> Result<(), kube::Error> {
    let (api, only) = (pods(ctx, run), objects::very(&run.pod_uid));
    let deleted = objects::delete(&api, &run.start.pod, only, DeleteParams::default());
    match tokio::time::timeout(REQUEST, deleted).await {
        // Another one already.
        Ok(Err(kube::Error::Api(status))) if status.code == 409 => Ok(()),
        Ok(outcome) => outcome,
        Err(_) => Err(kube::Error::Service(
            "the API server did not answer in time".into(),
        )),
    }
}

fn pods(ctx: &Context, run: &Run) -> Api<Pod> {
    Api::namespaced(ctx.client.clone(), &run.cluster.namespace)
}
