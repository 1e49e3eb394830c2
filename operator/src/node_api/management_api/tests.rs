//! The contract, on the recordings.

use serde_json::json;

use super::{
    node::{CASSANDRA_5, Node},
    requests::row,
    *,
};
use crate::node_api::{Begun, every_call};
use casskop_core::node::Call;

pub(super) const ENDPOINTS: &str = "GET /api/v0/metadata/endpoints";
pub(super) const COMPACTIONS: &str = "GET /api/v1/ops/tables/compactions";
pub(super) const PID: &str = "GET /api/v0/lifecycle/pid";
pub(super) const LIVENESS: &str = "GET /api/v0/probes/liveness";
pub(super) const CLOSED: &str = "Internal connection to Cassandra closed";

/// A member that serves clients, and works on nothing.
pub(super) fn member() -> Node {
    let node = Node::recorded(CASSANDRA_5).with_status("NORMAL,1", "true");
    node.says(COMPACTIONS, 200, "[]")
}

fn tables() -> Vec<String> {
    vec!["t".into()]
}

fn cleanup() -> Call {
    Call::Cleanup {
        keyspace: "ks".into(),
        tables: Vec::new(),
        jobs: 0,
    }
}

fn compact() -> Call {
    Call::Compact {
        keyspace: "ks".into(),
        tables: tables(),
        split: false,
    }
}

pub(super) fn repair(full: bool, primary_range: bool, parallelism: &'static str) -> Call {
    Call::Repair {
        keyspace: "ks".into(),
        tables: tables(),
        full,
        primary_range,
        parallelism,
    }
}

fn snapshot(name: &str, tables: Vec<String>, skip_flush: bool) -> Call {
    Call::Snapshot {
        keyspace: "ks".into(),
        tables,
        name: name.into(),
        ttl: None,
        skip_flush,
    }
}

/// The end of a call, polled without pauses.
pub(super) fn ends(node: &Node, call: &Call) -> Result<(), NodeError> {
    let session = node.session();
    let job = match begin(&session, call)? {
        Begun::Done => return Ok(()),
        Begun::Job(job) => job,
    };
    let mut follower = Follower::new(call.clone(), job);
    while !follower.poll(&session)? {}
    Ok(())
}

#[test]
fn every_call_is_a_request_or_refused() {
    let told = every_call()
        .into_iter()
        .map(|call| match row(&call, &[(-5, 7)]) {
            Ok(row) => {
                let body = row.request.body.map(|body| body.to_string());
                format!(
                    "{} {} {} {:?} within {:?}",
                    row.request.method,
                    row.request.path,
                    body.unwrap_or_default(),
                    row.answers,
                    row.deadline
                )
            }
            Err(error) => format!("{call:?}: {error}"),
        });
    insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"));
}

/// A call that a transport does not support is refused without a request to the node.
#[test]
fn a_call_that_is_not_supported_asks_nothing() {
    for call in every_call() {
        let Some(what) = call.not_supported(casskop_common::api::NodeApiKind::ManagementApi) else {
            continue;
        };
        let node = member();
        let error = begin(&node.session(), &call).expect_err("it is not supported");
        assert_eq!(error, NodeError::NotSupported(what));
        assert!(node.asked().is_empty(), "{:?}", node.asked());
    }
}

