//! The node a task works on: where it is now, whether it is well, and whether it still works on what it was told.

use std::time::Duration;

use casskop_common::api::CassandraClusterStatus;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt};

use crate::{
    effects::Effects,
    executor::{Run, StepEvent, progress::Meter, record::tell},
    kubernetes::{objects::said, status_store},
    node_api::Endpoint,
};
use casskop_core::{
    node::{Activity, Call, NodeError},
    observed::NodePod,
    operations::{self, Behaviour, Seen, transitions::is_cancelled},
};

/// Time between two looks at a node that works, or whose call has not been answered.
const WATCH_EVERY: Duration = Duration::from_secs(2);
/// The same once its work is being stopped, one task after the other.
const HALT_EVERY: Duration = Duration::from_millis(200);
/// Looks without a sign of the work before its call counts as lost: a minute.
const LOST_AFTER: u32 = 30;
/// Time between two looks at a node that is awaited.
const AWAIT_EVERY: Duration = Duration::from_secs(5);
/// Looks at a call that has not been answered and shows nowhere, before a cancel no longer waits for it: ten seconds.
const UNHEARD_LOOKS: u32 = 5;
/// Looks at a step of which nothing moves before it is called again: five minutes, longer than the pauses of
/// Cassandra's own ring delays.
const QUIET_LOOKS: u32 = 150;
/// Looks before an awaited node is given up: an hour.
const AWAIT_LOOKS: u32 = 720;
/// Looks until an awaited node is told although it does not see all members: a minute.
const ALONE_LOOKS: u32 = 12;
/// Deadline of a request to the API server.
const REQUEST: Duration = Duration::from_secs(30);

/// Where the pod is now, and its UID: it may have been replaced since the operation was planned.
pub(super) async fn endpoint(
    effects: &Effects,
    run: &Run,
) -> Result<(Endpoint, String), NodeError> {
    let api: Api<Pod> = Api::namespaced(effects.kube.client.clone(), &run.cluster.namespace);
    let unreadable = |why: String| NodeError::Unreachable(format!("its pod cannot be read: {why}"));
    let pod = tokio::time::timeout(REQUEST, api.get_opt(&run.start.pod))
        .await
        .map_err(|_| unreadable("the API server did not answer in time".into()))?
        .map_err(|error| unreadable(said(&error)))?
        .ok_or_else(|| NodeError::Unreachable("its pod does not exist".into()))?;
    let ip = NodePod::of(&pod).ip;
    let ip = ip.ok_or_else(|| NodeError::Unreachable("its pod has no address".into()))?;
    let credentials = run.credentials.clone();
    Ok((
        Endpoint::new(ip, credentials),
        pod.uid().unwrap_or_default(),
    ))
}

/// Whether the same process of Cassandra has run since the operation began with the node: what it was told it has done, or
/// is doing still.
pub(super) async fn ran_all_along(effects: &Effects, run: &Run) -> bool {
    let runs_since = match crate::executor::pod::live(effects, run).await {
        Ok(Some((_, live))) => live.runs_since,
        Ok(None) | Err(_) => None,
    };
    runs_since
        .zip(run.since)
        .is_some_and(|(process, operation)| process < operation)
}

/// How the step shows on the node.
pub(super) async fn seen(
    effects: &Effects,
    endpoint: &Endpoint,
    step: &str,
    behaviour: &dyn Behaviour,
) -> Result<Seen, NodeError> {
    let activity = effects.nodes.activity(endpoint.clone()).await?;
    Ok(behaviour.seen(step, &activity))
}

/// Whether the node is a member that serves clients.
pub(super) async fn is_normal(effects: &Effects, run: &Run) -> bool {
    let activity = activity(effects, run).await;
    activity.is_some_and(|activity| activity.is_normal())
}

/// What the node is busy with, if it answers.
pub(super) async fn activity(effects: &Effects, run: &Run) -> Option<Activity> {
    let (endpoint, _) = endpoint(effects, run).await.ok()?;
    effects.nodes.activity(endpoint).await.ok()
}

