//! The Jobs of a ring that is restored: made once beside each pod that waits, judged, and followed by the start of the nodes.

use std::{collections::BTreeSet, sync::Arc};

use casskop_common::names::{self, RackId};
use serde_json::{Value, json};

use crate::{
    api_server::{ApiServer, Lost, State},
    cluster::tests::{CLUSTER, condition, edit, manifest, operator, pass},
    context::Context,
};

const JOBS: &str = "/apis/batch/v1/namespaces/ns/jobs/";
const PODS: &str = "/api/v1/namespaces/ns/pods/";
const CONFIG: &str = "/api/v1/namespaces/ns/configmaps/demo-dc1-rack1";

/// A new ring whose pods wait in their init containers.
async fn start(server: &ApiServer) -> Arc<Context> {
    let mut cluster = manifest();
    cluster["spec"]["backup"] = json!({ "stores": [{ "name": "s3", "s3": { "bucket": "b" } }] });
    let from = json!({ "name": "old", "uid": "u-0" });
    cluster["spec"]["restore"] = json!({ "store": "s3", "cluster": from, "backup": "b1" });
    server.with(|state| state.put(CLUSTER, cluster));
    let ctx = operator(server);
    for _ in 0..4 {
        pass(server, &ctx).await.expect("a pass");
    }
    for rack in ["rack1", "rack2", "rack3"] {
        put_pod(server, rack, &json!({ "running": {} }));
    }
    server.asked();
    ctx
}

fn put_pod(server: &ApiServer, rack: &str, bootstrap: &Value) {
    let name = format!("demo-dc1-{rack}-0");
    let labels = names::rack_labels("demo", &RackId::new("dc1", rack));
    let pod = json!({
        "metadata": { "name": name, "labels": labels },
        "spec": {
            "nodeName": "node-1",
            "containers": [{ "name": "cassandra", "volumeMounts": [{ "name": "data", "mountPath": "/var/lib/cassandra" }] }],
            "volumes": [{ "name": "data", "persistentVolumeClaim": { "claimName": format!("data-{name}") } }],
        },
        "status": { "initContainerStatuses": [{
            "name": "bootstrap", "ready": false, "restartCount": 0, "image": "", "imageID": "", "state": bootstrap,
        }] },
    });
    server.with(|state| state.put(&format!("{PODS}{name}"), pod));
}

fn jobs(state: &State) -> Vec<(String, Value)> {
    let all = state.objects.iter();
    let jobs = all.filter(|(path, _)| path.starts_with(JOBS));
    jobs.map(|(path, job)| (path.clone(), job.clone()))
        .collect()
}

/// Jobs that were made since the last look.
fn made(server: &ApiServer) -> usize {
    let asked = server.asked();
    let is_made = |asked: &&String| asked.starts_with("POST /apis/batch");
    asked.iter().filter(is_made).count()
}

/// All Jobs have this condition.
fn end(server: &ApiServer, condition: &Value) {
    server.with(|state| {
        for (path, mut job) in jobs(state) {
            job["status"] = json!({ "conditions": [condition] });
            state.put(&path, job);
        }
    });
}

fn released(server: &ApiServer) -> Value {
    let map = server.with(|state| state.objects[CONFIG].clone());
    let rack = map["data"]["rack.json"].as_str().expect("a configuration");
    let rack: Value = serde_json::from_str(rack).expect("JSON");
    rack["restore"]["released"].clone()
}

#[tokio::test]
async fn each_pod_that_waits_gets_a_job_once() {
    let server = ApiServer::default();
    let ctx = start(&server).await;
    // The answer to one of them is lost.
    server.with(|state| state.lost = Some(Lost::Answer));
    let _ = pass(&server, &ctx).await;
    pass(&server, &ctx).await.expect("a pass");
    pass(&server, &ctx).await.expect("a pass");
    let jobs = server.with(|state| jobs(state));
    assert_eq!(jobs.len(), 3);
    assert!(made(&server) <= 4, "one may be sent twice, and is refused");
    let claims: BTreeSet<String> = jobs
        .iter()
        .map(|(_, job)| {
            let volume = &job["spec"]["template"]["spec"]["volumes"][0];
            volume["persistentVolumeClaim"]["claimName"].to_string()
        })
        .collect();
    assert_eq!(claims.len(), 3, "{claims:?}");
    let pod = &jobs[0].1["spec"]["template"]["spec"];
    let mount = &pod["containers"][0]["volumeMounts"][0];
    assert_eq!(mount["readOnly"], false, "{mount}");
    assert_eq!(pod["containers"][0]["args"][0], "fetch");
    assert_eq!(released(&server), false);
    let told = condition(&server, "Progressing")["message"].clone();
    assert!(told.to_string().contains("0 of 3 nodes"), "{told}");

    end(&server, &json!({ "type": "Complete", "status": "True" }));
    pass(&server, &ctx).await.expect("a pass");
    assert_eq!(released(&server), true);
    let status = server.with(|state| state.objects[CLUSTER]["status"]["restore"].clone());
    assert_eq!(status["phase"], "Starting", "{status}");
    pass(&server, &ctx).await.expect("a pass");
    assert_eq!(made(&server), 0);
}

