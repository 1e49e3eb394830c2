//! What happens to the requested operations now: which is recorded, planned, begun, continued, ended. One at a time
//! on a cluster, in the order of the kinds; none begins while a rack changes.

mod internal_requests;
mod plan;
mod progress;
pub(crate) mod request_state;
mod targets;

use casskop_common::{
    api::OperationStatus,
    intent::Invalid,
    operations::{Arguments, DECOMMISSION, kinds},
};
use serde::Serialize;

pub use crate::operations::transitions::Change;
use crate::{
    observed::ObservedState,
    operations::{
        behaviour,
        recorded::{has_begun, pause_reason, waits_for, waits_for_ring},
    },
    rollout::Rollout,
};
use request_state::RequestState;

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
    pub rejections: Vec<Invalid>,
}

impl Decision {
    /// Whether an operation that changes, or goes on, takes nodes away from clients.
    pub fn is_disruptive(&self) -> bool {
        let moves = |operation: &&OperationStatus| {
            let changes = self
                .changes
                .iter()
                .any(|change| change.after == **operation);
            changes || self.starts.iter().any(|start| start.kind == operation.kind)
        };
        let takes_away = |operation: &OperationStatus| {
            let known = Arguments::recorded(&operation.kind, &operation.arguments);
            known.is_some_and(|known| behaviour(&known.operation).is_disruptive())
        };
        self.current.iter().filter(moves).any(takes_away)
    }
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
    /// Index of the step at hand, as the decision saw it.
    pub index: usize,
    /// Attempts at the step, as the decision saw them.
    pub attempts: i32,
    /// Executor of the node, as the decision saw it; another one that takes the node over records that first.
    pub executor: String,
}

/// Decides about all operations.
pub fn decide(state: &ObservedState, rollout: &Rollout) -> Decision {
    let mut decision = Decision::default();
    let mut queue = Queue {
        state,
        rollout,
        busy: no_start_reason(state, rollout),
        begun: Vec::new(),
    };
    for name in kinds() {
        let own = internal_requests::request(name, state, rollout);
        let kind = RequestState::of(name, own.as_ref(), state);
        let busy = queue.wait_reason(&kind);
        decision.rejections.extend(kind.rejection());
        let Some(after) = kind.next(busy.as_deref()) else {
            continue;
        };
        decision.rejections.extend(kind.unknown_check(&after));
        decision.starts.extend(progress::starts(&after, state));
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
    state: &'a ObservedState,
    rollout: &'a Rollout,
    /// Why a kind like any other does not begin, whatever else is under way.
    busy: Option<String>,
    /// What has begun, of the kinds before.
    begun: Vec<OperationStatus>,
}

impl Queue<'_> {
    /// Why an operation of the kind does not begin or go on.
    fn wait_reason(&self, kind: &RequestState<'_>) -> Option<String> {
        // What the rollout itself needs does not wait for the rollout; nor does what mends the ring wait for racks that
        // wait for the ring.
        let needed = kind.by.is_some() && kind.name == DECOMMISSION;
        let goes_first = needed || (self.rollout.is_idle() && kind.repairs_ring());
        let busy = if let Some(fence) = &self.rollout.fence {
            Some(format!("waits for StatefulSet {}", fence.set))
        } else if goes_first {
            pause_reason(self.state)
        } else {
            self.busy.clone()
        };
        let mut others = self
            .state
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

/// Why no requested operation begins now, whatever it is.
fn no_start_reason(state: &ObservedState, rollout: &Rollout) -> Option<String> {
    if let Some(why) = pause_reason(state) {
        return Some(why);
    }
    if !rollout.formed {
        return Some("waits for the ring to form".into());
    }
    let action = rollout.action.filter(|_| rollout.blocked.is_none())?;
    let what = rollout.waiting_for.as_deref().unwrap_or("the racks");
    Some(format!("waits for {action} to end ({what})"))
}
