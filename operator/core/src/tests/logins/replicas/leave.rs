//! Fewer replicas of the roles for nodes that leave: one less for each, repaired before, and only if nothing else keeps the node.

use casskop_common::api::{CassandraCluster, CleanupReason, Requester};

use super::{KEYSPACE, by_hand, clean_up, factors, follow, live, record, settled, step, told};
use crate::{
    node::Replication,
    simulation::{Node, World},
    tests::logins::two_data_centers,
};

/// As many racks with a node each.
fn racks(count: usize) -> impl FnOnce(&mut CassandraCluster) {
    move |cluster| {
        cluster.spec.nodes_per_racks = Some(1);
        let topology = cluster.spec.topology.get_or_insert_default();
        topology.dc[0].rack.truncate(count);
    }
}

fn small() -> World {
    settled(racks(3))
}

fn all_stay(world: &World) -> bool {
    world.pods.values().all(|pod| pod.node == Node::Normal)
}

#[test]
fn replicas_are_repaired_and_lowered_before_a_node_leaves() {
    let mut world = small();
    world.edit(racks(2));
    let mut repaired = 0;
    while told(&world) == "dc1=3" {
        repaired += step(&mut world).len();
        assert!(all_stay(&world));
        let told = world.condition("SpecAccepted");
        assert!(told.starts_with("True"), "{told}");
    }
    assert!(repaired == 3 && told(&world) == "dc1=2", "{repaired}");
    world.settle();
    // Nodes hold what they owned before, and one that leaves would hand it back.
    assert_eq!(world.pods.len(), 3);
    insta::assert_snapshot!(world.operation("decommission").message, @"waits for cleanup-done: demo-dc1-rack1-0, demo-dc1-rack2-0 may hold data that they no longer own since the ring has grown or replicas became fewer: request a cleanup of them");
    let nodes = world.status().cassandra_node_status;
    let mut owed = nodes.values().map(|node| node.cleanup_required_reason);
    assert!(owed.all(|owed| owed == Some(CleanupReason::ReplicationReduced)));
    clean_up(&mut world, "c1");
    assert_eq!((told(&world).as_str(), world.pods.len()), ("dc1=2", 2));
    assert!(record(&world).repaired && record(&world).next.is_none());
}

/// With `autoPilot` no request of a person is needed.
#[test]
fn replicas_are_lowered_by_one_for_each_node_that_leaves() {
    let mut world = small();
    world.edit(|cluster| cluster.spec.auto_pilot = Some(true));
    world.edit(racks(1));
    let (mut last, mut repaired) = (3, 0);
    while world.pods.len() > 1 {
        repaired += step(&mut world).len();
        let now = live(&world)[0].1;
        if now != last {
            let nodes = i32::try_from(world.pods.len()).expect("few");
            assert_eq!(
                (now, nodes, repaired),
                (last - 1, last, usize::try_from(last).expect("few"))
            );
            (last, repaired) = (now, 0);
        }
    }
    world.settle();
    assert_eq!((told(&world).as_str(), world.pods.len()), ("dc1=1", 1));
}

#[test]
fn replicas_stay_when_another_keyspace_keeps_the_node() {
    let mut world = small();
    world.replication.insert(
        "shop".into(),
        Replication::Topology([("dc1".into(), 3)].into()),
    );
    world.settle();
    world.edit(racks(2));
    for _ in 0..60 {
        step(&mut world);
        assert_eq!(told(&world), "dc1=3");
    }
    insta::assert_snapshot!(world.condition("SpecAccepted"), @"False ReplicasRequired: the spec takes nodes away that keyspaces need: keyspace shop has 3 replicas in dc1, and 2 nodes would be left there; lower the replication (ALTER KEYSPACE), or keep the nodes");
    // A person makes room.
    world.replication.insert(
        "shop".into(),
        Replication::Topology([("dc1".into(), 2)].into()),
    );
    world.settle();
    // The cleanup for it comes before the roles have fewer replicas as well.
    assert_eq!(told(&world), "dc1=3");
    clean_up(&mut world, "c1");
    assert_eq!(told(&world), "dc1=2");
    clean_up(&mut world, "c2");
    assert_eq!((told(&world).as_str(), world.pods.len()), ("dc1=2", 2));
}

