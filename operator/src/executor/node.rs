//! The node of a task: its current address, its health, and whether it still works on an earlier call.

use std::time::Duration;

use casskop_common::api::CassandraClusterStatus;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt};

use crate::{
    effects::Effects,
    executor::{NodeTask, StepEvent, halt::halt, progress::Meter, record::record_event},
    kubernetes::{objects::error_text, status_store},
    node_api::Endpoint,
};
use casskop_core::{
    node::{Activity, NodeError},
    observed::NodePod,
    operations::{self, Behaviour, StepState, transitions::is_cancelled},
};

/// Time between two polls of a node that works, or of a call without a response.
const WATCH_EVERY: Duration = Duration::from_secs(2);
/// Time between two polls while the work is being stopped, one task after the other.
const HALT_EVERY: Duration = Duration::from_millis(200);
/// Polls without a sign of the work before its call counts as lost: a minute.
const LOST_AFTER: u32 = 30;
/// Time between two polls of a node that is expected to return.
const AWAIT_EVERY: Duration = Duration::from_secs(5);
/// Polls of a call without a response and without observable work, before a cancel no longer waits for it: ten
/// seconds.
const UNANSWERED_POLLS: u32 = 5;
/// Polls without progress of a step before it is retried: five minutes, longer than the pauses of Cassandra's
/// ring delays.
const QUIET_POLLS: u32 = 150;
/// Polls before the wait for a node times out: an hour.
const AWAIT_POLLS: u32 = 720;
/// Polls until an awaited node is called although it does not report all members as up: a minute.
const ALONE_POLLS: u32 = 12;
/// Deadline of a request to the API server.
const REQUEST: Duration = Duration::from_secs(30);

/// The current address of the pod, and its UID: the pod may have been replaced since the operation was planned.
pub(super) async fn endpoint(
    effects: &Effects,
    task: &NodeTask,
) -> Result<(Endpoint, String), NodeError> {
    let api: Api<Pod> = Api::namespaced(effects.kube.client.clone(), &task.cluster.namespace);
    let unreadable = |why: String| NodeError::Unreachable(format!("its pod cannot be read: {why}"));
    let pod = tokio::time::timeout(REQUEST, api.get_opt(&task.start.pod))
        .await
        .map_err(|_| unreadable("the API server did not answer in time".into()))?
        .map_err(|error| unreadable(error_text(&error)))?
        .ok_or_else(|| NodeError::Unreachable("its pod does not exist".into()))?;
    let node = NodePod::of(&pod);
    let ip = node.ip.as_deref();
    let ip = ip.ok_or_else(|| NodeError::Unreachable("its pod has no address".into()))?;
    Ok((
        task.access.endpoint(ip, &node)?,
        pod.uid().unwrap_or_default(),
    ))
}

/// Whether the same container of Cassandra has run since the operation started on the node. If so, the called work is
/// done or still in progress. Containers are compared, not times: the clocks of the operator's machine and of the pod's
/// differ.
pub(super) async fn ran_all_along(effects: &Effects, task: &NodeTask) -> bool {
    match crate::executor::pod::live(effects, task).await {
        Ok(Some((_, live))) => !live.container.is_empty() && live.container == task.start.container,
        Ok(None) | Err(_) => false,
    }
}

/// The state of the step on the node.
pub(super) async fn step_state(
    effects: &Effects,
    endpoint: &Endpoint,
    step: &str,
    behaviour: &dyn Behaviour,
) -> Result<StepState, NodeError> {
    let activity = effects.nodes.activity(endpoint.clone()).await?;
    Ok(behaviour.step_state(step, &activity))
}

/// Whether the node is a member that serves clients.
pub(super) async fn is_serving(effects: &Effects, task: &NodeTask) -> bool {
    let activity = activity(effects, task).await;
    activity.is_ok_and(|activity| activity.is_serving())
}

/// The activity of the node.
pub(super) async fn activity(effects: &Effects, task: &NodeTask) -> Result<Activity, NodeError> {
    let (endpoint, _) = endpoint(effects, task).await?;
    effects.nodes.activity(endpoint).await
}

