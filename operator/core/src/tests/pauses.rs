//! Delays between reconciliations.

use std::time::Duration;

use jiff::SignedDuration;

use crate::simulation::{Node, THREE_RACKS, World};

/// The delay after so many minutes in which nothing has changed.
fn after(world: &World, minutes: i64) -> Duration {
    let mut world = world.clone();
    world.now += SignedDuration::from_mins(minutes);
    world.plan().requeue
}

#[test]
fn a_cluster_that_waits_is_looked_at_less_and_less() {
    let mut world = World::formed(THREE_RACKS);
    assert_eq!(after(&world, 0), Duration::from_secs(30), "at rest");
    world.now += SignedDuration::from_hours(200);
    world.pods.get_mut("demo-dc1-rack2-0").expect("a pod").node = Node::Broken;
    assert_eq!(after(&world, 0), Duration::from_secs(5), "a fault is new");
    world.pass();
    world.pass();
    let pauses = [0, 1, 4, 60].map(|minutes| after(&world, minutes).as_secs());
    assert_eq!(pauses, [5, 6, 24, 30]);
    // An operation is waited for all the same.
    world.annotate("flush", Some("one"));
    world.pass();
    assert_eq!(after(&world, 60), Duration::from_secs(5));
}
