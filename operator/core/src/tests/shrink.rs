//! Fewer nodes: who leaves when, what holds it back, and what is left behind.

use casskop_common::api::{OperationPhase, Phase, Rack, Requester};

use crate::{
    node::Replication,
    observed::replicas,
    simulation::{Node, THREE_RACKS, World},
};

/// Three racks of two nodes, without a cleanup owed.
pub(crate) fn six() -> World {
    let mut world = World::new(THREE_RACKS);
    world.edit(|cluster| cluster.spec.nodes_per_racks = Some(2));
    world.settle();
    world
}

pub(crate) fn nodes(world: &mut World, nodes: i32) {
    world.edit(|cluster| cluster.spec.nodes_per_racks = Some(nodes));
}

pub(crate) fn racks(world: &mut World, names: &[&str]) {
    world.edit(|cluster| {
        let dc = &mut cluster.spec.topology.as_mut().expect("a topology").dc[0];
        dc.rack = names
            .iter()
            .map(|name| Rack {
                name: (*name).into(),
                ..Rack::default()
            })
            .collect();
    });
}

pub(crate) fn replicate(world: &mut World, keyspace: &str, factor: usize) {
    let replication = Replication::Topology([("dc1".to_owned(), factor)].into());
    world.replication.insert(keyspace.into(), replication);
}

/// A few passes, without a node call coming to its end.
pub(crate) fn passes(world: &mut World) {
    for _ in 0..4 {
        world.pass();
        world.tick();
    }
}

#[test]
fn nodes_leave_one_after_the_other_with_their_volumes() {
    let mut world = six();
    nodes(&mut world, 1);
    world.pass();
    let told = world.operation("decommission");
    assert_eq!(told.phase, OperationPhase::Running);
    assert_eq!(
        told.nodes[0].volumes[0].name, "data-demo-dc1-rack3-1",
        "before anything is called"
    );
    insta::assert_snapshot!(world.condition("Progressing"));
    passes(&mut world);
    assert_eq!(
        world.pods.len(),
        6,
        "nothing is taken away while the node leaves"
    );
    world.settle();
    assert_eq!(world.pods.len(), 3);
    assert_eq!(world.live.volumes.len(), 3);
    assert_eq!(world.ring.len(), 3);
    assert_eq!(world.status().phase, Some(Phase::Running));
    let left: Vec<&str> = world
        .calls
        .iter()
        .map(|(.., pod, _)| pod.as_str())
        .collect();
    let mut once = left.clone();
    once.dedup();
    assert_eq!(
        once,
        ["demo-dc1-rack3-1", "demo-dc1-rack2-1", "demo-dc1-rack1-1"]
    );
}

#[test]
fn an_operation_that_stood_still_does_not_wait_for_nodes_that_have_left() {
    let mut world = six();
    world.annotate("cleanup", Some("c1"));
    world.pass();
    world.annotate("cleanup.pause", Some("c1"));
    for _ in 0..5 {
        world.pass();
        world.work(0, true, false);
    }
    nodes(&mut world, 1);
    world.settle();
    assert_eq!(world.ring.len(), 3);
    world.annotate("cleanup.pause", None);
    world.settle();
    let cleanup = world.operation("cleanup");
    assert_eq!(cleanup.phase, OperationPhase::Failed);
    assert!(cleanup.message.contains("its pod is gone"), "{cleanup:#?}");
}

#[test]
fn that_a_sick_node_keeps_others_from_leaving_is_told() {
    let mut world = six();
    let sick = "demo-dc1-rack1-0";
    world.pods.get_mut(sick).expect("a pod").node = Node::Hanging;
    nodes(&mut world, 1);
    passes(&mut world);
    assert_eq!(world.calls.len(), 0);
    insta::assert_snapshot!(world.condition("Progressing"));
    world.pods.get_mut(sick).expect("a pod").node = Node::Normal;
    world.settle();
    assert_eq!(world.pods.len(), 3);
}

