//! The reasons, each from one thing that can be seen.

use casskop_common::{
    api::{CassandraCluster, Check, condition},
    checks::Remedy,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;

use super::{Operator, Reason, Weight, conditions, operations, operator};
use crate::{cli::PROGRAM, control::subject, objects::OPERATOR_SELECTOR, text::plain};

/// What is looked at.
pub struct Look<'a> {
    /// The cluster.
    pub cluster: &'a CassandraCluster,
    /// What is known about the operator.
    pub operator: &'a Operator,
    /// The connection flags, for printed commands.
    pub again: &'a str,
    /// The current time.
    pub now: Timestamp,
}

/// All of them, what makes the others meaningless first.
pub fn all(look: &Look) -> Vec<Reason> {
    let unseen = operator::unseen(look);
    let single = [
        operator::deleted(look),
        operator::not_running(look, !unseen.is_empty()),
        operator::silent(look),
        operator::behind(look),
        operator::paused(look),
        conditions::spec_refused(look),
        conditions::condition(look, condition::DEGRADED, "True"),
        conditions::blocked(look),
        conditions::condition(look, condition::INTENTS_ACCEPTED, "False"),
    ];
    let mut reasons: Vec<Reason> = single.into_iter().flatten().collect();
    reasons.extend(unseen);
    reasons.extend(conditions::progressing(look));
    reasons.extend(
        subject::current(look.cluster)
            .iter()
            .filter_map(|it| operations::operation(look, it)),
    );
    if reasons.is_empty() {
        reasons.extend(conditions::condition(look, condition::AVAILABLE, "False"));
    }
    reasons
}

impl Look<'_> {
    /// A command about this cluster.
    pub fn command(&self, verb: &str, rest: &str) -> String {
        let name = self.cluster.name_any();
        let rest = if rest.is_empty() {
            String::new()
        } else {
            format!(" {rest}")
        };
        format!("{PROGRAM} {verb} {name}{rest}{}", self.again)
    }

    /// What satisfies a check: a command, or words.
    pub fn remedy(&self, check: &Check) -> String {
        match check.kind().remedy(&check.pods) {
            Remedy::Command { verb, flags } => self.command(verb, &plain(&flags)),
            Remedy::Words(words) => words.to_owned(),
        }
    }

    pub fn condition(&self, kind: &str, status: &str) -> Option<&Condition> {
        let conditions = &self.cluster.status.as_ref()?.conditions;
        conditions
            .iter()
            .find(|known| known.type_ == kind && known.status == status)
    }

    /// What the operator says; or where it is, if it is not in this namespace.
    pub fn see_operator(&self) -> String {
        match self.operator {
            Operator::Pods { all: 0, .. } => {
                format!("kubectl get pods{} -A -l {OPERATOR_SELECTOR}", self.again)
            }
            _ => self.command("logs", "--operator"),
        }
    }
}

/// A reason that holds the cluster up.
pub fn held_up(word: &str, message: String, since: Option<Timestamp>) -> Reason {
    Reason {
        weight: Weight::HeldUp,
        word: word.to_owned(),
        message,
        since,
        next: Vec::new(),
    }
}
