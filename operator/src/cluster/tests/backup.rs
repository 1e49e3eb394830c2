//! Steps of a backup that run as Jobs: made once, found again, judged, and removed.

mod trouble;

use std::sync::Arc;

use casskop_common::{
    api::{NodePhase, OperationMode},
    names::{self, RackId},
};
use casskop_core::{
    node::{Call, Reading},
    pod_config::RackConfig,
};
use serde_json::{Value, json};

use crate::{
    api_server::{ApiServer, Lost, State},
    cluster::tests::{CLUSTER, edit, manifest, nodes::Nodes, operator_with, task},
    context::Context,
};

const POD: &str = "/api/v1/namespaces/ns/pods/demo-dc1-rack1-0";
const CONFIG: &str = "/api/v1/namespaces/ns/configmaps/demo-dc1-rack1";
const JOBS: &str = "/apis/batch/v1/namespaces/ns/jobs/";
const JOB_POD: &str = "/api/v1/namespaces/ns/pods/of-the-job";

/// An operator at a step of a backup, beside a pod on node-1, and the calls of its nodes.
async fn start(server: &ApiServer, step: &str) -> (Arc<Context>, Nodes) {
    let labels = names::rack_labels("demo", &RackId::new("dc1", "rack1"));
    let pod = json!({
        "metadata": { "name": "demo-dc1-rack1-0", "labels": labels },
        "spec": {
            "nodeName": "node-1",
            "containers": [{ "name": "cassandra", "volumeMounts": [{ "name": "data", "mountPath": "/var/lib/cassandra" }] }],
            "volumes": [{ "name": "data", "persistentVolumeClaim": { "claimName": "data-demo-dc1-rack1-0" } }],
        },
        "status": { "podIP": "10.0.0.7" },
    });
    let mut cluster = manifest();
    cluster["spec"]["backup"] = json!({ "stores": [{ "name": "s3", "s3": { "bucket": "b" } }] });
    let nodes = json!([{ "pod": "demo-dc1-rack1-0", "hostId": "h", "phase": "Running", "step": step,
        "attempts": 1, "progress": { "done": 0, "total": 1, "unit": "steps" } }]);
    cluster["status"] = json!({ "operations": [{
        "kind": "backup", "id": "b1", "arguments": "--to s3", "phase": "Running", "reason": "Running",
        "startedAt": "2026-01-01T00:00:00.000000Z",
        "plan": { "waves": [["demo-dc1-rack1-0"]], "steps": [step] },
        "nodes": nodes,
    }] });
    let uid = server.with(|state| {
        state.put(POD, pod);
        state.put(
            CONFIG,
            json!({ "data": { "rack.json": json!(RackConfig::default()).to_string() } }),
        );
        state.put(CLUSTER, cluster)["metadata"]["uid"].clone()
    });
    let reading = Reading {
        mode: OperationMode::Normal,
        native_transport: true,
        local_host_id: "h".into(),
        host_ids: Arc::new(
            [("10.0.0.7", "h"), ("10.1.0.7", "other-cluster")]
                .map(|(ip, id)| (ip.to_owned(), id.to_owned()))
                .into(),
        ),
        version: "5.0.9".into(),
        ..Reading::default()
    };
    let nodes = Nodes {
        readings: [("10.0.0.7".to_owned(), reading)].into(),
        answers: true,
        ..Nodes::default()
    };
    let ctx = operator_with(server, Box::new(nodes.clone()));
    let read = ctx.effects.store.read("ns", "demo").await.unwrap().unwrap();
    let operation = read.status.unwrap().operations.remove(0);
    let mut task = task(&ctx, &uid, &operation);
    task.start.steps = task.start.steps.iter().cloned().map(with_store).collect();
    ctx.executor.start(&ctx.effects, task);
    (ctx, nodes)
}

