//! Controls of a current request: whether one applies, and the annotation that it needs. Pure.

pub mod request_ref;
pub mod waive;

use casskop_common::{
    api::{CassandraCluster, OperationPhase},
    intent::{Controls, Intents},
    names,
    operations::OperationKind,
};
use kube::ResourceExt;

use super::manifest::Annotations;
use crate::{
    error::{CliError, Result},
    text::PROGRAM,
};
use request_ref::CurrentRequest;

/// A control of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// No further node starts.
    Pause,
    /// The operation resumes.
    Resume,
    /// The operation ends after the current step.
    Cancel,
    /// The failed nodes run again.
    Retry,
    /// These checks no longer block the operation.
    Waive(Vec<String>),
}

/// The annotations to write, and their effect.
#[derive(Debug, PartialEq)]
pub struct Change {
    /// The annotations; none if they are set already.
    pub annotations: Annotations,
    /// The effect in words, such as `cleanup a on cluster demo is cancelled: …`.
    pub effect: String,
}

impl Control {
    /// The verb that a person types.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Cancel => "cancel",
            Self::Retry => "retry",
            Self::Waive(_) => "waive",
        }
    }

    /// Whether the control applies to this request, when the command names none.
    pub fn fits(&self, current: &CurrentRequest, cluster: &CassandraCluster) -> bool {
        match self {
            Self::Pause | Self::Cancel => current.is_unfinished(),
            Self::Resume => current.is_unfinished() && is_paused(current, cluster),
            Self::Retry => failed(current),
            Self::Waive(_) => !current.failing().is_empty(),
        }
    }

    /// The annotations that apply the control to `current`.
    ///
    /// # Errors
    /// When the control does not apply to the request.
    pub fn evaluate(
        &self,
        current: &CurrentRequest,
        cluster: &CassandraCluster,
        connection_args: &str,
    ) -> Result<Change> {
        let name = cluster.name_any();
        let what = format!("{} {} on cluster {name}", current.kind, current.id);
        self.refuse(current, cluster, &what, connection_args)?;
        let controls = controls(cluster, &current.kind);
        let annotations = if self.is_set(current, &controls) {
            Annotations::new()
        } else {
            self.annotations(current, &controls)
        };
        let effect = self.effect(current, annotations.is_empty());
        Ok(Change {
            annotations,
            effect: format!("{what} {effect}"),
        })
    }

    /// Whether nothing needs to be written.
    fn is_set(&self, current: &CurrentRequest, controls: &Controls) -> bool {
        let quoted = |id: &Option<String>| id.as_ref() == Some(&current.id);
        match self {
            Self::Pause => quoted(&controls.pause),
            Self::Resume => !quoted(&controls.pause),
            Self::Cancel => quoted(&controls.cancel),
            Self::Retry => quoted(&controls.retry) && !was_retried(current),
            Self::Waive(checks) => {
                let waived = waive::waived(controls, current);
                checks.iter().all(|check| waived.contains(check))
            }
        }
    }

    /// The effect on the request, in words.
    fn effect(&self, current: &CurrentRequest, was_set: bool) -> String {
        let operation = current.operation.as_ref();
        let begun = operation.is_some_and(|operation| operation.phase != OperationPhase::Pending);
        let effect = match (self, was_set) {
            (Self::Pause, true) => "is paused already; nothing was written",
            (Self::Pause, false) if begun => "is paused: no further node starts",
            (Self::Pause, false) => "is paused before it starts",
            (Self::Resume, true) => "is not paused; nothing was written",
            (Self::Resume, false) => "goes on",
            (Self::Cancel, true) => "is cancelled already; nothing was written",
            (Self::Cancel, false) if begun => "is cancelled: it ends after the step at work",
            (Self::Cancel, false) => "is cancelled before it starts",
            (Self::Retry, true) => "is already marked for a retry; nothing was written",
            (Self::Retry, false) => "is retried on the failed nodes",
            (Self::Waive(checks), was_set) => {
                let checks = checks.join(", ");
                return if was_set {
                    format!("is not held back by {checks} already; nothing was written")
                } else {
                    format!("is no longer held back by {checks}")
                };
            }
        };
        effect.to_owned()
    }

    fn annotations(&self, current: &CurrentRequest, controls: &Controls) -> Annotations {
        let (control, value) = match self {
            Self::Resume => ("pause", None),
            Self::Waive(checks) => {
                let mut all = waive::waived(controls, current);
                let old = all.clone();
                all.extend(checks.iter().filter(|check| !old.contains(check)).cloned());
                ("waive", Some(format!("{} {}", current.id, all.join(","))))
            }
            _ => (self.verb(), Some(current.id.clone())),
        };
        [(names::control_annotation(&current.kind, control), value)].into()
    }

    fn refuse(
        &self,
        current: &CurrentRequest,
        cluster: &CassandraCluster,
        what: &str,
        connection_args: &str,
    ) -> Result<()> {
        let name = cluster.name_any();
        let CurrentRequest { kind, .. } = current;
        if let Self::Retry = self {
            return match current.operation.as_ref().map(|operation| operation.phase) {
                Some(OperationPhase::Failed) => Ok(()),
                Some(phase) if phase.is_final() => Err(CliError::failed(format!(
                    "{what} has not failed, it is {}; there is nothing to retry",
                    phase.as_str()
                ))
                .hint(format!(
                    "request it again: {PROGRAM} {kind} {name}{connection_args}"
                ))),
                _ => Err(
                    CliError::failed(format!("{what} has not ended")).hint(format!(
                        "wait for it: {PROGRAM} wait {name} {kind}{connection_args}"
                    )),
                ),
            };
        }
        if !current.is_unfinished() {
            let phase = current.operation.as_ref().map(|operation| operation.phase);
            let phase = phase.unwrap_or_default().as_str();
            return Err(CliError::failed(format!(
                "{what} has already ended, it is {phase}; there is nothing to {}",
                self.verb()
            )));
        }
        match self {
            Self::Resume if !is_paused(current, cluster) && reconcile_paused(cluster) => {
                Err(CliError::failed(format!(
                    "{what} itself is not paused: the reconciliation of the cluster is"
                ))
                .hint(format!(
                    "{PROGRAM} resume-reconcile {name}{connection_args}"
                )))
            }
            Self::Waive(checks) => waive::refuse(current, checks, what, &name, connection_args),
            _ => Ok(()),
        }
    }
}

