//! A ring in Git: Flux creates, changes, prunes and applies it again, while requests come from Git, from the plugin and
//! from kubectl. No drift, no loop, no lost or repeated request; kstatus is Current only while the ring serves.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use casskop_e2e::{
    Cluster, Space, cassandra, cluster,
    cluster::{OPERATIONS, find_condition},
    flux::{self, Record},
    fresh_id,
    instances::cleaned,
    plugin::casskop,
    wait::until,
};
use serde_json::{Value, json};

const KIND: &str = "cassandraclusters.db.orange.com";
const FIRST: &str = "git-dc1-rack1-0";

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_ring_lives_in_git() {
    let space = Space::open("e2e-git");
    let ring = space.cluster("git");
    let mut manifest = cluster::ring("git", &[("dc1", &["rack1", "rack2"])]);
    manifest["metadata"]["namespace"] = json!("e2e-git");
    let mut record = Record::begin(&space.kubectl, KIND, "git");
    assert!(is(&flux::apply(&space.kubectl, &manifest), "created"));
    ring.settles();
    is_at_rest(&space, &manifest);
    requests(&space, &ring, &mut manifest);
    is_changed_and_reverted(&space, &ring, &mut manifest);
    let seen = is_current_only_while_it_serves(&mut record, &ring);
    assert!(seen > 2, "{seen} times it was Current after a change");
    is_pruned_and_applied_again(&space, &ring, &manifest);
}

/// Whether Flux reports this change of the ring.
fn is(changes: &str, change: &str) -> bool {
    changes.trim().ends_with(&format!("git {change}"))
}

/// Neither Flux nor Argo CD finds a difference.
fn is_at_rest(space: &Space, manifest: &Value) {
    let kubectl = &space.kubectl;
    let changes = flux::apply(kubectl, manifest);
    assert!(is(&changes, "unchanged"), "{changes}");
    // The server-side diff of Argo CD: the prediction of its apply, without the bookkeeping.
    let predict = [
        "apply",
        "--server-side",
        "--dry-run=server",
        "--force-conflicts",
        "--field-manager=argocd-controller",
        "-o",
        "json",
        "-f",
        "-",
    ];
    let predicted = kubectl.run_with(&predict, &manifest.to_string()).ok();
    let mut predicted = casskop_e2e::kubectl::json(&predicted);
    let mut live = kubectl.get(KIND, "git").expect("the ring");
    for object in [&mut predicted, &mut live] {
        object["metadata"]["managedFields"] = Value::Null;
        // The status may be written in between.
        object["metadata"]["resourceVersion"] = Value::Null;
        object["status"] = Value::Null;
    }
    assert_eq!(predicted, live);
}

fn annotation(ring: &Cluster, key: &str) -> Value {
    ring.get()["metadata"]["annotations"][format!("{OPERATIONS}{key}")].clone()
}

/// Requests of the plugin stay, those of `kubectl annotate` go as the documentation says, and one in Git is carried out
/// once, however often Flux applies it.
fn requests(space: &Space, ring: &Cluster, manifest: &mut Value) {
    let kubectl = &space.kubectl;
    let id = fresh_id("plugin");
    casskop(kubectl, &["flush", "git", "--id", &id]).ok();
    assert!(is(&flux::apply(kubectl, manifest), "unchanged"));
    ring.succeeds("flush", &id);
    assert!(is(&flux::apply(kubectl, manifest), "unchanged"));
    assert_eq!(annotation(ring, "flush"), id.as_str());

    let by_hand = format!("{OPERATIONS}upgradesstables={}", fresh_id("hand"));
    kubectl.ok(&["annotate", KIND, "git", &by_hand]);
    let changes = flux::apply(kubectl, manifest);
    assert!(is(&changes, "configured"), "{changes}");
    assert_eq!(annotation(ring, "upgradesstables"), Value::Null);
    assert_eq!(annotation(ring, "flush"), id.as_str(), "that of the plugin");
    assert!(is(&flux::apply(kubectl, manifest), "unchanged"));

    let before = cleanups(ring);
    let id = fresh_id("commit");
    manifest["metadata"]["annotations"] = json!({ format!("{OPERATIONS}cleanup"): id });
    assert!(is(&flux::apply(kubectl, manifest), "configured"));
    for _ in 0..5 {
        assert!(is(&flux::apply(kubectl, manifest), "unchanged"));
    }
    let done = ring.succeeds("cleanup", &id);
    assert!(is(&flux::apply(kubectl, manifest), "unchanged"));
    ring.is_looked_at();
    let steps = done["plan"]["steps"].as_array().expect("steps").len();
    assert_eq!(
        cleanups(ring),
        before + 2 * steps,
        "each step of both nodes once"
    );
}

