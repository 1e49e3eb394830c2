//! `--dry-run`: what the operator would do.

use serde_json::{Value, json};

use crate::{
    fake::{Api, merge},
    run::{fixture, run},
    wait::{phases, planned, server},
};

const DRY_RUN: &[&str] = &["cleanup", "demo", "--dc", "dc1", "--id", "a", "--dry-run"];

#[test]
fn a_plan() {
    insta::assert_snapshot!(run(&server(&[planned("Planned", true)]), DRY_RUN));
}

#[test]
fn a_plan_that_is_refused() {
    let mut plan = planned("Refused", false);
    plan["message"] = "nodes-up: demo-dc1-rack2-0 is down".into();
    insta::assert_snapshot!(run(&server(&[plan]), DRY_RUN));
}

#[test]
fn wait_for_a_plan_that_is_asked_for() {
    let mut cluster = fixture("healthy.yaml");
    let annotation = json!({ "operations.db.orange.com/cleanup": "a --dc dc1 --dry-run" });
    merge(
        &mut cluster,
        &json!({ "metadata": { "annotations": annotation } }),
    );
    let api = Api::cluster(cluster, phases(&[planned("Planned", true)]));
    insta::assert_snapshot!(run(&api, &["wait", "demo"]));
}

/// It waits for its checks, so a script that asks for the plan must not take it for one that runs.
#[test]
fn a_plan_that_would_not_begin() {
    let shown = [DRY_RUN.to_vec(), [DRY_RUN, &["-o", "yaml"]].concat()]
        .map(|arguments| run(&server(&[planned("Planned", false)]), &arguments));
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn a_check_that_is_waived_does_not_hold_it_back() {
    let mut plan = planned("Planned", false);
    plan["checks"][1]["waived"] = Value::from(true);
    plan["checks"][1]["evidence"] = Value::from("demo-dc1-rack2-0 is down");
    insta::assert_snapshot!(run(&server(&[plan]), DRY_RUN));
}
