//! Conditions: whether, why, and in words. Their times change only when they do.

use std::collections::BTreeMap;

use casskop_common::{
    api::{
        CassandraClusterStatus, NodeStatus, OperationMode, OperationStatus, Phase, ScheduleStatus,
        condition,
    },
    checks::CheckName,
    conditions::{Action, Reason},
    image, text,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::{
    authority::Validity,
    desired::{Desired, restart},
    observed::{ExternalMember, ObservedState, UNKNOWN},
    operations::{recorded, role_replicas},
    refusal::Refusal,
    rollout::{Rollout, from_backup},
    scheduler,
    status::{backups, replication},
    users,
    verdict::{self, Verdict},
};

/// The inputs of the conditions.
pub(crate) struct ConditionInputs<'a> {
    rollout: &'a Rollout,
    refused: Option<Refusal>,
    /// The restart that the spec asks for, while it is under way.
    restart: Option<&'a OperationStatus>,
    /// Why nothing at all begins now.
    paused: Option<String>,
    /// Volumes whose owners do not match `deletePVC`, and the mark of the ring.
    outdated_owners: Vec<String>,
    warnings: Vec<String>,
    formed: bool,
    /// Whether no StatefulSet of the cluster exists.
    is_without_sets: bool,
    /// Members as the table of the nodes shows them.
    table: Table,
    /// Members of the ring that are not well, with the reason.
    sick: Vec<String>,
    /// The reason of `Available` while there are any.
    sick_reason: Reason,
    /// Faults that keep a pod or the whole cluster from working and that an administrator should mend.
    faults: Vec<String>,
    /// The reason of `Degraded` while there are any.
    fault_reason: Reason,
}

impl<'a> ConditionInputs<'a> {
    pub(crate) fn of(
        desired: &'a Result<Desired, Refusal>,
        state: &ObservedState,
        rollout: &'a Rollout,
        operations: &'a [OperationStatus],
        outdated_owners: Vec<String>,
        nodes: &BTreeMap<String, NodeStatus>,
    ) -> Self {
        let health_problem = &rollout.unhealthy;
        let members = health_problem
            .iter()
            .filter(|(pod, _)| !state.is_newcomer(pod));
        let sick = members
            .clone()
            .map(|(pod, why)| format!("{pod}: {why}"))
            .collect();
        let sick_reason = if members.clone().all(|(pod, _)| state.is_cut_off(pod)) {
            Reason::NodesUnreachable
        } else {
            Reason::NodesDown
        };
        let of_nodes = health_problem.iter().filter(|(pod, _)| {
            let broken = state.cannot_run(pod);
            let refuses = matches!(state.nodes.get(pod), Some(Err(error)) if !error.is_transient());
            let silent = state.is_cut_off(pod) || state.is_mute(pod);
            broken || refuses || silent || !state.is_newcomer(pod)
        });
        let mut faults: Vec<String> = of_nodes
            .clone()
            .map(|(pod, why)| format!("{pod}: {why}"))
            .collect();
        let only_cut_off = of_nodes.clone().all(|(pod, _)| state.is_cut_off(pod));
        let node_faults = faults.len();
        faults.extend(unsupported(state));
        faults.extend(state.keeps_its_key());
        let elsewhere = state.down_elsewhere();
        let elsewhere: Vec<String> = elsewhere.iter().map(ExternalMember::describe).collect();
        if let Some(first) = elsewhere.first() {
            faults.push(format!(
                "down in the view of this cluster, which does not run it: {}",
                counted(&elsewhere, first)
            ));
        }
        let strangers = state.strangers();
        let strangers: Vec<String> = strangers.iter().map(ExternalMember::describe).collect();
        if let Some(first) = strangers.first() {
            faults.insert(0, format!(
                "in the ring, live, in a data center of this cluster, and none of its pods: {}. Another ring of the name {} may have merged with this one. Find the pods with these addresses in all namespaces and Kubernetes clusters before anything is changed; if the ring is meant to continue there, name its seeds in spec.seeds",
                counted(&strangers, first),
                rollout.ring_name
            ));
        }
        if let Ok(desired) = desired
            && let Some(problem) = desired.secret_problem(&state.secrets)
        {
            faults.insert(0, problem);
        }
        let restore = rollout.from_backup.as_ref().filter(|_| !rollout.formed);
        if let Some(problem) = restore.and_then(|restore| restore.problem.clone()) {
            faults.insert(0, problem);
        }
        let without_roles = faults.len();
        faults.extend(role_replicas::problem(state));
        faults.extend(users::problems(desired.as_ref().ok(), state));
        let without_certificates = faults.len();
        faults.extend(expiring(state));
        Self {
            refused: rollout.refused.clone().or_else(|| not_feasible(rollout)),
            restart: restart::spec_restart(operations),
            paused: recorded::pause_reason(state),
            outdated_owners,
            table: Table::of(state, nodes),
            warnings: desired.as_ref().map_or_else(
                |_| Vec::new(),
                |desired| {
                    let nowhere = replication::nowhere(desired, state);
                    let roles = role_replicas::warning(state);
                    let all = desired.warnings.iter().cloned();
                    let restore = from_backup::warning(state, rollout.formed);
                    all.chain(nowhere).chain(roles).chain(restore).collect()
                },
            ),
            formed: rollout.formed,
            is_without_sets: state.live.stateful_sets.is_empty(),
            rollout,
            sick,
            sick_reason,
            fault_reason: if !strangers.is_empty() {
                Reason::ForeignMembers
            } else if only_cut_off && faults.len() == node_faults {
                Reason::NodesUnreachable
            } else if without_certificates == 0 {
                Reason::CertificateExpiring
            } else if without_roles == 0 {
                Reason::RolesIncomplete
            } else {
                Reason::NodesUnhealthy
            },
            faults,
        }
    }

