//! More nodes: one at a time, where there are fewest.

use casskop_common::conditions::Action;

use crate::{
    observed::Snapshot,
    rollout::{Pair, Rollout, Step},
};

/// The rack with the fewest nodes of those that should have more: every rack's next node before any rack's second
/// next, so that replicas stay spread.
pub(crate) fn next<'a, 'b>(pairs: &'a [Pair<'b>]) -> Option<&'a Pair<'b>> {
    pairs
        .iter()
        .filter(|pair| pair.live_replicas() < pair.wanted.replicas)
        .min_by_key(|pair| pair.live_replicas())
}

/// A pod that is too many and has not ended. Until it has, its node may still join, and another would join beside it.
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
    /// One more node for a rack.
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
