//! The first nodes of a ring: one of each rack, before any other node joins.

use casskop_common::{
    api::{LoginStep, OperationStatus, Phase, Requester},
    names,
    operations::OperationKind,
};
use k8s_openapi::api::apps::v1::StatefulSet;
use kube_core::ResourceExt;

use super::{FromBackup, NEXT_POD_PER_RACK, Rollout, Step, rack_diff::RackDiff};
use crate::{
    desired::{Desired, seeds},
    objects::config_map,
    observed::ObservedState,
};

/// Whether the first nodes of all racks formed a ring at some time: after that, no node may ever form a ring again. The
/// sources are the status, the configuration of a rack (which may outlive the status), and the ring mark (which stays
/// as long as the volumes do). A node that leaves because of the spec is another one: the operations are recorded before
/// the phase is, and a node that goes on leaving would hold the forming up for ever.
pub(super) fn is_formed(state: &ObservedState) -> bool {
    let is_recorded = state.cluster.status.as_ref().is_some_and(|status| {
        status.phase.is_some_and(Phase::is_formed)
            || status.initializing_sub_phase.as_deref() == Some(NEXT_POD_PER_RACK)
            || status.operations.iter().any(is_removal)
    });
    let maps = &state.live.config_maps;
    let mark = maps
        .get(&names::ring_mark(state.name()))
        .is_some_and(config_map::is_marked);
    // A ring of the Go CassKop whose resource was re-created has none of these sources.
    let runs = |set: &StatefulSet| {
        let is_ready = set.status.as_ref().and_then(|status| status.ready_replicas) > Some(0);
        is_ready && !set.annotations().contains_key(names::INPUTS_DIGEST)
    };
    is_recorded
        || maps.values().any(config_map::records_formation)
        || (mark && !state.live.volumes.is_empty() && state.left_by_a_predecessor().is_none())
        || state.live.stateful_sets.values().any(runs)
}

/// Whether the operator has begun to remove a node, which it does in a formed ring only.
fn is_removal(operation: &OperationStatus) -> bool {
    operation.kind == OperationKind::Decommission && operation.requested_by == Some(Requester::Spec)
}

/// Creates the first pod of each rack, all at the same time. If `spec.seeds` is set, there is an existing ring to join,
/// and the racks start one by one. With logins the first node is alone until they are set up: all others join it, and get
/// the roles from it. Returns whether the ring is formed.
pub(super) fn first_nodes(
    diffs: &[RackDiff<'_>],
    desired: &Desired,
    state: &ObservedState,
    rollout: &mut Rollout,
) -> bool {
    let joins = !desired.spec.seeds.is_empty();
    // A ring that is restored knows all its nodes, which start together: each has the roles of the backup.
    let is_restored = rollout.from_backup.is_some();
    let is_alone = desired.logins.has_logins() && !is_restored;
    let mut there = diffs.iter().filter(|diff| diff.live.is_some());
    let first = there.next().map(|diff| diff.wanted);
    let first = first
        .or_else(|| seeds::first_rack(desired))
        .map(|rack| &rack.id);
    let is_awaited = rollout.first_health_problem(state).is_some();
    let has_others =
        |diff: &RackDiff<'_>| is_restored && diff.live_replicas() != diff.wanted.replicas;
    for diff in diffs
        .iter()
        .filter(|diff| diff.live.is_none() || diff.differs(desired) || has_others(diff))
        .filter(|diff| !is_alone || Some(&diff.wanted.id) == first)
        .filter(|diff| !joins || diff.live.is_some() || !is_awaited)
        .take(if joins { 1 } else { usize::MAX })
    {
        let replicas = if is_restored {
            diff.wanted.replicas
        } else {
            diff.known_nodes(state).max(1).min(diff.wanted.replicas)
        };
        rollout.steps.push(Step::new(diff.wanted.clone(), replicas));
    }
    let awaited = rollout.from_backup.as_ref().and_then(FromBackup::awaited);
    rollout.waiting_for = awaited.or_else(|| {
        let problem = rollout.first_health_problem(state)?;
        let restore = rollout.from_backup.as_ref();
        Some(match restore.and_then(|restore| restore.trouble.as_ref()) {
            Some(trouble) => format!("{problem}; {trouble}"),
            None => problem,
        })
    });
    let nobody_comes = desired.racks.iter().all(|rack| rack.replicas == 0);
    rollout.steps.is_empty()
        && desired.logins != LoginStep::SetUp
        && rollout.waiting_for.is_none()
        && (nobody_comes || !state.pods.is_empty())
}
