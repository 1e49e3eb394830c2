//! Requests of the operator's own: what the spec asks for and takes an operation to reach.

use std::collections::BTreeSet;

use casskop_common::{
    intent::Request,
    names::RackId,
    operations::{
        Arguments, Operation, Shared, Target, cleanup::Cleanup, decommission::Decommission,
        restart::Restart,
    },
};
use jiff::Timestamp;

use super::{
    super::super::snapshot::Snapshot,
    super::rollout::{DECOMMISSION, Leaving, Rollout},
    plan,
};
use crate::operations::{behaviour, needs_force};

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
    match kind {
        DECOMMISSION => {
            let leaving = rollout.leaving.as_ref()?;
            Some(own(leave(leaving, snapshot), SPEC))
        }
        "cleanup" => Some(own(pay_debt(snapshot, rollout)?, AUTO_PILOT)),
        "restart" => Some(own(rolling_restart(snapshot)?, SPEC)),
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
        nodes.filter_map(|node| Some((node.dc.clone(), node.cleanup_owed_since.as_ref()?.0)));
    let (dcs, since): (BTreeSet<String>, Vec<Timestamp>) = owing.unzip();
    let newest = since.into_iter().max()?;
    let id = format!("autopilot-{}", newest.strftime("%Y%m%dT%H%M%SZ"));
    let shared = Shared {
        target: Target {
            dc: dcs.iter().cloned().collect(),
            ..Target::default()
        },
        ..Shared::default()
    };
    let text = dcs
        .iter()
        .map(|dc| format!("--dc {dc}"))
        .collect::<Vec<_>>()
        .join(" ");
    Some(Request {
        kind: "cleanup".into(),
        id,
        arguments: Arguments {
            operation: Operation::Cleanup(Cleanup::default()),
            shared,
            text,
        },
    })
}

/// The restart that `rollingRestart: true` asks for: each time it becomes true.
fn rolling_restart(snapshot: &Snapshot) -> Option<Request> {
    let racks: Vec<String> = restarts(snapshot).iter().map(ToString::to_string).collect();
    let generation = snapshot.cluster.metadata.generation?;
    let text = racks
        .iter()
        .map(|rack| format!("--rack {rack}"))
        .collect::<Vec<_>>()
        .join(" ");
    let shared = Shared {
        target: Target {
            rack: racks.clone(),
            ..Target::default()
        },
        ..Shared::default()
    };
    (!racks.is_empty()).then(|| Request {
        kind: "restart".into(),
        id: restart_id(generation),
        arguments: Arguments {
            operation: Operation::Restart(Restart::default()),
            shared,
            text,
        },
    })
}

/// Id of the restart that a generation of the spec asks for.
pub fn restart_id(generation: i64) -> String {
    format!("rolling-restart-g{generation}")
}

/// Racks with `rollingRestart: true` that were not seen to have it before.
fn restarts(snapshot: &Snapshot) -> Vec<RackId> {
    let known = |rack: &RackId| {
        let status = snapshot.cluster.status.as_ref();
        status
            .and_then(|status| status.cassandra_rack_status.get(&rack.key()))
            .is_some_and(|rack| rack.rolling_restart)
    };
    let exists = |rack: &RackId| snapshot.racks().any(|(live, _)| live == *rack);
    let dcs = snapshot
        .cluster
        .spec
        .topology
        .iter()
        .flat_map(|topology| &topology.dc);
    dcs.flat_map(|dc| {
        let asked = dc
            .rack
            .iter()
            .filter(|rack| rack.rolling_restart == Some(true));
        asked.map(|rack| RackId::new(&dc.name, &rack.name))
    })
    .filter(|rack| exists(rack) && !known(rack))
    .collect()
}

/// The request that a node leaves the ring.
fn leave(leaving: &Leaving, snapshot: &Snapshot) -> Request {
    let targets = [leaving.pod.clone()];
    let force = needs_force(&plan::ring(snapshot, &targets));
    let operation = Operation::Decommission(Decommission { force });
    let shared = Shared {
        target: Target {
            pod: targets.to_vec(),
            ..Target::default()
        },
        ..Shared::default()
    };
    let force = if force { "--force " } else { "" };
    Request {
        kind: DECOMMISSION.into(),
        id: leaving.host_id.clone(),
        arguments: Arguments {
            operation,
            shared,
            text: format!("{force}--pod {}", leaving.pod),
        },
    }
}

/// Why a node may not leave the ring now. Nothing once it was told to.
pub fn what_keeps_from_leaving(leaving: &Leaving, snapshot: &Snapshot) -> Option<String> {
    let operations = snapshot
        .cluster
        .status
        .iter()
        .flat_map(|status| &status.operations);
    let mut same = operations
        .filter(|operation| operation.kind == DECOMMISSION && operation.id == leaving.host_id);
    if same.any(|operation| operation.started_at.is_some()) {
        return None;
    }
    let request = leave(leaving, snapshot);
    let checks = plan::checks(
        behaviour(&request.arguments.operation),
        std::slice::from_ref(&leaving.pod),
        snapshot,
    );
    let waived = snapshot
        .intents
        .controls
        .get(DECOMMISSION)
        .and_then(|controls| controls.waive.clone());
    let failing = plan::failing(&checks, waived.as_ref(), &leaving.host_id);
    (!failing.is_empty()).then(|| {
        format!(
            "{} may not leave the ring: {}",
            leaving.pod,
            failing.join("; ")
        )
    })
}
