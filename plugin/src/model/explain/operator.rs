//! Findings about the operator: it is not running, has not observed a change, or is paused.

use casskop_common::{api::CassandraClusterStatus, intent::Intents, names};
use jiff::SignedDuration;
use kube::ResourceExt;

use super::finding::{Finding, Inputs, Operator, Severity, Step, held_up};
use crate::{
    model::{install::OPERATOR_SELECTOR, managers, manifest::without_namespace, request, wait},
    text::{PROGRAM, plain},
};

/// Longest time in which the operator observes a change.
const NOTICE: SignedDuration = SignedDuration::from_secs(10);

/// The cluster is being deleted.
pub fn deleted(inputs: &Inputs) -> Option<Finding> {
    let since = inputs.cluster.metadata.deletion_timestamp.as_ref()?.0;
    let message = match inputs.cluster.finalizers() {
        [] => "the cluster is being deleted".into(),
        finalizers => format!(
            "the cluster is being deleted, and waits for {}",
            plain(&finalizers.join(", "))
        ),
    };
    Some(held_up("BeingDeleted", message, Some(since)))
}

/// Whether the operator has reported a status.
fn is_reported(inputs: &Inputs) -> bool {
    let status = inputs.cluster.status.as_ref();
    status.is_some_and(CassandraClusterStatus::is_reported)
}

/// The cluster has no status.
pub fn silent(inputs: &Inputs) -> Option<Finding> {
    if is_reported(inputs) {
        return None;
    }
    let message = "the operator has not reported anything about this cluster: does it run, and does it watch this namespace?";
    let since = inputs.cluster.creation_timestamp().map(|time| time.0);
    let mut reason = held_up("NotReported", message.into(), since);
    reason.next = vec![inputs.see_operator()];
    Some(reason)
}

/// The operator has not observed the newest spec.
pub fn behind(inputs: &Inputs) -> Option<Finding> {
    let generation = inputs.cluster.metadata.generation?;
    let observed = inputs.cluster.status.as_ref()?.observed_generation?;
    if observed >= generation || !is_reported(inputs) {
        return None;
    }
    let since = managers::of_spec(inputs.cluster).and_then(|manager| manager.time);
    let fresh = since.is_some_and(|since| inputs.now.duration_since(since) < NOTICE);
    let message = format!(
        "the operator has not observed the newest spec: the generation is {generation}, the observed generation {observed}; the findings below are about the previous spec"
    );
    let mut reason = held_up("SpecNotObserved", message, since);
    if fresh {
        reason.severity = Severity::AtWork;
    }
    reason.next = vec![inputs.see_operator()];
    Some(reason)
}

/// No pod of the operator is ready.
pub fn not_running(inputs: &Inputs, unobserved: bool) -> Option<Finding> {
    let Operator::Pods { all, ready: 0 } = inputs.operator else {
        return None;
    };
    // Without a pod in this namespace the operator may run in another one, unless a change remains unobserved.
    let idle = unobserved || !is_reported(inputs) || behind(inputs).is_some();
    if *all == 0 && !idle {
        return None;
    }
    let namespace = inputs.cluster.namespace().unwrap_or_default();
    let message = match all {
        0 => format!("the operator does not seem to run: namespace {namespace} has no pod of it"),
        all => format!(
            "the operator does not run: 0 of {all} of its pods in namespace {namespace} are ready"
        ),
    };
    let mut reason = held_up("OperatorNotRunning", message, None);
    reason.next = match all {
        0 => vec![
            inputs.see_operator(),
            Step::about(
                "if there is none",
                format!(
                    "{PROGRAM} install generate --watch-namespace {namespace} | kubectl apply{} --server-side -f -",
                    without_namespace(inputs.connection_args)
                ),
            ),
        ],
        _ => vec![
            Step::command(format!(
                "kubectl get pods{} -l {OPERATOR_SELECTOR}",
                inputs.connection_args
            )),
            inputs.see_operator(),
        ],
    };
    Some(reason)
}

/// The operator takes no action on the cluster.
pub fn paused(inputs: &Inputs) -> Option<Finding> {
    if !Intents::parse(inputs.cluster.annotations()).reconcile_paused {
        return None;
    }
    let manager = managers::of_annotation(inputs.cluster, names::RECONCILE);
    let by = manager
        .as_ref()
        .map(|manager| format!(" (set through {})", manager.name));
    let message = format!(
        "the reconciliation is paused by the annotation {}{}",
        names::RECONCILE,
        by.unwrap_or_default()
    );
    let mut reason = held_up(
        "ReconcilePaused",
        message,
        manager.and_then(|manager| manager.time),
    );
    reason.next = vec![inputs.command("resume-reconcile", "")];
    Some(reason)
}

/// Requests that the operator has not recorded.
pub fn unobserved(inputs: &Inputs) -> Vec<Finding> {
    let asked = Intents::parse(inputs.cluster.annotations()).requests;
    let status = inputs.cluster.status.as_ref();
    let busy = |kind: &str| {
        let mut operations = status.into_iter().flat_map(|status| &status.operations);
        operations.any(|known| known.kind.as_str() == kind && !known.phase.is_final())
    };
    let unobserved = asked.values().filter(|asked| {
        let kind = asked.kind.as_str();
        let is_refused = wait::complaint(inputs.cluster, kind).is_some();
        request::find(inputs.cluster, kind, &asked.id).is_none() && !is_refused && !busy(kind)
    });
    let reasons = unobserved.map(|asked| {
        let manager = managers::of_request(inputs.cluster, asked.kind.as_str(), &asked.id);
        let since = manager.and_then(|manager| manager.time);
        let message = format!("the operator has not observed {} {}", asked.kind, asked.id);
        let mut reason = held_up("RequestNotObserved", message, since);
        if since.is_some_and(|since| inputs.now.duration_since(since) < NOTICE) {
            reason.severity = Severity::AtWork;
        }
        reason.next = vec![inputs.see_operator()];
        reason
    });
    reasons.collect()
}
