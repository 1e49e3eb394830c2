//! One cluster with all that the page shows of it. Pure.

use casskop_common::{
    api::{CassandraCluster, ScheduleStatus, condition},
    intent::Intents,
};
use jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;

use super::{
    actions::{self, Action, Refused},
    operations::{self, Operation},
    ring::{self, DataCenter},
};
use crate::{
    model::explain::{self, Operator, Severity},
    terminal::colors::Tone,
    text::plain,
    view::{operations::waiting, status},
};

/// A cluster.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cluster {
    namespace: String,
    name: String,
    /// Distinguishes it from another cluster of the same name.
    uid: String,
    words: String,
    tone: Tone,
    phase: &'static str,
    ready: usize,
    total: usize,
    image: String,
    conditions: Vec<Condition>,
    findings: Vec<Finding>,
    data_centers: Vec<DataCenter>,
    operations: Vec<Operation>,
    history: Vec<Operation>,
    requests: Vec<Asked>,
    schedules: Vec<Schedule>,
    actions: Vec<Action>,
    /// Requests that are not offered, with the reasons.
    refused: Vec<Refused>,
}

#[derive(Debug, Serialize)]
struct Condition {
    words: String,
    tone: Tone,
    since: Timestamp,
    reason: String,
    message: String,
}

/// Why something waits, as `explain` says it.
#[derive(Debug, Serialize)]
struct Finding {
    title: &'static str,
    tone: Tone,
    reason: String,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    next: Vec<Step>,
}

#[derive(Debug, Serialize)]
struct Step {
    words: String,
    command: String,
}

/// A request that stands in an annotation and not in the status.
#[derive(Debug, Serialize)]
struct Asked {
    text: String,
    tone: Tone,
    /// Why it never will; empty if it is only not observed.
    error: String,
}

#[derive(Debug, Serialize)]
struct Schedule {
    name: String,
    request: String,
    slots: String,
    suspended: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<Timestamp>,
}

/// All that the page shows of a cluster.
pub fn of(
    cluster: &CassandraCluster,
    operator: &Operator,
    connection_args: &str,
    now: Timestamp,
) -> Cluster {
    let status = cluster.status.as_ref();
    let (words, tone) = super::summary(cluster);
    let (ready, total) = super::ready(cluster);
    let (operations, history) = operations::of(cluster, connection_args, now);
    let (actions, refused) = actions::of_cluster(cluster, connection_args, now);
    let findings = explain::explain(cluster, operator, connection_args, now);
    let phase = status.and_then(|status| status.phase);
    Cluster {
        namespace: cluster.namespace().unwrap_or_default(),
        name: cluster.name_any(),
        uid: cluster.uid().unwrap_or_default(),
        words,
        tone,
        phase: phase.map_or("state unknown", |phase| phase.as_str()),
        ready,
        total,
        image: plain(cluster.spec.cassandra_image.as_deref().unwrap_or_default()).into_owned(),
        conditions: conditions(cluster),
        findings: findings.into_iter().map(finding).collect(),
        data_centers: ring::of(cluster),
        operations,
        history,
        requests: requests(cluster),
        schedules: schedules(cluster),
        actions,
        refused,
    }
}

fn conditions(cluster: &CassandraCluster) -> Vec<Condition> {
    let all = cluster.status.iter().flat_map(|status| &status.conditions);
    // Those for kstatus repeat the others.
    let repeats = [condition::READY, condition::RECONCILING, condition::STALLED];
    let reported = all.filter(|known| !repeats.contains(&known.type_.as_str()));
    let shown = reported.map(|known| {
        let (words, tone) = status::words(known);
        Condition {
            words,
            tone,
            since: known.last_transition_time.0,
            reason: plain(&known.reason).into_owned(),
            message: plain(&known.message).into_owned(),
        }
    });
    shown.collect()
}

fn finding(found: explain::Finding) -> Finding {
    let (title, tone) = match found.severity {
        Severity::HeldUp => ("Held up", Tone::Bad),
        Severity::AtWork => ("At work", Tone::Busy),
    };
    Finding {
        title,
        tone,
        reason: found.word,
        message: found.message,
        since: found.since,
        next: found
            .next
            .into_iter()
            .map(|step| Step {
                words: step.words,
                command: step.command,
            })
            .collect(),
    }
}

fn requests(cluster: &CassandraCluster) -> Vec<Asked> {
    let intents = Intents::parse(cluster.annotations());
    let asked = waiting(cluster).map(|asked| Asked {
        text: plain(&format!("{} {}", asked.kind, asked.value())).into_owned(),
        tone: Tone::Busy,
        error: String::new(),
    });
    let invalid = intents.invalid.iter().map(|invalid| Asked {
        text: plain(&invalid.annotation).into_owned(),
        tone: Tone::Bad,
        error: plain(&invalid.message).into_owned(),
    });
    let more = (intents.more_invalid > 0).then(|| Asked {
        text: format!("{} more annotations", intents.more_invalid),
        tone: Tone::Bad,
        error: "not understood".to_owned(),
    });
    asked.chain(invalid).chain(more).collect()
}

fn schedules(cluster: &CassandraCluster) -> Vec<Schedule> {
    let reported = cluster.status.iter().flat_map(|status| &status.schedules);
    let reported: Vec<&ScheduleStatus> = reported.collect();
    let shown = cluster.spec.schedules.iter().map(|schedule| {
        let status = reported.iter().find(|one| {
            one.name == schedule.name
                && one.cron == schedule.cron
                && one.time_zone == schedule.time_zone
        });
        let slot = |of: fn(&ScheduleStatus) -> Option<Timestamp>| status.and_then(|one| of(one));
        Schedule {
            name: plain(&schedule.name).into_owned(),
            request: plain(&schedule.request).into_owned(),
            slots: match &schedule.time_zone {
                None => plain(&schedule.cron).into_owned(),
                Some(zone) => plain(&format!("{} {zone}", schedule.cron)).into_owned(),
            },
            suspended: schedule.suspend == Some(true),
            next: slot(|one| one.next_slot.as_ref().map(|slot| slot.0)),
            last: slot(|one| one.last_slot.as_ref().map(|slot| slot.0)),
        }
    });
    shown.collect()
}
