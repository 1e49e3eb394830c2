//! Pods that Kubernetes is still to replace: a StatefulSet that was written is rolled out later.

use casskop_common::names::{self, RackId};
use k8s_openapi::api::apps::v1::StatefulSet;

use crate::{
    desired::Desired,
    observed::{ObservedState, replicas},
};

/// The partition of the StatefulSet: pods with a lower ordinal keep their revision.
pub fn partition(set: &StatefulSet) -> i32 {
    let strategy = set
        .spec
        .as_ref()
        .and_then(|spec| spec.update_strategy.as_ref()?.rolling_update.as_ref());
    strategy.and_then(|rolling| rolling.partition).unwrap_or(0)
}

/// Whether a pod has an older revision, and is not kept by the partition. The status of a StatefulSet that was just
/// re-created reports a finished rollout, although its adopted pods are older.
pub(super) fn has_outdated(rack: &RackId, set: &StatefulSet, state: &ObservedState) -> bool {
    let status = set.status.as_ref();
    let Some(newest) = status.and_then(|status| status.update_revision.as_deref()) else {
        return false;
    };
    let mut pods = pods(rack, set, state).skip(usize::try_from(partition(set)).unwrap_or(0));
    pods.any(|pod| {
        let live = state.pods.get(&pod);
        live.is_some_and(|pod| pod.revision != newest)
    })
}

/// Whether Kubernetes takes a node of a rack down next: every node is healthy, and pods are still to be replaced.
fn takes_down_next(rack: &RackId, set: &StatefulSet, state: &ObservedState) -> bool {
    !is_rolled_out(rack, set, state) && is_healthy(rack, set, state)
}

/// Whether no node goes down until the StatefulSet is written again: every node is healthy, and Kubernetes has replaced all
/// pods that the partition does not keep.
pub(super) fn is_at_rest(rack: &RackId, set: &StatefulSet, state: &ObservedState) -> bool {
    is_rolled_out(rack, set, state) && is_healthy(rack, set, state)
}

/// A rack that the spec does not contain, and of which Kubernetes takes a node down next: its change had begun before it
/// was taken out of the spec.
pub(super) fn rolls_elsewhere(desired: &Desired, state: &ObservedState) -> Option<RackId> {
    let is_wanted = |rack: &RackId| desired.racks.iter().any(|wanted| wanted.id == *rack);
    let mut racks = state.racks();
    let found = racks.find(|(rack, set)| !is_wanted(rack) && takes_down_next(rack, set, state));
    found.map(|(rack, _)| rack)
}

fn is_rolled_out(rack: &RackId, set: &StatefulSet, state: &ObservedState) -> bool {
    let status = set.status.as_ref();
    let is_seen = |generation| generation >= set.metadata.generation;
    let is_seen = status.is_some_and(|status| is_seen(status.observed_generation));
    is_seen && !has_outdated(rack, set, state)
}

fn is_healthy(rack: &RackId, set: &StatefulSet, state: &ObservedState) -> bool {
    pods(rack, set, state).all(|pod| state.own_health_problem(&pod).is_none())
}

fn pods(rack: &RackId, set: &StatefulSet, state: &ObservedState) -> impl Iterator<Item = String> {
    (0..replicas(set)).map(move |ordinal| names::pod(state.name(), rack, ordinal))
}
