//! Address conflicts: after several pods have started at the same time, a pod may have the address that the ring
//! records for another node, and Cassandra refuses to start. A re-created pod gets a new address
//! (`restartCountBeforePodDeletion`).

use crate::{
    observed::{NodePod, ObservedState},
    rollout::removal::Removal,
};

/// Number of restarts after which the pod is re-created, if the spec does not set it.
const RESTARTS: i32 = 2;

/// The pod to re-create: a pod with more restarts than the spec allows and with the address of another member. Pods are
/// re-created one at a time, because the new address of the first pod may resolve the conflict of the next.
pub fn address_conflicts(state: &ObservedState) -> Vec<Removal> {
    let spec = &state.cluster.spec;
    let allowed = spec.restart_count_before_pod_deletion.unwrap_or(RESTARTS);
    let mut pods = state.pods.iter();
    let one_moves = pods.any(|(name, pod)| moves(pod, state.reading(name).is_some()));
    if allowed <= 0 || one_moves {
        return Vec::new();
    }
    let mut address_conflicts = state.pods.iter().filter(|(name, pod)| {
        let is_broken = pod.problem.is_some() && !pod.ready && !pod.deleting;
        is_broken && pod.restarts > allowed && state.crosses(name).is_some()
    });
    let first = address_conflicts.next();
    let first = first.map(|(name, pod)| Removal::of_pod(name, pod));
    first.into_iter().collect()
}

/// Whether a pod is being re-created, so that its node has not answered yet. A pod on a lost Kubernetes node is
/// ignored, because it may stay in deletion for a long time.
fn moves(pod: &NodePod, answers: bool) -> bool {
    let starts = pod.rack.is_some() && !pod.ready && pod.restarts == 0 && pod.problem.is_none();
    pod.lost_with.is_none() && (pod.deleting || (starts && !answers))
}
