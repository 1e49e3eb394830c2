//! What happens to the requested operations now: which is recorded, planned, begun, continued, ended. One at a time
//! on a cluster, in the order of the kinds; none begins while a rack changes.

mod kind;
mod own;
mod plan;
mod progress;
mod record;
mod targets;

use casskop_common::{
    api::{OperationPhase, OperationStatus},
    intent::Invalid,
    names,
    operations::{Arguments, DECOMMISSION, kinds},
};
use serde::Serialize;

use super::{super::snapshot::Snapshot, rollout::Rollout};
use crate::operations::{behaviour, quorum_kept};

use kind::Kind;
pub use own::{asks_for_restart, restart_id, spec_restart, what_keeps_from_leaving};
pub use plan::told;
use progress::has_node_at_work;
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

/// Operations that nodes are working on, and that do not wait for what would mend the ring.
pub fn at_work(snapshot: &Snapshot) -> impl Iterator<Item = &OperationStatus> {
    let operations = snapshot.operations();
    operations.filter(|operation| has_begun(operation) && !waits_for_ring(operation))
}

/// Whether an operation has begun and not ended: a paused one as long as a node is still at work.
pub fn has_begun(operation: &OperationStatus) -> bool {
    operation.phase == OperationPhase::Running
        || (operation.phase == OperationPhase::Paused && has_node_at_work(operation))
}

/// Whether its checks keep an operation from its next nodes.
fn waits_for_ring(operation: &OperationStatus) -> bool {
    progress::is_kept(operation) && !has_node_at_work(operation)
}

/// Decides about all operations.
pub fn decide(snapshot: &Snapshot, rollout: &Rollout) -> Decision {
    let mut decision = Decision::default();
    let mut queue = Queue {
        snapshot,
        rollout,
        busy: why_none_begins(snapshot, rollout),
        begun: Vec::new(),
    };
    for name in kinds() {
        let own = own::request(name, snapshot, rollout);
        let kind = Kind::of(name, own.as_ref(), snapshot);
        let busy = queue.why_waits(&kind);
        decision.complaints.extend(kind.complaint());
        let Some(after) = kind.next(busy.as_deref()) else {
            continue;
        };
        decision.complaints.extend(kind.unknown_check(&after));
        decision.starts.extend(progress::starts(&after, snapshot));
        queue.saw(&after);
        if kind.current != Some(&after) {
            decision.changes.push(Change {
                before: kind.current.cloned(),
                after: after.clone(),
            });
        }
        decision.current.push(after);
    }
    decision
}

/// Who waits for whom.
struct Queue<'a> {
    snapshot: &'a Snapshot,
    rollout: &'a Rollout,
    /// Why a kind like any other does not begin, whatever else is under way.
    busy: Option<String>,
    /// What has begun, of the kinds before.
    begun: Vec<OperationStatus>,
}

impl Queue<'_> {
    /// Why an operation of the kind does not begin or go on.
    fn why_waits(&self, kind: &Kind<'_>) -> Option<String> {
        // What the rollout itself needs does not wait for the rollout; nor does what mends the ring wait for racks that
        // wait for the ring.
        let needed = kind.by.is_some() && kind.name == DECOMMISSION;
        let goes_first = needed || (self.rollout.is_idle() && kind.mends());
        let busy = if goes_first {
            why_nothing_begins(self.snapshot)
        } else {
            self.busy.clone()
        };
        let mut others = self
            .snapshot
            .operations()
            .filter(|other| has_begun(other))
            .chain(&self.begun)
            .filter(|other| other.kind != kind.name)
            .filter(|other| !goes_first || !waits_for_ring(other));
        busy.or_else(|| others.next().map(waits_for))
    }

    /// What begins now keeps the kinds after it waiting.
    fn saw(&mut self, operation: &OperationStatus) {
        if has_begun(operation) {
            self.begun.push(operation.clone());
        }
    }
}

/// Whether every keyspace keeps a quorum while these pods are away.
pub fn keep_quorum_without(pods: &[String], snapshot: &Snapshot) -> bool {
    quorum_kept(&plan::ring(snapshot, pods)).passed
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
