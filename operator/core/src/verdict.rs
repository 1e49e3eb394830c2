//! A condition before it has its times.

use std::collections::BTreeMap;

use casskop_common::{
    api::{IntentError, condition},
    conditions::Reason,
    intent::{Invalid, MAX_INVALID, is_known},
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// Annotations that cannot be carried out and are named in the message of the condition.
const LISTED: usize = 20;

/// The annotations that cannot be carried out, each once, as they stand in the status. Those with a known key come
/// first, and there are fewer of them than the limit: no request misses its error.
pub fn intent_errors<'a>(invalid: impl Iterator<Item = &'a Invalid>) -> Vec<IntentError> {
    let mut errors: BTreeMap<(bool, &str), &str> = BTreeMap::new();
    for Invalid {
        annotation,
        message,
    } in invalid
    {
        errors
            .entry((!is_known(annotation), annotation))
            .or_insert(message);
    }
    let errors = errors.into_iter().take(MAX_INVALID);
    errors
        .map(|((_, annotation), message)| IntentError {
            annotation: annotation.to_owned(),
            message: message.to_owned(),
        })
        .collect()
}

/// The conditions that kstatus reads, from ours. `needs_a_person` is whether nothing changes until a person acts.
pub fn standard(verdicts: &[Verdict], needs_a_person: Option<(Reason, String)>) -> Vec<Verdict> {
    let is = |kind: &str, holds: bool| {
        let mut verdicts = verdicts.iter();
        verdicts.find(|verdict| verdict.kind == kind && verdict.holds == Some(holds))
    };
    let verdict = |kind: &'static str, holds: bool, reason: Reason, message: &str| Verdict {
        kind,
        holds: Some(holds),
        reason,
        message: message.to_owned(),
    };
    let refused = is(condition::SPEC_ACCEPTED, false);
    let progressing = is(condition::PROGRESSING, true);
    let unavailable = verdicts
        .iter()
        .find(|verdict| verdict.kind == condition::AVAILABLE && verdict.holds != Some(true));
    let mut standard = vec![match refused.or(progressing).or(unavailable) {
        Some(why) => verdict(condition::READY, false, why.reason, &why.message),
        None => verdict(
            condition::READY,
            true,
            Reason::UpToDate,
            "available, and matches the spec",
        ),
    }];
    let stalled = refused.map(|refused| (refused.reason, refused.message.clone()));
    match (stalled.or(needs_a_person), progressing) {
        (Some((reason, message)), _) => {
            standard.push(verdict(condition::STALLED, true, reason, &message));
        }
        (None, Some(why)) => {
            standard.push(verdict(
                condition::RECONCILING,
                true,
                why.reason,
                &why.message,
            ));
        }
        (None, None) => {}
    }
    standard
}

/// Whether something holds, why, and in words.
pub struct Verdict {
    /// Type of the condition.
    pub kind: &'static str,
    /// Whether it holds; nothing where that is unknown.
    pub holds: Option<bool>,
    /// One word for machines.
    pub reason: Reason,
    /// A sentence for people.
    pub message: String,
}

impl Verdict {
    /// Whether every operation annotation is understood. `more` is the number of those that are only counted.
    pub fn of_intents<'a>(invalid: impl Iterator<Item = &'a Invalid>, more: usize) -> Self {
        let messages: Vec<String> = invalid
            .map(|invalid| format!("{}: {}", invalid.annotation, invalid.message))
            .collect();
        let is_well = messages.is_empty();
        Self {
            kind: condition::INTENTS_ACCEPTED,
            holds: Some(is_well),
            reason: if is_well {
                Reason::Accepted
            } else {
                Reason::Invalid
            },
            message: if is_well {
                "every operation annotation is understood".into()
            } else {
                in_brief(&messages, more)
            },
        }
    }

    /// The condition; its time is that of the old one if its status did not change.
    pub fn condition(
        self,
        old: &[Condition],
        generation: Option<i64>,
        now: Timestamp,
    ) -> Condition {
        let status = match self.holds {
            Some(true) => "True",
            Some(false) => "False",
            None => "Unknown",
        };
        let since = old
            .iter()
            .find(|condition| condition.type_ == self.kind && condition.status == status)
            .map_or(Time(now), |condition| {
                condition.last_transition_time.clone()
            });
        Condition {
            type_: self.kind.to_owned(),
            status: status.to_owned(),
            reason: self.reason.as_str().to_owned(),
            message: self.message,
            observed_generation: generation,
            last_transition_time: since,
        }
    }
}

/// All of it, or the beginning and how much more there is: annotations may be many.
fn in_brief(messages: &[String], more: usize) -> String {
    let first = messages[..messages.len().min(LISTED)].join("; ");
    match messages.len().saturating_sub(LISTED) + more {
        0 => first,
        more => format!("{first}; and {more} more"),
    }
}
