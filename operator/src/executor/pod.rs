//! The pod of a node, and the one that follows it under its name.

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt, api::DeleteParams};

use crate::{
    effects::Effects,
    executor::{
        Run,
        wait::{Awaited, wait},
    },
    kubernetes::{
        objects::{self, in_time},
        status_store,
    },
};
use casskop_core::{node::NodeError, observed::NodePod};

/// Deletes the pod that the operation began with, if it is still there, and waits until the next one serves clients.
/// Called again after a restart of the operator it finds what is left to do.
pub(super) async fn replace(
    effects: &Effects,
    run: &Run,
) -> Result<Result<(), NodeError>, status_store::Error> {
    match delete(effects, run).await {
        Ok(()) => wait(effects, run, Awaited::ComesBack).await,
        Err(error) => Ok(Err(error)),
    }
}

/// The pod that has the name now, with its UID.
pub(super) async fn live(
    effects: &Effects,
    run: &Run,
) -> Result<Option<(String, NodePod)>, kube::Error> {
    let live = in_time(pods(effects, run).get_opt(&run.start.pod)).await?;
    Ok(live.map(|live| (live.uid().unwrap_or_default(), NodePod::of(&live))))
}

/// Deletes only the very pod that was looked at; the one after it is left alone.
pub(super) async fn delete(effects: &Effects, run: &Run) -> Result<(), NodeError> {
    let (api, only) = (pods(effects, run), objects::very(&run.pod_uid));
    let deleted = objects::delete(&api, &run.start.pod, only, DeleteParams::default());
    match in_time(deleted).await {
        // Another one already.
        Err(kube::Error::Api(status)) if status.is_conflict() => Ok(()),
        outcome => outcome.map_err(|error| {
            NodeError::Unreachable(format!(
                "its pod cannot be deleted: {}",
                objects::said(&error)
            ))
        }),
    }
}

fn pods(effects: &Effects, run: &Run) -> Api<Pod> {
    Api::namespaced(effects.kube.client.clone(), &run.cluster.namespace)
}
