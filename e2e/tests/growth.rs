//! A ring of two data centers grows from one to two nodes a rack: rack by rack, one joining node at a time.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use std::{collections::BTreeSet, thread, time::Duration};

use casskop_e2e::{Space, cassandra, cluster, kubectl, plugin::casskop};
use serde_json::json;

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn two_data_centers_grow_one_node_at_a_time() {
    let space = Space::open("e2e-growth");
    let grow = space.cluster("grow");
    grow.apply(&cluster::ring(
        "grow",
        &[("dc1", &["rack1", "rack2"]), ("dc2", &["rack1"])],
    ));
    grow.settles();
    let first = ["grow-dc1-rack1-0", "grow-dc1-rack2-0", "grow-dc2-rack1-0"];
    assert_eq!(grow.pod_names(), first);
    let statements = [
        "CREATE KEYSPACE IF NOT EXISTS two WITH replication = \
         {'class': 'NetworkTopologyStrategy', 'dc1': 2, 'dc2': 1}",
        "CREATE TABLE IF NOT EXISTS two.t (id int PRIMARY KEY, text text)",
        "INSERT INTO two.t (id, text) VALUES (1, 'before')",
    ];
    cassandra::cql(&space.kubectl, first[0], "ALL", &statements).ok();
    let ids = grow.host_ids();

    grow.change(&json!({ "nodesPerRacks": 2 }));
    // The order in which pods appear, and how many nodes join at once, seen from outside.
    let mut appeared: Vec<String> = Vec::new();
    let mut joining = 0;
    loop {
        let pods = grow.pods();
        for pod in &pods {
            let name = kubectl::name(pod);
            if !appeared.contains(&name) {
                appeared.push(name);
            }
        }
        let ready = pods
            .iter()
            .filter(|pod| casskop_e2e::operator::is_ready(pod))
            .count();
        joining = joining.max(pods.len() - ready);
        if ready == 6 {
            break;
        }
        assert!(joining <= 1, "{joining} nodes join at once: {appeared:?}");
        thread::sleep(Duration::from_millis(500));
    }
    grow.settles();
    assert_eq!(appeared.len(), 6, "{appeared:?}");
    let newest: BTreeSet<&String> = appeared[3..].iter().collect();
    assert!(newest.iter().all(|pod| pod.ends_with("-1")), "{appeared:?}");

    let after = grow.host_ids();
    assert!(
        ids.iter().all(|known| after.contains(known)),
        "the old nodes are the same: {after:?}"
    );
    for (dc, count) in [("dc1", 4), ("dc2", 2)] {
        let nodes = grow.get()["status"]["cassandraNodeStatus"].clone();
        let nodes = nodes.as_object().expect("nodes");
        assert_eq!(
            nodes.values().filter(|node| node["dc"] == dc).count(),
            count
        );
    }
    let ring = cassandra::nodetool_status(&space.kubectl, "grow-dc2-rack1-1");
    assert_eq!(
        ring.iter().filter(|node| node[1] == "UN").count(),
        6,
        "{ring:?}"
    );
    let rows = cassandra::cql(
        &space.kubectl,
        "grow-dc2-rack1-1",
        "ALL",
        &["SELECT text FROM two.t"],
    );
    assert_eq!(rows.ok().trim(), "text=before");

    // What growth makes necessary, on one data center only.
    casskop(
        &space.kubectl,
        &[
            "cleanup",
            "grow",
            "--dc",
            "dc1",
            "--wait",
            "--timeout",
            "10m",
        ],
    )
    .ok();
    for pod in grow.pod_names() {
        let cleaned = cassandra::cleanups(&cassandra::log(&space.kubectl, &pod));
        let expected = pod.starts_with("grow-dc1-");
        assert_eq!(
            cleaned.iter().any(|cleanup| cleanup.keyspace == "two"),
            expected,
            "{pod}"
        );
    }
    grow.delete();
}
