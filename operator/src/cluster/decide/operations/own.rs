//! Requests of the operator's own: what the spec asks for and takes an operation to reach.

use std::collections::BTreeSet;

use casskop_common::{
    api::{CassandraClusterSpec, Check, OperationPhase, OperationStatus},
    intent::Request,
    names::RackId,
    operations::{Arguments, DECOMMISSION, OperationKind, RESTART},
};
use jiff::Timestamp;

use super::{
    super::super::snapshot::Snapshot,
    super::rollout::{Leaving, Rollout},
    plan,
};
use crate::{
    nodes::Reading,
    operations::{behaviour, needs_force},
};

/// Who asks where the spec does.
pub(super) const SPEC: &str = "spec";
/// Who asks where `autoPilot` does.
const AUTO_PILOT: &str = "autoPilot";

/// A request, and who asks for it.
pub(super) struct Own {
    /// What is asked.
    pub(super) request: Request,
    /// Who asks, as it stands in the status.
    pub(super) by: &'static str,
}

/// The operator's own request of a kind.
pub(super) fn request(kind: &str, snapshot: &Snapshot, rollout: &Rollout) -> Option<Own> {
    let own = |request, by| Own { request, by };
    match OperationKind::from_word(kind)? {
        OperationKind::Decommission => {
            let leaving = rollout.leaving.as_ref()?;
            Some(own(leave(leaving, snapshot)?, SPEC))
        }
        OperationKind::Cleanup => Some(own(pay_debt(snapshot, rollout)?, AUTO_PILOT)),
        OperationKind::Restart => Some(own(rolling_restart(snapshot)?, SPEC)),
        _ => None,
    }
}

/// The cleanup that `autoPilot` requests once the ring has grown.
fn pay_debt(snapshot: &Snapshot, rollout: &Rollout) -> Option<Request> {
    let grows = rollout.action.is_some() && rollout.blocked.is_none();
    if snapshot.cluster.spec.auto_pilot != Some(true) || grows {
        return None;
    }
    let nodes = snapshot
        .cluster
        .status
        .iter()
        .flat_map(|status| status.cassandra_node_status.values());
    let owing =
        nodes.filter_map(|node| Some((node.dc.clone(), node.cleanup_required_since.as_ref()?.0)));
    let (dcs, since): (BTreeSet<String>, Vec<Timestamp>) = owing.unzip();
    let newest = since.into_iter().max()?;
    let id = format!("autopilot-{}", newest.strftime("%Y%m%dT%H%M%SZ"));
    request_of(OperationKind::Cleanup.as_str(), id, &flags("--dc", dcs))
}

/// A request in the words that stand in an annotation.
fn request_of(kind: &str, id: String, words: &[String]) -> Option<Request> {
    Some(Request {
        kind: kind.to_owned(),
        id,
        arguments: Arguments::parse(kind, words).ok()?,
    })
}

/// The same flag for each value.
fn flags(flag: &str, values: impl IntoIterator<Item = String>) -> Vec<String> {
    let pairs = values
        .into_iter()
        .flat_map(|value| [flag.to_owned(), value]);
    pairs.collect()
}

/// The restart that `rollingRestart: true` asks for: each time it becomes true.
fn rolling_restart(snapshot: &Snapshot) -> Option<Request> {
    let racks: Vec<String> = restarts(snapshot).map(|rack| rack.to_string()).collect();
    let id = restart_id(snapshot.cluster.metadata.generation?);
    (!racks.is_empty()).then(|| request_of(RESTART, id, &flags("--rack", racks)))?
}

/// Id of the restart that a generation of the spec asks for.
pub fn restart_id(generation: i64) -> String {
    format!("rolling-restart-g{generation}")
}

/// The restart that the spec asks for, while it is under way.
pub fn spec_restart(operations: &[OperationStatus]) -> Option<&OperationStatus> {
    operations.iter().find(|operation| {
        let asked = operation.kind == RESTART && operation.requested_by.as_deref() == Some(SPEC);
        asked && operation.started_at.is_some() && !operation.phase.is_final()
    })
}

/// Racks with `rollingRestart: true`.
pub fn asks_for_restart(spec: &CassandraClusterSpec) -> impl Iterator<Item = RackId> {
    spec.written_racks()
        .filter(|(_, rack)| rack.rolling_restart == Some(true))
        .map(|(dc, rack)| RackId::new(&dc.name, &rack.name))
}

/// Those of them that exist and were not seen to have it before.
fn restarts(snapshot: &Snapshot) -> impl Iterator<Item = RackId> {
    let known = |rack: &RackId| {
        let status = snapshot.cluster.status.as_ref();
        status
            .and_then(|status| status.cassandra_rack_status.get(&rack.key()))
            .is_some_and(|rack| rack.rolling_restart)
    };
    let exists = |rack: &RackId| snapshot.racks().any(|(live, _)| live == *rack);
    asks_for_restart(&snapshot.cluster.spec).filter(move |rack| exists(rack) && !known(rack))
}

/// The request that a node leaves the ring.
fn leave(leaving: &Leaving, snapshot: &Snapshot) -> Option<Request> {
    let force = needs_force(&plan::ring(snapshot, std::slice::from_ref(&leaving.pod)));
    let force = force.then(|| "--force".to_owned()).into_iter();
    let words: Vec<String> = force.chain(flags("--pod", [leaving.pod.clone()])).collect();
    request_of(DECOMMISSION, leaving.host_id.clone(), &words)
}

/// The checks that keep a node from leaving the ring now. None while it is told to, or on its way.
pub fn what_keeps_from_leaving(leaving: &Leaving, snapshot: &Snapshot) -> Vec<Check> {
    let mut operations = snapshot.operations();
    let told = operations
        .find(|operation| operation.kind == DECOMMISSION && operation.id == leaving.host_id)
        .filter(|operation| operation.started_at.is_some());
    let reading = snapshot.reading(&leaving.pod);
    let is_member = reading.is_some_and(Reading::is_member);
    if told.is_some_and(|told| told.phase != OperationPhase::Failed || !is_member) {
        return Vec::new();
    }
    let Some(request) = leave(leaving, snapshot) else {
        return Vec::new();
    };
    let mut checks = plan::checks(
        behaviour(&request.arguments.operation),
        std::slice::from_ref(&leaving.pod),
        snapshot,
    );
    let waived = snapshot
        .intents
        .controls
        .get(DECOMMISSION)
        .and_then(|controls| controls.waive.clone());
    plan::waive(&mut checks, waived.as_ref(), &leaving.host_id);
    checks.retain(Check::is_failing);
    checks
}
