//! Environment variables of the user with which Cassandra does not start.

use casskop_common::api::OperationPhase;
use k8s_openapi::api::core::v1::EnvVar;

use crate::simulation::{THREE_RACKS, World};

/// Options with which no image starts.
const CONTRADICTION: (&str, &str) = ("JVM_EXTRA_OPTS", "-Xms2g -Xmx1g");

fn variables(values: &[(&str, &str)]) -> Vec<EnvVar> {
    let variable = |(name, value): &(&str, &str)| EnvVar {
        name: (*name).into(),
        value: Some((*value).into()),
        value_from: None,
    };
    values.iter().map(variable).collect()
}

fn set(world: &mut World, values: &[(&str, &str)]) {
    world.edit(|cluster| cluster.spec.env_vars = variables(values));
}

/// Variables of the Cassandra container of a StatefulSet.
fn live<'a>(world: &'a mut World, set: &str) -> &'a mut Vec<EnvVar> {
    let set = world.live.stateful_sets.get_mut(set).expect("a rack");
    let pod = set.spec.as_mut();
    let pod = pod.and_then(|spec| spec.template.spec.as_mut());
    let container = &mut pod.expect("a pod template").containers[0];
    assert_eq!(container.name, "cassandra");
    container.env.get_or_insert_default()
}

/// A settled ring with variables that an earlier version, or the Go `CassKop`, has given to its pods.
fn running(values: &[(&str, &str)]) -> World {
    let mut world = World::new(THREE_RACKS);
    world.settle();
    set(&mut world, values);
    let racks: Vec<String> = world.live.stateful_sets.keys().cloned().collect();
    for rack in racks {
        live(&mut world, &rack).extend(variables(values));
    }
    world.settle();
    world
}

#[track_caller]
fn assert_accepted(world: &World) {
    let told = world.condition("SpecAccepted");
    assert!(told.starts_with("True"), "{told}");
}

#[track_caller]
fn assert_refused(world: &World, expected: &str) {
    let told = world.condition("SpecAccepted");
    let is_told = told.starts_with("False InvalidConfig") && told.contains(expected);
    assert!(is_told, "{told}");
}

#[test]
fn a_variable_with_which_no_node_starts_is_refused_before_a_pod_is_touched() {
    let mut world = World::new(THREE_RACKS);
    set(&mut world, &[CONTRADICTION]);
    world.pass();
    assert_refused(&world, "JVM_EXTRA_OPTS");
    assert!(world.live.stateful_sets.is_empty());
    set(&mut world, &[]);
    world.settle();
    assert_accepted(&world);
}

#[test]
fn a_running_ring_keeps_a_variable_that_an_earlier_version_accepted() {
    let mut world = running(&[CONTRADICTION]);
    assert_accepted(&world);
    // A StatefulSet is created again, and the spec changes the pods for another reason.
    world.live.stateful_sets.clear();
    world.pass();
    assert_accepted(&world);
    world.edit(|cluster| cluster.spec.cassandra_image = Some("cassandra:5.0.6".into()));
    world.settle();
    assert_accepted(&world);
    // Another variable with which no node starts.
    set(&mut world, &[("JVM_OPTS", "-XX:+UseG1GC -Xmn100m")]);
    world.annotate("flush", Some("a"));
    world.settle();
    assert_refused(&world, "JVM_OPTS");
    assert_eq!(world.operation("flush").phase, OperationPhase::Succeeded);
    assert_eq!(world.pods.len(), 3);
    set(&mut world, &[("JVM_OPTS", "-Da=b")]);
    world.settle();
    assert_accepted(&world);
}

#[test]
fn a_new_variable_is_judged_without_those_that_the_pods_have() {
    for before in [CONTRADICTION, ("LOCAL_JMX", "no"), ("MAX_HEAP_SIZE", "4G")] {
        let mut world = running(&[before]);
        assert_accepted(&world);
        set(&mut world, &[before, ("JVM_OPTS", "-Da=b")]);
        world.settle();
        assert_accepted(&world);
        set(&mut world, &[before, ("JVM_OPTS", "-Da=two words")]);
        world.settle();
        assert_refused(&world, "envVars: JVM_OPTS has 'words'");
        // The same while all StatefulSets are missing: the accepted spec has the first variable.
        world.live.stateful_sets.clear();
        set(&mut world, &[before, ("JVM_OPTS", "-Dc=d")]);
        world.pass();
        assert_accepted(&world);
    }
}

#[test]
fn a_changed_value_is_judged_again() {
    let mut world = running(&[CONTRADICTION, ("MAX_HEAP_SIZE", "4G")]);
    assert_accepted(&world);
    set(
        &mut world,
        &[("JVM_EXTRA_OPTS", "-Xms4g -Xmx1g"), ("MAX_HEAP_SIZE", "4G")],
    );
    world.settle();
    assert_refused(&world, "starts with 4g");
    set(&mut world, &[CONTRADICTION, ("MAX_HEAP_SIZE", "5G")]);
    world.settle();
    assert_refused(&world, "in pairs");
}

#[test]
fn variables_with_which_stock_images_start_are_accepted_and_told() {
    for (name, value) in [
        ("JVM_OPTS", "-XX:+UseG1GC"),
        ("JVM_OPTS", "-Xmn100m"),
        ("JVM_EXTRA_OPTS", "-Xmx2g"),
        ("LOCAL_JMX", "no"),
    ] {
        let mut world = World::new(THREE_RACKS);
        set(&mut world, &[(name, value)]);
        world.settle();
        let told = world.condition("SpecAccepted");
        assert!(told.starts_with("True") && told.contains(name), "{told}");
        assert_eq!(world.pods.len(), 3);
    }
}

#[test]
fn half_of_a_pair_of_sizes_is_refused_in_a_new_ring_only() {
    for name in ["MAX_HEAP_SIZE", "HEAP_NEWSIZE"] {
        let mut world = World::new(THREE_RACKS);
        set(&mut world, &[(name, "1G")]);
        world.pass();
        assert_refused(&world, "in pairs");
        assert_refused(&world, "config.jvm-server-options.max_heap_size");
        assert!(world.live.stateful_sets.is_empty());
        let world = running(&[(name, "1G")]);
        assert_accepted(&world);
        assert!(world.condition("SpecAccepted").contains(name));
    }
}

#[test]
fn variables_reach_the_pods_as_they_are_written() {
    let alone = [
        ("MAX_HEAP_SIZE", "1G"),
        ("JVM_OPTS", "-Dheap=$(MAX_HEAP_SIZE)"),
    ];
    let pair = [("HEAP_NEWSIZE", "1M"), ("MAX_HEAP_SIZE", "1G"), ("A", "")];
    for values in [&alone[..], &pair] {
        let mut world = running(values);
        let changed = [values, &[("OTHER", "x")]].concat();
        set(&mut world, &changed);
        world.settle();
        assert_accepted(&world);
        let found = live(&mut world, "demo-dc1-rack1");
        let theirs = |variable: &&EnvVar| changed.iter().any(|(name, _)| *name == variable.name);
        let found: Vec<EnvVar> = found.iter().filter(theirs).cloned().collect();
        assert_eq!(found, variables(&changed));
    }
}
