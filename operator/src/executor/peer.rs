//! Calls to the other nodes: a step that another member executes because the node of the operation does not respond,
//! and whether a node that takes part in a step was unavailable.

use std::time::Duration;

use casskop_common::names;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt, api::ListParams};

use crate::{
    effects::Effects,
    executor::{NodeTask, node::known_endpoint},
    kubernetes::objects::said,
    node_api::{Endpoint, read_all},
};
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
        let members = members(effects, task).await?;
        if seen(step, behaviour, &members.readable) == StepState::Done {
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
        match seen(step, behaviour, &members.readable) {
            StepState::Done => return Ok(None),
            StepState::NodeUnavailable(why) => return Err(NodeError::Unreachable(why)),
            StepState::Running => quiet = 0,
            StepState::Stalled if quiet < QUIET_LOOKS => quiet += 1,
            StepState::Stalled | StepState::NotRunning | StepState::Unobservable => {
                let nobody = members.nobody();
                let first = members.readable.into_iter().next();
                return first.map(|(endpoint, _)| Some(endpoint)).ok_or(nobody);
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
                if seen(step, behaviour, &members.readable) == StepState::Done {
                    return Ok(());
                }
                missed = if members.has(&told) { 0 } else { missed + 1 };
                if missed >= LOST_AFTER {
                    let why = "the member that was called no longer answers";
                    return Err(NodeError::Unreachable(why.into()));
                }
            }
        }
    }
}

/// The place of a lost node in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The members have the node, and report it as down.
    Down,
    /// No member has the node any more, and the pod is a member: it has replaced the node before its volume was discarded.
    Taken,
}

/// Checks again, with the members that respond now, that the node is down. `own_ip` is the address of its pod.
///
/// # Errors
/// The node responds, a member does not report it as down, no member knows it, or no member is left to query.
pub(super) async fn place(
    effects: &Effects,
    task: &NodeTask,
    own_ip: Option<&str>,
) -> Result<Place, NodeError> {
    let answers = answering(effects, task).await?;
    judge_place(&answers, &task.start.host_id, own_ip)
}

fn judge_place(answers: &Answers, host_id: &str, own_ip: Option<&str>) -> Result<Place, NodeError> {
    let up = |who: &str| {
        NodeError::Cassandra(format!(
            "the node is no longer down ({who}): nothing was deleted; request it again with a new id when the node is down"
        ))
    };
    let itself = |reading: &Reading| reading.local_host_id == host_id;
    let mut readable = answers.readable.iter();
    if let Some((endpoint, _)) = readable.find(|(_, reading)| itself(reading)) {
        return Err(up(&format!("it answers on {}", endpoint.ip)));
    }
    // It may be the node, and as a member it may see the node.
    if let Some((endpoint, error)) = answers.unreadable.first() {
        return Err(NodeError::Malformed(format!(
            "the pod at {} answers, but not with its state, so it is not known whether the node is down: {error}",
            endpoint.ip
        )));
    }
    let members = answers.readable.iter();
    let members = members.filter(|(_, reading)| reading.is_member());
    let members: Vec<_> = members.collect();
    if members.is_empty() {
        return Err(answers.nobody());
    }
    let sees_it = members.iter().find_map(|(endpoint, reading)| {
        let address = reading.address_of(host_id)?;
        let why = if reading.live.contains(address) {
            "has it in LiveNodes"
        } else {
            "has it neither in LiveNodes nor in UnreachableNodes"
        };
        (!reading.unreachable.contains(address)).then_some((endpoint, why))
    });
    // One view of one member is no proof: the step is tried again after gossip has had time.
    match sees_it {
        Some((endpoint, why)) => Err(NodeError::Unreachable(format!(
            "the member at {} {why}, so it is not known whether the node is down: nothing was deleted",
            endpoint.ip
        ))),
        None if members
            .iter()
            .any(|(_, reading)| reading.address_of(host_id).is_some()) =>
        {
            Ok(Place::Down)
        }
        None if members
            .iter()
            .any(|(endpoint, _)| Some(endpoint.ip.as_str()) == own_ip) =>
        {
            Ok(Place::Taken)
        }
        None => Err(NodeError::Unreachable(
            "no member knows the node any more, and its pod is no member: nothing was deleted"
                .into(),
        )),
    }
}

