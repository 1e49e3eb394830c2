//! A node dies during an operation: the operation waits for it, and repeats the interrupted step.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use std::{collections::BTreeSet, time::Duration};

use casskop_e2e::{Cluster, cassandra, fresh_id, machine, shared_ring, wait::until_every};
use serde_json::Value;

/// The first of three nodes in the order of an operation.
const FIRST: &str = "demo-dc1-rack1-0";
const OTHER: &str = "demo-dc1-rack3-0";

/// The node that leads a repair, and one that only takes part in it.
#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_repair_in_which_a_node_dies_repairs_everything() {
    let (_, demo) = shared_ring();
    let keyspaces: Vec<String> = (1..=4)
        .map(|number| format!("e2e_midway_{number}"))
        .collect();
    cassandra::fill(&demo.kubectl, FIRST, &keyspaces);
    let hosts = demo.host_ids();
    for dies in [FIRST, OTHER] {
        let before = repaired(&demo);
        let id = fresh_id("midway");
        demo.request("repair", &format!("{id} --full"));
        until_every(
            Duration::from_millis(50),
            "the first node to be in the middle",
            || {
                let operation = demo.operation("repair", &id).unwrap_or_default();
                let node = node(&operation, FIRST);
                if node["phase"] == "Running" && node["progress"]["done"].as_i64() > Some(0) {
                    Ok(())
                } else {
                    Err(operation.to_string())
                }
            },
        );
        let pod = demo.kubectl.get("pod", dies).expect("its pod");
        machine::kill_cassandra(pod["metadata"]["uid"].as_str().expect("its UID"));

        let done = demo.succeeds("repair", &id);
        let leader = node(&done, FIRST);
        assert_eq!(
            leader["progress"]["done"], leader["progress"]["total"],
            "{done:#}"
        );
        demo.settles();
        assert_eq!(demo.host_ids(), hosts);
        let new = repaired(&demo).difference(&before).count();
        let all = 3 * keyspaces.len();
        assert!(new >= all, "{new} of {all} repairs came to a good end");
    }
}

fn node(operation: &Value, pod: &str) -> Value {
    let mut nodes = operation["nodes"].as_array().into_iter().flatten();
    nodes
        .find(|node| node["pod"] == pod)
        .cloned()
        .unwrap_or_default()
}

/// Successful repairs of the test's keyspaces, from Cassandra's own record.
fn repaired(demo: &Cluster) -> BTreeSet<String> {
    let rows = "SELECT keyspace_name, parent_id, successful_ranges FROM \
                system_distributed.parent_repair_history";
    let rows = cassandra::cql(&demo.kubectl, FIRST, "QUORUM", &[rows]).ok();
    let done = rows
        .lines()
        .filter(|row| row.starts_with("keyspace_name=e2e_midway_") && row.contains('('));
    done.map(str::to_owned).collect()
}
