//! Stranded pods: the volume claim of a pod was deleted and made again after the pod was placed, as happens when a claim
//! and its pod are deleted together. The pod never starts, and a re-created pod does.

use crate::{observed::ObservedState, rollout::removal::Removal};

/// The pods to re-create.
pub fn pods(state: &ObservedState) -> impl Iterator<Item = Removal> + '_ {
    let pods = state.pods.iter();
    let stranded = pods.filter(|(name, _)| state.stranding_claim(name).is_some());
    stranded.map(|(name, pod)| Removal::of_pod(name, pod))
}
