//! A cluster whose ring is larger than itself: it has seeds elsewhere.

use std::sync::Arc;

use casskop_common::{
    api::{OperationPhase, Phase, condition},
    names::{self, RackId},
};
use kube_core::ResourceExt;

use crate::{
    node::Replication,
    simulation::{Node, THREE_RACKS, World},
};

const UID: &str = "01234567-89ab-cdef-0123-456789abcdef";
/// Nodes of the data center dc9, which another cluster runs.
const ABROAD: [(&str, &str); 2] = [
    ("6799ee6c-3588-4dfa-9842-091edc5e9706", "10.9.9.1"),
    ("7799ee6c-3588-4dfa-9842-091edc5e9706", "10.9.9.2"),
];

/// Three racks that join a ring which others have formed.
fn joining() -> World {
    let mut world = World::new(THREE_RACKS);
    world.edit(|cluster| cluster.spec.seeds = vec!["demo-dc9-rack1-0.demo-sites.ns".into()]);
    world
}

#[test]
fn racks_join_a_ring_that_is_there_one_after_the_other() {
    let mut world = joining();
    for racks in 1..=3 {
        world.pass();
        assert_eq!(world.live.stateful_sets.len(), racks);
        world.pass();
        assert_eq!(world.live.stateful_sets.len(), racks, "the rack is awaited");
        // The model asserts that no two nodes join at the same time.
        for _ in 0..4 {
            world.tick();
        }
    }
    world.settle();
    assert_eq!(world.status().phase, Some(Phase::Running));
    assert_eq!(world.ring.len(), 3);
}

#[test]
fn the_last_node_of_a_site_leaves_with_its_volume_and_may_come_back() {
    let mut world = joining();
    world.settle();
    for keyspace in ["orders", "system_auth", "users"] {
        let elsewhere = Replication::Topology([("dc9".to_owned(), 3)].into());
        world.replication.insert(keyspace.into(), elsewhere);
    }
    let all = |world: &mut World, nodes: i32| {
        world.edit(|cluster| {
            let dc = &mut cluster.spec.topology.as_mut().expect("a topology").dc[0];
            dc.nodes_per_racks = Some(nodes);
        });
    };
    all(&mut world, 0);
    world.settle();
    assert!(world.condition("SpecAccepted").starts_with("True"));
    assert_eq!(
        world.operation("decommission").phase,
        OperationPhase::Succeeded
    );
    assert_eq!((world.pods.len(), world.live.volumes.len()), (0, 0));
    assert_eq!(world.status().phase, Some(Phase::Running));
    assert!(world.plan().objects.is_empty() && world.plan().removals.is_empty());
    all(&mut world, 1);
    world.settle();
    assert_eq!((world.pods.len(), world.ring.len()), (3, 3));
}

/// Three racks in a ring with [`ABROAD`]. The link is cut: both look dead from here.
fn cut_off() -> World {
    let mut world = World::new(THREE_RACKS);
    world.cluster.metadata.uid = Some(UID.into());
    let both = Replication::Topology([("dc1".to_owned(), 3), ("dc9".to_owned(), 2)].into());
    for replication in world.replication.values_mut() {
        *replication = both.clone();
    }
    world.settle();
    for (host_id, ip) in ABROAD {
        world.ring.insert(host_id.into(), ip.into());
        world
            .locations
            .insert(host_id.into(), RackId::new("dc9", "rack1"));
    }
    world
}

fn remove(world: &mut World, host_id: &str, id: &str) {
    let value = format!("{id} --host-id {host_id} --cluster-uid {UID}");
    world.annotate("remove", Some(&value));
    world.settle();
}

/// Members of a ring of the same name, in the data center `dc` of that ring.
fn merged(world: &mut World, dc: &str) -> String {
    let (host_id, ip) = ABROAD[0];
    let mut state = world.state();
    for reading in state.nodes.values_mut().flatten() {
        Arc::make_mut(&mut reading.host_ids).insert(ip.into(), host_id.into());
        Arc::make_mut(&mut reading.live).insert(ip.into());
    }
    state.locations = [(ip.to_owned(), RackId::new(dc, "rack1"))].into();
    let plan = world.plan_for(&mut state);
    let mut conditions = plan.status.conditions.into_iter();
    let degraded = conditions.find(|one| one.type_ == condition::DEGRADED);
    degraded
        .map(|one| format!("{} {}: {}", one.status, one.reason, one.message))
        .expect("the condition is told")
}

