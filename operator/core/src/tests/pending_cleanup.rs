//! Fewer replicas: who holds what it does not own any more, and what that holds back.

use casskop_common::api::{CassandraClusterStatus, CleanupReason, OperationPhase};
use jiff::SignedDuration;

use crate::{
    node::Replication,
    simulation::{Node, THREE_RACKS, World},
};

/// Three racks of two nodes, and a keyspace with three replicas, nothing owed.
fn six() -> World {
    let mut world = World::new(THREE_RACKS);
    replicate(&mut world, "orders", &[("dc1", 3), ("dc2", 3)]);
    world.edit(|cluster| cluster.spec.nodes_per_racks = Some(2));
    world.settle();
    world
}

fn replicate(world: &mut World, keyspace: &str, factors: &[(&str, usize)]) {
    let factors = factors.iter();
    let factors = factors.map(|(dc, factor)| ((*dc).to_owned(), *factor));
    let replication = Replication::Topology(factors.collect());
    world.replication.insert(keyspace.into(), replication);
}

/// The reasons of the owed cleanups, without repetition.
fn owed(world: &World) -> Vec<Option<CleanupReason>> {
    let status = world.status();
    let nodes = status.cassandra_node_status.values();
    let mut owed: Vec<_> = nodes
        .inspect(|node| {
            let (since, because) = (&node.cleanup_required_since, &node.cleanup_required_reason);
            assert_eq!(since.is_some(), because.is_some(), "{node:?}");
        })
        .map(|node| node.cleanup_required_reason)
        .collect();
    owed.dedup();
    owed
}

#[test]
fn fewer_replicas_are_a_debt_that_a_cleanup_pays() {
    let mut world = six();
    assert_eq!(owed(&world), [None]);
    replicate(&mut world, "orders", &[("dc1", 2), ("dc2", 3)]);
    world.settle();
    assert_eq!(owed(&world), [Some(CleanupReason::ReplicationReduced)]);

    world.edit(|cluster| cluster.spec.nodes_per_racks = Some(1));
    for _ in 0..4 {
        world.pass();
        world.tick();
    }
    assert_eq!(
        world.operation("decommission").phase,
        OperationPhase::Pending
    );
    insta::assert_snapshot!(world.condition("Progressing"));
    world.annotate("cleanup", Some("pay"));
    world.settle();
    assert_eq!(owed(&world), [None]);
    assert_eq!(world.pods.len(), 3);
}

#[test]
fn more_replicas_new_keyspaces_and_other_data_centers_cost_nothing() {
    let mut world = six();
    replicate(&mut world, "orders", &[("dc1", 4), ("dc2", 1)]);
    replicate(&mut world, "carts", &[("dc1", 1)]);
    world.settle();
    world.replication.remove("carts");
    world.settle();
    assert_eq!(owed(&world), [None]);
}

#[test]
fn a_node_that_is_down_owes_too() {
    let mut world = six();
    world
        .pods
        .get_mut("demo-dc1-rack2-1")
        .expect("it is there")
        .node = Node::Hanging;
    replicate(&mut world, "orders", &[("dc1", 2)]);
    world.pass();
    assert_eq!(owed(&world), [Some(CleanupReason::ReplicationReduced)]);
}

#[test]
fn what_was_never_seen_before_is_no_debt() {
    let mut world = six();
    let status = world.cluster.status.as_mut().expect("a status");
    status.replication = None;
    replicate(&mut world, "orders", &[("dc1", 1)]);
    world.settle();
    assert_eq!(owed(&world), [None]);
    replicate(&mut world, "users", &[]);
    world.settle();
    assert_eq!(owed(&world), [Some(CleanupReason::ReplicationRemoved)]);
}

#[test]
fn an_operator_that_dies_between_the_change_and_its_record_sees_it_again() {
    let mut world = six();
    replicate(&mut world, "orders", &[("dc1", 2), ("dc2", 3)]);
    assert!(!world.pass_until(0));
    world.kill_operator();
    world.settle();
    assert_eq!(owed(&world), [Some(CleanupReason::ReplicationReduced)]);
}