/// Each of the two would wait for the other: the node that leaves for the nodes that are down, and they for its end.
#[test]
fn a_corrected_image_does_not_wait_for_a_node_that_cannot_leave() {
    let mut world = World::formed(THREE_RACKS);
    racks(&mut world, &["rack1"]);
    world.pass();
    // The disk of a node that takes over is full: the node stays LEAVING.
    world.work(0, true, false);
    world.work(0, true, true);
    // Without its StatefulSet another node is to leave first; the decommission is requested anew when the rack is back,
    // and its checks count again.
    world.live.stateful_sets.remove("demo-dc1-rack3");
    passes(&mut world);
    let image = world.pods["demo-dc1-rack2-0"].image.clone();
    world.bad_images.insert(image);
    world.pods.remove("demo-dc1-rack2-0");
    racks(&mut world, &["rack1", "rack2", "rack3"]);
    passes(&mut world);
    assert_eq!(world.pods["demo-dc1-rack2-0"].node, Node::Broken);
    assert_eq!(world.pods["demo-dc1-rack3-0"].node, Node::Leaving);
    insta::assert_snapshot!(world.condition("Progressing"));
    world.edit(|cluster| cluster.spec.cassandra_image = Some("cassandra:5.0.9".into()));
    world.pass();
    insta::assert_snapshot!(world.condition("Progressing"));
    world.settle();
    assert_eq!(world.ring.len(), 3);
    assert!(world.pods.values().all(|pod| pod.node == Node::Normal));
}

#[test]
fn the_nodes_of_its_rack_need_room_for_all_that_a_node_has() {
    let mut world = six();
    replicate(&mut world, "orders", 3);
    nodes(&mut world, 1);
    // Of 100 kB each; with a fifth of another one it would do.
    let volume = world.live.volumes.get_mut("data-demo-dc1-rack3-0");
    volume.expect("a volume").capacity = Some("180k".into());
    passes(&mut world);
    let waits = world.operation("decommission");
    assert_eq!(waits.phase, OperationPhase::Pending);
    assert!(
        waits.message.contains("disk-space: demo-dc1-rack3-0"),
        "{waits:#?}"
    );
}

#[test]
fn what_was_begun_is_finished_and_then_grown_again() {
    let mut world = six();
    nodes(&mut world, 1);
    world.pass();
    world.work(0, true, false);
    let before = world.pods["demo-dc1-rack3-1"].host.clone();
    assert_eq!(world.pods["demo-dc1-rack3-1"].node, Node::Leaving);
    nodes(&mut world, 2);
    world.settle();
    assert_eq!((world.pods.len(), world.ring.len()), (6, 6), "no zombie");
    assert_ne!(
        world.pods["demo-dc1-rack3-1"].host, before,
        "another node on a new volume"
    );
}

#[test]
fn an_operator_that_dies_in_between_goes_on() {
    let mut world = six();
    nodes(&mut world, 1);
    world.pass();
    world.work(0, false, false);
    world.kill_operator();
    world.pass();
    world.work(0, false, false);
    world.kill_operator();
    assert_eq!(world.pods["demo-dc1-rack3-1"].node, Node::Decommissioned);
    world.settle();
    assert_eq!((world.pods.len(), world.live.volumes.len()), (3, 3));
}

#[test]
fn a_node_that_has_left_and_whose_pod_is_restarted_is_not_in_the_way() {
    let mut world = six();
    nodes(&mut world, 1);
    world.pass();
    world.work(0, true, false);
    world.work(0, true, false);
    world.pods.remove("demo-dc1-rack3-1");
    world.settle();
    assert_eq!((world.pods.len(), world.live.volumes.len()), (3, 3));
}

#[test]
fn a_pod_that_never_joined_goes_without_leaving() {
    let mut world = World::formed(THREE_RACKS);
    world.bad_images.insert("cassandra:5.0".into());
    nodes(&mut world, 2);
    passes(&mut world);
    assert_eq!(world.pods.len(), 4);
    nodes(&mut world, 1);
    world.settle();
    assert_eq!((world.pods.len(), world.calls.len()), (3, 0));
}

