//! Calls to the other nodes: a step that another member executes because the node of the operation does not respond,
//! and whether a node that takes part in a step was unavailable.

use std::{collections::BTreeMap, pin::pin, time::Duration};

use casskop_common::names;
use futures::future::{Either, select};
use jiff::{SignedDuration, Timestamp};

use crate::{
    effects::Effects,
    executor::NodeTask,
    kubernetes::{
        lists::{Freshness, list_parts},
        objects::error_text,
    },
    node_api::{Endpoint, read_all},
};
use casskop_core::{
    node::{Call, NodeError, Reading},
    observed::NodePod,
    operations::{Behaviour, StepState},
};

/// Time between two polls of a called step.
const POLL_EVERY: Duration = Duration::from_secs(2);
/// Polls without a change of the ring before the step is retried: five minutes.
const QUIET_POLLS: u32 = 150;
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
pub(super) async fn call_member(
    effects: &Effects,
    task: &NodeTask,
    step: &str,
    behaviour: &dyn Behaviour,
    call: &Call,
) -> Result<(), NodeError> {
    loop {
        let Some(endpoint) = idle(effects, task, step, (behaviour, call)).await? else {
            return Ok(());
        };
        task.log_call(effects, step, &endpoint.ip, false);
        match answered(effects, task, step, behaviour, (endpoint, call)).await {
            // The earlier call is still in progress there, between two observable states.
            Err(error) if behaviour.is_already_running(&error) => {
                tokio::time::sleep(POLL_EVERY).await;
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
        if step_state(step, behaviour, &members.readable) == StepState::Done {
            return Ok(());
        }
        tokio::time::sleep(POLL_EVERY).await;
    }
    Err(NodeError::Unfinished)
}

/// Waits while the ring works on the step. Returns a member that can be called; nothing when the step is done.
async fn idle(
    effects: &Effects,
    task: &NodeTask,
    step: &str,
    (behaviour, call): (&dyn Behaviour, &Call),
) -> Result<Option<Endpoint>, NodeError> {
    let mut quiet = 0;
    loop {
        let members = members(effects, task).await?;
        match step_state(step, behaviour, &members.readable) {
            StepState::Done => return Ok(None),
            StepState::NodeUnavailable(why) => return Err(NodeError::Unreachable(why)),
            StepState::Running => quiet = 0,
            StepState::Stalled if quiet < QUIET_POLLS => quiet += 1,
            StepState::Stalled | StepState::NotRunning | StepState::Unobservable => {
                return members.able(call).map(Some);
            }
        }
        tokio::time::sleep(POLL_EVERY).await;
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
    let called = endpoint.ip.clone();
    let mut answer = pin!(effects.nodes.call(endpoint, call.clone()));
    let mut missed = 0;
    loop {
        // Both are polled: an answer that is not keeps what the look may wait for.
        let look = pin!(async {
            tokio::time::sleep(POLL_EVERY).await;
            members(effects, task).await.unwrap_or_default()
        });
        let members = match select(answer.as_mut(), look).await {
            Either::Left((answer, _)) => return answer,
            Either::Right((members, _)) => members,
        };
        if step_state(step, behaviour, &members.readable) == StepState::Done {
            return Ok(());
        }
        missed = if members.has(&called) { 0 } else { missed + 1 };
        if missed >= LOST_AFTER {
            let why = "the member that was called no longer answers";
            return Err(NodeError::Unreachable(why.into()));
        }
    }
}

fn step_state(step: &str, behaviour: &dyn Behaviour, members: &[(Endpoint, Reading)]) -> StepState {
    let readings: Vec<Reading> = members.iter().map(|(_, reading)| reading.clone()).collect();
    behaviour.observed_by_peers(step, &readings)
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
pub(super) struct Answers {
    /// Nodes that respond with their state.
    pub(super) readable: Vec<(Endpoint, Reading)>,
    /// Nodes that respond with something else.
    pub(super) unreadable: Vec<(Endpoint, NodeError)>,
}

impl Answers {
    pub(super) fn of(
        answers: impl Iterator<Item = (Endpoint, Result<Reading, NodeError>)>,
    ) -> Self {
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

    /// Whether the node at an address responds, with any answer.
    pub(super) fn has(&self, ip: &str) -> bool {
        let readable = self.readable.iter().map(|(endpoint, _)| endpoint);
        let unreadable = self.unreadable.iter().map(|(endpoint, _)| endpoint);
        readable.chain(unreadable).any(|endpoint| endpoint.ip == ip)
    }

    /// The first of the members whose transport has a way to carry out a call.
    ///
    /// # Errors
    /// There is none.
    fn able(self, call: &Call) -> Result<Endpoint, NodeError> {
        let no_member = self.no_member();
        let mut lack = None;
        for (endpoint, _) in self.readable {
            match call.not_supported(endpoint.access.transport().kind()) {
                None => return Ok(endpoint),
                what => lack = what,
            }
        }
        Err(lack.map_or(no_member, NodeError::NotSupported))
    }

    /// The reason why there is no member to call.
    pub(super) fn no_member(&self) -> NodeError {
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
        .filter(|(name, pod)| **name != task.start.pod && pod.rack.is_some())
        .map(|(_, pod)| pod);
    others.any(|pod| !pod.ready || pod.runs_since.is_none_or(|began| began >= since))
}

/// Reads the nodes of the cluster, and keeps those that respond.
pub(super) async fn answering(effects: &Effects, task: &NodeTask) -> Result<Answers, NodeError> {
    let pods = pods(effects, task).await?;
    let endpoints = pods.values().filter_map(|pod| {
        let ip = pod.ip.as_ref().filter(|_| pod.rack.is_some())?;
        Some(task.access.endpoint(ip, pod))
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

async fn pods(effects: &Effects, task: &NodeTask) -> Result<BTreeMap<String, NodePod>, NodeError> {
    let selector = names::cluster_selector(&task.cluster.name);
    let namespace = &task.cluster.namespace;
    let (kube, now) = (&effects.kube, (Freshness::Now, 0));
    let pods = list_parts(kube, namespace, &selector, now, NodePod::of);
    let unreadable =
        |why: String| NodeError::Unreachable(format!("the pods cannot be read: {why}"));
    tokio::time::timeout(REQUEST, pods)
        .await
        .map_err(|_| unreadable("the API server did not answer in time".into()))?
        .map_err(|error| unreadable(error_text(&error)))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::node_api::{
        Access, Credentials,
        management_api::node::{Authority, RING},
    };

    /// Answers of nodes, by their addresses.
    pub(in crate::executor) fn answers(
        answers: Vec<(&str, Result<Reading, NodeError>)>,
    ) -> Answers {
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

    /// Answers that cannot be used.
    pub(in crate::executor) fn unreadable() -> [NodeError; 4] {
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

    /// No answers.
    pub(in crate::executor) fn silent() -> [NodeError; 2] {
        [
            NodeError::Unreachable("refused".into()),
            NodeError::Timeout(4),
        ]
    }

    /// While the transport of a ring changes, only some members have a way to remove a node.
    #[test]
    fn the_member_that_is_called_has_a_way_to_do_it() {
        let certificates = Access::ManagementApi(Authority::new().certificates(RING).into());
        let with_certificates = |ip: &str| {
            let endpoint = Endpoint::new(ip, certificates.clone());
            (endpoint, Ok(Reading::default()))
        };
        let remove = Call::RemoveNode {
            host_id: "gone".into(),
        };
        let with_password = answers(vec![("10.0.0.2", Ok(Reading::default()))]);
        let mut mixed = Answers::of([with_certificates("10.0.0.1")].into_iter());
        mixed.readable.extend(with_password.readable);
        assert_eq!(mixed.able(&remove).expect("one can").ip, "10.0.0.2");
        let none = Answers::of([with_certificates("10.0.0.1")].into_iter()).able(&remove);
        let why = none.expect_err("none can");
        assert!(matches!(why, NodeError::NotSupported(_)), "{why}");
        let nobody = answers(Vec::new()).able(&remove);
        assert!(nobody.expect_err("nobody is there").is_silence());
    }

    #[test]
    fn a_called_member_that_answers_unreadably_is_there() {
        for error in unreadable() {
            let answers = answers(vec![("10.0.0.2", Err(error))]);
            assert!(answers.has("10.0.0.2"));
            let why = answers.no_member().to_string();
            assert!(why.contains("the pod at 10.0.0.2"), "{why}");
        }
        for error in silent() {
            let answers = answers(vec![("10.0.0.2", Err(error))]);
            assert!(!answers.has("10.0.0.2"));
            assert!(
                answers
                    .no_member()
                    .to_string()
                    .contains("no other member answers")
            );
        }
    }
}
