//! A lost node that the ring has forgotten, by hand or by half a `remove`: it can no longer be replaced, so its pod joins
//! as a new node, once that is proven.

use std::sync::Arc;

use casskop_common::api::OperationPhase;
use jiff::SignedDuration;

use super::lost_node::{LOST, UID, passes, three};
use crate::simulation::{Node, World};

fn recorded(world: &World) -> String {
    world.status().cassandra_node_status[LOST].host_id.clone()
}

#[test]
fn a_pod_whose_lost_node_was_removed_by_hand_joins_as_a_new_node() {
    let mut world = three();
    let host = world.lose(LOST);
    passes(&mut world, 3);
    assert_eq!(world.pods[LOST].node, Node::Broken);
    world.remove_by_hand(&host);
    passes(&mut world, 9);
    assert_eq!(recorded(&world), host, "one look is no proof");
    passes(&mut world, 6);
    assert_eq!(world.pods[LOST].node, Node::Normal);
    let joined = recorded(&world);
    assert!(
        world.ring.contains_key(&joined) && joined != host,
        "{joined}"
    );
    let known = world.status().cassandra_node_status;
    assert_eq!(known[LOST].not_found_since, None);
    assert_eq!(world.ring.len(), 3);
}

#[test]
fn a_node_that_a_silent_member_may_have_is_not_forgotten() {
    let mut world = three();
    let host = world.lose(LOST);
    passes(&mut world, 3);
    world.remove_by_hand(&host);
    world.pods.get_mut("demo-dc1-rack3-0").expect("a pod").node = Node::Hanging;
    passes(&mut world, 30);
    assert_eq!(recorded(&world), host);
    assert_eq!(world.pods[LOST].node, Node::Broken);
}

#[test]
fn a_node_that_the_ring_has_again_is_not_forgotten() {
    let mut world = three();
    let host = world.lose(LOST);
    passes(&mut world, 3);
    let address = world.ring.remove(&host).expect("a member");
    passes(&mut world, 5);
    let seen = world.status().cassandra_node_status[LOST]
        .not_found_since
        .clone();
    assert!(seen.is_some());
    world.ring.insert(host.clone(), address);
    passes(&mut world, 30);
    let known = world.status().cassandra_node_status;
    assert_eq!(known[LOST].not_found_since, None);
    assert_eq!(known[LOST].host_id, host);
}

/// A list of members without the node that reports it proves nothing.
#[test]
fn an_incomplete_list_of_members_proves_nothing() {
    let mut world = three();
    let host = world.lose(LOST);
    passes(&mut world, 3);
    for _ in 0..30 {
        let mut state = world.state();
        for reading in state.nodes.values_mut().flatten() {
            reading.host_ids = Arc::default();
        }
        let plan = world.plan_for(&mut state);
        let status = world.cluster.status.as_mut().expect("a status");
        status.cassandra_node_status = plan.status.cassandra_node_status;
        world.now += SignedDuration::from_secs(1);
    }
    assert_eq!(recorded(&world), host);
}

/// The first observation is of a process whose clock is hours behind or ahead of that of the next one.
#[test]
fn times_of_two_processes_prove_nothing() {
    for hours in [-1, 1] {
        let mut world = three();
        let host = world.lose(LOST);
        passes(&mut world, 3);
        let address = world.ring.remove(&host).expect("a member");
        world.pass();
        let status = world.cluster.status.as_mut().expect("a status");
        let node = status.cassandra_node_status.get_mut(LOST).expect("a node");
        assert!(node.not_found_by.is_some());
        node.not_found_by = Some("another process".into());
        world.now += SignedDuration::from_hours(hours);
        world.pass();
        assert_eq!(recorded(&world), host, "{hours}");
        world.ring.insert(host.clone(), address);
        passes(&mut world, 3);
        assert_eq!(recorded(&world), host, "{hours}");
        world.remove_by_hand(&host);
        passes(&mut world, 15);
        assert_ne!(recorded(&world), host, "it is proven all the same");
    }
}

/// The node has left the ring, the step of its volumes fails, and the next request takes the place of the first one.
#[test]
fn half_a_remove_is_no_dead_end() {
    let mut world = three();
    let host = world.lose(LOST);
    passes(&mut world, 3);
    let ask = |world: &mut World, id: &str| {
        let value = format!("{id} --pod {LOST} --cluster-uid {UID}");
        world.annotate("remove", Some(&value));
    };
    ask(&mut world, "r1");
    world.pass();
    world.work(0, true, false);
    assert!(!world.ring.contains_key(&host));
    world.work(0, true, true);
    world.pass();
    assert_eq!(world.operation("remove").phase, OperationPhase::Failed);
    ask(&mut world, "r2");
    world.settle();
    assert_eq!(world.pods[LOST].node, Node::Normal);
    assert_eq!(world.ring.len(), 3);
    assert!(world.operation("remove").phase.is_final());
}