/// Whether the node can execute the step: it responds, and is neither starting nor stopping.
pub(super) async fn can_take(
    effects: &Effects,
    task: &NodeTask,
    step: &str,
    behaviour: &dyn Behaviour,
) -> bool {
    let shows = shows(effects, task, step, behaviour).await;
    shows.is_ok_and(|(state, _)| !matches!(state, StepState::NodeUnavailable(_)))
}

/// The state of the step on the node, and its endpoint.
async fn shows(
    effects: &Effects,
    task: &NodeTask,
    step: &str,
    behaviour: &dyn Behaviour,
) -> Result<(StepState, Endpoint), NodeError> {
    let (endpoint, _) = endpoint(effects, task).await?;
    let state = step_state(effects, &endpoint, step, behaviour).await?;
    Ok((state, endpoint))
}

/// Waits until the node can execute the step again, and reports the other members as up: a node that has just started
/// reports them as down, and calls that involve them would fail. The status reports the wait; a cancel ends it.
pub(super) async fn is_back(
    effects: &Effects,
    task: &NodeTask,
    step: &str,
    behaviour: &dyn Behaviour,
) -> Result<bool, status_store::Error> {
    let mut alone = 0;
    let mut polls = 0;
    let mut is_first = true;
    while polls < AWAIT_POLLS {
        polls += 1;
        let waits_until = match shows(effects, task, step, behaviour).await {
            // The node is there, and may still work on the step: only a cancel ends this wait.
            Err(error) if error.is_unreadable() => {
                polls -= 1;
                unreadable_until(&error)
            }
            Err(_) | Ok((StepState::NodeUnavailable(_), _)) => "the node is NORMAL again".into(),
            Ok((StepState::NotRunning | StepState::Unobservable, endpoint)) => {
                let missed = missed_by(effects, endpoint).await;
                if missed.is_empty() || alone >= ALONE_POLLS {
                    return Ok(true);
                }
                alone += 1;
                format!("the node sees {} up", missed.join(", "))
            }
            // The step is in progress or done, and must be followed.
            Ok((StepState::Running | StepState::Stalled | StepState::Done, _)) => {
                return Ok(true);
            }
        };
        let waits = StepEvent::Retrying(format!("waits until {waits_until}"));
        if !record_event(effects, task, waits).await? {
            return Ok(false);
        }
        if task.start.kind.cleans_up() && is_stop_requested(effects, task).await {
            return Ok(false);
        }
        if std::mem::take(&mut is_first) {
            tracing::info!(
                cluster = task.cluster.name,
                pod = task.start.pod,
                "waits for the node"
            );
        }
        tokio::time::sleep(AWAIT_EVERY).await;
    }
    Ok(false)
}

/// The end of a wait for a node whose answer cannot be used.
fn unreadable_until(error: &NodeError) -> String {
    format!("the progress can be read: {error}")
}

/// Addresses of the members that the node does not report as up.
async fn missed_by(effects: &Effects, endpoint: Endpoint) -> Vec<String> {
    match effects.nodes.read(endpoint).await {
        Ok(reading) => reading.down_members().cloned().collect(),
        Err(_) => Vec::new(),
    }
}

/// Whether the operation is to end before its nodes are done. False if the status cannot be read.
pub(super) async fn is_stop_requested(effects: &Effects, task: &NodeTask) -> bool {
    let (kind, id) = (task.start.kind, &task.start.id);
    let cancelled = |status: &mut CassandraClusterStatus| is_cancelled(status, kind, id);
    let cancelled = effects.store.update(&task.cluster, cancelled).await;
    cancelled.unwrap_or(false)
}

/// Removes what a cancelled operation leaves on the node. False if nothing is to be removed, or the operation is not cancelled: one
/// that was taken over by another process goes on. A node that does not answer keeps what the next operation of the kind removes.
pub(super) async fn is_cleaned_up(
    effects: &Effects,
    task: &NodeTask,
    behaviour: &dyn Behaviour,
) -> bool {
    let Some(call) = behaviour.clean_up(&task.start.id) else {
        return false;
    };
    if !is_stop_requested(effects, task).await {
        return false;
    }
    let cleaned = async {
        let (endpoint, _) = endpoint(effects, task).await?;
        effects.nodes.call(endpoint, call).await
    };
    if let Err(error) = cleaned.await {
        tracing::warn!(cluster = task.cluster.name, pod = task.start.pod, %error,
            "what the cancelled operation left on the node was not removed");
    }
    true
}

