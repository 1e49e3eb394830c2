//! Questions about the operations that the status records.

use casskop_common::{
    api::{NodePhase, OperationPhase, OperationReason, OperationStatus},
    names,
};

use crate::observed::ObservedState;

/// Whether its checks keep an operation from its next nodes. An operation that would make them pass must not wait for it.
pub(crate) fn is_blocked_by_checks(operation: &OperationStatus) -> bool {
    operation.reason == Some(OperationReason::ChecksFailing)
}

/// Whether one of its nodes is at work.
pub(crate) fn has_node_at_work(operation: &OperationStatus) -> bool {
    let mut nodes = operation.nodes.iter();
    nodes.any(|node| node.phase == NodePhase::Running)
}

/// Operations that nodes are working on, and that do not wait for what would mend the ring.
pub fn at_work(state: &ObservedState) -> impl Iterator<Item = &OperationStatus> {
    let operations = state.operations();
    operations.filter(|operation| is_at_work(operation))
}

/// Whether nodes are working on an operation, and it does not wait for what would mend the ring.
pub(crate) fn is_at_work(operation: &OperationStatus) -> bool {
    has_begun(operation) && !waits_for_ring(operation)
}

/// Whether an operation has begun and not ended: a paused one as long as a node is still at work.
pub fn has_begun(operation: &OperationStatus) -> bool {
    operation.phase == OperationPhase::Running
        || (operation.phase == OperationPhase::Paused && has_node_at_work(operation))
}

/// Whether its checks keep an operation from its next nodes.
pub(crate) fn waits_for_ring(operation: &OperationStatus) -> bool {
    is_blocked_by_checks(operation) && !has_node_at_work(operation)
}

/// The message of an object that waits for an operation.
pub fn waits_for(operation: &OperationStatus) -> String {
    format!("waits for {} {} to end", operation.kind, operation.id)
}

/// Why nothing at all begins now.
pub fn pause_reason(state: &ObservedState) -> Option<String> {
    let paused = state.intents.reconcile_paused;
    paused.then(|| format!("paused by the annotation {}", names::RECONCILE))
}