/// The spec that the steps were made from has no store.
fn with_store(mut step: casskop_core::scheduler::Step) -> casskop_core::scheduler::Step {
    if let casskop_core::operations::Action::RunJob(work) = &mut step.action {
        let store = json!({ "name": "s3", "s3": { "bucket": "b" } });
        work.store = serde_json::from_value(store).expect("a store");
    }
    step
}

fn job(state: &State) -> Option<(&String, &Value)> {
    let mut objects = state.objects.iter();
    objects.find(|(path, _)| path.starts_with(JOBS))
}

fn node(state: &State) -> Value {
    state.objects[CLUSTER]["status"]["operations"][0]["nodes"][0].clone()
}

async fn made(server: &ApiServer) -> Value {
    server.until(|state| job(state).is_some()).await;
    server.with(|state| job(state).expect("a Job").1.clone())
}

/// The Job ends: a pod of it has left this summary.
fn end(server: &ApiServer, condition: &str, summary: &Value) {
    server.with(|state| {
        let (path, job) = job(state).map(|(path, job)| (path.clone(), job.clone())).expect("a Job");
        let pod = json!({
            "metadata": {
                "name": "of-the-job",
                "labels": { "batch.kubernetes.io/job-name": job["metadata"]["name"] },
                "ownerReferences": [{ "apiVersion": "batch/v1", "kind": "Job", "name": "x", "uid": job["metadata"]["uid"] }],
            },
            "status": { "containerStatuses": [{
                "name": "backup", "ready": false, "restartCount": 0, "image": "", "imageID": "",
                "state": { "terminated": { "exitCode": 0, "message": format!("{summary}\n") } },
            }] },
        });
        state.put(JOB_POD, pod);
        let mut ended = job;
        ended["status"] = json!({ "conditions": [{ "type": condition, "status": "True" }] });
        state.put(&path, ended);
    });
}

fn made_jobs(server: &ApiServer) -> usize {
    let asked = server.with(|state| state.asked.clone());
    let mut asked = asked.into_iter();
    asked
        .by_ref()
        .filter(|asked| asked.starts_with("POST /apis/batch"))
        .count()
}