/// Whether the status names this process as the executor of the node. False if the status cannot be read.
pub(super) async fn is_its_own(effects: &Effects, task: &NodeTask) -> bool {
    let is_its_own = |status: &mut CassandraClusterStatus| {
        let mut operations = status.operations.iter();
        let found = operations
            .find(|found| found.kind == task.start.kind && found.id == task.start.id)
            .and_then(|found| found.nodes.iter().find(|node| node.pod == task.start.pod));
        found.is_some_and(|node| *node.executor == *task.executor)
    };
    let found = effects.store.update(&task.cluster, is_its_own).await;
    found.unwrap_or(false)
}

/// Watches the work of one step: reports its progress, stops it when the operation is cancelled, and detects that the
/// response to its call will never arrive.
pub(super) struct Watch {
    uid: String,
    polls: u32,
    polls_without_a_sign: u32,
    halted: bool,
    /// Whether the work cannot be stopped, and that was reported.
    left_to_its_end: bool,
    meter: Meter,
}

impl Watch {
    /// Watches the pod with this UID.
    pub(super) fn new(uid: String) -> Self {
        Self {
            uid,
            polls: 0,
            polls_without_a_sign: 0,
            halted: false,
            left_to_its_end: false,
            meter: Meter::default(),
        }
    }

    /// Time until the next poll.
    pub(super) fn pause(&self) -> Duration {
        if self.halted { HALT_EVERY } else { WATCH_EVERY }
    }

    /// Whether the work was requested to stop: the call then ends with an error that is no failure.
    pub(super) fn has_halted(&self) -> bool {
        self.halted
    }

    /// Polls once. Returns whether the step is observed to be done. `is_job`: the node has a job for the step, which is
    /// polled beside this, and which may wait behind another job without a sign.
    ///
    /// # Errors
    /// The call is lost: its pod was replaced, or there was no sign of its work for a minute. Or the response is no
    /// longer needed: the operation is cancelled, and there is no work to observe or to stop.
    pub(super) async fn poll(
        &mut self,
        effects: &Effects,
        task: &NodeTask,
        endpoint: &Endpoint,
        (step, behaviour): (&str, &dyn Behaviour),
        is_job: bool,
    ) -> Result<bool, NodeError> {
        // A failure of the API server is independent of the state of the node.
        let newest = self::endpoint(effects, task).await;
        let endpoint = match &newest {
            Ok((_, uid)) if *uid != self.uid => {
                return Err(NodeError::Unreachable(
                    "its pod was replaced during the call".into(),
                ));
            }
            Ok((newest, _)) => newest,
            Err(_) => endpoint,
        };
        self.polls += 1;
        let activity = effects.nodes.activity(endpoint.clone()).await;
        if let Ok(activity) = &activity {
            self.attend(effects, task, endpoint, step, behaviour, activity)
                .await;
        }
        // The parts that a cancel removes are there when the call has ended.
        let may_leave = !is_job && behaviour.stop().is_none() && !task.start.kind.cleans_up();
        match activity.map(|activity| behaviour.step_state(step, &activity)) {
            Ok(StepState::Done) => return Ok(true),
            Ok(state @ (StepState::Running | StepState::Stalled | StepState::Unobservable)) => {
                self.polls_without_a_sign = 0;
                let is_unanswered =
                    state == StepState::Unobservable && self.polls >= UNANSWERED_POLLS;
                if is_unanswered && may_leave {
                    leave_if_stop_requested(effects, task).await?;
                }
            }
            // The node answers, so the response of the call will arrive: that the progress cannot be read is no sign
            // that the work has ended.
            Err(error) if error.is_unreadable() => {
                tracing::debug!(pod = task.start.pod, %error, "the progress cannot be read");
                self.polls_without_a_sign = 0;
                if self.polls >= UNANSWERED_POLLS && may_leave {
                    leave_if_stop_requested(effects, task).await?;
                }
            }
            Ok(StepState::NotRunning | StepState::NodeUnavailable(_)) | Err(_) if is_job => {}
            Ok(StepState::NotRunning | StepState::NodeUnavailable(_)) | Err(_) => {
                self.polls_without_a_sign += 1;
            }
        }
        if self.polls_without_a_sign >= LOST_AFTER {
            return Err(NodeError::Unreachable(
                "the call was lost: the node shows no sign of it".into(),
            ));
        }
        Ok(false)
    }

