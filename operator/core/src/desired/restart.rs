//! `rollingRestart: true` of a rack.

use casskop_common::{
    api::{CassandraClusterSpec, OperationStatus, RackStatus, Requester},
    names::RackId,
    operations::OperationKind,
};

use crate::observed::ObservedState;

/// ID of the restart that a generation of the spec requests.
pub fn restart_id(generation: i64) -> String {
    format!("rolling-restart-g{generation}")
}

/// The restart that the spec requested, while it is in progress.
pub fn spec_restart(operations: &[OperationStatus]) -> Option<&OperationStatus> {
    operations.iter().find(|operation| {
        let asked = operation.kind == OperationKind::Restart
            && operation.requested_by == Some(Requester::Spec);
        asked && operation.started_at.is_some() && !operation.phase.is_final()
    })
}

/// Whether `rollingRestart` of a rack was true before: as its status records, or, without a status, because the rack
/// already had nodes when the resource was first observed. In that case the restart may have been carried out.
pub fn was_asked_before(rack: &RackId, status: Option<&RackStatus>, state: &ObservedState) -> bool {
    match status {
        Some(status) => status.rolling_restart,
        None => state.is_created_again() && state.known_nodes(rack) > 0,
    }
}

/// Racks with `rollingRestart: true`.
pub fn asks_for_restart(spec: &CassandraClusterSpec) -> impl Iterator<Item = RackId> {
    spec.written_racks()
        .filter(|(_, rack)| rack.rolling_restart == Some(true))
        .map(|(dc, rack)| RackId::new(&dc.name, &rack.name))
}
