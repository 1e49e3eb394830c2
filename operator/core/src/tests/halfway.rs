//! Racks that leave the spec, or come back to it, in the middle of a change.

use casskop_common::api::Phase;

use crate::{
    simulation::{Node, World},
    tests::{
        rollout::sets,
        shrink::{nodes, racks, six},
    },
};

/// An image with which nodes start.
const IMAGE: &str = "cassandra:5.0.9";

fn set_image(world: &mut World, image: &str) {
    world.edit(|cluster| cluster.spec.cassandra_image = Some(image.into()));
}

/// Racks 1 and 2 halfway through a change of the image: the spec did not have rack 1 while the change of rack 2 began.
fn two_halfway() -> World {
    let mut world = six();
    set_image(&mut world, IMAGE);
    for names in [&["rack1", "rack2", "rack3"][..], &["rack2", "rack3"]] {
        racks(&mut world, names);
        world.pass();
        world.tick();
        world.tick();
    }
    racks(&mut world, &["rack1", "rack2", "rack3"]);
    world
}

/// Settles, with one node at most down at any time.
fn settle_one_by_one(world: &mut World) {
    for _ in 0..40 {
        world.pass();
        world.tick();
        let down = world.pods.values().filter(|pod| pod.node != Node::Normal);
        assert!(down.count() <= 1, "{:#?}", world.pods);
    }
    world.settle();
    assert_eq!(world.status().phase, Some(Phase::Running));
    assert!(world.pods.values().all(|pod| pod.image == IMAGE));
}

/// Each of the two would wait for the other to be rolled out.
#[test]
fn two_racks_halfway_through_a_change_go_on_one_after_the_other() {
    let mut world = two_halfway();
    assert_eq!(sets(&world), [("demo-dc1-rack1".to_owned(), 2)]);
    settle_one_by_one(&mut world);
}

#[test]
fn two_racks_halfway_through_a_change_wait_for_a_node_that_is_down() {
    let mut world = two_halfway();
    world.pods.get_mut("demo-dc1-rack3-0").expect("a pod").node = Node::Hanging;
    assert_eq!(sets(&world), []);
}

#[test]
fn a_rack_halfway_through_a_change_waits_for_one_that_its_partition_holds() {
    let mut world = two_halfway();
    let hold = |world: &mut World, partition| {
        world.edit(|cluster| {
            let dc = &mut cluster.spec.topology.as_mut().expect("a topology").dc[0];
            dc.rack[0].rolling_partition = partition;
        });
    };
    hold(&mut world, Some(1));
    assert_eq!(sets(&world), []);
    hold(&mut world, None);
    settle_one_by_one(&mut world);
}

#[test]
fn a_correction_does_not_wait_for_a_rack_that_is_halfway_through_a_change() {
    let bad = "cassandra:5.0.99";
    let mut world = two_halfway();
    world.bad_images.insert(bad.into());
    set_image(&mut world, bad);
    world.pass();
    world.tick();
    assert_eq!(world.pods["demo-dc1-rack1-1"].node, Node::Broken);
    world.pass();
    assert_eq!(sets(&world), []);
    set_image(&mut world, IMAGE);
    assert_eq!(sets(&world), [("demo-dc1-rack1".to_owned(), 2)]);
    settle_one_by_one(&mut world);
}

/// Kubernetes takes a node of that rack down next.
#[test]
fn no_rack_changes_or_grows_before_kubernetes_has_rolled_out_one_that_leaves_the_spec() {
    let mut changes = six();
    let old = changes.pods["demo-dc1-rack1-0"].image.clone();
    set_image(&mut changes, IMAGE);
    changes.pass();
    racks(&mut changes, &["rack2", "rack3"]);
    let mut grows = changes.clone();
    set_image(&mut grows, &old);
    nodes(&mut grows, 3);
    for (mut world, action) in [(changes, "UpdateDockerImage"), (grows, "ScaleUp")] {
        assert_eq!(sets(&world), []);
        world.pass();
        let told = format!("True {action}: waiting for rack dc1.rack1 to be rolled out");
        assert_eq!(world.condition("Progressing"), told);
        world.tick();
        assert_eq!(world.pods["demo-dc1-rack1-1"].node, Node::Starting);
        assert_eq!(sets(&world), []);
        world.tick();
        assert_eq!(sets(&world).len(), 1);
    }
}
