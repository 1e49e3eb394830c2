//! A ring at rest is not changed, and objects of others are never touched.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use std::{thread, time::Duration};

use casskop_e2e::{
    Space, fresh_id, kubectl,
    operator::{self, Shell},
    shared_ring,
    space::writes_by,
};
use serde_json::{Value, json};

/// Generations and revisions of the StatefulSets, identities and restarts of the pods.
fn picture(space: &Space) -> Value {
    let sets = space.kubectl.list("statefulsets", "cassandracluster=demo");
    let pods = space.kubectl.list("pods", "cassandracluster=demo");
    let sets = sets.iter().map(|set| {
        json!([
            kubectl::name(set),
            set["metadata"]["generation"],
            set["status"]["updateRevision"]
        ])
    });
    let pods = pods.iter().map(|pod| {
        let restarts = pod["status"]["containerStatuses"][0]["restartCount"].clone();
        json!([kubectl::name(pod), pod["metadata"]["uid"], restarts])
    });
    json!([sets.collect::<Value>(), pods.collect::<Value>()])
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_restarted_operator_changes_nothing() {
    let (space, demo) = shared_ring();
    let before = picture(&space);
    let resource = demo.get();
    // The operator runs as another process, from the shell, and again in its pod.
    let mut shell = Shell::start(&space);
    demo.is_looked_at();
    shell.kill();
    shell.run();
    demo.is_looked_at();
    drop(shell);
    demo.is_looked_at();
    assert_eq!(picture(&space), before);
    let after = demo.get();
    assert_eq!(
        after["status"]["conditions"],
        resource["status"]["conditions"]
    );
    assert_eq!(after["spec"], resource["spec"]);
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_ring_at_rest_costs_no_write() {
    let (space, demo) = shared_ring();
    let user = operator::user(&space.kubectl);
    demo.is_looked_at();
    // The reconciliation that planned the dry run has recorded it; wait until no write follows.
    let mut before = (
        writes_by(&user).len(),
        demo.get()["metadata"]["resourceVersion"].clone(),
    );
    loop {
        thread::sleep(Duration::from_secs(5));
        let now = (
            writes_by(&user).len(),
            demo.get()["metadata"]["resourceVersion"].clone(),
        );
        if now == before {
            break;
        }
        before = now;
    }
    let events = space.kubectl.list("events", "").len();
    thread::sleep(Duration::from_secs(60));
    let writes = writes_by(&user);
    assert_eq!(
        writes.len(),
        before.0,
        "{:#}",
        Value::from(writes[before.0..].to_vec())
    );
    assert_eq!(demo.get()["metadata"]["resourceVersion"], before.1);
    assert!(
        space.kubectl.list("events", "").len() <= events,
        "events at rest"
    );
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn spec_and_annotations_belong_to_git() {
    let (space, demo) = shared_ring();
    let kubectl = &space.kubectl;
    let before = picture(&space);
    // The content of Git: the spec, and the request of a cleanup. It is applied repeatedly while the cleanup runs.
    let spec = demo.get()["spec"].clone();
    let id = fresh_id("git");
    let manifest = json!({
        "apiVersion": "db.orange.com/v2", "kind": "CassandraCluster",
        "metadata": {
            "name": "demo",
            "annotations": { "operations.db.orange.com/cleanup": id, "example.com/team": "payments" },
        },
        "spec": spec,
    });
    let apply = || {
        let args = [
            "apply",
            "--server-side",
            "--field-manager=flux",
            "--force-conflicts",
            "-f",
            "-",
        ];
        kubectl.run_with(&args, &manifest.to_string()).ok();
    };
    apply();
    demo.reaches("cleanup", &id, &["Running", "Succeeded"]);
    for _ in 0..5 {
        apply();
    }
    demo.succeeds("cleanup", &id);
    apply();
    demo.is_looked_at();

    let text = kubectl.ok(&[
        "get",
        "cassandracluster",
        "demo",
        "-o",
        "json",
        "--show-managed-fields",
    ]);
    let resource = kubectl::json(&text);
    assert_eq!(resource["spec"], spec);
    assert_eq!(
        resource["metadata"]["annotations"]["operations.db.orange.com/cleanup"],
        id.as_str()
    );
    let managers = resource["metadata"]["managedFields"]
        .as_array()
        .expect("managers");
    let ours: Vec<&Value> = managers
        .iter()
        .filter(|entry| entry["manager"] == "casskop-operator")
        .collect();
    assert!(!ours.is_empty(), "{managers:?}");
    for entry in ours {
        assert_eq!(entry["subresource"], "status", "{entry}");
        let fields = entry["fieldsV1"].as_object().expect("fields");
        assert_eq!(fields.keys().collect::<Vec<_>>(), ["f:status"], "{entry}");
    }
    let writes = writes_by(&operator::user(kubectl));
    // Only writes to this cluster are counted.
    let foreign = writes.iter().filter(|entry| {
        let object = &entry["objectRef"];
        object["name"] == "demo"
            && object["resource"] == "cassandraclusters"
            && object["subresource"] != "status"
    });
    assert_eq!(foreign.count(), 0);
    assert_eq!(picture(&space), before);
    demo.annotate("cleanup", None).ok();
}
