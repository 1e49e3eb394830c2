//! A step that another member is told: the node that it is about does not answer.

use std::time::Duration;

use casskop_common::names;
use futures::future;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::ListParams};

use super::{Run, node};
use crate::{
    cluster::snapshot::NodePod,
    context::Context,
    nodes::{Call, Endpoint, NodeError, Reading},
    operations::{Behaviour, Seen},
};

/// Time between two looks at what was told.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Looks at a ring in which nothing changes before the step is told again: five minutes.
const QUIET_LOOKS: u32 = 150;
/// Looks after the answer before the ring should show what it says: gossip takes seconds.
const AFTER_ANSWER: u32 = 60;
/// Deadline of a request to the API server.
const REQUEST: Duration = Duration::from_secs(30);

/// Tells a member, and waits until all that answer show that it is done. Told before or not, it first looks.
pub(super) async fn tell_one(
    ctx: &Context,
    run: &Run,
    step: &str,
    behaviour: &dyn Behaviour,
    call: &Call,
) -> Result<(), NodeError> {
    let mut quiet = 0;
    let endpoint = loop {
        let members = members(ctx, run).await?;
        match seen(step, behaviour, &members) {
            Seen::Done => return Ok(()),
            Seen::Away(why) => return Err(NodeError::Unreachable(why)),
            Seen::Busy => quiet = 0,
            Seen::Quiet if quiet < QUIET_LOOKS => quiet += 1,
            Seen::Quiet | Seen::Idle | Seen::Hidden => {
                break members.into_iter().next().map(|(endpoint, _)| endpoint);
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    let endpoint =
        endpoint.ok_or_else(|| NodeError::Unreachable("no other member answers".into()))?;
    tracing::info!(
        cluster = run.cluster.name,
        namespace = run.cluster.namespace,
        kind = run.start.kind,
        id = run.start.id,
        pod = run.start.pod,
        step,
        told = endpoint.ip,
        "calling the node"
    );
    let answer = ctx.nodes.call(endpoint, call.clone());
    tokio::pin!(answer);
    // The answer may never come: whoever was told may die, and the ring shows what came of it.
    loop {
        tokio::select! {
            answer = &mut answer => match answer {
                Ok(()) => break,
                Err(error) if behaviour.is_done_already(&error) => break,
                Err(error) if behaviour.means_busy(&error) => return Err(NodeError::Busy),
                Err(error) => return Err(error),
            },
            () = tokio::time::sleep(node::LOOK_EVERY) => {
                let members = members(ctx, run).await.unwrap_or_default();
                if seen(step, behaviour, &members) == Seen::Done {
                    return Ok(());
                }
            }
        }
    }
    for _ in 0..AFTER_ANSWER {
        if seen(step, behaviour, &members(ctx, run).await?) == Seen::Done {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Err(NodeError::Unfinished)
}

fn seen(step: &str, behaviour: &dyn Behaviour, members: &[(Endpoint, Reading)]) -> Seen {
    let readings: Vec<Reading> = members.iter().map(|(_, reading)| reading.clone()).collect();
    behaviour.seen_by_peers(step, &readings)
}

/// The members of the ring that answer, with what they say.
async fn members(ctx: &Context, run: &Run) -> Result<Vec<(Endpoint, Reading)>, NodeError> {
    let api: Api<Pod> = Api::namespaced(ctx.client.clone(), &run.cluster.namespace);
    let params = ListParams::default().labels(&names::cluster_selector(&run.cluster.name));
    let unreadable =
        |why: String| NodeError::Unreachable(format!("the pods cannot be read: {why}"));
    let pods = tokio::time::timeout(REQUEST, api.list(&params))
        .await
        .map_err(|_| unreadable("the API server did not answer in time".into()))?
        .map_err(|error| unreadable(error.to_string()))?;
    let endpoints = pods.iter().map(NodePod::of).filter_map(|pod| {
        let ip = pod.ip.filter(|_| pod.rack.is_some())?;
        Some(Endpoint {
            ip,
            port: names::JOLOKIA_PORT,
            credentials: run.credentials.clone(),
        })
    });
    let endpoints: Vec<Endpoint> = endpoints.collect();
    let readings = future::join_all(
        endpoints
            .iter()
            .map(|endpoint| ctx.nodes.read(endpoint.clone())),
    );
    let members = endpoints.iter().cloned().zip(readings.await);
    Ok(members
        .filter_map(|(endpoint, reading)| Some((endpoint, reading.ok()?)))
        .filter(|(_, reading)| reading.mode == "NORMAL")
        .collect())
}
