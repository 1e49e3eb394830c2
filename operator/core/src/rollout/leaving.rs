//! The node that is to leave the ring: the request that it does, and its preconditions.

use casskop_common::{
    api::{Check, OperationPhase},
    intent::Request,
    names::RackId,
    operations::DECOMMISSION,
};

use crate::{
    node::Reading,
    observed::Snapshot,
    operations::{behaviour, needs_force, preconditions, request},
};

/// A member that is to leave the ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// Its pod.
    pub pod: String,
    /// Its rack.
    pub rack: RackId,
    /// Its host id, which is the id of the operation too: a host id leaves once.
    pub host_id: String,
}

/// The request that a node leaves the ring.
pub(crate) fn leave(leaving: &Leaving, snapshot: &Snapshot) -> Option<Request> {
    let force = needs_force(&preconditions::ring(
        snapshot,
        std::slice::from_ref(&leaving.pod),
    ));
    let force = force.then(|| "--force".to_owned()).into_iter();
    let words: Vec<String> = force
        .chain(request::flags("--pod", [leaving.pod.clone()]))
        .collect();
    request::of(DECOMMISSION, leaving.host_id.clone(), &words)
}

/// The checks that keep a node from leaving the ring now. None while it is told to, or on its way.
pub fn what_keeps_from_leaving(leaving: &Leaving, snapshot: &Snapshot) -> Vec<Check> {
    let mut operations = snapshot.operations();
    let told = operations
        .find(|operation| operation.kind == DECOMMISSION && operation.id == leaving.host_id)
        .filter(|operation| operation.started_at.is_some());
    let reading = snapshot.reading(&leaving.pod);
    let is_member = reading.is_some_and(Reading::is_member);
    if told.is_some_and(|told| told.phase != OperationPhase::Failed || !is_member) {
        return Vec::new();
    }
    let Some(request) = leave(leaving, snapshot) else {
        return Vec::new();
    };
    let mut checks = preconditions::checks(
        behaviour(&request.arguments.operation),
        std::slice::from_ref(&leaving.pod),
        snapshot,
    );
    let waived = snapshot
        .intents
        .controls
        .get(DECOMMISSION)
        .and_then(|controls| controls.waive.clone());
    preconditions::waive(&mut checks, waived.as_ref(), &leaving.host_id);
    checks.retain(Check::is_failing);
    checks
}
