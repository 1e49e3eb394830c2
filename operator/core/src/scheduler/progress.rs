//! Operations under way: wave after wave, until every node has ended; pause, cancel and retry.

use casskop_common::{
    api::{Check, NodePhase, OperationNode, OperationPhase, OperationReason, OperationStatus},
    intent::Controls,
    operations::{Arguments, OperationKind},
    text::count as counted,
};

use crate::{
    node::Reading,
    observed::ObservedState,
    operations::{
        self,
        preconditions::{block, checks, ring, waive},
        recorded::{has_node_at_work, is_blocked_by_checks},
        transitions,
    },
};

/// Time until an operation that the spec asks for is retried.
const REST: jiff::SignedDuration = jiff::SignedDuration::from_mins(1);
/// Error of a node whose operation another version of the operator has recorded.
const UNREADABLE: &str = "its arguments were recorded by another version of the operator and cannot be parsed: request it again with a new id";

/// The inputs of a decision about one operation.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    /// Its recorded arguments; none if this version of the operator cannot parse them.
    pub(crate) arguments: Option<&'a Arguments>,
    /// Its control annotations.
    pub(crate) controls: &'a Controls,
    /// The cluster.
    pub(crate) state: &'a ObservedState,
}

/// Where an operation that has begun goes from here.
pub(crate) fn advance(
    current: &OperationStatus,
    scope: Scope<'_>,
    busy: Option<&str>,
) -> OperationStatus {
    let Scope {
        arguments,
        controls,
        state,
    } = scope;
    let mut operation = current.clone();
    match arguments {
        Some(arguments) => end_those_gone(&mut operation, arguments, state),
        None => fail_unreadable(&mut operation, NodePhase::Running, state),
    }
    fail_those_without_pod(&mut operation, state);
    let quoted = |id: &Option<String>| id.as_deref() == Some(&current.id);
    let cancelled = quoted(&controls.cancel);
    if cancelled {
        skip_the_rest(&mut operation);
    }
    let working = operation
        .nodes
        .iter()
        .filter(|node| node.phase == NodePhase::Running)
        .count();
    if operation.nodes.iter().all(|node| node.phase.is_final()) {
        return finish(operation, state);
    }
    if cancelled {
        operation.message = "cancelled; ends after the step at work".into();
        return operation;
    }
    let is_paused = state.intents.reconcile_paused || quoted(&controls.pause);
    // Nodes that have begun together hold everything else back until they end.
    let has_begun = working > 0
        && current
            .kind
            .known()
            .is_some_and(OperationKind::begins_together);
    if is_paused && !has_begun {
        operation.phase = OperationPhase::Paused;
        operation.reason = Some(OperationReason::Paused);
        operation.message = match working {
            0 => "no further node starts until the pause is lifted".into(),
            _ => format!("no further node starts until the pause is lifted; {working} at work"),
        };
        return operation;
    }
    // Meanwhile something else may have begun.
    let stood_still = current.phase == OperationPhase::Paused || is_blocked_by_checks(current);
    if let Some(busy) = busy.filter(|_| stood_still && working == 0) {
        busy.clone_into(&mut operation.message);
        return operation;
    }
    operation.phase = OperationPhase::Running;
    let mut operation = start_next_wave(operation, scope);
    if is_paused && !operation.phase.is_final() {
        let why = "; all nodes have begun, so that the pause holds none";
        operation.message.push_str(why);
    }
    operation
}

/// Begins with the next wave, if no node is at work and no check blocks it.
fn start_next_wave(mut operation: OperationStatus, scope: Scope<'_>) -> OperationStatus {
    let state = scope.state;
    let Some(arguments) = scope.arguments else {
        fail_unreadable(&mut operation, NodePhase::Pending, state);
        return if operation.nodes.iter().all(|node| node.phase.is_final()) {
            finish(operation, state)
        } else {
            operation
        };
    };
    if !has_node_at_work(&operation)
        && let Some(checks) = wave_blockers(&operation, arguments, scope)
    {
        block(&mut operation, checks);
        return operation;
    }
    operation.reason = Some(OperationReason::Running);
    operation.blocked_by.clear();
    begin_wave(&mut operation, state);
    operation.message = summary(&operation);
    operation
}

/// A node that has done its step and then was lost cannot report it; its peers can.
fn end_those_gone(operation: &mut OperationStatus, arguments: &Arguments, state: &ObservedState) {
    let behaviour = operations::behaviour(&arguments.operation);
    let steps = operation.plan.as_ref().map(|plan| plan.steps.clone());
    let peers: Vec<&Reading> = state.members().map(|(_, reading)| reading).collect();
    let silent = |node: &&mut OperationNode| {
        node.phase == NodePhase::Running && state.reading(&node.pod).is_none()
    };
    for node in operation.nodes.iter_mut().filter(silent) {
        if behaviour.is_done_for_peers(&node.host_id, &peers) {
            transitions::step_done(node, steps.as_deref().unwrap_or_default(), state.now);
        }
    }
}

