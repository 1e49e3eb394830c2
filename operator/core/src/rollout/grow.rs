//! Scale-up: one node at a time, in the rack with the fewest nodes.

use casskop_common::conditions::Action;

use crate::{
    observed::Snapshot,
    rollout::{Pair, Rollout, Step},
};

/// The rack with the fewest nodes, of the racks that need more. Every rack gets its next node before any rack gets its
/// second next node, so that replicas stay spread.
pub(crate) fn next<'a, 'b>(pairs: &'a [Pair<'b>]) -> Option<&'a Pair<'b>> {
    pairs
        .iter()
        .filter(|pair| pair.live_replicas() < pair.wanted.replicas)
        .min_by_key(|pair| pair.live_replicas())
}

/// A surplus pod that has not ended. Until the pod ends, its node may still join, and a new node would join at the same
/// time.
pub(crate) fn surplus(snapshot: &Snapshot) -> Option<String> {
    let expected = snapshot.expected_pods();
    let is_expected = |pod: &str| expected.iter().any(|(name, _)| name == pod);
    let pods = snapshot.pods.iter();
    let mut racks = pods.filter_map(|(pod, live)| Some((pod, live.rack.as_ref()?)));
    let (pod, rack) = racks.find(|(pod, _)| !is_expected(pod))?;
    Some(if snapshot.racks().any(|(live, _)| live == *rack) {
        format!("{pod}, which is one too many, to end")
    } else {
        format!(
            "{pod}, whose StatefulSet was deleted by hand: put rack {rack} back into the spec, for its node to leave the ring when it is taken out again; or delete the pod, if that never joined"
        )
    })
}

impl Rollout {
    /// Adds one node to a rack.
    pub(crate) fn grow(&mut self, pair: &Pair<'_>) {
        let replicas = pair.live_replicas() + 1;
        self.action = Some(Action::ScaleUp);
        self.rack = Some(pair.wanted.id.clone());
        self.waiting_for = Some(format!(
            "node {replicas} of rack {} to join",
            pair.wanted.id
        ));
        self.steps.push(Step::new(pair.wanted.clone(), replicas));
    }
}
