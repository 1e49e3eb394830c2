//! An upgrade and a downgrade of the operator at each point of each kind of operation and of each rollout: the operator is
//! killed there, and an earlier version goes on with what that of today began, and the other way round. Each ends as if one
//! version had done it, and no Cassandra restarts that the work itself does not restart.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use std::collections::BTreeSet;

use casskop_common::operations::OperationKind;
use casskop_e2e::{
    Cluster, Space, cassandra,
    cluster::{self, is_settled},
    crash::{dies_at_each_point, survives},
    figures::report_figure,
    fresh_id, kubectl, lost_node,
    operator::Shell,
    space::pods_made,
};
use serde_json::{Value, json};

/// The first pod of the ring.
const FIRST: &str = "versions-dc1-rack1-0";
/// The pod that restarts, and the node that is lost.
const LAST: &str = "versions-dc1-rack3-0";
/// The node that joins and leaves.
const GUEST: &str = "versions-dc2-rack1-0";

/// The arguments of a request of each kind after its ID, in an order in which each finds work.
const REQUESTS: [(OperationKind, &str); 13] = [
    (OperationKind::Flush, "--keyspace versions"),
    (OperationKind::Compact, "--keyspace versions"),
    (
        OperationKind::UpgradeSsTables,
        "--include-all --keyspace versions",
    ),
    (OperationKind::GarbageCollect, "--keyspace versions"),
    (OperationKind::Scrub, "--keyspace versions"),
    (OperationKind::Relocate, "--keyspace versions"),
    (OperationKind::Repair, "--full --keyspace versions"),
    (OperationKind::Cleanup, "--keyspace versions"),
    (OperationKind::Snapshot, "--name kept --keyspace versions"),
    (OperationKind::ClearSnapshot, "--name kept"),
    (
        OperationKind::Refresh,
        "--keyspace versions --table t --pod versions-dc1-rack1-0",
    ),
    (OperationKind::Drain, "--pod versions-dc1-rack3-0"),
    (OperationKind::Restart, "--pod versions-dc1-rack3-0"),
];
/// Kinds that the nodes that come, leave and are lost take.
const OTHERS: [OperationKind; 4] = [
    OperationKind::Decommission,
    OperationKind::Rebuild,
    OperationKind::Remove,
    OperationKind::Replace,
];

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn two_versions_take_turns_at_each_point() {
    every_kind_is_tried();
    let space = Space::open("e2e-versions");
    let mut operator = Shell::alternating(&space);
    let ring = space.cluster("versions");
    let manifest = cluster::ring("versions", &[("dc1", &["rack1", "rack2", "rack3"])]);
    rolled_out(&mut operator, &ring, "the first nodes", || {
        ring.apply(&manifest);
    });
    let statements = [
        "CREATE KEYSPACE IF NOT EXISTS versions WITH replication = \
         {'class': 'NetworkTopologyStrategy', 'dc1': 3}",
        "CREATE TABLE IF NOT EXISTS versions.t (id int PRIMARY KEY, text text)",
        "INSERT INTO versions.t (id, text) VALUES (1, 'one')",
        "ALTER KEYSPACE system_auth WITH replication = \
         {'class': 'NetworkTopologyStrategy', 'dc1': 3}",
    ];
    cassandra::write(&space.kubectl, FIRST, &statements);
    for (kind, arguments) in REQUESTS {
        requested(&mut operator, &ring, kind, arguments);
    }
    ring.settles();
    rollouts(&mut operator, &ring);
    for kind in [OperationKind::Replace, OperationKind::Remove] {
        let host = lost_node::lose(&ring, LAST, FIRST);
        let value = lost_node::give_up(&ring, &kind.to_string(), LAST);
        let survived = survives(&mut operator, &ring, &kind.to_string(), &value);
        told(&kind.to_string(), survived.kills);
        ring.settles();
        let hosts = ring.host_ids();
        assert!(hosts.iter().all(|(_, id)| *id != host), "{hosts:?}");
    }
    let row = "SELECT text FROM versions.t WHERE id = 1";
    let output = cassandra::cql(&space.kubectl, FIRST, "ALL", &[row]).ok();
    assert_eq!(output.trim(), "text=one");
    let before = starts(&ring);
    drop(operator);
    ring.is_looked_at();
    ring.settles();
    assert_eq!(
        starts(&ring),
        before,
        "the version of today goes on with the ring"
    );
    ring.delete();
}

