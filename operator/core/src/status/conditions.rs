//! Conditions: whether, why, and in words. Their times change only when they do.

use casskop_common::api::{CassandraClusterStatus, Phase, condition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::{
    desired::Desired,
    observed::{SecretState, Snapshot, Stranger},
    refusal::Refusal,
    rollout::{INITIALIZING, Rollout},
    scheduler,
    status::replication,
    verdict::Verdict,
};

/// What the conditions are judged from.
pub(crate) struct Picture<'a> {
    rollout: &'a Rollout,
    refused: Option<&'a Refusal>,
    warnings: Vec<String>,
    formed: bool,
    /// Members of the ring.
    nodes: usize,
    /// Members of the ring that are not well, with the reason.
    sick: Vec<String>,
    /// Anything that keeps a pod or the whole cluster from working and that somebody should mend.
    faults: Vec<String>,
}

impl<'a> Picture<'a> {
    pub(crate) fn of(
        desired: &'a Result<Desired, Refusal>,
        snapshot: &Snapshot,
        rollout: &'a Rollout,
    ) -> Self {
        let trouble = snapshot.troubles();
        let members = trouble.iter().filter(|(pod, _)| !snapshot.is_newcomer(pod));
        let sick = members
            .clone()
            .map(|(pod, why)| format!("{pod}: {why}"))
            .collect();
        let mut faults: Vec<String> = trouble
            .iter()
            .filter(|(pod, _)| {
                let broken = snapshot
                    .pods
                    .get(pod)
                    .is_some_and(|pod| pod.problem.is_some());
                let refuses =
                    matches!(snapshot.nodes.get(pod), Some(Err(error)) if !error.is_transient());
                broken || refuses || !snapshot.is_newcomer(pod)
            })
            .map(|(pod, why)| format!("{pod}: {why}"))
            .collect();
        let elsewhere = snapshot.down_elsewhere();
        let elsewhere: Vec<String> = elsewhere.iter().map(Stranger::describe).collect();
        if let Some(first) = elsewhere.first() {
            faults.push(format!(
                "down in the view of this cluster, which does not run it: {}",
                counted(&elsewhere, first)
            ));
        }
        if let (SecretState::Broken(why), true) = (&snapshot.secret, desired.is_ok()) {
            faults.insert(0, why.clone());
        }
        if let (SecretState::Missing, Ok(desired)) = (&snapshot.secret, desired)
            && !desired.makes_secret()
        {
            faults.insert(0, format!(
                "Secret {} of spec.imageJolokiaSecret does not exist: create it with username and password",
                desired.jolokia_secret
            ));
        }
        Self {
            refused: rollout.refused.as_ref(),
            warnings: desired.as_ref().map_or_else(
                |_| Vec::new(),
                |desired| {
                    let nowhere = replication::nowhere(desired, snapshot);
                    desired.warnings.iter().cloned().chain(nowhere).collect()
                },
            ),
            formed: rollout.formed,
            nodes: snapshot
                .expected_pods()
                .iter()
                .filter(|(pod, _)| !snapshot.is_newcomer(pod))
                .count(),
            rollout,
            sick,
            faults,
        }
    }

    /// All conditions, with the times of those that did not change.
    pub(crate) fn conditions(
        &self,
        snapshot: &Snapshot,
        operations: &scheduler::Decision,
        old: &[Condition],
    ) -> Vec<Condition> {
        let invalid = snapshot.intents.invalid.iter();
        let verdicts = [
            self.available(),
            self.progressing(),
            self.degraded(),
            self.spec_accepted(),
            Verdict::of_intents(invalid.chain(&operations.complaints)),
        ];
        let generation = snapshot.cluster.metadata.generation;
        verdicts
            .into_iter()
            .map(|verdict| verdict.condition(old, generation, snapshot.now))
            .collect()
    }

    /// Whether the spec is not carried out.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused.is_some()
    }

    pub(crate) fn phase(&self) -> Phase {
        if self.is_initial() {
            Phase::Initializing
        } else if self.rollout.is_in_progress() || !self.sick.is_empty() || self.refused.is_some() {
            Phase::Pending
        } else {
            Phase::Running
        }
    }

    /// Whether the nodes that were asked for at first are not all there yet.
    fn is_initial(&self) -> bool {
        !self.formed || self.rollout.action == Some(INITIALIZING)
    }

    fn available(&self) -> Verdict {
        let (holds, reason, message) = if self.is_initial() {
            (false, "Forming", "the ring is being formed".into())
        } else if let Some(first) = self.sick.first() {
            (false, "NodesDown", counted(&self.sick, first))
        } else {
            (
                true,
                "AllNodesUp",
                format!("all {} nodes are NORMAL and see each other", self.nodes),
            )
        };
        Verdict {
            kind: condition::AVAILABLE,
            holds: Some(holds),
            reason,
            message,
        }
    }

    fn progressing(&self) -> Verdict {
        let rollout = self.rollout;
        let (holds, reason, message) = match (rollout.action, &rollout.blocked) {
            (Some(action), Some(why)) => (false, "Blocked", format!("{action}: {why}")),
            (Some(action), None) => {
                let waiting = rollout
                    .waiting_for
                    .clone()
                    .unwrap_or_else(|| "its pods".into());
                (true, action, format!("waiting for {waiting}"))
            }
            (None, _) if self.refused.is_some() => (
                false,
                "SpecRefused",
                "the spec is not carried out, see SpecAccepted".into(),
            ),
            (None, _) => (false, "AsAsked", "the cluster is as the spec asks".into()),
        };
        Verdict {
            kind: condition::PROGRESSING,
            holds: Some(holds),
            reason,
            message,
        }
    }

    fn degraded(&self) -> Verdict {
        let (holds, reason, message) = match self.faults.first() {
            Some(first) => (true, "NodesInTrouble", counted(&self.faults, first)),
            None => (false, "NoTrouble", "no node is in trouble".into()),
        };
        Verdict {
            kind: condition::DEGRADED,
            holds: Some(holds),
            reason,
            message,
        }
    }

    fn spec_accepted(&self) -> Verdict {
        let (holds, reason, message) = match self.refused {
            Some(refused) => (false, refused.reason, refused.message.clone()),
            None if self.warnings.is_empty() => {
                (true, "Accepted", "every field is carried out".into())
            }
            None => (true, "AcceptedWithWarnings", self.warnings.join("; ")),
        };
        Verdict {
            kind: condition::SPEC_ACCEPTED,
            holds: Some(holds),
            reason,
            message,
        }
    }
}

fn counted(all: &[String], first: &str) -> String {
    match all.len() {
        1 => first.to_owned(),
        many => format!("{first} (and {} more)", many - 1),
    }
}

/// Turns `Degraded` on because an object could not be applied: nobody reads the operator's log first.
pub fn tell_failure(status: &mut CassandraClusterStatus, failure: &str, snapshot: &Snapshot) {
    let old = snapshot
        .cluster
        .status
        .as_ref()
        .map(|status| status.conditions.as_slice());
    let verdict = Verdict {
        kind: condition::DEGRADED,
        holds: Some(true),
        reason: "ApplyFailed",
        message: failure.chars().take(1000).collect(),
    };
    let generation = snapshot.cluster.metadata.generation;
    let told = verdict.condition(old.unwrap_or_default(), generation, snapshot.now);
    status
        .conditions
        .retain(|condition| condition.type_ != told.type_);
    status.conditions.push(told);
}
