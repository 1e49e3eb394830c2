//! Whole pages of clusters in different states.

use std::collections::BTreeMap;

use casskop_common::{api::CassandraCluster, readable::Readable};
use serde_json::Value;

use super::*;

const NOW: &str = "2026-11-22T17:05:18Z";

macro_rules! fixture {
    ($name:literal) => {
        cluster(include_str!(concat!("../../../tests/fixtures/", $name)))
    };
}

fn cluster(yaml: &str) -> CassandraCluster {
    serde_saphyr::from_str(yaml).unwrap()
}

fn fleet(clusters: Vec<CassandraCluster>) -> Fleet {
    let now = NOW.parse().unwrap();
    let mut fleet = Fleet::default();
    let clusters = clusters.into_iter().map(|one| Readable(Ok(one)));
    fleet.replace(clusters.collect(), now);
    fleet.alive(now);
    fleet.operators = Some(BTreeMap::from([("shop".to_owned(), (1, 1))]));
    fleet
}

fn shown(fleet: &Fleet, chosen: Option<&Key>) -> Value {
    let inputs = Inputs {
        scope: "namespace shop of https://here",
        connection_args: &|namespace| format!(" -n {namespace} --context prod"),
        now: NOW.parse().unwrap(),
    };
    serde_json::to_value(page(fleet, chosen, &inputs)).unwrap()
}

#[test]
fn a_node_is_down_and_another_joins() {
    let page = shown(&fleet(vec![fixture!("growing.yaml")]), None);
    insta::assert_yaml_snapshot!(page);
}

#[test]
fn an_operation_runs() {
    let page = shown(&fleet(vec![fixture!("operating.yaml")]), None);
    let cluster = &page["cluster"];
    insta::assert_yaml_snapshot!([
        &cluster["findings"],
        &cluster["operations"],
        &cluster["requests"]
    ]);
}

#[test]
fn an_operation_failed() {
    let page = shown(&fleet(vec![fixture!("failed.yaml")]), None);
    insta::assert_yaml_snapshot!(page["cluster"]["history"]);
}

#[test]
fn a_cluster_that_was_never_observed() {
    let page = shown(&fleet(vec![fixture!("new.yaml")]), None);
    insta::assert_yaml_snapshot!(page);
}

#[test]
fn the_chosen_cluster_and_no_other() {
    let mut other = fixture!("healthy.yaml");
    other.metadata.name = Some("other".to_owned());
    let fleet = fleet(vec![fixture!("new.yaml"), other]);
    let name = |chosen: Option<&str>| {
        let key = chosen.map(|name| ("shop".to_owned(), name.to_owned()));
        shown(&fleet, key.as_ref())["cluster"]["name"].clone()
    };
    assert_eq!(name(None), "demo");
    assert_eq!(name(Some("other")), "other");
    assert_eq!(name(Some("gone")), Value::Null);
}

#[test]
fn the_age_of_the_data_is_told_once_changes_do_not_arrive() {
    let mut fleet = fleet(Vec::new());
    let connection = |fleet: &Fleet| shown(fleet, None)["connection"].clone();
    let live = connection(&fleet);
    fleet.lost(Source::Lost("connection refused".into()));
    let lost = connection(&fleet);
    let hints = vec!["request permission".to_owned()];
    let refused = "you may not list cassandraclusters".into();
    fleet.lost(Source::Refused(refused, hints));
    insta::assert_yaml_snapshot!([
        live,
        lost,
        connection(&fleet),
        connection(&Fleet::default())
    ]);
}

/// The next id of a kind that was requested today already, in the annotation or in the status.
#[test]
fn the_id_of_a_request_to_copy_is_new() {
    let mut cluster = fixture!("operating.yaml");
    let annotations = cluster.metadata.annotations.get_or_insert_default();
    annotations.insert(
        "operations.db.orange.com/flush".to_owned(),
        "2026-11-22-1 --dc dc1".to_owned(),
    );
    let status = cluster.status.as_mut().unwrap();
    let mut flush = status.operations[0].clone();
    flush.kind = casskop_common::operations::OperationKind::Flush.into();
    flush.id = "2026-11-22-1".to_owned();
    flush.phase = casskop_common::api::OperationPhase::Succeeded;
    status.operation_history.push(flush);
    let page = shown(&fleet(vec![cluster]), None);
    let actions = page["cluster"]["actions"].as_array().unwrap().iter();
    let commands: Vec<&str> = actions.filter_map(|one| one["command"].as_str()).collect();
    insta::assert_yaml_snapshot!(commands);
}

/// A person would be told to copy what the command of the same name writes.
#[test]
fn controls_are_those_that_fit() {
    let page = shown(&fleet(vec![fixture!("operating.yaml")]), None);
    let operation = &page["cluster"]["operations"][0];
    let actions = operation["actions"].as_array().unwrap().iter();
    let titles: Vec<&str> = actions.filter_map(|one| one["title"].as_str()).collect();
    assert_eq!(titles, ["Pause cleanup", "Cancel cleanup"]);
}

fn annotate(cluster: &mut CassandraCluster, key: &str, value: &str) {
    let annotations = cluster.metadata.annotations.get_or_insert_default();
    annotations.insert(format!("operations.db.orange.com/{key}"), value.to_owned());
}