fn seen(step: &str, behaviour: &dyn Behaviour, members: &[(Endpoint, Reading)]) -> StepState {
    let readings: Vec<Reading> = members.iter().map(|(_, reading)| reading.clone()).collect();
    behaviour.seen_by_peers(step, &readings)
}

/// The members of the ring that respond, with their readings, and the nodes whose response cannot be used: whether those
/// are members is not known.
async fn members(effects: &Effects, task: &NodeTask) -> Result<Answers, NodeError> {
    let mut members = answering(effects, task).await?;
    members.readable.retain(|(_, reading)| reading.is_member());
    Ok(members)
}

/// The nodes that respond.
#[derive(Default)]
struct Answers {
    readable: Vec<(Endpoint, Reading)>,
    /// Nodes that respond with something else than their state.
    unreadable: Vec<(Endpoint, NodeError)>,
}

impl Answers {
    fn of(answers: impl Iterator<Item = (Endpoint, Result<Reading, NodeError>)>) -> Self {
        let mut sorted = Self::default();
        for (endpoint, answer) in answers {
            match answer {
                Ok(reading) => sorted.readable.push((endpoint, reading)),
                Err(error) if error.is_silence() => {}
                Err(error) => sorted.unreadable.push((endpoint, error)),
            }
        }
        sorted
    }

    /// Whether the node at an address responds, with whatever.
    fn has(&self, ip: &str) -> bool {
        let readable = self.readable.iter().map(|(endpoint, _)| endpoint);
        let unreadable = self.unreadable.iter().map(|(endpoint, _)| endpoint);
        readable.chain(unreadable).any(|endpoint| endpoint.ip == ip)
    }

