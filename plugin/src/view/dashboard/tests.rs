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
    fleet.replace(clusters.into_iter().map(|one| Readable(Ok(one))).collect());
    fleet.connected(Source::Live, now);
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
    fleet.connected(
        Source::Lost("connection refused".into()),
        NOW.parse().unwrap(),
    );
    let lost = connection(&fleet);
    let hints = vec!["request permission".to_owned()];
    fleet.connected(
        Source::Refused("you may not list cassandraclusters".into(), hints),
        NOW.parse().unwrap(),
    );
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

#[test]
fn text_of_others_has_no_control_characters() {
    let page = shown(&fleet(vec![fixture!("failed.yaml")]), None);
    let text = serde_json::to_string(&page).unwrap();
    assert!(text.contains("[2J") && !text.contains("\\u001b"));
}