#[test]
fn a_second_ring_of_the_name_that_merges_is_told() {
    let mut world = World::formed(THREE_RACKS);
    let told = merged(&mut world, "dc1");
    insta::assert_snapshot!(told);
    // The data center of another cluster that has this one as its seed.
    let told = merged(&mut world, "dc9");
    assert!(told.starts_with("False"), "{told}");
    // The rings of a MultiCasskop have the plain name; its data centers belong to one site each.
    let mut site = World::formed(THREE_RACKS);
    site.edit(|cluster| {
        cluster.spec.seeds = vec!["demo-dc9-rack1-0.demo-sites.ns".into()];
    });
    let told = merged(&mut site, "dc1");
    assert!(told.starts_with("False"), "shared by spec.seeds: {told}");
    let owner = site.cluster.annotations_mut();
    owner.insert(names::MULTI_OWNER.into(), "m-1".into());
    let told = merged(&mut site, "dc1");
    assert!(told.starts_with("True ForeignMembers"), "{told}");
    assert!(merged(&mut site, "dc9").starts_with("False"));
}

#[test]
fn a_node_of_another_cluster_is_removed_only_by_who_says_that_it_is_dead() {
    let mut world = cut_off();
    remove(&mut world, ABROAD[0].0, "r1");
    let waits = world.operation("remove");
    assert_eq!(waits.phase, OperationPhase::Pending);
    insta::assert_snapshot!(waits.message);
    assert!(world.calls.is_empty() && world.ring.contains_key(ABROAD[0].0));
    // Nobody says where it is: it may be there as well.
    world.locations.remove(ABROAD[0].0);
    world.settle();
    let waits = world.operation("remove");
    assert!(
        waits.message.contains("no node says of which rack it is"),
        "{}",
        waits.message
    );
    world
        .locations
        .insert(ABROAD[0].0.into(), RackId::new("dc9", "rack1"));
    // A whole data center that is dead goes node by node.
    for ((host_id, _), id) in ABROAD.into_iter().zip(["r1", "r2"]) {
        remove(&mut world, host_id, id);
        world.annotate("remove.waive", Some(&format!("{id} node-in-cluster")));
        world.settle();
        let done = world.operation("remove");
        assert_eq!(
            (done.phase, done.id.as_str()),
            (OperationPhase::Succeeded, id),
            "{done:#?}"
        );
    }
    assert_eq!(world.ring.len(), 3);
}

#[test]
fn that_nodes_elsewhere_are_down_is_told_and_keeps_nothing_waiting() {
    let mut world = cut_off();
    world.settle();
    insta::assert_snapshot!(world.condition("Degraded"));
    assert!(world.condition("Available").starts_with("True"));
    // A single replica has no other one that could be missing; three of them may be anywhere.
    world
        .replication
        .insert("system_auth".into(), Replication::Simple(1));
    world.annotate("restart", Some("a"));
    world.settle();
    assert_eq!(world.operation("restart").phase, OperationPhase::Succeeded);
    let mixed = {
        let mut world = world.clone();
        world
            .replication
            .insert("users".into(), Replication::Simple(3));
        world.annotate("restart", Some("b"));
        world.settle();
        world.operation("restart")
    };
    assert_eq!(mixed.phase, OperationPhase::Pending, "{mixed:#?}");
    world.edit(|cluster| cluster.spec.cassandra_image = Some("cassandra:5.0.9".into()));
    world.settle();
    assert_eq!(world.status().phase, Some(Phase::Running));
}

#[test]
fn a_dead_member_of_its_own_racks_keeps_pods_from_being_taken_down() {
    let mut world = cut_off();
    let (ghost, ip) = ("8799ee6c-3588-4dfa-9842-091edc5e9706", "10.9.9.3");
    world.ring.insert(ghost.into(), ip.into());
    world
        .locations
        .insert(ghost.into(), RackId::new("dc1", "rack2"));
    world.edit(|cluster| cluster.spec.cassandra_image = Some("cassandra:5.0.9".into()));
    let before = world.live.stateful_sets.clone();
    world.settle();
    assert_eq!(world.live.stateful_sets, before);
    insta::assert_snapshot!(world.condition("Available"));
    remove(&mut world, ghost, "r1");
    world.settle();
    assert_eq!(world.status().phase, Some(Phase::Running));
    assert_ne!(world.live.stateful_sets, before);
}