fn every_kind_is_tried() {
    let tried = REQUESTS.map(|(kind, _)| kind).into_iter().chain(OTHERS);
    let all = OperationKind::ALL.into_iter().collect();
    assert_eq!(tried.collect::<BTreeSet<_>>(), all);
}

fn rollouts(operator: &mut Shell, ring: &Cluster) {
    let before = starts(ring);
    rolled_out(operator, ring, "a node joins", || {
        ring.change(&guests(1));
    });
    let with_guest = starts(ring);
    assert_eq!(with_guest.len(), 4, "{with_guest:?}");
    assert!(before.is_subset(&with_guest), "{before:?} {with_guest:?}");
    replicated(ring, "'dc1': 3, 'dc2': 1");
    requested(
        operator,
        ring,
        OperationKind::Rebuild,
        "--dc dc2 --from-dc dc1",
    );
    let hosts = ring.host_ids();
    let pods = ring.pod_names();
    let made = || pods.iter().map(|pod| pods_made(&ring.kubectl, pod));
    let before: Vec<usize> = made().collect();
    rolled_out(operator, ring, "a change of the configuration", || {
        ring.change(&json!({ "config": { "cassandra-yaml": { "auto_snapshot": false } } }));
    });
    assert_eq!(ring.host_ids(), hosts, "the same nodes");
    let once: Vec<usize> = before.iter().map(|count| count + 1).collect();
    assert_eq!(made().collect::<Vec<_>>(), once, "{pods:?}, each once");
    let changed = starts(ring);
    replicated(ring, "'dc1': 3");
    rolled_out(operator, ring, "a node leaves", || {
        ring.change(&guests(0));
    });
    let left: BTreeSet<_> = changed
        .into_iter()
        .filter(|(pod, ..)| pod != GUEST)
        .collect();
    assert_eq!(starts(ring), left);
    rolled_out(operator, ring, "the data center goes", || {
        ring.change(&json!({ "topology": { "dc": [first_dc()] } }));
    });
    assert_eq!(starts(ring), left);
}

fn replicated(ring: &Cluster, replicas: &str) {
    let statement = format!(
        "ALTER KEYSPACE versions WITH replication = \
         {{'class': 'NetworkTopologyStrategy', {replicas}}}"
    );
    cassandra::write(&ring.kubectl, FIRST, &[&statement]);
}

fn first_dc() -> Value {
    let racks = ["rack1", "rack2", "rack3"].map(|rack| json!({ "name": rack }));
    json!({ "name": "dc1", "rack": racks })
}

/// The topology with this number of nodes in a second data center.
fn guests(count: i32) -> Value {
    let second = json!({ "name": "dc2", "nodesPerRacks": count, "rack": [{ "name": "rack1" }] });
    json!({ "topology": { "dc": [first_dc(), second] } })
}

fn requested(operator: &mut Shell, ring: &Cluster, kind: OperationKind, arguments: &str) {
    let kind = kind.to_string();
    let before = starts(ring);
    let value = format!("{} {arguments}", fresh_id("turn"));
    let survived = survives(operator, ring, &kind, &value);
    told(&kind, survived.kills);
    let after = starts(ring);
    let restarted: Vec<_> = after.difference(&before).collect();
    let expected = usize::from(kind == "restart");
    assert_eq!(restarted.len(), expected, "{kind} restarted {restarted:?}");
}

fn rolled_out(operator: &mut Shell, ring: &Cluster, what: &str, begin: impl FnOnce()) {
    let has_ended = || {
        let found = ring
            .kubectl
            .get("cassandraclusters.db.orange.com", &ring.name);
        found.is_some_and(|cluster| is_settled(&cluster))
    };
    let changes = dies_at_each_point(operator, ring, begin, has_ended);
    ring.settles();
    told(what, changes);
}

fn told(what: &str, changes: usize) {
    report_figure(&format!("{what}: {changes} changes of the version"));
    assert!(changes > 0, "{what} was too quick");
}

/// The starts of Cassandra of each pod: its name, its uid and the restarts of its containers.
fn starts(ring: &Cluster) -> BTreeSet<(String, String, String)> {
    let of = |pod: &Value| {
        let containers = pod["status"]["containerStatuses"].as_array();
        let restarts = containers
            .into_iter()
            .flatten()
            .map(|container| container["restartCount"].to_string());
        let uid = pod["metadata"]["uid"].to_string();
        (kubectl::name(pod), uid, restarts.collect())
    };
    ring.pods().iter().map(of).collect()
}
