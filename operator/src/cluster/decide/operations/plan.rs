//! From a request to a plan: targets, waves, steps and checks, all before anything is called.

use std::collections::BTreeSet;

use casskop_common::{
    api::{NodePhase, OperationNode, OperationPhase, OperationPlan, OperationStatus, Progress},
    intent::{Controls, Request},
    names::{self, RackId},
    operations::Target,
};

use super::{super::super::snapshot::Snapshot, record};
use crate::operations::{self, Behaviour, Refusal, Ring};

/// Plans a request and lets it begin, wait for its checks, or end: refused, or planned for a dry run.
pub(super) fn plan(
    request: &Request,
    mut operation: OperationStatus,
    controls: &Controls,
    snapshot: &Snapshot,
) -> OperationStatus {
    let behaviour = operations::behaviour(&request.arguments.operation);
    let targets = match targets(&request.arguments.shared.target, snapshot) {
        Ok(targets) => targets,
        Err(refusal) => return refuse(operation, &refusal, snapshot),
    };
    let pods: Vec<String> = targets.iter().map(|(pod, _)| pod.clone()).collect();
    let ring = ring(snapshot, &pods);
    // Checks first: while no node answers, its keyspaces are unknown too, and that passes.
    operation.checks = behaviour
        .checks()
        .iter()
        .map(|check| check(&ring))
        .collect();
    let waived = controls
        .waive
        .as_ref()
        .filter(|(id, _)| *id == operation.id)
        .map(|(_, checks)| checks);
    let is_waived = |name: &String| waived.is_some_and(|checks| checks.contains(name));
    for check in operation
        .checks
        .iter_mut()
        .filter(|check| !check.passed && is_waived(&check.name))
    {
        check.evidence = format!("waived; {}", check.evidence);
    }
    let failing: Vec<String> = operation
        .checks
        .iter()
        .filter(|check| !check.passed && !is_waived(&check.name))
        .map(|check| format!("{}: {}", check.name, check.evidence))
        .collect();
    if !failing.is_empty() && !request.is_dry_run() {
        "ChecksFailing".clone_into(&mut operation.reason);
        operation.message = format!("waits for {}", failing.join("; "));
        return operation;
    }
    match behaviour.steps(&ring) {
        Ok(steps) => fill(operation, behaviour, &targets, steps, request, snapshot),
        Err(refusal) => refuse(operation, &refusal, snapshot),
    }
}

fn fill(
    mut operation: OperationStatus,
    behaviour: &dyn Behaviour,
    targets: &[(String, RackId)],
    steps: Vec<String>,
    request: &Request,
    snapshot: &Snapshot,
) -> OperationStatus {
    let total = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    let unit = behaviour.unit().to_owned();
    operation.nodes = targets
        .iter()
        .map(|(pod, _)| OperationNode {
            pod: pod.clone(),
            host_id: snapshot
                .reading(pod)
                .map(|reading| reading.local_host_id.clone())
                .unwrap_or_default(),
            phase: NodePhase::Pending,
            progress: Some(Progress {
                done: 0,
                total,
                unit: unit.clone(),
            }),
            ..OperationNode::default()
        })
        .collect();
    operation.plan = Some(OperationPlan {
        // One node at a time, rack by rack.
        waves: targets.iter().map(|(pod, _)| vec![pod.clone()]).collect(),
        steps,
        call: behaviour.describe().to_owned(),
    });
    let summary = format!(
        "{} nodes one after the other, {total} {unit} each",
        targets.len()
    );
    if request.is_dry_run() {
        return record::end(
            operation,
            OperationPhase::Planned,
            "DryRun",
            &format!("would work on {summary}"),
            snapshot.now,
        );
    }
    operation.phase = OperationPhase::Running;
    "Running".clone_into(&mut operation.reason);
    operation.message = format!("works on {summary}");
    operation.started_at = Some(record::time(snapshot.now));
    super::progress::begin_wave(&mut operation, snapshot);
    operation
}

fn refuse(operation: OperationStatus, refusal: &Refusal, snapshot: &Snapshot) -> OperationStatus {
    record::end(
        operation,
        OperationPhase::Refused,
        refusal.reason,
        &refusal.message,
        snapshot.now,
    )
}

fn ring<'a>(snapshot: &'a Snapshot, targets: &'a [String]) -> Ring<'a> {
    let nodes = snapshot.pods.keys().map(|pod| {
        let reading = match snapshot.nodes.get(pod) {
            Some(Ok(reading)) => Ok(reading),
            Some(Err(error)) => Err(error.to_string()),
            None => Err(snapshot
                .trouble(pod)
                .unwrap_or_else(|| "the pod is starting".into())),
        };
        (pod.as_str(), reading)
    });
    Ring {
        nodes: nodes.collect(),
        targets,
    }
}

/// The pods that match every flag, rack by rack.
fn targets(target: &Target, snapshot: &Snapshot) -> Result<Vec<(String, RackId)>, Refusal> {
    let pods = snapshot.expected_pods();
    let racks: BTreeSet<&RackId> = pods.iter().map(|(_, rack)| rack).collect();
    let dcs: BTreeSet<&str> = racks.iter().map(|rack| rack.dc.as_str()).collect();
    let cluster = snapshot.name();
    refuse_unknown(
        "data center",
        &target.dc,
        cluster,
        &dcs.iter().map(ToString::to_string).collect(),
        |dc| dcs.contains(dc),
    )?;
    refuse_unknown(
        "rack",
        &target.rack,
        cluster,
        &racks.iter().map(ToString::to_string).collect(),
        |name| racks.iter().any(|rack| is_named(rack, name)),
    )?;
    let names = pods.iter().map(|(pod, _)| pod.clone()).collect();
    refuse_unknown("pod", &target.pod, cluster, &names, |name| {
        names.contains(name)
    })?;
    let matches = |(pod, rack): &(String, RackId)| {
        (target.dc.is_empty() || target.dc.contains(&rack.dc))
            && (target.rack.is_empty() || target.rack.iter().any(|name| is_named(rack, name)))
            && (target.pod.is_empty() || target.pod.contains(pod))
    };
    let mut chosen: Vec<(String, RackId)> =
        pods.iter().filter(|pod| matches(pod)).cloned().collect();
    chosen.sort_by_key(|(pod, rack)| (rack.clone(), names::ordinal(pod)));
    if chosen.is_empty() {
        let message = format!(
            "no node of cluster {cluster} matches all of the flags: loosen them and request again with a new id"
        );
        return Err(Refusal {
            reason: "NoTarget",
            message,
        });
    }
    Ok(chosen)
}

/// A rack is named alone or with its data center, as `<dc>.<rack>`.
fn is_named(rack: &RackId, name: &str) -> bool {
    rack.rack == name || rack.to_string() == name
}

fn refuse_unknown(
    what: &str,
    asked: &[String],
    cluster: &str,
    known: &BTreeSet<String>,
    is_known: impl Fn(&str) -> bool,
) -> Result<(), Refusal> {
    let Some(unknown) = asked.iter().find(|name| !is_known(name)) else {
        return Ok(());
    };
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    Err(Refusal {
        reason: "UnknownTarget",
        message: format!(
            "cluster {cluster} has no {what} {unknown}; it has {}. Request again with a new id",
            known.join(", ")
        ),
    })
}