    /// All conditions, with the times of those that did not change.
    pub(crate) fn conditions(
        &self,
        state: &ObservedState,
        operations: &scheduler::Decision,
        schedules: &[ScheduleStatus],
        old: &[Condition],
    ) -> Vec<Condition> {
        let invalid = state.intents.invalid.iter();
        let verdicts = [
            self.available(),
            self.progressing(),
            self.degraded(),
            self.spec_accepted(),
            Verdict::of_intents(
                invalid.chain(&operations.rejections),
                state.intents.more_invalid,
            ),
        ];
        let standard = verdict::standard(&verdicts, self.needs_a_person());
        let generation = state.cluster.metadata.generation;
        standard
            .into_iter()
            .chain(verdicts)
            .chain(backups::verdict(&state.cluster, schedules, state.now))
            .map(|verdict| verdict.condition(old, generation, state.now))
            .collect()
    }

    /// Whether the spec is not carried out.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// The action in progress; the restart that the spec asks for is one.
    pub(crate) fn action(&self) -> Option<Action> {
        let restart = self.restart.map(|_| Action::RollingRestart);
        self.rollout.action.or(restart)
    }

    /// Why the spec is not carried out until a person acts, although it is accepted.
    fn needs_a_person(&self) -> Option<(Reason, String)> {
        let rollout = self.rollout;
        let owners = self.awaits_owners().filter(|_| self.paused.is_some());
        let blocked = rollout.blocked.clone().or(owners)?;
        let mut checks = rollout.blocked_by.iter();
        if self.paused.is_some() {
            Some((Reason::ReconcilePaused, blocked))
        } else if checks.any(|check| !check.unknown && check.kind().needs_a_person()) {
            Some((Reason::Blocked, blocked))
        } else {
            None
        }
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
        !self.formed || self.rollout.action == Some(Action::Initializing)
    }

