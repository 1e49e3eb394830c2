//! What the operations wait for.

use casskop_common::{
    api::{OperationPhase, OperationStatus},
    intent::Intents,
};
use jiff::Timestamp;
use kube::ResourceExt;

use super::finding::{Finding, Inputs, Severity, held_up};
use crate::{model::control::request_ref::CurrentRequest, text::plain};

/// What an operation waits for, why it failed, or how far it is.
pub fn operation(inputs: &Inputs, current: &CurrentRequest) -> Option<Finding> {
    let operation = current.operation.as_ref()?;
    let CurrentRequest { kind, id, .. } = current;
    let since = since(operation);
    let message = format!("{kind} {id}: {}", plain(&operation.message));
    let failing = current.failing();
    let mut reason = held_up(&plain(&operation.reason), message, since);
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
            let evidence = operation
                .checks
                .iter()
                .filter(|check| failing.contains(&check.name.as_str()));
            let names: Vec<&str> = evidence.clone().map(|check| check.name.as_str()).collect();
            reason.next = vec![
                "put right what the checks name; it begins by itself then".into(),
                format!(
                    "or let them not count: {}",
                    inputs.command("waive", &format!("{kind} {}", names.join(" ")))
                ),
            ];
        }
        OperationPhase::Pending if operation.message.starts_with("paused before") => {
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
