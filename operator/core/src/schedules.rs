//! Schedules of the spec: which slot has come, and the request that is made for it.
//!
//! A slot is requested once: the ID of the request is that of the slot, and the slot counts as over when an operation with
//! this ID has begun, or has ended, in the status as it was read. Until then any instance of the operator makes the same
//! request.

mod slots;

use casskop_common::{
    api::{CassandraCluster, OperationPhase, OperationStatus, Schedule, ScheduleStatus},
    intent::Request,
    operations::OperationKind,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use slots::Slots;

/// How far ahead the clock of another instance of the operator may be.
pub const AHEAD: SignedDuration = SignedDuration::from_hours(1);

/// Slots in the ID of a request, in UTC.
const FORMAT: &str = "%Y%m%dT%H%MZ";

/// Checks the schedules of a spec.
///
/// # Errors
/// The schedule, what is wrong with it, and what is right.
pub fn check(schedules: &[Schedule]) -> Result<(), String> {
    for (index, schedule) in schedules.iter().enumerate() {
        let name = &schedule.name;
        let wrong = |message: String| format!("schedules: {name}: {message}");
        let slots = Slots::parse(&schedule.cron, schedule.time_zone.as_deref()).map_err(wrong)?;
        if slots.next(Timestamp::UNIX_EPOCH).is_none() {
            return Err(wrong(format!(
                "cron: '{}' names a day that no month has",
                schedule.cron
            )));
        }
        let id = id(schedule, Timestamp::UNIX_EPOCH);
        Request::scheduled(&id, &schedule.request)
            .map_err(|message| wrong(format!("request: {message}")))?;
        // The API server refuses a name that is there twice; a cluster of an earlier CRD may have it.
        if schedules[..index].iter().any(|other| other.name == *name) {
            return Err(wrong("the name is there twice: choose another one".into()));
        }
    }
    Ok(())
}

/// The schedules of the last accepted spec that a refused one does not end.
pub fn still_wanted(accepted: &[Schedule], refused: &[Schedule]) -> Vec<Schedule> {
    let written = |schedule: &Schedule| refused.iter().find(|one| one.name == schedule.name);
    let wanted = accepted.iter().filter_map(|schedule| {
        let suspend = schedule.suspend.max(written(schedule)?.suspend);
        Some(Schedule {
            suspend,
            ..schedule.clone()
        })
    });
    wanted.collect()
}

/// The request of a kind that a schedule makes now.
pub fn request(kind: OperationKind, cluster: &CassandraCluster, now: Timestamp) -> Option<Request> {
    let is_of_kind = |schedule: &&Schedule| {
        let word = schedule.request.split_whitespace().next();
        word == Some(kind.as_str())
    };
    let schedules = cluster.spec.schedules.iter().filter(is_of_kind);
    let due = schedules.filter_map(|schedule| {
        let slot = due(schedule, cluster, now)?;
        let request = Request::scheduled(&id(schedule, slot), &schedule.request).ok()?;
        Some((slot, request))
    });
    // Of several schedules, the one that waits the longest.
    due.min_by_key(|(slot, _)| *slot)
        .map(|(_, request)| request)
}

/// The schedules as they are reported: only a slot that has come changes them.
pub fn observed(cluster: &CassandraCluster, now: Timestamp) -> Vec<ScheduleStatus> {
    let schedules = cluster.spec.schedules.iter();
    schedules
        .map(|schedule| next(schedule, cluster, now))
        .collect()
}

/// The slots around a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Near {
    /// The slot before `newest`.
    pub before: Option<Timestamp>,
    /// The last slot that is not after the time.
    pub newest: Timestamp,
    /// The first slot after `newest`.
    pub next: Option<Timestamp>,
}

/// The slots of a schedule around a time, as its expression has them now; none if there was none yet.
pub fn near(schedule: &Schedule, time: Timestamp) -> Option<Near> {
    let slots = slots(schedule)?;
    let newest = slots.newest(time)?;
    let before = newest.checked_sub(SignedDuration::from_secs(1)).ok();
    Some(Near {
        before: before.and_then(|before| slots.newest(before)),
        newest,
        next: slots.next(newest),
    })
}

/// The slot that a schedule has to make a request for.
fn due(schedule: &Schedule, cluster: &CassandraCluster, now: Timestamp) -> Option<Timestamp> {
    let next = known(schedule, cluster)?.next_slot.as_ref()?.0;
    if is_suspended(schedule) {
        return None;
    }
    match last(schedule, cluster, now) {
        // The request of an earlier slot waits, and makes up for this one. An operator whose clock is behind does not
        // withdraw it.
        Some((slot, last)) if last.phase == OperationPhase::Pending => {
            (!is_late(schedule, slot, now)).then_some(slot)
        }
        Some((_, last)) if !last.phase.is_final() => None,
        _ if now < next => None,
        last => {
            let slot = slots(schedule)?.newest(now)?.max(next);
            let is_over = last.is_some_and(|(last, operation)| last >= slot && is_over(operation));
            (!is_over && !is_late(schedule, slot, now)).then_some(slot)
        }
    }
}