    /// The reason why there is no member to call.
    fn nobody(&self) -> NodeError {
        match self.unreadable.first() {
            None => NodeError::Unreachable("no other member answers".into()),
            Some((endpoint, error)) => NodeError::Malformed(format!(
                "no other member answers with its state; the pod at {} does not: {error}",
                endpoint.ip
            )),
        }
    }
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

/// The nodes that respond.
async fn answering(effects: &Effects, task: &NodeTask) -> Result<Answers, NodeError> {
    let pods = pods(effects, task).await?;
    let endpoints = pods.iter().map(NodePod::of).filter_map(|pod| {
        let ip = pod.ip.as_ref().filter(|_| pod.rack.is_some())?;
        Some(known_endpoint(task, ip, &pod))
    });
    // A node that cannot be asked is not taken for one that does not answer.
    let endpoints: Vec<Endpoint> = endpoints.collect::<Result<_, _>>()?;
    let reads = endpoints.into_iter().map(|endpoint| {
        let answer = effects.nodes.read(endpoint.clone());
        (endpoint, answer)
    });
    let reads = reads.collect();
    Ok(Answers::of(read_all(reads).await.into_iter()))
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use casskop_common::api::OperationMode;

    use super::*;
    use crate::node_api::{Access, Credentials};

    const GONE: &str = "host-gone";

    fn answers(answers: Vec<(&str, Result<Reading, NodeError>)>) -> Answers {
        let answers = answers.into_iter().map(|(ip, answer)| {
            let credentials = Credentials {
                username: "u".into(),
                password: "p".into(),
                older: Vec::new(),
            };
            let endpoint = Endpoint::new(ip, Access::Jolokia(credentials.into()));
            (endpoint, answer)
        });
        Answers::of(answers)
    }

    /// A member that sees the node down.
    fn member() -> Reading {
        Reading {
            mode: OperationMode::Normal,
            local_host_id: "host-1".into(),
            host_ids: Arc::new([("10.0.0.9".to_owned(), GONE.to_owned())].into()),
            unreachable: Arc::new(["10.0.0.9".to_owned()].into()),
            ..Reading::default()
        }
    }

    fn unreadable() -> [NodeError; 4] {
        [
            NodeError::Malformed("{".into()),
            NodeError::TooLarge {
                address: "10.0.0.2".into(),
                request: "state",
                limit: 1,
            },
            NodeError::Unauthorized,
            NodeError::Cassandra("no".into()),
        ]
    }

    fn silent() -> [NodeError; 2] {
        [
            NodeError::Unreachable("refused".into()),
            NodeError::Timeout(4),
        ]
    }

    #[test]
    fn a_node_that_answers_unreadably_is_not_taken_for_one_that_is_down() {
        for error in unreadable() {
            let answers = answers(vec![("10.0.0.1", Ok(member())), ("10.0.0.2", Err(error))]);
            let why = judge_place(&answers, GONE, None).unwrap_err();
            assert!(
                matches!(why, NodeError::Malformed(_)) && why.is_transient(),
                "{why:?}"
            );
            assert!(why.to_string().contains("10.0.0.2"), "{why}");
        }
        for error in silent() {
            let answers = answers(vec![("10.0.0.1", Ok(member())), ("10.0.0.2", Err(error))]);
            assert_eq!(judge_place(&answers, GONE, None), Ok(Place::Down));
        }
    }

    /// The operator was down between the change of the ConfigMap and the deletion, and the pod, whose start was refused
    /// until then, became the new node.
    #[test]
    fn a_pod_that_has_replaced_the_node_already_is_told_from_a_node_that_is_down() {
        let other = || Reading {
            host_ids: Arc::new([("10.0.0.7".to_owned(), "host-7".to_owned())].into()),
            unreachable: Arc::default(),
            ..member()
        };
        let successor = || Reading {
            local_host_id: "host-7".into(),
            ..other()
        };
        let both = answers(vec![
            ("10.0.0.1", Ok(other())),
            ("10.0.0.7", Ok(successor())),
        ]);
        let place = |own_ip| judge_place(&both, GONE, own_ip);
        assert_eq!(place(Some("10.0.0.7")), Ok(Place::Taken));
        for own_ip in [None, Some("10.0.0.3")] {
            let why = place(own_ip).unwrap_err();
            assert!(
                why.is_transient() && why.to_string().contains("nothing was deleted"),
                "{why}"
            );
        }
        // It joins, and the members still have the lost node.
        let joining = Reading {
            mode: OperationMode::Joining,
            ..successor()
        };
        let during = answers(vec![("10.0.0.1", Ok(member())), ("10.0.0.7", Ok(joining))]);
        assert_eq!(
            judge_place(&during, GONE, Some("10.0.0.7")),
            Ok(Place::Down)
        );
    }

    #[test]
    fn one_view_of_a_member_ends_no_step_and_an_answer_of_the_node_does() {
        let unknown = || Reading {
            unreachable: Arc::default(),
            ..member()
        };
        let live = || Reading {
            live: Arc::new(["10.0.0.9".to_owned()].into()),
            ..unknown()
        };
        for (view, list) in [(unknown(), "neither in"), (live(), "in LiveNodes")] {
            let answers = answers(vec![("10.0.0.1", Ok(view)), ("10.0.0.2", Ok(member()))]);
            let why = judge_place(&answers, GONE, None).unwrap_err();
            assert!(why.is_transient(), "{why:?}");
            assert!(why.to_string().contains(list), "{why}");
        }
        let itself = Reading {
            local_host_id: GONE.into(),
            ..member()
        };
        let answers = answers(vec![("10.0.0.1", Ok(member())), ("10.0.0.2", Ok(itself))]);
        let why = judge_place(&answers, GONE, None).unwrap_err();
        assert!(!why.is_transient(), "{why:?}");
    }

    #[test]
    fn a_called_member_that_answers_unreadably_is_there() {
        for error in unreadable() {
            let answers = answers(vec![("10.0.0.2", Err(error))]);
            assert!(answers.has("10.0.0.2"));
            let why = answers.nobody().to_string();
            assert!(why.contains("the pod at 10.0.0.2"), "{why}");
        }
        for error in silent() {
            let answers = answers(vec![("10.0.0.2", Err(error))]);
            assert!(!answers.has("10.0.0.2"));
            assert!(
                answers
                    .nobody()
                    .to_string()
                    .contains("no other member answers")
            );
        }
    }
}
