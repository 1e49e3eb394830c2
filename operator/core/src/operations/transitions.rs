//! Events of a node, as the interpreter reports them, recorded in the status of its operation.

mod intents;

use casskop_common::{
    api::{
        BackupStatus, CassandraClusterStatus, NodeJob, NodePhase, OperationNode, OperationPhase,
        OperationReason, OperationStatus, Requester, Work,
    },
    operations::OperationKind,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use serde::Serialize;

use super::backup;

pub use intents::{Outdated, control, decide};

/// Finished operations in the history.
const HISTORY: usize = 20;
/// Most finished operations of schedules that the status keeps beside them.
const SCHEDULED: usize = 10;
/// Recorded ids of each kind that discards data: more than the requests in the life of a ring.
const SPENT: usize = 200;
/// Nodes that an operation of the history keeps: those that failed, so that the object stays small.
const REMEMBERED_NODES: usize = 20;

/// Said of a node whose step goes on after a cancel.
const CANNOT_STOP: &str =
    "cancelled: the Management API has no way to stop the step, which goes on to its end";

/// An operation before and after a decision.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// As it was when it was decided about; a status that moved on since is left alone.
    pub before: Option<OperationStatus>,
    /// As it becomes.
    pub after: OperationStatus,
}

/// Where an event happened: one step of one node of one operation, in the words of its executor. An event has no effect
/// unless the status stands exactly there, so that it may be applied any number of times, and by no other executor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepRef<'a> {
    /// Kind of the operation.
    pub kind: OperationKind,
    /// Id of the request.
    pub id: &'a str,
    /// Pod of the node.
    pub pod: &'a str,
    /// Process that works on the node.
    pub executor: &'a str,
    /// Index of the step in the plan.
    pub index: usize,
    /// Name of the step in the plan.
    pub step: &'a str,
}

/// Something that happened at a step of a node. Every outcome is absolute: nothing is added to what is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepEvent {
    /// The step is retried, as the attempt of this number, by an executor that takes the node over from `from`.
    Begun {
        /// Number of the attempt.
        attempt: i32,
        /// Executor that the status named when the call was decided.
        from: String,
    },
    /// This step and those after it are done, up to the one of this index, which is called already.
    StepsCompleted(usize),
    /// The step is done.
    Done,
    /// The step is done, and with it a backup is complete.
    BackedUp(Box<BackupStatus>),
    /// The step was not done this time and is retried.
    Retrying(String),
    /// The step is done, and with it these backups of a store are deleted.
    Purged {
        /// Name of the store.
        store: String,
        /// The place that the store was at.
        location: String,
        /// Ids of the backups.
        deleted: Vec<String>,
    },
    /// The step waits for this, or follows it; a cancel is carried out by the executor.
    Waits(String),
    /// The node has a job for the step; recorded before the job is waited for.
    JobBegun(NodeJob),
    /// The job of the node has ended without success, so that nobody waits for it again.
    JobFailed,
    /// The operation is cancelled, and the node has no way to stop the step: it goes on to its end.
    CannotStop,
    /// The node reports its progress.
    Works(Work),
    /// The step was ended by a cancel.
    Stopped,
    /// The step failed for good.
    Failed(String),
}

impl StepEvent {
    /// Whether the step at hand is done with it, and the next one is at hand.
    pub fn ends_step(&self) -> bool {
        matches!(self, Self::Done | Self::BackedUp(_) | Self::Purged { .. })
    }
}

/// Whether an operation is to end before its nodes are done.
pub fn is_cancelled(status: &CassandraClusterStatus, kind: OperationKind, id: &str) -> bool {
    let mut operations = status.operations.iter();
    operations.any(|operation| {
        operation.kind == kind
            && operation.id == id
            && operation.reason == Some(OperationReason::Cancelling)
    })
}

/// Writes an event into the status. Says whether the executor goes on with the step that comes after the event: an event
/// that is recorded already answers as it did the first time, and one of a step that the status does not stand at, or of
/// an executor that the node was taken from, is without effect.
pub fn record(
    status: &mut CassandraClusterStatus,
    at: StepRef<'_>,
    event: &StepEvent,
    now: Timestamp,
) -> bool {
    let Some(operation) = status
        .operations
        .iter_mut()
        .find(|operation| operation.kind == at.kind && operation.id == at.id)
    else {
        return false;
    };
    // An operation that discards data is not left half done: with a node without its data, or a volume of a node that is
    // no member.
    let cancelling =
        operation.reason == Some(OperationReason::Cancelling) && !at.kind.discards_data();
    // Nor is a drained node left as it is, or a snapshot.
    let stops_between_steps = cancelling && !at.kind.ends_its_node();
    let steps = operation
        .plan
        .as_ref()
        .map(|plan| plan.steps.clone())
        .unwrap_or_default();
    let Some(node) = operation.nodes.iter_mut().find(|node| node.pod == at.pod) else {
        return false;
    };
    let takes_over = matches!(event, StepEvent::Begun { from, .. } if *from == node.executor);
    if node.phase != NodePhase::Running || (node.executor != at.executor && !takes_over) {
        return false;
    }
    if !stands_at(node, &steps, at) {
        return is_recorded(node, &steps, at, event);
    }
    match event {
        StepEvent::Begun { attempt, .. } => {
            node.attempts = *attempt;
            at.executor.clone_into(&mut node.executor);
        }
        StepEvent::JobBegun(job) => node.job = Some(job.clone()),
        StepEvent::JobFailed => node.job = None,
        StepEvent::CannotStop => node.error = Some(CANNOT_STOP.to_owned()),
        StepEvent::Works(work) => node.work = Some(work.clone()),
        StepEvent::Waits(what) => node.error = Some(what.clone()),
        StepEvent::Stopped => end_node(node, NodePhase::Skipped, now),
        StepEvent::Retrying(error) => {
            node.error = Some(error.clone());
            // The executor looks, and ends the node when that is cleaned up.
            if cancelling && !at.kind.cleans_up() {
                end_node(node, NodePhase::Skipped, now);
            }
        }
        StepEvent::Failed(error) => {
            node.error = Some(error.clone());
            end_node(node, NodePhase::Failed, now);
        }
        StepEvent::StepsCompleted(next) if *next <= at.index || *next >= steps.len() => {}
        StepEvent::StepsCompleted(next) => go_to(node, &steps, *next, false, now),
        StepEvent::Done | StepEvent::BackedUp(_) | StepEvent::Purged { .. } => {
            go_to(node, &steps, at.index + 1, stops_between_steps, now);
        }
    }
    let goes_on = node.phase == NodePhase::Running;
    match event {
        StepEvent::BackedUp(backup) => backup::keep(status, backup),
        StepEvent::Purged {
            store,
            location,
            deleted,
        } => backup::forget(status, (store, location), deleted),
        _ => {}
    }
    goes_on
}

