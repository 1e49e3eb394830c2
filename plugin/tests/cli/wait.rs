//! `--wait` and `--dry-run`: from the request to its end.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    fake::{Api, Reply, merge},
    run::{binary, fixture, kubeconfig, run, run_with},
};

const CLEANUP: &[&str] = &["cleanup", "demo", "--id", "a", "--wait"];

/// Changes of the status that say how cleanup `a` goes on.
pub fn phases(operations: &[Value]) -> Vec<Value> {
    let common = json!({ "kind": "cleanup", "id": "a" });
    let change = |operation: &Value| {
        let mut whole = common.clone();
        merge(&mut whole, operation);
        json!({ "status": { "operations": [whole] } })
    };
    operations.iter().map(change).collect()
}

fn node(pod: &str, phase: &str, done: i64, step: &str) -> Value {
    json!({ "pod": pod, "phase": phase, "step": step, "attempts": 1, "startedAt": "2026-11-22T17:05:00.000000Z",
        "progress": { "done": done, "total": 2, "unit": "keyspaces" } })
}

pub fn server(operations: &[Value]) -> Api {
    Api::cluster(fixture("healthy.yaml"), phases(operations))
}

fn to_the_end(last: &Value) -> Vec<Value> {
    let times = json!({ "requestedAt": "2026-11-22T17:04:59.000000Z", "startedAt": "2026-11-22T17:05:00.000000Z" });
    let waiting = json!({ "pod": "demo-dc1-rack2-0", "phase": "Pending", "attempts": 0 });
    let mut running = json!({ "phase": "Running", "message": "node 1 of 2", "nodes": [node("demo-dc1-rack1-0", "Running", 0, "orders"), waiting] });
    merge(&mut running, &times);
    let mut further = running.clone();
    further["nodes"][0] = node("demo-dc1-rack1-0", "Running", 1, "users");
    let mut ended = times;
    merge(
        &mut ended,
        &json!({ "finishedAt": "2026-11-22T17:09:12.000000Z" }),
    );
    merge(&mut ended, last);
    let pending = json!({ "phase": "Pending", "message": "waits for flush ticket-42" });
    vec![pending, running.clone(), running, further, ended]
}

fn succeeded() -> Vec<Value> {
    let nodes = [
        node("demo-dc1-rack1-0", "Succeeded", 2, ""),
        node("demo-dc1-rack2-0", "Succeeded", 2, ""),
    ];
    to_the_end(&json!({ "phase": "Succeeded", "nodes": nodes }))
}

fn failed() -> Vec<Value> {
    let mut bad = node("demo-dc1-rack2-0", "Failed", 1, "users");
    bad["error"] = "unable to cancel compactions".into();
    to_the_end(
        &json!({ "phase": "Failed", "message": "1 of 2 nodes failed", "nodes": [node("demo-dc1-rack1-0", "Succeeded", 2, ""), bad] }),
    )
}

pub fn planned(phase: &str, passed: bool) -> Value {
    json!({ "phase": phase, "arguments": "--dc dc1 --dry-run=server",
        "plan": { "waves": [["demo-dc1-rack1-0"], ["demo-dc1-rack2-0", "demo-dc1-rack2-1"]], "steps": ["orders", "users"], "call": "StorageService.forceKeyspaceCleanup" },
        "checks": [
            { "name": "ring-settled", "passed": true, "evidence": "6 of 6 nodes are NORMAL" },
            { "name": "nodes-up", "passed": passed, "evidence": "demo-dc1-rack2-0 is up in 6 of 6 views" },
        ] })
}

#[test]
fn to_success() {
    insta::assert_snapshot!(run(&server(&succeeded()), CLEANUP));
}

#[test]
fn to_failure() {
    insta::assert_snapshot!(run(&server(&failed()), CLEANUP));
}

#[test]
fn the_result_as_yaml() {
    let arguments = ["cleanup", "demo", "--id", "a", "--wait", "-o", "yaml"];
    insta::assert_snapshot!(run(&server(&failed()), &arguments));
}

