//! What the conditions say.

use casskop_common::api::condition;
use kube::ResourceExt;

use super::finding::{Finding, Inputs, Severity, held_up};
use crate::text::plain;

/// A condition that says what is wrong.
pub fn condition(inputs: &Inputs, kind: &str, status: &str) -> Option<Finding> {
    let known = inputs.condition(kind, status)?;
    let message = plain(&known.message).into_owned();
    let mut reason = held_up(
        &plain(&known.reason),
        message,
        Some(known.last_transition_time.0),
    );
    reason.next = match kind {
        condition::INTENTS_ACCEPTED => vec![format!(
            "correct the annotation where it comes from, or take it away: kubectl edit cassandracluster {}{}",
            inputs.cluster.name_any(),
            inputs.connection_args
        )],
        _ => vec![
            inputs.command("logs", &pod_in(inputs, &known.message)),
            inputs.command("events", ""),
        ],
    };
    Some(reason)
}

/// `--pod <pod>`, if a message is about one.
fn pod_in(inputs: &Inputs, message: &str) -> String {
    let status = inputs.cluster.status.as_ref();
    let mut pods = status
        .into_iter()
        .flat_map(|status| status.cassandra_node_status.keys());
    let named = pods.find(|pod| message.contains(pod.as_str()));
    named.map(|pod| format!("--pod {pod}")).unwrap_or_default()
}

/// The spec is not carried out.
pub fn spec_refused(inputs: &Inputs) -> Option<Finding> {
    let mut reason = condition(inputs, condition::SPEC_ACCEPTED, "False")?;
    reason.message = format!(
        "the spec is refused, and the one before stays in force: {}",
        reason.message
    );
    reason.next = vec![format!(
        "correct the spec where it comes from, or put right what it names: kubectl edit cassandracluster {}{}",
        inputs.cluster.name_any(),
        inputs.connection_args
    )];
    Some(reason)
}

/// The rollout cannot go on.
pub fn blocked(inputs: &Inputs) -> Option<Finding> {
    let blocked = inputs.condition(condition::PROGRESSING, "False")?;
    if blocked.reason != "Blocked" {
        return None;
    }
    condition(inputs, condition::PROGRESSING, "False")
}

/// The rollout goes on.
pub fn progressing(inputs: &Inputs) -> Option<Finding> {
    inputs.condition(condition::PROGRESSING, "True")?;
    let mut reason = condition(inputs, condition::PROGRESSING, "True")?;
    reason.severity = Severity::AtWork;
    reason.next = vec![inputs.command("status", "--watch")];
    Some(reason)
}
