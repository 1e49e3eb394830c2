//! The place of a discarded node in the ring: whether its pod runs the next node already, so that its volume is in use.

use std::collections::BTreeSet;

use casskop_common::api::OperationMode;

use crate::{
    effects::Effects,
    executor::{
        NodeTask,
        peer::{self, Answers},
    },
    kubernetes::objects::error_text,
    node_api::Endpoint,
};
use casskop_core::node::{NodeError, Reading};

/// The place of a lost node in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The node does not run: its pod and its volumes can be deleted.
    Vacant,
    /// The pod runs the next node already, on the volume that the operation recorded: its start was refused until the
    /// ConfigMap let it start, and the operator came later.
    Taken,
}

/// Checks again, with the members that respond now, that a node to replace is down. `own_ip` is the address of its pod.
///
/// # Errors
/// The node responds, a member does not report it as down, no member knows it, or no member is left to query.
pub(super) async fn of_a_lost_node(
    effects: &Effects,
    task: &NodeTask,
    own_ip: Option<&str>,
) -> Result<Place, NodeError> {
    let answers = peer::answering(effects, task).await?;
    judge_lost(&answers, &task.start.host_id, own_ip)
}

fn judge_lost(answers: &Answers, host_id: &str, own_ip: Option<&str>) -> Result<Place, NodeError> {
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
    let members: Vec<_> = members_of(answers).collect();
    if members.is_empty() {
        return Err(answers.no_member());
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
    // One view of one member is no proof: the step is retried after gossip has had time.
    if let Some((endpoint, why)) = sees_it {
        return Err(NodeError::Unreachable(format!(
            "the member at {} {why}, so it is not known whether the node is down: nothing was deleted",
            endpoint.ip
        )));
    }
    let mut members = members.into_iter();
    if members
        .clone()
        .any(|(_, reading)| reading.address_of(host_id).is_some())
    {
        Ok(Place::Vacant)
    } else if members.any(|(endpoint, _)| Some(endpoint.ip.as_str()) == own_ip) {
        Ok(Place::Taken)
    } else {
        let why =
            "no member knows the node any more, and its pod is no member: nothing was deleted";
        Err(NodeError::Unreachable(why.into()))
    }
}

/// The place of a node that was removed from the ring. `own_ip` is the address of its pod.
///
/// # Errors
/// A member has the node again, no member answers, or the answer of the pod cannot be used.
pub(super) async fn of_a_removed_node(
    effects: &Effects,
    task: &NodeTask,
    own_ip: Option<&str>,
) -> Result<Place, NodeError> {
    let answers = peer::answering(effects, task).await?;
    let others = nodes_of_other_pods(effects, task).await?;
    judge_removed(&answers, &task.start.host_id, own_ip, &others)
}

/// Checks that no member has a removed node in its ring again, as happens when the pod had found its data before the
/// removal and finished its start afterwards. A ring that cannot be read proves nothing.
///
/// # Errors
/// A member has it.
pub(super) async fn stays_removed(effects: &Effects, task: &NodeTask) -> Result<(), NodeError> {
    let answers = peer::answering(effects, task).await.unwrap_or_default();
    out_of_ring(&answers, &task.start.host_id)
}

fn out_of_ring(answers: &Answers, host_id: &str) -> Result<(), NodeError> {
    let mut members = members_of(answers);
    let has_it = members.find(|(_, reading)| reading.address_of(host_id).is_some());
    has_it.map_or(Ok(()), |(endpoint, _)| {
        Err(NodeError::Unreachable(format!(
            "the member at {} has the removed node in its ring again: nothing was deleted; to remove it, request it again with a new id when the node is down",
            endpoint.ip
        )))
    })
}

/// The nodes that respond as members of the ring.
fn members_of(answers: &Answers) -> impl Iterator<Item = &(Endpoint, Reading)> {
    let readable = answers.readable.iter();
    readable.filter(|(_, reading)| reading.is_member())
}

/// Host ids that the status records for other pods.
async fn nodes_of_other_pods(
    effects: &Effects,
    task: &NodeTask,
) -> Result<BTreeSet<String>, NodeError> {
    let (namespace, name) = (&task.cluster.namespace, &task.cluster.name);
    let read = effects.store.read(namespace, name).await;
    let cluster = read.map_err(|error| NodeError::Unreachable(error_text(&error)))?;
    let status = cluster.and_then(|cluster| cluster.status);
    let nodes = status
        .into_iter()
        .flat_map(|status| status.cassandra_node_status);
    let others = nodes.filter(|(pod, _)| *pod != task.start.pod);
    Ok(others.map(|(_, node)| node.host_id).collect())
}

fn judge_removed(
    answers: &Answers,
    host_id: &str,
    own_ip: Option<&str>,
    others: &BTreeSet<String>,
) -> Result<Place, NodeError> {
    let is_own = |endpoint: &Endpoint| Some(endpoint.ip.as_str()) == own_ip;
    out_of_ring(answers, host_id)?;
    // A pod that does not answer may run the node, and be in the ring again.
    if members_of(answers).next().is_none() {
        return Err(answers.no_member());
    }
    let mut unreadable = answers.unreadable.iter();
    if let Some((endpoint, error)) = unreadable.find(|(endpoint, _)| is_own(endpoint)) {
        return Err(NodeError::Malformed(format!(
            "the pod at {} answers, but not with its state, so it is not known whether it runs a new node: {error}",
            endpoint.ip
        )));
    }
    // A node that comes back after its removal drains itself: it is none of the ring.
    let is_new = |reading: &Reading| {
        let joins = reading.is_member() || reading.mode == OperationMode::Joining;
        joins && reading.local_host_id != host_id
    };
    let mut nodes = answers.readable.iter();
    let joins = nodes.any(|(endpoint, reading)| is_own(endpoint) && is_new(reading));
    // An address that the ring still has for the node of another pod says nothing about this one.
    let mut members = members_of(answers);
    let is_member = members.any(|(_, reading)| {
        let by_address = own_ip.and_then(|ip| reading.host_ids.get(ip));
        by_address.is_some_and(|member| !others.contains(member))
    });
    Ok(if joins || is_member {
        Place::Taken
    } else {
        Place::Vacant
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::executor::peer::tests::{answers, silent, unreadable};

    const GONE: &str = "host-gone";

    /// A member that reports the node as down.
    fn member() -> Reading {
        Reading {
            mode: OperationMode::Normal,
            local_host_id: "host-1".into(),
            host_ids: Arc::new([("10.0.0.9".to_owned(), GONE.to_owned())].into()),
            unreachable: Arc::new(["10.0.0.9".to_owned()].into()),
            ..Reading::default()
        }
    }

    #[test]
    fn a_node_that_answers_unreadably_is_not_taken_for_one_that_is_down() {
        for error in unreadable() {
            let answers = answers(vec![("10.0.0.1", Ok(member())), ("10.0.0.2", Err(error))]);
            let why = judge_lost(&answers, GONE, None).unwrap_err();
            assert!(
                matches!(why, NodeError::Malformed(_)) && why.is_transient(),
                "{why:?}"
            );
            assert!(why.to_string().contains("10.0.0.2"), "{why}");
        }
        for error in silent() {
            let answers = answers(vec![("10.0.0.1", Ok(member())), ("10.0.0.2", Err(error))]);
            assert_eq!(judge_lost(&answers, GONE, None), Ok(Place::Vacant));
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
        let place = |own_ip| judge_lost(&both, GONE, own_ip);
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
            judge_lost(&during, GONE, Some("10.0.0.7")),
            Ok(Place::Vacant)
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
            let why = judge_lost(&answers, GONE, None).unwrap_err();
            assert!(why.is_transient(), "{why:?}");
            assert!(why.to_string().contains(list), "{why}");
        }
        let itself = Reading {
            local_host_id: GONE.into(),
            ..member()
        };
        let answers = answers(vec![("10.0.0.1", Ok(member())), ("10.0.0.2", Ok(itself))]);
        let why = judge_lost(&answers, GONE, None).unwrap_err();
        assert!(!why.is_transient(), "{why:?}");
    }

    /// The same of a node that was removed: deleted now, the volume of a healthy member would go.
    #[test]
    fn a_pod_that_has_joined_anew_is_told_from_what_is_left_of_a_removed_node() {
        const OWN: &str = "10.0.0.7";
        let without = || Reading {
            host_ids: Arc::default(),
            unreachable: Arc::default(),
            ..member()
        };
        let own = |mode, local_host_id: &str| Reading {
            mode,
            local_host_id: local_host_id.into(),
            ..without()
        };
        let knows_own = || Reading {
            host_ids: Arc::new([(OWN.to_owned(), "host-7".to_owned())].into()),
            ..without()
        };
        let silence = || Err(NodeError::Timeout(4));
        let others = BTreeSet::from(["host-of-another-pod".to_owned()]);
        // The pod was created anew with an address that the ring has for a node that is down.
        let knows_another = Reading {
            host_ids: Arc::new([(OWN.to_owned(), "host-of-another-pod".to_owned())].into()),
            ..without()
        };
        let (taken, vacant) = (Ok(Place::Taken), Ok(Place::Vacant));
        let cases = [
            (
                without(),
                Ok(own(OperationMode::Normal, "host-7")),
                taken.clone(),
            ),
            (
                without(),
                Ok(own(OperationMode::Joining, "host-7")),
                taken.clone(),
            ),
            (knows_own(), silence(), taken.clone()),
            (
                knows_own(),
                Ok(own(OperationMode::Drained, "host-7")),
                taken,
            ),
            (without(), silence(), vacant.clone()),
            (knows_another, silence(), vacant.clone()),
            (
                without(),
                Ok(own(OperationMode::Starting, "")),
                vacant.clone(),
            ),
            // It came back after its removal.
            (without(), Ok(own(OperationMode::Drained, GONE)), vacant),
        ];
        for (other, own, expected) in cases {
            let answers = answers(vec![("10.0.0.1", Ok(other)), (OWN, own.clone())]);
            assert_eq!(
                judge_removed(&answers, GONE, Some(OWN), &others),
                expected,
                "{own:?}"
            );
        }
        let alone = answers(vec![("10.0.0.1", Ok(knows_own()))]);
        assert_eq!(
            judge_removed(&alone, GONE, None, &others),
            Ok(Place::Vacant)
        );
        // Nobody knows whether a pod that does not answer is in the ring again.
        for nobody in [vec![], vec![("10.0.0.1", silence()), (OWN, silence())]] {
            let why = judge_removed(&answers(nobody), GONE, Some(OWN), &others).unwrap_err();
            assert!(why.is_transient(), "{why}");
        }
        let again = answers(vec![("10.0.0.1", Ok(member()))]);
        for error in unreadable() {
            let unknown = answers(vec![("10.0.0.1", Ok(without())), (OWN, Err(error))]);
            for (answers, own_ip) in [(&again, None), (&again, Some(OWN)), (&unknown, Some(OWN))] {
                let why = judge_removed(answers, GONE, own_ip, &others).unwrap_err();
                assert!(why.is_transient(), "{why}");
            }
        }
    }
}
