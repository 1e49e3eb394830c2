//! Which racks may change now. While the ring is formed for the first time: the first pod of each rack at once,
//! then the others one by one. Later: one rack at a time, one joining node at a time, and nothing while a node is
//! in trouble, except a correction of the very rack that is.

mod pair;
mod refuse;

use casskop_common::{
    api::Phase,
    names::{self, RackId},
};
use serde::Serialize;

use super::{
    super::{
        build,
        desired::{Desired, DesiredRack, Refused},
        snapshot::Snapshot,
    },
    operations, seeds,
};

/// While Initializing: the first node of each rack is awaited.
pub const FIRST_POD_PER_RACK: &str = "FirstPodPerRack";
/// While Initializing: the ring is formed, and the other nodes join one by one.
pub const NEXT_POD_PER_RACK: &str = "NextPodPerRack";

use pair::Pair;
use refuse::refuse_irreversible;

/// What is waited for while the ring is not settled.
const JOINING_OR_LEAVING: &str = "nodes that are joining, leaving or moving";
/// CassKop's word for the action that makes a ring for the first time.
pub const INITIALIZING: &str = "Initializing";

/// What happens to the racks now.
#[derive(Clone, Debug, Default)]
pub struct Rollout {
    /// Racks to write now.
    pub steps: Vec<Step>,
    /// Racks that stay as they are.
    pub unchanged: Vec<DesiredRack>,
    /// Seeds that new pods are given.
    pub seeds: Vec<String>,
    /// Whether the ring has been formed.
    pub formed: bool,
    /// What is going on, in CassKop's words for `lastClusterAction`.
    pub action: Option<&'static str>,
    /// The rack it is going on in.
    pub rack: Option<RackId>,
    /// What is waited for, in words.
    pub waiting_for: Option<String>,
    /// Why nothing is done although something should be.
    pub blocked: Option<String>,
    /// Why the spec is not carried out.
    pub refused: Option<Refused>,
}

/// One rack to write.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// The rack.
    pub rack: DesiredRack,
    /// Pods it may have now.
    pub replicas: i32,
}

impl Rollout {
    /// Whether the racks are not yet as asked.
    pub fn is_in_progress(&self) -> bool {
        self.action.is_some()
    }
}

/// Decides about the racks.
pub fn decide(desired: &Result<Desired, Refused>, snapshot: &Snapshot) -> Rollout {
    let formed = is_formed(snapshot);
    let desired = match desired {
        Ok(desired) => desired,
        Err(refused) => {
            return Rollout {
                formed,
                refused: Some(refused.clone()),
                ..Rollout::default()
            };
        }
    };
    let pairs = pairs(desired, snapshot);
    let mut rollout = Rollout {
        seeds: seeds::seeds(desired, formed),
        formed,
        ..Rollout::default()
    };
    if let Err(refused) = refuse_irreversible(&pairs, desired, snapshot) {
        rollout.refused = Some(refused);
        return rollout;
    }
    rollout.formed = formed || form(&pairs, desired, snapshot, &mut rollout);
    if rollout.formed {
        change(&pairs, desired, snapshot, &mut rollout);
    }
    let initial = snapshot.cluster.status.as_ref().is_none_or(|status| {
        status
            .phase
            .is_none_or(|phase| phase == Phase::Initializing)
    });
    if initial && (!rollout.formed || rollout.action.is_some()) {
        rollout.action = Some(INITIALIZING);
    }
    if let Some(reason) = hold(snapshot) {
        rollout.steps.clear();
        rollout.blocked = rollout.action.is_some().then_some(reason);
    }
    let touched = |rack: &DesiredRack| rollout.steps.iter().any(|step| step.rack.id == rack.id);
    rollout.unchanged = pairs
        .iter()
        .filter(|pair| pair.live.is_some() && !pair.differs(desired) && !touched(pair.wanted))
        .map(|pair| pair.wanted.clone())
        .collect();
    rollout
}

/// Whether the first nodes of all racks have found each other at some time: no node may ever form a ring again. The
/// status says so, or a rack's configuration that outlived it, or the mark that stays beside the volumes.
fn is_formed(snapshot: &Snapshot) -> bool {
    let told = snapshot.cluster.status.as_ref().is_some_and(|status| {
        matches!(status.phase, Some(Phase::Running | Phase::Pending))
            || status.initializing_sub_phase.as_deref() == Some(NEXT_POD_PER_RACK)
    });
    let maps = &snapshot.live.config_maps;
    let mark = maps
        .get(&names::ring_mark(snapshot.name()))
        .is_some_and(build::config_map::is_marked);
    told || maps.values().any(build::config_map::says_formed)
        || (mark && !snapshot.live.volumes.is_empty())
}

fn pairs<'a>(desired: &'a Desired, snapshot: &'a Snapshot) -> Vec<Pair<'a>> {
    let live = |rack: &DesiredRack| {
        snapshot
            .live
            .stateful_sets
            .get(&names::stateful_set(&desired.name, &rack.id))
    };
    desired
        .racks
        .iter()
        .map(|rack| Pair {
            wanted: rack,
            live: live(rack),
        })
        .collect()
}

/// Why no rack may change at all now.
fn hold(snapshot: &Snapshot) -> Option<String> {
    if snapshot.intents.reconcile_paused {
        return Some(format!("paused by the annotation {}", names::RECONCILE));
    }
    operations::running(snapshot)
        .map(|operation| format!("waits for {} {} to end", operation.kind, operation.id))
}