fn action<'a>(actions: &'a Value, title: &str) -> &'a Value {
    let found = actions.as_array().unwrap().iter();
    let mut found = found.filter(|one| one["title"] == title);
    found.next().unwrap_or(&Value::Null)
}

/// A request that the command of the plugin refuses is no annotation to copy either.
#[test]
fn a_request_that_waits_is_not_destroyed() {
    let mut cluster = fixture!("operating.yaml");
    annotate(&mut cluster, "repair", "mine --dc dc1");
    let page = shown(&fleet(vec![cluster]), None);
    let shown = &page["cluster"];
    assert_eq!(action(&shown["actions"], "Repair"), &Value::Null);
    insta::assert_yaml_snapshot!(shown["refused"]);
}

#[test]
fn the_effect_says_what_a_request_waits_for() {
    let page = shown(&fleet(vec![fixture!("operating.yaml")]), None);
    let cleanup = action(&page["cluster"]["actions"], "Cleanup");
    let effect = cleanup["effect"].as_str().unwrap();
    assert!(
        effect.starts_with("requests a cleanup of all nodes; cleanup 2026-11-22a is Running; the new request starts when it has ended; the reconciliation of this cluster is paused"),
        "{effect}"
    );
}

#[test]
fn every_usual_request_is_offered() {
    let page = shown(&fleet(vec![fixture!("healthy.yaml")]), None);
    let shown = &page["cluster"];
    assert_eq!(shown["refused"], Value::Array(Vec::new()));
    let snapshot = &action(&shown["actions"], "Snapshot")["command"];
    let id = "2026-11-22-1";
    let command =
        format!("kubectl casskop snapshot demo --name {id} --id {id} -n shop --context prod");
    assert_eq!(snapshot, &command);
}

/// The annotation of the retry before still stands: written again, it is no change.
#[test]
fn a_second_retry_is_a_command_only() {
    let mut cluster = fixture!("failed.yaml");
    let history = |cluster: &CassandraCluster| {
        let page = shown(&fleet(vec![cluster.clone()]), None);
        let actions = page["cluster"]["history"][0]["actions"].clone();
        action(&actions, "Retry cleanup").clone()
    };
    let first = history(&cluster);
    assert!(first["annotate"].is_string() && first["manifest"].is_string());
    annotate(&mut cluster, "cleanup.retry", "2026-11-22a");
    cluster.status.as_mut().unwrap().operations[0].retried = true;
    insta::assert_yaml_snapshot!(history(&cluster));
}

/// The actions of a paused operation of a kind with a check that blocks it.
fn controls(kind: &str) -> Value {
    let mut cluster = fixture!("operating.yaml");
    let status = cluster.status.as_mut().unwrap();
    let operation = &mut status.operations[0];
    operation.kind = kind.to_owned().into();
    operation.arguments = "--pod demo-dc1-rack1-0".to_owned();
    operation.blocked_by = vec!["nodes-up".to_owned()];
    operation.checks[0].passed = false;
    operation.checks[0].evidence = "demo-dc1-rack2-0 is down".to_owned();
    annotate(&mut cluster, &format!("{kind}.pause"), "2026-11-22a");
    let page = shown(&fleet(vec![cluster]), None);
    page["cluster"]["operations"][0]["actions"].clone()
}

#[test]
fn controls_name_the_request_and_the_evidence() {
    let actions = controls("cleanup");
    let waive = action(&actions, "Waive cleanup");
    assert_eq!(
        waive["command"],
        "kubectl casskop waive demo cleanup nodes-up --id 2026-11-22a -n shop --context prod"
    );
    let effect = waive["effect"].as_str().unwrap();
    assert!(
        effect.ends_with("; nodes-up: demo-dc1-rack2-0 is down"),
        "{effect}"
    );
}

#[test]
fn what_discards_data_says_so_and_has_no_waiver() {
    for kind in ["remove", "replace"] {
        let actions = controls(kind);
        assert_eq!(action(&actions, &format!("Waive {kind}")), &Value::Null);
        let resume = action(&actions, &format!("Resume {kind}"));
        let effect = resume["effect"].as_str().unwrap_or_default();
        let loss = format!("; {kind} --pod demo-dc1-rack1-0 discards data for good");
        assert!(effect.ends_with(&loss), "{actions:#}");
    }
}

#[test]
fn a_kind_of_another_version_has_no_controls() {
    assert_eq!(controls("defragment; true"), Value::Array(Vec::new()));
}

#[test]
fn words_of_the_status_are_quoted_for_the_shell() {
    let mut cluster = fixture!("operating.yaml");
    let status = cluster.status.as_mut().unwrap();
    status.operations[0].id = "x;reboot".to_owned();
    let page = shown(&fleet(vec![cluster]), None);
    let pause = action(
        &page["cluster"]["operations"][0]["actions"],
        "Pause cleanup",
    )
    .clone();
    assert_eq!(
        pause["command"],
        "kubectl casskop pause demo cleanup --id 'x;reboot' -n shop --context prod"
    );
}

#[test]
fn text_of_others_has_no_control_characters() {
    let page = shown(&fleet(vec![fixture!("failed.yaml")]), None);
    let text = serde_json::to_string(&page).unwrap();
    assert!(text.contains("[2J") && !text.contains("\\u001b"));
}