/// Steps of a node that are done.
pub fn steps_done(node: &OperationNode) -> usize {
    let done = node.progress.as_ref().map_or(0, |progress| progress.done);
    usize::try_from(done).unwrap_or(0)
}

/// Whether the next step of a node is this one. A plan of another version of the operator may have other steps.
fn stands_at(node: &OperationNode, steps: &[String], at: StepRef<'_>) -> bool {
    let is_planned = steps.get(at.index).is_some_and(|step| step == at.step);
    is_planned && steps_done(node) == at.index && node.step == at.step
}

/// Whether a node stands where the event has brought it before.
fn is_recorded(node: &OperationNode, steps: &[String], at: StepRef<'_>, event: &StepEvent) -> bool {
    let next = match event {
        StepEvent::StepsCompleted(next) => *next,
        event if event.ends_step() => at.index + 1,
        _ => return false,
    };
    let is_planned = steps.get(at.index).is_some_and(|step| step == at.step);
    is_planned && next > at.index && steps_done(node) == next
}

/// The step at hand of a node is done, as its peers see.
pub(crate) fn step_done(node: &mut OperationNode, steps: &[String], now: Timestamp) {
    let next = steps_done(node) + 1;
    go_to(node, steps, next, false, now);
}

/// All steps before `next` are done: that one begins, or the node has ended.
fn go_to(node: &mut OperationNode, steps: &[String], next: usize, ends_here: bool, now: Timestamp) {
    node.error = None;
    node.work = None;
    node.job = None;
    let progress = node.progress.get_or_insert_default();
    progress.done = i64::try_from(next).unwrap_or(i64::MAX);
    match steps.get(next) {
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

/// Ends the work on a node.
pub(crate) fn end_node(node: &mut OperationNode, phase: NodePhase, now: Timestamp) {
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

/// Writes the rest of a status that was computed from `observed`. Without effect, and false, if another operator has
/// reported since: its records, such as a cleanup that a node owes, would be lost.
pub fn report(
    status: &mut CassandraClusterStatus,
    observed: Option<&CassandraClusterStatus>,
    wanted: &CassandraClusterStatus,
) -> bool {
    let with_operations = |reported: &CassandraClusterStatus| CassandraClusterStatus {
        operations: status.operations.clone(),
        operation_history: status.operation_history.clone(),
        used_request_ids: status.used_request_ids.clone(),
        last_rack_write: status.last_rack_write.clone(),
        backups: status.backups.clone(),
        ..reported.clone()
    };
    let wanted = with_operations(wanted);
    let is_as_observed = *status == with_operations(&observed.cloned().unwrap_or_default());
    if !is_as_observed && *status != wanted {
        return false;
    }
    *status = wanted;
    true
}

/// Replaces the operation of its kind by `newer`; one that ended is recorded in the history, without its bulk.
pub fn archive(status: &mut CassandraClusterStatus, newer: OperationStatus) {
    let index = status
        .operations
        .iter()
        .position(|operation| operation.kind == newer.kind);
    let Some(index) = index else {
        status.operations.push(newer);
        return;
    };
    let older = std::mem::replace(&mut status.operations[index], newer);
    if older.id == status.operations[index].id {
        return;
    }
    if older.kind.discards_data() {
        let ids = status
            .used_request_ids
            .entry(older.kind.as_str().to_owned())
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

/// Forgets the oldest: those of schedules apart, so that a schedule does not make the others forgotten. Never the last one of a kind that was asked for by annotation: it may stand there still, and
/// would run again.
fn forget(history: &mut Vec<OperationStatus>) {
    let is_scheduled = |old: &OperationStatus| old.requested_by == Some(Requester::Schedule);
    for (scheduled, most) in [(true, SCHEDULED), (false, HISTORY)] {
        let of_these = |old: &OperationStatus| is_scheduled(old) == scheduled;
        let mut surplus = history
            .iter()
            .filter(|old| of_these(old))
            .count()
            .saturating_sub(most);
        let mut index = history.len();
        while surplus > 0 && index > 0 {
            index -= 1;
            if of_these(&history[index]) && !is_last_asked(history, index) {
                history.remove(index);
                surplus -= 1;
            }
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