#[test]
fn to_the_other_ends() {
    let ends = ["Refused", "Cancelled", "Withdrawn"].map(|phase| {
        let mut end = planned(phase, false);
        merge(
            &mut end,
            &json!({ "message": "as it must be", "plan": null, "arguments": null }),
        );
        run(&server(&[end]), CLEANUP)
    });
    insta::assert_snapshot!(ends.join("\n"));
}

#[test]
fn nobody_takes_it_up() {
    let arguments = [
        "cleanup",
        "demo",
        "--jobs",
        "2",
        "--id",
        "a",
        "--wait",
        "--timeout",
        "1s",
    ];
    insta::assert_snapshot!(run_with(
        &server(&[]),
        &arguments,
        &[("CASSKOP_PATIENCE", "100ms")]
    ));
}

#[test]
fn behind_another_of_its_kind_nobody_is_to_blame() {
    let mut cluster = fixture("healthy.yaml");
    let running = json!([{ "kind": "cleanup", "id": "x", "phase": "Running" }]);
    let annotations = json!({ "operations.db.orange.com/cleanup": "x" });
    merge(
        &mut cluster,
        &json!({ "metadata": { "annotations": annotations }, "status": { "operations": running } }),
    );
    let arguments = ["cleanup", "demo", "--id", "a", "--wait", "--timeout", "1s"];
    let api = Api::cluster(cluster, Vec::new());
    insta::assert_snapshot!(run_with(&api, &arguments, &[("CASSKOP_PATIENCE", "100ms")]));
}

#[test]
fn it_takes_too_long() {
    let mut running = succeeded();
    running.truncate(2);
    let arguments = [
        "cleanup",
        "demo",
        "--id",
        "a",
        "--wait",
        "--timeout",
        "1s",
        "-n",
        "shop",
    ];
    insta::assert_snapshot!(run(&server(&running), &arguments));
}

/// The operator's error about the annotation of a kind, behind more of others than the condition's message names.
fn not_understood(name: &str, message: &str) -> Value {
    let key = |name: &str| format!("operations.db.orange.com/{name}");
    let others = (0..20).map(|number| (key(&format!("a{number}")), "there is no such kind"));
    let all = others.chain([(key(name), message)]);
    let errors =
        all.map(|(annotation, message)| json!({ "annotation": annotation, "message": message }));
    json!({ "status": { "intentErrors": errors.collect::<Vec<_>>(),
        "conditions": [{ "type": "IntentsAccepted", "status": "False", "reason": "Invalid",
            "message": "operations.db.orange.com/a0: there is no such kind; and 20 more",
            "lastTransitionTime": "2026-11-22T17:05:18Z" }] } })
}

#[test]
fn the_operator_does_not_understand_it() {
    let complaint = not_understood("cleanup", "unexpected argument '--jobs' found");
    let api = Api::cluster(fixture("healthy.yaml"), vec![complaint]);
    insta::assert_snapshot!(run(&api, CLEANUP));
}

#[test]
fn complaints_about_others_and_about_the_value_before_are_passed_over() {
    let mut cluster = fixture("healthy.yaml");
    merge(
        &mut cluster,
        &not_understood("cleanup", "unexpected argument '--jbos' found"),
    );
    merge(
        &mut cluster,
        &json!({ "metadata": { "annotations": { "operations.db.orange.com/cleanup": "x --jbos 2" } } }),
    );
    let mut changes = vec![not_understood(
        "cleanup.stop",
        "no control is called 'stop'",
    )];
    changes.extend(phases(&succeeded()));
    let api = Api::cluster(cluster, changes);
    let shown = run(
        &api,
        &["cleanup", "demo", "--id", "a", "--wait", "--replace"],
    );
    assert!(shown.contains("exit code 0"), "{shown}");
}

#[test]
fn it_is_removed_or_replaced_before_it_is_taken_up() {
    let ends = [Value::Null, "b --jobs 3".into()].map(|value| {
        let change =
            json!({ "metadata": { "annotations": { "operations.db.orange.com/cleanup": value } } });
        run(
            &Api::cluster(fixture("healthy.yaml"), vec![change]),
            CLEANUP,
        )
    });
    insta::assert_snapshot!(ends.join("\n"));
}