/// Fails the nodes of a phase, of an operation whose arguments this version of the operator cannot parse. A node that a
/// task works on is left to that task.
fn fail_unreadable(operation: &mut OperationStatus, phase: NodePhase, state: &ObservedState) {
    let is_free =
        |node: &OperationNode| node.phase == phase && !state.is_at_work(&operation.kind, &node.pod);
    for node in operation.nodes.iter_mut().filter(|node| is_free(node)) {
        node.error = Some(UNREADABLE.to_owned());
        transitions::end_node(node, NodePhase::Failed, state.now);
    }
}

/// While an operation stood still, nodes may have left that it has not come to.
fn fail_those_without_pod(operation: &mut OperationStatus, state: &ObservedState) {
    if operation.kind.discards_data() {
        return;
    }
    let status = state.cluster.status.as_ref();
    let is_known = |pod: &String| {
        state.pods.contains_key(pod)
            || status.is_some_and(|status| status.cassandra_node_status.contains_key(pod))
    };
    let pending = operation.nodes.iter_mut();
    for node in pending.filter(|node| node.phase == NodePhase::Pending && !is_known(&node.pod)) {
        node.phase = NodePhase::Failed;
        node.error = Some("its pod is gone: the spec no longer requires it".to_owned());
        node.finished_at = Some(transitions::time(state.now));
    }
}

/// Why the next wave may not begin: the checks hold for each of them, not only for the first, and also at a retry.
/// A node that leaves, or is given up, may have gone half the way before that failed: it goes the rest. The executor that
/// gives it up checks its state before each deletion.
fn wave_blockers(
    operation: &OperationStatus,
    arguments: &Arguments,
    Scope {
        controls, state, ..
    }: Scope<'_>,
) -> Option<Vec<Check>> {
    let wave = next_wave(operation)?;
    let behaviour = operations::behaviour(&arguments.operation);
    let is_member = |pod: &String| state.reading(pod).is_some_and(Reading::is_member);
    let half_done = behaviour.deletes_volumes() && !wave.iter().all(is_member);
    if half_done || behaviour.discards_lost_node() {
        return None;
    }
    let mut checks = checks(behaviour, &ring(state, &wave));
    waive(&mut checks, controls.waive.as_ref(), &operation.id);
    checks.iter().any(Check::is_failing).then_some(checks)
}

/// The pods of the first wave that has not ended, or of all waves that begin at once.
fn next_wave(operation: &OperationStatus) -> Option<Vec<String>> {
    let ended = |pod: &String| {
        let mut nodes = operation.nodes.iter();
        nodes.any(|node| node.pod == *pod && node.phase.is_final())
    };
    let mut waves = operation.plan.iter().flat_map(|plan| &plan.waves);
    let kind = operation.kind.known();
    if kind.is_some_and(OperationKind::begins_together) {
        let open: Vec<String> = waves.flatten().filter(|pod| !ended(pod)).cloned().collect();
        return (!open.is_empty()).then_some(open);
    }
    waves.find(|wave| !wave.iter().all(ended)).cloned()
}

/// Marks the nodes of the first wave that has not ended as running; the interpreter begins with them.
pub(crate) fn begin_wave(operation: &mut OperationStatus, state: &ObservedState) {
    let steps = operation
        .plan
        .as_ref()
        .map(|plan| plan.steps.clone())
        .unwrap_or_default();
    let Some(wave) = next_wave(operation) else {
        return;
    };
    // Each attempt to leave hands ranges over, so a cleanup between two attempts does not count for the later one.
    if operation.kind == OperationKind::Decommission {
        operation.cleanup_generation = state.cleanup_generation();
    }
    for node in operation
        .nodes
        .iter_mut()
        .filter(|node| node.phase == NodePhase::Pending && wave.contains(&node.pod))
    {
        let next = steps.get(transitions::steps_done(node));
        node.phase = NodePhase::Running;
        node.step = next.cloned().unwrap_or_default();
        node.executor.clone_from(&state.executor);
        // The node that is given up stays the recorded one, also at a retry.
        if node.pod_uid.is_empty() || !operation.kind.discards_data() {
            node.pod_uid = state
                .pods
                .get(&node.pod)
                .map(|pod| pod.uid.clone())
                .unwrap_or_default();
        }
        node.container = state
            .pods
            .get(&node.pod)
            .map(|pod| pod.container.clone())
            .unwrap_or_default();
        // The steps of an earlier try are not repeated, so the first start counts.
        if operation.kind == OperationKind::Cleanup && node.started_at.is_none() {
            node.cleanup_generation = state.cleanup_generation();
        }
        node.started_at = node
            .started_at
            .clone()
            .or_else(|| Some(transitions::time(state.now)));
        node.attempts += 1;
    }
}

