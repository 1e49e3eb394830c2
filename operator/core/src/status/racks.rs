//! Racks, in CassKop's words.

use std::collections::BTreeMap;

use casskop_common::{
    api::{CassandraClusterStatus, LastAction, OperationStatus, Phase, RackStatus},
    conditions::Action,
    names::RackId,
    operations::OperationKind,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::{desired::restart, observed::ObservedState, rollout::Rollout, status::pods};

/// The racks, by `<dc>-<rack>`.
pub(crate) fn racks(
    state: &ObservedState,
    rollout: &Rollout,
    operations: &[OperationStatus],
    old: &CassandraClusterStatus,
) -> BTreeMap<String, RackStatus> {
    let stepping = rollout.steps.iter().map(|step| step.rack.id.clone());
    let mut ids: Vec<RackId> = state
        .racks()
        .map(|(rack, _)| rack)
        .chain(stepping)
        .collect();
    ids.sort();
    ids.dedup();
    ids.into_iter()
        .map(|rack| {
            let before = old.cassandra_rack_status.get(&rack.key());
            let status = rack_status(&rack, state, rollout, operations, before);
            (rack.key(), status)
        })
        .collect()
}

fn rack_status(
    rack: &RackId,
    state: &ObservedState,
    rollout: &Rollout,
    operations: &[OperationStatus],
    before: Option<&RackStatus>,
) -> RackStatus {
    let well = state
        .expected_pods()
        .iter()
        .filter(|(_, other)| other == rack)
        .all(|(pod, _)| state.health_problem(pod).is_none());
    let concerned = rollout.rack.as_ref() == Some(rack) || !rollout.formed;
    let restarts = || {
        restart::spec_restart(operations)
            .filter(|restart| pods::is_about(restart, state.name(), rack))
            .map(|_| Action::RollingRestart)
    };
    let action = rollout
        .action
        .filter(|_| concerned && rollout.blocked.is_none())
        .or_else(restarts);
    let last = before.and_then(|before| before.cassandra_last_action.clone());
    let now = Some(Time(state.now));
    let last_action = match (action, last) {
        (Some(action), Some(last)) if last.name == action.as_str() && last.status == "Ongoing" => {
            Some(last)
        }
        (Some(action), _) => Some(LastAction {
            name: action.as_str().to_owned(),
            status: "Ongoing".into(),
            start_time: now,
            end_time: None,
        }),
        (None, Some(last)) if last.status == "Ongoing" && well => Some(LastAction {
            status: "Done".into(),
            end_time: now,
            ..last
        }),
        (None, last) => last,
    };
    let phase = match (rollout.formed, well && action.is_none()) {
        (false, _) => Phase::Initializing,
        (true, true) => Phase::Running,
        (true, false) => Phase::Pending,
    };
    RackStatus {
        rolling_restart: is_restart_recorded(rack, state, before),
        phase: Some(phase),
        cassandra_last_action: last_action,
        initializing_sub_phase: (phase == Phase::Initializing)
            .then(|| crate::status::initializing(rollout)),
        pod_last_operation: pods::last_operation(
            state.name(),
            rack,
            operations,
            before.and_then(|before| before.pod_last_operation.as_ref()),
        ),
    }
}

/// Whether a restart that `rollingRestart` asks for is recorded, or was before.
fn is_restart_recorded(rack: &RackId, state: &ObservedState, before: Option<&RackStatus>) -> bool {
    let asks = restart::asks_for_restart(&state.cluster.spec).any(|asking| asking == *rack);
    let id = restart::restart_id(state.cluster.metadata.generation.unwrap_or_default());
    let recorded = state.operations().any(|operation| {
        operation.kind == OperationKind::Restart
            && operation.id == id
            && operation.started_at.is_some()
    });
    asks && (recorded || restart::was_asked_before(rack, before, state))
}
