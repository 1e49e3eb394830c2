//! `BackupsCurrent`: whether the schedules of backups have what their slots ask for.
//!
//! Only a backup that the status has as complete counts. A schedule that nothing is known of is never reported as current.

use casskop_common::{
    api::{
        BackupStatus, BackupStore, CassandraCluster, OperationPhase, OperationStatus, Schedule,
        ScheduleStatus, condition,
    },
    conditions::Reason,
    intent::Request,
    operations::{Operation, OperationKind},
    text,
};
use jiff::{SignedDuration, Timestamp};

use super::conditions::counted;
use crate::{
    schedules::{self, Near},
    verdict::Verdict,
};

/// Longest time that a backup may take, if its schedule has no slot before.
const LONGEST: SignedDuration = SignedDuration::from_hours(24);
/// Characters that are kept of the message of an operation.
const KEPT_TEXT: usize = 500;

/// The condition; none without a schedule of backups. `known` are the schedules as this pass reports them.
pub fn verdict(
    cluster: &CassandraCluster,
    known: &[ScheduleStatus],
    now: Timestamp,
) -> Option<Verdict> {
    let schedules = cluster.spec.schedules.iter();
    let wanted = schedules.filter_map(|schedule| Wanted::of(schedule, cluster, known, now));
    let found: Vec<Finding> = wanted.map(|wanted| wanted.judge()).collect();
    let reasons = found.iter().map(|finding| finding.reason);
    let worst = reasons.min_by_key(|reason| rank(*reason))?;
    let alike = found.iter().filter(|finding| finding.reason == worst);
    let messages: Vec<String> = alike.map(|finding| finding.message.clone()).collect();
    Some(Verdict {
        kind: condition::BACKUPS_CURRENT,
        holds: match worst {
            Reason::WithinSchedule => Some(true),
            Reason::NoSlotYet => None,
            _ => Some(false),
        },
        reason: worst,
        message: counted(&messages, messages.first()?),
    })
}

/// The reason of the condition is that of the schedule with the lowest rank.
fn rank(reason: Reason) -> usize {
    let order = [
        Reason::LastBackupFailed,
        Reason::NeverBackedUp,
        Reason::SlotMissed,
        Reason::BackupOverdue,
        Reason::Suspended,
        Reason::NoSlotYet,
    ];
    let place = order.iter().position(|known| *known == reason);
    place.unwrap_or(order.len())
}

/// How one schedule fares.
struct Finding {
    reason: Reason,
    message: String,
}

/// A schedule that requests a backup, and what is known about it.
struct Wanted<'a> {
    schedule: &'a Schedule,
    request: Request,
    store: String,
    /// The store as the spec has it.
    place: Option<&'a BackupStore>,
    keyspaces: Vec<String>,
    /// Complete backups in the store of the schedule that have all that the schedule asks for.
    complete: Vec<&'a BackupStatus>,
    status: Option<&'a ScheduleStatus>,
    /// Its newest operation, and the slot of that.
    last: Option<(Timestamp, &'a OperationStatus)>,
    now: Timestamp,
}

impl<'a> Wanted<'a> {
    fn of(
        schedule: &'a Schedule,
        cluster: &'a CassandraCluster,
        known: &'a [ScheduleStatus],
        now: Timestamp,
    ) -> Option<Self> {
        let word = schedule.request.split_whitespace().next();
        if word != Some(OperationKind::Backup.as_str()) {
            return None;
        }
        // The slot has no part in what is asked for.
        let id = schedules::id(schedule, Timestamp::UNIX_EPOCH);
        let request = Request::scheduled(&id, &schedule.request).ok()?;
        let Operation::Backup(backup) = &request.arguments.operation else {
            return None;
        };
        let is_backup = |last: &(Timestamp, &OperationStatus)| {
            last.1.kind == OperationKind::Backup && last.1.phase != OperationPhase::Withdrawn
        };
        let mut wanted = Self {
            schedule,
            store: backup.to.clone(),
            place: (cluster.spec.backup.as_ref()).and_then(|all| all.store(&backup.to)),
            keyspaces: backup.keyspace.clone(),
            request,
            complete: Vec::new(),
            status: known.iter().find(|status| status.name == schedule.name),
            last: schedules::last(schedule, cluster, now).filter(is_backup),
            now,
        };
        let backups = cluster.status.iter().flat_map(|status| &status.backups);
        wanted.complete = backups.filter(|backup| wanted.suffices(backup)).collect();
        Some(wanted)
    }

