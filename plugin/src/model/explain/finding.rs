//! One reason why a cluster does not progress, and the inputs that reasons are found in.

use std::fmt;

use casskop_common::{
    api::{CassandraCluster, Check},
    checks::Remedy,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use serde::{Serialize, Serializer};

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
    pub next: Vec<Step>,
}

/// A next step: words, a command, or words and the command that they are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Words for people; empty if the command says it all.
    pub words: String,
    /// A command; empty if there is none.
    pub command: String,
}

impl Step {
    /// A command that says it all.
    pub fn command(command: String) -> Self {
        Self {
            words: String::new(),
            command,
        }
    }

    /// Words without a command.
    pub fn words(words: impl Into<String>) -> Self {
        Self {
            words: words.into(),
            command: String::new(),
        }
    }

    /// Words about a command.
    pub fn about(words: impl Into<String>, command: String) -> Self {
        Self {
            words: words.into(),
            command,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&*self.words, &*self.command) {
            ("", command) => text.write_str(command),
            (words, "") => text.write_str(words),
            (words, command) => write!(text, "{words}: {command}"),
        }
    }
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
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
    pub fn command(&self, verb: &str, rest: &str) -> Step {
        Step::command(self.line(verb, rest))
    }

    /// The same as text.
    pub fn line(&self, verb: &str, rest: &str) -> String {
        let name = self.cluster.name_any();
        let rest = if rest.is_empty() {
            String::new()
        } else {
            format!(" {rest}")
        };
        format!("{PROGRAM} {verb} {name}{rest}{}", self.connection_args)
    }

    /// The remedy of a check: a command, or words.
    pub fn remedy(&self, check: &Check) -> Step {
        match check.kind().remedy(&check.pods) {
            Remedy::Command { verb, flags } => self.command(verb, &plain(&flags)),
            Remedy::Words(words) => Step::words(words),
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
    pub fn see_operator(&self) -> Step {
        match self.operator {
            Operator::Pods { all: 0, .. } => Step::command(format!(
                "kubectl get pods{} -A -l {OPERATOR_SELECTOR}",
                self.connection_args
            )),
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
