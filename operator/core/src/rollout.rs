//! Rollout: the racks that may change in this reconciliation. While the ring is formed for the first time, the first
//! pod of each rack starts at the same time, then the other pods join one by one. Afterwards one rack changes at a time
//! and one node joins at a time. Nothing changes while a node is unhealthy, except a correction of the rack of that
//! node.

pub mod address_conflict;
mod change;
mod encryption;
mod expand;
mod form;
pub(crate) mod from_backup;
mod grow;
mod identity;
pub(crate) mod leaving;
pub mod members;
mod rack_diff;
pub mod rack_write;
mod refuse;
pub mod removal;
mod restore;
mod revisions;
mod shrink;
pub mod stranded;
pub mod volumes;

use casskop_common::{
    api::{Check, InternodeMode, OperationStatus, Phase},
    checks::CheckName,
    conditions::Action,
    intent::Request,
    names::{self, RackId},
    operations::OperationKind,
};
use serde::Serialize;

use crate::{
    desired::{Desired, DesiredRack, seeds},
    objects::{Fence, VolumeExpansion},
    observed::ObservedState,
    operations::{preconditions, recorded},
    refusal::Refusal,
};

/// Sub-phase of Initializing: the first node of each rack is still missing.
pub const FIRST_POD_PER_RACK: &str = "FirstPodPerRack";
/// Sub-phase of Initializing: the ring is formed, and the other nodes join one by one.
pub const NEXT_POD_PER_RACK: &str = "NextPodPerRack";

pub use from_backup::{FromBackup, JobChange};
pub use leaving::Leaving;
use rack_diff::RackDiff;
use refuse::refuse_irreversible;
pub use removal::Removal;
#[cfg(test)]
pub use revisions::partition;

/// Status of an action in progress.
const ONGOING: &str = "Ongoing";
/// Reason to wait while the ring is not settled.
const JOINING_OR_LEAVING: &str = "nodes that are joining, leaving or moving";

/// Decision about the racks in this reconciliation.
#[derive(Clone, Debug, Default)]
pub struct Rollout {
    /// Racks to write.
    pub steps: Vec<Step>,
    /// An earlier change of a rack that may still be written, and must not be.
    pub fence: Option<Fence>,
    /// Volumes to expand.
    pub expansions: Vec<VolumeExpansion>,
    /// Whether these racks are restored as they were. Restoring takes no pod down.
    pub restores: bool,
    /// Objects to delete, and StatefulSets to scale down.
    pub removals: Vec<Removal>,
    /// The member to decommission.
    pub leaving: Option<Leaving>,
    /// Racks whose StatefulSet is re-created when it is written; the running pods are orphaned and adopted again.
    pub recreated: Vec<RackId>,
    /// Racks that need no change.
    pub unchanged: Vec<DesiredRack>,
    /// Seeds for new pods.
    pub seeds: Vec<String>,
    /// Whether the ring has been formed.
    pub formed: bool,
    /// Name of the ring.
    pub ring_name: String,
    /// The restore that the ring begins with, until it is formed.
    pub from_backup: Option<FromBackup>,
    /// The action in progress, as `lastClusterAction` reports it.
    pub action: Option<Action>,
    /// The rack of the action.
    pub rack: Option<RackId>,
    /// The mode of the next step of a change of the encryption, if all racks have taken the one before it, and nodes are awaited that
    /// no rack brings back.
    pub next_mode: Option<InternodeMode>,
    /// Message: the event that the rollout waits for.
    pub waiting_for: Option<String>,
    /// Message: the reason why a required change does not start.
    pub blocked: Option<String>,
    /// The failing checks of the decommission that `blocked` describes.
    pub blocked_by: Vec<Check>,
    /// The request to decommission the member of `leaving`.
    pub decommission: Option<Request>,
    /// Expected pods that are unhealthy, with the reason, as [`ObservedState::unhealthy_nodes`] lists them.
    pub unhealthy: Vec<(String, String)>,
    /// Whether nothing may be written before the garbage collector has deleted what an earlier resource of the name
    /// owned.
    pub awaits_predecessor: bool,
    /// Reason and message of a spec that is not applied.
    pub refused: Option<Refusal>,
}

