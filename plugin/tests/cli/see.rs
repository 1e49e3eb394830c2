//! `operations`, `ring`, `explain`, `events`, `logs`.

use serde_json::{Value, json};

use crate::{
    fake::{Api, Asked, Reply, failure, merge, not_found},
    run::{fixture, run, run_alone},
};

const PREFIX: &str = "operations.db.orange.com/";

/// Says through which manager the request of a kind came.
fn through(cluster: &mut Value, kind: &str, manager: &str) {
    let entry = json!({
        "manager": manager, "operation": "Update", "time": "2026-11-22T17:00:00Z", "fieldsType": "FieldsV1",
        "fieldsV1": { "f:metadata": { "f:annotations": { format!("f:{PREFIX}{kind}"): {} } } },
    });
    let managers = &mut cluster["metadata"]["managedFields"];
    match managers.as_array_mut() {
        Some(managers) => managers.push(entry),
        None => *managers = json!([entry]),
    }
}

/// The cluster of a fixture, read only.
fn of(cluster: Value) -> Api {
    Api::cluster(cluster, Vec::new())
}

fn operating() -> Value {
    let mut cluster = fixture("operating.yaml");
    through(&mut cluster, "cleanup", "kustomize-controller");
    through(&mut cluster, "cleanup", "kubectl-annotate");
    through(&mut cluster, "flush", "casskop-plugin");
    cluster["metadata"]["managedFields"][1]["time"] = "2026-11-21T17:00:00Z".into();
    cluster["status"]["operations"][1]["requestedBy"] = "spec".into();
    cluster
}

#[test]
fn operations() {
    insta::assert_snapshot!(run(&of(operating()), &["operations", "demo"]));
}

#[test]
fn operations_with_their_history() {
    insta::assert_snapshot!(run(&of(operating()), &["operations", "demo", "--history"]));
}

