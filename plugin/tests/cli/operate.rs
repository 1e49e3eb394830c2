//! Requesting an operation: what is written, and what is refused before anything is.

use serde_json::json;

use crate::{
    fake::{Api, Reply, failure, merge},
    run::{fixture, run, run_alone},
};

fn healthy() -> Api {
    Api::cluster(fixture("healthy.yaml"), Vec::new())
}

/// The healthy cluster with an annotation for cleanup, and operations in its status.
fn with(annotation: &str, operations: &serde_json::Value) -> Api {
    let mut cluster = fixture("healthy.yaml");
    merge(
        &mut cluster,
        &json!({
            "metadata": { "annotations": { "operations.db.orange.com/cleanup": annotation } },
            "status": { "operations": operations },
        }),
    );
    Api::cluster(cluster, Vec::new())
}

#[test]
fn one_get_and_one_guarded_patch() {
    let api = healthy();
    insta::assert_snapshot!(run(
        &api,
        &[
            "cleanup",
            "demo",
            "--dc",
            "dc1",
            "--keyspace",
            "orders",
            "--jobs",
            "2",
            "--id",
            "a"
        ]
    ));
    let asked = api.asked();
    let [get, patch] = &asked[..] else {
        panic!("two requests")
    };
    assert_eq!(
        (get.method.as_str(), patch.method.as_str()),
        ("GET", "PATCH")
    );
    assert!(
        patch.path.contains("fieldManager=casskop-plugin"),
        "{}",
        patch.path
    );
    assert!(
        patch
            .headers
            .contains(&"content-type: application/merge-patch+json".into())
    );
    assert!(
        patch
            .headers
            .contains(&"authorization: Bearer s3cr3t".into())
    );
    assert_eq!(patch.body["metadata"]["resourceVersion"], "100");
}

#[test]
fn an_id_is_made_of_the_time_and_a_random_end() {
    let id = || {
        let shown = run(&healthy(), &["flush", "demo"]);
        shown
            .lines()
            .nth(1)
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .to_owned()
    };
    let ids = [id(), id(), id()];
    for id in &ids {
        let end = id.strip_prefix("20261122T170518Z-").expect(id);
        assert!(
            end.len() == 4 && end.chars().all(|c| c.is_ascii_hexdigit()),
            "{id}"
        );
    }
    assert!(ids[0] != ids[1] || ids[1] != ids[2]);
}

#[test]
fn flags_are_repeated_in_the_commands_to_follow() {
    let shown = run(
        &healthy(),
        &[
            "flush",
            "demo",
            "-n",
            "other",
            "--context",
            "test",
            "--id",
            "a",
            "--token",
            "s3cr3t",
        ],
    );
    insta::assert_snapshot!(shown);
}