/// Each request is one that was recorded, or the recordings would have no answer.
#[test]
fn calls_end_as_they_were_recorded() {
    let keyspace = || "ks".to_owned();
    let unknown = || "nope".to_owned();
    let no_snapshots = r#"{"entity":[]}"#;
    let node = member()
        .says(
            "GET /api/v0/ops/node/snapshots?snapshotNames=new&keyspaces=ks",
            200,
            no_snapshots,
        )
        .says(
            "GET /api/v0/ops/node/snapshots?snapshotNames=s2&keyspaces=ks",
            200,
            no_snapshots,
        );
    let calls = [
        cleanup(),
        Call::Cleanup {
            keyspace: unknown(),
            tables: Vec::new(),
            jobs: 1,
        },
        Call::Cleanup {
            keyspace: "system".into(),
            tables: Vec::new(),
            jobs: 1,
        },
        Call::Flush {
            keyspace: keyspace(),
            tables: tables(),
        },
        Call::Flush {
            keyspace: unknown(),
            tables: Vec::new(),
        },
        Call::Flush {
            keyspace: keyspace(),
            tables: vec![unknown()],
        },
        compact(),
        Call::GarbageCollect {
            keyspace: keyspace(),
            tables: tables(),
            cells: true,
            jobs: 0,
        },
        Call::Scrub {
            keyspace: keyspace(),
            tables: tables(),
            skip_corrupted: false,
            snapshot: true,
            jobs: 0,
        },
        Call::UpgradeSsTables {
            keyspace: keyspace(),
            tables: tables(),
            include_all: true,
            jobs: 0,
        },
        Call::Refresh {
            keyspace: keyspace(),
            table: "t".into(),
        },
        Call::Refresh {
            keyspace: keyspace(),
            table: unknown(),
        },
        repair(false, false, "sequential"),
        Call::StopRepairs,
        snapshot("s1", Vec::new(), false),
        snapshot("s2", tables(), true),
        Call::ClearSnapshot {
            keyspaces: vec![keyspace()],
            name: "s1".into(),
        },
        Call::Rebuild {
            from_dc: "dc9".into(),
            keyspace: None,
        },
        Call::Decommission { force: false },
        Call::Drain,
    ];
    let told = calls.iter().map(|call| {
        let call_name = format!("{call:?}");
        let name = call_name.split([' ', '{']).next().unwrap_or_default();
        match ends(&node, call) {
            Ok(()) => format!("{name}: done"),
            Err(error) if error.is_transient() => format!("{name}: tried again: {error}"),
            Err(error) => format!("{name}: final: {error}"),
        }
    });
    insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"));
}

#[test]
fn the_primary_ranges_are_those_that_the_node_is_the_first_replica_of() {
    let token_ranges = json!({ "token_range_to_endpoints": [
        { "tokens": [-5_405_949_689_848_272_792_i64, 2_424_355_025_702_829_042_i64], "endpoints": ["127.0.0.1", "127.0.0.2"] },
        { "tokens": [2_424_355_025_702_829_042_i64, -5_405_949_689_848_272_792_i64], "endpoints": ["127.0.0.2", "127.0.0.1"] },
        { "tokens": [7, 7], "endpoints": ["127.0.0.1"] },
    ] });
    let request = "GET /api/v2/tokens/rangetoendpoint?keyspaceName=ks";
    let node = member().says(request, 200, &token_ranges.to_string());
    // The recorded request has exactly the first range; the repair fails, for the ring has one node.
    let error = ends(&node, &repair(true, true, "parallel")).expect_err("nothing to repair");
    insta::assert_snapshot!(error, @"the repair failed: Repair command #4 failed with error Nothing to repair for (-5405949689848272792,2424355025702829042] in ks - aborting");

    let others = token_ranges.to_string().replace("127.0.0.1", "127.0.0.3");
    let node = member().says(request, 200, &others);
    ends(&node, &repair(true, true, "parallel")).expect("nothing to do");
    assert!(node.told().is_empty(), "{:?}", node.told());
}

#[test]
fn all_keyspaces_and_all_snapshots_are_never_meant() {
    let all = ["", " ", "ALL", "all"].map(|keyspace| Call::Flush {
        keyspace: keyspace.into(),
        tables: Vec::new(),
    });
    let nameless = [
        snapshot("", Vec::new(), false),
        Call::ClearSnapshot {
            keyspaces: vec!["ks".into()],
            name: String::new(),
        },
        Call::ClearSnapshot {
            keyspaces: vec![String::new()],
            name: "s1".into(),
        },
    ];
    let node = member();
    for call in all.iter().chain(&nameless) {
        let error = begin(&node.session(), call).expect_err("it would be too much");
        assert!(error.to_string().ends_with("nothing was called"), "{error}");
    }
    assert!(node.asked().is_empty(), "{:?}", node.asked());
}

