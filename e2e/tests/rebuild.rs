//! Nodes of a new data center hold no data until they rebuild. The stream outlives the operator; a rebuild is called
//! once more on a node that dies during the stream.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use casskop_e2e::{
    Cluster, Space, cassandra, cluster, cluster::find_operation, crash::survives, fresh_id,
    operator::Shell, wait::until,
};
use serde_json::json;

const OLD: &str = "rebuild-dc1-rack1-0";
const NEW: &str = "rebuild-dc2-rack1-0";
/// Rows of a keyspace that streams slowly, and characters in each: ten seconds at a mebibyte a second.
const ROWS: usize = 105;
const CHARACTERS: usize = 100_000;

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_new_data_center_gets_the_data_whoever_dies_meanwhile() {
    let space = Space::open("e2e-rebuild");
    let ring = space.cluster("rebuild");
    let dcs = |names: &[&str]| {
        let dc = |name: &&str| json!({ "name": name, "rack": [{ "name": "rack1" }] });
        json!({ "topology": { "dc": names.iter().map(dc).collect::<Vec<_>>() } })
    };
    ring.apply(&cluster::ring("rebuild", &[("dc1", &["rack1"])]));
    ring.settles();
    let statements = [
        "CREATE KEYSPACE IF NOT EXISTS kept WITH replication = \
         {'class': 'NetworkTopologyStrategy', 'dc1': 1}",
        "CREATE TABLE IF NOT EXISTS kept.t (id int PRIMARY KEY, text text)",
        "INSERT INTO kept.t (id, text) VALUES (1, 'before')",
    ];
    cassandra::write(&space.kubectl, OLD, &statements);
    ring.change(&dcs(&["dc1", "dc2"]));
    ring.shows("the node of dc2", |cluster| {
        (cluster["status"]["cassandraNodeStatus"][NEW]["state"] == "NORMAL").then_some(())
    });
    ring.settles();

    it_waits_until_something_is_replicated_there(&space, &ring);
    it_streams_no_more_often_than_it_has_to(&space, &ring);
    a_data_center_that_is_none_has_nothing(&ring);
    fill_slowly(&space);
    the_stream_outlives_the_operator(&space, &ring);
    a_node_that_dies_is_told_once_more(&space, &ring);
    ring.delete();
}

fn rebuild(ring: &Cluster, arguments: &str) -> String {
    let id = fresh_id("rebuild");
    ring.request("rebuild", &format!("{id} --dc dc2 {arguments}"));
    id
}

fn says(ring: &Cluster, id: &str, what: &str) {
    ring.shows(what, |cluster| {
        let operation = find_operation(cluster, "rebuild", id)?;
        let message = operation["message"].as_str()?;
        message.contains(what).then_some(())
    });
}

fn it_waits_until_something_is_replicated_there(space: &Space, ring: &Cluster) {
    let id = rebuild(ring, "--from-dc dc1");
    says(ring, &id, "source-has-data");
    let alter = "ALTER KEYSPACE kept WITH replication = \
                 {'class': 'NetworkTopologyStrategy', 'dc1': 1, 'dc2': 1}";
    cassandra::write(&space.kubectl, OLD, &[alter]);
    let select = ["SELECT text FROM kept.t WHERE id = 1"];
    let done = ring.succeeds("rebuild", &id);
    assert_eq!(done["plan"]["steps"], json!(["kept"]), "{done:#}");
    let row = cassandra::cql(&space.kubectl, NEW, "LOCAL_ONE", &select);
    assert_eq!(row.ok().trim(), "text=before");
}

/// Another request, with a new id, streams again: 5.0 refuses that unless it is enabled at the start of the node.
fn it_streams_no_more_often_than_it_has_to(space: &Space, ring: &Cluster) {
    let before = rebuilds(space).len();
    let mut operator = Shell::start(space);
    let value = format!("{} --dc dc2 --from-dc dc1", fresh_id("rebuild"));
    let survived = survives(&mut operator, ring, "rebuild", &value);
    let began = begun(&rebuilds(space)[before..]);
    let kills = survived.kills;
    assert!(
        (1..=1 + kills).contains(&began),
        "{began} rebuilds after {kills} kills"
    );
}

fn a_data_center_that_is_none_has_nothing(ring: &Cluster) {
    let id = rebuild(ring, "--from-dc dc10");
    says(ring, &id, "dc10");
    ring.annotate("rebuild", None).ok();
}

