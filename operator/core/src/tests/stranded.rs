//! Pods whose volume claim was made after they were placed.

use crate::{
    observed::ObservedState,
    rollout::Removal,
    simulation::{THREE_RACKS, World},
};

const POD: &str = "demo-dc1-rack1-0";
const CLAIM: &str = "data-demo-dc1-rack1-0";
const WARNING: &str = "FailedMount: Unable to attach or mount volumes: unmounted volumes=[data], failed to process volumes=[data]: error processing PVC ns/data-demo-dc1-rack1-0: PVC is not bound";

/// A pod that is placed and does not start, with a claim that Kubernetes does not bind.
fn stranded(world: &World) -> ObservedState {
    let mut state = world.state();
    state.nodes.remove(POD);
    let pod = state.pods.get_mut(POD).expect("a pod");
    (pod.ready, pod.waits_on) = (false, Some("node1".to_owned()));
    let uid = pod.uid.clone();
    state.live.warnings.insert(uid, WARNING.to_owned());
    let claim = state.live.volumes.get_mut(CLAIM).expect("a claim");
    claim.capacity = None;
    state
}

fn removals(world: &World, state: &mut ObservedState) -> Vec<Removal> {
    world.plan_for(state).removals
}

#[test]
fn a_stranded_pod_is_made_anew() {
    let world = World::formed(THREE_RACKS);
    let mut state = stranded(&world);
    insta::assert_snapshot!(state.health_problem(POD).expect("a problem"));
    let expected = Removal::Pod {
        name: POD.to_owned(),
        uid: state.pods[POD].uid.clone(),
        version: state.pods[POD].version.clone(),
    };
    assert_eq!(removals(&world, &mut state), [expected]);
}

/// A change to a stranded pod.
type Change = fn(&mut ObservedState);

const OTHERS: [(&str, Change); 7] = [
    ("not placed yet, or its containers run", |state| {
        state.pods.get_mut(POD).expect("a pod").waits_on = None;
    }),
    (
        "not reported by the kubelet: the claim may be read too early",
        |state| {
            state.live.warnings.clear();
        },
    ),
    ("deleted already", |state| {
        state.pods.get_mut(POD).expect("a pod").deleting = true;
    }),
    ("the volume is provisioned", |state| {
        state
            .live
            .volumes
            .get_mut(CLAIM)
            .expect("a claim")
            .is_placed = true;
    }),
    ("the volume is there: something else is not", |state| {
        let claim = state.live.volumes.get_mut(CLAIM).expect("a claim");
        claim.capacity = Some("1Gi".to_owned());
    }),
    ("the claim is deleted, and is made again", |state| {
        state.live.volumes.get_mut(CLAIM).expect("a claim").deleting = true;
    }),
    ("paused", |state| state.intents.reconcile_paused = true),
];

#[test]
fn a_pod_that_may_start_stays() {
    let world = World::formed(THREE_RACKS);
    for (what, change) in OTHERS {
        let mut state = stranded(&world);
        change(&mut state);
        assert_eq!(removals(&world, &mut state), [], "{what}");
    }
}
