//! Pods with the address of another member.

use crate::simulation::{Node, THREE_RACKS, World};

#[test]
fn a_pod_with_the_address_of_another_member_is_made_anew() {
    let mut world = World::formed(THREE_RACKS);
    let other = world.pods["demo-dc1-rack2-0"].ip.clone();
    let address_conflicts = world.pods.get_mut("demo-dc1-rack1-0").unwrap();
    address_conflicts.ip.clone_from(&other);
    address_conflicts.restarts = 9;
    assert_eq!(world.plan().removals, [], "not one that serves clients");
    let address_conflicts = world.pods.get_mut("demo-dc1-rack1-0").unwrap();
    address_conflicts.node = Node::Broken;
    address_conflicts.restarts = 2;
    assert_eq!(world.plan().removals, [], "not more often than allowed");
    world.pass();
    insta::assert_snapshot!(world.condition("Degraded"));
    world.pods.get_mut("demo-dc1-rack1-0").unwrap().restarts = 3;
    let allowed = |world: &mut World, count| {
        world.edit(|cluster| cluster.spec.restart_count_before_pod_deletion = count);
        world.plan().removals.len()
    };
    assert_eq!(
        [Some(0), Some(5), None].map(|count| allowed(&mut world, count)),
        [0, 0, 1]
    );
    let third = world.pods.get_mut("demo-dc1-rack3-0").unwrap();
    third.node = Node::Starting;
    assert_eq!(world.plan().removals, [], "one moves already");
    world.pods.get_mut("demo-dc1-rack3-0").unwrap().node = Node::Normal;
    world.pass();
    assert!(!world.pods.contains_key("demo-dc1-rack1-0"));
    world.settle();
    assert_ne!(world.pods["demo-dc1-rack1-0"].ip, other);
}
