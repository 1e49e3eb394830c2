//! Rights of the user: to apply each object, and, because Kubernetes lets nobody give rights away that he does not have, each
//! right of the Roles.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Check, Finding, items, text};
use crate::text::{count, list};

/// Verbs that `kubectl apply --server-side` uses.
const APPLY: [&str; 3] = ["get", "create", "patch"];
/// Group of Roles and their bindings.
const RBAC: &str = "rbac.authorization.k8s.io";

/// A right, as the API server is asked for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// The verb.
    pub verb: String,
    /// Group of the API; empty for the core.
    pub group: String,
    /// Plural name, without the subresource.
    pub resource: String,
    /// The subresource; mostly none.
    pub subresource: String,
    /// The namespace; none for objects of the cluster.
    pub namespace: Option<String>,
    /// Name of the one object; none for all.
    pub name: Option<String>,
    /// Whether the right is only needed to give it to the operator.
    pub is_given: bool,
}

impl Right {
    /// The objects of the right, as messages name them: `deployments.apps in namespace casskop`.
    fn objects(&self) -> String {
        let mut text = self.resource.clone();
        if !self.subresource.is_empty() {
            text = format!("{text}/{}", self.subresource);
        }
        if !self.group.is_empty() {
            text = format!("{text}.{}", self.group);
        }
        match &self.namespace {
            Some(namespace) => format!("{text} in namespace {namespace}"),
            None => text,
        }
    }

    /// The right to give rights away without having them.
    pub(super) fn escalates(&self) -> bool {
        self.verb == "escalate"
    }
}

/// The rights that the objects of an installation need.
pub fn needed(objects: &[Value]) -> Vec<Right> {
    let mut rights = BTreeSet::new();
    for object in objects {
        let namespace = object
            .pointer("/metadata/namespace")
            .and_then(Value::as_str);
        let namespace = namespace.map(str::to_owned);
        let (group, resource) = resource(object);
        let right = |verb: &str| Right {
            verb: verb.to_owned(),
            group: group.to_owned(),
            resource: resource.clone(),
            namespace: namespace.clone(),
            ..Right::default()
        };
        rights.extend(APPLY.map(right));
        let rules = items(object, "/rules");
        if !rules.is_empty() {
            rights.insert(right("escalate"));
        }
        rights.extend(
            rules
                .iter()
                .flat_map(|rule| given(rule, namespace.as_deref())),
        );
    }
    rights.into_iter().collect()
}

/// Group and plural name of the kind of an object.
fn resource(object: &Value) -> (&str, String) {
    let group = text(object, "/apiVersion").split_once('/');
    let kind = text(object, "/kind").to_lowercase();
    (group.map_or("", |(group, _)| group), format!("{kind}s"))
}

fn given(rule: &Value, namespace: Option<&str>) -> Vec<Right> {
    let words = |key: &str| items(rule, key).iter().filter_map(Value::as_str);
    let mut rights = Vec::new();
    let names: Vec<&str> = words("/resourceNames").collect();
    let names = if names.is_empty() {
        vec![None]
    } else {
        names.into_iter().map(Some).collect()
    };
    for group in words("/apiGroups") {
        for resource in words("/resources") {
            let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
            for verb in words("/verbs") {
                rights.extend(names.iter().map(|name| Right {
                    verb: verb.to_owned(),
                    group: group.to_owned(),
                    resource: resource.to_owned(),
                    subresource: subresource.to_owned(),
                    namespace: namespace.map(str::to_owned),
                    name: name.map(str::to_owned),
                    is_given: true,
                }));
            }
        }
    }
    rights
}

pub fn check(rights: &[(Right, Option<bool>)]) -> Vec<Finding> {
    let check = Check::Permissions;
    let escalates = |has: &&(Right, Option<bool>)| has.0.escalates();
    let mut escalations = rights.iter().filter(escalates).peekable();
    let may_escalate =
        escalations.peek().is_some() && escalations.all(|(_, has)| *has == Some(true));
    let matters = |right: &Right| !(right.escalates() || right.is_given && may_escalate);
    let relevant = || rights.iter().filter(|(right, _)| matters(right));
    let missing: Vec<&Right> = relevant()
        .filter_map(|(right, has)| (*has == Some(false)).then_some(right))
        .collect();
    let (given, own): (Vec<&Right>, Vec<&Right>) =
        missing.into_iter().partition(|right| right.is_given);
    let mut findings = Vec::new();
    if !own.is_empty() {
        let message = format!("you may not {}", described(&own));
        let next = "ask an administrator of the Kubernetes cluster to install, or for these rights";
        findings.push(Finding::failed(check, message).next(next));
    }
    if !given.is_empty() {
        let message = format!(
            "you may not give the operator rights that you do not have: {}",
            described(&given)
        );
        let next = format!("ask for them, or for the verb escalate on roles.{RBAC}");
        findings.push(Finding::failed(check, message).next(next));
    }
    let unknown = relevant().filter(|(_, has)| has.is_none()).count();
    if unknown > 0 {
        let unknown = count(unknown, "right");
        let message = format!("whether you have {unknown} could not be read");
        findings.push(Finding::unknown(check, message));
    }
    if findings.is_empty() {
        let message = "you may create all objects of the installation";
        findings.push(Finding::passed(check, message));
    }
    findings
}

/// Rights as messages name them: `create and patch deployments.apps in namespace casskop`.
fn described(rights: &[&Right]) -> String {
    let mut verbs: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for right in rights {
        verbs.entry(right.objects()).or_default().push(&right.verb);
    }
    list(verbs.into_iter().map(|(objects, mut verbs)| {
        verbs.dedup();
        match verbs.split_last() {
            Some((last, others)) if !others.is_empty() => {
                format!("{} and {last} {objects}", others.join(", "))
            }
            _ => format!("{} {objects}", verbs.concat()),
        }
    }))
}
