//! `operations`: the list, its forms, and who asked for each operation.

use serde_json::{Value, json};

use crate::{
    fake::{Api, merge},
    run::{fixture, run},
};

pub const PREFIX: &str = "operations.db.orange.com/";

/// Says through which manager the request of a kind came.
pub fn through(cluster: &mut Value, kind: &str, manager: &str) {
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
pub fn of(cluster: Value) -> Api {
    Api::cluster(cluster, Vec::new())
}

/// A cluster with operations, and who asked for them.
pub fn operating() -> Value {
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
        shown.contains("  requested through kustomize-controller\n"),
        "{shown}"
    );
}
