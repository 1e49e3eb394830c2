//! Why a cluster does not progress: every finding that holds it up, the first reason first. Pure.

mod conditions;
pub mod finding;
mod operations;
mod operator;
mod reasons;

use casskop_common::api::CassandraCluster;
use jiff::Timestamp;

pub use finding::{Finding, Operator, Severity};

/// All reasons; those that hold the cluster up come first.
pub fn explain(
    cluster: &CassandraCluster,
    operator: &Operator,
    connection_args: &str,
    now: Timestamp,
) -> Vec<Finding> {
    let mut reasons = reasons::all(&finding::Inputs {
        cluster,
        operator,
        connection_args,
        now,
    });
    reasons.sort_by_key(|reason| reason.severity == Severity::AtWork);
    reasons
}
