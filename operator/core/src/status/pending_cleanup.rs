//! Cleanup debt: a node that saw others join its data center, or replicas become fewer, still holds what it does not own
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

/// What takes ranges away from nodes that are members.
pub(crate) struct Losses<'a> {
    /// Data centers that a node has just joined.
    pub(crate) grown: Vec<String>,
    /// How keyspaces were replicated before, and how they are now.
    pub(crate) seen: Option<(&'a SeenReplication, &'a SeenReplication)>,
    /// A member that stays although it was on its way out.
    pub(crate) stayed: Option<Stayed<'a>>,
    /// The cleanup generation of the ranges that are lost now.
    pub(crate) generation: i64,
}

/// A member that was told to leave and failed, and that the spec wants back.
pub(crate) struct Stayed<'a> {
    pod: &'a str,
    dc: String,
    since: &'a MicroTime,
    /// The cleanup generation that its failure stands for: cleanups that started before the decommission do not count.
    generation: i64,
}

impl<'a> Stayed<'a> {
    /// The last one that was told to leave, if it stays.
    pub(crate) fn find(state: &'a ObservedState, rollout: &Rollout) -> Option<Self> {
        let mut told = state.operations();
        let told = told.find(|operation| operation.kind == OperationKind::Decommission)?;
        let leaves = rollout.leaving.as_ref().map(|leaving| &leaving.host_id);
        let mut nodes = told.nodes.iter();
        let node = nodes.find(|node| node.phase == NodePhase::Failed && node.attempts > 0)?;
        let is_member = |(_, reading): (&str, &Reading)| reading.address_of(&told.id).is_some();
        let stays = leaves != Some(&told.id) && state.members().any(is_member);
        let rack = state.pods.get(&node.pod)?.rack.as_ref()?;
        let since = told.finished_at.as_ref().filter(|_| stays)?;
        Some(Self {
            pod: &node.pod,
            dc: rack.dc.clone(),
            since,
            generation: told.cleanup_generation.unwrap_or_default() + 1,
        })
    }
}

impl<'a> Losses<'a> {
    /// Losses of nodes that require nothing newer than the status reports.
    pub(crate) fn new(
        grown: Vec<String>,
        seen: Option<(&'a SeenReplication, &'a SeenReplication)>,
        stayed: Option<Stayed<'a>>,
        old: &CassandraClusterStatus,
    ) -> Self {
        let of_stayed = stayed.as_ref().map(|stayed| stayed.generation);
        let generation = old.cleanup_generation.max(of_stayed).unwrap_or_default() + 1;
        Self {
            grown,
            seen,
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
pub(crate) fn record(
    status: &mut NodeStatus,
    pod: &str,
    before: Option<&NodeStatus>,
    losses: &Losses<'_>,
    state: &ObservedState,
    old: &CassandraClusterStatus,
) {
    // What has just joined holds nothing but its own.
    let before =
        before.filter(|before| !before.host_id.is_empty() && before.host_id == status.host_id);
    let paid = |owed: &Requirement| {
        let mut operations = old.operations.iter();
        let mut history = old.operation_history.iter();
        operations.any(|operation| pays(operation, pod, owed.generation))
            || history.any(|operation| has_paid_all(operation, owed.generation))
    };
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
    let owed = owed.filter(|owed| !paid(owed));
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

/// Whether an operation has cleaned every keyspace of a node that required it before.
fn pays(operation: &OperationStatus, pod: &str, required: i64) -> bool {
    let began_later = operation
        .nodes
        .iter()
        .filter(|node| node.pod == pod && node.phase == NodePhase::Succeeded)
        .any(|node| node.cleanup_generation >= Some(required));
    began_later && whole_cleanup(operation).is_some()
}

/// Whether an operation that is remembered has cleaned every keyspace of every node that required it before.
fn has_paid_all(operation: &OperationStatus, required: i64) -> bool {
    operation.phase == OperationPhase::Succeeded
        && operation.cleanup_generation >= Some(required)
        && whole_cleanup(operation).is_some_and(|target| target == Target::default())
}

/// The nodes that an operation is for, if it is a cleanup of every keyspace.
fn whole_cleanup(operation: &OperationStatus) -> Option<Target> {
    let arguments = Arguments::recorded(&operation.kind, &operation.arguments)?;
    let is_whole = matches!(arguments.operation, Operation::Cleanup(cleanup) if cleanup.tables.keyspace.is_empty());
    is_whole.then_some(arguments.shared.target)
}
