//! Findings from operations.

use casskop_common::{
    api::{Check, OperationPhase, OperationReason, OperationStatus},
    intent::Intents,
};
use jiff::Timestamp;
use kube::ResourceExt;

use super::finding::{Finding, Inputs, Severity, Step, held_up};
use crate::{model::control::request_ref::CurrentRequest, text::plain};

/// The state of an operation: its blocking checks, its failure or its progress.
pub fn operation(inputs: &Inputs, current: &CurrentRequest) -> Option<Finding> {
    let operation = current.operation.as_ref()?;
    let CurrentRequest { kind, id, .. } = current;
    let since = since(operation);
    let message = format!("{kind} {id}: {}", plain(&operation.message));
    let failing = current.failing();
    let word = operation.reason.as_ref().map(OperationReason::as_str);
    let mut reason = held_up(&plain(word.unwrap_or_default()), message, since);
    match operation.phase {
        OperationPhase::Failed => {
            reason.message = format!("{kind} {id} failed: {}", plain(&operation.message));
            reason.next = vec![
                inputs.command("operations", ""),
                inputs.command("retry", kind),
            ];
        }
        OperationPhase::Paused
            if !Intents::parse(inputs.cluster.annotations()).reconcile_paused =>
        {
            reason.next = vec![inputs.command("resume", kind)];
        }
        _ if !current.is_unfinished() => return None,
        _ if !failing.is_empty() => {
            let checks: Vec<&Check> = operation
                .checks
                .iter()
                .filter(|check| failing.contains(&check.name.as_str()))
                .collect();
            let names: Vec<&str> = checks.iter().map(|check| check.name.as_str()).collect();
            reason.next = checks.iter().map(|check| inputs.remedy(check)).collect();
            reason.next.dedup();
            reason.next.push(Step::about(
                format!("{kind} {id} starts by itself when the checks pass; to start it in spite of them"),
                inputs.line("waive", &format!("{kind} {}", names.join(" "))),
            ));
        }
        OperationPhase::Pending if operation.reason == Some(OperationReason::PausedBeforeStart) => {
            reason.next = vec![inputs.command("resume", kind)];
        }
        _ => {
            reason.severity = Severity::AtWork;
            reason.next = vec![inputs.command("wait", kind)];
        }
    }
    Some(reason)
}

fn since(operation: &OperationStatus) -> Option<Timestamp> {
    let times = [
        &operation.finished_at,
        &operation.started_at,
        &operation.requested_at,
    ];
    times.into_iter().flatten().next().map(|time| time.0)
}