/// Its node may still join, and the next one would join beside it.
#[test]
fn no_node_is_added_while_a_surplus_pod_has_not_ended() {
    let mut world = World::formed(THREE_RACKS);
    world.bad_images.insert("cassandra:5.0".into());
    nodes(&mut world, 2);
    passes(&mut world);
    nodes(&mut world, 1);
    world.pass();
    world.tick();
    world.bad_images.clear();
    nodes(&mut world, 2);
    world.pass();
    let grown = |world: &World| {
        let mut sets = world.live.stateful_sets.values();
        sets.any(|set| replicas(set) > 1)
    };
    assert!(world.pods.len() == 4 && !grown(&world));
    insta::assert_snapshot!(world.condition("Progressing"));
    world.tick();
    world.pass();
    assert!(grown(&world));
    world.settle();
    assert_eq!(world.ring.len(), 6);
}

/// The rack was scaled down while the node started, and the node joined before its pod ended.
#[test]
fn growth_brings_a_member_back_that_joined_while_its_pod_ended() {
    let mut world = World::formed(THREE_RACKS);
    let names = ["rack1", "rack2", "rack3", "rack4"];
    racks(&mut world, &names);
    let late = "demo-dc1-rack4-0";
    while !world.pods.contains_key(late) {
        world.pass();
        world.tick();
    }
    racks(&mut world, &names[..3]);
    while replicas(&world.live.stateful_sets["demo-dc1-rack4"]) > 0 {
        world.pass();
    }
    world.pods.get_mut(late).expect("it ends").node = Node::Joining;
    world.tick();
    world.tick();
    assert!(world.ring.len() == 4 && !world.pods.contains_key(late));
    let members: Vec<String> = world.ring.keys().cloned().collect();
    world.settle();
    insta::assert_snapshot!(world.condition("Available"));
    racks(&mut world, &names);
    world.settle();
    assert!(world.ring.keys().eq(&members), "{:?}", world.ring);
    assert_eq!(world.pods[late].node, Node::Normal);
    assert!(world.condition("Available").starts_with("True"));
}

#[test]
fn a_cleanup_that_is_owed_comes_first() {
    let mut world = World::formed(THREE_RACKS);
    nodes(&mut world, 2);
    world.settle();
    let owing = |world: &World| {
        let nodes = world.status().cassandra_node_status;
        nodes
            .values()
            .filter(|node| node.cleanup_required_since.is_some())
            .count()
    };
    assert_eq!(owing(&world), 5, "all but the one that joined last");
    nodes(&mut world, 1);
    passes(&mut world);
    assert!(world.calls.is_empty());
    insta::assert_snapshot!(world.condition("Progressing"));
    world.annotate("cleanup", Some("pay"));
    world.settle();
    assert_eq!((world.pods.len(), owing(&world)), (3, 0));
}

#[test]
fn the_auto_pilot_cleans_up_after_growth() {
    let mut world = World::formed(THREE_RACKS);
    world.annotate("cleanup", Some("mine"));
    world.settle();
    world.edit(|cluster| cluster.spec.auto_pilot = Some(true));
    nodes(&mut world, 2);
    world.settle();
    let cleanup = world.operation("cleanup");
    assert_eq!(cleanup.requested_by, Some(Requester::AutoPilot));
    assert_eq!(
        (cleanup.phase, cleanup.nodes.len()),
        (OperationPhase::Succeeded, 6)
    );
    assert_eq!(
        world.condition("IntentsAccepted"),
        "True Accepted: every operation annotation is understood"
    );
    nodes(&mut world, 1);
    world.settle();
    assert_eq!(world.pods.len(), 3);
}

#[test]
fn racks_and_data_centers_go_when_their_nodes_have_left() {
    let mut world = six();
    racks(&mut world, &["rack1", "rack3"]);
    world.settle();
    let sets: Vec<&String> = world.live.stateful_sets.keys().collect();
    assert_eq!(sets, ["demo-dc1-rack1", "demo-dc1-rack3"]);
    assert_eq!((world.ring.len(), world.live.volumes.len()), (4, 4));
    assert!(!world.live.config_maps.contains_key("demo-dc1-rack2"));
    assert!(
        !world
            .status()
            .cassandra_rack_status
            .contains_key("dc1-rack2")
    );
}

