//! Racks that come back.

use casskop_common::conditions::Action;

use crate::{
    observed::Snapshot,
    rollout::{Rollout, Step, pair::Pair},
};

/// Racks whose StatefulSet is gone while their nodes or volumes are there come back as they were, all at once: fewer
/// replicas would make Kubernetes delete running pods.
pub(crate) fn racks(pairs: &[Pair<'_>], snapshot: &Snapshot, rollout: &mut Rollout) -> bool {
    for pair in pairs.iter().filter(|pair| pair.live.is_none()) {
        // As it was, also where the spec asks for fewer: those leave the ring first.
        let replicas = pair.known_nodes(snapshot);
        if replicas > 0 {
            let mut rack = pair.wanted.clone();
            // A change of its pods waits for its turn.
            rack.partition = replicas;
            rollout.action = Some(Action::UpdateStatefulSet);
            rollout.rack = Some(pair.wanted.id.clone());
            rollout.waiting_for = Some(format!("rack {} to come back", pair.wanted.id));
            rollout.steps.push(Step::new(rack, replicas));
        }
    }
    rollout.restores = !rollout.steps.is_empty();
    rollout.restores
}
