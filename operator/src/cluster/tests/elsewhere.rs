//! A cluster whose ring is larger than itself: it has seeds elsewhere.

use casskop_common::api::{OperationPhase, Phase};

use super::world::{THREE_RACKS, World};

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
        let elsewhere = crate::nodes::Replication::Topology([("dc9".to_owned(), 3)].into());
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