#[test]
fn replicas_stay_while_a_node_is_down() {
    let mut world = small();
    world.edit(racks(2));
    let name = "demo-dc1-rack1-0";
    world.pods.get_mut(name).expect("a pod").node = Node::Hanging;
    for _ in 0..60 {
        step(&mut world);
        assert_eq!(told(&world), "dc1=3");
    }
    world.pods.get_mut(name).expect("a pod").node = Node::Normal;
    // Down once the replicas are repaired: they are repaired anew afterwards.
    while !(record(&world).repaired && record(&world).next.is_some()) {
        step(&mut world);
    }
    let since = record(&world).since;
    world.pods.get_mut(name).expect("a pod").node = Node::Hanging;
    for _ in 0..60 {
        step(&mut world);
    }
    assert_eq!(
        (told(&world).as_str(), record(&world).next),
        ("dc1=3", None)
    );
    world.pods.get_mut(name).expect("a pod").node = Node::Normal;
    let mut repaired = 0;
    while told(&world) == "dc1=3" {
        repaired += step(&mut world).len();
    }
    assert!(repaired >= 3 && record(&world).since.0 > since.0);
}

/// An answer that does not come says nothing about the roles.
#[test]
fn replicas_stay_when_no_node_says_how_keyspaces_are_replicated() {
    let mut world = settled(|cluster| cluster.spec.nodes_per_racks = Some(2));
    let replication = std::mem::take(&mut world.replication);
    world.edit(|cluster| cluster.spec.nodes_per_racks = Some(1));
    for _ in 0..20 {
        step(&mut world);
        let record = record(&world);
        assert!(record.repaired && record.next.is_none(), "{record:?}");
        assert_eq!(world.pods.len(), 6);
    }
    world.replication = replication;
    clean_up(&mut world, "c1");
    assert_eq!((told(&world).as_str(), world.pods.len()), ("dc1=3", 3));
}

/// The node stays after all.
#[test]
fn replicas_that_are_not_lowered_yet_stay_with_the_node() {
    let mut world = small();
    world.edit(racks(2));
    while record(&world).next.is_none() {
        step(&mut world);
    }
    world.edit(|cluster| {
        let topology = cluster.spec.topology.get_or_insert_default();
        let mut rack = topology.dc[0].rack[0].clone();
        rack.name = "rack3".into();
        topology.dc[0].rack.push(rack);
    });
    insta::assert_snapshot!(follow(&mut world), @r"
    dc1=3
    repair of 3
    ");
    assert_eq!((world.pods.len(), record(&world).next), (3, None));
}

/// More than three replicas are the choice of a person, and so is their end.
#[test]
fn replicas_of_a_persons_choice_keep_the_nodes() {
    let mut world = settled(|cluster| cluster.spec.nodes_per_racks = Some(2));
    by_hand(&mut world, &[("dc1", 5)]);
    follow(&mut world);
    clean_up(&mut world, "c1");
    world.edit(|cluster| cluster.spec.nodes_per_racks = Some(1));
    follow(&mut world);
    assert_eq!((told(&world).as_str(), world.pods.len()), ("dc1=5", 6));
    insta::assert_snapshot!(world.condition("SpecAccepted"), @"False ReplicasRequired: the spec takes nodes away that keyspaces need: keyspace system_auth has 5 replicas in dc1, and 3 nodes would be left there; lower the replication (ALTER KEYSPACE), or keep the nodes");
}

/// A data center that goes away keeps its replicas to the end.
#[test]
fn replicas_stay_while_their_data_center_goes_away() {
    let mut world = settled(|cluster| {
        two_data_centers(cluster);
        cluster.spec.nodes_per_racks = Some(1);
    });
    clean_up(&mut world, "c1");
    world.edit(|cluster| {
        let topology = cluster.spec.topology.get_or_insert_default();
        topology.dc[1].nodes_per_racks = Some(0);
    });
    while world.pods.len() > 3 {
        step(&mut world);
        assert!(live(&world).contains(&("dc2", 3)), "{}", told(&world));
    }
    world.settle();
    assert_eq!(told(&world), "dc1=3");
}

/// The operator is killed after any write: no replica goes without a repair before.
#[test]
fn a_repair_before_a_replica_goes_is_not_forgotten() {
    for effects in [0, 1, 2, 4] {
        let mut world = small();
        world.edit(racks(2));
        let mut repaired = 0;
        while told(&world) == "dc1=3" {
            if !world.pass_until(effects) {
                world.kill_operator();
                repaired += super::follow_up(&mut world).len();
                world.pass();
            }
            repaired += super::follow_up(&mut world).len();
        }
        assert!(repaired >= 3 && told(&world) == "dc1=2", "{effects}");
        assert_eq!(
            world.replication[KEYSPACE],
            Replication::Topology([("dc1".into(), 2)].into())
        );
        assert_eq!(record(&world).next, Some(factors(&[("dc1", 2)])));
        assert_eq!(
            world.operation("repair").requested_by,
            Some(Requester::Spec)
        );
    }
}
