//! Volumes of the user, and volumes that outlive their resource.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use casskop_e2e::{Space, cassandra, cluster};
use serde_json::json;

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_ring_with_a_volume_for_its_logs_forms() {
    let space = Space::open("e2e-logs");
    let ring = space.cluster("logs");
    let mut manifest = cluster::ring("logs", &[("dc1", &["rack1"])]);
    manifest["spec"]["storageConfigs"] = json!([{
        "name": "logs", "mountPath": "/var/log/cassandra",
        "pvcSpec": {
            "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } },
        },
    }]);
    ring.apply(&manifest);
    ring.settles();
    let pod = ring.pods().remove(0);
    let containers = pod["spec"]["containers"].as_array().expect("containers");
    let mounts = containers
        .iter()
        .filter_map(|one| one["volumeMounts"].as_array());
    let at_logs: Vec<_> = mounts
        .flatten()
        .filter(|mount| mount["mountPath"] == "/var/log/cassandra")
        .map(|mount| mount["name"].clone())
        .collect();
    assert_eq!(at_logs, ["logs"]);
    let claim = space
        .kubectl
        .get("persistentvolumeclaim", "logs-logs-dc1-rack1-0");
    assert_eq!(claim.expect("a claim")["status"]["phase"], "Bound");
    let look = [
        "exec",
        "logs-dc1-rack1-0",
        "-c",
        "cassandra",
        "--",
        "ls",
        "/var/log/cassandra",
    ];
    let files = space.kubectl.ok(&look);
    assert!(files.contains("gc.log"), "{files}");
    ring.delete();
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn another_rack_over_kept_volumes_forms_no_second_ring() {
    let space = Space::open("e2e-kept");
    let ring = space.cluster("kept");
    let manifest = |rack| cluster::ring("kept", &[("dc1", &[rack])]);
    ring.apply(&manifest("rack1"));
    ring.settles();
    let hosts = ring.host_ids();
    let statements = [
        "CREATE KEYSPACE IF NOT EXISTS one WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 1}",
        "CREATE TABLE IF NOT EXISTS one.t (id int PRIMARY KEY, text text)",
        "INSERT INTO one.t (id, text) VALUES (1, 'kept')",
    ];
    cassandra::write(&space.kubectl, "kept-dc1-rack1-0", &statements);
    ring.delete();

    ring.apply(&manifest("other"));
    ring.tells("SpecAccepted", "False", &["data-kept-dc1-rack1-0"]);
    assert_eq!(ring.pod_names(), Vec::<String>::new());
    assert!(space.kubectl.get("statefulset", "kept-dc1-other").is_none());

    // The ring goes on with the name that its rack had.
    ring.apply(&manifest("rack1"));
    ring.settles();
    assert_eq!(ring.host_ids(), hosts);
    let rows = cassandra::cql(
        &space.kubectl,
        "kept-dc1-rack1-0",
        "ONE",
        &["SELECT text FROM one.t WHERE id = 1"],
    );
    assert_eq!(rows.ok().trim(), "text=kept");
    ring.delete();
}
