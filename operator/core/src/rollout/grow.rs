//! Scale-up: one node at a time, in the rack with the fewest nodes.

use casskop_common::{conditions::Action, names};

use crate::{
    observed::ObservedState,
    rollout::{RackDiff, Rollout, Step},
};

/// The racks that need more nodes.
fn growing<'a, 'b>(diffs: &'a [RackDiff<'b>]) -> impl Iterator<Item = &'a RackDiff<'b>> {
    let needs_more = |diff: &&RackDiff<'_>| diff.live_replicas() < diff.wanted.replicas;
    diffs.iter().filter(needs_more)
}

/// The rack with the fewest nodes, of the racks that need more. Every rack gets its next node before any rack gets its
/// second next node, so that replicas stay spread.
pub(crate) fn next<'a, 'b>(diffs: &'a [RackDiff<'b>]) -> Option<&'a RackDiff<'b>> {
    growing(diffs).min_by_key(|diff| diff.live_replicas())
}

/// The rack whose next pod brings back the one member that the others miss: the rack was scaled down while the node joined,
/// and its volume is still there. Every other growth waits until all members are up.
pub(crate) fn returning<'a, 'b>(
    diffs: &'a [RackDiff<'b>],
    state: &ObservedState,
) -> Option<&'a RackDiff<'b>> {
    growing(diffs).find(|diff| {
        let rack = &diff.wanted.id;
        let pod = names::pod(state.name(), rack, diff.live_replicas());
        !state.volumes_of(&pod, rack).is_empty() && state.misses_only_a_member_of(rack)
    })
}

/// A surplus pod that has not ended. Until the pod ends, its node may still join, and a new node would join at the same
/// time.
pub(crate) fn surplus(state: &ObservedState) -> Option<String> {
    let expected = state.expected_pods();
    let is_expected = |pod: &str| expected.iter().any(|(name, _)| name == pod);
    let pods = state.pods.iter();
    let mut racks = pods.filter_map(|(pod, live)| Some((pod, live.rack.as_ref()?)));
    let (pod, rack) = racks.find(|(pod, _)| !is_expected(pod))?;
    Some(if state.racks().any(|(live, _)| live == *rack) {
        format!("{pod}, which is one too many, to end")
    } else {
        format!(
            "{pod}, whose StatefulSet was deleted by hand: add rack {rack} to the spec again, so that its node leaves the ring when the rack is removed; or delete the pod, if its node never joined"
        )
    })
}

impl Rollout {
    /// Adds one node to a rack.
    pub(crate) fn grow(&mut self, diff: &RackDiff<'_>) {
        let replicas = diff.live_replicas() + 1;
        self.action = Some(Action::ScaleUp);
        self.rack = Some(diff.wanted.id.clone());
        self.waiting_for = Some(format!(
            "node {replicas} of rack {} to join",
            diff.wanted.id
        ));
        self.steps.push(Step::new(diff.wanted.clone(), replicas));
    }
}
