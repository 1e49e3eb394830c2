//! Quotas of the operator's namespace: a `ResourceQuota` refuses a pod that does not fit, and one without a value that it
//! counts.

use casskop_common::quantity::parse_milli;
use serde_json::Value;

use super::{Check, Finding, Plan, items, text};

/// A counted resource of a quota, and the section and name of it in a container; none for the pod itself.
const COUNTED: [(&str, Option<(&str, &str)>); 7] = [
    ("pods", None),
    ("cpu", Some(("requests", "cpu"))),
    ("requests.cpu", Some(("requests", "cpu"))),
    ("memory", Some(("requests", "memory"))),
    ("requests.memory", Some(("requests", "memory"))),
    ("limits.cpu", Some(("limits", "cpu"))),
    ("limits.memory", Some(("limits", "memory"))),
];

pub fn check(plan: &Plan, quotas: Option<&[Value]>) -> Vec<Finding> {
    let check = Check::Quotas;
    let Some(quotas) = quotas else {
        let message = format!(
            "the quotas of namespace {} could not be read",
            plan.namespace
        );
        return vec![Finding::unknown(check, message)];
    };
    // A quota with scopes counts some pods only, and which ones is not known here.
    let counts_all = |quota: &&Value| {
        items(quota, "/spec/scopes").is_empty() && quota.pointer("/spec/scopeSelector").is_none()
    };
    let quotas = quotas.iter().filter(counts_all);
    let mut findings: Vec<Finding> = quotas.flat_map(|quota| of(plan, quota)).collect();
    if findings.is_empty() {
        let message = format!(
            "no quota of namespace {} is in the way of the operator",
            plan.namespace
        );
        findings.push(Finding::passed(check, message));
    }
    findings
}

fn of(plan: &Plan, quota: &Value) -> Vec<Finding> {
    let (namespace, name) = (&plan.namespace, text(quota, "/metadata/name"));
    let next = format!("raise it: kubectl -n {namespace} edit resourcequota {name}");
    let finding = |message: String| Finding::failed(Check::Quotas, message).next(next.clone());
    let mut findings = Vec::new();
    for (resource, part) in COUNTED {
        // The names of extended resources and of these contain no `/`.
        let hard = text(quota, &format!("/status/hard/{resource}"));
        let Some(limit) = parse_milli(hard) else {
            continue;
        };
        let Some(needed) = needed(plan, part) else {
            findings.push(finding(format!(
                "quota {name} of namespace {namespace} counts {resource}, which the operator leaves out: its pod is refused unless a LimitRange gives a default"
            )));
            continue;
        };
        let used = text(quota, &format!("/status/used/{resource}"));
        let free = limit.saturating_sub(parse_milli(used).unwrap_or_default());
        if needed > free {
            findings.push(finding(format!(
                "quota {name} of namespace {namespace} has no room for the operator: {resource} is limited to {hard}, and {used} is used"
            )));
        }
    }
    findings
}

/// The sum over the pods of the plan, in thousandths; none if a container leaves the value out.
fn needed(plan: &Plan, part: Option<(&str, &str)>) -> Option<i64> {
    let deployments = plan
        .objects
        .iter()
        .filter(|object| text(object, "/kind") == "Deployment");
    deployments
        .map(|deployment| {
            let Some((section, resource)) = part else {
                return Some(1000);
            };
            let path = format!("/spec/template/spec/containers/0/resources/{section}/{resource}");
            parse_milli(text(deployment, &path))
        })
        .sum()
}
