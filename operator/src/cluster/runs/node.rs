//! The node a task works on: where it is now, whether it is well, and whether it still works on what it was told.

use std::time::Duration;

use casskop_common::names;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt};

use super::{Run, StepEvent, tell};
use crate::{
    cluster::{journal, snapshot::NodePod},
    context::Context,
    nodes::{Endpoint, NodeError},
    operations::{Behaviour, Seen},
};

/// Time between two looks at a node whose call has not been answered.
pub(super) const WATCH_EVERY: Duration = Duration::from_secs(10);
/// Looks without a sign of the work before its call counts as lost.
const LOST_AFTER: u32 = 6;
/// Time between two looks at a node that is awaited.
const AWAIT_EVERY: Duration = Duration::from_secs(5);
/// Time between two looks at a step that a lost call has begun.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Looks at a step of which nothing moves before it is called again: five minutes, longer than the pauses of
/// Cassandra's own ring delays.
const QUIET_LOOKS: u32 = 150;
/// Looks before an awaited node is given up: an hour.
const AWAIT_LOOKS: u32 = 720;
/// Deadline of a request to the API server.
const REQUEST: Duration = Duration::from_secs(30);

/// Where the pod is now, and its UID: it may have been replaced since the operation was planned.
pub(super) async fn endpoint(ctx: &Context, run: &Run) -> Result<(Endpoint, String), NodeError> {
    let api: Api<Pod> = Api::namespaced(ctx.client.clone(), &run.cluster.namespace);
    let unreadable = |why: String| NodeError::Unreachable(format!("its pod cannot be read: {why}"));
    let pod = tokio::time::timeout(REQUEST, api.get_opt(&run.start.pod))
        .await
        .map_err(|_| unreadable("the API server did not answer in time".into()))?
        .map_err(|error| unreadable(error.to_string()))?
        .ok_or_else(|| NodeError::Unreachable("its pod does not exist".into()))?;
    let ip = NodePod::of(&pod).ip;
    let ip = ip.ok_or_else(|| NodeError::Unreachable("its pod has no address".into()))?;
    let credentials = run.credentials.clone();
    Ok((
        Endpoint {
            ip,
            port: names::JOLOKIA_PORT,
            credentials,
        },
        pod.uid().unwrap_or_default(),
    ))
}

/// How the step shows on the node.
pub(super) async fn seen(
    ctx: &Context,
    endpoint: &Endpoint,
    step: &str,
    behaviour: &dyn Behaviour,
) -> Result<Seen, NodeError> {
    let activity = ctx.nodes.activity(endpoint.clone()).await?;
    Ok(behaviour.seen(step, &activity))
}

/// Whether the node is a member that serves clients.
pub(super) async fn is_normal(ctx: &Context, run: &Run) -> bool {
    let Ok((endpoint, _)) = endpoint(ctx, run).await else {
        return false;
    };
    ctx.nodes
        .activity(endpoint)
        .await
        .is_ok_and(|activity| activity.is_normal())
}

/// Whether the node can take the step: it answers, and is not on its way up or down.
pub(super) async fn can_take(
    ctx: &Context,
    run: &Run,
    step: &str,
    behaviour: &dyn Behaviour,
) -> bool {
    let Ok((endpoint, _)) = endpoint(ctx, run).await else {
        return false;
    };
    let seen = seen(ctx, &endpoint, step, behaviour).await;
    seen.is_ok_and(|seen| !matches!(seen, Seen::Away(_)))
}

/// Waits until the node can take the step again. What is waited for stands in the status; a cancel ends it.
pub(super) async fn is_back(
    ctx: &Context,
    run: &Run,
    step: &str,
    behaviour: &dyn Behaviour,
) -> Result<bool, journal::Error> {
    for look in 0..AWAIT_LOOKS {
        if can_take(ctx, run, step, behaviour).await {
            return Ok(true);
        }
        let waits = StepEvent::Stumbled("waits until the node is NORMAL again".into());
        if !tell(ctx, run, waits).await? {
            return Ok(false);
        }
        if look == 0 {
            tracing::info!(
                cluster = run.cluster.name,
                pod = run.start.pod,
                "waits for the node"
            );
        }
        tokio::time::sleep(AWAIT_EVERY).await;
    }
    Ok(false)
}

/// Waits while the node works on the step. Says whether it is seen to be done.
pub(super) async fn has_ended(
    ctx: &Context,
    endpoint: &Endpoint,
    step: &str,
    behaviour: &dyn Behaviour,
) -> Result<bool, NodeError> {
    let mut quiet = 0;
    loop {
        match seen(ctx, endpoint, step, behaviour).await? {
            Seen::Done => return Ok(true),
            Seen::Busy => quiet = 0,
            Seen::Quiet if quiet < QUIET_LOOKS => quiet += 1,
            Seen::Idle | Seen::Hidden | Seen::Quiet | Seen::Away(_) => return Ok(false),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Notices that the answer to a call will never come.
pub(super) struct Watch {
    uid: String,
    looks_without_a_sign: u32,
}

impl Watch {
    /// Watches the pod with this UID.
    pub(super) fn new(uid: String) -> Self {
        Self {
            uid,
            looks_without_a_sign: 0,
        }
    }

    /// Looks once. Says whether the step is seen to be done.
    ///
    /// # Errors
    /// When the call is lost: its pod is another one now, or there was no sign of its work for a minute.
    pub(super) async fn look(
        &mut self,
        ctx: &Context,
        run: &Run,
        endpoint: &Endpoint,
        step: &str,
        behaviour: &dyn Behaviour,
    ) -> Result<bool, NodeError> {
        // That the API server does not answer says nothing about the node.
        if let Ok((_, uid)) = self::endpoint(ctx, run).await
            && uid != self.uid
        {
            return Err(NodeError::Unreachable(
                "its pod was replaced during the call".into(),
            ));
        }
        match seen(ctx, endpoint, step, behaviour).await {
            Ok(Seen::Done) => return Ok(true),
            Ok(Seen::Busy | Seen::Quiet | Seen::Hidden) => self.looks_without_a_sign = 0,
            Ok(Seen::Idle | Seen::Away(_)) | Err(_) => self.looks_without_a_sign += 1,
        }
        if self.looks_without_a_sign >= LOST_AFTER {
            return Err(NodeError::Unreachable(
                "the call was lost: the node shows no sign of it".into(),
            ));
        }
        Ok(false)
    }
}
