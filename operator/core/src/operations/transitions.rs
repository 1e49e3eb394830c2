//! What the interpreter tells about a node, written into the status of its operation.

use casskop_common::{
    api::{
        CassandraClusterStatus, NodePhase, OperationNode, OperationPhase, OperationReason,
        OperationStatus, Work,
    },
    operations::{RESTART, discards_data},
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

/// Finished operations that are remembered.
const HISTORY: usize = 20;
/// Ids that are remembered of each kind that discards data: more than anybody asks for in the life of a ring.
const SPENT: usize = 200;
/// Nodes that a remembered operation keeps: those that failed, so that the object stays small.
const REMEMBERED_NODES: usize = 20;

/// Something that happened on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepEvent {
    /// The step at hand is called (again).
    Begun,
    /// So many steps were done before the one at hand, which is called already.
    StepsCompleted(usize),
    /// The step at hand is done.
    Done,
    /// The step at hand was not done this time and is tried again.
    Retrying(String),
    /// The node tells how far it is.
    Works(Work),
    /// The step at hand was ended by a cancel.
    Stopped,
    /// The step at hand failed for good.
    Failed(String),
}

/// Whether an operation is to end before its nodes are done.
pub fn is_cancelled(status: &CassandraClusterStatus, kind: &str, id: &str) -> bool {
    let mut operations = status.operations.iter();
    operations.any(|operation| {
        operation.kind == kind
            && operation.id == id
            && operation.reason == Some(OperationReason::Cancelling)
    })
}

/// Writes an event into the status. Says whether the node goes on with its next step.
pub fn record(
    status: &mut CassandraClusterStatus,
    (kind, id, pod): (&str, &str, &str),
    event: &StepEvent,
    now: Timestamp,
) -> bool {
    let Some(operation) = status
        .operations
        .iter_mut()
        .find(|operation| operation.kind == kind && operation.id == id)
    else {
        return false;
    };
    // What discards data is not left half done: a node without its data, or a volume of a node that is no member.
    let cancelling = operation.reason == Some(OperationReason::Cancelling) && !discards_data(kind);
    // Nor is a drained node left as it is: it serves nobody until it is restarted.
    let stops_between_steps = cancelling && kind != RESTART;
    let steps = operation
        .plan
        .as_ref()
        .map(|plan| plan.steps.clone())
        .unwrap_or_default();
    let Some(node) = operation.nodes.iter_mut().find(|node| node.pod == pod) else {
        return false;
    };
    if node.phase != NodePhase::Running {
        return false;
    }
    match event {
        StepEvent::Begun => node.attempts += 1,
        StepEvent::Works(work) => node.work = Some(work.clone()),
        StepEvent::Stopped => end_node(node, NodePhase::Skipped, now),
        StepEvent::Retrying(error) => {
            node.error = Some(error.clone());
            if cancelling {
                end_node(node, NodePhase::Skipped, now);
            }
        }
        StepEvent::Failed(error) => {
            node.error = Some(error.clone());
            end_node(node, NodePhase::Failed, now);
        }
        StepEvent::StepsCompleted(passed) => {
            for _ in 0..*passed {
                step_done(node, &steps, false, now);
            }
        }
        StepEvent::Done => step_done(node, &steps, stops_between_steps, now),
    }
    node.phase == NodePhase::Running
}

/// A step of a node is done: the next one begins, or the node has ended.
pub(crate) fn step_done(
    node: &mut OperationNode,
    steps: &[String],
    ends_here: bool,
    now: Timestamp,
) {
    node.error = None;
    node.work = None;
    let progress = node.progress.get_or_insert_default();
    progress.done += 1;
    let next = usize::try_from(progress.done)
        .ok()
        .and_then(|done| steps.get(done));
    match next {
        None => {
            node.step.clear();
            end_node(node, NodePhase::Succeeded, now);
        }
        Some(_) if ends_here => end_node(node, NodePhase::Skipped, now),
        Some(step) => {
            node.step.clone_from(step);
            // The next step is called right after this is written.
            node.attempts = 1;
        }
    }
}

fn end_node(node: &mut OperationNode, phase: NodePhase, now: Timestamp) {
    node.phase = phase;
    node.work = None;
    node.finished_at = Some(time(now));
}

/// Ends an operation.
pub(crate) fn end(
    mut operation: OperationStatus,
    phase: OperationPhase,
    reason: OperationReason,
    message: &str,
    now: Timestamp,
) -> OperationStatus {
    operation.phase = phase;
    operation.reason = Some(reason);
    operation.blocked_by.clear();
    message.clone_into(&mut operation.message);
    operation.finished_at = Some(time(now));
    operation
}

/// Takes over a pause or a cancel that was decided about an operation whose nodes have gone on since.
pub fn control(status: &mut CassandraClusterStatus, decided: &OperationStatus) {
    let current = status
        .operations
        .iter_mut()
        .find(|current| current.kind == decided.kind && current.id == decided.id);
    let Some(current) = current.filter(|current| !current.phase.is_final()) else {
        return;
    };
    let is_control = matches!(
        decided.reason,
        Some(OperationReason::Cancelling | OperationReason::Paused)
    );
    if decided.phase.is_final() || !is_control {
        return;
    }
    current.phase = decided.phase;
    current.reason.clone_from(&decided.reason);
    current.message.clone_from(&decided.message);
    for node in current
        .nodes
        .iter_mut()
        .filter(|node| node.phase == NodePhase::Pending)
    {
        let skipped = decided
            .nodes
            .iter()
            .any(|other| other.pod == node.pod && other.phase == NodePhase::Skipped);
        if skipped {
            node.phase = NodePhase::Skipped;
        }
    }
}

/// Puts `newer` in the place of the operation of its kind; one that ended is remembered, without its bulk.
pub fn archive(status: &mut CassandraClusterStatus, newer: OperationStatus) {
    let place = status
        .operations
        .iter()
        .position(|operation| operation.kind == newer.kind);
    let Some(place) = place else {
        status.operations.push(newer);
        return;
    };
    let older = std::mem::replace(&mut status.operations[place], newer);
    if older.id == status.operations[place].id {
        return;
    }
    if discards_data(&older.kind) {
        let ids = status
            .used_request_ids
            .entry(older.kind.clone())
            .or_default();
        ids.insert(0, older.id.clone());
        ids.truncate(SPENT);
    }
    let failed = |node: &OperationNode| node.phase == NodePhase::Failed;
    let nodes = older
        .nodes
        .iter()
        .filter(|node| failed(node))
        .take(REMEMBERED_NODES)
        .cloned()
        .collect();
    status.operation_history.insert(
        0,
        OperationStatus {
            nodes,
            plan: None,
            checks: Vec::new(),
            ..older
        },
    );
    forget(&mut status.operation_history);
}

/// Forgets the oldest, but never the last one of a kind that was asked for by annotation: it may stand there still, and
/// would run again.
fn forget(history: &mut Vec<OperationStatus>) {
    let mut index = history.len();
    while history.len() > HISTORY && index > 0 {
        index -= 1;
        if !is_last_asked(history, index) {
            history.remove(index);
        }
    }
}

/// Whether an operation of the history is the last one of its kind that was asked for by annotation.
pub(crate) fn is_last_asked(history: &[OperationStatus], index: usize) -> bool {
    let this = &history[index];
    let asked = |old: &OperationStatus| old.kind == this.kind && old.requested_by.is_none();
    asked(this) && !history[..index].iter().any(asked)
}

/// A moment as it stands in the status.
pub(crate) fn time(at: Timestamp) -> MicroTime {
    MicroTime(at)
}
