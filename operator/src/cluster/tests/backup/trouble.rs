//! Jobs of backups where something is not as it should be.

use std::time::Duration;

use super::*;

async fn cancel(server: &ApiServer, ctx: &Context) {
    edit(server, CLUSTER, |cluster| {
        cluster["status"]["operations"][0]["reason"] = json!("Cancelling");
    });
    // A reconciliation of this process has written it.
    ctx.effects.store.read("ns", "demo").await.unwrap();
}

/// A backup in the store is told, although nobody waits for it any more.
#[tokio::test(start_paused = true)]
async fn a_backup_that_was_complete_before_the_cancel_counts() {
    let server = ApiServer::default();
    let (ctx, _) = start(&server, "complete").await;
    made(&server).await;
    let summary = json!({ "outcome": "done", "files": 3, "bytes": 300 });
    end(&server, "Complete", &summary);
    cancel(&server, &ctx).await;
    server
        .until(|state| node(state)["phase"] == json!(NodePhase::Succeeded))
        .await;
    let backups = server.with(|state| state.objects[CLUSTER]["status"]["backups"].clone());
    assert_eq!(backups[0]["id"], "b1");
}

/// A Job without a pod would be followed by a retry, and the pod may come when nobody wants it any more.
#[tokio::test(start_paused = true)]
async fn an_hour_without_a_pod_ends_the_job_too() {
    let server = ApiServer::default();
    let (_operator, _) = start(&server, "upload").await;
    made(&server).await;
    server
        .until(|state| node(state)["phase"] == json!(NodePhase::Failed))
        .await;
    assert!(server.with(|state| job(state).is_none()));
    assert_eq!(made_jobs(&server), 1);
}

/// The default folders may not be those of the node, and the backup would lack files.
#[tokio::test(start_paused = true)]
async fn no_job_is_made_while_the_folders_are_not_known() {
    let server = ApiServer::default();
    let (_operator, _) = start(&server, "upload").await;
    let config = server
        .with(|state| state.objects.remove(CONFIG))
        .expect("a ConfigMap");
    // The first look may have been before.
    if let Some(path) = server.with(|state| job(state).map(|(path, _)| path.clone())) {
        server.with(|state| state.objects.remove(&path));
    }
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(
        server.with(|state| job(state).map(|(path, _)| path.clone())),
        None
    );
    let told = server.with(|state| node(state)["error"].to_string());
    assert!(told.contains("ConfigMap demo-dc1-rack1"), "{told}");
    server.with(|state| state.put(CONFIG, config));
    made(&server).await;
}

/// It is neither followed nor deleted.
#[tokio::test(start_paused = true)]
async fn a_job_of_another_author_is_left_alone() {
    let server = ApiServer::default();
    let (_operator, _) = start(&server, "upload").await;
    made(&server).await;
    let path = server.with(|state| job(state).expect("a Job").0.clone());
    edit(&server, &path, |job| {
        job["metadata"]["ownerReferences"] = json!([]);
        job["status"] = json!({ "conditions": [{ "type": "Complete", "status": "True" }] });
    });
    server
        .until(|state| node(state)["phase"] == json!(NodePhase::Failed))
        .await;
    let told = server.with(|state| node(state)["error"].to_string());
    assert!(told.contains("is not that of backup b1"), "{told}");
    assert!(server.with(|state| job(state).is_some()));
}

/// The numbers of the backup are those that a Job has said.
#[tokio::test(start_paused = true)]
async fn a_last_job_without_its_pod_runs_once_more() {
    let server = ApiServer::default();
    let (_operator, _) = start(&server, "complete").await;
    let first = made(&server).await;
    end(&server, "Complete", &json!({ "outcome": "done" }));
    server.with(|state| state.objects.remove(JOB_POD));
    let uid = first["metadata"]["uid"].clone();
    server
        .until(|state| job(state).is_some_and(|(_, job)| job["metadata"]["uid"] != uid))
        .await;
    let summary = json!({ "outcome": "done", "files": 3, "bytes": 300 });
    end(&server, "Complete", &summary);
    server
        .until(|state| node(state)["phase"] == json!(NodePhase::Succeeded))
        .await;
    let backups = server.with(|state| state.objects[CLUSTER]["status"]["backups"].clone());
    assert_eq!(backups[0]["files"], 3);
}

