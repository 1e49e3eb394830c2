//! Volume expansion.

use casskop_common::{api::Check, checks::CheckName, conditions::Action, names};
use kube_core::ResourceExt;

use crate::{
    desired::Desired,
    objects::VolumeExpansion,
    observed::ObservedState,
    rollout::{Rollout, Step, rack_diff::RackDiff},
};

/// Volumes are expanded rack by rack, regardless of the health of the nodes, because a full disk may be the cause of
/// the problem. The StatefulSet is re-created with the new size, so that volumes of future nodes get it as well.
/// Returns whether there is something to write; a slow expansion by the storage delays only the next rack.
pub(crate) fn volumes(
    diffs: &[RackDiff<'_>],
    desired: &Desired,
    state: &ObservedState,
    rollout: &mut Rollout,
) -> bool {
    for diff in diffs.iter().filter(|diff| diff.live.is_some()) {
        let growing = diff.undersized_volumes(desired, state, false);
        let Some(first) = growing.first() else {
            continue;
        };
        let awaits_file_system = |growing: &&VolumeExpansion| {
            let volume = state.live.volumes.get(&growing.name);
            volume.is_some_and(|volume| volume.awaits_file_system)
        };
        let awaiting = growing.iter().find(awaits_file_system);
        rollout.action = Some(Action::StorageUpsize);
        rollout.rack = Some(diff.wanted.id.clone());
        rollout.waiting_for = Some(match awaiting {
            None => {
                let volume = state.live.volumes.get(&first.name);
                let warning = volume.and_then(|volume| state.live.warnings.get(&volume.uid));
                let warning = warning.map(|warning| format!(": {warning}"));
                let (name, size) = (&first.name, &first.size);
                format!(
                    "volume {name} to have {size}{}",
                    warning.unwrap_or_default()
                )
            }
            Some(volume) => {
                let is_of = |pod: &String| volume.name.ends_with(&format!("-{pod}"));
                let pod = diff.pods(state).find(is_of).unwrap_or_default();
                rollout.blocked_by = vec![Check {
                    name: CheckName::FileSystemGrown.to_string(),
                    evidence: format!("{} waits for its file system to grow", volume.name),
                    pods: vec![pod.clone()],
                    ..Check::default()
                }];
                format!(
                    "volume {} to have {}: the storage has the new size, and the file system on it does not \
                     (FileSystemResizePending). If this lasts for more than some minutes, the storage grows a file \
                     system only when the pod starts: kubectl casskop restart {} --pod {pod}",
                    volume.name,
                    volume.size,
                    state.name()
                )
            }
        });
        rollout.expansions = diff.undersized_volumes(desired, state, true);
        if diff.needs_recreation(desired) {
            rollout.steps.push(Step {
                // A StatefulSet of the Go CassKop is replaced completely.
                volumes_only: diff
                    .live
                    .is_some_and(|live| live.annotations().contains_key(names::INPUTS_DIGEST)),
                ..Step::new(diff.wanted.clone(), diff.live_replicas())
            });
        }
        return !rollout.expansions.is_empty() || !rollout.steps.is_empty();
    }
    false
}