/// The report about a schedule.
fn next(schedule: &Schedule, cluster: &CassandraCluster, now: Timestamp) -> ScheduleStatus {
    let slots = || slots(schedule);
    let old = known(schedule, cluster).filter(|_| !is_suspended(schedule));
    let Some(old) = old.filter(|old| old.next_slot.is_some()) else {
        // New, changed, or suspended until now: no slot is made up for.
        let before = status(schedule, cluster);
        let next = slots().filter(|_| !is_suspended(schedule));
        return ScheduleStatus {
            name: schedule.name.clone(),
            cron: schedule.cron.clone(),
            time_zone: schedule.time_zone.clone(),
            next_slot: next.and_then(|slots| slots.next(now)).map(Time),
            last_slot: before.and_then(|before| before.last_slot.clone()),
            last_missed_slot: before.and_then(|before| before.last_missed_slot.clone()),
        };
    };
    let next = old.next_slot.as_ref().map_or(now, |next| next.0);
    if now < next && !is_of_another_clock(next, now, slots().as_ref()) {
        return old.clone();
    }
    let after = || {
        let next = slots().and_then(|slots| slots.next(now));
        next.map(Time)
    };
    if now < next {
        return ScheduleStatus {
            next_slot: after(),
            ..old.clone()
        };
    }
    match last(schedule, cluster, now) {
        Some((slot, last)) if slot >= next && is_over(last) => ScheduleStatus {
            next_slot: after(),
            last_slot: Some(Time(slot)),
            ..old.clone()
        },
        Some((_, last)) if !last.phase.is_final() && last.phase != OperationPhase::Pending => {
            old.clone()
        }
        _ => match slots().and_then(|slots| slots.newest(now)) {
            Some(slot) if is_late(schedule, slot.max(next), now) => ScheduleStatus {
                next_slot: after(),
                last_missed_slot: Some(Time(slot.max(next))),
                ..old.clone()
            },
            _ => old.clone(),
        },
    }
}

fn slots(schedule: &Schedule) -> Option<Slots> {
    Slots::parse(&schedule.cron, schedule.time_zone.as_deref()).ok()
}

/// Whether a schedule makes no requests for now.
pub fn is_suspended(schedule: &Schedule) -> bool {
    schedule.suspend == Some(true)
}

/// Whether the request of a slot may not begin any more.
fn is_late(schedule: &Schedule, slot: Timestamp, now: Timestamp) -> bool {
    let deadline = schedule.starting_deadline_seconds;
    deadline.is_some_and(|seconds| now.duration_since(slot) > SignedDuration::from_secs(seconds))
}

/// The last report about a schedule.
fn status<'a>(schedule: &Schedule, cluster: &'a CassandraCluster) -> Option<&'a ScheduleStatus> {
    let all = cluster.status.iter().flat_map(|status| &status.schedules);
    let mut all = all.filter(|status| status.name == schedule.name);
    all.next()
}

/// The same, if its slots are those of the spec.
fn known<'a>(schedule: &Schedule, cluster: &'a CassandraCluster) -> Option<&'a ScheduleStatus> {
    let is_same = |status: &&ScheduleStatus| {
        status.cron == schedule.cron && status.time_zone == schedule.time_zone
    };
    status(schedule, cluster).filter(is_same)
}

/// The operation of the newest slot of a schedule, in the status or its history. Of several operations of a slot, those that
/// were withdrawn do not count: the request was made again.
pub fn last<'a>(
    schedule: &Schedule,
    cluster: &'a CassandraCluster,
    now: Timestamp,
) -> Option<(Timestamp, &'a OperationStatus)> {
    let status = cluster.status.as_ref()?;
    let all = status.operations.iter().chain(&status.operation_history);
    let slots = all.filter_map(|one| Some((slot(schedule, &one.id)?, one)));
    slots
        .filter(|(slot, _)| slot.duration_since(now) <= AHEAD)
        .max_by_key(|(slot, one)| (*slot, one.phase != OperationPhase::Withdrawn))
}

/// Whether a clock that was far ahead has computed the next slot: the slots count from now on.
fn is_of_another_clock(next: Timestamp, now: Timestamp, slots: Option<&Slots>) -> bool {
    let latest = now.checked_add(AHEAD).ok();
    let latest = latest.and_then(|latest| slots?.next(latest));
    latest.is_some_and(|latest| latest < next)
}

/// Whether the slot of an operation has had its request.
fn is_over(operation: &OperationStatus) -> bool {
    let ended = operation.phase.is_final() && operation.phase != OperationPhase::Withdrawn;
    operation.started_at.is_some() || ended
}

/// The ID of the request of a slot.
pub fn id(schedule: &Schedule, slot: Timestamp) -> String {
    format!("{}-{}", schedule.name, slot.strftime(FORMAT))
}

/// The slot of a request of a schedule.
pub fn slot(schedule: &Schedule, id: &str) -> Option<Timestamp> {
    let slot = id.strip_prefix(&schedule.name)?.strip_prefix('-')?;
    let time = jiff::civil::DateTime::strptime(FORMAT, slot).ok()?;
    let zoned = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(zoned.timestamp())
}