#[tokio::test(start_paused = true)]
async fn a_node_sends_its_files_by_a_job_that_is_removed_at_its_end() {
    let server = ApiServer::default();
    let (_operator, _) = start(&server, "upload").await;
    let sent = made(&server).await;
    let container = &sent["spec"]["template"]["spec"]["containers"][0];
    let description = container["env"][0]["value"]
        .as_str()
        .expect("a description");
    let description: Value = serde_json::from_str(description).expect("JSON");
    assert_eq!(description["node"]["tokens"], json!(["-3", "7"]));
    assert_eq!(description["node"]["hostId"], "h");
    assert_eq!(description["snapshot"], "casskop-backup-b1");
    assert_eq!(
        description["dataDirectories"],
        json!(["/var/lib/cassandra/data"])
    );
    assert_eq!(container["image"], "operator");
    end(
        &server,
        "Complete",
        &json!({ "outcome": "done", "files": 3 }),
    );
    server
        .until(|state| node(state)["phase"] == json!(NodePhase::Succeeded))
        .await;
    server.until(|state| job(state).is_none()).await;
    assert_eq!(made_jobs(&server), 1);
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_answer_was_lost_is_found_and_not_made_twice() {
    let server = ApiServer::default();
    let (_operator, _) = start(&server, "upload").await;
    server.with(|state| state.lost = Some(Lost::Answer));
    made(&server).await;
    end(&server, "Complete", &json!({ "outcome": "done" }));
    server
        .until(|state| node(state)["phase"] == json!(NodePhase::Succeeded))
        .await;
    assert_eq!(made_jobs(&server), 1);
}

#[tokio::test(start_paused = true)]
async fn the_last_job_records_the_backup() {
    let server = ApiServer::default();
    let (_operator, _) = start(&server, "complete").await;
    made(&server).await;
    end(
        &server,
        "Complete",
        &json!({ "outcome": "done", "files": 3, "bytes": 300 }),
    );
    server
        .until(|state| node(state)["phase"] == json!(NodePhase::Succeeded))
        .await;
    let backups = server.with(|state| state.objects[CLUSTER]["status"]["backups"].clone());
    assert_eq!(backups[0]["id"], "b1");
    assert_eq!(
        (&backups[0]["files"], &backups[0]["bytes"]),
        (&json!(3), &json!(300))
    );
    assert_eq!(backups[0]["nodesElsewhere"], 1);
    assert_eq!(backups[0]["startedAt"], "2026-01-01T00:00:00.000000Z");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_failed_for_good_fails_the_node_with_its_words() {
    let server = ApiServer::default();
    let (_operator, _) = start(&server, "upload").await;
    made(&server).await;
    end(
        &server,
        "Failed",
        &json!({ "outcome": "failed", "error": "put objects/ab: the store refuses (403)" }),
    );
    server
        .until(|state| node(state)["phase"] == json!(NodePhase::Failed))
        .await;
    let error = server.with(|state| node(state)["error"].clone());
    assert!(
        error
            .as_str()
            .is_some_and(|error| error.contains("the store refuses (403)")),
        "{error}"
    );
    assert!(
        server.with(|state| job(state).is_none()),
        "a retry makes a new one"
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_that_failed_for_now_is_made_anew() {
    let server = ApiServer::default();
    let (_operator, _) = start(&server, "upload").await;
    let first = made(&server).await;
    end(
        &server,
        "Failed",
        &json!({ "outcome": "retry", "error": "no answer" }),
    );
    let uid = first["metadata"]["uid"].clone();
    server
        .until(|state| job(state).is_some_and(|(_, job)| job["metadata"]["uid"] != uid))
        .await;
    // The pod of the first Job is not taken for one of the second.
    end(&server, "Complete", &json!({ "outcome": "done" }));
    server
        .until(|state| node(state)["phase"] == json!(NodePhase::Succeeded))
        .await;
    assert_eq!(made_jobs(&server), 2);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_removes_the_job_and_the_snapshot() {
    let server = ApiServer::default();
    let (ctx, nodes) = start(&server, "upload").await;
    made(&server).await;
    edit(&server, CLUSTER, |cluster| {
        cluster["status"]["operations"][0]["reason"] = json!("Cancelling");
    });
    // A reconciliation of this process has written it.
    ctx.effects.store.read("ns", "demo").await.unwrap();
    server
        .until(|state| node(state)["phase"] == json!(NodePhase::Skipped))
        .await;
    assert!(server.with(|state| job(state).is_none()));
    let cleared = Call::ClearSnapshot {
        keyspaces: Vec::new(),
        name: "casskop-backup-b1".into(),
    };
    assert_eq!(*nodes.calls.lock().unwrap(), [cleared]);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_moves_takes_its_job_along() {
    let server = ApiServer::default();
    let (_operator, _) = start(&server, "upload").await;
    made(&server).await;
    edit(&server, POD, |pod| {
        pod["spec"]["nodeName"] = json!("node-2");
    });
    let is_on_second =
        |state: &State| job(state).is_some_and(|(_, job)| job.to_string().contains("node-2"));
    server.until(is_on_second).await;
}

#[tokio::test(start_paused = true)]
async fn another_process_that_has_the_node_keeps_the_job() {
    let server = ApiServer::default();
    let (ctx, nodes) = start(&server, "upload").await;
    made(&server).await;
    edit(&server, CLUSTER, |cluster| {
        cluster["status"]["operations"][0]["nodes"][0]["executor"] = json!("another");
    });
    ctx.effects.store.read("ns", "demo").await.unwrap();
    // The task ends with its next report; nothing is removed by it.
    tokio::time::sleep(std::time::Duration::from_secs(120)).await;
    assert!(server.with(|state| job(state).is_some()));
    assert_eq!(*nodes.calls.lock().unwrap(), []);
}