#[test]
fn the_cluster_is_deleted() {
    let cluster = fixture("healthy.yaml");
    let api = Api::start(move |asked| {
        if asked.path.contains("watch=true") {
            return Reply::Watch(vec![json!({ "type": "DELETED", "object": cluster })], false);
        }
        let mut cluster = cluster.clone();
        merge(&mut cluster, &asked.body);
        Reply::Json(200, cluster)
    });
    insta::assert_snapshot!(run(&api, CLEANUP));
}

/// Coming back to a request that is there already follows it and writes nothing.
#[test]
fn coming_back() {
    let mut cluster = fixture("healthy.yaml");
    let mut changes = phases(&succeeded());
    merge(&mut cluster, &changes[1]);
    merge(
        &mut cluster,
        &json!({ "metadata": { "annotations": { "operations.db.orange.com/cleanup": "b" } } }),
    );
    let api = Api::cluster(cluster, changes.split_off(3));
    insta::assert_snapshot!(run(&api, CLEANUP));
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_it_running_and_says_how_to_come_back() {
    let mut running = succeeded();
    running.truncate(2);
    let api = server(&running);
    let arguments = [
        "cleanup",
        "demo",
        "--jobs",
        "2",
        "--id",
        "a",
        "--wait",
        "--context",
        "test",
    ];
    let mut child = binary(&arguments)
        .env("KUBECONFIG", kubeconfig(&api.address.to_string()))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut seen = String::new();
    while !seen.contains("running") {
        assert!(stderr.read_line(&mut seen).unwrap() > 0, "{seen}");
    }
    let interrupted = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(interrupted.success());
    stderr.read_to_string(&mut seen).unwrap();
    let code = child.wait().unwrap().code();
    insta::assert_snapshot!(format!("{seen}--- exit code {code:?}"));
}

/// A cluster on which cleanup `a` runs and comes to its end.
fn at_work() -> Api {
    let mut cluster = fixture("healthy.yaml");
    let mut changes = phases(&succeeded());
    merge(&mut cluster, &changes[1]);
    Api::cluster(cluster, changes.split_off(3))
}

#[test]
fn wait_for_the_one_that_runs() {
    insta::assert_snapshot!(run(&at_work(), &["wait", "demo"]));
}

#[test]
fn wait_for_one_that_has_ended() {
    let ended = || {
        let mut cluster = fixture("failed.yaml");
        merge(
            &mut cluster,
            &json!({ "status": { "operationHistory": [{ "kind": "cleanup", "id": "older", "phase": "Succeeded" }] } }),
        );
        Api::cluster(cluster, Vec::new())
    };
    let shown = [
        run(&ended(), &["wait", "demo", "cleanup"]),
        run(&ended(), &["wait", "demo", "--id", "older"]),
        run(
            &ended(),
            &["wait", "demo", "cleanup", "--id", "older", "-o", "json"],
        ),
        run(&ended(), &["wait", "demo"]),
        run(&ended(), &["wait", "demo", "flush"]),
        run(&ended(), &["wait", "demo", "cleanup", "--id", "nope"]),
    ];
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn wait_for_one_behind_another_times_out() {
    let mut cluster = fixture("healthy.yaml");
    let running = json!([{ "kind": "cleanup", "id": "x", "phase": "Running" }]);
    let annotations = json!({ "operations.db.orange.com/cleanup": "b" });
    merge(
        &mut cluster,
        &json!({ "metadata": { "annotations": annotations }, "status": { "operations": running } }),
    );
    let api = Api::cluster(cluster, Vec::new());
    insta::assert_snapshot!(run(&api, &["wait", "demo", "cleanup", "--timeout", "1s"]));
}

#[test]
fn wait_for_one_of_several() {
    let mut cluster = fixture("healthy.yaml");
    let running = json!([{ "kind": "cleanup", "id": "x", "phase": "Running" }, { "kind": "flush", "id": "x", "phase": "Pending" }]);
    merge(
        &mut cluster,
        &json!({ "status": { "operations": running } }),
    );
    let api = || Api::cluster(cluster.clone(), Vec::new());
    let shown = [
        run(&api(), &["wait", "demo"]),
        run(&api(), &["wait", "demo", "--id", "x"]),
    ];
    insta::assert_snapshot!(shown.join("\n"));
}
