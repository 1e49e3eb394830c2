//! Other operators for the same clusters. Two operators of this project with one Lease elect a leader; with two Leases both
//! act, and neither knows of the Go `CassKop`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Check, Facts, Finding, Lookup, Plan, items, text};
use crate::model::install::Watch;

/// The lock of the Go `CassKop`: a `ConfigMap` in its namespace that its pod owns.
pub const LOCK: &str = "casskop-lock";

pub fn check(plan: &Plan, facts: &Facts) -> Vec<Finding> {
    let check = Check::OtherOperators;
    let mut findings: Vec<Finding> = go_casskops(&facts.locks).collect();
    match &facts.operators {
        None => findings.push(Finding::unknown(
            check,
            "whether another operator manages the same clusters could not be read",
        )),
        Some(deployments) => {
            let others = deployments.iter().filter_map(|other| rival(plan, other));
            findings.extend(others);
        }
    }
    if findings.is_empty() {
        let message = "no other operator manages these clusters";
        findings.push(Finding::passed(check, message));
    }
    findings
}

fn go_casskops(locks: &BTreeMap<String, Lookup>) -> impl Iterator<Item = Finding> {
    let held = locks
        .iter()
        .filter(|(_, lock)| matches!(lock, Lookup::Found(_)));
    held.map(|(namespace, _)| {
        let message = format!(
            "the Go CassKop runs in namespace {namespace}: its lock is the ConfigMap {LOCK}"
        );
        Finding::failed(Check::OtherOperators, message)
            .next("scale its Deployment to 0 first, as docs/from-go-casskop.md describes")
    })
}

/// An operator with a Lease of its own that manages clusters of the plan.
fn rival(plan: &Plan, deployment: &Value) -> Option<Finding> {
    let (namespace, name) = (
        text(deployment, "/metadata/namespace"),
        text(deployment, "/metadata/name"),
    );
    let ours = plan.objects.iter().find(|object| {
        text(object, "/kind") == "Deployment" && text(object, "/metadata/name") == name
    });
    if ours.is_some() && namespace == plan.namespace {
        return None;
    }
    let watched = watched(deployment, namespace);
    let both = match (scope(plan), watched.as_str()) {
        ("", "") => "all namespaces".to_owned(),
        ("", one) | (one, "") => format!("namespace {one}"),
        (one, other) if one == other => format!("namespace {one}"),
        _ => return None,
    };
    let message = format!("Deployment {name} in namespace {namespace} manages {both}, too");
    let next = format!("remove one of the two: kubectl -n {namespace} delete deployment {name}");
    Some(Finding::failed(Check::OtherOperators, message).next(next))
}

/// The namespace whose clusters the planned operator manages; empty for all.
fn scope(plan: &Plan) -> &str {
    match &plan.watch {
        Watch::Own => &plan.namespace,
        Watch::One(other) => other,
        Watch::All => "",
    }
}

/// The namespace whose clusters an operator manages, by its variables; empty for all.
fn watched(deployment: &Value, namespace: &str) -> String {
    let variables = items(deployment, "/spec/template/spec/containers/0/env");
    let variable = variables
        .iter()
        .find(|one| text(one, "/name") == "WATCH_NAMESPACE");
    match variable {
        Some(one) if one.get("valueFrom").is_some() => namespace.to_owned(),
        Some(one) => text(one, "/value").to_owned(),
        None => String::new(),
    }
}