/// Retries the failed nodes, once for each time that the annotation is set.
pub(crate) fn retry(
    current: &OperationStatus,
    scope: Scope<'_>,
    busy: Option<&str>,
) -> Option<OperationStatus> {
    let asked = scope.controls.retry.as_deref() == Some(&current.id);
    if current.retried != asked && !asked {
        return Some(OperationStatus {
            retried: false,
            ..current.clone()
        });
    }
    let is_whole = current
        .omitted_nodes
        .as_ref()
        .is_none_or(|omitted| omitted.failed == 0);
    let may = current.phase == OperationPhase::Failed && is_whole;
    if !asked || current.retried || !may || busy.is_some() {
        return None;
    }
    let operation = OperationStatus {
        retried: true,
        ..current.clone()
    };
    Some(begin_retry(operation, scope))
}

/// Retries the failed nodes of an operation that the spec still asks for, some time after it failed, when its
/// checks pass.
pub(crate) fn auto_retry(
    current: &OperationStatus,
    scope: Scope<'_>,
    busy: Option<&str>,
) -> Option<OperationStatus> {
    let ended = current.finished_at.as_ref()?.0;
    // Far in the future is a time of another clock, which says nothing of the rest.
    let rest = scope.state.now.duration_since(ended);
    let rested = rest >= REST || rest < -REST;
    (rested && current.phase == OperationPhase::Failed && busy.is_none())
        .then(|| begin_retry(current.clone(), scope))
        .filter(|retried| !is_blocked_by_checks(retried))
}

fn begin_retry(mut operation: OperationStatus, scope: Scope<'_>) -> OperationStatus {
    operation.finished_at = None;
    for node in operation
        .nodes
        .iter_mut()
        .filter(|node| node.phase == NodePhase::Failed)
    {
        node.phase = NodePhase::Pending;
        node.error = None;
        node.finished_at = None;
    }
    operation.phase = OperationPhase::Running;
    start_next_wave(operation, scope)
}

fn skip_the_rest(operation: &mut OperationStatus) {
    operation.reason = Some(OperationReason::Cancelling);
    operation.blocked_by.clear();
    for node in operation
        .nodes
        .iter_mut()
        .filter(|node| node.phase == NodePhase::Pending)
    {
        node.phase = NodePhase::Skipped;
    }
}

fn finish(operation: OperationStatus, state: &ObservedState) -> OperationStatus {
    let (done, failed, skipped) = (
        operation.count(NodePhase::Succeeded),
        operation.count(NodePhase::Failed),
        operation.count(NodePhase::Skipped),
    );
    let total = operation.total();
    if failed > 0 {
        let first = operation
            .nodes
            .iter()
            .find(|node| node.phase == NodePhase::Failed);
        let why = first.map(|node| {
            format!(
                "{} at {}: {}",
                node.pod,
                node.step,
                node.error.as_deref().unwrap_or("no reason given")
            )
        });
        let message = format!(
            "{failed} of {} failed ({}); once the cause is corrected, retry them with the annotation {}: \"{}\"",
            counted(total, "node"),
            why.unwrap_or_default(),
            casskop_common::names::control_annotation(&operation.kind, "retry"),
            operation.id,
        );
        return transitions::end(
            operation,
            OperationPhase::Failed,
            OperationReason::NodesFailed,
            &message,
            state.now,
        );
    }
    if skipped > 0 {
        let message = format!("cancelled; done on {done} of {}", counted(total, "node"));
        return transitions::end(
            operation,
            OperationPhase::Cancelled,
            OperationReason::Cancelled,
            &message,
            state.now,
        );
    }
    let message = format!("done on {}", counted(total, "node"));
    transitions::end(
        operation,
        OperationPhase::Succeeded,
        OperationReason::Done,
        &message,
        state.now,
    )
}

fn summary(operation: &OperationStatus) -> String {
    let is_open = |node: &&OperationNode| !node.phase.is_final();
    let open = operation.nodes.iter().filter(is_open).count();
    let ended = operation.total() - open;
    let at_work: Vec<&str> = operation
        .nodes
        .iter()
        .filter(|node| node.phase == NodePhase::Running)
        .map(|node| node.pod.as_str())
        .collect();
    format!(
        "{ended} of {} ended; at work: {}",
        counted(operation.total(), "node"),
        at_work.join(", ")
    )
}
