//! What happens to the requested operations now: which is recorded, planned, begun, continued, ended. One at a time
//! on a cluster, in the order of the kinds; none begins while a rack changes.

mod own;
mod plan;
mod progress;
mod record;

use std::collections::BTreeMap;

use casskop_common::{
    api::{NodePhase, OperationPhase, OperationStatus},
    intent::{Controls, Invalid, Request},
    names,
    operations::{Arguments, DECOMMISSION, kinds},
};
use serde::Serialize;

use super::{super::snapshot::Snapshot, rollout::Rollout};
use crate::operations::behaviour;

pub use own::{asks_for_restart, restart_id, what_keeps_from_leaving};
pub use record::{StepEvent, archive, control, is_cancelled, record};

/// What happens to the operations of a cluster now.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// Operations that change.
    pub changes: Vec<Change>,
    /// Nodes to begin with.
    pub starts: Vec<Start>,
    /// The newest operation of each kind, as it will be.
    pub current: Vec<OperationStatus>,
    /// Annotations that cannot be carried out.
    pub complaints: Vec<Invalid>,
}

impl Decision {
    /// Whether an operation that changes, or goes on, takes nodes away from clients.
    pub fn takes_nodes_away(&self) -> bool {
        let moves = |operation: &&OperationStatus| {
            let changes = self
                .changes
                .iter()
                .any(|change| change.after == **operation);
            changes || self.starts.iter().any(|start| start.kind == operation.kind)
        };
        let takes_away = |operation: &OperationStatus| {
            let known = Arguments::recorded(&operation.kind, &operation.arguments);
            known.is_some_and(|known| behaviour(&known.operation).takes_nodes_away())
        };
        self.current.iter().filter(moves).any(takes_away)
    }
}

/// An operation before and after.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// As it was when it was decided about; a status that moved on since is left alone.
    pub before: Option<OperationStatus>,
    /// As it becomes.
    pub after: OperationStatus,
}

/// A node to begin with, or to go on with after a restart of the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Start {
    /// Kind of the operation.
    pub kind: String,
    /// Id of the request.
    pub id: String,
    /// Pod of the node.
    pub pod: String,
    /// Whether the step at hand may have been begun already, by an operator that is gone.
    pub resume: bool,
}

/// The operation that nodes are working on.
pub fn running(snapshot: &Snapshot) -> Option<&OperationStatus> {
    snapshot.operations().find(|operation| has_begun(operation))
}

/// Whether an operation has begun and not ended: a paused one as long as a node is still at work.
fn has_begun(operation: &OperationStatus) -> bool {
    let at_work = operation
        .nodes
        .iter()
        .any(|node| node.phase == NodePhase::Running);
    operation.phase == OperationPhase::Running
        || (operation.phase == OperationPhase::Paused && at_work)
}

/// Decides about all operations.
pub fn decide(snapshot: &Snapshot, rollout: &Rollout) -> Decision {
    let status = snapshot.cluster.status.clone().unwrap_or_default();
    let known: BTreeMap<&str, &OperationStatus> = status
        .operations
        .iter()
        .map(|operation| (operation.kind.as_str(), operation))
        .collect();
    let mut decision = Decision::default();
    let mut busy = why_none_begins(snapshot, rollout);
    if busy.is_none() {
        busy = running(snapshot).map(waits_for);
    }
    // What has begun just now.
    let mut begun: Option<String> = None;
    for kind in kinds() {
        let own = own::request(&kind, snapshot, rollout);
        let request = own
            .as_ref()
            .map(|own| &own.request)
            .or_else(|| snapshot.intents.requests.get(&kind));
        let controls = snapshot
            .intents
            .controls
            .get(&kind)
            .cloned()
            .unwrap_or_default();
        let current = known.get(kind.as_str()).copied();
        let finished = status
            .operation_history
            .iter()
            .find(|old| old.kind == kind && request.is_some_and(|request| request.id == old.id));
        // What the rollout itself needs does not wait for the rollout.
        let others = running(snapshot).filter(|running| running.kind != kind);
        let alone = || {
            let others = others.map(waits_for).or_else(|| begun.clone());
            why_nothing_begins(snapshot).or(others)
        };
        // Nor does what mends the ring wait for racks that wait for the ring.
        let heals = request.is_some_and(|request| {
            rollout.is_idle() && behaviour(&request.arguments.operation).heals()
        });
        let busy_for = if heals || (own.is_some() && kind == DECOMMISSION) {
            alone()
        } else {
            busy.clone()
        };
        // What the spec asks for may be called off before it begins, and asked for again.
        let finished = finished.filter(|old| own.is_none() || old.started_at.is_some());
        let context = Context {
            snapshot,
            request,
            by: own.as_ref().map(|own| own.by),
            controls: &controls,
            busy: busy_for.as_deref(),
        };
        let asked_last = current
            .into_iter()
            .chain(&status.operation_history)
            .find(|old| old.kind == kind && old.requested_by.is_none());
        let is_asked_last =
            |old: &OperationStatus| asked_last.is_some_and(|last| last.id == old.id);
        let is_spent = current
            .is_none_or(|current| request.is_none_or(|request| request.id != current.id))
            && request.is_some_and(|request| {
                let spent = status.spent_ids.get(&kind);
                spent.is_some_and(|ids| ids.contains(&request.id))
            });
        if let (true, None, Some(request)) = (is_spent, finished, request) {
            decision.complaints.push(spent(request));
        }
        let may_admit = finished.is_none() && !is_spent;
        // What stands since before an operation of our own is no new request.
        if let (Some(old), Some(request), None) =
            (finished.filter(|old| !is_asked_last(old)), request, &own)
        {
            decision.complaints.push(already_done(old, request));
        }
        let after = match current {
            Some(current) => context.advance(current, may_admit),
            None => request
                .filter(|_| may_admit)
                .map(|request| context.admit(request)),
        };
        let Some(after) = after.or_else(|| current.cloned()) else {
            continue;
        };
        decision.starts.extend(progress::starts(&after, snapshot));
        // What begins now keeps the kinds after it waiting.
        if has_begun(&after) {
            begun.get_or_insert_with(|| waits_for(&after));
            busy.get_or_insert_with(|| waits_for(&after));
        }
        if current != Some(&after) {
            decision.changes.push(Change {
                before: current.cloned(),
                after: after.clone(),
            });
        }
        decision.current.push(after);
    }
    decision
}

