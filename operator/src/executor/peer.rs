//! Calls to the other nodes: a step that another member executes because the node of the operation does not respond,
//! and whether a node that takes part in a step was unavailable.

use std::time::Duration;

use casskop_common::names;
use futures::future;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt, api::ListParams};

use crate::{effects::Effects, executor::NodeTask, kubernetes::objects::said, node_api::Endpoint};
use casskop_core::{
    node::{Call, NodeError, Reading},
    observed::NodePod,
    operations::{Behaviour, StepState},
};

/// Time between two polls of a called step.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Polls without a change of the ring before the step is called again: five minutes.
const QUIET_LOOKS: u32 = 150;
/// Polls after the response before the ring should report the result: gossip takes seconds.
const AFTER_ANSWER: u32 = 60;
/// Polls without the called member before its response counts as lost: a minute.
const LOST_AFTER: u32 = 30;
/// Largest expected difference between the clocks of the operator's machine and of a pod's. Too large a value only makes a
/// step that failed after a restart of another node be retried, [`super::ATTEMPTS`] times at most.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_hours(1);
/// Deadline of a request to the API server.
const REQUEST: Duration = Duration::from_secs(30);

/// Calls a member, and waits until all responding members report that the step is done. Observes the ring first,
/// because the step may have been called before.
pub(super) async fn tell_one(
    effects: &Effects,
    task: &NodeTask,
    step: &str,
    behaviour: &dyn Behaviour,
    call: &Call,
) -> Result<(), NodeError> {
    loop {
        let Some(endpoint) = idle(effects, task, step, behaviour).await? else {
            return Ok(());
        };
        let told = endpoint.ip.clone();
        tracing::info!(
            cluster = task.cluster.name,
            namespace = task.cluster.namespace,
            kind = task.start.kind.as_str(),
            id = task.start.id,
            pod = task.start.pod,
            step,
            told,
            "calling the node"
        );
        match answered(effects, task, step, behaviour, (endpoint, call)).await {
            // The earlier call is still in progress there, between two observable states.
            Err(error) if behaviour.is_already_running(&error) => {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Err(error) if behaviour.is_done_already(&error) => break,
            answer => {
                answer?;
                break;
            }
        }
    }
    for _ in 0..AFTER_ANSWER {
        if seen(step, behaviour, &members(effects, task).await?) == StepState::Done {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Err(NodeError::Unfinished)
}

/// Waits while the ring works on the step. Returns a member that can be called; nothing when the step is done.
async fn idle(
    effects: &Effects,
    task: &NodeTask,
    step: &str,
    behaviour: &dyn Behaviour,
) -> Result<Option<Endpoint>, NodeError> {
    let mut quiet = 0;
    loop {
        let members = members(effects, task).await?;
        match seen(step, behaviour, &members) {
            StepState::Done => return Ok(None),
            StepState::NodeUnavailable(why) => return Err(NodeError::Unreachable(why)),
            StepState::Running => quiet = 0,
            StepState::Stalled if quiet < QUIET_LOOKS => quiet += 1,
            StepState::Stalled | StepState::NotRunning | StepState::Unobservable => {
                let first = members.into_iter().next().map(|(endpoint, _)| endpoint);
                let nobody = || NodeError::Unreachable("no other member answers".into());
                return first.map(Some).ok_or_else(nobody);
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Waits for the response, which may never arrive: the called member may fail, and then the ring shows the result.
async fn answered(
    effects: &Effects,
    task: &NodeTask,
    step: &str,
    behaviour: &dyn Behaviour,
    (endpoint, call): (Endpoint, &Call),
) -> Result<(), NodeError> {
    let told = endpoint.ip.clone();
    let answer = effects.nodes.call(endpoint, call.clone());
    tokio::pin!(answer);
    let mut missed = 0;
    loop {
        tokio::select! {
            answer = &mut answer => return answer,
            () = tokio::time::sleep(LOOK_EVERY) => {
                let members = members(effects, task).await.unwrap_or_default();
                if seen(step, behaviour, &members) == StepState::Done {
                    return Ok(());
                }
                let is_there = members.iter().any(|(endpoint, _)| endpoint.ip == told);
                missed = if is_there { 0 } else { missed + 1 };
                if missed >= LOST_AFTER {
                    let why = "the member that was called no longer answers";
                    return Err(NodeError::Unreachable(why.into()));
                }
            }
        }
    }
}

/// Checks again, with the members that respond now, that the node is down.
///
/// # Errors
/// The node responds, a member does not report it as down, or no member is left to query.
pub(super) async fn is_down(effects: &Effects, task: &NodeTask) -> Result<(), NodeError> {
    let up = |who: &str| {
        NodeError::Cassandra(format!(
            "the node is no longer down ({who}): nothing was deleted; request it again with a new id when the node is down"
        ))
    };
    let answering = answering(effects, task).await?;
    let itself = |reading: &Reading| reading.local_host_id == task.start.host_id;
    if let Some((endpoint, _)) = answering.iter().find(|(_, reading)| itself(reading)) {
        return Err(up(&format!("it answers on {}", endpoint.ip)));
    }
    let mut members = answering
        .iter()
        .filter(|(_, reading)| reading.is_member())
        .peekable();
    if members.peek().is_none() {
        return Err(NodeError::Unreachable("no other member answers".into()));
    }
    let sees_it = members.find(|(_, reading)| {
        let address = reading.address_of(&task.start.host_id);
        address.is_some_and(|address| !reading.unreachable.contains(address))
    });
    match sees_it {
        Some((endpoint, _)) => Err(up(&format!("{} sees it", endpoint.ip))),
        None => Ok(()),
    }
}

fn seen(step: &str, behaviour: &dyn Behaviour, members: &[(Endpoint, Reading)]) -> StepState {
    let readings: Vec<Reading> = members.iter().map(|(_, reading)| reading.clone()).collect();
    behaviour.seen_by_peers(step, &readings)
}

/// The members of the ring that respond, with their readings.
async fn members(
    effects: &Effects,
    task: &NodeTask,
) -> Result<Vec<(Endpoint, Reading)>, NodeError> {
    let mut members = answering(effects, task).await?;
    members.retain(|(_, reading)| reading.is_member());
    Ok(members)
}

/// Whether another node of the cluster was unavailable since then: a possible cause of the failure of a step that it
/// takes part in.
pub(super) async fn has_one_been_away(
    effects: &Effects,
    task: &NodeTask,
    since: Timestamp,
) -> bool {
    let since = since - CLOCKS_DIFFER;
    let others = pods(effects, task).await.unwrap_or_default();
    let mut others = others
        .iter()
        .filter(|pod| pod.name_any() != task.start.pod)
        .map(NodePod::of)
        .filter(|pod| pod.rack.is_some());
    others.any(|pod| !pod.ready || pod.runs_since.is_none_or(|began| began >= since))
}

/// The nodes that respond, with their readings.
async fn answering(
    effects: &Effects,
    task: &NodeTask,
) -> Result<Vec<(Endpoint, Reading)>, NodeError> {
    let pods = pods(effects, task).await?;
    let endpoints = pods.iter().map(NodePod::of).filter_map(|pod| {
        let ip = pod.ip.filter(|_| pod.rack.is_some())?;
        Some(Endpoint::new(ip, task.credentials.clone()))
    });
    let endpoints: Vec<Endpoint> = endpoints.collect();
    let readings = future::join_all(
        endpoints
            .iter()
            .map(|endpoint| effects.nodes.read(endpoint.clone())),
    );
    let members = endpoints.iter().cloned().zip(readings.await);
    Ok(members
        .filter_map(|(endpoint, reading)| Some((endpoint, reading.ok()?)))
        .collect())
}

async fn pods(effects: &Effects, task: &NodeTask) -> Result<Vec<Pod>, NodeError> {
    let api: Api<Pod> = Api::namespaced(effects.kube.client.clone(), &task.cluster.namespace);
    let params = ListParams::default().labels(&names::cluster_selector(&task.cluster.name));
    let unreadable =
        |why: String| NodeError::Unreachable(format!("the pods cannot be read: {why}"));
    let pods = tokio::time::timeout(REQUEST, api.list(&params))
        .await
        .map_err(|_| unreadable("the API server did not answer in time".into()))?
        .map_err(|error| unreadable(said(&error)))?;
    Ok(pods.items)
}
