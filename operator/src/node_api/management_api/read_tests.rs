//! Reads, on the recordings.

use serde_json::json;

use super::{
    node::{BARE_MEMBER, CASSANDRA_4_1, CASSANDRA_5, Node},
    tests::{CLOSED, COMPACTIONS, ENDPOINTS, LIVENESS, MAJOR, PID, ends, member, repair},
    *,
};
use casskop_core::node::UNKNOWN_HOST_ID;

#[test]
fn readings_are_those_of_the_recordings() {
    let of_5 = read(&member_as_recorded(CASSANDRA_5).session()).expect("a reading");
    let of_4_1 = Node::recorded(CASSANDRA_4_1).says("GET /api/v0/ops/keyspace", 200, "[]");
    let of_4_1 = read(&of_4_1.session()).expect("a reading");
    insta::assert_debug_snapshot!((of_5, of_4_1));
}

/// The first answers of the recording are those of a node that starts.
fn member_as_recorded(section: &str) -> Node {
    let node = Node::recorded(section).says(PID, 200, "1");
    let starting = read(&node.session()).expect("it starts");
    assert_eq!(starting.mode, OperationMode::Starting);
    node
}

#[test]
fn a_member_that_is_known_by_its_address_only_is_not_left_out() {
    let node = Node::recorded(BARE_MEMBER).says("GET /api/v0/ops/keyspace", 200, "[]");
    let reading = read(&node.session()).expect("a reading");
    assert_eq!(reading.host_ids["127.0.0.77"], UNKNOWN_HOST_ID);
    assert_eq!(reading.down_members().collect::<Vec<_>>(), ["127.0.0.77"]);
    let ips = ["127.0.0.77", "127.0.0.1", "x"].map(str::to_owned);
    let locations = locations(&node.session(), &ips).expect("an answer");
    assert_eq!(
        locations,
        [("127.0.0.1".to_owned(), RackId::new("dc1", "rack1"))].into()
    );
}

#[test]
fn a_node_without_cassandra_is_not_one_that_starts() {
    let closed = |pid: (u16, &str), alive: (u16, &str)| {
        let node = Node::recorded(CASSANDRA_5).says(ENDPOINTS, 500, CLOSED);
        let node = node
            .says(PID, pid.0, pid.1)
            .says(LIVENESS, alive.0, alive.1);
        let reading = read(&node.session()).map(|reading| reading.mode);
        assert_eq!(
            activity(&node.session()).map(|activity| activity.mode),
            reading
        );
        reading
    };
    assert_eq!(closed((200, "7"), (200, "OK")), Ok(OperationMode::Starting));
    for absent in [
        closed((204, ""), (200, "OK")),
        closed((200, "7"), (500, "")),
    ] {
        let error = absent.expect_err("it does not run");
        assert!(error.is_silence(), "{error:?}");
    }
}

#[test]
fn a_node_that_is_occupied_is_not_one_that_is_down() {
    let late = Node::recorded(CASSANDRA_5).says(ENDPOINTS, 500, "Query timed out after PT30S");
    let node = late.says(PID, 200, "7");
    let error = read(&node.session()).expect_err("no answer");
    assert!(matches!(error, NodeError::Occupied(_)), "{error:?}");
    assert!(error.is_unreadable() && error.is_transient() && !error.is_silence());
}

#[test]
fn an_agent_that_is_too_old_is_named() {
    let node = member().says("PUT /api/v2/repairs {}", 404, "");
    let error = ends(&node, &repair(true, false, "dc_parallel")).expect_err("it has no such path");
    assert!(matches!(error, NodeError::OutdatedAgent(_)), "{error:?}");
    let error = super::exchange::failure(500, CLOSED, "/x", Duration::from_secs(7));
    let node = node.says(PID, 200, "7").says(LIVENESS, 200, "OK");
    let error = node.session().explain(error).expect_err("it never answers");
    insta::assert_snapshot!(error);
    assert!(error.is_unreadable() && !error.is_transient());
}

#[test]
fn the_activity_has_tasks_and_the_sums_of_streams() {
    let streams = json!({ "entity": [{ "plan": [
        { "STREAM_OPERATION": "Rebuild", "PEER": "a", "TOTAL_SIZE_TO_RECEIVE": "10", "TOTAL_SIZE_RECEIVED": "3",
          "TOTAL_SIZE_TO_SEND": "0", "TOTAL_SIZE_SENT": "0" },
        { "STREAM_OPERATION": "Rebuild", "PEER": "b", "TOTAL_SIZE_TO_RECEIVE": "20", "TOTAL_SIZE_RECEIVED": "4",
          "TOTAL_SIZE_TO_SEND": "5", "TOTAL_SIZE_SENT": "1" },
    ] }] });
    let node = member().says(COMPACTIONS, 200, MAJOR).says(
        "GET /api/v0/ops/node/streaminfo",
        200,
        &streams.to_string(),
    );
    insta::assert_debug_snapshot!(activity(&node.session()).expect("an answer"));
}

#[test]
fn the_replication_is_that_of_jmx() {
    let node = member();
    let keyspaces = ["system_auth", "ks", "nope", "system"].map(str::to_owned);
    let found = replication(&node.session(), &keyspaces).expect("an answer");
    let factors = [("dc1".to_owned(), 1)].into();
    let expected = [
        ("system_auth", Replication::Simple(1)),
        ("ks", Replication::Topology(factors)),
        ("system", Replication::Other("LocalStrategy".into())),
    ];
    let expected = expected.map(|(keyspace, replication)| (keyspace.to_owned(), replication));
    assert_eq!(found, expected.into());
}

#[test]
fn the_names_of_snapshots_are_read() {
    let names = snapshots(&Node::recorded(CASSANDRA_4_1).session()).expect("an answer");
    assert_eq!(names, ["s1".to_owned()].into());
}

/// Reads of one operation share a connection; the node is asked nothing twice.
#[test]
fn a_reading_is_two_requests() {
    let node = member();
    read(&node.session()).expect("a reading");
    assert_eq!(node.asked(), [ENDPOINTS, "GET /api/v0/ops/keyspace"]);
}

#[test]
fn answers_are_bounded() {
    let text = "x".repeat(2 * 1024 * 1024);
    let many = format!("[{}0]", "0,".repeat(600_000));
    for (status, body) in [(200, &text), (200, &many), (500, &text)] {
        let node = member().says(ENDPOINTS, status, body);
        let error = read(&node.session()).expect_err("no reading");
        assert!(error.is_unreadable() && error.is_transient(), "{error:?}");
    }
    let junk = format!("{{\"entity\":[{}]}}", vec!["{}"; 20_000].join(","));
    let node = member().says(ENDPOINTS, 200, &junk);
    let error = read(&node.session()).expect_err("too many");
    assert!(matches!(error, NodeError::Malformed(_)), "{error:?}");
}

/// Gossip does not notice when the native transport is switched off; the probe connects to it.
#[test]
fn the_address_for_clients_is_read() {
    let node = Node::recorded(BARE_MEMBER);
    let address = native_address(&node.session()).expect("an address");
    assert_eq!(address.to_string(), "127.0.0.1:9042");
    // A node that was asked before it knew its own address.
    let error = native_address(&member().session()).expect_err("no address");
    assert!(matches!(error, NodeError::Malformed(_)), "{error:?}");
}
