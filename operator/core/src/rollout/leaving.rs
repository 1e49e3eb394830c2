//! Decommission of a node: the request and its preconditions.

use casskop_common::{
    api::{Check, OperationPhase},
    intent::Request,
    names::RackId,
    operations::OperationKind,
};

use crate::{
    node::Reading,
    observed::ObservedState,
    operations::{behaviour, needs_force, preconditions, request},
};

/// A member to decommission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// Its pod.
    pub pod: String,
    /// Its rack.
    pub rack: RackId,
    /// Its host ID, which is also the ID of the operation: a host ID leaves the ring only once.
    pub host_id: String,
}

/// The request to decommission a node.
pub(crate) fn leave(leaving: &Leaving, state: &ObservedState) -> Option<Request> {
    let force = needs_force(&preconditions::ring(
        state,
        std::slice::from_ref(&leaving.pod),
    ));
    let force = force.then(|| "--force".to_owned()).into_iter();
    let words: Vec<String> = force
        .chain(request::flags("--pod", [leaving.pod.clone()]))
        .collect();
    request::of(OperationKind::Decommission, leaving.host_id.clone(), &words)
}

/// The failing checks that block the decommission. Empty while the decommission is in progress: it has started and has
/// not failed, or the node is no longer a member.
pub fn leave_blockers(leaving: &Leaving, state: &ObservedState) -> Vec<Check> {
    let mut operations = state.operations();
    let told = operations
        .find(|operation| {
            operation.kind == OperationKind::Decommission && operation.id == leaving.host_id
        })
        .filter(|operation| operation.started_at.is_some());
    let reading = state.reading(&leaving.pod);
    let is_member = reading.is_some_and(Reading::is_member);
    if told.is_some_and(|told| told.phase != OperationPhase::Failed || !is_member) {
        return Vec::new();
    }
    let Some(request) = leave(leaving, state) else {
        return Vec::new();
    };
    let mut checks = preconditions::checks(
        behaviour(&request.arguments.operation),
        std::slice::from_ref(&leaving.pod),
        state,
    );
    let waived = state
        .intents
        .controls
        .get(&OperationKind::Decommission)
        .and_then(|controls| controls.waive.clone());
    preconditions::waive(&mut checks, waived.as_ref(), &leaving.host_id);
    checks.retain(Check::is_failing);
    checks
}
