//! The fence of a change of a rack that was recorded and may still be written.

use casskop_common::api::RackWrite;
use kube_core::ResourceExt;

use crate::{
    objects::Object,
    simulation::{THREE_RACKS, World},
};

const RACK: &str = "demo-dc1-rack1";

/// A formed ring with the record of a change that was decided at this version, or at the current one.
fn recorded(version: Option<&str>) -> World {
    let mut world = World::formed(THREE_RACKS);
    world.settle();
    let current = world.live.stateful_sets[RACK].resource_version();
    let status = world.cluster.status.get_or_insert_default();
    status.last_rack_write = Some(RackWrite {
        stateful_set: RACK.into(),
        resource_version: version.map_or(current.unwrap_or_default(), Into::into),
    });
    world
}

/// The versions of an API server that was restored or migrated may be smaller than the recorded one for ever.
#[test]
fn one_fence_is_enough_for_every_recorded_version() {
    for version in [None, Some("999999999")] {
        let mut world = recorded(version);
        assert!(matches!(world.plan().objects[..], [Object::Fence(_)]));
        world.pass();
        let plan = world.plan();
        assert!(plan.objects.is_empty(), "{version:?}: {:?}", plan.objects);
        world.edit(|cluster| cluster.spec.cassandra_image = Some("cassandra:5.0.9-new".into()));
        world.settle();
        let record = world.status().last_rack_write.clone();
        assert_ne!(
            record.map(|record| record.stateful_set).as_deref(),
            Some(RACK)
        );
    }
}

/// An operator of a newer version may refuse what an older one was about to write.
#[test]
fn the_fence_comes_before_any_operation_also_if_the_spec_is_refused() {
    let mut world = recorded(None);
    world.live.config_maps.remove("demo-accepted");
    world.edit(|cluster| cluster.spec.server_type = None);
    world.edit(|cluster| cluster.spec.server_version = Some("3.11".into()));
    world.annotate("restart", Some("a"));
    let plan = world.plan();
    assert!(plan.refused.is_some());
    assert!(
        matches!(plan.objects[..], [Object::Fence(_)]),
        "{:?}",
        plan.objects
    );
    assert!(plan.starts.is_empty(), "{:?}", plan.starts);
    world.settle();
    assert!(world.plan().objects.is_empty());
}

#[test]
fn a_paused_cluster_waits_for_the_end_of_the_pause_and_not_for_the_fence() {
    let mut world = recorded(None);
    world.annotate("reconcile", Some("paused"));
    world.annotate("cleanup", Some("a"));
    assert!(world.plan().objects.is_empty());
    world.pass();
    let message = &world.operation("cleanup").message;
    insta::assert_snapshot!(message, @"paused by the annotation operations.db.orange.com/reconcile");
}
