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
    operations::{Ring, behaviour, needs_force, preconditions, request},
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

/// The request to decommission a node, and its failing checks that block it. No check blocks a decommission in progress:
/// it has started and has not failed, or the node is no longer a member.
pub(crate) fn decommission(
    leaving: &Leaving,
    state: &ObservedState,
) -> (Option<Request>, Vec<Check>) {
    let ring = preconditions::ring(state, std::slice::from_ref(&leaving.pod));
    let Some(request) = request(leaving, &ring) else {
        return (None, Vec::new());
    };
    let blockers = if is_in_progress(leaving, state) {
        Vec::new()
    } else {
        blockers(leaving, &request, &ring, state)
    };
    (Some(request), blockers)
}

fn request(leaving: &Leaving, ring: &Ring<'_>) -> Option<Request> {
    let force = needs_force(ring).then(|| "--force".to_owned()).into_iter();
    let words: Vec<String> = force
        .chain(request::flags("--pod", [leaving.pod.clone()]))
        .collect();
    request::of(OperationKind::Decommission, leaving.host_id.clone(), &words)
}

fn is_in_progress(leaving: &Leaving, state: &ObservedState) -> bool {
    let mut operations = state.operations();
    let decommission = operations.find(|operation| {
        operation.kind == OperationKind::Decommission && operation.id == leaving.host_id
    });
    let reading = state.reading(&leaving.pod);
    let is_member = reading.is_some_and(Reading::is_member);
    decommission
        .filter(|operation| operation.started_at.is_some())
        .is_some_and(|operation| operation.phase != OperationPhase::Failed || !is_member)
}

fn blockers(
    leaving: &Leaving,
    request: &Request,
    ring: &Ring<'_>,
    state: &ObservedState,
) -> Vec<Check> {
    let mut checks = preconditions::checks(behaviour(&request.arguments.operation), ring);
    let controls = state.intents.controls.get(&OperationKind::Decommission);
    let waived = controls.and_then(|controls| controls.waive.as_ref());
    preconditions::waive(&mut checks, waived, &leaving.host_id);
    checks.retain(Check::is_failing);
    checks
}
