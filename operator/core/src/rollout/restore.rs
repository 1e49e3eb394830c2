//! Restoring racks whose StatefulSet is missing.

use casskop_common::conditions::Action;

use crate::{
    observed::Snapshot,
    rollout::{Rollout, Step, pair::Pair},
};

/// Racks without a StatefulSet that still have nodes or volumes are restored as they were, all at the same time: with
/// fewer replicas, Kubernetes would delete running pods.
pub(crate) fn racks(pairs: &[Pair<'_>], snapshot: &Snapshot, rollout: &mut Rollout) -> bool {
    for pair in pairs.iter().filter(|pair| pair.live.is_none()) {
        // The previous number of replicas, even if the spec requires fewer: surplus nodes leave the ring first.
        let replicas = pair.known_nodes(snapshot);
        if replicas > 0 {
            let mut rack = pair.wanted.clone();
            // A change of the pods is rolled out later, in its turn.
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
