//! `explain`: why a cluster does not progress.

use serde_json::{Value, json};

use crate::{
    fake::{Api, Asked, Reply, failure, merge, not_found},
    operations::{PREFIX, operating, through},
    run::{fixture, run},
};

/// Serves a cluster and the pods of the operator, of which each is ready or not.
pub fn with_operator(cluster: Value, ready: &'static [bool]) -> Api {
    Api::start(move |asked: &Asked| {
        if asked.path.contains("/pods?") {
            let pod = |ready: &bool| {
                let status = if *ready { "True" } else { "False" };
                json!({ "metadata": { "name": "casskop-operator-0" }, "status": { "conditions": [{ "type": "Ready", "status": status }] } })
            };
            let pods: Vec<Value> = ready.iter().map(pod).collect();
            return Reply::Json(
                200,
                json!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods }),
            );
        }
        if asked.path.ends_with("/demo") {
            return Reply::Json(200, cluster.clone());
        }
        not_found(asked)
    })
}

/// `explain` of a cluster with a healthy operator, without what was asked of the server.
fn explained(cluster: Value) -> String {
    let shown = run(&with_operator(cluster, &[true]), &["explain", "demo"]);
    shown
        .lines()
        .filter(|line| !line.starts_with("GET"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn nothing_to_explain() {
    insta::assert_snapshot!(run(
        &with_operator(fixture("healthy.yaml"), &[true]),
        &["explain", "demo"]
    ));
}

#[test]
fn why_nodes_keep_it_from_growing() {
    insta::assert_snapshot!(explained(fixture("growing.yaml")));
}

/// Storage that grows a file system only when the pod starts.
#[test]
fn a_file_system_that_waits_for_a_restart_names_the_command() {
    let mut cluster = conditioned(
        "Progressing",
        "True",
        "StorageUpsize",
        "waiting for volume data-demo-dc1-rack1-0 to have 2Gi",
    );
    cluster["status"]["blockedBy"] = json!([{
        "name": "file-system-grown",
        "passed": false,
        "evidence": "data-demo-dc1-rack1-0 waits for its file system to grow",
        "pods": ["demo-dc1-rack1-0"],
    }]);
    let told = explained(cluster);
    let next = "next: kubectl casskop restart demo --pod demo-dc1-rack1-0";
    assert!(told.contains(next), "{told}");
}

#[test]
fn why_requests_wait() {
    insta::assert_snapshot!(explained(operating()));
}

#[test]
fn why_an_operation_failed() {
    insta::assert_snapshot!(explained(fixture("failed.yaml")));
}

/// Sets a condition on the healthy cluster.
fn conditioned(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    let mut cluster = fixture("healthy.yaml");
    let conditions = cluster["status"]["conditions"].as_array_mut().unwrap();
    conditions.retain(|known| known["type"] != kind);
    conditions.push(
        json!({ "type": kind, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": "2026-11-22T16:05:18Z" }),
    );
    cluster
}

#[test]
fn why_a_spec_is_not_carried_out() {
    let refused = conditioned(
        "SpecAccepted",
        "False",
        "VolumeChanged",
        "the volume data cannot become smaller",
    );
    let mut blocked = conditioned(
        "Progressing",
        "True",
        "Blocked",
        "ScaleDown: demo-dc1-rack3-1 may not leave the ring: cleanup-done: demo-dc1-rack3-0 may hold data that it no longer owns",
    );
    let check = json!([{ "name": "cleanup-done", "passed": false, "pods": ["demo-dc1-rack3-0"],
        "evidence": "demo-dc1-rack3-0 may hold data that it no longer owns" }]);
    merge(&mut blocked, &json!({ "status": { "blockedBy": check } }));
    insta::assert_snapshot!([refused, blocked].map(explained).join("\n"));
}

#[test]
fn why_checks_hold_an_operation_back() {
    let mut cluster = fixture("healthy.yaml");
    let waiting = json!([
        { "kind": "cleanup", "id": "a", "phase": "Pending", "reason": "ChecksFailing", "requestedAt": "2026-11-22T17:00:00.000000Z",
          "message": "waits for nodes-up: demo-dc1-rack2-0 is down", "blockedBy": ["nodes-up"],
          "checks": [{ "name": "nodes-up", "passed": false, "evidence": "demo-dc1-rack2-0 is down",
            "pods": ["demo-dc1-rack2-0"] }] },
        { "kind": "flush", "id": "b", "phase": "Paused", "reason": "Paused", "startedAt": "2026-11-22T17:00:00.000000Z",
          "message": "no further node starts until the pause is lifted" },
        { "kind": "repair", "id": "c", "phase": "Pending", "reason": "Waiting", "message": "waits for flush b to end" },
    ]);
    merge(
        &mut cluster,
        &json!({ "status": { "operations": waiting } }),
    );
    insta::assert_snapshot!(explained(cluster));
}

#[test]
fn the_operator_does_not_run() {
    let mut behind = fixture("healthy.yaml");
    behind["metadata"]["generation"] = 5.into();
    let mut asked = fixture("healthy.yaml");
    merge(
        &mut asked,
        &json!({ "metadata": { "annotations": { format!("{PREFIX}cleanup"): "a" } } }),
    );
    through(&mut asked, "cleanup", "casskop-plugin");
    let shown = [
        run(&with_operator(behind, &[false]), &["explain", "demo"]),
        run(
            &with_operator(asked.clone(), &[]),
            &["explain", "demo", "-n", "shop"],
        ),
        run(
            &with_operator(fixture("new.yaml"), &[]),
            &["explain", "demo"],
        ),
        // It may run in another namespace.
        run(
            &with_operator(fixture("healthy.yaml"), &[]),
            &["explain", "demo"],
        ),
        run(
            &with_operator(asked, &[true]),
            &["explain", "demo", "-o", "json"],
        ),
    ];
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn without_the_right_to_look_for_the_operator() {
    let api = Api::start(|asked| {
        if asked.path.contains("/pods?") {
            let what = "pods is forbidden: User \"jane\" cannot list resource \"pods\" in API group \"\" in the namespace \"shop\"";
            return failure(403, "Forbidden", what);
        }
        Reply::Json(200, fixture("healthy.yaml"))
    });
    insta::assert_snapshot!(run(&api, &["explain", "demo"]));
}

#[test]
fn why_pods_that_are_ready_are_not_reachable() {
    let mut cluster = fixture("healthy.yaml");
    let conditions = cluster["status"]["conditions"].as_array_mut().unwrap();
    let mut conditions = conditions.iter_mut();
    let degraded = conditions
        .find(|known| known["type"] == "Degraded")
        .unwrap();
    let change = json!({ "status": "True", "reason": "NodesUnreachable",
        "message": "demo-dc1-rack1-0: the pod is Ready, but not reachable from the operator on port 8778" });
    merge(degraded, &change);
    insta::assert_snapshot!(explained(cluster));
}