#[test]
fn requested_as_yaml_json_and_name() {
    let shown = ["yaml", "json", "name"]
        .map(|format| run(&healthy(), &["flush", "demo", "--id", "42", "-o", format]));
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn a_dry_run_of_the_client_asks_nobody() {
    let formats = ["text", "yaml", "json", "name"];
    let shown = formats.map(|format| {
        run_alone(
            &[
                "cleanup",
                "demo",
                "-n",
                "shop",
                "--rack",
                "dc1.rack1",
                "--id",
                "1e5",
                "--dry-run=client",
                "-o",
                format,
            ],
            &[],
        )
    });
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn a_dry_run_of_the_client_takes_the_namespace_of_the_context() {
    let api = healthy();
    insta::assert_snapshot!(run(
        &api,
        &[
            "cleanup",
            "demo",
            "--id",
            "a",
            "--dry-run=client",
            "-o",
            "yaml"
        ]
    ));
    assert!(api.asked().is_empty());
}

#[test]
fn a_pod_of_another_cluster_is_refused() {
    insta::assert_snapshot!(run(
        &healthy(),
        &["cleanup", "demo", "--pod", "demp-dc1-rack1-0", "--id", "a"]
    ));
}

#[test]
fn an_unknown_rack_is_refused() {
    insta::assert_snapshot!(run(
        &healthy(),
        &["cleanup", "demo", "--rack", "rack9", "--id", "a"]
    ));
}

#[test]
fn a_request_not_yet_observed_is_not_overwritten() {
    insta::assert_snapshot!(run(
        &with("x --jobs 4", &json!([])),
        &["cleanup", "demo", "--id", "a"]
    ));
}

#[test]
fn a_request_that_was_not_understood_is_not_overwritten_either() {
    insta::assert_snapshot!(run(
        &with("x --jbos 4", &json!([])),
        &["cleanup", "demo", "--id", "a"]
    ));
}

#[test]
fn a_request_not_yet_observed_is_replaced_when_told_to() {
    insta::assert_snapshot!(run(
        &with("x --jobs 4", &json!([])),
        &["cleanup", "demo", "--id", "a", "--replace"]
    ));
}

#[test]
fn a_request_that_has_ended_is_replaced() {
    let operations = json!([{ "kind": "cleanup", "id": "x", "phase": "Succeeded" }]);
    insta::assert_snapshot!(run(
        &with("x", &operations),
        &["cleanup", "demo", "--id", "a"]
    ));
}

#[test]
fn a_request_behind_a_running_one_waits() {
    let operations = json!([{ "kind": "cleanup", "id": "x", "phase": "Running" }]);
    insta::assert_snapshot!(run(
        &with("x", &operations),
        &["cleanup", "demo", "--id", "a"]
    ));
}

/// The operator withdraws a request that has not begun when another takes its place.
#[test]
fn a_request_that_has_not_begun_is_not_overwritten() {
    let operations = json!([{ "kind": "cleanup", "id": "x", "phase": "Pending", "message": "waits for flush y to end" }]);
    let refused = run(&with("x", &operations), &["cleanup", "demo", "--id", "a"]);
    let replaced = run(
        &with("x", &operations),
        &["cleanup", "demo", "--id", "a", "--replace"],
    );
    insta::assert_snapshot!(refused + "\n" + &replaced);
}

#[test]
fn a_paused_cluster_is_told() {
    let mut cluster = fixture("healthy.yaml");
    cluster["metadata"]["annotations"] = json!({ "operations.db.orange.com/reconcile": "paused" });
    insta::assert_snapshot!(run(
        &Api::cluster(cluster, Vec::new()),
        &["cleanup", "demo", "--id", "a"]
    ));
}

#[test]
fn a_cluster_that_is_being_deleted_gets_no_request() {
    let mut cluster = fixture("healthy.yaml");
    cluster["metadata"]["deletionTimestamp"] = "2026-11-22T17:00:00Z".into();
    insta::assert_snapshot!(run(
        &Api::cluster(cluster, Vec::new()),
        &["cleanup", "demo", "--id", "a"]
    ));
}

#[test]
fn the_same_request_again_writes_nothing() {
    insta::assert_snapshot!(run(
        &with("a --jobs=4", &json!([])),
        &["cleanup", "demo", "--jobs", "4", "--id", "a"]
    ));
}

#[test]
fn the_same_request_after_its_end_says_what_became_of_it() {
    let operations = json!([{ "kind": "cleanup", "id": "a", "phase": "Succeeded",
        "startedAt": "2026-11-22T16:00:00.000000Z", "finishedAt": "2026-11-22T16:05:00.000000Z" }]);
    insta::assert_snapshot!(run(
        &with("a", &operations),
        &["cleanup", "demo", "--id", "a"]
    ));
}

#[test]
fn the_same_id_with_other_arguments_is_refused() {
    let operations =
        json!([{ "kind": "cleanup", "id": "a", "arguments": "--jobs 2", "phase": "Succeeded" }]);
    let known = run(
        &with("a --jobs 2", &operations),
        &["cleanup", "demo", "--jobs", "4", "--id", "a"],
    );
    let waiting = run(
        &with("a", &json!([])),
        &["cleanup", "demo", "--jobs", "4", "--id", "a"],
    );
    insta::assert_snapshot!(known + "\n" + &waiting);
}

/// Answers the first patches with a conflict, after which the cluster is as `change` makes it.
fn conflicting(conflicts: usize, change: serde_json::Value) -> Api {
    let mut cluster = fixture("healthy.yaml");
    let mut patches = 0;
    Api::start(move |asked| {
        if asked.method != "PATCH" {
            return Reply::Json(200, cluster.clone());
        }
        patches += 1;
        if patches > conflicts {
            merge(&mut cluster, &asked.body);
            return Reply::Json(200, cluster.clone());
        }
        merge(&mut cluster, &change);
        cluster["metadata"]["resourceVersion"] = (100 + patches).to_string().into();
        failure(409, "Conflict", "the object has been modified")
    })
}

#[test]
fn a_conflict_about_something_else_is_tried_again() {
    let api = conflicting(2, json!({ "metadata": { "labels": { "team": "a" } } }));
    insta::assert_snapshot!(run(&api, &["cleanup", "demo", "--id", "a"]));
}

#[test]
fn a_conflict_about_the_same_request_is_not() {
    let change =
        json!({ "metadata": { "annotations": { "operations.db.orange.com/cleanup": "theirs" } } });
    insta::assert_snapshot!(run(
        &conflicting(1, change),
        &["cleanup", "demo", "--id", "a", "--replace"]
    ));
}

#[test]
fn a_conflict_with_our_own_write_is_success() {
    let change =
        json!({ "metadata": { "annotations": { "operations.db.orange.com/cleanup": "a" } } });
    insta::assert_snapshot!(run(
        &conflicting(1, change),
        &["cleanup", "demo", "--id", "a"]
    ));
}

#[test]
fn endless_conflicts_end() {
    let api = conflicting(99, json!({}));
    insta::assert_snapshot!(run(&api, &["cleanup", "demo", "--id", "a"]));
}
