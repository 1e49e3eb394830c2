//! Nodes that were to leave and stay: before they began, cancelled, or after they failed.

use casskop_common::api::{CleanupReason, OperationPhase, Phase};
use jiff::SignedDuration;

use crate::{
    simulation::{Node, World},
    tests::shrink::{nodes, passes, replicate, six},
};

#[test]
fn what_was_not_begun_is_called_off() {
    let mut world = six();
    replicate(&mut world, "orders", 6);
    nodes(&mut world, 1);
    passes(&mut world);
    assert_eq!(
        world.operation("decommission").phase,
        OperationPhase::Pending
    );
    insta::assert_snapshot!(world.condition("Progressing"));
    nodes(&mut world, 2);
    world.settle();
    assert_eq!(
        world.operation("decommission").phase,
        OperationPhase::Withdrawn
    );
    assert_eq!((world.pods.len(), world.calls.len()), (6, 0));
}

#[test]
fn what_is_cancelled_before_it_begins_is_at_rest_until_the_cancel_is_taken_back() {
    let mut world = six();
    replicate(&mut world, "orders", 6);
    nodes(&mut world, 1);
    passes(&mut world);
    let id = world.operation("decommission").id;
    world.annotate("decommission.cancel", Some(&id));
    passes(&mut world);
    let cancelled = world.operation("decommission");
    assert_eq!(cancelled.phase, OperationPhase::Cancelled);
    assert!(
        world.plan().operations.is_empty(),
        "nothing changes any more"
    );
    assert_eq!(world.calls.len(), 0);
    replicate(&mut world, "orders", 3);
    world.annotate("decommission.cancel", None);
    world.settle();
    assert_eq!(world.ring.len(), 6, "it waits for a cleanup");
    world.annotate("cleanup", Some("c1"));
    world.settle();
    assert_eq!(world.ring.len(), 3);
}

#[test]
fn what_failed_before_it_left_can_be_called_off() {
    let mut world = six();
    nodes(&mut world, 1);
    world.pass();
    world.work(0, true, true);
    passes(&mut world);
    assert_eq!(
        world.operation("decommission").phase,
        OperationPhase::Failed
    );
    nodes(&mut world, 2);
    for _ in 0..30 {
        passes(&mut world);
    }
    assert_eq!((world.ring.len(), world.calls.len()), (6, 1));
    assert_eq!(world.status().phase, Some(Phase::Running));
    // It may have handed out data before it failed.
    let owe = |world: &World| {
        let nodes = world.status().cassandra_node_status;
        let owe = nodes
            .values()
            .filter(|node| node.cleanup_required_reason == Some(CleanupReason::DecommissionFailed));
        owe.count()
    };
    assert_eq!(owe(&world), 5);
    world.annotate("cleanup", Some("pay"));
    world.settle();
    assert_eq!(owe(&world), 0);
    world.annotate("cleanup", Some("part --rack rack1"));
    world.settle();
    assert_eq!(owe(&world), 0, "it stays paid");
    nodes(&mut world, 1);
    world.settle();
    assert_eq!(world.ring.len(), 3);
}

/// The others owe a cleanup, which waits for the node that leaves: neither may wait for the other.
#[test]
fn a_node_that_leaves_after_its_decommission_failed_goes_on() {
    let mut world = six();
    nodes(&mut world, 1);
    world.pass();
    world.work(0, true, true);
    passes(&mut world);
    let failed = world.operation("decommission");
    assert_eq!(failed.phase, OperationPhase::Failed);
    let pod = failed.nodes[0].pod.clone();
    world.pods.get_mut(&pod).expect("a pod").node = Node::Leaving;
    // The record of the operation is dropped.
    world
        .cluster
        .status
        .as_mut()
        .expect("a status")
        .operations
        .clear();
    world.annotate("cleanup", Some("waits"));
    passes(&mut world);
    let cleanup = world.operation("cleanup");
    assert_eq!(cleanup.phase, OperationPhase::Pending, "{cleanup:#?}");
    world.settle();
    assert!(!world.pods.contains_key(&pod));
    assert_eq!(world.operation("cleanup").phase, OperationPhase::Succeeded);
}

#[test]
fn a_second_try_that_fails_requires_another_cleanup() {
    let mut world = six();
    let owe = |world: &World| {
        let nodes = world.status().cassandra_node_status;
        let owe = nodes.values().filter(|node| node.owes_cleanup().is_some());
        owe.count()
    };
    for id in ["first", "second"] {
        nodes(&mut world, 1);
        for _ in 0..100 {
            passes(&mut world);
            if world.operation("decommission").phase == OperationPhase::Running {
                break;
            }
        }
        world.work(0, true, true);
        passes(&mut world);
        let failed = world.operation("decommission");
        assert_eq!(failed.phase, OperationPhase::Failed, "{id}: {failed:#?}");
        nodes(&mut world, 2);
        for _ in 0..30 {
            passes(&mut world);
        }
        assert_eq!((world.ring.len(), owe(&world)), (6, 5), "{id}");
        world.annotate("cleanup", Some(id));
        world.settle();
        assert_eq!(owe(&world), 0, "{id}");
    }
}

/// The process that goes on has a clock an hour behind that of the process before.
#[test]
fn what_failed_in_the_future_is_tried_again_now() {
    let mut world = six();
    nodes(&mut world, 1);
    world.pass();
    world.work(0, true, true);
    passes(&mut world);
    let phase = |world: &World| world.operation("decommission").phase;
    assert_eq!(phase(&world), OperationPhase::Failed);
    world.now -= SignedDuration::from_hours(1);
    world.pass();
    assert_eq!(phase(&world), OperationPhase::Running);
}

#[test]
fn what_failed_is_tried_again_only_when_its_checks_pass() {
    let mut world = six();
    nodes(&mut world, 1);
    world.pass();
    world.work(0, true, true);
    replicate(&mut world, "orders", 6);
    for _ in 0..30 {
        passes(&mut world);
    }
    assert_eq!(
        world.operation("decommission").phase,
        OperationPhase::Failed
    );
    assert_eq!(world.calls.len(), 1);
    let progressing = world.condition("Progressing");
    assert!(progressing.contains("replicas-remain"), "{progressing}");
    // It keeps nothing else waiting.
    world.annotate("flush", Some("f1"));
    for _ in 0..30 {
        world.pass();
        world.work(0, true, false);
    }
    assert_eq!(world.operation("flush").phase, OperationPhase::Succeeded);
}
