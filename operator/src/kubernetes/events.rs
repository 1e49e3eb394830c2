//! Events: one for each transition, none while nothing changes.

use casskop_common::{
    api::{CassandraClusterStatus, OperationPhase, condition},
    conditions::Reason,
    names,
    readable::Unreadable,
};
use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::Condition};
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};

use casskop_core::{digest::digest, plan::Plan, scheduler::Change, status::size::Omitted};

/// Longest note that the API accepts.
const MAX_NOTE: usize = 1000;

/// The events for the transitions between the old status and the status of the plan.
pub fn events(old: &CassandraClusterStatus, plan: &Plan) -> Vec<Event> {
    let of_conditions = plan.status.conditions.iter().filter_map(|new| {
        let old = old.conditions.iter().find(|old| old.type_ == new.type_);
        condition_event(old, new)
    });
    of_conditions
        .chain(plan.operations.iter().filter_map(operation_event))
        .collect()
}

/// The event for the transition between two states of a condition, if there is one.
pub fn condition_event(old: Option<&Condition>, new: &Condition) -> Option<Event> {
    // The conditions of kstatus repeat the operator's conditions.
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
    // The message of a rejected or misunderstood input may change while the status of the condition does not: each
    // version is published.
    let same_text = old.is_some_and(|old| old.message == new.message);
    let about_input = matches!(
        new.type_.as_str(),
        condition::SPEC_ACCEPTED | condition::INTENTS_ACCEPTED
    );
    if same && (same_text || !about_input) {
        return None;
    }
    // A first observation that all is accepted and healthy is no transition.
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
    // The recorder merges events of the same action under the note of the first one.
    let action = format!("{} {}", new.type_, digest(&new.message));
    Some(event(warns, reason, &action, &new.message))
}

/// The event for the parts that were left out of a status for its size.
pub fn omission(omitted: &Omitted) -> Option<Event> {
    let note = omitted.to_string();
    let action = format!("status {}", digest(&note));
    (!omitted.is_empty()).then(|| event(false, "StatusShortened".into(), &action, &note))
}

/// The event for a resource that the operator cannot read.
pub fn unreadable(unreadable: &Unreadable) -> Event {
    let note = format!(
        "the operator cannot read this resource and does not reconcile it: {unreadable}; correct the resource, or \
         apply the CRDs of this version of the operator"
    );
    let action = format!("read {}", digest(&note));
    event(true, "Unreadable".into(), &action, &note)
}

/// The event for the volumes of a deleted cluster that stay, although `deletePVC` is set.
pub fn volumes_kept(cluster: &str) -> Event {
    let note = format!(
        "the volumes stay although deletePVC is set: nothing proves that the deletion does not orphan; to delete them: \
         kubectl delete pvc -l {}",
        names::cluster_selector(cluster)
    );
    event(true, "VolumesKept".into(), "delete", &note)
}

/// The event for the volumes of a deleted cluster that stay, because its deletion orphans them.
pub fn volumes_orphaned(cluster: &str) -> Event {
    let note = format!(
        "the volumes stay although deletePVC is set: the deletion orphans them, as with --cascade=orphan; to delete them \
         later: kubectl delete pvc -l {}",
        names::cluster_selector(cluster)
    );
    event(false, "VolumesKept".into(), "orphan", &note)
}

/// The event for volumes of a cluster that is being deleted whose owners cannot be changed.
pub fn owners_not_changed(error: &str) -> Event {
    let note = format!(
        "the owners of a volume, or of its superuser, do not match deletePVC, and the deletion may end with the wrong ones: {error}"
    );
    event(true, Reason::VolumeOwners.as_str().into(), "delete", &note)
}

/// Publishes an event about an object. A failure is logged: an event is no state.
pub async fn publish(client: &Client, reporter: &Reporter, event: &Event, about: &ObjectReference) {
    // A long-lived recorder would count this event as a repetition of an earlier event with the same reason, even with
    // a different message.
    let recorder = Recorder::new(client.clone(), reporter.clone());
    if let Err(error) = recorder.publish(event, about).await {
        tracing::warn!(name = about.name, namespace = about.namespace, %error, "an event was not published");
    }
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

/// An event; a long note is cut.
pub fn event(warns: bool, reason: String, action: &str, note: &str) -> Event {
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
