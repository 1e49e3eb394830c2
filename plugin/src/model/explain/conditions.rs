//! Findings from conditions.

use casskop_common::{
    api::{NodeStatus, OperationMode, condition},
    conditions::Reason as Word,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;

use super::finding::{Finding, Inputs, Severity, Step, held_up};
use crate::text::plain;

/// A condition with this status, as a finding.
pub fn condition(inputs: &Inputs, kind: &str, status: &str) -> Option<Finding> {
    let known = inputs.condition(kind, status)?;
    let message = plain(&known.message).into_owned();
    let mut reason = held_up(
        &plain(&known.reason),
        message,
        Some(known.last_transition_time.0),
    );
    reason.next = match kind {
        condition::INTENTS_ACCEPTED => vec![edit(
            inputs,
            "correct the annotation where it comes from, or take it away",
        )],
        condition::BACKUPS_CURRENT => backups(inputs, known),
        _ if known.reason == Word::NodesUnreachable.as_str() => vec![
            Step::command(format!(
                "kubectl get networkpolicies{}",
                inputs.connection_args
            )),
            Step::words(
                "let the pods of the operator connect to port 8778: allow it in the NetworkPolicies (manifests/samples/network-policy.yaml), or exclude the port from the service mesh",
            ),
        ],
        _ if known.reason == Word::CertificateExpiring.as_str() => vec![
            Step::words(
                "renew the certificate in the Secret that the message names, at its source: nodes take it over without a restart",
            ),
            inputs.see_operator(),
        ],
        _ => vec![
            inputs.command("logs", &unhealthy_pod(inputs)),
            inputs.command("events", ""),
        ],
    };
    Some(reason)
}

/// The way to a recent backup.
fn backups(inputs: &Inputs, known: &Condition) -> Vec<Step> {
    let of_reason = match Word::from_word(&known.reason) {
        Some(Word::Suspended) => edit(
            inputs,
            "resume the schedule, or remove it if its backups are not wanted",
        ),
        Some(Word::SlotMissed) => edit(
            inputs,
            "give the schedule a longer startingDeadlineSeconds, or another cron",
        ),
        _ => inputs.command("operations", "--history"),
    };
    vec![of_reason, inputs.command("backups", "")]
}

/// `--pod <pod>` of the first node with a fault, if there is one. A node that is ready comes last: its fault is often that
/// it does not see the others.
fn unhealthy_pod(inputs: &Inputs) -> String {
    let status = inputs.cluster.status.iter();
    let nodes = status.flat_map(|status| &status.cassandra_node_status);
    let joins = |node: &NodeStatus| node.state == OperationMode::Joining.as_str();
    let has_fault = |node: &NodeStatus| {
        node.message.is_some() || (node.state != OperationMode::Normal.as_str() && !joins(node))
    };
    let faulty = nodes.filter(|(_, node)| has_fault(node));
    let first = faulty.min_by_key(|(_, node)| (joins(node), node.ready));
    first
        .map(|(pod, _)| format!("--pod {}", plain(pod)))
        .unwrap_or_default()
}

/// Words about the command that edits the cluster.
fn edit(inputs: &Inputs, words: &str) -> Step {
    let (name, connection_args) = (inputs.cluster.name_any(), inputs.connection_args);
    Step::about(
        words,
        format!("kubectl edit cassandracluster {name}{connection_args}"),
    )
}

/// The spec is not carried out.
pub fn spec_refused(inputs: &Inputs) -> Option<Finding> {
    let mut reason = condition(inputs, condition::SPEC_ACCEPTED, "False")?;
    // Of a spec that takes away nodes which are needed the rest is carried out.
    if reason.word != Word::ReplicasRequired.as_str() {
        reason.message = format!(
            "the spec is refused, and the one before stays in force: {}",
            reason.message
        );
    }
    let words = "correct the spec at its source, or the fault that the message names";
    reason.next = vec![edit(inputs, words)];
    Some(reason)
}

/// The rollout is blocked.
pub fn blocked(inputs: &Inputs) -> Option<Finding> {
    let blocked = inputs.condition(condition::PROGRESSING, "True")?;
    if blocked.reason != Word::Blocked.as_str() {
        return None;
    }
    let mut reason = condition(inputs, condition::PROGRESSING, "True")?;
    let mut next = remedies(inputs);
    next.append(&mut reason.next);
    next.dedup();
    reason.next = next;
    Some(reason)
}

/// The rollout is in progress.
pub fn progressing(inputs: &Inputs) -> Option<Finding> {
    let known = inputs.condition(condition::PROGRESSING, "True")?;
    let other_findings = [
        Word::Blocked,
        Word::ReconcilePaused,
        Word::SpecRefused,
        Word::ApplyFailed,
    ];
    if other_findings
        .iter()
        .any(|word| known.reason == word.as_str())
    {
        return None;
    }
    let mut reason = condition(inputs, condition::PROGRESSING, "True")?;
    reason.severity = Severity::AtWork;
    reason.next = remedies(inputs);
    reason.next.push(inputs.command("status", "--watch"));
    Some(reason)
}

/// Remedies of the checks that a change of the spec waits for.
fn remedies(inputs: &Inputs) -> Vec<Step> {
    let status = inputs.cluster.status.iter();
    let checks = status.flat_map(|status| &status.blocked_by);
    checks.map(|check| inputs.remedy(check)).collect()
}