/// One rack to write.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// The rack.
    pub rack: DesiredRack,
    /// Pods it may have now.
    pub replicas: i32,
    /// Whether only the volumes of the rack change now. The pod template and the update strategy stay the same; another
    /// change of the pods follows in its turn.
    pub volumes_only: bool,
}

impl Step {
    /// A rack with the given number of pods and the desired pod template.
    fn new(rack: DesiredRack, replicas: i32) -> Self {
        Self {
            rack,
            replicas,
            volumes_only: false,
        }
    }
}

impl Rollout {
    /// Whether the StatefulSet of a rack cannot be patched to the desired state, and has to be re-created.
    pub fn needs_recreation(&self, rack: &RackId) -> bool {
        self.recreated.contains(rack)
    }

    /// Whether this reconciliation writes and deletes nothing; it may still wait for something. A decommission does not
    /// count, because it is an operation.
    pub fn is_idle(&self) -> bool {
        self.formed
            && self.steps.is_empty()
            && self.fence.is_none()
            && self.expansions.is_empty()
            && self.removals.is_empty()
    }

    /// Writes and deletes nothing.
    fn stop(&mut self) {
        self.steps.clear();
        self.removals.clear();
        self.expansions.clear();
    }

    /// The data center of the node that leaves next, if only the number of replicas of the roles keeps it.
    pub fn waits_for_roles(&self) -> Option<&str> {
        let leaving = self.leaving.as_ref()?;
        let [check] = &self.blocked_by[..] else {
            return None;
        };
        // Unknown: the operator has something to do first.
        let is_of_roles = check.kind() == CheckName::ReplicasRemain && check.unknown;
        is_of_roles.then_some(leaving.rack.dc.as_str())
    }

    /// Whether the racks do not match the spec yet.
    pub fn is_in_progress(&self) -> bool {
        self.action.is_some()
    }

    /// Keeps a formed ring from pods that could not start without their Secret, so that no node that serves makes way for
    /// one of them. A rack that is restored takes no pod down.
    fn await_secret(&mut self, desired: &Desired, state: &ObservedState) {
        let starts_pods = self.steps.iter().any(|step| !step.volumes_only);
        if !self.formed || self.restores || !starts_pods {
            return;
        }
        if let Some(problem) = desired.secret_problem(&state.secrets) {
            self.steps.retain(|step| step.volumes_only);
            self.blocked = Some(problem);
        }
    }

    fn first_health_problem(&self, state: &ObservedState) -> Option<String> {
        let first = self.unhealthy.first();
        let health_problem = first.map(|(pod, why)| format!("{pod}: {why}"));
        health_problem.or_else(|| (!state.is_settled()).then(|| JOINING_OR_LEAVING.to_owned()))
    }
}

