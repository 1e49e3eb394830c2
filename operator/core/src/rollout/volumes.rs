//! Volumes of nodes that have left: they go when their node was seen to leave, when every member that answers has
//! forgotten it, and only while they are the very volumes that it had.

use casskop_common::{
    api::{OperationNode, OperationPhase, VolumeRef},
    names::{self, RackId},
    operations::DECOMMISSION,
};

use crate::{
    observed::{Snapshot, replicas},
    rollout::removal::Removal,
};

/// Volumes that may go now: their pod has ended, and every member that answers has forgotten their node.
pub fn given_up(snapshot: &Snapshot) -> Vec<Removal> {
    left_behind(snapshot)
        .filter(|(node, _)| !snapshot.pods.contains_key(&node.pod))
        .filter(|(node, _)| snapshot.is_forgotten(&node.host_id))
        .filter(|(_, volume)| !snapshot.live.volumes[&volume.name].deleting)
        .map(|(_, volume)| Removal::Volume {
            name: volume.name.clone(),
            uid: volume.uid.clone(),
        })
        .collect()
}

/// A volume that a node has left behind and that is still there. Nobody else leaves before it is gone, or the record of
/// it would be lost; and its rack does not grow, or the new node would start with the data of one that has left.
pub fn awaited(snapshot: &Snapshot) -> Option<&VolumeRef> {
    left_behind(snapshot).next().map(|(_, volume)| volume)
}

fn left_behind(snapshot: &Snapshot) -> impl Iterator<Item = (&OperationNode, &VolumeRef)> {
    let left = snapshot.operations().filter(|operation| {
        operation.kind == DECOMMISSION && operation.phase == OperationPhase::Succeeded
    });
    left.flat_map(|operation| &operation.nodes)
        .filter(|node| !is_expected(snapshot, &node.pod))
        .flat_map(|node| node.volumes.iter().map(move |volume| (node, volume)))
        .filter(|(_, volume)| is_there(snapshot, volume))
}

fn is_there(snapshot: &Snapshot, volume: &VolumeRef) -> bool {
    let live = snapshot.live.volumes.get(&volume.name);
    live.is_some_and(|live| live.uid == volume.uid)
}

/// Whether a StatefulSet asks for the pod; while its set is missing nobody knows.
fn is_expected(snapshot: &Snapshot, pod: &str) -> bool {
    let expected = |(rack, set): (RackId, _)| {
        (0..replicas(set)).any(|ordinal| names::pod(snapshot.name(), &rack, ordinal) == pod)
    };
    snapshot.racks().any(expected)
}
