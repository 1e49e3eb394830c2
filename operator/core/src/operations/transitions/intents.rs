//! Intents, recorded before their effects: the operations that a plan begins or changes, and the rack that it changes.

use casskop_common::api::{
    CassandraClusterStatus, NodePhase, OperationReason, OperationStatus, RackWrite,
};
use casskop_common::operations::RecordedKind;

use super::{Change, archive};
use crate::operations::recorded::{has_begun, is_at_work};

/// Takes over a pause or a cancel that was decided about an operation whose nodes have gone on since.
pub fn control(status: &mut CassandraClusterStatus, decided: &OperationStatus) {
    let current = status
        .operations
        .iter_mut()
        .find(|current| current.kind == decided.kind && current.id == decided.id);
    let Some(current) = current.filter(|current| !current.phase.is_final()) else {
        return;
    };
    let is_control = matches!(
        decided.reason,
        Some(OperationReason::Cancelling | OperationReason::Paused)
    );
    if decided.phase.is_final() || !is_control {
        return;
    }
    current.phase = decided.phase;
    current.reason.clone_from(&decided.reason);
    current.message.clone_from(&decided.message);
    for node in current
        .nodes
        .iter_mut()
        .filter(|node| node.phase == NodePhase::Pending)
    {
        let skipped = decided
            .nodes
            .iter()
            .any(|other| other.pod == node.pod && other.phase == NodePhase::Skipped);
        if skipped {
            node.phase = NodePhase::Skipped;
        }
    }
}

/// The intents of a plan that are not recorded as decided, because the status has gone on since.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outdated {
    /// Kinds of operations.
    pub kinds: Vec<RecordedKind>,
    /// Whether the rack must not change.
    pub rack: bool,
}

/// Records the intents of a plan that was made from the status `observed`: its operations, and the rack that it changes. A
/// repeated write is none: an intent that stands as decided was recorded before.
pub fn decide(
    status: &mut CassandraClusterStatus,
    observed: Option<&CassandraClusterStatus>,
    changes: &[Change],
    rack_write: Option<&RackWrite>,
) -> Outdated {
    let operations = observed.map_or(&[][..], |observed| &observed.operations);
    let observed_write = observed.and_then(|observed| observed.last_rack_write.as_ref());
    let is_known = |write: Option<&RackWrite>| {
        write == observed_write || (write.is_some() && write == rack_write)
    };
    let racks_are_as_observed = is_known(status.last_rack_write.as_ref());
    let mut outdated = Outdated {
        rack: rack_write
            .is_some_and(|write| !change_rack(status, operations, observed_write, write)),
        ..Outdated::default()
    };
    for change in changes {
        let current = status
            .operations
            .iter()
            .find(|operation| operation.kind == change.after.kind);
        if current == Some(&change.after) {
            continue;
        }
        // Whether it may begin, or go on to its next nodes, was decided by what was at work.
        let begins = has_begun(&change.after) && !change.before.as_ref().is_some_and(has_begun);
        let starts = starts_nodes(change);
        let is_behind = ((begins || starts) && is_outrun(status, operations, &change.after.kind))
            || (starts && !racks_are_as_observed);
        if current == change.before.as_ref() && !is_behind {
            archive(status, change.after.clone());
        } else {
            // A node made progress in the meantime; a pause or cancel must not wait until no node does.
            control(status, &change.after);
            outdated.kinds.push(change.after.kind.clone());
        }
    }
    outdated
}

/// Whether nodes begin to work that did not before.
fn starts_nodes(change: &Change) -> bool {
    let works = |operation: &OperationStatus, pod: &str| {
        let mut nodes = operation.nodes.iter();
        nodes.any(|node| node.pod == pod && node.phase == NodePhase::Running)
    };
    let before = |pod: &str| {
        let before = change.before.as_ref();
        before.is_some_and(|before| before.id == change.after.id && works(before, pod))
    };
    let mut nodes = change.after.nodes.iter();
    nodes.any(|node| node.phase == NodePhase::Running && !before(&node.pod))
}

