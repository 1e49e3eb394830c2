//! The operator is killed at every point of operations that are not cleanups (those are in `cleanup_crash`). The
//! results are read from the records of the nodes and of the API server.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use casskop_e2e::{
    Cluster, cassandra,
    crash::{Survived, survives},
    figures::report_figure,
    fresh_id, kubectl,
    operator::Shell,
    shared_ring,
    space::pods_made,
};

const KEYSPACE: &str = "e2e_crash";
const POD: &str = "demo-dc1-rack3-0";

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn killed_at_every_point_it_ends_the_same() {
    let (space, demo) = shared_ring();
    cassandra::fill(&space.kubectl, POD, &[KEYSPACE.to_owned()]);
    let mut operator = Shell::start(&space);
    snapshots_are_there_once(&mut operator, &demo);
    every_node_has_repaired(&mut operator, &demo);
    a_pod_is_made_anew_once(&mut operator, &demo);
    drop(operator);
    demo.settles();
}

fn snapshots_are_there_once(operator: &mut Shell, demo: &Cluster) {
    let name = fresh_id("crash");
    let value = format!("{name} --keyspace {KEYSPACE} --name {name}");
    let survived = survives(operator, demo, "snapshot", &value);
    told("snapshot", &survived);
    for pod in demo.pod_names() {
        let find = format!("ls -d /var/lib/cassandra/data/{KEYSPACE}/*/snapshots/{name}");
        let words = ["exec", &pod, "-c", "cassandra", "--", "sh", "-c", &find];
        assert_eq!(demo.kubectl.ok(&words).lines().count(), 1, "{pod}");
    }
    let value = format!("{name} --keyspace {KEYSPACE} --name {name}");
    demo.request("clearsnapshot", &value);
    demo.succeeds("clearsnapshot", &name);
}

/// Cassandra keeps a history of repairs: each node has completed one of the keyspace, and only repairs that a kill
/// interrupted are additional.
fn every_node_has_repaired(operator: &mut Shell, demo: &Cluster) {
    let before = repairs(demo);
    let value = format!("{} --full --keyspace {KEYSPACE}", fresh_id("crash"));
    let survived = survives(operator, demo, "repair", &value);
    told("repair", &survived);
    let after = repairs(demo);
    let (begun, done) = (after.0 - before.0, after.1 - before.1);
    assert!(
        done >= 3,
        "{done} of {begun} repairs were brought to an end"
    );
    assert!(begun <= 3 + survived.kills, "{begun} repairs were begun");
}

/// Repairs of the keyspace: started, and succeeded.
fn repairs(demo: &Cluster) -> (usize, usize) {
    let row =
        "SELECT keyspace_name, successful_ranges FROM system_distributed.parent_repair_history";
    let rows = cassandra::cql(&demo.kubectl, POD, "ALL", &[row]).ok();
    let prefix = format!("keyspace_name={KEYSPACE} ");
    let ours = rows.lines().filter(|row| row.starts_with(&prefix));
    let done = |row: &&str| row.contains('(');
    (ours.clone().count(), ours.filter(done).count())
}

/// The API server records the number of pods that were created with that name. A repeated deletion of a terminating
/// pod is harmless.
fn a_pod_is_made_anew_once(operator: &mut Shell, demo: &Cluster) {
    let hosts = demo.host_ids();
    let before = pods_made(&demo.kubectl, POD);
    let value = format!("{} --drain --pod {POD}", fresh_id("crash"));
    let survived = survives(operator, demo, "restart", &value);
    told("restart", &survived);
    let made = pods_made(&demo.kubectl, POD) - before;
    assert_eq!(made, 1, "{:#?}", survived.writes);
    assert_eq!(demo.host_ids(), hosts);
    assert_eq!(kubectl::names(&demo.pods()).len(), 3);
}

fn told(kind: &str, survived: &Survived) {
    let (kills, writes) = (survived.kills, survived.writes.len());
    report_figure(&format!(
        "{kind}: killed {kills} times, {writes} writes by all operators"
    ));
    assert!(
        kills >= 3,
        "too quick to be killed: {:#}",
        survived.operation
    );
}
