//! Restoring racks whose StatefulSet is missing.

use casskop_common::conditions::Action;

use crate::{
    observed::ObservedState,
    rollout::{Rollout, Step, rack_diff::RackDiff},
};

/// Racks without a StatefulSet that still have nodes or volumes are restored as they were, all at the same time: with
/// fewer replicas, Kubernetes would delete running pods.
pub(crate) fn racks(diffs: &[RackDiff<'_>], state: &ObservedState, rollout: &mut Rollout) -> bool {
    for diff in diffs.iter().filter(|diff| diff.live.is_none()) {
        // The previous number of replicas, even if the spec requires fewer: surplus nodes leave the ring first.
        let replicas = diff.known_nodes(state);
        if replicas > 0 {
            let mut rack = diff.wanted.clone();
            // A change of the pods is rolled out later, in its turn.
            rack.partition = replicas;
            rollout.action = Some(Action::UpdateStatefulSet);
            rollout.rack = Some(diff.wanted.id.clone());
            rollout.waiting_for = Some(format!("rack {} to come back", diff.wanted.id));
            rollout.steps.push(Step::new(rack, replicas));
        }
    }
    rollout.restores = !rollout.steps.is_empty();
    rollout.restores
}
