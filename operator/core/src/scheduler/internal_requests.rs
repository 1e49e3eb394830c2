//! Requests of the operator's own: what the spec asks for and takes an operation to reach.

use std::collections::BTreeSet;

use casskop_common::{
    api::{OperationPhase, Requester},
    intent::Request,
    names::RackId,
    operations::OperationKind,
};

use crate::{
    desired::restart::{self, asks_for_restart, restart_id},
    observed::ObservedState,
    operations::{recorded::is_blocked_by_checks, request, role_replicas},
    rollout::Rollout,
    schedules,
};

/// A request and its source.
pub(crate) struct InternalRequest {
    /// The request.
    pub(crate) request: Request,
    /// The source of the request.
    pub(crate) by: Requester,
}

/// The operator's own request of a kind.
pub(crate) fn request(
    kind: OperationKind,
    state: &ObservedState,
    rollout: &Rollout,
) -> Option<InternalRequest> {
    let own = |request, by| InternalRequest { request, by };
    let needed = match kind {
        OperationKind::Decommission => rollout
            .decommission
            .clone()
            .map(|request| own(request, Requester::Spec)),
        OperationKind::Cleanup => request_pending_cleanup(state, rollout)
            .map(|request| own(request, Requester::AutoPilot)),
        OperationKind::Restart => {
            rolling_restart(state).map(|request| own(request, Requester::Spec))
        }
        OperationKind::Repair => {
            role_replicas::request(state).map(|request| own(request, Requester::Spec))
        }
        _ => None,
    };
    let scheduled = || {
        let request = schedules::request(kind, &state.cluster, state.now)?;
        Some(own(request, Requester::Schedule))
    };
    match needed {
        Some(needed) if is_over(&needed.request, state) || is_turn_of_schedules(kind, state) => {
            scheduled().or(Some(needed))
        }
        needed => needed.or_else(scheduled),
    }
}

/// Whether what the spec needs has failed, and comes after the next request of a schedule: as long as it fails, it would keep all
/// of them waiting.
fn is_turn_of_schedules(kind: OperationKind, state: &ObservedState) -> bool {
    let mut operations = state.operations();
    let newest = operations.find(|operation| operation.kind == kind);
    newest.is_some_and(|newest| match newest.requested_by {
        Some(Requester::Spec) => newest.phase == OperationPhase::Failed,
        Some(Requester::Schedule) => !newest.phase.is_final() && !is_blocked_by_checks(newest),
        _ => false,
    })
}

/// Whether nothing more becomes of a request, although what needs it is still there: it was cancelled, or has ended well.
fn is_over(request: &Request, state: &ObservedState) -> bool {
    let status = state.cluster.status.iter();
    let history = status.flat_map(|status| &status.operation_history);
    let mut all = state.operations().chain(history);
    let found = all.find(|one| one.kind == request.kind && one.id == request.id);
    found.is_some_and(|found| {
        matches!(
            found.phase,
            OperationPhase::Succeeded | OperationPhase::Cancelled
        )
    })
}

/// The cleanup that `autoPilot` requests once the ring has grown.
fn request_pending_cleanup(state: &ObservedState, rollout: &Rollout) -> Option<Request> {
    let grows = rollout.action.is_some() && rollout.blocked.is_none();
    if state.cluster.spec.auto_pilot != Some(true) || grows {
        return None;
    }
    let nodes = state
        .cluster
        .status
        .iter()
        .flat_map(|status| status.cassandra_node_status.values());
    let owing = nodes.filter(|node| node.owes_cleanup().is_some());
    let owing = owing.map(|node| (node.dc.clone(), node.cleanup_generation));
    let (dcs, generations): (BTreeSet<String>, Vec<Option<i64>>) = owing.unzip();
    let newest = generations.into_iter().max().flatten()?;
    let id = format!("autopilot-{newest}");
    request::of(OperationKind::Cleanup, id, &request::flags("--dc", dcs))
}

/// The restart that `rollingRestart: true` asks for: each time it becomes true.
fn rolling_restart(state: &ObservedState) -> Option<Request> {
    let racks: Vec<String> = restarts(state).map(|rack| rack.to_string()).collect();
    let id = restart_id(state.cluster.metadata.generation?);
    (!racks.is_empty())
        .then(|| request::of(OperationKind::Restart, id, &request::flags("--rack", racks)))?
}

/// Those of them that exist and have not been requested to restart before.
fn restarts(state: &ObservedState) -> impl Iterator<Item = RackId> {
    let known = |rack: &RackId| {
        let status = state.cluster.status.as_ref();
        let status = status.and_then(|status| status.cassandra_rack_status.get(&rack.key()));
        restart::was_asked_before(rack, status, state)
    };
    let exists = |rack: &RackId| state.racks().any(|(live, _)| live == *rack);
    asks_for_restart(&state.cluster.spec).filter(move |rack| exists(rack) && !known(rack))
}