/// Names in a path cannot become more parameters.
#[test]
fn names_in_a_path_are_escaped() {
    let clear = Call::ClearSnapshot {
        keyspaces: vec!["a&snapshotNames=".into()],
        name: "x y/ü".into(),
    };
    let path = row(&clear, &[]).expect("a request").request.path;
    assert_eq!(
        path,
        "/v0/ops/node/snapshots?snapshotNames=x%20y%2F%C3%BC&keyspaces=a%26snapshotNames%3D"
    );
}

pub(super) const MAJOR: &str = r#"[{"id":"d7bb8710-eb23-11f1-bcfc-f7b4caafa78e","keyspace":"ks","columnfamily":"t","completed":6235157,"total":33254285,"taskType":"Major compaction","unit":"bytes","compactionId":"18000000-eb24-11f1-bcfc-f7b4caafa78e","sstables":"","targetDirectory":"x","operationType":null,"operationId":null,"description":null}]"#;

/// Cassandra answers "busy", which the server drops: the job is completed.
#[test]
fn a_call_whose_work_cassandra_skips_is_not_done() {
    // Before the call.
    let node = member().says(COMPACTIONS, 200, MAJOR);
    assert_eq!(ends(&node, &cleanup()), Err(NodeError::Busy));
    assert!(node.told().is_empty(), "{:?}", node.told());
    // After it: the task that began meanwhile is there, or began after the end.
    let was_there = MAJOR
        .replace("18000000", "f0000000")
        .replace("eb24", "eb23");
    let came_later = MAJOR.replace("18000000", "f0000000");
    for (tasks, outcome) in [(was_there, Err(NodeError::Busy)), (came_later, Ok(()))] {
        let node = member().says_in_turn(COMPACTIONS, &[(200, "[]"), (200, &tasks)]);
        assert_eq!(ends(&node, &cleanup()), outcome);
    }
    // An automatic compaction is stopped by Cassandra.
    let node = member().says(
        COMPACTIONS,
        200,
        &MAJOR.replace("Major compaction", "Compaction"),
    );
    assert_eq!(ends(&node, &cleanup()), Ok(()));
}

#[test]
fn a_drained_node_is_not_called_and_has_done_nothing() {
    let node = member().with_status("shutdown,true", "false");
    let error = ends(&node, &cleanup()).expect_err("it is drained");
    assert_eq!(
        error.to_string(),
        "the node is DRAINED and serves no clients: nothing was called"
    );
    assert!(node.told().is_empty(), "{:?}", node.told());
    // It was drained while the job waited.
    let own = |status: &str, ready: &str| {
        json!({ "entity": [{ "ENDPOINT_IP": "127.0.0.1", "IS_LOCAL": "true", "STATUS": status, "RPC_READY": ready }] })
            .to_string()
    };
    let (before, after) = (own("NORMAL,1", "true"), own("shutdown,true", "false"));
    let node = member().says_in_turn(ENDPOINTS, &[(200, &before), (200, &after)]);
    assert_eq!(ends(&node, &cleanup()), Err(NodeError::Unfinished));
}

fn job_of(node: &Node) -> casskop_common::api::NodeJob {
    match begin(&node.session(), &compact()).expect("it begins") {
        Begun::Job(job) => job,
        Begun::Done => panic!("it waits"),
    }
}

const JOB: &str = "GET /api/v0/ops/executor/job?job_id=f0f1c875-8a7d-4d71-b2ef-87c7c080972d";

#[test]
fn a_job_is_known_by_its_id_and_its_time() {
    let node = member();
    let job = job_of(&node);
    assert_eq!(job.id, "f0f1c875-8a7d-4d71-b2ef-87c7c080972d");
    assert_eq!(job.submit_time.0.as_millisecond(), 1_795_867_553_312);
    // Ids of repairs repeat after a restart of Cassandra.
    let other = r#"{"id":"f","status":"COMPLETED","submit_time":"1795867553313","end_time":"1795867554659","error":null,"status_changes":[]}"#;
    let node = member().says(JOB, 200, other);
    let lost = Err(NodeError::JobLost(job.id.clone()));
    assert_eq!(Follower::new(compact(), job).poll(&node.session()), lost);
}

#[test]
fn a_job_is_lost_when_cassandra_was_restarted() {
    let job = job_of(&member());
    let node = member().says(JOB, 404, "{}");
    let error = Follower::new(compact(), job.clone()).poll(&node.session());
    let error = error.expect_err("it is lost");
    assert_eq!(error, NodeError::JobLost(job.id));
    assert!(error.is_transient() && !error.is_silence());
}