    fn available(&self) -> Verdict {
        let (holds, reason, message) = if self.is_initial() {
            (false, Reason::Forming, "the ring is being formed".into())
        } else if self.is_without_sets {
            return Verdict {
                kind: condition::AVAILABLE,
                holds: None,
                reason: Reason::NodesUnknown,
                message: "no StatefulSet of the cluster exists, so its nodes are not known".into(),
            };
        } else if let Some(first) = self.sick.first() {
            (false, self.sick_reason, counted(&self.sick, first))
        } else {
            (true, self.table.reason(), self.table.describe())
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
            (Some(action), Some(why)) => {
                let reason = if self.paused.is_some() {
                    Reason::ReconcilePaused
                } else {
                    Reason::Blocked
                };
                (true, reason, format!("{action}: {why}"))
            }
            (Some(action), None) => {
                let waiting = rollout
                    .waiting_for
                    .clone()
                    .unwrap_or_else(|| "its pods".into());
                (true, action.reason(), format!("waiting for {waiting}"))
            }
            (None, _) if self.refused.is_some() => (
                true,
                Reason::SpecRefused,
                "the spec is not carried out, see SpecAccepted".into(),
            ),
            (None, _) => match self.restart {
                Some(restart) => {
                    let reason = Action::RollingRestart.reason();
                    (
                        true,
                        reason,
                        format!("restart {}: {}", restart.id, restart.message),
                    )
                }
                None => self.settled(),
            },
        };
        Verdict {
            kind: condition::PROGRESSING,
            holds: Some(holds),
            reason,
            message,
        }
    }

    /// `Progressing` while no rack changes: the owners of the volumes may not match the spec yet.
    fn settled(&self) -> (bool, Reason, String) {
        match self.awaits_owners() {
            Some(why) => {
                let reason = if self.paused.is_some() {
                    Reason::ReconcilePaused
                } else {
                    Reason::VolumeOwners
                };
                (true, reason, format!("waiting for {why}"))
            }
            None => (
                false,
                Reason::UpToDate,
                "the cluster matches the spec".into(),
            ),
        }
    }

    fn awaits_owners(&self) -> Option<String> {
        let first = self.outdated_owners.first()?;
        let all = counted(&self.outdated_owners, first);
        let why = self.paused.iter().map(|why| format!(": {why}"));
        Some(format!(
            "the owners of {all} to match deletePVC{}",
            why.collect::<String>()
        ))
    }

    fn degraded(&self) -> Verdict {
        let (holds, reason, message) = match self.faults.first() {
            Some(first) => (true, self.fault_reason, counted(&self.faults, first)),
            None => (false, Reason::Healthy, "no node has a fault".into()),
        };
        Verdict {
            kind: condition::DEGRADED,
            holds: Some(holds),
            reason,
            message,
        }
    }

    fn spec_accepted(&self) -> Verdict {
        let (holds, reason, message) = match &self.refused {
            Some(refused) => (false, refused.reason, refused.message.clone()),
            None if self.warnings.is_empty() => {
                (true, Reason::Accepted, "every field is carried out".into())
            }
            None => (true, Reason::AcceptedWithWarnings, self.warnings.join("; ")),
        };
        Verdict {
            kind: condition::SPEC_ACCEPTED,
            holds: Some(holds),
            reason,
            message,
        }
    }
}

/// The nodes of a ring whose members are all well, as the status shows them.
struct Table {
    /// Members that serve clients.
    normal: usize,
    /// The other nodes, with their states.
    others: Vec<String>,
    /// Whether one of them leaves the ring.
    has_leaving: bool,
}

impl Table {
    fn of(state: &ObservedState, nodes: &BTreeMap<String, NodeStatus>) -> Self {
        let expected = state.expected_pods();
        let is_expected = |pod: &str| expected.iter().any(|(other, _)| other == pod);
        let normal = OperationMode::Normal.to_string();
        let is_normal = |(pod, node): &(&String, &NodeStatus)| {
            node.state == normal && is_expected(pod) && !state.is_newcomer(pod)
        };
        let (of_ring, mut others): (Vec<_>, Vec<_>) = nodes.iter().partition(is_normal);
        let leaves = |pod: &str| is_expected(pod) && state.is_leaving(pod);
        others.sort_by_key(|(pod, _)| !leaves(pod));
        let described = others.iter().map(|(pod, node)| {
            if !is_expected(pod) {
                format!("{pod} has no StatefulSet")
            } else if node.state == UNKNOWN {
                format!("{pod} does not answer")
            } else if node.state == normal {
                format!("{pod} serves no clients yet")
            } else {
                format!("{pod} is {}", node.state)
            }
        });
        Self {
            normal: of_ring.len(),
            has_leaving: others.iter().any(|(pod, _)| leaves(pod)),
            others: described.collect(),
        }
    }

