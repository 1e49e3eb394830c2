//! Cleanup debt: a node that saw others join its data center, or replicas become fewer, still holds what it does not own
//! any more. It costs room, and it would come back from the dead if the node owned those ranges again.

use casskop_common::{
    api::{
        CassandraClusterStatus, CleanupReason, NodePhase, NodeStatus, OperationStatus,
        SeenReplication,
    },
    operations::{Arguments, Operation},
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::replication;
use crate::cluster::snapshot::Snapshot;

/// What takes ranges away from nodes that are members.
pub(super) struct Losses<'a> {
    /// Data centers that a node has just joined.
    pub(super) grown: Vec<String>,
    /// How keyspaces were replicated before, and how they are now.
    pub(super) seen: Option<(&'a SeenReplication, &'a SeenReplication)>,
}

impl Losses<'_> {
    /// Why the nodes of a data center have just lost ranges, if they have.
    fn of(&self, dc: &str) -> Option<CleanupReason> {
        if self.grown.iter().any(|grown| grown == dc) {
            return Some(CleanupReason::NodesJoined);
        }
        self.seen
            .and_then(|(before, now)| replication::loss(before, now, dc))
    }

    /// Whether what was not replicated in a data center is there again: its nodes may own it, and lose it again.
    fn are_taken_back(&self, dc: &str) -> bool {
        self.seen
            .is_some_and(|(before, now)| replication::is_back(before, now, dc))
    }
}

/// Records since when a node owes a cleanup and why, if it does.
pub(super) fn record(
    status: &mut NodeStatus,
    pod: &str,
    before: Option<&NodeStatus>,
    losses: &Losses<'_>,
    snapshot: &Snapshot,
    old: &CassandraClusterStatus,
) {
    // What has just joined holds nothing but its own.
    let before =
        before.filter(|before| !before.host_id.is_empty() && before.host_id == status.host_id);
    let paid = |since: &Time| {
        let mut operations = old.operations.iter();
        operations.any(|operation| pays(operation, pod, since.0))
    };
    let owed = before.and_then(|before| {
        let since = before.cleanup_owed_since.clone()?;
        (!paid(&since)).then_some((since, before.owes_cleanup()))
    });
    let lost = before.and_then(|_| losses.of(&status.dc));
    let was = match owed.as_ref().and_then(|(_, because)| *because) {
        Some(CleanupReason::ReplicasGone) if losses.are_taken_back(&status.dc) => {
            Some(CleanupReason::ReplicasLowered)
        }
        because => because,
    };
    status.cleanup_owed_because = lost.max(was);
    status.cleanup_owed_since = match lost {
        Some(_) => Some(Time(snapshot.now)),
        None => owed.map(|(since, _)| since),
    };
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
