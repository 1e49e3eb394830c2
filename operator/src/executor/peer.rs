//! The other nodes: a step that one of them is told, because the node that it is about does not answer, and whether one that
//! takes part in a step was away.

use std::time::Duration;

use casskop_common::names;
use futures::future;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt, api::ListParams};

use crate::{effects::Effects, executor::Run, kubernetes::objects::said, node_api::Endpoint};
use casskop_core::{
    node::{Call, NodeError, Reading},
    observed::NodePod,
    operations::{Behaviour, Seen},
};

/// Time between two looks at what was told.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Looks at a ring in which nothing changes before the step is told again: five minutes.
const QUIET_LOOKS: u32 = 150;
/// Looks after the answer before the ring should show what it says: gossip takes seconds.
const AFTER_ANSWER: u32 = 60;
/// Looks without the member that was told before its answer counts as lost: a minute.
const LOST_AFTER: u32 = 30;
/// How far the clocks of two machines may be apart.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(5);
/// Deadline of a request to the API server.
const REQUEST: Duration = Duration::from_secs(30);

/// Tells a member, and waits until all that answer show that it is done. Told before or not, it first looks.
pub(super) async fn tell_one(
    effects: &Effects,
    run: &Run,
    step: &str,
    behaviour: &dyn Behaviour,
    call: &Call,
) -> Result<(), NodeError> {
    loop {
        let Some(endpoint) = idle(effects, run, step, behaviour).await? else {
            return Ok(());
        };
        let told = endpoint.ip.clone();
        tracing::info!(
            cluster = run.cluster.name,
            namespace = run.cluster.namespace,
            kind = run.start.kind,
            id = run.start.id,
            pod = run.start.pod,
            step,
            told,
            "calling the node"
        );
        match answered(effects, run, step, behaviour, (endpoint, call)).await {
            // What was told before is still under way there, between two things that show.
            Err(error) if behaviour.means_busy(&error) => tokio::time::sleep(LOOK_EVERY).await,
            Err(error) if behaviour.is_done_already(&error) => break,
            answer => {
                answer?;
                break;
            }
        }
    }
    for _ in 0..AFTER_ANSWER {
        if seen(step, behaviour, &members(effects, run).await?) == Seen::Done {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Err(NodeError::Unfinished)
}

/// Waits while the ring works on the step. A member that can be told; nothing when the step is done.
async fn idle(
    effects: &Effects,
    run: &Run,
    step: &str,
    behaviour: &dyn Behaviour,
) -> Result<Option<Endpoint>, NodeError> {
    let mut quiet = 0;
    loop {
        let members = members(effects, run).await?;
        match seen(step, behaviour, &members) {
            Seen::Done => return Ok(None),
            Seen::Away(why) => return Err(NodeError::Unreachable(why)),
            Seen::Busy => quiet = 0,
            Seen::Quiet if quiet < QUIET_LOOKS => quiet += 1,
            Seen::Quiet | Seen::Idle | Seen::Hidden => {
                let first = members.into_iter().next().map(|(endpoint, _)| endpoint);
                let nobody = || NodeError::Unreachable("no other member answers".into());
                return first.map(Some).ok_or_else(nobody);
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Waits for the answer, which may never come: whoever was told may die, and the ring shows what came of it.
async fn answered(
    effects: &Effects,
    run: &Run,
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
                let members = members(effects, run).await.unwrap_or_default();
                if seen(step, behaviour, &members) == Seen::Done {
                    return Ok(());
                }
                let is_there = members.iter().any(|(endpoint, _)| endpoint.ip == told);
                missed = if is_there { 0 } else { missed + 1 };
                if missed >= LOST_AFTER {
                    let why = "the member that was told does not answer any more";
                    return Err(NodeError::Unreachable(why.into()));
                }
            }
        }
    }
}

/// Looks once more, at who answers now.
///
/// # Errors
/// When the node answers, when a member does not see it down, or when nobody is left to ask.
pub(super) async fn is_down(effects: &Effects, run: &Run) -> Result<(), NodeError> {
    let up = |who: &str| {
        NodeError::Cassandra(format!(
            "the node is not down any more ({who}): nothing was deleted; request again with a new id when it is"
        ))
    };
    let answering = answering(effects, run).await?;
    let itself = |reading: &Reading| reading.local_host_id == run.host_id;
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
        let address = reading.address_of(&run.host_id);
        address.is_some_and(|address| !reading.unreachable.contains(address))
    });
    match sees_it {
        Some((endpoint, _)) => Err(up(&format!("{} sees it", endpoint.ip))),
        None => Ok(()),
    }
}

fn seen(step: &str, behaviour: &dyn Behaviour, members: &[(Endpoint, Reading)]) -> Seen {
    let readings: Vec<Reading> = members.iter().map(|(_, reading)| reading.clone()).collect();
    behaviour.seen_by_peers(step, &readings)
}

/// The members of the ring that answer, with what they say.
async fn members(effects: &Effects, run: &Run) -> Result<Vec<(Endpoint, Reading)>, NodeError> {
    let mut members = answering(effects, run).await?;
    members.retain(|(_, reading)| reading.is_member());
    Ok(members)
}

/// Whether another node of the cluster has been away since: that may be why a step failed in which it takes part.
pub(super) async fn has_one_been_away(effects: &Effects, run: &Run, since: Timestamp) -> bool {
    let since = since - CLOCKS_DIFFER;
    let others = pods(effects, run).await.unwrap_or_default();
    let mut others = others
        .iter()
        .filter(|pod| pod.name_any() != run.start.pod)
        .map(NodePod::of)
        .filter(|pod| pod.rack.is_some());
    others.any(|pod| !pod.ready || pod.runs_since.is_none_or(|began| began >= since))
}

/// The nodes that answer, with what they say.
async fn answering(effects: &Effects, run: &Run) -> Result<Vec<(Endpoint, Reading)>, NodeError> {
    let pods = pods(effects, run).await?;
    let endpoints = pods.iter().map(NodePod::of).filter_map(|pod| {
        let ip = pod.ip.filter(|_| pod.rack.is_some())?;
        Some(Endpoint::new(ip, run.credentials.clone()))
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

async fn pods(effects: &Effects, run: &Run) -> Result<Vec<Pod>, NodeError> {
    let api: Api<Pod> = Api::namespaced(effects.kube.client.clone(), &run.cluster.namespace);
    let params = ListParams::default().labels(&names::cluster_selector(&run.cluster.name));
    let unreadable =
        |why: String| NodeError::Unreachable(format!("the pods cannot be read: {why}"));
    let pods = tokio::time::timeout(REQUEST, api.list(&params))
        .await
        .map_err(|_| unreadable("the API server did not answer in time".into()))?
        .map_err(|error| unreadable(said(&error)))?;
    Ok(pods.items)
}
