//! A cluster of the Go CassKop is taken over: StatefulSets whose selectors hold the labels of the resource, a Service and
//! a budget that select by them, pods in order. Its nodes and volumes stay the same.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use std::collections::BTreeMap;

use casskop_e2e::{Cluster, Space, cassandra, cluster, kubectl, operator, wait::until};
use serde_json::{Value, json};

const RACKS: [&str; 2] = ["old-dc1-rack1", "old-dc1-rack2"];

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_cluster_of_the_go_casskop_is_taken_over_with_its_volumes() {
    let space = Space::open("e2e-takeover");
    let old = space.cluster("old");
    let mut manifest = cluster::ring("old", &[("dc1", &["rack1", "rack2"])]);
    manifest["metadata"]["labels"] = json!({ "team": "orders" });
    old.apply(&manifest);
    old.settles();
    let statements = [
        "CREATE KEYSPACE IF NOT EXISTS two WITH replication = \
         {'class': 'NetworkTopologyStrategy', 'dc1': 2}",
        "CREATE TABLE IF NOT EXISTS two.t (id int PRIMARY KEY, text text)",
        "INSERT INTO two.t (id, text) VALUES (1, 'before')",
    ];
    cassandra::write(&space.kubectl, "old-dc1-rack1-0", &statements);
    let (hosts, volumes) = (old.host_ids(), volumes(&space));

    operator::scale(&space.kubectl, 0);
    as_the_go_casskop_has_it(&space, &old);
    operator::scale(&space.kubectl, 1);

    until("both StatefulSets to be ours", || {
        let selectors: Vec<Value> = RACKS.iter().map(|set| selector(&space, set)).collect();
        let ours = selectors
            .iter()
            .all(|labels| labels.is_object() && labels["team"].is_null());
        if ours {
            Ok(())
        } else {
            Err(format!("{selectors:?}"))
        }
    });
    old.settles();
    assert_eq!(old.host_ids(), hosts, "the nodes are who they were");
    assert_eq!(
        self::volumes(&space),
        volumes,
        "on the volumes that they had"
    );
    let service = space.kubectl.get("service", "old").expect("it is there");
    assert!(service["spec"]["selector"]["team"].is_null(), "{service:#}");
    let budget = space
        .kubectl
        .get("poddisruptionbudget", "old")
        .expect("it is there");
    assert!(
        budget["spec"]["selector"]["matchLabels"]["team"].is_null(),
        "{budget:#}"
    );
    for pod in old.pods() {
        assert!(
            pod["metadata"]["labels"]["team"].is_null(),
            "{}",
            kubectl::name(&pod)
        );
    }
    let row = "SELECT text FROM two.t WHERE id = 1";
    let output = cassandra::cql(&space.kubectl, "old-dc1-rack2-0", "ALL", &[row]).ok();
    assert_eq!(output.trim(), "text=before");
    old.delete();
}

/// Gives everything the shape that the Go CassKop makes, around the running pods.
fn as_the_go_casskop_has_it(space: &Space, old: &Cluster) {
    let label = json!({ "metadata": { "labels": { "team": "orders" } } });
    for pod in old.pod_names() {
        space.kubectl.patch("pod", &pod, &label).ok();
    }
    let selector = json!({ "spec": { "selector": { "team": "orders" } } });
    space.kubectl.patch("service", "old", &selector).ok();
    let mut budget = stripped(space.kubectl.get("poddisruptionbudget", "old"));
    budget["spec"]["selector"]["matchLabels"]["team"] = json!("orders");
    space.kubectl.ok(&["delete", "poddisruptionbudget", "old"]);
    create(space, &budget);
    for name in RACKS {
        let mut set = stripped(space.kubectl.get("statefulset", name));
        set["metadata"]["labels"]["team"] = json!("orders");
        set["spec"]["selector"]["matchLabels"]["team"] = json!("orders");
        set["spec"]["template"]["metadata"]["labels"]["team"] = json!("orders");
        set["spec"]["podManagementPolicy"] = json!("OrderedReady");
        space
            .kubectl
            .ok(&["delete", "statefulset", name, "--cascade=orphan"]);
        create(space, &set);
        until("the rack to be as the Go CassKop has it", || {
            let set = space.kubectl.get("statefulset", name).unwrap_or_default();
            let status = &set["status"];
            let done = status["updateRevision"] == status["currentRevision"]
                && status["readyReplicas"] == json!(1)
                && status["updatedReplicas"] == json!(1);
            if done {
                Ok(())
            } else {
                Err(status.to_string())
            }
        });
    }
}

/// An object without what the API server and our operator wrote into it.
fn stripped(object: Option<Value>) -> Value {
    let mut object = object.expect("it is there");
    object["status"] = Value::Null;
    let metadata = object["metadata"].as_object_mut().expect("metadata");
    metadata.retain(|key, _| {
        ["name", "namespace", "labels", "ownerReferences"].contains(&key.as_str())
    });
    object
}

fn create(space: &Space, object: &Value) {
    space
        .kubectl
        .run_with(&["create", "-f", "-"], &object.to_string())
        .ok();
}

fn selector(space: &Space, set: &str) -> Value {
    let set = space.kubectl.get("statefulset", set).unwrap_or_default();
    set["spec"]["selector"]["matchLabels"].clone()
}

fn volumes(space: &Space) -> BTreeMap<String, Value> {
    let claims = space
        .kubectl
        .list("persistentvolumeclaims", "cassandracluster=old");
    claims
        .iter()
        .map(|claim| (kubectl::name(claim), claim["metadata"]["uid"].clone()))
        .collect()
}
