//! `backups`, and where the other commands show backups.

use serde_json::{Value, json};

use crate::{
    fake::Api,
    run::{fixture, run},
};

/// A ring with two stores, and backups in one of them.
fn backed_up() -> Value {
    let mut cluster = fixture("healthy.yaml");
    cluster["spec"]["backup"] = json!({ "stores": [
        { "name": "s3", "s3": { "bucket": "backups" } },
        { "name": "nfs", "volume": { "claimName": "backups" } },
    ] });
    cluster["status"]["backups"] = json!([
        { "id": "orders-1", "store": "s3", "startedAt": "2026-11-22T12:00:00.000000Z", "completedAt": "2026-11-22T12:01:00.000000Z",
          "nodes": 2, "files": 12, "bytes": 4096, "keyspaces": ["orders"], "leftOut": ["demo-dc1-rack3-0"] },
        { "id": "nightly-20261122T0200Z", "store": "s3", "startedAt": "2026-11-22T02:00:00.000000Z",
          "completedAt": "2026-11-22T02:40:00.000000Z", "nodes": 3, "files": 402, "bytes": 3_865_470_566_i64 },
    ]);
    cluster
}

/// The same, with a schedule whose last backup failed.
fn not_current() -> Value {
    let mut cluster = backed_up();
    let conditions = cluster["status"]["conditions"].as_array_mut().unwrap();
    conditions.push(json!({
        "type": "BackupsCurrent", "status": "False", "reason": "LastBackupFailed", "observedGeneration": 1,
        "lastTransitionTime": "2026-11-22T16:00:00Z",
        "message": "schedule hourly: hourly-20261122T1600Z failed: 1 of 3 nodes failed (demo-dc1-rack1-0 at upload: access denied); the last complete backup in store s3 is nightly-20261122T0200Z, begun at 2026-11-22T02:00:00Z",
    }));
    cluster
}

fn of(cluster: Value) -> Api {
    Api::cluster(cluster, Vec::new())
}

#[test]
fn backups() {
    let shown = ["text", "name", "json", "yaml"]
        .map(|format| run(&of(backed_up()), &["backups", "demo", "-o", format]));
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn no_backups() {
    let mut declared = backed_up();
    declared["status"]["backups"] = json!([]);
    let shown = [
        run(&of(fixture("healthy.yaml")), &["backups", "demo"]),
        run(&of(declared), &["backups", "demo", "-o", "name"]),
        run(&of(fixture("new.yaml")), &["backups", "demo", "-o", "json"]),
    ];
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn status_and_explain_tell_of_backups_that_are_not_current() {
    let status = run(&of(not_current()), &["status", "demo"]);
    let conditions = status.lines().take_while(|line| !line.starts_with("dc1"));
    let conditions: Vec<&str> = conditions.collect();
    let explained = run(&of(not_current()), &["explain", "demo"]);
    insta::assert_snapshot!(conditions.join("\n") + &explained);
}

#[test]
fn a_store_that_the_spec_does_not_declare_is_refused() {
    let shown = [
        run(&of(backed_up()), &["backup", "demo", "--to", "s4"]),
        run(
            &of(fixture("healthy.yaml")),
            &["backup", "demo", "--to", "s3"],
        ),
    ];
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn stores_are_completed() {
    let shown = run(
        &of(backed_up()),
        &["__complete", "backup", "demo", "--to", ""],
    );
    insta::assert_snapshot!(shown);
}