/// Such as by a quota: there is no pod whose state would tell it.
#[tokio::test]
async fn a_job_that_gets_no_pod_is_told() {
    let server = ApiServer::default();
    let ctx = start(&server).await;
    pass(&server, &ctx).await.expect("a pass");
    server.with(|state| {
        let (_, job) = &jobs(state)[0];
        let event = json!({
            "metadata": { "name": "e", "namespace": "ns" },
            "type": "Warning", "reason": "FailedCreate", "message": "exceeded quota: small",
            "involvedObject": { "kind": "Job", "uid": job["metadata"]["uid"] },
            "lastTimestamp": "2026-11-28T10:00:00Z",
        });
        state.put("/api/v1/namespaces/ns/events/e", event);
    });
    pass(&server, &ctx).await.expect("a pass");
    let told = condition(&server, "Progressing")["message"].clone();
    assert!(told.to_string().contains("exceeded quota"), "{told}");
}

#[tokio::test]
async fn a_job_that_failed_for_good_is_told_and_stays() {
    let server = ApiServer::default();
    let ctx = start(&server).await;
    pass(&server, &ctx).await.expect("a pass");
    let failed = json!({ "type": "Failed", "status": "True", "reason": "PodFailurePolicy", "message": "exit code 1",
        "lastTransitionTime": "2026-01-01T00:00:00Z" });
    end(&server, &failed);
    server.asked();
    for _ in 0..3 {
        pass(&server, &ctx).await.expect("a pass");
    }
    assert_eq!(made(&server), 0);
    assert_eq!(server.with(|state| jobs(state)).len(), 3);
    let told = condition(&server, "Progressing");
    assert_eq!(told["reason"], "Blocked", "{told}");
    assert!(
        told["message"].to_string().contains("exit code 1"),
        "{told}"
    );
    assert_eq!(released(&server), false);
}

/// The spec names no backup any more, and is refused for another reason, too.
#[tokio::test]
async fn the_jobs_are_found_by_the_restore_that_has_begun() {
    let server = ApiServer::default();
    let ctx = start(&server).await;
    pass(&server, &ctx).await.expect("a pass");
    end(&server, &json!({ "type": "Complete", "status": "True" }));
    edit(&server, CLUSTER, |cluster| {
        cluster["spec"]["restore"] = Value::Null;
        cluster["spec"]["cassandraImage"] = "cassandra:3.11".into();
    });
    server.asked();
    for _ in 0..2 {
        pass(&server, &ctx).await.expect("a pass");
    }
    assert_eq!(made(&server), 0);
    assert_eq!(released(&server), true);
}

#[tokio::test]
async fn a_job_that_failed_for_now_is_made_again() {
    let server = ApiServer::default();
    let ctx = start(&server).await;
    pass(&server, &ctx).await.expect("a pass");
    let failed = json!({ "type": "Failed", "status": "True", "reason": "BackoffLimitExceeded",
        "lastTransitionTime": "2026-01-01T00:00:00Z" });
    end(&server, &failed);
    server.asked();
    for _ in 0..3 {
        pass(&server, &ctx).await.expect("a pass");
    }
    assert_eq!(made(&server), 3);
    let jobs = server.with(|state| jobs(state));
    assert!(
        jobs.iter().all(|(_, job)| job["status"].is_null()),
        "{jobs:?}"
    );
}

#[tokio::test]
async fn a_pod_that_was_prepared_gets_no_job() {
    let server = ApiServer::default();
    let ctx = start(&server).await;
    put_pod(
        &server,
        "rack2",
        &json!({ "terminated": { "exitCode": 0 } }),
    );
    pass(&server, &ctx).await.expect("a pass");
    assert_eq!(server.with(|state| jobs(state)).len(), 2);
    edit(&server, CLUSTER, |cluster| {
        cluster["status"]["phase"] = json!("Running");
    });
    end(&server, &json!({ "type": "Complete", "status": "True" }));
    put_pod(&server, "rack2", &json!({ "running": {} }));
    server.asked();
    pass(&server, &ctx).await.expect("a pass");
    assert_eq!(made(&server), 0, "the ring was formed");
}