/// Whether the operator has executed the last `retry`: the annotation must be removed before the next one.
pub fn was_retried(current: &CurrentRequest) -> bool {
    let operation = current.operation.as_ref();
    operation.is_some_and(|operation| operation.retried)
}

/// The change that removes a retry; empty if there is none.
pub fn removed_retry(current: &CurrentRequest, cluster: &CassandraCluster) -> Annotations {
    let stands = controls(cluster, &current.kind).retry.is_some();
    let key = names::control_annotation(&current.kind, "retry");
    stands.then_some((key, None)).into_iter().collect()
}

/// The controls of the request of a kind.
pub fn controls(cluster: &CassandraCluster, kind: &str) -> Controls {
    let mut controls = Intents::parse(cluster.annotations()).controls;
    let kind = OperationKind::from_word(kind);
    kind.and_then(|kind| controls.remove(&kind))
        .unwrap_or_default()
}

fn failed(current: &CurrentRequest) -> bool {
    let phase = current.operation.as_ref().map(|operation| operation.phase);
    phase == Some(OperationPhase::Failed)
}

fn is_paused(current: &CurrentRequest, cluster: &CassandraCluster) -> bool {
    controls(cluster, &current.kind).pause.as_ref() == Some(&current.id)
}

/// Whether the operator takes no action on the cluster.
pub fn reconcile_paused(cluster: &CassandraCluster) -> bool {
    Intents::parse(cluster.annotations()).reconcile_paused
}
