//! What the conditions say.

use casskop_common::{
    api::{NodeStatus, OperationMode, condition},
    conditions::Reason as Word,
};
use kube::ResourceExt;

use super::{
    Reason, Weight,
    reasons::{Look, held_up},
};
use crate::text::plain;

/// A condition that says what is wrong.
pub fn condition(look: &Look, kind: &str, status: &str) -> Option<Reason> {
    let known = look.condition(kind, status)?;
    let message = plain(&known.message).into_owned();
    let mut reason = held_up(
        &plain(&known.reason),
        message,
        Some(known.last_transition_time.0),
    );
    reason.next = match kind {
        condition::INTENTS_ACCEPTED => vec![format!(
            "correct the annotation where it comes from, or take it away: kubectl edit cassandracluster {}{}",
            look.cluster.name_any(),
            look.again
        )],
        _ => vec![
            look.command("logs", &unhealthy_pod(look)),
            look.command("events", ""),
        ],
    };
    Some(reason)
}

/// `--pod <pod>` of the first node with a fault, if there is one.
fn unhealthy_pod(look: &Look) -> String {
    let status = look.cluster.status.iter();
    let mut nodes = status.flat_map(|status| &status.cassandra_node_status);
    let has_fault = |node: &NodeStatus| {
        let joins = node.state == OperationMode::Joining.as_str();
        node.message.is_some() || (node.state != OperationMode::Normal.as_str() && !joins)
    };
    let first = nodes.find(|(_, node)| has_fault(node));
    first
        .map(|(pod, _)| format!("--pod {}", plain(pod)))
        .unwrap_or_default()
}

/// The spec is not carried out.
pub fn spec_refused(look: &Look) -> Option<Reason> {
    let mut reason = condition(look, condition::SPEC_ACCEPTED, "False")?;
    // Of a spec that takes away nodes which are needed the rest is carried out.
    if reason.word != Word::ReplicasRequired.as_str() {
        reason.message = format!(
            "the spec is refused, and the one before stays in force: {}",
            reason.message
        );
    }
    reason.next = vec![format!(
        "correct the spec where it comes from, or put right what it names: kubectl edit cassandracluster {}{}",
        look.cluster.name_any(),
        look.again
    )];
    Some(reason)
}

/// The rollout cannot go on.
pub fn blocked(look: &Look) -> Option<Reason> {
    let blocked = look.condition(condition::PROGRESSING, "True")?;
    if blocked.reason != Word::Blocked.as_str() {
        return None;
    }
    let mut reason = condition(look, condition::PROGRESSING, "True")?;
    let status = look.cluster.status.iter();
    let checks = status.flat_map(|status| &status.blocked_by);
    let mut next: Vec<String> = checks.map(|check| look.remedy(check)).collect();
    next.append(&mut reason.next);
    next.dedup();
    reason.next = next;
    Some(reason)
}

/// The rollout goes on.
pub fn progressing(look: &Look) -> Option<Reason> {
    let known = look.condition(condition::PROGRESSING, "True")?;
    let told_elsewhere = [
        Word::Blocked,
        Word::ReconcilePaused,
        Word::SpecRefused,
        Word::ApplyFailed,
    ];
    if told_elsewhere
        .iter()
        .any(|word| known.reason == word.as_str())
    {
        return None;
    }
    let mut reason = condition(look, condition::PROGRESSING, "True")?;
    reason.weight = Weight::AtWork;
    reason.next = vec![look.command("status", "--watch")];
    Some(reason)
}
