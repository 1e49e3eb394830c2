//! `rollingRestart: true` of a rack.

use casskop_common::{
    api::{CassandraClusterSpec, OperationStatus},
    names::RackId,
    operations::RESTART,
};

/// ID of the restart that a generation of the spec requests.
pub fn restart_id(generation: i64) -> String {
    format!("rolling-restart-g{generation}")
}

/// Requester of an operation that the spec requests.
pub const SPEC: &str = "spec";

/// The restart that the spec requested, while it is in progress.
pub fn spec_restart(operations: &[OperationStatus]) -> Option<&OperationStatus> {
    operations.iter().find(|operation| {
        let asked = operation.kind == RESTART && operation.requested_by.as_deref() == Some(SPEC);
        asked && operation.started_at.is_some() && !operation.phase.is_final()
    })
}

/// Racks with `rollingRestart: true`.
pub fn asks_for_restart(spec: &CassandraClusterSpec) -> impl Iterator<Item = RackId> {
    spec.written_racks()
        .filter(|(_, rack)| rack.rolling_restart == Some(true))
        .map(|(dc, rack)| RackId::new(&dc.name, &rack.name))
}
