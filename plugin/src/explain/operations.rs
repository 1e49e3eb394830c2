//! What the operations wait for.

use casskop_common::{
    api::{Check, OperationPhase, OperationReason, OperationStatus},
    intent::Intents,
};
use jiff::Timestamp;
use kube::ResourceExt;

use super::{
    Reason, Weight,
    reasons::{Look, held_up},
};
use crate::{control::subject::Subject, text::plain};

/// What an operation waits for, why it failed, or how far it is.
pub fn operation(look: &Look, subject: &Subject) -> Option<Reason> {
    let operation = subject.operation.as_ref()?;
    let Subject { kind, id, .. } = subject;
    let since = since(operation);
    let message = format!("{kind} {id}: {}", plain(&operation.message));
    let failing = subject.failing();
    let word = operation.reason.as_ref().map(OperationReason::as_str);
    let mut reason = held_up(&plain(word.unwrap_or_default()), message, since);
    match operation.phase {
        OperationPhase::Failed => {
            reason.message = format!("{kind} {id} failed: {}", plain(&operation.message));
            reason.next = vec![look.command("operations", ""), look.command("retry", kind)];
        }
        OperationPhase::Paused if !Intents::parse(look.cluster.annotations()).reconcile_paused => {
            reason.next = vec![look.command("resume", kind)];
        }
        _ if !subject.is_unfinished() => return None,
        _ if !failing.is_empty() => {
            let checks: Vec<&Check> = operation
                .checks
                .iter()
                .filter(|check| failing.contains(&check.name.as_str()))
                .collect();
            let names: Vec<&str> = checks.iter().map(|check| check.name.as_str()).collect();
            reason.next = checks.iter().map(|check| look.remedy(check)).collect();
            reason.next.dedup();
            reason.next.push(format!(
                "{kind} {id} starts by itself when the checks pass; to start it in spite of them: {}",
                look.command("waive", &format!("{kind} {}", names.join(" ")))
            ));
        }
        OperationPhase::Pending if operation.reason == Some(OperationReason::PausedBeforeStart) => {
            reason.next = vec![look.command("resume", kind)];
        }
        _ => {
            reason.weight = Weight::AtWork;
            reason.next = vec![look.command("wait", kind)];
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
