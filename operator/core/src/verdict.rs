//! A condition before it has its times.

use casskop_common::{api::condition, intent::Invalid};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// Annotations that cannot be carried out and are told one by one.
const TOLD: usize = 20;

/// Whether something holds, why, and in words.
pub struct Verdict {
    /// Type of the condition.
    pub kind: &'static str,
    /// Whether it holds; nothing where nobody can say.
    pub holds: Option<bool>,
    /// One word for machines.
    pub reason: &'static str,
    /// A sentence for people.
    pub message: String,
}

impl Verdict {
    /// Whether every operation annotation is understood.
    pub fn of_intents<'a>(invalid: impl Iterator<Item = &'a Invalid>) -> Self {
        let told: Vec<String> = invalid
            .map(|invalid| format!("{}: {}", invalid.annotation, invalid.message))
            .collect();
        let is_well = told.is_empty();
        Self {
            kind: condition::INTENTS_ACCEPTED,
            holds: Some(is_well),
            reason: if is_well { "Accepted" } else { "Invalid" },
            message: if is_well {
                "every operation annotation is understood".into()
            } else {
                in_brief(&told)
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
            reason: self.reason.to_owned(),
            message: self.message,
            observed_generation: generation,
            last_transition_time: since,
        }
    }
}

/// All of it, or the beginning and how much more there is: annotations may be many.
fn in_brief(told: &[String]) -> String {
    let first = told[..told.len().min(TOLD)].join("; ");
    match told.len().saturating_sub(TOLD) {
        0 => first,
        more => format!("{first}; and {more} more"),
    }
}
