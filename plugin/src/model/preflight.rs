//! Whether an installation of the operator fits a Kubernetes cluster: what is read of the cluster is judged before anything
//! is written. Pure.

mod classes;
mod crds;
mod namespaces;
mod operators;
mod permissions;
mod quotas;
mod version;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::install::Watch;
pub use operators::LOCK;
pub use permissions::Right;

/// A question about the Kubernetes cluster.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// Whether the API server has the APIs that the operator uses.
    KubernetesVersion,
    /// Whether the user may create the objects of the installation.
    Permissions,
    /// Whether the namespaces exist, and which pods their Pod Security levels admit.
    Namespaces,
    /// Whether the CRDs that exist are those of this version.
    CustomResourceDefinitions,
    /// Whether another operator manages the same clusters.
    OtherOperators,
    /// Whether a quota has room for the pod of the operator.
    Quotas,
    /// Whether a node of a cluster gets a volume, and a larger one later.
    StorageClasses,
}

/// The answer to a question.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Nothing is in the way.
    Passed,
    /// It works, with a limit that the message names.
    Warning,
    /// The user may not read what the answer depends on.
    Unknown,
    /// The installation fails, or harms clusters.
    Failed,
}

/// One result.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The question.
    pub check: Check,
    /// The answer.
    pub outcome: Outcome,
    /// The finding in words.
    pub message: String,
    /// The next step of the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Finding {
    fn new(check: Check, outcome: Outcome, message: impl Into<String>) -> Self {
        Self {
            check,
            outcome,
            message: message.into(),
            next: None,
        }
    }

    fn passed(check: Check, message: impl Into<String>) -> Self {
        Self::new(check, Outcome::Passed, message)
    }

    fn warning(check: Check, message: impl Into<String>) -> Self {
        Self::new(check, Outcome::Warning, message)
    }

    fn unknown(check: Check, message: impl Into<String>) -> Self {
        Self::new(check, Outcome::Unknown, message)
    }

    fn failed(check: Check, message: impl Into<String>) -> Self {
        Self::new(check, Outcome::Failed, message)
    }

    fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}

/// A read of one object.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Lookup {
    /// The object.
    Found(Value),
    /// There is none.
    Absent,
    /// It could not be read.
    #[default]
    Unknown,
}

/// The planned installation.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Namespace of the operator.
    pub namespace: String,
    /// The namespaces whose clusters it manages.
    pub watch: Watch,
    /// The objects of the installation.
    pub objects: Vec<Value>,
}

impl Plan {
    /// The namespaces that the objects are in.
    pub fn namespaces(&self) -> Vec<&str> {
        let mut namespaces = vec![self.namespace.as_str()];
        if let Watch::One(other) = &self.watch {
            namespaces.push(other);
        }
        namespaces
    }

    /// The names of its CRDs.
    pub fn crds(&self) -> impl Iterator<Item = &str> {
        let crds = self
            .objects
            .iter()
            .filter(|object| text(object, "/kind") == crds::KIND);
        crds.map(|crd| text(crd, "/metadata/name"))
    }
}

/// Facts about the Kubernetes cluster, as they were read. A list that could not be read is none.
#[derive(Debug, Default)]
pub struct Facts {
    /// Version of the API server.
    pub version: String,
    /// The namespaces of the plan, by name.
    pub namespaces: BTreeMap<String, Lookup>,
    /// The CRDs of the plan, by name.
    pub crds: BTreeMap<String, Lookup>,
    /// The rights that the plan needs, and whether the user has each.
    pub rights: Vec<(Right, Option<bool>)>,
    /// Deployments of operators in all namespaces.
    pub operators: Option<Vec<Value>>,
    /// The lock of the Go `CassKop` in each namespace of the plan.
    pub locks: BTreeMap<String, Lookup>,
    /// The quotas of the operator's namespace.
    pub quotas: Option<Vec<Value>>,
    /// The storage classes.
    pub classes: Option<Vec<Value>>,
}

/// All findings, in the order of the checks.
pub fn findings(plan: &Plan, facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![version::check(&facts.version)];
    findings.extend(permissions::check(&facts.rights));
    findings.extend(namespaces::check(plan, &facts.namespaces));
    findings.extend(crds::check(plan, &facts.crds));
    findings.extend(operators::check(plan, facts));
    findings.extend(quotas::check(plan, facts.quotas.as_deref()));
    findings.extend(classes::check(facts.classes.as_deref()));
    findings
}

/// The rights that a plan needs.
pub fn rights(plan: &Plan) -> Vec<Right> {
    permissions::needed(&plan.objects)
}

/// A part of an object that is text; empty if it is none.
fn text<'a>(object: &'a Value, path: &str) -> &'a str {
    object
        .pointer(path)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// A part of an object that is a list; empty if it is none.
fn items<'a>(object: &'a Value, path: &str) -> &'a [Value] {
    let items = object.pointer(path).and_then(Value::as_array);
    items.map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests;
