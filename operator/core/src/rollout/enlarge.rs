//! Volume expansion.

use casskop_common::{conditions::Action, names};
use kube_core::ResourceExt;

use crate::{
    desired::Desired,
    observed::Snapshot,
    rollout::{Rollout, Step, pair::Pair},
};

/// Volumes are expanded rack by rack, regardless of the health of the nodes, because a full disk may be the cause of
/// the problem. The StatefulSet is re-created with the new size, so that volumes of future nodes get it as well.
/// Returns whether there is something to write; a slow expansion by the storage delays only the next rack.
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
                // A StatefulSet of the Go CassKop is replaced completely.
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
