//! Requests that are not what they seem: copied, restored, stale, doubled, edited, or many and long.

use casskop_common::{
    api::{OperationPhase, OperationReason, Requester},
    names,
};

use crate::simulation::{Node, THREE_RACKS, World};

const UID: &str = "01234567-89ab-cdef-0123-456789abcdef";
const LOST: &str = "demo-dc1-rack2-0";

/// Every node has done the step once.
fn calls_of(world: &World, id: &str) -> usize {
    world.calls.iter().filter(|call| call.1 == id).count()
}

fn phase(world: &World, kind: &str) -> OperationPhase {
    world.operation(kind).phase
}

#[test]
fn a_keyspace_that_a_silent_node_may_know_is_waited_for() {
    let mut world = World::formed(THREE_RACKS);
    world.pods.get_mut(LOST).expect("a pod").node = Node::Hanging;
    world.annotate("flush", Some("f1 --pod demo-dc1-rack1-0 --keyspace typo"));
    world.pass();
    let flush = world.operation("flush");
    assert_eq!(flush.phase, OperationPhase::Pending, "{flush:#?}");
    assert_eq!(flush.reason, Some(OperationReason::KeyspacesUnknown));
    world.pods.get_mut(LOST).expect("a pod").node = Node::Normal;
    world.pass();
    let flush = world.operation("flush");
    assert_eq!(flush.reason, Some(OperationReason::UnknownKeyspace));
    for pod in world.pods.values_mut() {
        pod.node = Node::Hanging;
    }
    world.annotate("flush", Some("f2 --pod demo-dc1-rack1-0 --keyspace orders"));
    world.pass();
    assert_eq!(phase(&world, "flush"), OperationPhase::Pending);
}

#[test]
fn a_manifest_restored_elsewhere_destroys_nothing_there() {
    // The annotations are those of the cluster that was saved; the status and the uid are not.
    let mut world = World::formed(THREE_RACKS);
    world.cluster.metadata.uid = Some("11111111-2222-3333-4444-555555555555".into());
    world.pods.get_mut(LOST).expect("a pod").node = Node::Hanging;
    for kind in ["remove", "replace"] {
        let value = format!("{kind}-1 --pod {LOST} --cluster-uid {UID}");
        world.annotate(kind, Some(&value));
        world.annotate(
            &format!("{kind}.waive"),
            Some(&format!("{kind}-1 node-is-down")),
        );
    }
    for _ in 0..5 {
        world.pass();
        world.tick();
    }
    for kind in ["remove", "replace"] {
        let reason = world.operation(kind).reason;
        assert_eq!(reason, Some(OperationReason::WrongCluster), "{kind}");
    }
    assert!(world.calls.is_empty());
}

#[test]
fn a_request_of_a_restored_status_is_not_run_again() {
    let mut world = World::formed(THREE_RACKS);
    world.annotate("cleanup", Some("a"));
    world.settle();
    let saved = world.cluster.clone();
    world.annotate("cleanup", Some("b"));
    world.settle();
    // Annotations and status of before come back; then the annotations of after, without their status.
    let now = std::mem::replace(&mut world.cluster, saved);
    world.settle();
    assert_eq!((calls_of(&world, "a"), calls_of(&world, "b")), (9, 9));
    world.cluster.metadata.annotations = now.metadata.annotations;
    world.settle();
    assert_eq!(
        (calls_of(&world, "a"), calls_of(&world, "b")),
        (9, 18),
        "what the status does not know of is new; it discards nothing"
    );
}

#[test]
fn a_stale_control_hits_no_other_request() {
    for (control, value) in [
        ("pause", "old"),
        ("cancel", "old"),
        ("retry", "old"),
        ("waive", "old nodes-up"),
    ] {
        let mut world = World::formed(THREE_RACKS);
        world.annotate(&format!("cleanup.{control}"), Some(value));
        world.annotate("cleanup", Some("new"));
        world.settle();
        assert_eq!(
            phase(&world, "cleanup"),
            OperationPhase::Succeeded,
            "{control}"
        );
        assert_eq!(calls_of(&world, "new"), 9, "{control}");
    }
    let mut world = World::formed(THREE_RACKS);
    world.pods.get_mut(LOST).expect("a pod").node = Node::Hanging;
    world.annotate("cleanup.waive", Some("old nodes-up"));
    world.annotate("cleanup", Some("new"));
    world.pass();
    assert_eq!(phase(&world, "cleanup"), OperationPhase::Pending);
}

#[test]
fn two_ids_one_after_the_other_before_anybody_looked_are_one_request() {
    let mut world = World::formed(THREE_RACKS);
    world.annotate("cleanup", Some("a"));
    world.annotate("cleanup", Some("b"));
    world.settle();
    assert_eq!((calls_of(&world, "a"), calls_of(&world, "b")), (0, 9));
}

