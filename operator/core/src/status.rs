//! The reported status: conditions in words, racks, nodes. It is written only when it differs from the last report, so
//! nothing here may change by itself.

pub(crate) mod backups;
mod conditions;
mod nodes;
mod pending_cleanup;
mod pods;
mod racks;
mod replication;
pub mod size;

use casskop_common::{
    api::{CassandraClusterStatus, Phase},
    conditions::Action,
};

use crate::{
    desired::Desired,
    objects::volume_owner,
    observed::ObservedState,
    operations::{recorded, role_replicas},
    refusal::Refusal,
    rollout::{FIRST_POD_PER_RACK, NEXT_POD_PER_RACK, Rollout, from_backup},
    scheduler, schedules, users,
    verdict::intent_errors,
};
use conditions::ConditionInputs;
pub use conditions::report_failure;

/// The status without its operations, which are written before they act. `outdated_owners` are the volumes, and the
/// mark of the ring, whose owners do not match `deletePVC`.
pub fn decide(
    desired: &Result<Desired, Refusal>,
    state: &ObservedState,
    rollout: &Rollout,
    operations: &scheduler::Decision,
    outdated_owners: Vec<String>,
) -> CassandraClusterStatus {
    let old = state.cluster.status.clone().unwrap_or_default();
    let current = &operations.current;
    let replication = replication::observed(state, old.replication.as_ref());
    let (nodes, cleanup_generation) = nodes::nodes(state, rollout, replication.as_ref(), &old);
    let picture = ConditionInputs::of(desired, state, rollout, current, outdated_owners, &nodes);
    let (action, action_status) = last_action(rollout, &picture, &old);
    let schedules = schedules::observed(&state.cluster, state.now);
    let mut status = CassandraClusterStatus {
        observed_generation: state.cluster.metadata.generation,
        phase: Some(picture.phase()),
        initializing_sub_phase: (picture.phase() == Phase::Initializing)
            .then(|| initializing(rollout)),
        last_cluster_action: action.clone(),
        last_cluster_action_status: action_status,
        seedlist: if rollout.seeds.is_empty() {
            old.seedlist.clone()
        } else {
            rollout.seeds.clone()
        },
        cassandra_rack_status: racks::racks(state, rollout, &operations.current, &old),
        cassandra_node_status: nodes,
        owned_volumes: i32::try_from(volume_owner::owned(state)).ok(),
        conditions: picture.conditions(state, operations, &schedules, &old.conditions),
        blocked_by: rollout.blocked_by.clone(),
        intent_errors: {
            let invalid = state.intents.invalid.iter();
            intent_errors(invalid.chain(&operations.rejections))
        },
        operations: old.operations,
        used_request_ids: old.used_request_ids.clone(),
        replication,
        role_replicas: None,
        users: Vec::new(),
        cleanup_generation,
        last_rack_write: old.last_rack_write,
        backups: old.backups,
        restore: from_backup::status(
            rollout.from_backup.as_ref(),
            rollout.formed,
            old.restore.as_ref(),
        ),
        schedules,
        operation_history: old.operation_history,
    };
    let context = role_replicas::Context {
        is_held: recorded::pause_reason(state).is_some()
            || rollout.awaits_predecessor
            || rollout.refused.is_some(),
        is_at_work: role_replicas::is_at_work(state, current),
        racks_change: rollout.is_in_progress(),
        // Where no node says how keyspaces are replicated, nothing is known of the roles either.
        leaves_from: rollout
            .waits_for_roles()
            .filter(|_| !state.replication.is_empty()),
    };
    let desired = desired.as_ref().ok();
    status.role_replicas = role_replicas::record(&status, desired, state, context);
    status.users = users::record(desired, state, context.is_held);
    status
}

/// How far the ring is while it is being formed.
fn initializing(rollout: &Rollout) -> String {
    let sub_phase = if rollout.formed {
        NEXT_POD_PER_RACK
    } else {
        FIRST_POD_PER_RACK
    };
    sub_phase.to_owned()
}

fn last_action(
    rollout: &Rollout,
    picture: &ConditionInputs<'_>,
    old: &CassandraClusterStatus,
) -> (Option<String>, Option<String>) {
    let pair = |name: &str, status: &str| (Some(name.to_owned()), Some(status.to_owned()));
    if picture.is_refused() {
        return pair(Action::CorrectCRDConfig.as_str(), "ToDo");
    }
    match (picture.action(), &rollout.blocked) {
        (Some(action), Some(_)) => pair(action.as_str(), "ToDo"),
        (Some(action), None) => pair(action.as_str(), "Ongoing"),
        (None, _) => {
            let last = old.last_cluster_action.as_deref();
            pair(last.unwrap_or(Action::Initializing.as_str()), "Done")
        }
    }
}
