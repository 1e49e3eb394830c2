//! One reason why a cluster does not progress, and the inputs that reasons are found in.

use casskop_common::{
    api::{CassandraCluster, Check},
    checks::Remedy,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use serde::Serialize;

use crate::{
    model::install::OPERATOR_SELECTOR,
    text::{PROGRAM, plain},
};

/// The pods of the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operator {
    /// The pods could not be listed.
    Unknown,
    /// Pods in the namespace of the cluster.
    Pods {
        /// All of them.
        all: usize,
        /// Those that are ready.
        ready: usize,
    },
}

/// Whether a finding stops the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Severity {
    /// The cluster does not progress without a change from outside.
    HeldUp,
    /// The cluster progresses, and waits for this.
    AtWork,
}

/// One reason why the state of a cluster differs from its spec and requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Whether the finding stops the cluster.
    #[serde(rename = "weight")]
    pub severity: Severity,
    /// A word for programs.
    #[serde(rename = "reason")]
    pub word: String,
    /// A sentence for people.
    pub message: String,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Next steps as commands or in words, the most likely first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<String>,
}

/// The inputs of every finding.
pub struct Inputs<'a> {
    /// The cluster.
    pub cluster: &'a CassandraCluster,
    /// The pods of the operator.
    pub operator: &'a Operator,
    /// The connection flags, for printed commands.
    pub connection_args: &'a str,
    /// The current time.
    pub now: Timestamp,
}

impl Inputs<'_> {
    /// A command about this cluster.
    pub fn command(&self, verb: &str, rest: &str) -> String {
        let name = self.cluster.name_any();
        let rest = if rest.is_empty() {
            String::new()
        } else {
            format!(" {rest}")
        };
        format!("{PROGRAM} {verb} {name}{rest}{}", self.connection_args)
    }

    /// The remedy of a check: a command, or words.
    pub fn remedy(&self, check: &Check) -> String {
        match check.kind().remedy(&check.pods) {
            Remedy::Command { verb, flags } => self.command(verb, &plain(&flags)),
            Remedy::Words(words) => words.to_owned(),
        }
    }

    /// A condition of this type, if it has this status.
    pub fn condition(&self, kind: &str, status: &str) -> Option<&Condition> {
        let conditions = &self.cluster.status.as_ref()?.conditions;
        conditions
            .iter()
            .find(|known| known.type_ == kind && known.status == status)
    }

    /// The command that shows the operator's log, or its namespace if it is not in this one.
    pub fn see_operator(&self) -> String {
        match self.operator {
            Operator::Pods { all: 0, .. } => {
                format!(
                    "kubectl get pods{} -A -l {OPERATOR_SELECTOR}",
                    self.connection_args
                )
            }
            _ => self.command("logs", "--operator"),
        }
    }
}

/// A reason that holds the cluster up.
pub fn held_up(word: &str, message: String, since: Option<Timestamp>) -> Finding {
    Finding {
        severity: Severity::HeldUp,
        word: word.to_owned(),
        message,
        since,
        next: Vec::new(),
    }
}
