//! Nodes that are lost permanently, with their volumes: another node replaces them, or they are removed from the
//! ring.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use casskop_e2e::{
    Cluster, Space, cassandra, cluster, cluster::find_condition, crash::survives, fresh_id,
    operator::Shell, wait::until,
};
use serde_json::{Value, json};

const LOST: &str = "lost-dc1-rack2-0";
const OTHER: &str = "lost-dc1-rack1-0";

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_lost_node_is_replaced_and_one_is_removed() {
    let space = Space::open("e2e-lost");
    let ring = space.cluster("lost");
    ring.apply(&cluster::ring(
        "lost",
        &[("dc1", &["rack1", "rack2", "rack3"])],
    ));
    ring.settles();
    let statements = [
        "CREATE KEYSPACE IF NOT EXISTS kept WITH replication = \
         {'class': 'NetworkTopologyStrategy', 'dc1': 3}",
        "CREATE TABLE IF NOT EXISTS kept.t (id int PRIMARY KEY, text text)",
        "INSERT INTO kept.t (id, text) VALUES (1, 'before')",
        "ALTER KEYSPACE system_auth WITH replication = \
         {'class': 'NetworkTopologyStrategy', 'dc1': 3}",
    ];
    cassandra::write(&space.kubectl, OTHER, &statements);
    a_member_that_is_alive_is_not_touched(&ring);
    its_place_is_taken(&space, &ring);
    it_leaves_and_its_pod_joins_anew(&space, &ring);
    ring.delete();
}

/// The value of the annotation; the plugin adds the uid.
fn request(ring: &Cluster, kind: &str, arguments: &str) -> String {
    let id = fresh_id(kind);
    let uid = ring.get()["metadata"]["uid"].clone();
    let uid = uid.as_str().expect("a uid");
    format!("{id} {arguments} --cluster-uid {uid}")
}

fn a_member_that_is_alive_is_not_touched(ring: &Cluster) {
    let hosts = ring.host_ids();
    let value = request(ring, "replace", &format!("--pod {LOST}"));
    ring.request("replace", &value);
    let (id, _) = value.split_once(' ').expect("an id");
    let refused = ring.ends("replace", id);
    assert_eq!(refused["phase"], "Refused", "{refused:#}");
    let message = refused["message"].as_str().unwrap_or_default();
    assert!(message.contains("node-is-down") && message.contains("answers"));
    assert_eq!(ring.host_ids(), hosts);
}

/// The volume and the pod are deleted, as with a lost machine; Kubernetes re-creates both, empty.
fn lose(space: &Space, ring: &Cluster) -> (String, String) {
    let node = ring.get()["status"]["cassandraNodeStatus"][LOST].clone();
    let host = node["hostId"].as_str().expect("a host id").to_owned();
    let claim = format!("data-{LOST}");
    let before = uid(space, "persistentvolumeclaim", &claim).expect("a volume");
    space.kubectl.ok(&["delete", "pvc", &claim, "--wait=false"]);
    space.kubectl.ok(&[
        "delete",
        "pod",
        LOST,
        "--grace-period=0",
        "--force",
        "--wait=false",
    ]);
    until("an empty volume", || {
        match uid(space, "persistentvolumeclaim", &claim) {
            Some(now) if now != before => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    // An operation that is requested before the others report the node as down would be rejected.
    until("the others to see it down", || {
        let nodes = cassandra::nodetool_status(&space.kubectl, OTHER);
        let down = nodes.iter().any(|node| node[1] == "DN" && node[2] == host);
        if down {
            Ok(())
        } else {
            Err(format!("{nodes:?}"))
        }
    });
    // The empty node does not join beside the lost one, and the status reports the next action.
    ring.tells("Degraded", "True", &[LOST, &host, "replace"]);
    (host, before)
}

fn its_place_is_taken(space: &Space, ring: &Cluster) {
    let (host, _) = lose(space, ring);
    let mut operator = Shell::start(space);
    let value = request(ring, "replace", &format!("--pod {LOST}"));
    let survived = survives(&mut operator, ring, "replace", &value);
    assert!(survived.kills >= 3, "{:#}", survived.operation);
    let done = survived.operation;
    assert_eq!(done["nodes"][0]["hostId"], json!(host), "{done:#}");
    drop(operator);
    ring.settles();
    let nodes = cassandra::nodetool_status(&space.kubectl, OTHER);
    assert_eq!(nodes.len(), 3, "{nodes:?}");
    assert!(nodes.iter().all(|node| node[1] == "UN"), "{nodes:?}");
    assert_ne!(host_id(ring), host, "another address, another host id");
    assert_eq!(read(space), "text=before", "streamed from the others");
    until("nobody to be replaced any more", || {
        let map = space.kubectl.get("configmap", "lost-dc1-rack2");
        let nodes = map.map(|map| map["data"]["nodes.json"].clone());
        match nodes.as_ref().and_then(Value::as_str) {
            Some(nodes) if !nodes.contains("10.") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    // The new node restarts without further action.
    space.kubectl.ok(&["delete", "pod", LOST, "--wait=true"]);
    ring.settles();
}

fn it_leaves_and_its_pod_joins_anew(space: &Space, ring: &Cluster) {
    let (host, _) = lose(space, ring);
    // A change waits for the dead node; the operation that repairs the ring does not wait for the change.
    ring.change(&json!({ "config": { "cassandra-yaml": { "auto_snapshot": false } } }));
    ring.shows("the change to wait", |cluster| {
        let found = find_condition(cluster, "Progressing")?;
        found["message"].as_str()?.contains(LOST).then_some(())
    });
    let mut operator = Shell::start(space);
    let value = request(ring, "remove", &format!("--pod {LOST}"));
    let survived = survives(&mut operator, ring, "remove", &value);
    assert!(survived.kills >= 3, "{:#}", survived.operation);
    drop(operator);
    ring.settles();
    let nodes = cassandra::nodetool_status(&space.kubectl, OTHER);
    assert_eq!(nodes.len(), 3, "{nodes:?}");
    assert!(nodes.iter().all(|node| node[1] == "UN" && node[2] != host));
    assert_ne!(host_id(ring), host);
    assert_eq!(read(space), "text=before");
    let owed = ring.get()["status"]["cassandraNodeStatus"][OTHER]["cleanupRequiredSince"].clone();
    assert!(owed.is_string(), "the others held its ranges meanwhile");
    ring.change(&json!({ "autoPilot": true }));
    ring.shows("the cleanup that nobody asked for", |cluster| {
        let nodes = cluster["status"]["cassandraNodeStatus"].as_object()?;
        let paid = nodes
            .values()
            .all(|node| node["cleanupRequiredSince"].is_null());
        let operations = cluster["status"]["operations"].as_array()?;
        let by = operations
            .iter()
            .any(|operation| operation["requestedBy"] == "autoPilot");
        (paid && by).then_some(())
    });
}

fn host_id(ring: &Cluster) -> String {
    let node = ring.get()["status"]["cassandraNodeStatus"][LOST].clone();
    node["hostId"].as_str().unwrap_or_default().to_owned()
}

fn read(space: &Space) -> String {
    let row = cassandra::cql(
        &space.kubectl,
        LOST,
        "ONE",
        &["SELECT text FROM kept.t WHERE id = 1"],
    );
    row.ok().trim().to_owned()
}

fn uid(space: &Space, kind: &str, name: &str) -> Option<String> {
    let found = space.kubectl.get(kind, name)?;
    found["metadata"]["uid"].as_str().map(str::to_owned)
}
