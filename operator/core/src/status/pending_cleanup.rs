//! Cleanup debt: a node whose data center others joined, or whose replicas became fewer, still holds what it does not own
//! any more. It costs room, and it would come back from the dead if the node owned those ranges again.

use casskop_common::{
    api::{
        CassandraClusterStatus, CleanupReason, NodePhase, NodeStatus, OperationPhase,
        OperationStatus, SeenReplication,
    },
    operations::{Arguments, Operation, OperationKind, Target},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};

use crate::{node::Reading, observed::ObservedState, rollout::Rollout, status::replication};

/// Changes that take ranges away from nodes that are members.
pub(crate) struct Losses<'a> {
    /// Data centers that a node has just joined.
    pub(crate) grown: Vec<String>,
    /// How keyspaces were replicated before, and how they are now.
    pub(crate) replication: Option<(&'a SeenReplication, &'a SeenReplication)>,
    /// A member that stays although it was on its way out.
    pub(crate) stayed: Option<Stayed<'a>>,
    /// The cleanup generation of the ranges that are lost now.
    pub(crate) generation: i64,
    /// Cleanups that have ended a requirement of a node.
    cleanups: Cleanups<'a>,
}

/// A member whose decommission failed, and that the spec wants back.
pub(crate) struct Stayed<'a> {
    pod: &'a str,
    dc: String,
    since: &'a MicroTime,
    /// The cleanup generation that its failure stands for: cleanups that started before the decommission do not count.
    generation: i64,
}

impl<'a> Stayed<'a> {
    /// The node of the last decommission, if it stays.
    pub(crate) fn find(state: &'a ObservedState, rollout: &Rollout) -> Option<Self> {
        let mut operations = state.operations();
        let decommission =
            operations.find(|operation| operation.kind == OperationKind::Decommission)?;
        let leaves = rollout.leaving.as_ref().map(|leaving| &leaving.host_id);
        let mut nodes = decommission.nodes.iter();
        let node = nodes.find(|node| node.phase == NodePhase::Failed && node.attempts > 0)?;
        let is_member =
            |(_, reading): (&str, &Reading)| reading.address_of(&decommission.id).is_some();
        let stays = leaves != Some(&decommission.id) && state.members().any(is_member);
        let rack = state.pods.get(&node.pod)?.rack.as_ref()?;
        let since = decommission.finished_at.as_ref().filter(|_| stays)?;
        Some(Self {
            pod: &node.pod,
            dc: rack.dc.clone(),
            since,
            generation: decommission.cleanup_generation.unwrap_or_default() + 1,
        })
    }
}

impl<'a> Losses<'a> {
    /// Losses of nodes that require nothing newer than the status reports.
    pub(crate) fn new(
        grown: Vec<String>,
        replication: Option<(&'a SeenReplication, &'a SeenReplication)>,
        stayed: Option<Stayed<'a>>,
        old: &'a CassandraClusterStatus,
    ) -> Self {
        let of_stayed = stayed.as_ref().map(|stayed| stayed.generation);
        let generation = old.cleanup_generation.max(of_stayed).unwrap_or_default() + 1;
        Self {
            grown,
            replication,
            cleanups: Cleanups::find(old, stayed.is_some()),
            stayed,
            generation,
        }
    }

    /// The cleanup generation of the cluster after these losses: the newest that a node requires, or has required.
    pub(crate) fn reached<'b>(
        &self,
        nodes: impl Iterator<Item = &'b NodeStatus>,
        old: &CassandraClusterStatus,
    ) -> Option<i64> {
        let stayed = self.stayed.as_ref().map(|stayed| stayed.generation);
        nodes
            .map(|node| node.cleanup_generation)
            .chain([old.cleanup_generation, stayed])
            .max()
            .flatten()
    }

    /// Why the nodes of a data center have just lost ranges, if they have.
    fn of(&self, dc: &str) -> Option<CleanupReason> {
        if self.grown.iter().any(|grown| grown == dc) {
            return Some(CleanupReason::NodesJoined);
        }
        self.replication
            .and_then(|(before, now)| replication::loss(before, now, dc))
    }

    /// Whether what was not replicated in a data center is there again: its nodes may own it, and lose it again.
    fn are_taken_back(&self, dc: &str) -> bool {
        self.replication
            .is_some_and(|(before, now)| replication::is_back(before, now, dc))
    }
}