/// Decides about the racks.
pub fn decide(desired: &Result<Desired, Refusal>, state: &ObservedState) -> Rollout {
    let formed = form::is_formed(state);
    let unhealthy = state.unhealthy_nodes();
    let left = state.left_by_a_predecessor();
    let desired = match desired {
        Ok(desired) => desired,
        Err(refused) => {
            let mut rollout = Rollout {
                formed,
                unhealthy,
                refused: Some(refused.clone()),
                awaits_predecessor: left.is_some(),
                ..Rollout::default()
            };
            rack_write::fence(state, &mut rollout);
            return rollout;
        }
    };
    if let Some((left, user)) = left {
        let user = user.map(|pod| format!("; pod {pod} still uses it"));
        return Rollout {
            formed,
            refused: desired.instead_of.clone(),
            action: Some(Action::Initializing),
            waiting_for: Some(format!(
                "{left} of the deleted cluster of this name to be deleted by Kubernetes' garbage collector{}",
                user.unwrap_or_default()
            )),
            awaits_predecessor: true,
            ..Rollout::default()
        };
    }
    let diffs = diffs(desired, state);
    let mut rollout = Rollout {
        seeds: seeds::seeds(desired, formed),
        formed,
        ring_name: identity::ring_name(desired, state),
        unhealthy,
        ..Rollout::default()
    };
    rollout.refused.clone_from(&desired.instead_of);
    let accepted = refuse_irreversible(&diffs, desired, state)
        .and_then(|()| identity::refuse_another(desired, state, &rollout.ring_name))
        .and_then(|()| from_backup::decide(desired, state, formed));
    match accepted {
        Ok(restore) => rollout.from_backup = restore,
        Err(refused) => {
            rollout.refused.get_or_insert(refused);
            rack_write::fence(state, &mut rollout);
            return rollout;
        }
    }
    // A restore that has begun goes on with the accepted spec: its nodes wait for each other.
    let is_forming = rollout.refused.is_none() || rollout.from_backup.is_some();
    rollout.formed =
        formed || (is_forming && form::first_nodes(&diffs, desired, state, &mut rollout));
    if rollout.formed {
        change::racks(&diffs, desired, state, &mut rollout);
    }
    let initial = state.cluster.status.as_ref().is_none_or(|status| {
        status
            .phase
            .is_none_or(|phase| phase == Phase::Initializing)
    });
    if initial && (!rollout.formed || rollout.action.is_some()) {
        rollout.action = Some(Action::Initializing);
    }
    if let Some(leaving) = &rollout.leaving {
        let (request, failing) = leaving::decommission(leaving, state);
        rollout.decommission = request;
        // A rack that takes a change is what the node waits for.
        if !failing.is_empty() && rollout.steps.is_empty() {
            let evidence = preconditions::evidence_text(failing.iter());
            let why = format!("{} may not leave the ring: {evidence}", leaving.pod);
            rollout.blocked = Some(why);
            rollout.blocked_by = failing;
        }
    }
    let restore = rollout.from_backup.as_ref().filter(|_| !rollout.formed);
    if let Some(problem) = restore.and_then(|restore| restore.problem.clone()) {
        rollout.blocked = Some(problem);
    }
    encryption::tell(desired, &mut rollout);
    rollout.await_secret(desired, state);
    rack_write::fence(state, &mut rollout);
    rollout.restores |= brings_racks_back(&mut rollout, state);
    if let Some(reason) = hold(&rollout, state) {
        rollout.stop();
        rollout.blocked = rollout.action.is_some().then_some(reason);
        rollout.blocked_by.clear();
    }
    let recreated = diffs.iter().filter(|diff| diff.needs_recreation(desired));
    rollout.recreated = recreated.map(|diff| diff.wanted.id.clone()).collect();
    let touched = |rack: &DesiredRack| rollout.steps.iter().any(|step| step.rack.id == rack.id);
    rollout.unchanged = diffs
        .iter()
        .filter(|diff| diff.live.is_some() && !diff.differs(desired) && !touched(diff.wanted))
        .map(|diff| diff.wanted.clone())
        .collect();
    rollout
}

fn diffs<'a>(desired: &'a Desired, state: &'a ObservedState) -> Vec<RackDiff<'a>> {
    let live = |rack: &DesiredRack| {
        state
            .live
            .stateful_sets
            .get(&names::stateful_set(&desired.name, &rack.id))
    };
    desired
        .racks
        .iter()
        .map(|rack| RackDiff::of(rack, live(rack)))
        .collect()
}

/// Of the steps of a ring that is not recorded as formed yet, while an operation is at work, only those for racks of known nodes
/// without a StatefulSet remain. Returns whether there are any.
fn brings_racks_back(rollout: &mut Rollout, state: &ObservedState) -> bool {
    if rollout.formed || recorded::at_work(state).next().is_none() {
        return false;
    }
    let is_lost = |step: &Step| {
        let rack = &step.rack.id;
        let set = names::stateful_set(state.name(), rack);
        !state.live.stateful_sets.contains_key(&set) && state.known_nodes(rack) > 0
    };
    if rollout.steps.iter().any(is_lost) {
        rollout.steps.retain(is_lost);
        return true;
    }
    false
}

/// The reason why no rack may change now.
fn hold(rollout: &Rollout, state: &ObservedState) -> Option<String> {
    if let Some(why) = recorded::pause_reason(state) {
        return Some(why);
    }
    if rollout.restores {
        // An operation may wait for a pod that only the restored StatefulSet can re-create.
        return None;
    }
    // The rollout itself requested this decommission.
    let own = |operation: &OperationStatus| {
        let leaving = rollout.leaving.as_ref().map(|leaving| &leaving.host_id);
        operation.kind == OperationKind::Decommission && leaving == Some(&operation.id)
    };
    recorded::at_work(state)
        .find(|operation| !own(operation))
        .map(recorded::waits_for)
}