fn cleanups(ring: &Cluster) -> usize {
    cleaned(ring).values().map(Vec::len).sum()
}

/// A commit that is carried out, and one that cannot be and is reverted.
fn is_changed_and_reverted(space: &Space, ring: &Cluster, manifest: &mut Value) {
    let kubectl = &space.kubectl;
    manifest["spec"]["dataCapacity"] = json!("2Gi");
    assert!(is(&flux::apply(kubectl, manifest), "configured"));
    ring.settles();
    let good = manifest.clone();
    manifest["spec"]["dataCapacity"] = json!("1Gi");
    assert!(is(&flux::apply(kubectl, manifest), "configured"));
    ring.becomes("Stalled", "True");
    *manifest = good;
    assert!(is(&flux::apply(kubectl, manifest), "configured"));
    ring.settles();
    is_at_rest(space, manifest);
}

/// At every write of the resource: kstatus is Current only if the spec is the observed one, and each of the two nodes is
/// NORMAL and Ready. Returns how often it became Current.
fn is_current_only_while_it_serves(record: &mut Record, ring: &Cluster) -> usize {
    let last = ring.get();
    let version = last["metadata"]["resourceVersion"]
        .as_str()
        .expect("a version");
    let states = record.states(version);
    let (created, kstatus) = states.first().expect("a state");
    assert_eq!(kstatus, "InProgress", "{created:#}");
    let (_, kstatus) = states.last().expect("a state");
    assert_eq!(kstatus, "Current");
    let mut times = 0;
    let mut before = "";
    for (state, kstatus) in &states {
        let serves = |node: &Value| node["state"] == "NORMAL" && node["ready"] == true;
        let nodes = state["status"]["cassandraNodeStatus"].as_object();
        let nodes = nodes.map(|nodes| nodes.values().filter(|node| serves(node)).count());
        if kstatus == "Current" {
            assert_eq!(nodes, Some(2), "{state:#}");
            assert_eq!(
                state["status"]["observedGeneration"],
                state["metadata"]["generation"]
            );
            times += usize::from(before != "Current");
        }
        let stalled = find_condition(state, "Stalled").is_some();
        if kstatus == "Failed" {
            assert!(stalled, "{state:#}");
        }
        before = kstatus;
    }
    times
}

/// The resource is deleted and comes back from Git: the same nodes with their data, and no request again.
fn is_pruned_and_applied_again(space: &Space, ring: &Cluster, manifest: &Value) {
    let kubectl = &space.kubectl;
    cassandra::write(
        kubectl,
        FIRST,
        &[
            "CREATE KEYSPACE IF NOT EXISTS git WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 2}",
            "CREATE TABLE IF NOT EXISTS git.t (id int PRIMARY KEY, text text)",
            "INSERT INTO git.t (id, text) VALUES (1, 'kept')",
        ],
    );
    let hosts = ring.host_ids();
    flux::prune(kubectl, manifest);
    until("the pods to be gone", || {
        let left = ring.pods().len();
        (left == 0).then_some(()).ok_or(format!("{left} pods"))
    });
    assert!(is(&flux::apply(kubectl, manifest), "created"));
    ring.settles();
    assert_eq!(ring.host_ids(), hosts);
    let read = cassandra::cql(
        kubectl,
        FIRST,
        "ALL",
        &["SELECT text FROM git.t WHERE id = 1"],
    )
    .ok();
    assert!(read.contains("kept"), "{read}");
    ring.is_looked_at();
    let operations = ring.get()["status"]["operations"].clone();
    let cleanup = cluster::find_operation(&ring.get(), "cleanup", &annotation_id(manifest));
    let again = cleanup.is_some_and(|cleanup| cleanup["phase"] == "Succeeded");
    assert!(!again, "it ran again: {operations:#}");
    assert_eq!(cleanups(ring), 0, "the containers are new");
}

fn annotation_id(manifest: &Value) -> String {
    let id = &manifest["metadata"]["annotations"][format!("{OPERATIONS}cleanup")];
    id.as_str().expect("an id").to_owned()
}
