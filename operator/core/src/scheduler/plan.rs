//! From a request to a plan: targets, waves, steps and checks, all before anything is called.

use casskop_common::{
    api::{
        Check, NodeApiKind, NodePhase, OperationNode, OperationPhase, OperationPlan,
        OperationReason, OperationStatus, Progress, VolumeRef,
    },
    checks::CheckName,
    intent::{Controls, Request},
    names::RackId,
    operations::{
        Operation, OperationKind, Parallel, Waves,
        support::{Feature, Gap},
    },
    text::count,
};

use super::targets::target;
use crate::{
    observed::ObservedState,
    operations::{
        self, Behaviour, Life, Refusal,
        preconditions::{block, checks, is_waived, ring, waive},
        transitions,
    },
};

/// Plans a request and lets it begin, wait for its checks, or end: refused, or planned for a dry run.
pub(crate) fn plan(
    request: &Request,
    mut operation: OperationStatus,
    controls: &Controls,
    state: &ObservedState,
) -> OperationStatus {
    let behaviour = operations::behaviour(&request.arguments.operation);
    let targets = match target(request, behaviour, state) {
        Ok(targets) if behaviour.is_of_one_pod() => one_of(targets, state),
        Ok(targets) => targets,
        Err(refusal) => return refuse(operation, &refusal, state),
    };
    if let Err(refusal) = supported(&request.arguments.operation, &targets, state) {
        return refuse(operation, &refusal, state);
    }
    let waves = waves(&targets, &request.arguments.shared.waves);
    if let Some(why) = behaviour
        .requires_serial()
        .filter(|_| waves.iter().any(|wave| wave.len() > 1))
    {
        let refusal = Refusal {
            reason: OperationReason::OneNodeOnly,
            message: format!("{why}: request it again with a new id, without --parallel rack"),
        };
        return refuse(operation, &refusal, state);
    }
    let pods: Vec<String> = waves.concat();
    // Checks first: while no node answers, its keyspaces are unknown too, and that passes. An operation that takes nodes
    // away needs all others, those of the next waves among them.
    let first = waves.first().filter(|_| behaviour.is_disruptive());
    let ring = ring(state, first.unwrap_or(&pods));
    let checks = checks(behaviour, &ring);
    let ring = ring.with_targets(&pods);
    let life = behaviour.life(&ring);
    let refusal = alive(&mut operation, &checks, life, request, controls, state);
    operation.checks = checks;
    if let Some(refusal) = refusal {
        return refuse(operation, &refusal, state);
    }
    waive(
        &mut operation.checks,
        controls.waive.as_ref(),
        &operation.id,
    );
    if operation.checks.iter().any(Check::is_failing) && !request.is_dry_run() {
        (operation.not_found_since, operation.not_found_by) = (None, None);
        let checks = std::mem::take(&mut operation.checks);
        block(&mut operation, checks);
        return operation;
    }
    match behaviour.steps(&request.id, &ring) {
        Ok(steps) => {
            (operation.not_found_since, operation.not_found_by) = (None, None);
            let nodes = (targets.as_slice(), waves);
            fill(operation, behaviour, nodes, steps, request, state)
        }
        Err(refusal) => refuse(operation, &refusal, state),
    }
}

/// The first target whose node answers, or the first one.
fn one_of(mut targets: Vec<(String, RackId)>, state: &ObservedState) -> Vec<(String, RackId)> {
    let mut pods = targets.iter();
    let answers = pods.position(|(pod, _)| state.nodes.get(pod).is_some_and(Result::is_ok));
    if targets.is_empty() {
        return targets;
    }
    vec![targets.swap_remove(answers.unwrap_or(0))]
}

/// Whether the transports to the nodes that do the work have a way to do it.
fn supported(
    operation: &Operation,
    targets: &[(String, RackId)],
    state: &ObservedState,
) -> Result<(), Refusal> {
    let mut needed = Feature::needed_by(operation);
    let found = needed.find_map(|feature| Some((feature, gap(feature, targets, state)?)));
    found.map_or(Ok(()), |(feature, (transport, gap))| {
        Err(Refusal {
            reason: OperationReason::NotSupported,
            message: format!(
                "{}: the nodes are reached by {}, which {}; {}",
                feature.words(),
                transport.as_str(),
                gap.lack,
                gap.instead
            ),
        })
    })
}

