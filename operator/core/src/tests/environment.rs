//! Environment variables of the user with which Cassandra does not start.

use casskop_common::api::OperationPhase;
use k8s_openapi::api::core::v1::EnvVar;

use crate::simulation::{THREE_RACKS, World};

fn set(world: &mut World, name: &str, value: &str) {
    world.edit(|cluster| {
        cluster.spec.env_vars = vec![EnvVar {
            name: name.into(),
            value: Some(value.into()),
            value_from: None,
        }];
    });
}

#[test]
fn a_variable_with_which_no_node_starts_is_refused_before_a_pod_is_touched() {
    let mut world = World::new(THREE_RACKS);
    set(&mut world, "LOCAL_JMX", "no");
    world.pass();
    let told = world.condition("SpecAccepted");
    assert!(told.starts_with("False InvalidConfig"), "{told}");
    assert!(world.live.stateful_sets.is_empty());
    // Another image, or a script, may have the file.
    world.edit(|cluster| cluster.spec.cassandra_image = Some("own/cassandra:5.0".into()));
    world.settle();
    let told = world.condition("SpecAccepted");
    assert!(told.starts_with("True"), "{told}");
}

#[test]
fn a_running_ring_keeps_a_variable_that_an_earlier_version_accepted() {
    let mut world = World::new(THREE_RACKS);
    set(&mut world, "JVM_OPTS", "-Xmn100m");
    world.around.is_accepted = true;
    world.settle();
    world.around.is_accepted = false;
    world.annotate("flush", Some("a"));
    world.settle();
    let told = world.condition("SpecAccepted");
    assert!(told.starts_with("False InvalidConfig"), "{told}");
    assert_eq!(world.operation("flush").phase, OperationPhase::Succeeded);
    assert_eq!(world.pods.len(), 3);
    set(&mut world, "JVM_OPTS", "-Da=b");
    world.settle();
    assert!(world.condition("SpecAccepted").starts_with("True"));
}

#[test]
fn half_of_a_pair_of_sizes_does_not_reach_the_script_and_is_told() {
    let mut world = World::new(THREE_RACKS);
    set(&mut world, "MAX_HEAP_SIZE", "4G");
    world.settle();
    let told = world.condition("SpecAccepted");
    assert!(
        told.starts_with("True") && told.contains("max_heap_size"),
        "{told}"
    );
    let objects = serde_json::to_string(&world.live.stateful_sets["demo-dc1-rack1"]).expect("JSON");
    assert!(!objects.contains("MAX_HEAP_SIZE"), "{objects}");
}
