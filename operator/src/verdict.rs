//! A condition before it has its times.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

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
