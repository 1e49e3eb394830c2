//! Why a cluster does not progress: everything that holds it up, the first reason first. Pure.

mod conditions;
mod operations;
mod operator;
mod reasons;

use casskop_common::api::CassandraCluster;
use jiff::Timestamp;
use serde::Serialize;

/// What is known about the operator itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operator {
    /// It could not be looked for.
    Unknown,
    /// Its pods in the namespace of the cluster, and how many of them are ready.
    Pods {
        /// All of them.
        all: usize,
        /// Those that are ready.
        ready: usize,
    },
}

/// How much a reason weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Weight {
    /// Nothing goes on until somebody does something, or something outside changes.
    HeldUp,
    /// It goes on, and this is what it waits for.
    AtWork,
}

/// One reason why a cluster is not (yet) as asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    /// Whether it holds the cluster up.
    pub weight: Weight,
    /// One word for machines.
    #[serde(rename = "reason")]
    pub word: String,
    /// A sentence for people.
    pub message: String,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// What would change it, as commands or in words; the likeliest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<String>,
}

/// All reasons; those that hold the cluster up come first.
pub fn explain(
    cluster: &CassandraCluster,
    operator: &Operator,
    again: &str,
    now: Timestamp,
) -> Vec<Reason> {
    let mut reasons = reasons::all(&reasons::Look {
        cluster,
        operator,
        again,
        now,
    });
    reasons.sort_by_key(|reason| reason.weight == Weight::AtWork);
    reasons
}
