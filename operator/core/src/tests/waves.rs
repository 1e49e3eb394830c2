//! Nodes that are worked on together, and what proves that it does no harm.

use casskop_common::api::OperationPhase;

use crate::{
    node::Replication,
    simulation::{Node, THREE_RACKS, World},
};

/// Three racks of two nodes.
fn six(factor: usize) -> World {
    let mut world = World::new(THREE_RACKS);
    world.edit(|cluster| cluster.spec.nodes_per_racks = Some(2));
    for replication in world.replication.values_mut() {
        *replication = Replication::Topology([("dc1".to_owned(), factor)].into());
    }
    world.settle();
    world
}

fn waves(world: &World, kind: &str) -> Vec<Vec<String>> {
    world.operation(kind).plan.expect("a plan").waves
}

#[test]
fn the_nodes_of_a_rack_work_together_and_the_next_rack_waits() {
    let mut world = six(3);
    world.annotate("cleanup", Some("c1 --parallel rack"));
    world.pass();
    insta::assert_yaml_snapshot!(waves(&world, "cleanup"));
    assert_eq!(world.at_work.len(), 2);
    assert!(world.at_work.iter().all(|(_, pod)| pod.contains("rack1")));
    world.settle();
    assert_eq!(world.operation("cleanup").phase, OperationPhase::Succeeded);
    let first_of_next = world.calls.iter().position(|call| call.2.contains("rack2"));
    let last_of_first = world
        .calls
        .iter()
        .rposition(|call| call.2.contains("rack1"));
    assert!(last_of_first < first_of_next);
}

#[test]
fn a_wave_has_at_most_as_many_nodes_as_asked() {
    let mut world = six(3);
    world.annotate("flush", Some("f1 --parallel rack --max-nodes 1"));
    world.settle();
    assert_eq!(waves(&world, "flush").len(), 6);
}

#[test]
fn a_rack_goes_away_only_where_a_quorum_is_kept() {
    for (factor, begins) in [(1, false), (2, false), (3, true), (4, false), (5, true)] {
        let mut world = six(factor);
        world.annotate("restart", Some("r1 --parallel rack"));
        world.pass();
        let operation = world.operation("restart");
        let running = operation.phase == OperationPhase::Running;
        assert_eq!(running, begins, "{factor} replicas: {}", operation.message);
        assert!(begins || operation.message.contains("quorum-kept"));
    }
    // One node at a time is the user's own risk with few replicas, as it is for every spec change.
    let mut world = six(1);
    world.annotate("restart", Some("r1"));
    world.pass();
    assert_eq!(world.operation("restart").phase, OperationPhase::Running);
}

#[test]
fn the_check_that_holds_a_later_wave_is_told() {
    let mut world = six(3);
    world.annotate("cleanup", Some("c1 --parallel rack"));
    world.pass();
    let pod = world.pods.get_mut("demo-dc1-rack3-0").expect("a pod");
    pod.node = Node::Hanging;
    for _ in 0..20 {
        world.work(0, true, false);
        world.pass();
    }
    let operation = world.operation("cleanup");
    let failing = operation.checks.iter().find(|check| !check.passed);
    assert!(
        failing.is_some_and(|check| check.name == "nodes-up"),
        "{operation:#?}"
    );
}

#[test]
fn what_takes_a_node_away_needs_the_nodes_of_later_waves_too() {
    let mut world = six(3);
    world.pods.get_mut("demo-dc1-rack3-1").expect("a pod").node = Node::Hanging;
    world.annotate("restart", Some("r1"));
    world.pass();
    let operation = world.operation("restart");
    assert_eq!(operation.phase, OperationPhase::Pending);
    assert!(
        operation.message.contains("demo-dc1-rack3-1"),
        "{}",
        operation.message
    );
}

#[test]
fn two_repairs_never_meet() {
    let mut world = six(3);
    world.annotate("repair", Some("r1 --parallel rack"));
    world.pass();
    let operation = world.operation("repair");
    assert_eq!(operation.phase, OperationPhase::Refused);
    insta::assert_snapshot!(operation.message);
}
