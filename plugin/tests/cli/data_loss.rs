//! Kinds that discard data: which cluster is meant, and the confirmation.

use serde_json::json;

use crate::{
    fake::Api,
    run::{fixture, run, run_alone},
};

const UID: &str = "3c2b1f6e-8d1e-4c57-9a51-0d8f2a7b9c11";

fn api() -> Api {
    let mut cluster = fixture("growing.yaml");
    cluster["metadata"]["uid"] = UID.into();
    Api::cluster(cluster, Vec::new())
}

fn replace(more: &[&str]) -> String {
    let pod = ["replace", "demo", "--pod", "demo-dc1-rack2-0", "--id", "a"];
    run(&api(), &[&pod, more].concat())
}

#[test]
fn without_a_terminal_it_is_refused() {
    insta::assert_snapshot!(replace(&[]));
}

#[test]
fn with_yes_it_is_requested_with_the_uid_of_the_cluster() {
    insta::assert_snapshot!(replace(&["--yes"]));
}

/// An id never runs twice: asking again only tells what became of it.
#[test]
fn what_was_requested_before_is_not_confirmed_again() {
    let mut cluster = fixture("growing.yaml");
    let arguments = format!("--cluster-uid {UID} --pod demo-dc1-rack2-0");
    cluster["metadata"]["uid"] = UID.into();
    cluster["status"]["operations"] =
        json!([{ "kind": "replace", "id": "a", "arguments": arguments, "phase": "Running" }]);
    let api = Api::cluster(cluster, Vec::new());
    let pod = ["replace", "demo", "--pod", "demo-dc1-rack2-0", "--id", "a"];
    insta::assert_snapshot!(run(&api, &pod));
}

#[test]
fn a_plan_needs_no_confirmation() {
    let shown = replace(&["--dry-run", "--timeout", "1s"]);
    let patched = format!("a --cluster-uid {UID} --pod demo-dc1-rack2-0 --dry-run=server");
    assert!(shown.contains(&patched), "{shown}");
}

/// The uid is the only thing that the server is asked for, and only if it is not given.
#[test]
fn the_annotation_for_git() {
    let given = [
        "replace",
        "demo",
        "-n",
        "shop",
        "--pod",
        "demo-dc1-rack2-0",
        "--id",
        "a",
        "--cluster-uid",
        UID,
        "--dry-run=client",
        "-o",
        "yaml",
    ];
    let shown = [
        replace(&["--dry-run=client", "-o", "yaml"]),
        run_alone(&given, &[]),
    ];
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn another_cluster_of_that_name_is_not_meant() {
    insta::assert_snapshot!(replace(&[
        "--yes",
        "--cluster-uid",
        "00000000-8d1e-4c57-9a51-0d8f2a7b9c11"
    ]));
}

#[test]
fn a_pod_of_another_cluster_is_refused_before_anything_is_asked() {
    insta::assert_snapshot!(run(
        &api(),
        &["replace", "demo", "--pod", "demo-dc1-rack9-0", "--id", "a"]
    ));
}

#[test]
fn a_node_without_a_pod_is_named_by_its_host_id() {
    let host_id = "0b7e2000-6f0c-4d57-9d6e-5f1f7f3a9c00";
    let shown = [
        run(
            &api(),
            &["remove", "demo", "--host-id", host_id, "--id", "a"],
        ),
        run(&api(), &["remove", "demo", "--id", "a"]),
    ];
    insta::assert_snapshot!(shown.join("\n"));
}
