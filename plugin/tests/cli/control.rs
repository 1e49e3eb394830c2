//! `pause`, `resume`, `cancel`, `retry`, `waive`, and the pause of all action.

use serde_json::{Value, json};

use crate::{
    fake::{Api, Reply, failure, merge},
    run::{fixture, run, run_alone},
};

/// The healthy cluster with annotations (keys without their prefix) and operations in its status.
fn cluster(annotations: &Value, operations: &Value) -> Value {
    let mut cluster = fixture("healthy.yaml");
    for (key, value) in annotations.as_object().unwrap() {
        let key = format!("operations.db.orange.com/{key}");
        merge(
            &mut cluster,
            &json!({ "metadata": { "annotations": { key: value } } }),
        );
    }
    merge(
        &mut cluster,
        &json!({ "status": { "operations": operations } }),
    );
    cluster
}

fn api(annotations: &Value, operations: &Value) -> Api {
    Api::cluster(cluster(annotations, operations), Vec::new())
}

fn operation(kind: &str, id: &str, phase: &str) -> Value {
    json!({ "kind": kind, "id": id, "phase": phase })
}

/// A cleanup that waits for its checks, and a flush that runs.
fn waiting() -> Value {
    json!([
        { "kind": "cleanup", "id": "a", "phase": "Pending", "reason": "ChecksFailing",
          "message": "waits for nodes-up: demo-dc1-rack2-0 is down; cleanup-done: demo-dc1-rack1-0 needs a cleanup",
          "blockedBy": ["nodes-up", "cleanup-done"],
          "checks": [
            { "name": "nodes-up", "passed": false, "evidence": "demo-dc1-rack2-0 is down" },
            { "name": "cleanup-done", "passed": false, "evidence": "demo-dc1-rack1-0 needs a cleanup" },
            { "name": "ring-settled", "passed": true, "evidence": "no node moves" } ] },
        operation("flush", "b", "Running"),
    ])
}

/// Runs a command on a cluster with one running cleanup.
fn on_running(annotations: &Value, arguments: &[&str]) -> String {
    run(
        &api(annotations, &json!([operation("cleanup", "a", "Running")])),
        arguments,
    )
}

#[test]
fn the_only_unfinished_one_is_paused() {
    insta::assert_snapshot!(on_running(&json!({ "cleanup": "a" }), &["pause", "demo"]));
}

#[test]
fn a_paused_one_goes_on() {
    let annotations = json!({ "cleanup": "a", "cleanup.pause": "a" });
    insta::assert_snapshot!(on_running(&annotations, &["resume", "demo", "cleanup"]));
}

#[test]
fn one_is_cancelled() {
    insta::assert_snapshot!(on_running(
        &json!({ "cleanup": "a" }),
        &["cancel", "demo", "-n", "shop"]
    ));
}

#[test]
fn what_is_so_already_is_not_written() {
    let annotations = json!({ "cleanup": "a", "cleanup.pause": "a", "cleanup.cancel": "a" });
    let shown = [
        on_running(&annotations, &["pause", "demo"]),
        on_running(&annotations, &["cancel", "demo"]),
        on_running(&json!({ "cleanup": "a" }), &["resume", "demo", "cleanup"]),
    ];
    insta::assert_snapshot!(shown.join("\n"));
}

/// The pause of an earlier request is none of this one.
#[test]
fn a_control_of_another_request_does_not_count() {
    let annotations = json!({ "cleanup": "a", "cleanup.pause": "older" });
    insta::assert_snapshot!(on_running(&annotations, &["pause", "demo"]));
}

#[test]
fn a_request_that_is_not_taken_up_can_be_cancelled() {
    let shown = run(
        &api(&json!({ "cleanup": "a --jobs 2" }), &json!([])),
        &["cancel", "demo"],
    );
    insta::assert_snapshot!(shown);
}

#[test]
fn the_annotation_for_git() {
    let annotations = json!({ "cleanup": "a", "cleanup.pause": "a" });
    let shown = [
        on_running(
            &annotations,
            &["cancel", "demo", "--dry-run=client", "-o", "yaml"],
        ),
        on_running(&annotations, &["cancel", "demo", "--dry-run"]),
        on_running(
            &annotations,
            &["resume", "demo", "--dry-run=client", "-o", "yaml"],
        ),
        on_running(&annotations, &["resume", "demo", "--dry-run=client"]),
        on_running(&annotations, &["pause", "demo", "--dry-run=server"]),
    ];
    insta::assert_snapshot!(shown.join("\n"));
}

