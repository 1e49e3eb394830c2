//! Cleanup debt: a node that saw others join its data center, or replicas become fewer, still holds what it does not own
//! any more. It costs room, and it would come back from the dead if the node owned those ranges again.

use casskop_common::{
    api::{
        CassandraClusterStatus, CleanupReason, NodePhase, NodeStatus, OperationPhase,
        OperationStatus, SeenReplication,
    },
    operations::{Arguments, DECOMMISSION, Operation, Target},
};
use jiff::Timestamp;
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
}

/// A member that was told to leave and failed, and that the spec wants back.
pub(crate) struct Stayed<'a> {
    pod: &'a str,
    dc: String,
    since: &'a MicroTime,
}

impl<'a> Stayed<'a> {
    /// The last one that was told to leave, if it stays.
    pub(crate) fn find(state: &'a ObservedState, rollout: &Rollout) -> Option<Self> {
        let mut told = state.operations();
        let told = told.find(|operation| operation.kind == DECOMMISSION)?;
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
        })
    }
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
    let paid = |since: &Time| {
        let mut operations = old.operations.iter();
        let mut history = old.operation_history.iter();
        operations.any(|operation| pays(operation, pod, since.0))
            || history.any(|operation| has_paid_all(operation, since.0))
    };
    let recorded = before.and_then(|before| {
        let since = before.cleanup_required_since.clone()?;
        Some((since, before.owes_cleanup()))
    });
    let received = losses
        .stayed
        .iter()
        .filter(|stayed| before.is_some() && stayed.dc == status.dc && stayed.pod != pod);
    let received = received.map(|stayed| {
        (
            Time(stayed.since.0),
            Some(CleanupReason::DecommissionFailed),
        )
    });
    let owed = recorded.into_iter().chain(received);
    let owed = owed.filter(|(since, _)| !paid(since));
    let owed = owed.max_by_key(|(since, because)| (*because, since.0));
    let lost = before.and_then(|_| losses.of(&status.dc));
    let was = match owed.as_ref().and_then(|(_, because)| *because) {
        Some(CleanupReason::ReplicationRemoved) if losses.are_taken_back(&status.dc) => {
            Some(CleanupReason::ReplicationReduced)
        }
        because => because,
    };
    status.cleanup_required_reason = lost.max(was);
    status.cleanup_required_since = match lost {
        Some(_) => Some(Time(state.now)),
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
    began_later && whole_cleanup(operation).is_some()
}

/// Whether an operation that is remembered has cleaned every keyspace of every node that joined the debt before.
fn has_paid_all(operation: &OperationStatus, since: Timestamp) -> bool {
    let began = operation.started_at.as_ref();
    operation.phase == OperationPhase::Succeeded
        && began.is_some_and(|at| at.0 >= since)
        && whole_cleanup(operation).is_some_and(|target| target == Target::default())
}

/// The nodes that an operation is for, if it is a cleanup of every keyspace.
fn whole_cleanup(operation: &OperationStatus) -> Option<Target> {
    let arguments = Arguments::recorded(&operation.kind, &operation.arguments)?;
    let is_whole = matches!(arguments.operation, Operation::Cleanup(cleanup) if cleanup.tables.keyspace.is_empty());
    is_whole.then_some(arguments.shared.target)
}
