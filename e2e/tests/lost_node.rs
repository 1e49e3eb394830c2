//! Nodes that are lost permanently, with their volumes: another node replaces them, or they are removed from the
//! ring.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use casskop_e2e::{
    Cluster, Space, cassandra, cluster, cluster::find_condition, crash::survives, lost_node,
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

fn a_member_that_is_alive_is_not_touched(ring: &Cluster) {
    let hosts = ring.host_ids();
    let value = lost_node::give_up(ring, "replace", LOST);
    ring.request("replace", &value);
    let (id, _) = value.split_once(' ').expect("an id");
    let refused = ring.ends("replace", id);
    assert_eq!(refused["phase"], "Refused", "{refused:#}");
    let message = refused["message"].as_str().unwrap_or_default();
    assert!(message.contains("node-is-down") && message.contains("answers"));
    assert_eq!(ring.host_ids(), hosts);
}

fn its_place_is_taken(space: &Space, ring: &Cluster) {
    let host = lost_node::lose(ring, LOST, OTHER);
    let mut operator = Shell::start(space);
    let value = lost_node::give_up(ring, "replace", LOST);
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
    let host = lost_node::lose(ring, LOST, OTHER);
    // A change waits for the dead node; the operation that repairs the ring does not wait for the change.
    ring.change(&json!({ "config": { "cassandra-yaml": { "auto_snapshot": false } } }));
    ring.shows("the change to wait", |cluster| {
        let found = find_condition(cluster, "Progressing")?;
        found["message"].as_str()?.contains(LOST).then_some(())
    });
    let mut operator = Shell::start(space);
    let value = lost_node::give_up(ring, "remove", LOST);
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