#[test]
fn operations_for_programs() {
    let mut cluster = operating();
    let bulk = json!({ "plan": null, "nodes": [], "checks": [] });
    for operation in cluster["status"]["operations"].as_array_mut().unwrap() {
        merge(operation, &bulk);
    }
    let shown = ["json", "yaml"].map(|format| {
        run(
            &of(cluster.clone()),
            &["operations", "demo", "--history", "-o", format],
        )
    });
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn no_operations() {
    let shown = [
        run(&of(fixture("healthy.yaml")), &["operations", "demo"]),
        run(
            &of(fixture("new.yaml")),
            &["operations", "demo", "-o", "json"],
        ),
    ];
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn status_tells_from_whom_a_request_came() {
    let shown = run(&of(operating()), &["status", "demo"]);
    assert!(
        shown.contains("  asked through kustomize-controller\n"),
        "{shown}"
    );
}

#[test]
fn a_ring() {
    let mut cluster = fixture("growing.yaml");
    cluster["status"]["cassandraNodeStatus"]["demo-dc1-rack1-0"]["cleanupOwedSince"] =
        "2026-11-22T15:05:18Z".into();
    let shown = [vec!["ring", "demo"], vec!["ring", "demo", "-o", "json"]]
        .map(|arguments| run(&of(cluster.clone()), &arguments));
    insta::assert_snapshot!(shown.join("\n"));
}

/// Serves a cluster and the pods of the operator, of which each is ready or not.
fn with_operator(cluster: Value, ready: &'static [bool]) -> Api {
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
        "StorageClassChanged",
        "spec.dataStorageClass cannot change",
    );
    let blocked = conditioned(
        "Progressing",
        "False",
        "Blocked",
        "ScaleDown: demo-dc1-rack3-1 may not leave the ring: replicas-remain: orders would have 2 nodes for 3 replicas",
    );
    insta::assert_snapshot!([refused, blocked].map(explained).join("\n"));
}

#[test]
fn why_checks_hold_an_operation_back() {
    let mut cluster = fixture("healthy.yaml");
    let waiting = json!([
        { "kind": "cleanup", "id": "a", "phase": "Pending", "reason": "ChecksFailing", "requestedAt": "2026-11-22T17:00:00.000000Z",
          "message": "waits for nodes-up: demo-dc1-rack2-0 is down",
          "checks": [{ "name": "nodes-up", "passed": false, "evidence": "demo-dc1-rack2-0 is down" }] },
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

fn event(kind: &str, name: &str, time: &str, reason: &str) -> Value {
    json!({ "metadata": { "name": format!("{name}.1"), "namespace": "shop", "resourceVersion": "7" },
        "type": "Normal", "reason": reason, "note": format!("{reason} happened"), "eventTime": time,
        "regarding": { "kind": kind, "name": name } })
}

/// Serves the cluster, events of its objects and of others, in two pages, and one to come.
fn with_events() -> Api {
    let mut warned = event(
        "Pod",
        "demo-dc1-rack2-0",
        "2026-11-22T16:00:00.000000Z",
        "Unhealthy",
    );
    merge(
        &mut warned,
        &json!({ "type": "Warning", "note": "no answer\u{1b}[2J",
            "series": { "count": 12, "lastObservedTime": "2026-11-22T17:05:00.000000Z" } }),
    );
    let mut old = event("StatefulSet", "demo-dc1-rack1", "", "SuccessfulCreate");
    merge(
        &mut old,
        &json!({ "eventTime": null, "deprecatedLastTimestamp": "2026-11-22T16:30:00Z", "deprecatedCount": 2 }),
    );
    let early = "2026-11-22T16:10:00.000000Z";
    let first = [
        warned,
        event(
            "CassandraCluster",
            "demo",
            "2026-11-22T17:00:00.000000Z",
            "OperationRunning",
        ),
        event("Pod", "demo2-dc1-rack1-0", early, "Scheduled"),
    ];
    let second = [
        old,
        event("Pod", "demo-dc1-rack10-0", early, "Scheduled"),
        event(
            "PersistentVolumeClaim",
            "data-demo-dc1-rack1-0",
            early,
            "Bound",
        ),
    ];
    Api::start(move |asked| {
        let page = |items: &[Value], more: &str| {
            json!({ "kind": "EventList", "apiVersion": "events.k8s.io/v1",
                "metadata": { "resourceVersion": "7", "continue": more }, "items": items })
        };
        if !asked.path.contains("/events?") {
            return Reply::Json(200, fixture("healthy.yaml"));
        }
        if asked.path.contains("watch=true") {
            let come = event(
                "Pod",
                "demo-dc1-rack1-1",
                "2026-11-22T17:05:18.000000Z",
                "Started",
            );
            let other = event(
                "Pod",
                "other-dc1-rack1-1",
                "2026-11-22T17:05:18.000000Z",
                "Started",
            );
            let events = [other, come].map(|event| json!({ "type": "ADDED", "object": event }));
            let gone = json!({ "type": "ERROR", "object": { "kind": "Status", "code": 403, "reason": "Forbidden",
                "message": "events.events.k8s.io is forbidden: User \"jane\" cannot watch resource \"events\"" } });
            return Reply::Watch([&events[..], &[gone]].concat(), true);
        }
        if asked.path.contains("continue=") {
            return Reply::Json(200, page(&second, ""));
        }
        Reply::Json(200, page(&first, "more"))
    })
}

#[test]
fn events() {
    insta::assert_snapshot!(run(&with_events(), &["events", "demo"]));
}

#[test]
fn events_for_programs() {
    insta::assert_snapshot!(run(&with_events(), &["events", "demo", "-o", "yaml"]));
}

/// Goes on with those to come, until it may not any more.
#[test]
fn events_to_come() {
    let shown = [
        run(&with_events(), &["events", "demo", "--watch"]),
        run_alone(&["events", "demo", "--watch", "-o", "json"], &[]),
    ];
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn no_events() {
    let api = Api::start(|asked| {
        if asked.path.contains("/events?") {
            return Reply::Json(200, json!({ "metadata": {}, "items": [] }));
        }
        Reply::Json(200, fixture("healthy.yaml"))
    });
    insta::assert_snapshot!(run(&api, &["events", "demo"]));
}

#[test]
fn without_the_right_to_see_events() {
    let api = Api::start(|asked| {
        if asked.path.contains("/events?") {
            let what = "events.events.k8s.io is forbidden: User \"jane\" cannot list resource \"events\" in API group \"events.k8s.io\" in the namespace \"shop\"";
            return failure(403, "Forbidden", what);
        }
        Reply::Json(200, fixture("healthy.yaml"))
    });
    insta::assert_snapshot!(run(&api, &["events", "demo"]));
}

/// Serves logs; the pod of rack2 is still being made.
fn with_logs() -> Api {
    Api::start(|asked| {
        if !asked.path.contains("/log?") {
            let operators = json!({ "metadata": {}, "items": [{ "metadata": { "name": "casskop-operator-0" } }] });
            let cluster = asked.path.contains("/cassandraclusters/");
            return Reply::Json(
                200,
                if cluster {
                    fixture("healthy.yaml")
                } else {
                    operators
                },
            );
        }
        if asked.path.contains("rack2") {
            let what = "container \"cassandra\" in pod \"demo-dc1-rack2-0\" is waiting to start: PodInitializing";
            return failure(400, "BadRequest", what);
        }
        Reply::Text(200, "INFO  up\u{1b}[2J\n\tat o.a.c\r\nlast without an end")
    })
}

#[test]
fn logs_of_every_node() {
    insta::assert_snapshot!(run(&with_logs(), &["logs", "demo"]));
}

#[test]
fn logs_of_one_node() {
    let shown = [
        run(
            &with_logs(),
            &["logs", "demo", "--pod", "demo-dc1-rack1-0", "--since", "2h"],
        ),
        run(
            &with_logs(),
            &[
                "logs",
                "demo",
                "--pod",
                "demo-dc1-rack1-0",
                "-f",
                "--tail",
                "3",
            ],
        ),
        run(&with_logs(), &["logs", "demo", "--pod", "demo-dc1-rack2-0"]),
        run(&with_logs(), &["logs", "demo", "--pod", "demo-dc1-rack9-0"]),
    ];
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn logs_of_the_operator() {
    insta::assert_snapshot!(run(&with_logs(), &["logs", "demo", "--operator"]));
}

#[test]
fn logs_of_nobody() {
    let api = || {
        Api::start(|asked| {
            if asked.path.contains("/pods?") {
                return Reply::Json(200, json!({ "metadata": {}, "items": [] }));
            }
            Reply::Json(200, fixture("new.yaml"))
        })
    };
    let shown = [
        run(&api(), &["logs", "demo"]),
        run(&api(), &["logs", "demo", "--operator"]),
    ];
    insta::assert_snapshot!(shown.join("\n"));
}
