//! What the operations wait for.

use casskop_common::{
    api::{OperationPhase, OperationStatus},
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
    let mut reason = held_up(&plain(&operation.reason), message, since);
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
            let evidence = operation
                .checks
                .iter()
                .filter(|check| failing.contains(&check.name.as_str()));
            let names: Vec<&str> = evidence.clone().map(|check| check.name.as_str()).collect();
            reason.next = vec![
                "put right what the checks name; it begins by itself then".into(),
                format!(
                    "or let them not count: {}",
                    look.command("waive", &format!("{kind} {}", names.join(" ")))
                ),
            ];
        }
        OperationPhase::Pending if operation.message.starts_with("paused before") => {
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
