//! `rollingRestart: true` of a rack.

use casskop_common::{api::CassandraClusterSpec, names::RackId};

/// Id of the restart that a generation of the spec asks for.
pub fn restart_id(generation: i64) -> String {
    format!("rolling-restart-g{generation}")
}

/// Racks with `rollingRestart: true`.
pub fn asks_for_restart(spec: &CassandraClusterSpec) -> impl Iterator<Item = RackId> {
    spec.written_racks()
        .filter(|(_, rack)| rack.rolling_restart == Some(true))
        .map(|(dc, rack)| RackId::new(&dc.name, &rack.name))
}
