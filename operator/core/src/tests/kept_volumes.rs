//! A resource that is created again over the volumes of a ring: it continues that ring, or waits; it forms no second one.

use casskop_common::{
    api::{OperationPhase, OperationReason, Rack},
    names,
};

use crate::simulation::{THREE_RACKS, World};

const ONE_NODE: &str = "
apiVersion: db.orange.com/v2
kind: CassandraCluster
metadata: { name: demo, namespace: ns, uid: u-1, generation: 1 }
spec:
  dataCapacity: 1Gi
  topology: { dc: [{ name: dc1, rack: [{ name: rack1 }] }] }
";

/// The resource is deleted and created again: only the volumes and the ring mark stay.
fn created_again(yaml: &str, has_mark: bool) -> World {
    let mut world = World::formed(yaml);
    let mark = names::ring_mark("demo");
    world.cluster.metadata.uid = Some("u-2".into());
    world.cluster.status = None;
    let maps = &mut world.live.config_maps;
    maps.retain(|name, _| *name == mark && has_mark);
    world.live.stateful_sets.clear();
    world.live.services.clear();
    world.pods.clear();
    world
}

fn rename(world: &mut World, dc: &str, rack: &str) {
    world.edit(|cluster| {
        let first = &mut cluster.spec.topology.as_mut().expect("a topology").dc[0];
        first.name = dc.into();
        first.rack[0].name = rack.into();
    });
}

#[test]
fn other_racks_than_those_of_the_volumes_are_refused() {
    for has_mark in [true, false] {
        for (dc, rack) in [("dc1", "other"), ("other", "rack1")] {
            for yaml in [ONE_NODE, THREE_RACKS] {
                let mut world = created_again(yaml, has_mark);
                rename(&mut world, dc, rack);
                for _ in 0..5 {
                    world.pass();
                    world.tick();
                }
                assert!(world.live.stateful_sets.is_empty(), "{dc} {rack}");
                let told = world.condition("SpecAccepted");
                assert!(told.starts_with("False RackMissing"), "{told}");
                assert!(told.contains("data-demo-dc1-rack1-0"), "{told}");
                rename(&mut world, "dc1", "rack1");
                world.settle();
                let told = world.condition("SpecAccepted");
                assert!(told.starts_with("True Accepted"), "{told}");
            }
        }
    }
}

#[test]
fn a_data_center_that_the_spec_has_no_more_is_refused() {
    let mut world = created_again(THREE_RACKS, true);
    world.edit(|cluster| {
        let first = &mut cluster.spec.topology.as_mut().expect("a topology").dc[0];
        first.rack.pop();
    });
    world.pass();
    let told = world.condition("SpecAccepted");
    assert!(told.contains("data-demo-dc1-rack3-0"), "{told}");
    assert!(!told.contains("data-demo-dc1-rack1-0"), "{told}");
    // The administrator gives the data up.
    world.live.volumes.remove("data-demo-dc1-rack3-0");
    world.pass();
    let told = world.condition("SpecAccepted");
    assert!(told.starts_with("True"), "{told}");
}

#[test]
fn requests_that_may_have_run_are_recorded_and_not_run() {
    let requests = [
        ("cleanup", "a --keyspace orders"),
        ("clearsnapshot", "a --name old"),
        ("drain", "a --pod demo-dc1-rack1-0"),
        ("restart", "a"),
    ];
    let volumes = created_again(THREE_RACKS, true);
    let mut orphaned = World::formed(THREE_RACKS);
    orphaned.cluster.metadata.uid = Some("u-2".into());
    for set in orphaned.live.stateful_sets.values_mut() {
        set.metadata.owner_references = None;
    }
    let mut without_status = World::formed(THREE_RACKS);
    for world in [&mut orphaned, &mut without_status] {
        world.cluster.status = None;
    }
    for mut world in [volumes, orphaned, without_status] {
        let unobserved = serde_json::json!({ "observedGeneration": -1 });
        world.cluster.status = serde_json::from_value(unobserved).expect("the default");
        for (kind, value) in requests {
            world.annotate(kind, Some(value));
        }
        let racks = &mut world.cluster.spec.topology.as_mut().expect("a topology").dc[0].rack;
        racks[0].rolling_restart = Some(true);
        world.settle();
        assert_eq!(world.calls, []);
        for (kind, _) in requests {
            let told = world.operation(kind);
            assert_eq!(told.reason, Some(OperationReason::MayHaveRun), "{kind}");
            assert_eq!(told.phase, OperationPhase::Refused);
        }
        insta::allow_duplicates! {
            insta::assert_snapshot!(world.operation("cleanup").message);
        }
        world.annotate("cleanup", Some("b --keyspace orders"));
        world.settle();
        assert_eq!(world.operation("cleanup").phase, OperationPhase::Succeeded);
        // The former annotation is applied again.
        let calls = world.calls.len();
        world.annotate("cleanup", Some("a --keyspace orders"));
        world.settle();
        assert_eq!(world.calls.len(), calls);
    }
}

#[test]
fn the_requests_of_a_new_ring_run_when_it_is_formed() {
    let mut world = World::new(THREE_RACKS);
    world.annotate("cleanup", Some("a --keyspace orders"));
    world.settle();
    assert_eq!(world.operation("cleanup").phase, OperationPhase::Succeeded);
}

#[test]
fn a_rack_that_is_new_beside_running_ones_is_no_reason() {
    let mut world = World::formed(ONE_NODE);
    rename(&mut world, "dc1", "other");
    world.edit(|cluster| {
        let first = &mut cluster.spec.topology.as_mut().expect("a topology").dc[0];
        let rack = Rack {
            name: "rack1".into(),
            ..Rack::default()
        };
        first.rack.push(rack);
    });
    world.settle();
    assert_eq!(world.ring.len(), 2);
}

#[test]
fn volumes_of_a_try_that_formed_no_ring_are_taken_as_they_are() {
    let mut world = created_again(ONE_NODE, true);
    // The mark outlived its volumes, and a second resource did not come to form a ring.
    world.live.volumes.clear();
    world.bad_images.insert("nope:1".into());
    let image = |image: &str| {
        let image = Some(image.to_owned());
        move |cluster: &mut casskop_common::api::CassandraCluster| {
            cluster.spec.cassandra_image = image;
        }
    };
    world.edit(image("nope:1"));
    for _ in 0..5 {
        world.pass();
        world.tick();
    }
    world.live.stateful_sets.clear();
    world.pods.clear();
    let mark = names::ring_mark("demo");
    world.live.config_maps.retain(|name, _| *name == mark);
    world.cluster.status = None;
    world.edit(image("cassandra:5.0"));
    rename(&mut world, "dc1", "other");
    world.pass();
    let told = world.condition("SpecAccepted");
    assert!(told.starts_with("True"), "{told}");
}
