//! The invariants at every moment of a history.

use std::collections::BTreeSet;

use casskop_common::{
    api::{NodePhase, OperationStatus},
    operations::{Arguments, OperationKind},
};
use proptest::prelude::*;

use super::history::{Call, History};
use crate::{
    operations::{
        behaviour,
        recorded::{has_begun, is_at_work},
        transitions,
    },
    simulation::{Node, Pod, World},
};

impl History {
    /// Invariants at every moment.
    pub(super) fn check(&self) -> Result<(), TestCaseError> {
        let status = self.world.status();
        let begun = status.operations.iter().filter(|known| has_begun(known));
        let begun: Vec<_> = begun.collect();
        let at_work = begun.iter().filter(|known| is_at_work(known));
        prop_assert!(
            at_work.count() <= 1,
            "one operation at work at a time: {begun:#?}"
        );
        // An operation that waits for the ring lets those begin that mend it, and no other.
        let others = begun.iter().filter(|known| !mends_ring(known));
        prop_assert!(others.count() <= 1, "one operation at a time: {begun:#?}");
        let down = down(&self.world);
        prop_assert!(down.len() <= 1, "nodes of two racks are down: {down:?}");
        let mut pods = self.world.pods.values();
        let leaving = pods.by_ref().filter(|pod| pod.node == Node::Leaving);
        prop_assert!(leaving.count() <= 1, "two nodes leave at the same time");
        for operation in &status.operations {
            let steps = operation.plan.iter().flat_map(|plan| plan.steps.clone());
            let steps: Vec<String> = steps.collect();
            for node in &operation.nodes {
                for step in steps.iter().take(transitions::steps_done(node)) {
                    let (kind, id) = (
                        operation.kind.known().expect("a kind"),
                        operation.id.clone(),
                    );
                    let done = (kind, id, node.pod.clone(), step.clone());
                    prop_assert!(
                        self.done.contains(&done),
                        "{done:?} is counted and was not done"
                    );
                }
                let all = transitions::steps_done(node) == steps.len();
                prop_assert!(node.phase != NodePhase::Succeeded || all, "{node:?}");
            }
        }
        let mut ids = BTreeSet::new();
        for old in status.operation_history.iter().chain(&status.operations) {
            prop_assert!(
                ids.insert((&old.kind, &old.id)),
                "{} {} is recorded twice",
                old.kind,
                old.id
            );
        }
        let must_not_repeat = self.calls.iter().filter(|call| !may_repeat(call.0));
        let must_not_repeat: Vec<&Call> = must_not_repeat.collect();
        let distinct: BTreeSet<_> = must_not_repeat.iter().collect();
        prop_assert_eq!(
            distinct.len(),
            must_not_repeat.len(),
            "called twice for one attempt"
        );
        Ok(())
    }
}

/// Whether an operation may begin while another one waits for the ring.
fn mends_ring(operation: &OperationStatus) -> bool {
    let kinds = [
        OperationKind::Decommission,
        OperationKind::Remove,
        OperationKind::Replace,
    ];
    kinds.iter().any(|kind| operation.kind == *kind)
}

/// Racks with members that do not run, other than those that have lost their volume.
fn down(world: &World) -> BTreeSet<String> {
    let runs = |host: &String| {
        let mut pods = world.pods.values();
        let is_it = |pod: &&Pod| pod.host.as_ref() == Some(host);
        pods.any(|pod| is_it(&pod) && matches!(pod.node, Node::Normal | Node::Leaving))
    };
    let members = world.ring.keys().filter(|host| world.may_come_back(host));
    let down = members.filter(|host| !runs(host));
    let racks = down.filter_map(|host| world.locations.get(host));
    racks.map(|rack| rack.rack.clone()).collect()
}

/// Whether the kind says that a step which is done may be called again.
pub(super) fn may_repeat(kind: OperationKind) -> bool {
    let words = match kind {
        OperationKind::Snapshot => "--name kept",
        // Guarded by the UIDs of the pod and of the volumes, and by the host id.
        OperationKind::Decommission | OperationKind::Remove | OperationKind::Replace => {
            return true;
        }
        _ => "",
    };
    let arguments = Arguments::recorded(&kind.into(), words).expect("arguments");
    behaviour(&arguments.operation).is_idempotent()
}
