//! Jobs of nodes with the Management API, which a killed operator left behind: the next operator waits for the same job.

use std::time::Duration;

use casskop_common::{
    api::{NodeApiKind, NodeJob, NodePhase, OperationNode},
    names,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use serde_json::{Value, json};

use crate::{
    api_server::{ApiServer, State},
    cluster::tests::{
        CLUSTER,
        task_recovery::{POD, api_server, end, take_up},
    },
    context::Context,
    kubernetes::status_store::ClusterRef,
    node_api::management_api::node::{Authority, Node, RING, access_by},
};

const JOB: &str = "GET /api/v0/ops/executor/job?job_id=f0f1c875-8a7d-4d71-b2ef-87c7c080972d";
const COMPACTIONS: &str = "GET /api/v1/ops/tables/compactions";
const SUBMITTED: i64 = 1_795_867_553_312;
const COMPACT: &str = r#"POST /api/v1/ops/tables/compact {"keyspace_name":"ks","split_output":false,"user_defined":false,"tables":[]}"#;

fn answer(status: &str) -> String {
    let end = if status == "WAITING" {
        0
    } else {
        SUBMITTED + 5
    };
    json!({ "id": "f0f1c875-8a7d-4d71-b2ef-87c7c080972d", "type": "COMPACTION", "status": status,
        "submit_time": SUBMITTED.to_string(), "end_time": end.to_string(), "error": null, "status_changes": [] })
    .to_string()
}

fn job() -> NodeJob {
    NodeJob {
        id: "f0f1c875-8a7d-4d71-b2ef-87c7c080972d".into(),
        submit_time: MicroTime(Timestamp::from_millisecond(SUBMITTED).unwrap()),
    }
}

/// The status of a killed operator: a step in progress, with its job if that was recorded.
fn compacting(job: Option<NodeJob>) -> Value {
    let mut node = json!({ "pod": POD, "podUid": "p", "phase": "Running", "step": "ks", "attempts": 1,
        "progress": { "done": 0, "total": 1, "unit": "keyspaces" } });
    if let Some(job) = job {
        node["job"] = serde_json::to_value(job).unwrap();
    }
    json!({ "operations": [{
        "kind": "compact", "id": "a", "arguments": "", "phase": "Running", "reason": "Running",
        "plan": { "waves": [[POD]], "steps": ["ks"] }, "nodes": [node],
    }] })
}

fn serving(ip: &str, status: Value) -> ApiServer {
    let kind = NodeApiKind::ManagementApi.as_str();
    api_server(ip, status, &json!({ names::NODE_API: kind }))
}

/// The node of the operation, which ends well.
async fn succeeds(server: &ApiServer, ctx: &Context) -> OperationNode {
    let ended = end(server, ctx).await.0.pop().unwrap().nodes.remove(0);
    assert_eq!(ended.phase, NodePhase::Succeeded, "{:?}", ended.error);
    ended
}

#[tokio::test]
async fn a_recorded_job_is_waited_for_and_not_asked_for_again() {
    let ip = "127.0.14.1";
    let node = Node::at(ip).says_in_turn(
        JOB,
        &[(200, &answer("WAITING")), (200, &answer("COMPLETED"))],
    );
    let server = serving(ip, compacting(Some(job())));
    let ctx = take_up(&server, node.access()).await;
    let ended = succeeds(&server, &ctx).await;
    assert_eq!(ended.job, None);
    assert!(node.told().is_empty(), "{:?}", node.told());
}

#[tokio::test]
async fn a_job_that_a_restart_of_cassandra_lost_is_asked_for_once_more() {
    let ip = "127.0.14.2";
    let next = "0be3b6b9-9a3d-4b7c-8f0e-7a3a3b0f6a11";
    let ends = answer("COMPLETED").replace("f0f1c875-8a7d-4d71-b2ef-87c7c080972d", next);
    let node = Node::at(ip)
        .says(JOB, 404, "{}")
        .says(COMPACT, 202, next)
        .says(
            &JOB.replace("f0f1c875-8a7d-4d71-b2ef-87c7c080972d", next),
            200,
            &ends,
        );
    let server = serving(ip, compacting(Some(job())));
    let ctx = take_up(&server, node.access()).await;
    succeeds(&server, &ctx).await;
    assert_eq!(node.told().len(), 1, "{:?}", node.told());
}

#[tokio::test]
async fn an_operator_that_is_killed_during_a_job_leaves_it_to_the_next() {
    let ip = "127.0.14.3";
    let node = Node::at(ip)
        .says(COMPACT, 202, &job().id)
        .says(JOB, 200, &answer("WAITING"));
    let server = serving(ip, compacting(None));
    let first = take_up(&server, node.access()).await;
    let recorded = |state: &State| {
        let status = &state.objects[CLUSTER]["status"];
        !status["operations"][0]["nodes"][0]["job"].is_null()
    };
    server.until(recorded).await;
    first.executor.end().await;
    let status = server.with(|state| state.objects[CLUSTER]["status"].clone());
    let written = &status["operations"][0]["nodes"][0]["job"];
    assert_eq!(*written, serde_json::to_value(job()).unwrap());

    node.now_says(JOB, &[(200, &answer("COMPLETED"))]);
    let second = take_up(&server, node.access()).await;
    succeeds(&server, &second).await;
    assert_eq!(node.told().len(), 1, "one job: {:?}", node.told());
}

/// The write of a job holds the status while its answer is awaited; the steps before it are to be recorded meanwhile.
#[tokio::test]
async fn a_late_answer_to_the_write_of_a_job_holds_nothing_up() {
    let ip = "127.0.14.9";
    let next = "0be3b6b9-9a3d-4b7c-8f0e-7a3a3b0f6a11";
    let of_next = |text: &str| text.replace("f0f1c875-8a7d-4d71-b2ef-87c7c080972d", next);
    let node = Node::at(ip)
        .says(COMPACT, 202, &job().id)
        .says(JOB, 200, &answer("COMPLETED"))
        .says(&COMPACT.replace("\"ks\"", "\"users\""), 202, next)
        .says_in_turn(
            &of_next(JOB),
            &[
                (200, &of_next(&answer("WAITING"))),
                (200, &of_next(&answer("COMPLETED"))),
            ],
        );
    let mut status = compacting(None);
    let operation = &mut status["operations"][0];
    operation["plan"]["steps"] = json!(["ks", "users"]);
    operation["nodes"][0]["progress"]["total"] = json!(2);
    let server = serving(ip, status);
    // Longer than completed steps stay unrecorded.
    server.with(|state| state.answers_after = Duration::from_secs(1));
    let ctx = take_up(&server, node.access()).await;
    let ends = tokio::time::timeout(Duration::from_secs(60), succeeds(&server, &ctx));
    ends.await.expect("nothing waits for itself");
}

/// A job outlasts the certificates that its task began with.
#[tokio::test]
async fn a_job_is_waited_for_with_the_newest_certificates() {
    let (old, new) = (Authority::new(), Authority::new());
    let both = format!("{}{}", old.pem, new.pem);
    let content = |issuer: &Authority, trusted: &str| {
        let (certificate, key) = issuer.issue(RING);
        [trusted.to_owned(), certificate, key]
    };
    let ip = "127.0.14.8";
    let node = Node::at(ip).says(JOB, 200, &answer("WAITING"));
    node.renew(&content(&old, &both));
    let server = serving(ip, compacting(Some(job())));
    let ctx = take_up(&server, access_by(&content(&old, &both))).await;
    while !node.asked().iter().any(|asked| asked == JOB) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // A reconciliation reads the next certificate, and the node takes it over; in the end nobody knows the first one.
    let read = ctx.effects.store.read("ns", "demo").await.unwrap().unwrap();
    let cluster = ClusterRef::of(&read);
    ctx.executor
        .renew_access(&cluster, &access_by(&content(&new, &both)));
    node.renew(&content(&new, &new.pem));
    ctx.executor
        .renew_access(&cluster, &access_by(&content(&new, &new.pem)));
    node.now_says(JOB, &[(200, &answer("COMPLETED"))]);
    succeeds(&server, &ctx).await;
}

/// Cassandra skipped the work of the job, which is completed all the same: an operator that looks at it later must not take it
/// for done.
#[tokio::test]
async fn a_job_whose_work_was_skipped_is_forgotten_and_asked_for_again() {
    let ip = "127.0.14.5";
    let next = "0be3b6b9-9a3d-4b7c-8f0e-7a3a3b0f6a11";
    let ends = answer("COMPLETED").replace("f0f1c875-8a7d-4d71-b2ef-87c7c080972d", next);
    let scrub = r#"[{"keyspace":"ks","columnfamily":"t","taskType":"Scrub","unit":"bytes","completed":1,"total":2,"compactionId":"x"}]"#;
    let node = Node::at(ip)
        .says(COMPACTIONS, 200, scrub)
        .says(JOB, 200, &answer("COMPLETED"))
        .says(COMPACT, 202, next)
        .says(
            &JOB.replace("f0f1c875-8a7d-4d71-b2ef-87c7c080972d", next),
            200,
            &ends,
        );
    let server = serving(ip, compacting(Some(job())));
    let first = take_up(&server, node.access()).await;
    let forgotten = |state: &State| {
        let node = &state.objects[CLUSTER]["status"]["operations"][0]["nodes"][0];
        node["job"].is_null() && node["error"].is_string()
    };
    server.until(forgotten).await;
    first.executor.end().await;

    node.now_says(COMPACTIONS, &[(200, "[]")]);
    let second = take_up(&server, node.access()).await;
    succeeds(&server, &second).await;
    assert_eq!(node.told().len(), 1, "{:?}", node.told());
}

/// The Management API stops repairs only.
#[tokio::test]
async fn a_job_of_a_cancelled_operation_goes_on_to_its_end_and_says_so() {
    let ip = "127.0.14.4";
    let task = json!([{ "keyspace": "ks", "columnfamily": "t", "taskType": "Compaction", "unit": "bytes",
        "completed": 1, "total": 2, "compactionId": "x" }]);
    let node =
        Node::at(ip)
            .says(COMPACTIONS, 200, &task.to_string())
            .says(JOB, 200, &answer("WAITING"));
    let mut status = compacting(Some(job()));
    status["operations"][0]["reason"] = json!("Cancelling");
    let server = serving(ip, status);
    let ctx = take_up(&server, node.access()).await;
    let told = |state: &State| {
        let node = &state.objects[CLUSTER]["status"]["operations"][0]["nodes"][0];
        node["error"]
            .as_str()
            .is_some_and(|error| error.contains("goes on to its end"))
    };
    server.until(told).await;
    node.now_says(JOB, &[(200, &answer("COMPLETED"))]);
    succeeds(&server, &ctx).await;
    assert!(node.told().is_empty(), "{:?}", node.told());
}
