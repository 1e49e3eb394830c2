//! A node that is given up: its pod and its volumes are deleted, those very ones that were recorded.

use std::time::Duration;

use casskop_common::api::VolumeRef;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim};
use kube::{Api, ResourceExt, api::DeleteParams};

use super::{Run, StepEvent, pod, tell};
use crate::{
    bootstrap::Nodes,
    cluster::{build::config_map, journal, objects},
    context::Context,
    nodes::NodeError,
};

/// Time between two looks at what is awaited.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Looks between two words about what is awaited.
const SAY_EVERY: u32 = 20;
/// Looks before it is given up: an hour. The machine of a lost node may have to be given up first, by a person.
const LOOKS: u32 = 7200;
/// Deadline of a request to the API server.
const REQUEST: Duration = Duration::from_secs(30);

/// Deletes the pod and the volumes, and waits until they are gone; the next pod joins as a new node. That it may do so
/// stands in its rack's ConfigMap before anything is deleted.
pub(super) async fn give_up(
    ctx: &Context,
    run: &Run,
) -> Result<Result<(), NodeError>, journal::Error> {
    match wait(ctx, run, Awaited::MayJoin).await? {
        Ok(()) => discard(ctx, run).await,
        failed => Ok(failed),
    }
}

/// Deletes the pod and the volumes, and waits until the next pod has taken the node's place. That it is to do so stands
/// in its rack's ConfigMap before anything is deleted.
pub(super) async fn replace(
    ctx: &Context,
    run: &Run,
) -> Result<Result<(), NodeError>, journal::Error> {
    if let Err(error) = wait(ctx, run, Awaited::Replaces).await? {
        return Ok(Err(error));
    }
    match discard(ctx, run).await? {
        Ok(()) => pod::comes_back(ctx, run).await,
        failed => Ok(failed),
    }
}

async fn discard(ctx: &Context, run: &Run) -> Result<Result<(), NodeError>, journal::Error> {
    let refused = |error: kube::Error| NodeError::Unreachable(error.to_string());
    for volume in &run.volumes {
        // They go when their pod has ended.
        if let Err(error) = delete_volume(ctx, run, volume).await {
            return Ok(Err(refused(error)));
        }
    }
    if let Err(error) = pod::delete(ctx, run).await {
        return Ok(Err(refused(error)));
    }
    wait(ctx, run, Awaited::Gone).await
}

/// What is waited for.
#[derive(Clone, Copy)]
enum Awaited {
    /// The ConfigMap of the rack says that the pod joins as a new node.
    MayJoin,
    /// The ConfigMap of the rack says which node the pod replaces.
    Replaces,
    /// The pod and its volumes are gone.
    Gone,
}

impl Awaited {
    /// What is still missing, in words.
    async fn missing(self, ctx: &Context, run: &Run) -> Result<Option<String>, kube::Error> {
        match self {
            Self::MayJoin | Self::Replaces => {
                let pod = &run.start.pod;
                let told = match (self, nodes(ctx, run).await?) {
                    (_, None) => false,
                    (Self::Replaces, Some(nodes)) => nodes.replaces(pod),
                    (_, Some(nodes)) => nodes.lets_join(pod),
                };
                let missing = "the ConfigMap of its rack to say how the next pod starts";
                Ok((!told).then(|| missing.to_owned()))
            }
            Self::Gone => what_is_left(ctx, run).await,
        }
    }
}

async fn what_is_left(ctx: &Context, run: &Run) -> Result<Option<String>, kube::Error> {
    if pod::is_there(ctx, run).await? {
        let ends = "the old pod to end; if its machine is gone for good, delete that Node";
        return Ok(Some(ends.to_owned()));
    }
    for volume in &run.volumes {
        if is_there(ctx, run, volume).await? {
            return Ok(Some(format!("volume {} to go", volume.name)));
        }
    }
    Ok(None)
}

/// Waits until nothing is missing any more.
async fn wait(
    ctx: &Context,
    run: &Run,
    awaited: Awaited,
) -> Result<Result<(), NodeError>, journal::Error> {
    for look in 0..LOOKS {
        let waits_for = match awaited.missing(ctx, run).await {
            Ok(None) => return Ok(Ok(())),
            Ok(Some(what)) => what,
            Err(_) => "the API server".to_owned(),
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
        "the old pod or its volumes did not go within an hour".into(),
    )))
}

/// What the pods of its rack are told when they start.
async fn nodes(ctx: &Context, run: &Run) -> Result<Option<Nodes>, kube::Error> {
    let api: Api<ConfigMap> = Api::namespaced(ctx.client.clone(), &run.cluster.namespace);
    let Some((rack, _)) = run.start.pod.rsplit_once('-') else {
        return Ok(None);
    };
    let map = in_time(api.get_opt(rack)).await?;
    Ok(map.map(|map| config_map::nodes(&map)))
}

fn claims(ctx: &Context, run: &Run) -> Api<PersistentVolumeClaim> {
    Api::namespaced(ctx.client.clone(), &run.cluster.namespace)
}

async fn is_there(ctx: &Context, run: &Run, volume: &VolumeRef) -> Result<bool, kube::Error> {
    let live = in_time(claims(ctx, run).get_metadata_opt(&volume.name)).await?;
    Ok(live.is_some_and(|live| live.uid().as_ref() == Some(&volume.uid)))
}

async fn delete_volume(ctx: &Context, run: &Run, volume: &VolumeRef) -> Result<(), kube::Error> {
    let (api, only) = (claims(ctx, run), objects::very(&volume.uid));
    let deleted = objects::delete(&api, &volume.name, only, DeleteParams::default());
    match in_time(deleted).await {
        // Another one already.
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        outcome => {
            outcome?;
            tracing::info!(
                cluster = run.cluster.name,
                volume = volume.name,
                kind = run.start.kind,
                id = run.start.id,
                "deleted the volume of a node that is given up"
            );
            Ok(())
        }
    }
}

async fn in_time<T>(
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, kube::Error> {
    tokio::time::timeout(REQUEST, request)
        .await
        .unwrap_or_else(|_| {
            Err(kube::Error::Service(
                "the API server did not answer in time".into(),
            ))
        })
}