    /// The endpoint of the same pod with the newest secrets.
    async fn newest(&self, effects: &Effects, task: &NodeTask, endpoint: &Endpoint) -> Endpoint {
        match self::endpoint(effects, task).await {
            Ok((newest, uid)) if uid == self.uid => newest,
            Ok(_) | Err(_) => endpoint.clone(),
        }
    }

    /// Waits while the node works on an earlier call. Returns whether the step is observed to be done.
    pub(super) async fn has_ended(
        &mut self,
        effects: &Effects,
        task: &NodeTask,
        endpoint: &Endpoint,
        step: &str,
        behaviour: &dyn Behaviour,
    ) -> Result<bool, NodeError> {
        let mut quiet = 0;
        let mut last_report = String::new();
        loop {
            let endpoint = &self.newest(effects, task, endpoint).await;
            let activity = match effects.nodes.activity(endpoint.clone()).await {
                Err(error) if error.is_unreadable() => {
                    wait_until_readable(effects, task, &error, &mut last_report).await?;
                    tokio::time::sleep(self.pause()).await;
                    continue;
                }
                activity => activity?,
            };
            self.attend(effects, task, endpoint, step, behaviour, &activity)
                .await;
            match behaviour.step_state(step, &activity) {
                StepState::Done => return Ok(true),
                StepState::Running => quiet = 0,
                StepState::Stalled if quiet < QUIET_POLLS => quiet += 1,
                StepState::NotRunning
                | StepState::Unobservable
                | StepState::Stalled
                | StepState::NodeUnavailable(_) => return Ok(false),
            }
            tokio::time::sleep(self.pause()).await;
        }
    }

    /// Handles one observation of the work.
    async fn attend(
        &mut self,
        effects: &Effects,
        task: &NodeTask,
        endpoint: &Endpoint,
        step: &str,
        behaviour: &dyn Behaviour,
        activity: &Activity,
    ) {
        let bytes = operations::bytes(behaviour, step, activity);
        self.meter.record_event(effects, task, bytes).await;
        let halts = operations::halts(behaviour, step, activity);
        if halts.is_empty() || self.left_to_its_end || !is_stop_requested(effects, task).await {
            return;
        }
        self.halted = halt(effects, task, endpoint, halts).await;
        self.left_to_its_end = !self.halted;
    }
}

/// Reports, once for each reason, that the node may still work, but that its answer cannot be used.
///
/// # Errors
/// The operation is cancelled.
async fn wait_until_readable(
    effects: &Effects,
    task: &NodeTask,
    error: &NodeError,
    last_report: &mut String,
) -> Result<(), NodeError> {
    if is_stop_requested(effects, task).await {
        return Err(NodeError::Stopped);
    }
    let waits = format!("waits until {}", unreadable_until(error));
    if *last_report == waits {
        return Ok(());
    }
    match record_event(effects, task, StepEvent::Retrying(waits.clone())).await {
        Ok(true) => {
            *last_report = waits;
            Ok(())
        }
        Ok(false) => Err(NodeError::Stopped),
        // A failed write is repeated at the next poll.
        Err(_) => Ok(()),
    }
}

/// Discards a call that only its response reports, if the operation is cancelled.
async fn leave_if_stop_requested(effects: &Effects, task: &NodeTask) -> Result<(), NodeError> {
    if !is_stop_requested(effects, task).await {
        return Ok(());
    }
    let message =
        "cancelled before Cassandra had answered: it may have done this step, or do it still";
    // A failed write is repeated at the next poll.
    match record_event(effects, task, StepEvent::Retrying(message.into())).await {
        Ok(_) => Err(NodeError::Stopped),
        Err(_) => Ok(()),
    }
}
