//! Events: one at each transition, none while nothing changes.

use casskop_common::{
    api::{CassandraClusterStatus, OperationPhase, condition},
    conditions::Reason,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::events::{Event, EventType};

use casskop_core::{digest::digest, plan::Plan, scheduler::Change};

/// Longest note that the API takes.
const MAX_NOTE: usize = 1000;

/// What is worth an event between the old status and the plan's.
pub fn events(old: &CassandraClusterStatus, plan: &Plan) -> Vec<Event> {
    let of_conditions = plan.status.conditions.iter().filter_map(|new| {
        let old = old.conditions.iter().find(|old| old.type_ == new.type_);
        condition_event(old, new)
    });
    of_conditions
        .chain(plan.operations.iter().filter_map(operation_event))
        .collect()
}

/// What is worth an event between two states of a condition.
pub fn condition_event(old: Option<&Condition>, new: &Condition) -> Option<Event> {
    // kstatus's conditions repeat in other words what ours say.
    if matches!(
        new.type_.as_str(),
        condition::READY | condition::RECONCILING | condition::STALLED
    ) {
        return None;
    }
    let is = |reason: Reason| new.reason == reason.as_str();
    let good_news = matches!(
        new.type_.as_str(),
        condition::DEGRADED | condition::PROGRESSING
    ) == (new.status == "False");
    let same = old.is_some_and(|old| old.status == new.status && old.reason == new.reason);
    // What is refused or misunderstood may change while it stays refused: each version of it is told.
    let same_text = old.is_some_and(|old| old.message == new.message);
    let about_input = matches!(
        new.type_.as_str(),
        condition::SPEC_ACCEPTED | condition::INTENTS_ACCEPTED
    );
    if same && (same_text || !about_input) {
        return None;
    }
    // The first look at a cluster finds that all is accepted and nothing is in trouble: no news.
    if old.is_none() && good_news && !is(Reason::AcceptedWithWarnings) {
        return None;
    }
    let progressing = new.type_ == condition::PROGRESSING;
    let forming = new.type_ == condition::AVAILABLE && is(Reason::Forming);
    let warns = (!good_news && !progressing && !forming)
        || is(Reason::AcceptedWithWarnings)
        || (progressing && (is(Reason::Blocked) || is(Reason::ReconcilePaused)));
    let reason = match (new.type_.as_str(), new.status.as_str()) {
        (condition::PROGRESSING, "True")
            if is(Reason::Blocked)
                || is(Reason::ReconcilePaused)
                || is(Reason::SpecRefused)
                || is(Reason::ApplyFailed) =>
        {
            format!("Progressing{}", new.reason)
        }
        (condition::PROGRESSING, "True") => new.reason.clone(),
        (condition::PROGRESSING, _) => format!("Progressing{}", new.reason),
        (condition::SPEC_ACCEPTED, "False") => "SpecRefused".into(),
        (condition::INTENTS_ACCEPTED, "False") => "IntentInvalid".into(),
        (condition::DEGRADED, "False") => "Recovered".into(),
        (kind, "True") => kind.to_owned(),
        (kind, _) => format!("Not{kind}"),
    };
    // The recorder folds events of the same action into one with the first one's note.
    let action = format!("{} {}", new.type_, digest(&new.message));
    Some(event(warns, reason, &action, &new.message))
}

fn operation_event(change: &Change) -> Option<Event> {
    let after = &change.after;
    let before = change
        .before
        .as_ref()
        .filter(|before| before.id == after.id);
    if before.is_some_and(|before| before.phase == after.phase) {
        return None;
    }
    let warns = matches!(
        after.phase,
        OperationPhase::Failed | OperationPhase::Refused
    );
    let reason = format!("Operation{}", after.phase.as_str());
    let action = format!("{} {}", after.kind, after.id);
    Some(event(
        warns,
        reason,
        &action,
        &format!("{} {}: {}", after.kind, after.id, after.message),
    ))
}

fn event(warns: bool, reason: String, action: &str, note: &str) -> Event {
    Event {
        type_: if warns {
            EventType::Warning
        } else {
            EventType::Normal
        },
        reason,
        note: Some(note.chars().take(MAX_NOTE).collect()),
        action: action.to_owned(),
        secondary: None,
    }
}