    /// Whether a backup has all that the schedule asks for.
    fn suffices(&self, backup: &BackupStatus) -> bool {
        let has = |keyspace: &String| backup.keyspaces.contains(keyspace);
        let has_keyspaces = backup.keyspaces.is_empty()
            || (!self.keyspaces.is_empty() && self.keyspaces.iter().all(has));
        let target = &self.request.arguments.shared.target;
        let is_of_some = !(target.dc.is_empty() && target.rack.is_empty() && target.pod.is_empty());
        let has_nodes = backup.left_out.is_empty() || (is_of_some && self.is_own(backup));
        let is_there = match self.place {
            Some(place) => backup.is_in(place),
            None => backup.store == self.store,
        };
        is_there && has_keyspaces && has_nodes
    }

    fn is_own(&self, backup: &BackupStatus) -> bool {
        schedules::slot(self.schedule, &backup.id).is_some()
    }

    /// Whether a backup has the data of a slot: it is that of the slot or of a later one, or it began later. The clock of its
    /// Job may be behind.
    fn covers(&self, backup: &BackupStatus, slot: Timestamp) -> bool {
        let began = backup.started_at.0;
        let of = schedules::slot(self.schedule, &backup.id);
        let is_of = |of: Timestamp| {
            of >= slot
                && of.duration_since(self.now) <= schedules::AHEAD
                && slot.duration_since(began) <= schedules::AHEAD
        };
        began >= slot || of.is_some_and(is_of)
    }

    fn has(&self, slot: Timestamp) -> bool {
        self.complete.iter().any(|backup| self.covers(backup, slot))
    }