/// The Job has no pod, and only its events say why.
#[tokio::test(start_paused = true)]
async fn a_quota_is_told_in_the_words_of_kubernetes() {
    let server = ApiServer::default();
    let (_operator, _) = start(&server, "upload").await;
    let made = made(&server).await;
    server.with(|state| {
        let event = json!({
            "metadata": { "name": "e" },
            "type": "Warning",
            "reason": "FailedCreate",
            "message": "pods \"x\" is forbidden: exceeded quota: small",
            "involvedObject": { "kind": "Job", "uid": made["metadata"]["uid"] },
            "lastTimestamp": "2026-01-01T00:00:00Z",
        });
        state.put("/api/v1/namespaces/ns/events/e", event);
    });
    server
        .until(|state| {
            node(state)["error"]
                .to_string()
                .contains("exceeded quota: small")
        })
        .await;
}

/// A pod that is away for minutes is waited for: the snapshot is on its volume.
#[tokio::test(start_paused = true)]
async fn a_pod_that_is_away_is_waited_for() {
    let server = ApiServer::default();
    let (_operator, _) = start(&server, "upload").await;
    let pod = server
        .with(|state| state.objects.remove(POD))
        .expect("a pod");
    if let Some(path) = server.with(|state| job(state).map(|(path, _)| path.clone())) {
        server.with(|state| state.objects.remove(&path));
    }
    tokio::time::sleep(Duration::from_secs(1800)).await;
    assert_eq!(
        server.with(|state| node(state)["phase"].clone()),
        json!(NodePhase::Running)
    );
    server.with(|state| state.put(POD, pod));
    made(&server).await;
}

/// A call that failed for good may have taken a part of the snapshot, and its request is retried as a first call.
#[tokio::test(start_paused = true)]
async fn a_snapshot_is_taken_on_nothing_that_is_there() {
    let server = ApiServer::default();
    let (_operator, nodes) = start(&server, "snapshot orders").await;
    server
        .until(|state| node(state)["phase"] == json!(NodePhase::Succeeded))
        .await;
    let calls = nodes.calls.lock().unwrap().clone();
    assert!(
        matches!(&calls[..], [Call::ClearSnapshot { keyspaces, .. }, Call::Snapshot { .. }] if keyspaces == &["orders"]),
        "{calls:?}"
    );
}

/// It would go on with what was cancelled.
#[tokio::test(start_paused = true)]
async fn a_cancel_ends_when_the_job_is_deleted() {
    let server = ApiServer::default();
    let (ctx, _) = start(&server, "upload").await;
    made(&server).await;
    let path = server.with(|state| job(state).expect("a Job").0.clone());
    server.with(|state| state.refused = Some(path));
    cancel(&server, &ctx).await;
    tokio::time::sleep(Duration::from_secs(900)).await;
    assert_eq!(
        server.with(|state| node(state)["phase"].clone()),
        json!(NodePhase::Running)
    );
    server.with(|state| state.refused = None);
    server
        .until(|state| node(state)["phase"] == json!(NodePhase::Skipped))
        .await;
    assert!(server.with(|state| job(state).is_none()));
}

/// That one follows the Job, and would make it again.
#[tokio::test(start_paused = true)]
async fn a_job_that_has_ended_is_left_to_the_process_that_took_the_node_over() {
    let server = ApiServer::default();
    let (ctx, _) = start(&server, "upload").await;
    made(&server).await;
    edit(&server, CLUSTER, |cluster| {
        cluster["status"]["operations"][0]["nodes"][0]["executor"] = json!("another");
    });
    ctx.effects.store.read("ns", "demo").await.unwrap();
    end(&server, "Complete", &json!({ "outcome": "done" }));
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert!(server.with(|state| job(state).is_some()));
}
