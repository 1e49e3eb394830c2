//! A spec that is refused: what was accepted before goes on being looked after, and nothing new begins.

use casskop_common::names;

use crate::{
    node::Replication,
    observed::replicas,
    rollout::partition,
    simulation::{THREE_RACKS, World},
    tests::rollout::sets,
};

/// A volume cannot shrink.
fn refused(world: &mut World) {
    world.edit(|cluster| cluster.spec.data_capacity = Some("1Mi".into()));
    world.pass();
    let accepted = world.condition("SpecAccepted");
    assert!(accepted.starts_with("False VolumeChanged"), "{accepted}");
}

fn mended(world: &mut World) {
    world.edit(|cluster| cluster.spec.data_capacity = Some("1Gi".into()));
    world.settle();
    let accepted = world.condition("SpecAccepted");
    assert!(accepted.starts_with("True Accepted"), "{accepted}");
}

/// Six nodes, of which the first is told to leave.
fn leaving() -> World {
    let mut world = World::formed(THREE_RACKS);
    world.edit(|cluster| cluster.spec.nodes_per_racks = Some(2));
    world.settle();
    world.annotate("cleanup", Some("paid"));
    world.settle();
    world.edit(|cluster| cluster.spec.nodes_per_racks = Some(1));
    while world.at_work.is_empty() {
        world.pass();
    }
    world
}

#[test]
fn objects_that_are_deleted_meanwhile_come_back_as_they_were() {
    let mut world = World::formed(THREE_RACKS);
    let before = world.clone();
    refused(&mut world);
    world.live.services.clear();
    world.live.stateful_sets.remove("demo-dc1-rack2");
    for _ in 0..10 {
        world.pass();
        world.tick();
    }
    assert_eq!(world.live.services.len(), before.live.services.len());
    let template = |world: &World| {
        let set = &world.live.stateful_sets["demo-dc1-rack2"];
        set.spec.clone().map(|spec| (spec.replicas, spec.template))
    };
    assert_eq!(template(&world), template(&before));
    for (name, pod) in &before.pods {
        assert_eq!(world.pods[name].ip, pod.ip, "{name} goes on");
    }
    let accepted = world.condition("SpecAccepted");
    assert!(accepted.starts_with("False VolumeChanged"), "{accepted}");
    mended(&mut world);
}

#[test]
fn a_node_on_its_way_out_goes_to_the_end() {
    let mut world = leaving();
    refused(&mut world);
    for _ in 0..20 {
        world.work(0, true, false);
        world.pass();
        world.tick();
    }
    let pods: Vec<i32> = world.live.stateful_sets.values().map(replicas).collect();
    assert_eq!(pods.iter().sum::<i32>(), 5, "one has left: {pods:?}");
    assert_eq!(world.live.volumes.len(), 5, "and its volume is gone");
    assert_eq!(world.ring.len(), 5, "no other one is told to leave");
    mended(&mut world);
    assert_eq!(world.ring.len(), 3);
}

#[test]
fn a_node_that_failed_to_leave_is_not_told_again_meanwhile() {
    let mut world = leaving();
    world.work(0, true, true);
    // The new spec wants the node back, and has a change that is refused.
    world.edit(|cluster| cluster.spec.nodes_per_racks = Some(2));
    refused(&mut world);
    for _ in 0..100 {
        world.pass();
        world.tick();
        assert!(world.at_work.is_empty());
    }
    assert_eq!(world.ring.len(), 6);
}

#[test]
fn a_change_under_way_goes_no_further() {
    let mut world = World::formed(THREE_RACKS);
    world.edit(|cluster| cluster.spec.cassandra_image = Some("cassandra:5.0.1".into()));
    world.pass();
    refused(&mut world);
    for _ in 0..20 {
        world.pass();
        world.tick();
        assert_eq!(sets(&world), []);
    }
    let images: Vec<_> = world.live.stateful_sets.values().map(image).collect();
    let newer = images.iter().filter(|image| image.ends_with("5.0.1"));
    assert_eq!(newer.count(), 1, "{images:?}");
    world.live.stateful_sets.clear();
    world.pass();
    let partitions = world.live.stateful_sets.values().map(partition);
    assert_eq!(
        partitions.collect::<Vec<_>>(),
        [1; 3],
        "no pod is taken down"
    );
    mended(&mut world);
    let mut images = world.live.stateful_sets.values().map(image);
    assert!(images.all(|image| image.ends_with("5.0.1")));
}

fn image(set: &k8s_openapi::api::apps::v1::StatefulSet) -> String {
    let pod = set
        .spec
        .as_ref()
        .and_then(|spec| spec.template.spec.clone());
    let mut containers = pod.expect("a template").containers.into_iter();
    let cassandra = containers.find(|container| container.name == names::CASSANDRA_CONTAINER);
    cassandra.and_then(|found| found.image).expect("an image")
}

#[test]
fn what_another_resource_of_the_name_had_accepted_counts_for_nothing() {
    let mut world = World::formed(THREE_RACKS);
    world.cluster.metadata.uid = Some("u-2".into());
    world.edit(|cluster| cluster.spec.data_capacity = Some("1Mi".into()));
    world.live.services.clear();
    world.live.stateful_sets.remove("demo-dc1-rack2");
    world.pass();
    assert_eq!(world.live.stateful_sets.len(), 2);
    let accepted = world.condition("SpecAccepted");
    assert!(accepted.starts_with("False VolumeChanged"), "{accepted}");
}

#[test]
fn what_is_replicated_where_no_node_is_is_told() {
    let mut world = World::formed(THREE_RACKS);
    let factors = [("dc1".to_owned(), 1), ("dc2".to_owned(), 1)].into();
    world
        .replication
        .insert("system_auth".to_owned(), Replication::Topology(factors));
    world.settle();
    let told = world.condition("SpecAccepted");
    assert!(told.starts_with("True AcceptedWithWarnings"), "{told}");
    assert!(
        told.contains("keyspace system_auth is replicated in dc2"),
        "{told}"
    );
    world.edit(|cluster| cluster.spec.seeds = vec!["elsewhere.example.org".into()]);
    world.settle();
    let told = world.condition("SpecAccepted");
    assert!(!told.contains("dc2"), "others may run it: {told}");
}