/// What waits for an operation says so.
pub fn waits_for(operation: &OperationStatus) -> String {
    format!("waits for {} {} to end", operation.kind, operation.id)
}

/// Why nothing at all begins now.
pub fn why_nothing_begins(snapshot: &Snapshot) -> Option<String> {
    let paused = snapshot.intents.reconcile_paused;
    paused.then(|| format!("paused by the annotation {}", names::RECONCILE))
}

/// Why no requested operation begins now, whatever it is.
fn why_none_begins(snapshot: &Snapshot, rollout: &Rollout) -> Option<String> {
    if let Some(why) = why_nothing_begins(snapshot) {
        return Some(why);
    }
    if !rollout.formed {
        return Some("waits for the ring to form".into());
    }
    let action = rollout.action.filter(|_| rollout.blocked.is_none())?;
    let what = rollout.waiting_for.as_deref().unwrap_or("the racks");
    Some(format!("waits for {action} to end ({what})"))
}

fn already_done(old: &OperationStatus, request: &Request) -> Invalid {
    Invalid {
        annotation: names::request_annotation(&request.kind),
        message: format!(
            "{} {} already ended ({}) and is not run again: request with a new id",
            old.kind,
            old.id,
            old.phase.as_str()
        ),
    }
}

fn spent(request: &Request) -> Invalid {
    Invalid {
        annotation: names::request_annotation(&request.kind),
        message: format!(
            "{} {} ran before and is not run again: request with a new id",
            request.kind, request.id
        ),
    }
}

/// What there is to decide about one kind.
struct Context<'a> {
    snapshot: &'a Snapshot,
    request: Option<&'a Request>,
    /// Who asks, if not an annotation.
    by: Option<&'static str>,
    controls: &'a Controls,
    busy: Option<&'a str>,
}

impl Context<'_> {
    /// Where an operation goes from here; nothing if it stays.
    fn advance(&self, current: &OperationStatus, may_admit: bool) -> Option<OperationStatus> {
        let asked = self.request.filter(|request| request.id == current.id);
        if current.phase == OperationPhase::Pending {
            return Some(match (asked, self.request) {
                (Some(request), _) => self.begin(request, current.clone()),
                (None, newer) => withdrawn(current, newer, self.snapshot),
            });
        }
        if !current.phase.is_final() {
            return Some(progress::advance(
                current,
                self.controls,
                self.busy,
                self.snapshot,
            ));
        }
        if self.by.is_some()
            && let Some(again) =
                asked.and_then(|_| progress::again(current, self.busy, self.snapshot))
        {
            return Some(again);
        }
        if let Some(retried) = progress::retry(current, self.controls, self.busy, self.snapshot) {
            return Some(retried);
        }
        let called_off = self.by.is_some() && current.started_at.is_none();
        let newer = self
            .request
            .filter(|request| (request.id != current.id || called_off) && may_admit)?;
        Some(self.admit(newer))
    }

    /// Records a request that is new.
    fn admit(&self, request: &Request) -> OperationStatus {
        let operation = OperationStatus {
            kind: request.kind.clone(),
            id: request.id.clone(),
            arguments: request.arguments.text.clone(),
            requested_by: self.by.map(str::to_owned),
            phase: OperationPhase::Pending,
            requested_at: Some(record::time(self.snapshot.now)),
            ..OperationStatus::default()
        };
        self.begin(request, operation)
    }

    /// Plans a recorded request and begins with it, or says what it waits for.
    fn begin(&self, request: &Request, mut operation: OperationStatus) -> OperationStatus {
        // They may have been edited while the request waited.
        operation.arguments.clone_from(&request.arguments.text);
        let quoted = |id: &Option<String>| id.as_deref() == Some(&operation.id);
        if quoted(&self.controls.cancel) {
            return record::end(
                operation,
                OperationPhase::Cancelled,
                "Cancelled",
                "cancelled before it began",
                self.snapshot.now,
            );
        }
        let paused = quoted(&self.controls.pause).then(|| "paused before it began".to_owned());
        let waits = paused.or_else(|| {
            self.busy
                .filter(|_| !request.is_dry_run())
                .map(str::to_owned)
        });
        if let Some(message) = waits {
            "Waiting".clone_into(&mut operation.reason);
            operation.message = message;
            return operation;
        }
        plan::plan(request, operation, self.controls, self.snapshot)
    }
}

fn withdrawn(
    current: &OperationStatus,
    newer: Option<&Request>,
    snapshot: &Snapshot,
) -> OperationStatus {
    let message = match newer {
        Some(newer) => format!("replaced by {} before it began", newer.id),
        None => "its annotation was removed or became invalid before it began".into(),
    };
    record::end(
        current.clone(),
        OperationPhase::Withdrawn,
        "Withdrawn",
        &message,
        snapshot.now,
    )
}
