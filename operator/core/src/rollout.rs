//! Rollout: the racks that may change in this reconciliation. While the ring is formed for the first time, the first
//! pod of each rack starts at the same time, then the other pods join one by one. Afterwards one rack changes at a time
//! and one node joins at a time. Nothing changes while a node is unhealthy, except a correction of the rack of that
//! node.

pub mod address_conflict;
mod expand;
mod grow;
mod identity;
pub(crate) mod leaving;
pub mod members;
mod rack_diff;
pub mod rack_write;
mod refuse;
pub mod removal;
mod restore;
mod shrink;
pub mod volumes;

use casskop_common::{
    api::{Check, OperationStatus, Phase},
    conditions::Action,
    intent::Request,
    names::{self, RackId},
    operations::OperationKind,
};
use k8s_openapi::api::apps::v1::StatefulSet;
use kube_core::ResourceExt;
use serde::Serialize;

use crate::{
    desired::{Desired, DesiredRack, seeds},
    objects::{Fence, VolumeExpansion, config_map},
    observed::ObservedState,
    operations::{preconditions, recorded},
    refusal::Refusal,
};

/// Sub-phase of Initializing: the first node of each rack is still missing.
pub const FIRST_POD_PER_RACK: &str = "FirstPodPerRack";
/// Sub-phase of Initializing: the ring is formed, and the other nodes join one by one.
pub const NEXT_POD_PER_RACK: &str = "NextPodPerRack";

pub use leaving::Leaving;
use rack_diff::RackDiff;
#[cfg(test)]
pub use rack_diff::partition;
use refuse::refuse_irreversible;
pub use removal::Removal;

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
    /// The action in progress, as `lastClusterAction` reports it.
    pub action: Option<Action>,
    /// The rack of the action.
    pub rack: Option<RackId>,
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

    /// Whether the racks do not match the spec yet.
    pub fn is_in_progress(&self) -> bool {
        self.action.is_some()
    }

    fn first_health_problem(&self, state: &ObservedState) -> Option<String> {
        let first = self.unhealthy.first();
        let health_problem = first.map(|(pod, why)| format!("{pod}: {why}"));
        health_problem.or_else(|| (!state.is_settled()).then(|| JOINING_OR_LEAVING.to_owned()))
    }
}