/// Whether the node can take the step: it answers, and is not on its way up or down.
pub(super) async fn can_take(
    effects: &Effects,
    run: &Run,
    step: &str,
    behaviour: &dyn Behaviour,
) -> bool {
    let shows = shows(effects, run, step, behaviour).await;
    shows.is_some_and(|(seen, _)| !matches!(seen, Seen::Away(_)))
}

/// How the step shows on the node, and where that is; nothing while it does not answer.
async fn shows(
    effects: &Effects,
    run: &Run,
    step: &str,
    behaviour: &dyn Behaviour,
) -> Option<(Seen, Endpoint)> {
    let (endpoint, _) = endpoint(effects, run).await.ok()?;
    let seen = seen(effects, &endpoint, step, behaviour).await.ok()?;
    Some((seen, endpoint))
}

/// Waits until the node can take the step again, and sees the others: one that has just started holds them for down, and
/// what it is told to do with them would fail. What is waited for stands in the status; a cancel ends it.
pub(super) async fn is_back(
    effects: &Effects,
    run: &Run,
    step: &str,
    behaviour: &dyn Behaviour,
) -> Result<bool, status_store::Error> {
    let mut alone = 0;
    for look in 0..AWAIT_LOOKS {
        let waits_until = match shows(effects, run, step, behaviour).await {
            None | Some((Seen::Away(_), _)) => "the node is NORMAL again".into(),
            Some((Seen::Idle | Seen::Hidden, endpoint)) => {
                let missed = missed_by(effects, endpoint).await;
                if missed.is_empty() || alone >= ALONE_LOOKS {
                    return Ok(true);
                }
                alone += 1;
                format!("the node sees {} up", missed.join(", "))
            }
            // It is on it, or done: that is not left alone.
            Some((Seen::Busy | Seen::Quiet | Seen::Done, _)) => return Ok(true),
        };
        let waits = StepEvent::Stumbled(format!("waits until {waits_until}"));
        if !tell(effects, run, waits).await? {
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

/// Members that the node does not see up, by their addresses.
async fn missed_by(effects: &Effects, endpoint: Endpoint) -> Vec<String> {
    match effects.nodes.read(endpoint).await {
        Ok(reading) => reading.down_members().cloned().collect(),
        Err(_) => Vec::new(),
    }
}

/// Whether the operation is to end before its nodes are done. A status that cannot be read says no.
pub(super) async fn is_told_to_end(effects: &Effects, run: &Run) -> bool {
    let (kind, id) = (&run.start.kind, &run.start.id);
    let cancelled = |status: &mut CassandraClusterStatus| is_cancelled(status, kind, id);
    let cancelled = effects.store.update(&run.cluster, cancelled).await;
    cancelled.unwrap_or(false)
}

/// Watches the work of one step: tells how far it is, stops it when the operation is cancelled, and notices that the
/// answer to its call will never come.
pub(super) struct Watch {
    uid: String,
    looks: u32,
    looks_without_a_sign: u32,
    halted: bool,
    meter: Meter,
}

impl Watch {
    /// Watches the pod with this UID.
    pub(super) fn new(uid: String) -> Self {
        Self {
            uid,
            looks: 0,
            looks_without_a_sign: 0,
            halted: false,
            meter: Meter::default(),
        }
    }

    /// Time to the next look.
    pub(super) fn pause(&self) -> Duration {
        if self.halted { HALT_EVERY } else { WATCH_EVERY }
    }

    /// Whether the work was told to stop: the call then ends with an error that is none.
    pub(super) fn has_halted(&self) -> bool {
        self.halted
    }

    /// Looks once. Says whether the step is seen to be done.
    ///
    /// # Errors
    /// When the call is lost: its pod is another one now, or there was no sign of its work for a minute. When nobody waits
    /// for its answer any more: the operation is cancelled, and there is nothing to see or to stop.
    pub(super) async fn look(
        &mut self,
        effects: &Effects,
        run: &Run,
        endpoint: &Endpoint,
        step: &str,
        behaviour: &dyn Behaviour,
    ) -> Result<bool, NodeError> {
        // That the API server does not answer says nothing about the node.
        if let Ok((_, uid)) = self::endpoint(effects, run).await
            && uid != self.uid
        {
            return Err(NodeError::Unreachable(
                "its pod was replaced during the call".into(),
            ));
        }
        self.looks += 1;
        let activity = effects.nodes.activity(endpoint.clone()).await;
        if let Ok(activity) = &activity {
            self.attend(effects, run, endpoint, step, behaviour, activity)
                .await;
        }
        match activity.map(|activity| behaviour.seen(step, &activity)) {
            Ok(Seen::Done) => return Ok(true),
            Ok(seen @ (Seen::Busy | Seen::Quiet | Seen::Hidden)) => {
                self.looks_without_a_sign = 0;
                let is_unheard = seen == Seen::Hidden && self.looks >= UNHEARD_LOOKS;
                if is_unheard && behaviour.stop().is_none() {
                    leave_if_told_to_end(effects, run).await?;
                }
            }
            Ok(Seen::Idle | Seen::Away(_)) | Err(_) => self.looks_without_a_sign += 1,
        }
        if self.looks_without_a_sign >= LOST_AFTER {
            return Err(NodeError::Unreachable(
                "the call was lost: the node shows no sign of it".into(),
            ));
        }
        Ok(false)
    }

    /// Waits while the node works on what an earlier call began. Says whether the step is seen to be done.
    pub(super) async fn has_ended(
        &mut self,
        effects: &Effects,
        run: &Run,
        endpoint: &Endpoint,
        step: &str,
        behaviour: &dyn Behaviour,
    ) -> Result<bool, NodeError> {
        let mut quiet = 0;
        loop {
            let activity = effects.nodes.activity(endpoint.clone()).await?;
            self.attend(effects, run, endpoint, step, behaviour, &activity)
                .await;
            match behaviour.seen(step, &activity) {
                Seen::Done => return Ok(true),
                Seen::Busy => quiet = 0,
                Seen::Quiet if quiet < QUIET_LOOKS => quiet += 1,
                Seen::Idle | Seen::Hidden | Seen::Quiet | Seen::Away(_) => return Ok(false),
            }
            tokio::time::sleep(self.pause()).await;
        }
    }

    /// What a look at the work brings with it.
    async fn attend(
        &mut self,
        effects: &Effects,
        run: &Run,
        endpoint: &Endpoint,
        step: &str,
        behaviour: &dyn Behaviour,
        activity: &Activity,
    ) {
        let bytes = operations::bytes(behaviour, step, activity);
        self.meter.tell(effects, run, bytes).await;
        let halts = operations::halts(behaviour, step, activity);
        if !halts.is_empty() && is_told_to_end(effects, run).await {
            self.halted = true;
            halt(effects, run, endpoint, halts).await;
        }
    }
}

/// Gives up a call of which only its answer tells, if the operation is cancelled.
async fn leave_if_told_to_end(effects: &Effects, run: &Run) -> Result<(), NodeError> {
    if !is_told_to_end(effects, run).await {
        return Ok(());
    }
    let unheard =
        "cancelled before Cassandra had answered: it may have done this step, or do it still";
    // What cannot be written now is at the next look.
    match tell(effects, run, StepEvent::Stumbled(unheard.into())).await {
        Ok(_) => Err(NodeError::Halted),
        Err(_) => Ok(()),
    }
}

/// Stops the work of a step whose operation is cancelled.
async fn halt(effects: &Effects, run: &Run, endpoint: &Endpoint, halts: Vec<Call>) {
    for call in halts {
        tracing::info!(
            cluster = run.cluster.name,
            pod = run.start.pod,
            kind = run.start.kind,
            id = run.start.id,
            ?call,
            "stopping its work"
        );
        if let Err(error) = effects.nodes.call(endpoint.clone(), call).await {
            tracing::info!(pod = run.start.pod, %error, "the work was not stopped");
        }
    }
}
