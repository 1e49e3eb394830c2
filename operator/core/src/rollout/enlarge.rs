//! Volumes that are to be larger.

use casskop_common::{conditions::Action, names};
use kube_core::ResourceExt;

use crate::{
    desired::Desired,
    observed::Snapshot,
    rollout::{Rollout, Step, pair::Pair},
};

/// Volumes grow rack by rack, whatever the nodes say: a full disk may be what ails them. The StatefulSet is made anew
/// with the new size, so that nodes to come get it too. Says whether there is something to do; storage that takes its
/// time to grow keeps only the next rack waiting.
pub(crate) fn volumes(
    pairs: &[Pair<'_>],
    desired: &Desired,
    snapshot: &Snapshot,
    rollout: &mut Rollout,
) -> bool {
    for pair in pairs.iter().filter(|pair| pair.live.is_some()) {
        let growing = pair.small_volumes(desired, snapshot, false);
        let Some(first) = growing.first() else {
            continue;
        };
        rollout.action = Some(Action::StorageUpsize);
        rollout.rack = Some(pair.wanted.id.clone());
        rollout.waiting_for = Some(format!("volume {} to have {}", first.name, first.size));
        rollout.growths = pair.small_volumes(desired, snapshot, true);
        if pair.is_made_anew(desired) {
            rollout.steps.push(Step {
                // One that the Go CassKop made becomes ours altogether.
                volumes_only: pair
                    .live
                    .is_some_and(|live| live.annotations().contains_key(names::INPUTS_DIGEST)),
                ..Step::new(pair.wanted.clone(), pair.live_replicas())
            });
        }
        return !rollout.growths.is_empty() || !rollout.steps.is_empty();
    }
    false
}
