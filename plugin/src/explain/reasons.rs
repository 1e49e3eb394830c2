//! The reasons, each from one thing that can be seen.

use casskop_common::{
    api::{CassandraCluster, OperationPhase, OperationStatus, condition},
    intent::Intents,
    names,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;

use super::{Operator, Reason, Weight};
use crate::{
    cli::PROGRAM,
    control::subject::{self, Subject},
    managers, request,
    text::plain,
    wait,
};

/// How long the operator may take to notice something.
const NOTICE: SignedDuration = SignedDuration::from_secs(10);

/// What is looked at.
pub struct Look<'a> {
    /// The cluster.
    pub cluster: &'a CassandraCluster,
    /// What is known about the operator.
    pub operator: &'a Operator,
    /// The connection flags, for printed commands.
    pub again: &'a str,
    /// The current time.
    pub now: Timestamp,
}

/// All of them, what makes the others meaningless first.
pub fn all(look: &Look) -> Vec<Reason> {
    let unseen = unseen(look);
    let single = [
        deleted(look),
        not_running(look, !unseen.is_empty()),
        silent(look),
        behind(look),
        paused(look),
        spec_refused(look),
        condition(look, condition::DEGRADED, "True"),
        blocked(look),
        condition(look, condition::INTENTS_ACCEPTED, "False"),
    ];
    let mut reasons: Vec<Reason> = single.into_iter().flatten().collect();
    reasons.extend(unseen);
    reasons.extend(progressing(look));
    reasons.extend(
        subject::current(look.cluster)
            .iter()
            .filter_map(|it| operation(look, it)),
    );
    if reasons.is_empty() {
        reasons.extend(condition(look, condition::AVAILABLE, "False"));
    }
    reasons
}

impl Look<'_> {
    /// A command about this cluster.
    fn command(&self, verb: &str, rest: &str) -> String {
        let name = self.cluster.name_any();
        let rest = if rest.is_empty() {
            String::new()
        } else {
            format!(" {rest}")
        };
        format!("{PROGRAM} {verb} {name}{rest}{}", self.again)
    }

    fn condition(&self, kind: &str, status: &str) -> Option<&Condition> {
        let conditions = &self.cluster.status.as_ref()?.conditions;
        conditions
            .iter()
            .find(|known| known.type_ == kind && known.status == status)
    }

    fn see_operator(&self) -> String {
        self.command("logs", "--operator")
    }
}

fn held_up(word: &str, message: String, since: Option<Timestamp>) -> Reason {
    Reason {
        weight: Weight::HeldUp,
        word: word.to_owned(),
        message,
        since,
        next: Vec::new(),
    }
}

fn deleted(look: &Look) -> Option<Reason> {
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

/// The operator has never said anything.
fn silent(look: &Look) -> Option<Reason> {
    if look.cluster.status.is_some() {
        return None;
    }
    let message = "the operator has not reported anything about this cluster: does it run, and does it watch this namespace?";
    let since = look.cluster.creation_timestamp().map(|time| time.0);
    let mut reason = held_up("NotReported", message.into(), since);
    reason.next = vec![look.see_operator()];
    Some(reason)
}

/// The operator has not seen the newest spec.
fn behind(look: &Look) -> Option<Reason> {
    let generation = look.cluster.metadata.generation?;
    let observed = look.cluster.status.as_ref()?.observed_generation?;
    if observed >= generation {
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

fn not_running(look: &Look, unseen: bool) -> Option<Reason> {
    let Operator::Pods { all, ready: 0 } = look.operator else {
        return None;
    };
    // Without a pod in this namespace it may run in another one, unless something lies there that nobody takes up.
    let idle = unseen || look.cluster.status.is_none() || behind(look).is_some();
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
    reason.next = vec![
        format!(
            "kubectl get pods -l app.kubernetes.io/name=casskop-operator{}",
            look.again
        ),
        look.see_operator(),
    ];
    Some(reason)
}

fn paused(look: &Look) -> Option<Reason> {
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

/// A condition that says what is wrong.
fn condition(look: &Look, kind: &str, status: &str) -> Option<Reason> {
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

fn spec_refused(look: &Look) -> Option<Reason> {
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
fn blocked(look: &Look) -> Option<Reason> {
    let blocked = look.condition(condition::PROGRESSING, "False")?;
    if blocked.reason != "Blocked" {
        return None;
    }
    condition(look, condition::PROGRESSING, "False")
}

fn progressing(look: &Look) -> Option<Reason> {
    look.condition(condition::PROGRESSING, "True")?;
    let mut reason = condition(look, condition::PROGRESSING, "True")?;
    reason.weight = Weight::AtWork;
    reason.next = vec![look.command("status", "--watch")];
    Some(reason)
}

/// Requests that nobody has taken up.
fn unseen(look: &Look) -> Vec<Reason> {
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

/// What an operation waits for, why it failed, or how far it is.
fn operation(look: &Look, subject: &Subject) -> Option<Reason> {
    let operation = subject.operation.as_ref()?;
    let Subject { kind, id, .. } = subject;
    let since = since(operation);
    let message = format!("{kind} {id}: {}", plain(&operation.message));
    let failing = subject.failing();
    let mut reason = held_up(&plain(&operation.reason), message, since);
    match operation.phase {
        OperationPhase::Failed => {
            reason.message = format!("{kind} {id} failed: {}", plain(&operation.message));
            reason.next = vec![look.command("operations", ""), look.command("retry", kind)];
        }
        OperationPhase::Paused if !Intents::parse(look.cluster.annotations()).reconcile_paused => {
            reason.next = vec![look.command("resume", kind)];
        }
        _ if !subject.is_unfinished() => return None,
        _ if !failing.is_empty() => {
            let evidence = operation
                .checks
                .iter()
                .filter(|check| failing.contains(&check.name.as_str()));
            let names: Vec<&str> = evidence.clone().map(|check| check.name.as_str()).collect();
            reason.next = vec![
                "put right what the checks name; it begins by itself then".into(),
                format!(
                    "or let them not count: {}",
                    look.command("waive", &format!("{kind} {}", names.join(" ")))
                ),
            ];
        }
        OperationPhase::Pending if operation.message.starts_with("paused before") => {
            reason.next = vec![look.command("resume", kind)];
        }
        _ => {
            reason.weight = Weight::AtWork;
            reason.next = vec![look.command("wait", kind)];
        }
    }
    Some(reason)
}

fn since(operation: &OperationStatus) -> Option<Timestamp> {
    let times = [
        &operation.finished_at,
        &operation.started_at,
        &operation.requested_at,
    ];
    times.into_iter().flatten().next().map(|time| time.0)
}
