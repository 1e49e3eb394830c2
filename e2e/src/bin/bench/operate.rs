//! Requests operations and waits for the report that they are done.

use std::time::Instant;

use casskop_e2e::{
    Cluster,
    cluster::{OPERATIONS, find_condition, find_operation},
    fresh_id,
    proxied::Api,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{log, path, user, watched};

/// Seconds from just before the annotation is sent to the report that all is done.
pub fn operate(api: &Api, demo: &Cluster, kind: &str, arguments: &str) -> f64 {
    let id = fresh_id("bench");
    let key = format!("{OPERATIONS}{kind}");
    let value = format!("{id} {arguments}");
    let patch = json!({ "metadata": { "annotations": { key: value.trim_end() } } });
    let began = Instant::now();
    api.merge(&path(demo), &patch);
    let ended = api.watch(&watched(demo), |cluster| {
        let phase = find_operation(cluster, kind, &id)
            .map(|operation| operation["phase"].as_str().unwrap_or_default().to_owned())
            .unwrap_or_default();
        let failed = ["Failed", "Refused"].contains(&phase.as_str());
        assert!(!failed, "{id} {phase}");
        phase == "Succeeded"
    });
    (ended - began).as_secs_f64()
}

/// Sets the number of nodes of each rack: returns the seconds from just before the spec is changed to the report that
/// the ring matches it, and the number of writes by the operator.
pub fn resize(api: &Api, demo: &Cluster, nodes_per_rack: usize, total: usize) -> (f64, usize) {
    let patch = json!({ "spec": { "nodesPerRacks": nodes_per_rack } });
    let (from, began) = (Timestamp::now(), Instant::now());
    api.merge(&path(demo), &patch);
    let ended = api.watch(&watched(demo), |cluster| is_settled(cluster, total));
    let writes = log::writes(&user(demo), from, Timestamp::now());
    ((ended - began).as_secs_f64(), writes)
}

fn is_settled(cluster: &Value, total: usize) -> bool {
    let is = |condition: &str, status: &str| {
        find_condition(cluster, condition).is_some_and(|found| found["status"] == status)
    };
    let nodes = cluster["status"]["cassandraNodeStatus"].as_object();
    nodes.is_some_and(|nodes| nodes.len() == total)
        && is("Available", "True")
        && is("Progressing", "False")
}