    fn reason(&self) -> Reason {
        if self.has_leaving {
            Reason::NodesLeaving
        } else {
            Reason::AllNodesUp
        }
    }

    fn describe(&self) -> String {
        match (self.others.first(), self.normal) {
            (None, 0) => "no nodes are asked for".to_owned(),
            (None, 1) => "the node is NORMAL".to_owned(),
            (None, many) => format!("{} NORMAL and see each other", text::all_are(many, "node")),
            (Some(first), 0) => counted(&self.others, first),
            (Some(first), 1) => {
                format!("{}; the other node is NORMAL", counted(&self.others, first))
            }
            (Some(first), many) => format!(
                "{}; the other {many} nodes are NORMAL and see each other",
                counted(&self.others, first)
            ),
        }
    }
}

/// A spec that takes away nodes which keyspaces need is not carried out as it stands, even if its other changes are.
fn not_feasible(rollout: &Rollout) -> Option<Refusal> {
    let mut checks = rollout.blocked_by.iter();
    let check = checks.find(|check| check.kind() == CheckName::ReplicasRemain && !check.unknown)?;
    Some(Refusal {
        reason: Reason::ReplicasRequired,
        message: format!(
            "the spec takes nodes away that keyspaces need: {}",
            check.evidence
        ),
    })
}

/// Certificates that were not renewed in time. One that has expired makes its Secret unusable, or its nodes unreachable.
fn expiring(state: &ObservedState) -> impl Iterator<Item = String> {
    let soon = |(_, validity): &(&String, &Validity)| validity.ends_soon(state.now);
    let validities = state.validities.iter().filter(soon);
    validities.map(|(secret, validity)| {
        format!(
            "Secret {secret}: its certificate expires at {} and was not renewed in time: renew it, or see the log of what renews it",
            validity.expires_at
        )
    })
}

/// A member whose release the operator does not support, as the node itself reports it: the tag of an image need not name
/// the release.
fn unsupported(state: &ObservedState) -> Option<String> {
    let is_old = |version: &str| image::release(version).is_some_and(|(major, _)| major < 4);
    let mut members = state.members();
    let (pod, reading) = members.find(|(_, reading)| is_old(&reading.version))?;
    Some(format!(
        "{pod} runs Cassandra {}, and Cassandra before 4.0 is not supported: set cassandraImage to an image of 4.0, 4.1 or 5.0",
        reading.version
    ))
}

pub(super) fn counted(all: &[String], first: &str) -> String {
    match all.len() {
        1 => first.to_owned(),
        many => format!("{first} (and {} more)", many - 1),
    }
}

/// Turns `Degraded` on because an object could not be applied, and with it `Ready` off: the spec is not carried out yet.
pub fn report_failure(status: &mut CassandraClusterStatus, failure: &str, state: &ObservedState) {
    let old = state
        .cluster
        .status
        .as_ref()
        .map(|status| status.conditions.as_slice());
    let generation = state.cluster.metadata.generation;
    let is_stalled = status
        .conditions
        .iter()
        .any(|known| known.type_ == condition::STALLED);
    let message: String = failure.chars().take(1000).collect();
    for (kind, holds) in [
        (condition::READY, false),
        (condition::RECONCILING, true),
        (condition::PROGRESSING, true),
        (condition::DEGRADED, true),
    ] {
        // kstatus reads `Reconciling` first, and would not report that a person has to act.
        if is_stalled && kind != condition::DEGRADED {
            continue;
        }
        let verdict = Verdict {
            kind,
            holds: Some(holds),
            reason: Reason::ApplyFailed,
            message: message.clone(),
        };
        let condition = verdict.condition(old.unwrap_or_default(), generation, state.now);
        status
            .conditions
            .retain(|known| known.type_ != condition.type_);
        status.conditions.push(condition);
    }
}
