//! The findings, each from one observation.

use casskop_common::api::condition;

use super::{
    conditions,
    finding::{Finding, Inputs},
    operations, operator,
};
use crate::model::control::request_ref;

/// All findings; one that makes the others meaningless comes first.
pub fn all(inputs: &Inputs) -> Vec<Finding> {
    let unobserved = operator::unobserved(inputs);
    let single = [
        operator::deleted(inputs),
        operator::not_running(inputs, !unobserved.is_empty()),
        operator::silent(inputs),
        operator::behind(inputs),
        operator::paused(inputs),
        conditions::spec_refused(inputs),
        conditions::condition(inputs, condition::DEGRADED, "True"),
        conditions::blocked(inputs),
        conditions::condition(inputs, condition::INTENTS_ACCEPTED, "False"),
    ];
    let mut reasons: Vec<Finding> = single.into_iter().flatten().collect();
    reasons.extend(unobserved);
    reasons.extend(conditions::progressing(inputs));
    reasons.extend(
        request_ref::current(inputs.cluster)
            .iter()
            .filter_map(|it| operations::operation(inputs, it)),
    );
    let backups = conditions::condition(inputs, condition::BACKUPS_CURRENT, "False");
    if reasons.is_empty() {
        reasons.extend(conditions::condition(inputs, condition::AVAILABLE, "False"));
    }
    reasons.extend(backups);
    reasons
}
