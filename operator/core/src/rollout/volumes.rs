//! Volumes of nodes that have left. A volume is deleted after the operator observed its node leave and every member
//! that answers has forgotten the node, and only if the UID of the volume is the recorded one.

use casskop_common::{
    api::{OperationNode, OperationPhase, VolumeRef},
    names::{self, RackId},
    operations::OperationKind,
};

use crate::{
    observed::{ObservedState, replicas},
    rollout::removal::Removal,
};

/// Volumes to delete: their pod has ended, and every member that answers has forgotten their node.
pub fn given_up(state: &ObservedState) -> Vec<Removal> {
    left_behind(state)
        .filter(|(node, _)| !state.pods.contains_key(&node.pod))
        .filter(|(node, _)| state.is_forgotten(&node.host_id))
        .filter(|(_, volume)| !state.live.volumes[&volume.name].deleting)
        .map(|(_, volume)| Removal::Volume {
            name: volume.name.clone(),
            uid: volume.uid.clone(),
        })
        .collect()
}

/// A volume of a node that has left, if it still exists. Until the volume is deleted, no other node leaves, because
/// that would overwrite the record of the volume; and the rack does not grow, because the new node would start with the
/// data of the old one.
pub fn awaited(state: &ObservedState) -> Option<&VolumeRef> {
    left_behind(state).next().map(|(_, volume)| volume)
}

fn left_behind(state: &ObservedState) -> impl Iterator<Item = (&OperationNode, &VolumeRef)> {
    let left = state.operations().filter(|operation| {
        operation.kind == OperationKind::Decommission
            && operation.phase == OperationPhase::Succeeded
    });
    left.flat_map(|operation| &operation.nodes)
        .filter(|node| !is_expected(state, &node.pod))
        .flat_map(|node| node.volumes.iter().map(move |volume| (node, volume)))
        .filter(|(_, volume)| is_there(state, volume))
}

fn is_there(state: &ObservedState, volume: &VolumeRef) -> bool {
    let live = state.live.volumes.get(&volume.name);
    live.is_some_and(|live| live.uid == volume.uid)
}

/// Whether a StatefulSet requires the pod. False while the StatefulSet is missing.
fn is_expected(state: &ObservedState, pod: &str) -> bool {
    let expected = |(rack, set): (RackId, _)| {
        (0..replicas(set)).any(|ordinal| names::pod(state.name(), &rack, ordinal) == pod)
    };
    state.racks().any(expected)
}