/// A transport to a node that does the work, and its gap. A node is reached in the way that its pod was started with,
/// whatever the spec requires by now.
fn gap(
    feature: Feature,
    targets: &[(String, RackId)],
    state: &ObservedState,
) -> Option<(NodeApiKind, Gap)> {
    let spec = state.cluster.spec.node_api_kind();
    let gap = |transport| Some((transport, feature.gap_of_transport(transport)?));
    let of_pod = |pod: &str| {
        gap(state
            .pods
            .get(pod)
            .map_or(spec, |live| live.transport.kind()))
    };
    if feature.is_of_any_member() {
        let members = state.members().map(|(pod, _)| of_pod(pod));
        return members.reduce(Option::and).unwrap_or_else(|| gap(spec));
    }
    targets.iter().find_map(|(pod, _)| of_pod(pod))
}

fn fill(
    mut operation: OperationStatus,
    behaviour: &dyn Behaviour,
    (targets, waves): (&[(String, RackId)], Vec<Vec<String>>),
    steps: Vec<String>,
    request: &Request,
    state: &ObservedState,
) -> OperationStatus {
    let total = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    let unit = behaviour.unit().to_owned();
    operation.nodes = targets
        .iter()
        .map(|(pod, rack)| OperationNode {
            phase: NodePhase::Pending,
            progress: Some(Progress {
                done: 0,
                total,
                unit: unit.clone(),
            }),
            ..subject(behaviour, pod, rack, state)
        })
        .collect();
    let how = if waves.len() == targets.len() {
        "one after the other".to_owned()
    } else {
        format!("in {}", count(waves.len(), "wave"))
    };
    operation.plan = Some(OperationPlan {
        waves,
        steps,
        call: behaviour.describe().to_owned(),
    });
    let steps = match total {
        1 => format!("1 {}", unit.trim_end_matches('s')),
        _ => format!("{total} {unit}"),
    };
    let summary = match targets.len() {
        1 => format!("1 node, {steps}"),
        many => format!("{} {how}, {steps} each", count(many, "node")),
    };
    if request.is_dry_run() {
        return transitions::end(
            operation,
            OperationPhase::Planned,
            OperationReason::DryRun,
            &format!("would work on {summary}"),
            state.now,
        );
    }
    operation.phase = OperationPhase::Running;
    operation.reason = Some(OperationReason::Running);
    operation.blocked_by.clear();
    operation.message = format!("works on {summary}");
    operation.started_at = Some(transitions::time(state.now));
    if operation.kind == OperationKind::Cleanup {
        operation.cleanup_generation = state.cleanup_generation();
    }
    crate::scheduler::progress::begin_wave(&mut operation, state);
    operation
}

/// The nodes that are worked on together, rack by rack.
fn waves(targets: &[(String, RackId)], asked: &Waves) -> Vec<Vec<String>> {
    let most = match asked.parallel {
        Parallel::Node => 1,
        Parallel::Rack => asked.max_nodes.map_or(usize::MAX, usize::from),
    };
    let pods = |wave: &[(String, RackId)]| wave.iter().map(|(pod, _)| pod.clone()).collect();
    targets
        .chunk_by(|one, next| one.1 == next.1)
        .flat_map(|rack| rack.chunks(most.min(rack.len())).map(pods))
        .collect()
}

/// The node of an operation: that of a pod, or one that no pod runs and that another node is called about.
fn subject(
    behaviour: &dyn Behaviour,
    pod: &str,
    rack: &RackId,
    state: &ObservedState,
) -> OperationNode {
    let own = state.host_id(pod);
    let host_id = behaviour.host_id().or(own).unwrap_or_default();
    let gives_up = behaviour.deletes_volumes();
    let mut members = state.members();
    let address = members.find_map(|(_, reading)| reading.address_of(host_id).cloned());
    OperationNode {
        pod: pod.to_owned(),
        host_id: host_id.to_owned(),
        address: address.filter(|_| gives_up).unwrap_or_default(),
        volumes: if gives_up && own == Some(host_id) {
            volumes(pod, rack, state)
        } else {
            Vec::new()
        },
        ..OperationNode::default()
    }
}