/// Records the StatefulSet that a plan changes. False, and without effect, if another rack changes since, or nodes are at
/// work that were not.
fn change_rack(
    status: &mut CassandraClusterStatus,
    observed: &[OperationStatus],
    observed_write: Option<&RackWrite>,
    write: &RackWrite,
) -> bool {
    let was_at_work = |operation: &OperationStatus| {
        let mut observed = observed.iter().filter(|observed| is_at_work(observed));
        observed.any(|observed| observed.kind == operation.kind && observed.id == operation.id)
    };
    let mut at_work = status.operations.iter().filter(|known| is_at_work(known));
    let is_known = [observed_write, Some(write)].contains(&status.last_rack_write.as_ref());
    if !is_known || at_work.any(|known| !was_at_work(known)) {
        return false;
    }
    status.last_rack_write = Some(write.clone());
    true
}

/// Whether an operation of another kind has begun, or has gone on from a wait for the ring, since the status was observed.
fn is_outrun(
    status: &CassandraClusterStatus,
    observed: &[OperationStatus],
    kind: &RecordedKind,
) -> bool {
    let was_observed = |operation: &OperationStatus| {
        let mut observed = observed.iter();
        let observed = observed
            .find(|observed| observed.kind == operation.kind && observed.id == operation.id);
        observed.is_some_and(|observed| {
            is_at_work(observed) || (has_begun(observed) && !is_at_work(operation))
        })
    };
    let others = status.operations.iter();
    let mut others = others.filter(|operation| operation.kind != *kind && has_begun(operation));
    others.any(|operation| !was_observed(operation))
}

#[cfg(test)]
mod tests {
    use casskop_common::{
        api::{OperationNode, OperationPhase},
        operations::OperationKind,
    };

    use super::*;

    fn operation(kind: OperationKind, node: NodePhase) -> OperationStatus {
        let waits = node == NodePhase::Pending;
        OperationStatus {
            kind: kind.into(),
            id: "a".into(),
            phase: OperationPhase::Running,
            reason: waits.then_some(OperationReason::ChecksFailing),
            nodes: vec![OperationNode {
                pod: "demo-dc1-rack1-0".into(),
                phase: node,
                ..OperationNode::default()
            }],
            ..OperationStatus::default()
        }
    }

    fn status(operations: &[OperationStatus]) -> CassandraClusterStatus {
        CassandraClusterStatus {
            operations: operations.to_vec(),
            ..CassandraClusterStatus::default()
        }
    }

    /// A cleanup waits for its checks, and a removal mends the ring meanwhile: two operators, each of which sees the
    /// cleanup wait, must not continue the one and begin the other.
    #[test]
    fn of_two_operators_one_continues_and_the_other_does_not_begin() {
        let waits = operation(OperationKind::Cleanup, NodePhase::Pending);
        let goes_on = operation(OperationKind::Cleanup, NodePhase::Running);
        let removal = operation(OperationKind::Remove, NodePhase::Running);
        let seen = status(std::slice::from_ref(&waits));
        let continues = Change {
            before: Some(waits.clone()),
            after: goes_on.clone(),
        };
        let begins = Change {
            before: None,
            after: removal.clone(),
        };
        for (change, meanwhile) in [
            (&begins, status(std::slice::from_ref(&goes_on))),
            (&continues, status(&[waits.clone(), removal.clone()])),
        ] {
            let mut live = meanwhile.clone();
            let outdated = decide(&mut live, Some(&seen), std::slice::from_ref(change), None);
            assert_eq!(outdated.kinds, std::slice::from_ref(&change.after.kind));
            assert_eq!(live, meanwhile);
        }
        // Without the other operator, each is recorded.
        for change in [begins, continues] {
            let mut live = seen.clone();
            let outdated = decide(&mut live, Some(&seen), std::slice::from_ref(&change), None);
            assert_eq!(outdated, Outdated::default());
            assert!(live.operations.contains(&change.after));
        }
    }
}
