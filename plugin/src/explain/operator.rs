//! What keeps the operator itself from acting: it is not there, has not seen something, or may not.

use casskop_common::{api::CassandraClusterStatus, intent::Intents, names};
use jiff::SignedDuration;
use kube::ResourceExt;

use super::{
    Operator, Reason, Weight,
    reasons::{Look, held_up},
};
use crate::{cli::PROGRAM, managers, objects::OPERATOR_SELECTOR, request, text::plain, wait};

/// How long the operator may take to notice something.
const NOTICE: SignedDuration = SignedDuration::from_secs(10);

/// The cluster is on its way out.
pub fn deleted(look: &Look) -> Option<Reason> {
    let since = look.cluster.metadata.deletion_timestamp.as_ref()?.0;
    let message = match look.cluster.finalizers() {
        [] => "the cluster is being deleted".into(),
        finalizers => format!(
            "the cluster is being deleted, and waits for {}",
            plain(&finalizers.join(", "))
        ),
    };
    Some(held_up("BeingDeleted", message, Some(since)))
}

/// Whether an operator has reported anything.
fn is_reported(look: &Look) -> bool {
    let status = look.cluster.status.as_ref();
    status.is_some_and(CassandraClusterStatus::is_reported)
}

/// The operator has never said anything.
pub fn silent(look: &Look) -> Option<Reason> {
    if is_reported(look) {
        return None;
    }
    let message = "the operator has not reported anything about this cluster: does it run, and does it watch this namespace?";
    let since = look.cluster.creation_timestamp().map(|time| time.0);
    let mut reason = held_up("NotReported", message.into(), since);
    reason.next = vec![look.see_operator()];
    Some(reason)
}

/// The operator has not seen the newest spec.
pub fn behind(look: &Look) -> Option<Reason> {
    let generation = look.cluster.metadata.generation?;
    let observed = look.cluster.status.as_ref()?.observed_generation?;
    if observed >= generation || !is_reported(look) {
        return None;
    }
    let since = managers::of_spec(look.cluster).and_then(|manager| manager.time);
    let fresh = since.is_some_and(|since| look.now.duration_since(since) < NOTICE);
    let message = format!(
        "the operator has not looked at the newest spec: that is generation {generation}, it saw {observed}; all below is about the spec before"
    );
    let mut reason = held_up("SpecNotObserved", message, since);
    if fresh {
        reason.weight = Weight::AtWork;
    }
    reason.next = vec![look.see_operator()];
    Some(reason)
}

/// No pod of the operator is ready.
pub fn not_running(look: &Look, unseen: bool) -> Option<Reason> {
    let Operator::Pods { all, ready: 0 } = look.operator else {
        return None;
    };
    // Without a pod in this namespace it may run in another one, unless something lies there that nobody takes up.
    let idle = unseen || !is_reported(look) || behind(look).is_some();
    if *all == 0 && !idle {
        return None;
    }
    let namespace = look.cluster.namespace().unwrap_or_default();
    let message = match all {
        0 => format!("the operator does not seem to run: namespace {namespace} has no pod of it"),
        all => format!(
            "the operator does not run: 0 of {all} of its pods in namespace {namespace} are ready"
        ),
    };
    let mut reason = held_up("OperatorNotRunning", message, None);
    reason.next = match all {
        0 => vec![
            look.see_operator(),
            format!(
                "if there is none: {PROGRAM} install generate --watch-namespace {namespace} | kubectl apply --server-side -f -"
            ),
        ],
        _ => vec![
            format!("kubectl get pods{} -l {OPERATOR_SELECTOR}", look.again),
            look.see_operator(),
        ],
    };
    Some(reason)
}

/// All action is paused.
pub fn paused(look: &Look) -> Option<Reason> {
    if !Intents::parse(look.cluster.annotations()).reconcile_paused {
        return None;
    }
    let manager = managers::of_annotation(look.cluster, names::RECONCILE);
    let by = manager
        .as_ref()
        .map(|manager| format!(" (set through {})", manager.name));
    let message = format!(
        "all action is paused by the annotation {}{}",
        names::RECONCILE,
        by.unwrap_or_default()
    );
    let mut reason = held_up(
        "ReconcilePaused",
        message,
        manager.and_then(|manager| manager.time),
    );
    reason.next = vec![look.command("resume-reconcile", "")];
    Some(reason)
}

/// Requests that nobody has taken up.
pub fn unseen(look: &Look) -> Vec<Reason> {
    let asked = Intents::parse(look.cluster.annotations()).requests;
    let status = look.cluster.status.as_ref();
    let busy = |kind: &str| {
        let mut operations = status.into_iter().flat_map(|status| &status.operations);
        operations.any(|known| known.kind == kind && !known.phase.is_final())
    };
    let unseen = asked.values().filter(|asked| {
        let told = wait::complaint(look.cluster, &asked.kind).is_some();
        request::find(look.cluster, &asked.kind, &asked.id).is_none() && !told && !busy(&asked.kind)
    });
    let reasons = unseen.map(|asked| {
        let manager = managers::of_request(look.cluster, &asked.kind, &asked.id);
        let since = manager.and_then(|manager| manager.time);
        let message = format!("the operator has not taken up {} {}", asked.kind, asked.id);
        let mut reason = held_up("RequestNotObserved", message, since);
        if since.is_some_and(|since| look.now.duration_since(since) < NOTICE) {
            reason.weight = Weight::AtWork;
        }
        reason.next = vec![look.see_operator()];
        reason
    });
    reasons.collect()
}
