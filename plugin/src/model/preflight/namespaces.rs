//! The namespaces of the operator and of its clusters, and their Pod Security levels.

use std::collections::BTreeMap;

use super::{Check, Finding, Lookup, Plan, text};

/// Label that refuses pods; its strictest level is `restricted`, which the pods of operator and clusters meet.
const ENFORCE: &str = "/metadata/labels/pod-security.kubernetes.io~1enforce";

pub fn check(plan: &Plan, namespaces: &BTreeMap<String, Lookup>) -> Vec<Finding> {
    let one = |name: &&str| {
        let found = namespaces.get(*name).unwrap_or(&Lookup::Unknown);
        of(name, found, *name == plan.namespace)
    };
    plan.namespaces().iter().map(one).collect()
}

fn of(name: &str, found: &Lookup, is_own: bool) -> Finding {
    let check = Check::Namespaces;
    match found {
        Lookup::Found(namespace) if !text(namespace, "/metadata/deletionTimestamp").is_empty() => {
            Finding::failed(check, format!("namespace {name} is being deleted")).next(format!(
                "wait for its end: kubectl get namespace {name} --watch"
            ))
        }
        Lookup::Found(namespace) => match text(namespace, ENFORCE) {
            "" => Finding::passed(check, format!("namespace {name} exists")),
            level => Finding::passed(
                check,
                format!(
                    "namespace {name} exists; its Pod Security level {level} admits the pods of operator and clusters"
                ),
            ),
        },
        Lookup::Absent if is_own => Finding::passed(
            check,
            format!("namespace {name} is created by the installation"),
        ),
        Lookup::Absent => Finding::failed(check, format!("there is no namespace {name} to manage"))
            .next(format!("kubectl create namespace {name}")),
        Lookup::Unknown => Finding::unknown(check, format!("namespace {name} could not be read")),
    }
}
