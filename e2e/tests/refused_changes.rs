//! A rejected spec of a running ring: the rejection is reported with its reason, running pods keep running, and a
//! corrected spec is rolled out without further action.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use casskop_e2e::{
    Cluster, Space, cassandra, cluster::find_condition, fresh_id, shared_ring, wait::until,
};
use serde_json::{Value, json};

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn what_cannot_be_undone_is_refused_for_a_running_ring() {
    let (space, demo) = shared_ring();
    let before = demo.get()["spec"].clone();
    for (change, words) in [
        (
            json!({ "spec": { "dataStorageClass": "fixed" } }),
            ["dataStorageClass cannot be changed", "data center"],
        ),
        (
            json!({ "spec": { "dataCapacity": null } }),
            [
                "dataCapacity cannot be added to or removed",
                "without their data",
            ],
        ),
    ] {
        let said = space
            .kubectl
            .patch("cassandracluster", "demo", &change)
            .fails();
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    }
    assert_eq!(demo.get()["spec"], before);
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn what_only_the_operator_can_judge_is_refused_and_the_ring_keeps_running() {
    let (space, demo) = shared_ring();
    let sets = || {
        let sets = space.kubectl.list("statefulsets", "cassandracluster=demo");
        sets.into_iter()
            .map(|set| set["metadata"]["generation"].clone())
            .collect::<Vec<_>>()
    };
    let (before, ids) = (sets(), demo.host_ids());
    for (change, words) in [
        (
            json!({ "dataCapacity": "500Mi" }),
            vec!["1Gi", "500Mi", "dataCapacity"],
        ),
        (
            json!({ "config": { "cassandra-yaml": { "seed_provider": [] } } }),
            vec!["seed_provider", "spec.seeds"],
        ),
    ] {
        let spec = demo.get()["spec"].clone();
        demo.change(&change);
        demo.tells("SpecAccepted", "False", &words);
        demo.announces("SpecRefused", &words);
        let resource = demo.get();
        assert_eq!(resource["status"]["lastClusterAction"], "CorrectCRDConfig");
        assert_eq!(
            find_condition(&resource, "Available").expect("told")["status"],
            "True",
            "the ring keeps running"
        );
        // A rejected spec does not block an operation.
        let id = fresh_id("despite");
        demo.request("flush", &format!("{id} --keyspace system_auth"));
        demo.succeeds("flush", &id);
        put_back(&space, &demo, &spec);
    }
    assert_eq!((sets(), demo.host_ids()), (before, ids));
}

/// The restored spec is reconciled without further action.
fn put_back(space: &Space, demo: &Cluster, spec: &Value) {
    let back = json!([{ "op": "replace", "path": "/spec", "value": spec }]).to_string();
    let patch = [
        "patch",
        "cassandracluster",
        "demo",
        "--type=json",
        "-p",
        &back,
    ];
    space.kubectl.ok(&patch);
    demo.settles();
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn what_is_deleted_while_the_spec_is_refused_comes_back_as_it_was() {
    let (space, demo) = shared_ring();
    let objects = [("statefulset", "demo-dc1-rack2"), ("service", "demo")];
    let made = || objects.map(|(kind, name)| space.kubectl.get(kind, name).unwrap_or_default());
    let spec = demo.get()["spec"].clone();
    demo.change(&json!({ "dataCapacity": "500Mi", "runAsUser": 1234 }));
    demo.tells("SpecAccepted", "False", &["500Mi"]);
    let (before, pods) = (made(), uids(&demo));
    for (kind, name) in objects {
        let words = ["delete", kind, name, "--cascade=orphan", "--wait=false"];
        space.kubectl.ok(&words);
    }
    until("what was deleted to come back as it was", || {
        let now = made();
        let same = now.iter().zip(&before).all(|(now, before)| {
            let (now, before) = (&now["metadata"], &before["metadata"]);
            now["uid"].is_string() && now["uid"] != before["uid"]
        });
        same.then_some(()).ok_or(format!("{now:#?}"))
    });
    let template = |objects: &[Value; 2]| objects[0]["spec"]["template"].clone();
    assert_eq!(template(&made()), template(&before));
    demo.tells("SpecAccepted", "False", &["500Mi"]);
    assert_eq!(uids(&demo), pods, "no pod noticed");
    put_back(&space, &demo, &spec);
    assert_eq!(uids(&demo), pods, "nor of its correction");
}

/// The pods by their UIDs.
fn uids(demo: &Cluster) -> Vec<Value> {
    let pods = demo.pods().into_iter();
    pods.map(|pod| pod["metadata"]["uid"].clone()).collect()
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_rack_that_holds_needed_replicas_stays_until_it_is_put_back() {
    let (space, demo) = shared_ring();
    let (pods, ids) = (demo.pod_names(), demo.host_ids());
    let cql = |statement: &str| cassandra::write(&space.kubectl, &pods[0], &[statement]);
    cql(
        "CREATE KEYSPACE IF NOT EXISTS wide WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 3}",
    );
    let racks = |names: &[&str]| {
        let racks: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
        demo.change(&json!({ "topology": { "dc": [{ "name": "dc1", "rack": racks }] } }));
    };
    racks(&["rack1", "rack2"]);
    demo.tells(
        "Progressing",
        "True",
        &["replicas-remain", "keyspace wide", "ALTER KEYSPACE"],
    );
    racks(&["rack1", "rack2", "rack3"]);
    demo.settles();
    cql("DROP KEYSPACE wide");
    assert_eq!(demo.host_ids(), ids, "no node has left");
}