    fn newest_complete(&self) -> Option<&'a BackupStatus> {
        let all = self.complete.iter().copied();
        all.max_by_key(|backup| backup.started_at.0)
    }

    fn judge(&self) -> Finding {
        let near = schedules::near(self.schedule, self.now);
        if let Some(found) = self.current(near) {
            return found;
        }
        if schedules::is_suspended(self.schedule) {
            return self.finding(
                Reason::Suspended,
                "suspended, so that no slot makes a backup",
            );
        }
        self.failed()
            .or_else(|| self.missed())
            .or_else(|| self.under_way())
            .or_else(|| self.lost(near))
            .unwrap_or_else(|| self.before_first_slot())
    }

    /// The data of the newest slot is in the store. A suspended schedule is as well off only by the backups of others: its own
    /// last one says nothing of the slots to come.
    fn current(&self, near: Option<Near>) -> Option<Finding> {
        let newest = near?.newest;
        let is_suspended = schedules::is_suspended(self.schedule);
        let mut all = self.complete.iter();
        let found = all
            .find(|backup| self.covers(backup, newest) && !(is_suspended && self.is_own(backup)))?;
        Some(self.told(
            Reason::WithinSchedule,
            &format!("{} is complete in store {}", found.id, self.store),
        ))
    }

    /// The last backup of the schedule has ended badly, and none since has the data of its slot.
    fn failed(&self) -> Option<Finding> {
        let (slot, last) = self.last?;
        let how = match last.phase {
            OperationPhase::Failed => "failed",
            OperationPhase::Refused => "was refused",
            OperationPhase::Cancelled => "was cancelled",
            _ => return None,
        };
        let is_newer = self.missed_slot().is_none_or(|missed| missed < slot);
        if !is_newer || self.has(slot) {
            return None;
        }
        let why = text::shorten(&last.message, KEPT_TEXT);
        let words = format!("{} {how}: {why}", last.id);
        Some(self.finding(Reason::LastBackupFailed, &words))
    }

    fn missed_slot(&self) -> Option<Timestamp> {
        let missed = self.status?.last_missed_slot.as_ref()?;
        Some(missed.0)
    }

    /// A slot was left out, and nothing since has its data.
    fn missed(&self) -> Option<Finding> {
        let missed = self.missed_slot().filter(|missed| !self.has(*missed))?;
        let reason = match self.newest_complete() {
            Some(_) => Reason::SlotMissed,
            None => Reason::NeverBackedUp,
        };
        let words = format!(
            "the slot {missed} was left out, because the request could not begin before startingDeadlineSeconds had passed"
        );
        Some(self.finding(reason, &words))
    }

    /// The slot whose request waits or is at work, with words about it.
    fn open_slot(&self) -> Option<(Timestamp, String)> {
        match self.last {
            Some((slot, last)) if last.phase == OperationPhase::Pending => {
                Some((slot, format!("{} has not begun: {}", last.id, last.message)))
            }
            Some((slot, last)) if last.phase == OperationPhase::Paused => {
                Some((slot, format!("{} is paused", last.id)))
            }
            Some((slot, last)) if !last.phase.is_final() => {
                Some((slot, format!("{} is under way", last.id)))
            }
            _ => {
                let due = self.status?.next_slot.as_ref()?.0;
                let slot = schedules::near(self.schedule, self.now)?.newest;
                let words = format!("the slot {slot} has no request yet");
                (due <= self.now).then_some((slot, words))
            }
        }
    }

    /// The backup of a slot has its time: until the next slot, and at most a day. It is current meanwhile if the slot before has
    /// its backup.
    fn under_way(&self) -> Option<Finding> {
        let (slot, words) = self.open_slot()?;
        let words = text::shorten(&words, KEPT_TEXT);
        if self.newest_complete().is_none() {
            return Some(self.finding(Reason::NeverBackedUp, &words));
        }
        let near = schedules::near(self.schedule, slot)?;
        let has_before = near.before.is_some_and(|before| self.has(before));
        let is_in_time =
            near.next.is_none_or(|next| self.now < next) && self.now.duration_since(slot) < LONGEST;
        if has_before && is_in_time {
            return Some(self.finding(Reason::WithinSchedule, &words));
        }
        Some(self.finding(Reason::BackupOverdue, &words))
    }

    /// A slot has had its request, and no complete backup of it is known.
    fn lost(&self, near: Option<Near>) -> Option<Finding> {
        let requested = self.status?.last_slot.as_ref()?.0;
        if self.newest_complete().is_none() {
            let words = format!("the slot {requested} has no complete backup");
            return Some(self.finding(Reason::NeverBackedUp, &words));
        }
        let newest = near?.newest;
        let words = format!("the slot {newest} has no complete backup");
        (requested >= newest).then(|| self.finding(Reason::BackupOverdue, &words))
    }

    fn before_first_slot(&self) -> Finding {
        let next = self.status.and_then(|status| status.next_slot.as_ref());
        let words = match next {
            Some(next) => format!("the next slot is {}", next.0),
            None => "no slot is known".to_owned(),
        };
        self.finding(Reason::NoSlotYet, &words)
    }

    /// A finding that ends with the last complete backup.
    fn finding(&self, reason: Reason, words: &str) -> Finding {
        let words = words.trim_end_matches(['.', ' ']);
        let last = match self.newest_complete() {
            Some(last) => format!(
                "the last complete backup in store {} is {}, begun at {}",
                self.store, last.id, last.started_at.0
            ),
            None => format!("no complete backup in store {} is known", self.store),
        };
        self.told(reason, &format!("{words}; {last}"))
    }

    fn told(&self, reason: Reason, words: &str) -> Finding {
        Finding {
            reason,
            message: format!("schedule {}: {words}", self.schedule.name),
        }
    }
}