/// The first pod of each rack, all at once. Says whether they have found each other.
fn form(pairs: &[Pair<'_>], desired: &Desired, snapshot: &Snapshot, rollout: &mut Rollout) -> bool {
    for pair in pairs
        .iter()
        .filter(|pair| pair.live.is_none() || pair.differs(desired))
    {
        let replicas = pair.known_nodes(snapshot).max(1).min(pair.wanted.replicas);
        rollout.steps.push(Step {
            rack: pair.wanted.clone(),
            replicas,
        });
    }
    rollout.waiting_for = first_trouble(snapshot);
    rollout.steps.is_empty() && rollout.waiting_for.is_none() && !snapshot.pods.is_empty()
}

fn change(pairs: &[Pair<'_>], desired: &Desired, snapshot: &Snapshot, rollout: &mut Rollout) {
    if restore(pairs, snapshot, rollout) {
        return;
    }
    let differing: Vec<&Pair<'_>> = pairs.iter().filter(|pair| pair.differs(desired)).collect();
    let unfinished: Vec<&Pair<'_>> = pairs
        .iter()
        .filter(|pair| !pair.is_finished(snapshot))
        .collect();
    let next = match &unfinished[..] {
        // Everybody is well; but does everybody see everybody?
        [] => differing
            .first()
            .copied()
            .filter(|_| first_trouble(snapshot).is_none()),
        // A change that never becomes Ready is corrected where it stopped; no other rack is touched.
        [one] => differing
            .iter()
            .copied()
            .find(|pair| pair.wanted.id == one.wanted.id && pair.may_be_corrected(snapshot)),
        many => differing.iter().copied().find(|pair| {
            many.iter().any(|other| other.wanted.id == pair.wanted.id) && pair.is_all_down(snapshot)
        }),
    };
    if let Some(pair) = next {
        rollout.action = Some(pair.action(desired));
        rollout.rack = Some(pair.wanted.id.clone());
        rollout.waiting_for = Some(format!("rack {} to take the change", pair.wanted.id));
        rollout.steps.push(Step {
            rack: pair.wanted.clone(),
            replicas: pair.live_replicas(),
        });
        return;
    }
    let Some(first) = unfinished.first() else {
        match (next_to_grow(pairs), first_trouble(snapshot)) {
            (Some(pair), None) => rollout.grow(pair),
            (Some(_), trouble) => {
                rollout.action = Some("ScaleUp");
                rollout.waiting_for = trouble;
            }
            (None, trouble) if !differing.is_empty() => {
                rollout.action = differing.first().map(|pair| pair.action(desired));
                rollout.waiting_for = trouble;
            }
            (None, _) => {}
        }
        return;
    };
    // Nodes in trouble of which no change is to blame are told by `Degraded`, unless a change waits for them.
    let rolling = unfinished.iter().find(|pair| !pair.is_rolled());
    if differing.is_empty()
        && rolling.is_none()
        && next_to_grow(pairs).is_none()
        && !first.has_newcomer(snapshot)
    {
        return;
    }
    let pair = rolling.unwrap_or(first);
    rollout.action = Some(match differing.first() {
        Some(next) => next.action(desired),
        None if pair.has_newcomer(snapshot)
            || (rolling.is_none() && next_to_grow(pairs).is_some()) =>
        {
            "ScaleUp"
        }
        None => "UpdateStatefulSet",
    });
    rollout.rack = Some(pair.wanted.id.clone());
    rollout.waiting_for = first_trouble(snapshot)
        .or_else(|| Some(format!("rack {} to be rolled out", pair.wanted.id)));
}

/// Racks whose StatefulSet is gone while their nodes or volumes are there come back as they were, all at once: fewer
/// replicas would make Kubernetes delete running pods.
fn restore(pairs: &[Pair<'_>], snapshot: &Snapshot, rollout: &mut Rollout) -> bool {
    for pair in pairs.iter().filter(|pair| pair.live.is_none()) {
        let replicas = pair.known_nodes(snapshot).min(pair.wanted.replicas);
        if replicas > 0 {
            rollout.action = Some("UpdateStatefulSet");
            rollout.rack = Some(pair.wanted.id.clone());
            rollout.waiting_for = Some(format!("rack {} to come back", pair.wanted.id));
            rollout.steps.push(Step {
                rack: pair.wanted.clone(),
                replicas,
            });
        }
    }
    !rollout.steps.is_empty()
}

impl Rollout {
    fn grow(&mut self, pair: &Pair<'_>) {
        let replicas = pair.live_replicas() + 1;
        self.action = Some("ScaleUp");
        self.rack = Some(pair.wanted.id.clone());
        self.waiting_for = Some(format!(
            "node {replicas} of rack {} to join",
            pair.wanted.id
        ));
        self.steps.push(Step {
            rack: pair.wanted.clone(),
            replicas,
        });
    }
}

/// The rack with the fewest nodes of those that should have more: every rack's next node before any rack's second
/// next, so that replicas stay spread.
fn next_to_grow<'a, 'b>(pairs: &'a [Pair<'b>]) -> Option<&'a Pair<'b>> {
    pairs
        .iter()
        .filter(|pair| pair.live_replicas() < pair.wanted.replicas)
        .min_by_key(|pair| pair.live_replicas())
}

fn first_trouble(snapshot: &Snapshot) -> Option<String> {
    let first = snapshot.troubles().into_iter().next();
    let trouble = first.map(|(pod, why)| format!("{pod}: {why}"));
    trouble.or_else(|| (!snapshot.is_settled()).then(|| JOINING_OR_LEAVING.to_owned()))
}