/// Records since when a node owes a cleanup and why, if it does.
pub(crate) fn record(
    status: &mut NodeStatus,
    pod: &str,
    before: Option<&NodeStatus>,
    losses: &Losses<'_>,
    state: &ObservedState,
) {
    // A node that has just joined holds only its own ranges.
    let before =
        before.filter(|before| !before.host_id.is_empty() && before.host_id == status.host_id);
    let recorded = before.and_then(|before| {
        Some(Requirement {
            reason: before.owes_cleanup()?,
            // A record without a generation is from an operator version that compared times: no cleanup of that version is
            // in order with it.
            generation: before.cleanup_generation.unwrap_or(losses.generation),
            since: before.cleanup_required_since.clone()?,
        })
    });
    let received = losses
        .stayed
        .iter()
        .filter(|stayed| before.is_some() && stayed.dc == status.dc && stayed.pod != pod);
    let received = received.map(|stayed| Requirement {
        reason: CleanupReason::DecommissionFailed,
        generation: stayed.generation,
        since: Time(stayed.since.0),
    });
    let owed = recorded.into_iter().chain(received);
    let owed = owed.filter(|owed| !losses.cleanups.pay(pod, owed.generation));
    let owed = owed.max_by_key(|owed| (owed.reason, owed.generation));
    let lost = before.and_then(|_| losses.of(&status.dc));
    let was = match owed.as_ref().map(|owed| owed.reason) {
        Some(CleanupReason::ReplicationRemoved) if losses.are_taken_back(&status.dc) => {
            Some(CleanupReason::ReplicationReduced)
        }
        reason => reason,
    };
    status.cleanup_required_reason = lost.max(was);
    (status.cleanup_required_since, status.cleanup_generation) = match (lost, owed) {
        (Some(_), _) => (Some(Time(state.now)), Some(losses.generation)),
        (None, Some(owed)) => (Some(owed.since), Some(owed.generation)),
        (None, None) => (None, None),
    };
}

/// A cleanup that a node requires.
struct Requirement {
    reason: CleanupReason,
    generation: i64,
    since: Time,
}

/// The cleanups of every keyspace that the status records.
#[derive(Default)]
struct Cleanups<'a> {
    /// The newest one, with the outcome of each node.
    newest: Option<&'a OperationStatus>,
    /// Remembered ones that have cleaned every node.
    remembered: Vec<&'a OperationStatus>,
}

impl<'a> Cleanups<'a> {
    /// The cleanups in a status; none unless a node requires one.
    fn find(old: &'a CassandraClusterStatus, is_required: bool) -> Self {
        let mut nodes = old.cassandra_node_status.values();
        if !is_required && nodes.all(|node| node.owes_cleanup().is_none()) {
            return Self::default();
        }
        let mut operations = old.operations.iter();
        let history = old.operation_history.iter();
        let of_all_nodes = |operation: &&OperationStatus| {
            operation.phase == OperationPhase::Succeeded
                && whole_cleanup(operation).is_some_and(|target| target == Target::default())
        };
        Self {
            newest: operations.find(|operation| whole_cleanup(operation).is_some()),
            remembered: history.filter(of_all_nodes).collect(),
        }
    }

    /// Whether one of them has cleaned a node that required it before.
    fn pay(&self, pod: &str, required: i64) -> bool {
        let nodes = self.newest.iter().flat_map(|newest| &newest.nodes);
        let mut done = nodes.filter(|node| node.pod == pod && node.phase == NodePhase::Succeeded);
        let mut remembered = self.remembered.iter();
        done.any(|node| node.cleanup_generation >= Some(required))
            || remembered.any(|cleanup| cleanup.cleanup_generation >= Some(required))
    }
}

/// The nodes that an operation is for, if it is a cleanup of every keyspace.
fn whole_cleanup(operation: &OperationStatus) -> Option<Target> {
    if operation.kind != OperationKind::Cleanup {
        return None;
    }
    let arguments = Arguments::recorded(&operation.kind, &operation.arguments)?;
    let is_whole = matches!(arguments.operation, Operation::Cleanup(cleanup) if cleanup.tables.keyspace.is_empty());
    is_whole.then_some(arguments.shared.target)
}