/// A keyspace with a slow stream.
fn fill_slowly(space: &Space) {
    let statements = [
        "CREATE KEYSPACE IF NOT EXISTS large WITH replication = \
         {'class': 'NetworkTopologyStrategy', 'dc1': 1}",
        "CREATE TABLE IF NOT EXISTS large.t (id int PRIMARY KEY, text text) \
         WITH compression = {'enabled': false}",
    ];
    cassandra::write(&space.kubectl, OLD, &statements);
    let text = "x".repeat(CHARACTERS);
    let rows: Vec<String> = (0..ROWS)
        .map(|id| format!("INSERT INTO large.t (id, text) VALUES ({id}, '{text}')"))
        .collect();
    for rows in rows.chunks(10) {
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        cassandra::write(&space.kubectl, OLD, &rows);
    }
    let alter = "ALTER KEYSPACE large WITH replication = \
                 {'class': 'NetworkTopologyStrategy', 'dc1': 1, 'dc2': 1}";
    cassandra::write(&space.kubectl, OLD, &[alter]);
    for limit in ["setstreamthroughput", "setinterdcstreamthroughput"] {
        nodetool(space, OLD, &[limit, "-m", "1"]);
        nodetool(space, OLD, &[limit, "-e", "1"]);
    }
}

/// The restarted operator waits for the stream in progress; the result of the stream is unknown, so the rebuild is
/// called once more.
fn the_stream_outlives_the_operator(space: &Space, ring: &Cluster) {
    let mut operator = Shell::start(space);
    let before = rebuilds(space).len();
    let id = rebuild(ring, "--from-dc dc1 --keyspace large");
    is_streaming(ring, &id);
    operator.dies();
    until("the stream to end", || match &rebuilds(space)[before..] {
        [Rebuild::Begun, Rebuild::Streamed, ..] => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let done = ring.succeeds("rebuild", &id);
    assert_eq!(done["nodes"][0]["attempts"], 2, "{done:#}");
    let twice = [Rebuild::Begun, Rebuild::Streamed];
    assert_eq!(rebuilds(space)[before..], twice.repeat(2), "{done:#}");
    has_all(space);
}

fn a_node_that_dies_is_told_once_more(space: &Space, ring: &Cluster) {
    let id = rebuild(ring, "--from-dc dc1 --keyspace large");
    is_streaming(ring, &id);
    space
        .kubectl
        .ok(&["delete", "pod", NEW, "--grace-period=0", "--force"]);
    let done = ring.succeeds("rebuild", &id);
    assert_eq!(done["nodes"][0]["attempts"], 2, "{done:#}");
    assert_eq!(rebuilds(space), [Rebuild::Begun, Rebuild::Streamed]);
    ring.settles();
    has_all(space);
}

/// Waits until the status reports that some of the bytes are transferred.
fn is_streaming(ring: &Cluster, id: &str) {
    ring.shows("a stream on its way", |cluster| {
        let operation = find_operation(cluster, "rebuild", id)?;
        let work = &operation["nodes"][0]["work"];
        let (bytes, total) = (work["bytes"].as_i64()?, work["totalBytes"].as_i64()?);
        assert_ne!(operation["phase"], "Succeeded", "too late: {operation:#}");
        (bytes < total).then_some(())
    });
}

fn has_all(space: &Space) {
    let select = ["SELECT count(*) FROM large.t"];
    let row = cassandra::cql(&space.kubectl, NEW, "LOCAL_ONE", &select).ok();
    assert_eq!(row.trim(), format!("count={ROWS}"));
}

/// The rebuilds in the new node's log.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rebuild {
    Begun,
    Streamed,
}

fn rebuilds(space: &Space) -> Vec<Rebuild> {
    let log = cassandra::log(&space.kubectl, NEW);
    let of_line = |line: &str| {
        if line.contains("rebuild from dc: dc1") {
            Some(Rebuild::Begun)
        } else if line.contains("All sessions completed") {
            Some(Rebuild::Streamed)
        } else {
            None
        }
    };
    log.lines().filter_map(of_line).collect()
}

fn begun(rebuilds: &[Rebuild]) -> usize {
    let begun = rebuilds.iter().filter(|found| **found == Rebuild::Begun);
    begun.count()
}

fn nodetool(space: &Space, pod: &str, arguments: &[&str]) {
    let exec = ["exec", pod, "-c", "cassandra", "--", "nodetool"];
    space.kubectl.ok(&[&exec[..], arguments].concat());
}
