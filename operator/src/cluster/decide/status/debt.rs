//! Cleanup debt: a node that saw others join its data center still holds what they have taken over. It costs room, and
//! it would come back from the dead if the node owned those ranges again.

use casskop_common::{
    api::{CassandraClusterStatus, NodePhase, NodeStatus, OperationStatus},
    operations::{Arguments, Operation},
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::cluster::snapshot::Snapshot;

/// Since when a node owes a cleanup, if it does.
pub(super) fn owed(
    pod: &str,
    status: &NodeStatus,
    before: Option<&NodeStatus>,
    grown: &[String],
    snapshot: &Snapshot,
    old: &CassandraClusterStatus,
) -> Option<Time> {
    // What has just joined holds nothing but its own.
    let before =
        before.filter(|before| !before.host_id.is_empty() && before.host_id == status.host_id)?;
    if grown.contains(&status.dc) {
        return Some(Time(snapshot.now));
    }
    let since = before.cleanup_owed_since.clone()?;
    let paid = old
        .operations
        .iter()
        .any(|operation| pays(operation, pod, since.0));
    (!paid).then_some(since)
}

/// Whether an operation has cleaned every keyspace of a node that joined the debt before.
fn pays(operation: &OperationStatus, pod: &str, since: Timestamp) -> bool {
    let began_later = operation
        .nodes
        .iter()
        .filter(|node| node.pod == pod && node.phase == NodePhase::Succeeded)
        .any(|node| node.started_at.as_ref().is_some_and(|at| at.0 >= since));
    began_later && is_whole_cleanup(operation)
}

fn is_whole_cleanup(operation: &OperationStatus) -> bool {
    let arguments = Arguments::recorded(&operation.kind, &operation.arguments)
        .map(|arguments| arguments.operation);
    matches!(arguments, Some(Operation::Cleanup(cleanup)) if cleanup.tables.keyspace.is_empty())
}
