//! `logs` of nodes and of the operator.

use std::process::Stdio;

use serde_json::json;

use crate::{
    fake::{Api, Reply, failure},
    run::{binary, fixture, kubeconfig, run},
};

/// Serves logs; the pod of rack2 is still being made.
pub fn with_logs() -> Api {
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

/// `logs | head` ends when its output is no longer read.
#[test]
fn a_reader_that_goes_away_ends_the_logs() {
    let api = with_logs();
    let mut child = binary(&["logs", "demo", "-f"])
        .env("KUBECONFIG", kubeconfig(&api.address.to_string()))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(1), &b""[..])
    );
}