#[test]
fn what_somebody_asks_for_goes_before_what_the_spec_asks_for_and_has_not_begun() {
    let mut world = World::formed(THREE_RACKS);
    world.annotate("reconcile", Some("paused"));
    world.edit(|cluster| {
        let dc = &mut cluster.spec.topology.as_mut().expect("a topology").dc[0];
        dc.rack[0].rolling_restart = Some(true);
    });
    world.pass();
    assert!(world.operation("restart").requested_by.is_some());
    world.annotate("restart", Some("a --rack rack2"));
    world.pass();
    world.pass();
    assert_eq!(world.operation("restart").id, "a", "it is seen to wait");
    world.annotate("reconcile", None);
    world.settle();
    let mut restarted: Vec<&str> = world.calls.iter().map(|call| call.2.as_str()).collect();
    restarted.dedup();
    let both = [LOST, "demo-dc1-rack1-0"];
    assert_eq!(restarted, both, "one after the other");
    let calls = world.calls.len();
    world.settle();
    assert_eq!(world.calls.len(), calls, "once each");
}

#[test]
fn what_somebody_asks_for_is_seen_although_an_own_one_fails_again_and_again() {
    let mut world = World::formed(THREE_RACKS);
    world.edit(|cluster| {
        cluster.spec.auto_pilot = Some(true);
        cluster.spec.nodes_per_racks = Some(2);
    });
    while world.at_work.is_empty() {
        world.pass();
        world.tick();
    }
    world.work(0, true, true);
    while phase(&world, "cleanup") != OperationPhase::Failed {
        world.pass();
        world.work(0, true, false);
    }
    world.annotate("cleanup", Some("a --rack rack2"));
    world.pass();
    assert_eq!(world.operation("cleanup").id, "a");
    world.settle();
    let own = world.operation("cleanup");
    assert_eq!(own.requested_by, Some(Requester::AutoPilot));
    assert_eq!(own.phase, OperationPhase::Succeeded, "tried again after it");
}

#[test]
fn one_id_may_stand_in_several_kinds() {
    let mut world = World::formed(THREE_RACKS);
    world.annotate("cleanup", Some("a"));
    world.annotate("flush", Some("a"));
    world.annotate("flush.cancel", Some("a"));
    world.settle();
    assert_eq!(phase(&world, "cleanup"), OperationPhase::Succeeded);
    assert_eq!(phase(&world, "flush"), OperationPhase::Cancelled);
}

#[test]
fn what_is_edited_counts_until_it_begins() {
    let mut world = World::formed(THREE_RACKS);
    world.annotate("reconcile", Some("paused"));
    world.annotate("cleanup", Some("a --rack rack1"));
    world.pass();
    world.annotate("cleanup", Some("a --rack rack2"));
    world.annotate("reconcile", None);
    world.pass();
    assert_eq!(world.operation("cleanup").arguments, "--rack rack2");
    assert_eq!(phase(&world, "cleanup"), OperationPhase::Running);
    world.annotate("cleanup", Some("a --rack rack3"));
    world.settle();
    let ended = world.operation("cleanup");
    assert_eq!(
        ended.arguments, "--rack rack2",
        "one that runs is not edited"
    );
    assert!(world.calls.iter().all(|call| call.2 == LOST));
}

#[test]
fn what_becomes_invalid_while_it_runs_ends_as_it_began() {
    let mut world = World::formed(THREE_RACKS);
    world.annotate("cleanup", Some("a"));
    world.pass();
    world.annotate("cleanup", Some("a --nonsense"));
    world.settle();
    assert_eq!(phase(&world, "cleanup"), OperationPhase::Succeeded);
    assert!(world.condition("IntentsAccepted").contains("--nonsense"));
}

#[test]
fn many_and_long_annotations_leave_the_status_small() {
    let mut world = World::formed(THREE_RACKS);
    for number in 0..2000 {
        world.annotate(&format!("kind{number}"), Some(&"x".repeat(100)));
    }
    let long = "y".repeat(8000);
    for kind in ["cleanup", "flush", "repair"] {
        world.annotate(kind, Some(&format!("a --{long}")));
        world.annotate(&format!("{kind}.waive"), Some(&format!("a {long}")));
        world.annotate(&format!("{kind}.pause"), Some(&long));
    }
    world.pass();
    let told = world.condition("IntentsAccepted");
    assert!(told.contains("and 1989 more"), "{told}");
    let bytes = serde_json::to_string(&world.status())
        .expect("it is JSON")
        .len();
    assert!(bytes < 64 * 1024, "{bytes} bytes");
    assert!(told.contains(names::OPERATIONS_PREFIX));
}
