//! The next transitions of the requested operations: which is recorded, planned, begun, continued, ended. One at a time
//! on a cluster, in the order of the kinds; none begins while a rack changes.

mod internal_requests;
mod plan;
mod progress;
pub(crate) mod request_state;
mod starts;
pub(crate) mod targets;

pub use crate::operations::transitions::Change;
use crate::{
    observed::ObservedState,
    operations::{
        behaviour,
        recorded::{has_begun, pause_reason, waits_for, waits_for_ring},
    },
    rollout::Rollout,
};
use casskop_common::{
    api::{OperationPhase, OperationReason, OperationStatus},
    conditions::Action,
    intent::Invalid,
    operations::OperationKind,
};
use request_state::RequestState;
pub use starts::{Start, Step};

/// The next transitions of the operations of a cluster.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// Operations that change.
    pub changes: Vec<Change>,
    /// Nodes to begin with.
    pub starts: Vec<Start>,
    /// The newest operation of each kind, as it will be.
    pub current: Vec<OperationStatus>,
    /// Whether an operation that changes, or goes on, takes nodes away from clients.
    pub is_disruptive: bool,
    /// Annotations that cannot be carried out.
    pub rejections: Vec<Invalid>,
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
    for kind in OperationKind::ALL {
        let own = internal_requests::request(kind, state, rollout);
        let kind = RequestState::of(kind, own.as_ref(), state);
        let busy = queue.wait_reason(&kind);
        decision.rejections.extend(kind.rejection());
        let Some(after) = kind.next(busy.as_deref()) else {
            continue;
        };
        decision.rejections.extend(kind.unknown_check(&after));
        let arguments = kind.arguments(&after);
        let starts = arguments.map(|arguments| starts::starts(&after, arguments, state));
        let starts = starts.unwrap_or_default();
        queue.add(&after);
        let changes = kind.current != Some(&after);
        if changes || !starts.is_empty() {
            decision.is_disruptive |=
                arguments.is_some_and(|arguments| behaviour(&arguments.operation).is_disruptive());
        }
        decision.starts.extend(starts);
        if changes {
            decision.changes.push(Change {
                before: kind.current.cloned(),
                after: after.clone(),
            });
        }
        decision.current.push(after);
    }
    decision
}

/// The order of the operations: which one waits for which.
struct Queue<'a> {
    state: &'a ObservedState,
    rollout: &'a Rollout,
    /// Why a kind without precedence does not begin, apart from other operations.
    busy: Option<String>,
    /// Operations of the previous kinds that have begun.
    begun: Vec<OperationStatus>,
}

impl Queue<'_> {
    /// Why an operation of the kind does not begin or go on.
    fn wait_reason(&self, kind: &RequestState<'_>) -> Option<String> {
        // An operation that the rollout itself needs does not wait for the rollout; nor does one that repairs the ring wait
        // for racks that wait for the ring.
        let needed = kind.by.is_some() && kind.kind == OperationKind::Decommission;
        // Storage may grow a file system only when the pod starts.
        let grows = self.rollout.action == Some(Action::StorageUpsize)
            && kind.kind == OperationKind::Restart;
        // The next step waits for these nodes, and would wait for ever if they waited for it.
        let mends = self.rollout.next_mode.is_some() && kind.restarts_sick_nodes();
        let goes_first =
            needed || (self.rollout.is_idle() && (kind.repairs_ring() || grows || mends));
        let fence = self.rollout.fence.as_ref();
        let busy = pause_reason(self.state)
            .or_else(|| fence.map(|fence| format!("waits for StatefulSet {}", fence.set)))
            .or_else(|| self.busy.clone().filter(|_| !goes_first));
        let mut others = self
            .state
            .operations()
            .filter(|other| has_begun(other))
            .chain(&self.begun)
            .filter(|other| other.kind != kind.kind)
            .filter(|other| !goes_first || !waits_for_ring(other));
        busy.or_else(|| others.next().map(waits_for))
            .or_else(|| self.waits_longer(kind).map(waits_for))
    }

    /// An operation of another kind that waits for longer than a request of a schedule: a schedule whose operation takes as
    /// long as its period would keep all others waiting.
    fn waits_longer(&self, kind: &RequestState<'_>) -> Option<&OperationStatus> {
        let requested = kind.scheduled_at()?;
        let waits = |other: &&OperationStatus| {
            other.phase == OperationPhase::Pending
                && other.reason == Some(OperationReason::Waiting)
                && other.kind != kind.kind
                && other
                    .requested_at
                    .as_ref()
                    .is_some_and(|at| at.0 < requested)
        };
        self.state.operations().find(waits)
    }

    /// Adds an operation if it has begun: it keeps the kinds after it waiting.
    fn add(&mut self, operation: &OperationStatus) {
        if has_begun(operation) {
            self.begun.push(operation.clone());
        }
    }
}

/// Why no requested operation of any kind begins now.
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
