//! Metrics of Cassandra: switched on and off, each is one change of all racks.

use casskop_common::api::Metrics;
use k8s_openapi::api::core::v1::PodSpec;
use serde_json::json;

use crate::{
    desired::{BuildInputs, desired},
    rollout::Removal,
    simulation::{THREE_RACKS, World},
};

const SERVICE: &str = "demo-exporter-jmx";

fn pod(world: &World) -> &PodSpec {
    let set = &world.live.stateful_sets["demo-dc1-rack1"];
    let spec = set.spec.as_ref().expect("a spec");
    spec.template.spec.as_ref().expect("a pod")
}

fn has_port(world: &World) -> bool {
    let mut containers = pod(world).containers.iter();
    containers.any(|container| {
        let mut ports = container.ports.iter().flatten();
        ports.any(|port| port.container_port == 9500)
    })
}

fn arguments(world: &World) -> String {
    let mut init = pod(world).init_containers.iter().flatten();
    let bootstrap = init.find(|container| container.name == "bootstrap");
    bootstrap
        .and_then(|container| container.args.clone())
        .expect("arguments")
        .join(" ")
}

#[test]
fn metrics_come_and_go_with_their_service() {
    let mut world = World::formed(THREE_RACKS);
    world.settle();
    assert!(!has_port(&world) && !world.live.services.contains_key(SERVICE));
    let tables = vec!["shop.*".to_owned()];
    world.edit(|cluster| cluster.spec.metrics = Some(Metrics { tables }));
    world.settle();
    assert!(has_port(&world));
    assert_eq!(
        arguments(&world),
        "bootstrap --metrics --metrics-table shop.*"
    );
    let service = &world.live.services[SERVICE];
    insta::assert_json_snapshot!(service);

    world.edit(|cluster| cluster.spec.metrics = None);
    // Pods that still have the port are found by the Service.
    let plan = world.plan();
    assert!(!plan.removals.iter().any(is_service));
    world.settle();
    assert!(!has_port(&world) && !world.live.services.contains_key(SERVICE));
    assert_eq!(arguments(&world), "bootstrap");
}

fn is_service(removal: &Removal) -> bool {
    matches!(removal, Removal::Service { .. })
}

/// The Service of the Go `CassKop`, which its clusters always have, stays as long as its pods have the port.
#[test]
fn no_service_goes_while_the_cluster_is_paused() {
    let mut world = World::formed(THREE_RACKS);
    world.edit(|cluster| cluster.spec.metrics = Some(Metrics::default()));
    world.settle();
    world.edit(|cluster| cluster.spec.metrics = None);
    while has_port(&world) {
        world.pass();
        world.tick();
    }
    world.annotate("reconcile", Some("paused"));
    assert!(!world.plan().removals.iter().any(is_service));
}

#[test]
fn metrics_that_no_node_can_serve_are_refused() {
    let world = World::formed(THREE_RACKS);
    for (change, told) in [
        (
            json!({ "metrics": { "tables": ["orders"] } }),
            "metrics.tables: 'orders' names no tables",
        ),
        (
            json!({
                "metrics": {},
                "sidecarConfigs": [{
                    "name": "exporter", "image": "exporter:1",
                    "ports": [{ "containerPort": 9500 }],
                }],
            }),
            "the container 'exporter' of sidecarConfigs has port 9500",
        ),
    ] {
        let mut cluster = world.cluster.clone();
        let mut spec = json!(cluster.spec);
        json_patch::merge(&mut spec, &change);
        cluster.spec = serde_json::from_value(spec).expect("a spec");
        let refused = desired(&cluster, &BuildInputs::default()).expect_err("refused");
        assert!(refused.message.contains(told), "{}", refused.message);
    }
}