#[test]
fn a_pod_that_may_have_joined_is_not_dropped_beside_members_elsewhere() {
    let mut world = cut_off();
    let grown = |world: &mut World, nodes: i32| {
        world.edit(|cluster| {
            let dc = &mut cluster.spec.topology.as_mut().expect("a topology").dc[0];
            dc.nodes_per_racks = Some(nodes);
        });
    };
    grown(&mut world, 2);
    world.pass();
    world.tick();
    let (new, pod) = world
        .pods
        .iter_mut()
        .find(|(name, _)| name.ends_with("-1"))
        .expect("a new pod");
    // It has joined and the operator has never heard it say so.
    pod.node = Node::Hanging;
    let (new, ip, rack) = (new.clone(), pod.ip.clone(), pod.rack.clone());
    grown(&mut world, 1);
    let mut joined = world.clone();
    joined.ring.insert("host-new".into(), ip);
    joined.locations.insert("host-new".into(), rack);
    joined.settle();
    assert!(joined.pods.contains_key(&new));
    assert!(
        joined.condition("Progressing").contains("it may be"),
        "{}",
        joined.condition("Progressing")
    );
    // It never has: the members elsewhere cannot be it.
    world.settle();
    assert!(!world.pods.contains_key(&new));
}

#[test]
fn a_node_of_its_own_is_replaced_while_others_cannot_be_seen() {
    let mut world = cut_off();
    let lost = "demo-dc1-rack2-0";
    let host = world.lose(lost);
    for _ in 0..5 {
        world.pass();
        world.tick();
    }
    let value = format!("r1 --pod {lost} --cluster-uid {UID}");
    world.annotate("replace", Some(&value));
    world.settle();
    let done = world.operation("replace");
    assert_eq!(done.phase, OperationPhase::Succeeded, "{done:#?}");
    assert!(!world.ring.contains_key(&host));
}

#[test]
fn a_node_that_a_silent_pod_may_be_is_not_removed() {
    let mut world = cut_off();
    let silent = "demo-dc1-rack2-0";
    let pod = world.pods.get_mut(silent).expect("a pod");
    pod.node = Node::Hanging;
    let host = "9799ee6c-3588-4dfa-9842-091edc5e9706";
    let before = pod.host.replace(host.into()).expect("a member");
    world.ring.remove(&before);
    world.ring.insert(host.into(), pod.ip.clone());
    // The resource was made anew over its volumes: nothing is known of who was who.
    world.cluster.status = None;
    world.settle();
    remove(&mut world, host, "r1");
    let waits = world.operation("remove");
    assert_eq!(waits.phase, OperationPhase::Pending);
    assert!(
        waits.message.contains("it may be demo-dc1-rack2-0"),
        "{}",
        waits.message
    );
}

#[test]
fn a_ring_that_forms_is_not_held_up_by_a_dead_member() {
    let mut world = World::new(THREE_RACKS);
    world.pass();
    world.tick();
    let ghost = "8799ee6c-3588-4dfa-9842-091edc5e9706";
    world.ring.insert(ghost.into(), "10.9.9.3".into());
    let rack = RackId::new("dc1", "rack2");
    world.locations.insert(ghost.into(), rack);
    world.settle();
    let formed = world.condition("Available");
    assert!(formed.starts_with("False NodesDown"), "{formed}");
    assert_eq!((world.pods.len(), world.ring.len()), (3, 4));
}

#[test]
fn a_member_that_owns_nothing_is_told() {
    let world = World::formed(THREE_RACKS);
    let mut state = world.state();
    let reading = state.nodes.get_mut("demo-dc1-rack2-0").expect("a node");
    reading.as_mut().expect("a reading").tokens = Some(0);
    let health_problem = state.health_problem("demo-dc1-rack2-0").expect("a trouble");
    assert!(
        health_problem.contains("owns no tokens"),
        "{health_problem}"
    );
}

#[test]
fn without_seeds_elsewhere_a_ring_does_not_give_up_its_last_node() {
    let mut world = World::formed(THREE_RACKS);
    world.edit(|cluster| {
        let dc = &mut cluster.spec.topology.as_mut().expect("a topology").dc[0];
        dc.nodes_per_racks = Some(0);
    });
    world.settle();
    assert!(world.condition("SpecAccepted").starts_with("False NoNodes"));
    assert_eq!(world.pods.len(), 3);
}