fn volumes(pod: &str, rack: &RackId, state: &ObservedState) -> Vec<VolumeRef> {
    let volumes = state.volumes_of(pod, rack).into_iter();
    volumes
        .map(|(name, volume)| VolumeRef {
            name,
            uid: volume.uid.clone(),
        })
        .collect()
}

/// Why a request that discards a node is refused although it has to wait: the node is not down. It is not kept, for it
/// would be carried out when the node is down for another reason.
pub(crate) fn is_alive(
    operation: &mut OperationStatus,
    request: &Request,
    controls: &Controls,
    state: &ObservedState,
) -> Option<Refusal> {
    request.arguments.cluster_uid.as_ref()?;
    let behaviour = operations::behaviour(&request.arguments.operation);
    let (pod, _) = target(request, behaviour, state).ok()?.into_iter().next()?;
    let pods = [pod];
    let ring = ring(state, &pods);
    let checks = checks(behaviour, &ring);
    let life = behaviour.life(&ring);
    alive(operation, &checks, life, request, controls, state)
}

/// The check that finds that the node is not down, once that is proven: the node answers, or members still have it in
/// their live view after gossip has had time.
fn alive(
    operation: &mut OperationStatus,
    checks: &[Check],
    life: Option<Life>,
    request: &Request,
    controls: &Controls,
    state: &ObservedState,
) -> Option<Refusal> {
    let alive = checks.iter().find(|check| {
        let waived = is_waived(controls.waive.as_ref(), &request.id, &check.name);
        check.kind() == CheckName::NodeIsDown && !check.passed && !waived
    });
    let alive = alive.filter(|_| !request.is_dry_run());
    let Some((alive, life)) = alive.zip(life) else {
        (operation.seen_live_since, operation.seen_live_by) = (None, None);
        return None;
    };
    let since = operation.seen_live_since.as_ref().map(|since| since.0);
    // A CRD of an earlier version keeps the time without the process; a refusal discards nothing.
    let by = operation.seen_live_by.as_ref().unwrap_or(&state.executor);
    let proven = state.proven(since, Some(by));
    if let Err(first) = proven {
        operation.seen_live_since = Some(transitions::time(first));
        operation.seen_live_by = Some(state.executor.clone());
    }
    let is_proven = life == Life::Answers || proven.is_ok();
    let (reason, next) = match life {
        Life::Answers | Life::InLiveView => (OperationReason::NodeIsUp, "when the node is down"),
        Life::NotRecorded => (OperationReason::NotAMember, "when the node was a member"),
    };
    is_proven.then(|| Refusal {
        reason,
        message: format!(
            "{}: {}. Request it again with a new id {next}",
            alive.name, alive.evidence
        ),
    })
}

/// Ends a request that cannot be carried out. One whose obstacle passes by itself waits.
pub(crate) fn refuse(
    mut operation: OperationStatus,
    refusal: &Refusal,
    state: &ObservedState,
) -> OperationStatus {
    if refusal.reason.is_momentary() {
        operation.reason = Some(refusal.reason.clone());
        operation.blocked_by.clear();
        operation.message.clone_from(&refusal.message);
        (operation.not_found_since, operation.not_found_by) = (None, None);
        return operation;
    }
    let is_elsewhere = !state.cluster.spec.seeds.is_empty();
    if refusal.reason.needs_second_look(is_elsewhere) {
        let since = operation.not_found_since.as_ref().map(|since| since.0);
        let by = operation.not_found_by.as_ref().unwrap_or(&state.executor);
        if let Err(first) = state.proven(since, Some(by)) {
            operation.not_found_since = Some(transitions::time(first));
            operation.not_found_by = Some(state.executor.clone());
            operation.reason = Some(OperationReason::Waiting);
            operation.blocked_by.clear();
            operation.message = format!("waits for a second look: {}", refusal.message);
            return operation;
        }
    }
    transitions::end(
        operation,
        OperationPhase::Refused,
        refusal.reason.clone(),
        &refusal.message,
        state.now,
    )
}
