//! Metrics of Cassandra: switched on and off, each is one change of all racks.

use casskop_common::api::Metrics;
use k8s_openapi::api::core::v1::{ContainerPort, PodSpec};
use serde_json::json;

use crate::{
    desired::{BuildInputs, desired},
    objects::MetricsService,
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
    assert!(!removes_service(&world));
    world.settle();
    assert!(!has_port(&world) && !world.live.services.contains_key(SERVICE));
    assert_eq!(arguments(&world), "bootstrap");
}

/// A cluster of which no rack has the port any more, and its Service.
fn without_port() -> World {
    let mut world = World::formed(THREE_RACKS);
    world.edit(|cluster| cluster.spec.metrics = Some(Metrics::default()));
    world.settle();
    let service = world.live.services[SERVICE].clone();
    world.edit(|cluster| cluster.spec.metrics = None);
    world.settle();
    world.live.services.insert(SERVICE.into(), service);
    world
}

fn removes_service(world: &World) -> bool {
    matches!(
        world.plan().metrics_service,
        Some(MetricsService::Remove { .. })
    )
}

#[test]
fn no_service_goes_while_the_cluster_is_paused() {
    let mut world = without_port();
    assert!(removes_service(&world));
    world.annotate("reconcile", Some("paused"));
    assert!(!removes_service(&world));
}

#[test]
fn a_service_of_others_stays() {
    let mut world = without_port();
    let service = world.live.services.get_mut(SERVICE).expect("the Service");
    service.metadata.owner_references = None;
    assert!(!removes_service(&world));
}

/// Rings of the Go `CassKop` have the Service and the port; an exporter in a container of the user has the port by another name.
#[test]
fn the_service_stays_as_long_as_a_container_has_the_port() {
    for (name, port) in [("promjmx", 9400), ("http", 9500)] {
        let mut world = without_port();
        let set = world
            .live
            .stateful_sets
            .get_mut("demo-dc1-rack3")
            .expect("a rack");
        let pod = set
            .spec
            .as_mut()
            .and_then(|spec| spec.template.spec.as_mut());
        let container = &mut pod.expect("a pod").containers[0];
        container.ports = Some(vec![ContainerPort {
            name: Some(name.into()),
            container_port: port,
            ..ContainerPort::default()
        }]);
        assert!(!removes_service(&world), "{name}");
    }
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
                "config": { "cassandra-yaml": { "native_transport_port": 9500 } },
            }),
            "cassandra-yaml.native_transport_port of dc1.rack1 is 9500",
        ),
        (
            json!({
                "metrics": {},
                "config": { "jvm-options": ["-javaagent:/extra/exporter.jar=9500:/extra/rules.yaml"] },
            }),
            "an agent of config of dc1.rack1 has port 9500",
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
