//! No field is silently ignored: each changes an object, or the status says what it does not do.

use std::collections::BTreeSet;

use casskop_common::api::CassandraCluster;
use kube::CustomResourceExt;
use serde_json::{Value, json};

use super::world::{THREE_RACKS, World};

/// Fields of the spec, each with a value that changes an object or a condition.
fn spec() -> Vec<(&'static str, Value)> {
    let probes = |name| (name, json!(7));
    let mut fields = vec![
        ("cassandraImage", json!("cassandra:4.1")),
        ("imagepullpolicy", json!("Never")),
        ("imagePullSecret", json!({ "name": "registry" })),
        ("bootstrapImage", json!("mine/bootstrap:1")),
        ("configBuilderImage", json!("x")),
        ("envVars", json!([{ "name": "A", "value": "b" }])),
        ("runAsUser", json!(1000)),
        ("fsGroup", json!(1000)),
        ("readOnlyRootFilesystem", json!(false)),
        ("resources", json!({ "requests": { "memory": "2Gi" } })),
        ("hardAntiAffinity", json!(true)),
        (
            "pod",
            json!({ "annotations": { "a": "b" }, "tolerations": [{ "key": "a", "operator": "Exists" }] }),
        ),
        ("service", json!({ "annotations": { "a": "b" } })),
        ("debug", json!(true)),
        ("noCheckStsAreEqual", json!(true)),
        ("maxPodUnavailable", json!(2)),
        ("unlockNextOperation", json!(true)),
        ("dataCapacity", json!("7Gi")),
        ("dataStorageClass", json!("fast")),
        (
            "storageConfigs",
            json!([{ "name": "log", "mountPath": "/log", "pvcSpec": {} }]),
        ),
        (
            "sidecarConfigs",
            json!([{ "name": "side", "image": "side:1" }]),
        ),
        ("configMapName", json!("scripts")),
        ("serverVersion", json!("3.11.10")),
        ("config", json!({ "cassandra-yaml": { "num_tokens": 4 } })),
        ("imageJolokiaSecret", json!({ "name": "mine" })),
        (
            "topology",
            json!({ "dc": [{ "name": "dc1", "rack": [{ "name": "r" }] }] }),
        ),
        ("shareProcessNamespace", json!(true)),
        ("backRestSidecar", json!({ "enabled": true })),
        ("serviceAccountName", json!("mine")),
        ("jmxConfiguration", json!({ "jmxRemoteEnable": true })),
        ("seeds", json!(["elsewhere.example.org"])),
        ("nodeApi", json!({ "kind": "ManagementApi" })),
        ("jolokia", json!({ "tls": { "secretName": "tls" } })),
    ];
    fields.extend(
        [
            "livenessInitialDelaySeconds",
            "livenessHealthCheckTimeout",
            "livenessHealthCheckPeriod",
            "livenessFailureThreshold",
            "readinessInitialDelaySeconds",
            "readinessHealthCheckTimeout",
            "readinessHealthCheckPeriod",
            "readinessFailureThreshold",
            "readinessSuccessThreshold",
        ]
        .map(probes),
    );
    fields
}

/// Fields whose effect comes later, and what shows it.
const LATER: [(&str, &str); 8] = [
    (
        "restartCountBeforePodDeletion",
        "rollout.rs: a_pod_with_the_address_of_another_member_is_made_anew",
    ),
    (
        "nodesPerRacks",
        "rollout.rs: the_first_pod_of_every_rack_comes_at_once_and_before_any_second",
    ),
    ("deletePVC", "finalize.rs"),
    (
        "autoPilot",
        "shrink.rs: the_auto_pilot_cleans_up_after_growth",
    ),
    (
        "autoUpdateSeedList",
        "rollout.rs: running_nodes_get_new_seeds_if_that_is_asked_for",
    ),
    ("keyspaceCleanupThreads", "operations/cleanup.rs: jobs"),
    ("serverType", "only `cassandra` passes the schema"),
    ("livenessSuccessThreshold", "Kubernetes allows 1 only"),
];

fn outcome(field: &str, value: &Value) -> (String, String) {
    let mut world = World::new(THREE_RACKS);
    let mut cluster = serde_json::to_value(&world.cluster).expect("JSON");
    cluster["spec"][field] = value.clone();
    world.cluster = serde_json::from_value(cluster).expect("the field is known");
    let objects = serde_json::to_string(&world.plan().objects).expect("JSON");
    world.pass();
    (objects, world.condition("SpecAccepted"))
}

#[test]
fn every_field_of_the_spec_changes_something_or_is_told() {
    let nothing = outcome("debug", &Value::Null);
    for (field, value) in spec() {
        assert!(outcome(field, &value) != nothing, "{field}");
    }
}

#[test]
fn fields_of_data_centers_and_racks_change_something() {
    let with = |dc: Value, rack: Value| {
        let (mut dc, mut rack) = (dc, rack);
        rack["name"] = json!("rack1");
        dc["name"] = json!("dc1");
        dc["rack"] = json!([rack]);
        outcome("topology", &json!({ "dc": [dc] }))
    };
    let nothing = with(json!({}), json!({}));
    let config = json!({ "cassandra-yaml": { "num_tokens": 4 } });
    for (field, value) in [
        ("labels", json!({ "zone": "a" })),
        ("config", config.clone()),
        ("nodesPerRacks", json!(0)),
        ("dataCapacity", json!("7Gi")),
        ("dataStorageClass", json!("fast")),
        ("resources", json!({ "requests": { "memory": "2Gi" } })),
    ] {
        assert!(
            with(json!({ field: value }), json!({})) != nothing,
            "dc.{field}"
        );
    }
    for (field, value) in [
        ("labels", json!({ "zone": "a" })),
        ("config", config),
        ("rollingPartition", json!(1)),
    ] {
        assert!(
            with(json!({}), json!({ field: value })) != nothing,
            "rack.{field}"
        );
    }
}

#[test]
fn no_field_is_forgotten_here() {
    let crd = serde_json::to_value(CassandraCluster::crd()).expect("JSON");
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let known: BTreeSet<&str> = schema["properties"]
        .as_object()
        .expect("fields")
        .keys()
        .map(String::as_str)
        .collect();
    let tried = spec();
    let tested: BTreeSet<&str> = tried
        .iter()
        .map(|(field, _)| *field)
        .chain(LATER.map(|(field, _)| field))
        .collect();
    assert_eq!(known, tested);
}