#[test]
fn a_rack_that_holds_a_replica_stays() {
    let mut world = six();
    replicate(&mut world, "orders", 3);
    racks(&mut world, &["rack1", "rack2"]);
    passes(&mut world);
    world.settle();
    assert_eq!(world.ring.len(), 6, "none leaves before");
    insta::assert_snapshot!(world.condition("Progressing"));
    for _ in 0..2 {
        let id = world.operation("decommission").id;
        world.annotate("decommission.waive", Some(&format!("{id} replicas-remain")));
        world.settle();
    }
    assert_eq!((world.ring.len(), world.live.stateful_sets.len()), (4, 2));
}

#[test]
fn a_new_rack_and_an_old_one_change_places() {
    let mut world = World::formed(THREE_RACKS);
    world.edit(|cluster| cluster.spec.auto_pilot = Some(true));
    racks(&mut world, &["rack1", "rack2", "rack4"]);
    world.settle();
    let sets: Vec<&String> = world.live.stateful_sets.keys().collect();
    assert_eq!(sets, ["demo-dc1-rack1", "demo-dc1-rack2", "demo-dc1-rack4"]);
    assert_eq!(world.ring.len(), 3);
}

#[test]
fn a_statefulset_that_vanishes_while_its_node_leaves_comes_back_with_it() {
    let mut world = six();
    nodes(&mut world, 1);
    world.pass();
    world.work(0, true, false);
    world.live.stateful_sets.remove("demo-dc1-rack3");
    world.pass();
    world.pass();
    assert_eq!(world.pods.len(), 6);
    world.settle();
    assert_eq!(
        (world.pods.len(), world.ring.len(), world.live.volumes.len()),
        (3, 3, 3)
    );
}

#[test]
fn racks_that_are_taken_back_while_the_ring_forms_go() {
    let mut world = World::new(THREE_RACKS);
    world.pass();
    racks(&mut world, &["rack1"]);
    world.tick();
    world.settle();
    assert_eq!((world.pods.len(), world.ring.len()), (1, 1));
}

/// The operations are recorded before the phase is: the operator is killed in between.
#[test]
fn a_node_that_could_not_leave_before_the_ring_was_recorded_as_formed_is_tried_again() {
    let mut world = World::new(THREE_RACKS);
    world.pass();
    world.tick();
    world.tick();
    // All nodes are up and known, and a change keeps the ring from being formed in that pass.
    world.edit(|cluster| cluster.spec.cassandra_image = Some("cassandra:5.0.9".into()));
    world.pass();
    world.tick();
    world.tick();
    racks(&mut world, &["rack1", "rack2"]);
    assert!(!world.pass_until(1));
    world.kill_operator();
    assert_eq!(world.status().phase, Some(Phase::Initializing));
    let hangs = "demo-dc1-rack2-0";
    world.pods.get_mut(hangs).expect("a pod").node = Node::Hanging;
    world.pass();
    world.work(0, true, false);
    world.work(0, true, true);
    assert_eq!(world.pods["demo-dc1-rack3-0"].node, Node::Leaving);
    world.pods.get_mut(hangs).expect("a pod").node = Node::Normal;
    world.settle();
    assert_eq!(world.status().phase, Some(Phase::Running));
    assert_eq!((world.pods.len(), world.ring.len()), (2, 2));
}

#[test]
fn a_node_that_has_left_and_was_lost_before_anybody_knew_is_known_by_its_peers() {
    let mut world = six();
    nodes(&mut world, 1);
    world.pass();
    let left = world.operation("decommission").nodes[0].clone();
    // It leaves, the operator dies before it is told so, and the pod is lost.
    world.work(0, true, false);
    world.work(0, false, false);
    assert!(!world.ring.contains_key(&left.host_id));
    world.pods.remove(&left.pod);
    world.settle();
    assert_eq!((world.pods.len(), world.ring.len()), (3, 3));
    assert_eq!(world.status().phase, Some(Phase::Running));
}
