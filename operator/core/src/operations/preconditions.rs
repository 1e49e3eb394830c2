//! The checks of an operation on the observed ring, and which of them hold it back.

use casskop_common::{
    api::{Check, NodeStatus, OperationReason, OperationStatus},
    names, quantity,
};

use super::{Behaviour, Member, Ring, quorum_kept, role_replicas};
use crate::observed::ObservedState;

/// The checks of an operation on the targets of a ring, with the observation behind each result.
pub(crate) fn checks(behaviour: &dyn Behaviour, ring: &Ring<'_>) -> Vec<Check> {
    let mut checks = behaviour.checks(ring);
    if behaviour.is_disruptive() && ring.targets.len() > 1 {
        checks.push(quorum_kept(ring));
    }
    checks
}

/// Marks the failed checks that are waived for an operation.
pub(crate) fn waive(checks: &mut [Check], waived: Option<&(String, Vec<String>)>, id: &str) {
    for check in checks.iter_mut().filter(|check| !check.passed) {
        check.waived = is_waived(waived, id, &check.name);
    }
}

/// Records that checks hold an operation back.
pub(crate) fn block(operation: &mut OperationStatus, checks: Vec<Check>) {
    let failing = || checks.iter().filter(|check| check.is_failing());
    operation.reason = Some(OperationReason::ChecksFailing);
    operation.blocked_by = failing().map(|check| check.name.clone()).collect();
    operation.message = format!("waits for {}", evidence_text(failing()));
    operation.checks = checks;
}

/// Checks with their evidence, in words.
pub fn evidence_text<'a>(checks: impl Iterator<Item = &'a Check>) -> String {
    let texts = checks.map(|check| format!("{}: {}", check.name, check.evidence));
    texts.collect::<Vec<_>>().join("; ")
}

pub(crate) fn is_waived(waived: Option<&(String, Vec<String>)>, id: &str, check: &String) -> bool {
    waived.is_some_and(|(quoted, checks)| quoted == id && checks.contains(check))
}

/// Whether every keyspace keeps a quorum while these pods are away.
pub fn keep_quorum_without(pods: &[String], state: &ObservedState) -> bool {
    quorum_kept(&ring(state, pods)).passed
}

/// The recorded status of a node.
fn status_of<'a>(state: &'a ObservedState, pod: &str) -> Option<(&'a str, &'a NodeStatus)> {
    let status = state.cluster.status.as_ref()?;
    let found = status.cassandra_node_status.get_key_value(pod);
    found.map(|(pod, recorded)| (pod.as_str(), recorded))
}

/// The ring as operations see it.
pub(crate) fn ring<'a>(state: &'a ObservedState, targets: &'a [String]) -> Ring<'a> {
    let recorded = |pod: &str| status_of(state, pod).map(|(_, recorded)| recorded);
    let live = state.pods.iter().filter_map(|(pod, live)| {
        let rack = live.rack.clone()?;
        let reading = match state.nodes.get(pod) {
            Some(Ok(reading)) => Ok(reading),
            Some(Err(error)) => Err(error.to_string()),
            None => Err(state
                .health_problem(pod)
                .unwrap_or_else(|| "the pod is starting".into())),
        };
        let data = state
            .live
            .volumes
            .get(&format!("{}-{pod}", names::DATA_VOLUME));
        Some(Member {
            pod,
            ip: live.ip.as_deref(),
            reading,
            owes_cleanup: recorded(pod).and_then(NodeStatus::owes_cleanup),
            capacity: data.and_then(|data| quantity::parse(data.capacity.as_deref()?)),
            host_id: state.host_id(pod),
            transport: live.transport.kind(),
            rack,
        })
    });
    // One that its StatefulSet has not made yet, or cannot make, is down.
    let missing = state.expected_pods().into_iter();
    let missing = missing.filter_map(|(pod, rack)| {
        let (pod, recorded) = status_of(state, &pod)?;
        (!state.pods.contains_key(pod)).then(|| Member {
            pod,
            ip: None,
            reading: Err("the pod does not exist yet".into()),
            owes_cleanup: recorded.owes_cleanup(),
            capacity: None,
            host_id: state.host_id(pod),
            transport: state.cluster.spec.node_api_kind(),
            rack,
        })
    });
    Ring {
        nodes: live.chain(missing).collect(),
        targets,
        replication: &state.replication,
        roles_are_in_few_nodes: role_replicas::are_in_few_nodes(state.cluster.status.as_ref()),
        replication_has_changed: replication_has_changed(state),
        locations: &state.locations,
        goes_on_elsewhere: !state.cluster.spec.seeds.is_empty(),
        spec: &state.cluster.spec,
    }
}

/// Members that disagree are the business of another check.
fn replication_has_changed(state: &ObservedState) -> bool {
    let status = state.cluster.status.as_ref();
    let recorded = status.and_then(|status| status.replication.as_ref());
    let recorded = recorded.map(|recorded| recorded.schema_version.as_str());
    let now = state.schema_version();
    !state.replication.is_empty() && now.is_some() && recorded != now
}