/// An annotation of a GitOps tool comes back unless it is taken out of Git.
#[test]
fn from_whom_a_pause_came() {
    let mut cluster = cluster(
        &json!({ "cleanup": "a", "cleanup.pause": "a" }),
        &json!([operation("cleanup", "a", "Paused")]),
    );
    cluster["metadata"]["managedFields"] = json!([{
        "manager": "kustomize-controller", "operation": "Apply", "time": "2026-11-22T16:00:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": { "f:metadata": { "f:annotations": { "f:operations.db.orange.com/cleanup.pause": {} } } },
    }]);
    insta::assert_snapshot!(run(&Api::cluster(cluster, Vec::new()), &["resume", "demo"]));
}

#[test]
fn which_one_is_asked_where_there_are_several_or_none() {
    let none = json!([operation("cleanup", "a", "Succeeded")]);
    let shown = [
        run(&api(&json!({}), &waiting()), &["pause", "demo"]),
        run(&api(&json!({}), &none), &["pause", "demo"]),
        run(&api(&json!({}), &none), &["pause", "demo", "cleanup"]),
        run(&api(&json!({}), &none), &["cancel", "demo", "flush"]),
        run(&api(&json!({}), &json!([])), &["resume", "demo"]),
        run_alone(&["pause", "demo", "claenup"], &[]),
    ];
    insta::assert_snapshot!(shown.join("\n"));
}

