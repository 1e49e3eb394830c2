//! Crossed addresses: after several pods started at the same time, one may have the address that the ring knows another
//! node by, and Cassandra refuses to start. A new pod gets a new address (`restartCountBeforePodDeletion`).

use crate::{
    observed::{NodePod, Snapshot},
    rollout::removal::Removal,
};

/// Restarts after which the pod is made anew, where the spec does not say.
const RESTARTS: i32 = 2;

/// The pod to be made anew: restarted more often than the spec allows, with the address of another member. One at a time:
/// the next one may be well when this one has moved.
pub fn crossed(snapshot: &Snapshot) -> Vec<Removal> {
    let spec = &snapshot.cluster.spec;
    let allowed = spec.restart_count_before_pod_deletion.unwrap_or(RESTARTS);
    let mut pods = snapshot.pods.iter();
    let one_moves = pods.any(|(name, pod)| moves(pod, snapshot.reading(name).is_some()));
    if allowed <= 0 || one_moves {
        return Vec::new();
    }
    let mut crossed = snapshot.pods.iter().filter(|(name, pod)| {
        let is_broken = pod.problem.is_some() && !pod.ready && !pod.deleting;
        is_broken && pod.restarts > allowed && snapshot.crosses(name).is_some()
    });
    let first = crossed.next().map(|(name, pod)| Removal::Pod {
        name: name.clone(),
        uid: pod.uid.clone(),
    });
    first.into_iter().collect()
}

/// Whether a pod is made anew just now: what its node will say is not known yet. That of a lost machine may stay for long.
fn moves(pod: &NodePod, answers: bool) -> bool {
    let starts = pod.rack.is_some() && !pod.ready && pod.restarts == 0 && pod.problem.is_none();
    pod.lost_with.is_none() && (pod.deleting || (starts && !answers))
}