/// While Cassandra restarts, and while another call occupies it, the job is waited for.
#[test]
fn a_node_that_does_not_answer_may_still_have_the_job() {
    let job = job_of(&member());
    let done = r#"{"id":"f","status":"COMPLETED","submit_time":"1795867553312","end_time":"1795867554659","error":null,"status_changes":null}"#;
    let answers = [
        (500, CLOSED),
        (500, "Query timed out after PT30S"),
        (500, "All 1 node(s) tried for the query failed (x)"),
        (200, done),
    ];
    let node = member().says_in_turn(JOB, &answers).says(PID, 200, "7");
    let mut follower = Follower::new(compact(), job);
    let polls = [(); 4].map(|()| follower.poll(&node.session()));
    assert_eq!(polls, [Ok(false), Ok(false), Ok(false), Ok(true)]);
}

/// The node writes a stack trace with each poll of a job that failed.
#[test]
fn a_job_that_failed_is_polled_once() {
    let node = member();
    ends(&node, &Call::Decommission { force: false }).expect_err("it is alone");
    let polls = node.asked();
    let polls = polls.iter().filter(|line| line.contains("executor/job"));
    assert_eq!(polls.count(), 1);
}

#[test]
fn errors_of_jobs_are_read() {
    let said = |error: &str| {
        let answer = json!({ "id": "f", "type": "COMPACTION", "status": "ERROR", "submit_time": "1795867553312",
            "end_time": "1795867554659", "error": error, "status_changes": [] });
        let node = member().says(JOB, 200, &answer.to_string());
        ends(&node, &compact()).expect_err("it failed")
    };
    let null = "java.lang.NullPointerException: Cannot invoke \"org.apache.cassandra.db.compaction.CompactionTasks.isEmpty()\" because \"tasks\" is null";
    assert_eq!(said(null), NodeError::Busy);
    let stack = "java.lang.RuntimeException: Error while decommissioning node: Stream failed: \nSession peer /127.0.0.77:7000 Failed\n\tat x";
    assert_eq!(
        said(stack),
        NodeError::Cassandra("Error while decommissioning node: Stream failed:".into())
    );
    assert!(matches!(
        said("java.lang.IllegalStateException: Node is still rebuilding. Check nodetool netstats."),
        NodeError::StillRebuilding(_)
    ));
    assert!(matches!(said(""), NodeError::Cassandra(_)));
}

/// The job of a repair hears of it only after it has begun.
#[test]
fn a_repair_whose_end_was_missed_does_not_wait_for_ever() {
    let put = r#"PUT /api/v2/repairs {"keyspace":"ks","full_repair":false,"tables":["t"],"repair_parallelism":"sequential"}"#;
    let request = "GET /api/v0/ops/executor/job?job_id=repair-9";
    let waiting = |changes: &str| {
        format!(
            r#"{{"id":"repair-9","type":"repair","status":"WAITING","submit_time":"1795867570071","end_time":"0","error":null,"status_changes":{changes}}}"#
        )
    };
    let call = repair(false, false, "sequential");
    let last = |changes: &str, tasks: &str| {
        let node = member()
            .says(put, 202, r#"{"repair_id":"repair-9"}"#)
            .says(request, 200, &waiting(changes))
            .says(COMPACTIONS, 200, tasks);
        let session = node.session();
        let Begun::Job(job) = begin(&session, &call).expect("it begins") else {
            panic!("it waits")
        };
        let mut follower = Follower::new(call.clone(), job);
        let mut polls = (0..310).map(|_| follower.poll(&session));
        polls.find(|poll| *poll != Ok(false))
    };
    let ended = NodeError::JobLost("repair-9".into());
    assert_eq!(last("[]", "[]"), Some(Err(ended)));
    let begun = r#"[{"status":"START","change_time":"1","message":"Starting"}]"#;
    assert_eq!(last(begun, "[]"), None);
    assert_eq!(
        last("[]", &MAJOR.replace("Major compaction", "Validation")),
        None
    );
}