/// A node waits to leave, and replicas become fewer: it does not leave before the operator knows who requires a cleanup.
#[test]
fn a_node_that_waits_to_leave_waits_for_the_debt_of_fewer_replicas() {
    let mut world = six();
    replicate(&mut world, "orders", &[("dc1", 4)]);
    world.settle();
    world.edit(|cluster| cluster.spec.nodes_per_racks = Some(1));
    world.settle();
    assert_eq!(world.pods.len(), 6);
    replicate(&mut world, "orders", &[("dc1", 3)]);
    world.settle();
    assert_eq!(world.pods.len(), 6, "{:?}", owed(&world));
    assert_eq!(owed(&world), [Some(CleanupReason::ReplicationReduced)]);
    world.annotate("cleanup", Some("c1"));
    world.settle();
    assert_eq!(world.pods.len(), 3);
}

/// It would come back only to a data center that has replicas of it.
#[test]
fn what_is_not_replicated_any_more_keeps_no_node_from_leaving() {
    let mut world = six();
    for keyspace in ["orders", "users", "system_auth"] {
        replicate(&mut world, keyspace, &[("dc2", 3)]);
    }
    world.settle();
    assert_eq!(owed(&world), [Some(CleanupReason::ReplicationRemoved)]);
    world.edit(|cluster| cluster.spec.nodes_per_racks = Some(1));
    world.settle();
    assert_eq!(world.pods.len(), 3);

    replicate(&mut world, "orders", &[("dc1", 1), ("dc2", 3)]);
    world.settle();
    assert_eq!(
        owed(&world),
        [Some(CleanupReason::ReplicationReduced)],
        "what they hold may be owned again"
    );
}

/// A cluster with a node more, and the debt of the others: in dc1 alone.
fn grow(world: &mut World) {
    world.edit(|cluster| cluster.spec.nodes_per_racks = Some(3));
    world.settle();
}

const APART: SignedDuration = SignedDuration::from_hours(1);

#[test]
fn a_cleanup_pays_although_the_clock_of_its_operator_is_behind() {
    let mut world = six();
    world.now += APART;
    grow(&mut world);
    assert!(owed(&world).contains(&Some(CleanupReason::NodesJoined)));
    world.now -= APART;
    world.kill_operator();
    world.annotate("cleanup", Some("pay"));
    world.settle();
    assert_eq!(owed(&world), [None]);
}

#[test]
fn a_cleanup_before_the_growth_pays_nothing_although_the_clock_of_its_operator_is_ahead() {
    let mut world = six();
    world.now += APART;
    world.annotate("cleanup", Some("early"));
    world.settle();
    world.now -= APART;
    world.kill_operator();
    grow(&mut world);
    assert!(owed(&world).contains(&Some(CleanupReason::NodesJoined)));
    // Nor does it once it is history.
    world.annotate("cleanup", Some("other --keyspace orders"));
    world.settle();
    assert!(owed(&world).contains(&Some(CleanupReason::NodesJoined)));
    let status = world.status();
    assert_eq!(status.operation_history[0].id, "early");
    let required = |status: &CassandraClusterStatus| {
        let nodes = status.cassandra_node_status.values();
        nodes.filter_map(|node| node.cleanup_generation).max()
    };
    assert_eq!(status.cleanup_generation, required(&status));

    world.annotate("cleanup", Some("late"));
    world.settle();
    assert_eq!(owed(&world), [None]);
    assert_eq!(
        world.status().cleanup_generation,
        status.cleanup_generation,
        "no generation is given twice"
    );
}

/// A status of an operator version that compared times: its cleanups are in no order with the requirements.
#[test]
fn a_requirement_without_a_generation_gets_one() {
    let mut world = six();
    world.annotate("cleanup", Some("before"));
    world.settle();
    replicate(&mut world, "orders", &[("dc1", 2), ("dc2", 3)]);
    world.settle();
    let status = world.cluster.status.as_mut().expect("a status");
    status.cleanup_generation = None;
    for node in status.cassandra_node_status.values_mut() {
        node.cleanup_generation = None;
    }
    world.settle();
    assert_eq!(owed(&world), [Some(CleanupReason::ReplicationReduced)]);
    assert_eq!(world.status().cleanup_generation, Some(1));
    world.annotate("cleanup", Some("after"));
    world.settle();
    assert_eq!(owed(&world), [None]);
}
