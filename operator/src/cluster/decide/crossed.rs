//! Crossed addresses: after several pods started at the same time, one may have the address that the ring knows another
//! node by, and Cassandra refuses to start. A new pod gets a new address (`restartCountBeforePodDeletion`).

use super::Removal;
use crate::cluster::snapshot::Snapshot;

/// Pods to be made anew: restarted more often than the spec allows, with the address of another member.
pub fn crossed(snapshot: &Snapshot) -> Vec<Removal> {
    let allowed = snapshot
        .cluster
        .spec
        .restart_count_before_pod_deletion
        .unwrap_or(0);
    if allowed <= 0 {
        return Vec::new();
    }
    let mut found = snapshot.pods.iter().filter(|(name, pod)| {
        let Some(ip) = pod
            .ip
            .as_ref()
            .filter(|_| pod.restarts > allowed && !pod.deleting)
        else {
            return false;
        };
        let own = snapshot.host_id(name);
        let known = snapshot
            .members()
            .find_map(|(_, reading)| reading.host_ids.get(ip));
        matches!((own, known), (Some(own), Some(known)) if own != known)
    });
    // One at a time: the next one may be well when this one has moved.
    let first = found.next().map(|(name, pod)| Removal::Pod {
        name: name.clone(),
        uid: pod.uid.clone(),
    });
    first.into_iter().collect()
}