/// Decides about the racks.
pub fn decide(desired: &Result<Desired, Refusal>, state: &ObservedState) -> Rollout {
    let formed = is_formed(state);
    let unhealthy = state.unhealthy_nodes();
    let left = state.left_by_a_predecessor();
    let desired = match desired {
        Ok(desired) => desired,
        Err(refused) => {
            return Rollout {
                formed,
                unhealthy,
                refused: Some(refused.clone()),
                awaits_predecessor: left.is_some(),
                ..Rollout::default()
            };
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
    let refused = refuse_irreversible(&diffs, desired, state)
        .and_then(|()| identity::refuse_another(desired, state, &rollout.ring_name));
    if let Err(refused) = refused {
        rollout.refused.get_or_insert(refused);
        return rollout;
    }
    rollout.formed =
        formed || (rollout.refused.is_none() && form(&diffs, desired, state, &mut rollout));
    if rollout.formed {
        change(&diffs, desired, state, &mut rollout);
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
        rollout.blocked = (!failing.is_empty()).then(|| {
            let told = preconditions::told(failing.iter());
            format!("{} may not leave the ring: {told}", leaving.pod)
        });
        rollout.blocked_by = failing;
    }
    rack_write::fence(state, &mut rollout);
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

/// Whether the first nodes of all racks formed a ring at some time: after that, no node may ever form a ring again. The
/// sources are the status, the configuration of a rack (which may outlive the status), and the ring mark (which stays
/// as long as the volumes do).
fn is_formed(state: &ObservedState) -> bool {
    let told = state.cluster.status.as_ref().is_some_and(|status| {
        status.phase.is_some_and(Phase::is_formed)
            || status.initializing_sub_phase.as_deref() == Some(NEXT_POD_PER_RACK)
    });
    let maps = &state.live.config_maps;
    let mark = maps
        .get(&names::ring_mark(state.name()))
        .is_some_and(config_map::is_marked);
    // A ring of the Go CassKop whose resource was re-created has none of these sources.
    let runs = |set: &StatefulSet| {
        let is_ready = set.status.as_ref().and_then(|status| status.ready_replicas) > Some(0);
        is_ready && !set.annotations().contains_key(names::INPUTS_DIGEST)
    };
    told || maps.values().any(config_map::says_formed)
        || (mark && !state.live.volumes.is_empty() && state.left_by_a_predecessor().is_none())
        || state.live.stateful_sets.values().any(runs)
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

/// Creates the first pod of each rack, all at the same time. If `spec.seeds` is set, there is an existing ring to join,
/// and the racks start one by one. Returns whether the ring is formed.
fn form(
    diffs: &[RackDiff<'_>],
    desired: &Desired,
    state: &ObservedState,
    rollout: &mut Rollout,
) -> bool {
    let joins = !desired.spec.seeds.is_empty();
    let is_awaited = rollout.first_health_problem(state).is_some();
    for diff in diffs
        .iter()
        .filter(|diff| diff.live.is_none() || diff.differs(desired))
        .filter(|diff| !joins || diff.live.is_some() || !is_awaited)
        .take(if joins { 1 } else { usize::MAX })
    {
        let replicas = diff.known_nodes(state).max(1).min(diff.wanted.replicas);
        rollout.steps.push(Step::new(diff.wanted.clone(), replicas));
    }
    rollout.waiting_for = rollout.first_health_problem(state);
    let nobody_comes = desired.racks.iter().all(|rack| rack.replicas == 0);
    rollout.steps.is_empty()
        && rollout.waiting_for.is_none()
        && (nobody_comes || !state.pods.is_empty())
}

fn change(diffs: &[RackDiff<'_>], desired: &Desired, state: &ObservedState, rollout: &mut Rollout) {
    if restore::racks(diffs, state, rollout) {
        return;
    }
    if rollout.refused.is_some() {
        go_to_the_end(desired, state, rollout);
        return;
    }
    if expand::volumes(diffs, desired, state, rollout) {
        return;
    }
    if go_to_the_end(desired, state, rollout) {
        return;
    }
    let differing: Vec<&RackDiff<'_>> = diffs.iter().filter(|diff| diff.differs(desired)).collect();
    let unfinished: Vec<&RackDiff<'_>> = diffs
        .iter()
        .filter(|diff| !diff.is_finished(state))
        .collect();
    let next = match &unfinished[..] {
        // All racks are finished. Their nodes may still report peers as down.
        [] => differing
            .first()
            .copied()
            .filter(|_| rollout.first_health_problem(state).is_none()),
        // A change whose pods never become Ready is corrected in its rack; no other rack changes.
        [one] => differing
            .iter()
            .copied()
            .find(|diff| diff.wanted.id == one.wanted.id && diff.may_be_corrected(desired, state)),
        many => differing.iter().copied().find(|diff| {
            many.iter().any(|other| other.wanted.id == diff.wanted.id) && diff.is_all_down(state)
        }),
    };
    if let Some(diff) = next {
        rollout.action = Some(diff.action(desired, state));
        rollout.rack = Some(diff.wanted.id.clone());
        rollout.waiting_for = Some(format!("rack {} to take the change", diff.wanted.id));
        let mut rack = diff.wanted.clone();
        rack.partition = diff.next_partition(desired, state);
        rollout.steps.push(Step::new(rack, diff.live_replicas()));
        return;
    }
    let Some(first) = unfinished.first() else {
        match (grow::next(diffs), rollout.first_health_problem(state)) {
            (Some(diff), health_problem) => match health_problem.or_else(|| grow::surplus(state)) {
                None => rollout.grow(diff),
                health_problem => {
                    rollout.action = Some(Action::ScaleUp);
                    rollout.waiting_for = health_problem;
                }
            },
            (None, health_problem) if !differing.is_empty() => {
                rollout.action = differing.first().map(|diff| diff.action(desired, state));
                rollout.waiting_for = health_problem;
            }
            (None, health_problem) => {
                if let Some(next) = shrink::begin(desired, state) {
                    rollout.shrink(next, desired);
                    rollout.waiting_for = health_problem.or(rollout.waiting_for.take());
                }
            }
        }
        return;
    };
    // `Degraded` reports the nodes that are unhealthy for another reason than a change, unless a change waits for them.
    let rolling = unfinished.iter().find(|diff| diff.is_rolling(state));
    if differing.is_empty()
        && rolling.is_none()
        && grow::next(diffs).is_none()
        && !first.has_new_node(state)
    {
        // The scale-down is blocked, but blocks nothing else: an operation may repair the node.
        if let Some(rack) = shrink::wanted(desired, state) {
            rollout.action = Some(Action::ScaleDown);
            rollout.rack = Some(rack);
            rollout.blocked = rollout.first_health_problem(state);
        }
        return;
    }
    let diff = rolling.unwrap_or(first);
    rollout.action = Some(match differing.first() {
        Some(next) => next.action(desired, state),
        None if diff.has_new_node(state) || (rolling.is_none() && grow::next(diffs).is_some()) => {
            Action::ScaleUp
        }
        None => continued(&diff.wanted.id, state),
    });
    rollout.rack = Some(diff.wanted.id.clone());
    rollout.waiting_for = rollout
        .first_health_problem(state)
        .or_else(|| Some(format!("rack {} to be rolled out", diff.wanted.id)));
}

/// Continues the removal of a node that is leaving. Returns whether there is such a node.
fn go_to_the_end(desired: &Desired, state: &ObservedState, rollout: &mut Rollout) -> bool {
    if let Some(volume) = volumes::awaited(state) {
        rollout.action = Some(Action::ScaleDown);
        rollout.waiting_for = Some(format!(
            "volume {} of a node that has left to go",
            volume.name
        ));
        return true;
    }
    let next = shrink::finish(desired, state);
    next.map(|next| rollout.shrink(next, desired)).is_some()
}

impl Rollout {
    fn shrink(&mut self, next: shrink::Next, desired: &Desired) {
        self.action = Some(Action::ScaleDown);
        let (rack, waiting_for) = match next {
            shrink::Next::Leave(leaving) => {
                let waiting_for = format!("{} to leave the ring", leaving.pod);
                (self.leaving.insert(leaving).rack.clone(), waiting_for)
            }
            shrink::Next::Wait(rack, waiting_for) => (rack, waiting_for),
            shrink::Next::Remove(rack, removal) => {
                let stays = desired.racks.iter().any(|other| other.id.dc == rack.dc);
                self.action = Some(removal.action(stays));
                let waiting_for = removal.to_string();
                self.removals.push(removal);
                (rack, waiting_for)
            }
        };
        self.rack = Some(rack);
        self.waiting_for = Some(waiting_for);
    }
}

/// The action that caused the rollout of a rack in progress. After the StatefulSet is written, only the status records
/// that action.
fn continued(rack: &RackId, state: &ObservedState) -> Action {
    let status = state.cluster.status.as_ref();
    let last = status
        .and_then(|status| status.cassandra_rack_status.get(&rack.key()))
        .and_then(|rack| rack.cassandra_last_action.as_ref())
        .filter(|last| last.status == ONGOING);
    last.and_then(|last| Action::from_word(&last.name))
        .filter(|action| action.updates_pods())
        .unwrap_or(Action::UpdateStatefulSet)
}