/// Behind a running one another of its kind may wait, which is not the one that stands.
#[test]
fn one_is_named_by_its_id() {
    let annotations = json!({ "cleanup": "b --jobs 2" });
    let shown = [
        on_running(&annotations, &["cancel", "demo", "--id", "b"]),
        on_running(&annotations, &["cancel", "demo", "cleanup", "--id", "a"]),
        on_running(&annotations, &["cancel", "demo", "--id", "c"]),
    ];
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn paused_with_the_whole_cluster() {
    let shown = on_running(
        &json!({ "cleanup": "a", "reconcile": "paused" }),
        &["resume", "demo", "cleanup"],
    );
    insta::assert_snapshot!(shown);
}

#[test]
fn a_failed_one_is_tried_again() {
    let failed = json!([
        operation("cleanup", "a", "Failed"),
        operation("flush", "b", "Running")
    ]);
    insta::assert_snapshot!(run(
        &api(&json!({ "cleanup": "a" }), &failed),
        &["retry", "demo"]
    ));
}

#[test]
fn what_has_not_failed_is_not_tried_again() {
    let operations = json!([
        operation("cleanup", "a", "Succeeded"),
        operation("flush", "b", "Running")
    ]);
    let shown = [
        run(&api(&json!({}), &operations), &["retry", "demo", "cleanup"]),
        run(&api(&json!({}), &operations), &["retry", "demo", "flush"]),
    ];
    insta::assert_snapshot!(shown.join("\n"));
}

/// The annotation of the retry before is taken back, and the operator has seen that, before the next one is written.
#[test]
fn a_second_retry_takes_back_the_first() {
    let mut failed = operation("cleanup", "a", "Failed");
    failed["retried"] = true.into();
    let cluster = cluster(
        &json!({ "cleanup": "a", "cleanup.retry": "a" }),
        &json!([failed]),
    );
    let seen = json!({ "status": { "operations": [operation("cleanup", "a", "Failed")] } });
    insta::assert_snapshot!(run(&Api::cluster(cluster, vec![seen]), &["retry", "demo"]));
}

#[test]
fn checks_are_waived() {
    let shown = [
        run(&api(&json!({}), &waiting()), &["waive", "demo", "nodes-up"]),
        run(
            &api(&json!({ "cleanup.waive": "a cleanup-done" }), &waiting()),
            &["waive", "demo", "cleanup", "nodes-up"],
        ),
        run(
            &api(&json!({ "cleanup.waive": "a nodes-up" }), &waiting()),
            &["waive", "demo", "nodes-up"],
        ),
        run(
            &api(&json!({}), &waiting()),
            &[
                "waive",
                "demo",
                "nodes-up,cleanup-done",
                "--dry-run",
                "-o",
                "yaml",
            ],
        ),
    ];
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn checks_that_are_not_there_or_passed_are_not_waived() {
    let shown = [
        run(
            &api(&json!({}), &waiting()),
            &["waive", "demo", "cleanup", "node-up"],
        ),
        run(
            &api(&json!({}), &waiting()),
            &["waive", "demo", "cleanup", "quorum"],
        ),
        run(
            &api(&json!({}), &waiting()),
            &["waive", "demo", "ring-settled"],
        ),
        run(
            &api(&json!({}), &waiting()),
            &["waive", "demo", "flush", "nodes-up"],
        ),
        run(&api(&json!({}), &waiting()), &["waive", "demo", "cleanup"]),
        run(
            &api(&json!({ "cleanup": "a" }), &json!([])),
            &["waive", "demo", "cleanup", "nodes-up"],
        ),
    ];
    insta::assert_snapshot!(shown.join("\n"));
}

/// A check can begin to fail between two nodes.
#[test]
fn a_check_that_fails_between_two_nodes_is_waived() {
    let operations = json!([{ "kind": "cleanup", "id": "a", "phase": "Running", "reason": "ChecksFailing",
        "message": "waits for nodes-up: demo-dc1-rack2-0 is down", "blockedBy": ["nodes-up"],
        "checks": [{ "name": "nodes-up", "passed": false, "evidence": "demo-dc1-rack2-0 is down" }] }]);
    insta::assert_snapshot!(run(
        &api(&json!({}), &operations),
        &["waive", "demo", "nodes-up"]
    ));
}

#[test]
fn all_action_is_paused_and_goes_on() {
    let paused = json!({ "reconcile": "paused" });
    let shown = [
        run(&api(&json!({}), &json!([])), &["pause-reconcile", "demo"]),
        run(&api(&paused, &json!([])), &["pause-reconcile", "demo"]),
        run(&api(&paused, &json!([])), &["resume-reconcile", "demo"]),
        run(
            &api(&json!({}), &json!([])),
            &["resume-reconcile", "demo", "-o", "name"],
        ),
        run_alone(
            &[
                "pause-reconcile",
                "demo",
                "-n",
                "shop",
                "--dry-run=client",
                "-o",
                "yaml",
            ],
            &[],
        ),
        run_alone(&["resume-reconcile", "demo", "--dry-run=client"], &[]),
    ];
    insta::assert_snapshot!(shown.join("\n"));
}

/// Answers the first patch with a conflict, after which the cluster is as `change` makes it.
fn conflicting(change: Value) -> Api {
    let mut cluster = cluster(&json!({}), &json!([operation("cleanup", "a", "Running")]));
    let mut conflicts = 0;
    Api::start(move |asked| {
        if asked.method != "PATCH" {
            return Reply::Json(200, cluster.clone());
        }
        conflicts += 1;
        if conflicts > 1 {
            merge(&mut cluster, &asked.body);
            return Reply::Json(200, cluster.clone());
        }
        merge(&mut cluster, &change);
        cluster["metadata"]["resourceVersion"] = "101".into();
        failure(409, "Conflict", "the object has been modified")
    })
}

#[test]
fn a_conflict_is_tried_again_on_the_same_request_only() {
    let other = json!({ "status": { "operations": [operation("cleanup", "b", "Running")] } });
    let ended = json!({ "status": { "operations": [operation("cleanup", "a", "Succeeded")] } });
    let shown = [json!({ "status": { "phase": "Pending" } }), other, ended]
        .map(|change| run(&conflicting(change), &["pause", "demo", "cleanup"]));
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn a_cluster_that_is_being_deleted_is_left_alone() {
    let mut cluster = cluster(&json!({}), &json!([operation("cleanup", "a", "Running")]));
    cluster["metadata"]["deletionTimestamp"] = "2026-11-22T17:00:00Z".into();
    insta::assert_snapshot!(run(&Api::cluster(cluster, Vec::new()), &["cancel", "demo"]));
}
