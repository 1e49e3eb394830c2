//! What the conditions say.

use casskop_common::api::condition;
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
            look.command("logs", &pod_in(look, &known.message)),
            look.command("events", ""),
        ],
    };
    Some(reason)
}

/// `--pod <pod>`, if a message is about one.
fn pod_in(look: &Look, message: &str) -> String {
    let status = look.cluster.status.as_ref();
    let mut pods = status
        .into_iter()
        .flat_map(|status| status.cassandra_node_status.keys());
    let named = pods.find(|pod| message.contains(pod.as_str()));
    named.map(|pod| format!("--pod {pod}")).unwrap_or_default()
}

/// The spec is not carried out.
pub fn spec_refused(look: &Look) -> Option<Reason> {
    let mut reason = condition(look, condition::SPEC_ACCEPTED, "False")?;
    reason.message = format!(
        "the spec is refused, and the one before stays in force: {}",
        reason.message
    );
    reason.next = vec![format!(
        "correct the spec where it comes from, or put right what it names: kubectl edit cassandracluster {}{}",
        look.cluster.name_any(),
        look.again
    )];
    Some(reason)
}

/// The rollout cannot go on.
pub fn blocked(look: &Look) -> Option<Reason> {
    let blocked = look.condition(condition::PROGRESSING, "False")?;
    if blocked.reason != "Blocked" {
        return None;
    }
    condition(look, condition::PROGRESSING, "False")
}

/// The rollout goes on.
pub fn progressing(look: &Look) -> Option<Reason> {
    look.condition(condition::PROGRESSING, "True")?;
    let mut reason = condition(look, condition::PROGRESSING, "True")?;
    reason.weight = Weight::AtWork;
    reason.next = vec![look.command("status", "--watch")];
    Some(reason)
}
