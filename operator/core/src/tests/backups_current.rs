//! `BackupsCurrent`: schedules of backups, and what their slots have.

mod random;
mod whole_way;

use casskop_common::{
    api::{
        BackupStatus, OperationPhase, OperationStatus, Requester, Schedule, ScheduleStatus,
        condition,
    },
    operations::OperationKind,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};

use crate::{
    schedules,
    simulation::{THREE_RACKS, World},
    status::backups::verdict,
    verdict::Verdict,
};

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn nightly() -> Schedule {
    Schedule {
        name: "nightly".into(),
        cron: "0 2 * * *".into(),
        request: "backup --to s3".into(),
        ..Schedule::default()
    }
}

fn backup(id: &str, began: &str) -> BackupStatus {
    BackupStatus {
        id: id.into(),
        store: "s3".into(),
        location: String::new(),
        started_at: MicroTime(time(began)),
        completed_at: MicroTime(time(began) + SignedDuration::from_mins(10)),
        nodes: 3,
        files: 10,
        bytes: 1000,
        keyspaces: Vec::new(),
        left_out: Vec::new(),
        nodes_elsewhere: 0,
    }
}

fn operation(id: &str, phase: OperationPhase, message: &str) -> OperationStatus {
    OperationStatus {
        kind: OperationKind::Backup.into(),
        id: id.into(),
        phase,
        message: message.into(),
        requested_by: Some(Requester::Schedule),
        ..OperationStatus::default()
    }
}

/// A cluster whose schedules are as they are after the slot of the 2nd of December, at 02:00.
struct Case {
    schedules: Vec<Schedule>,
    known: Vec<ScheduleStatus>,
    backups: Vec<BackupStatus>,
    operations: Vec<OperationStatus>,
    now: Timestamp,
}

impl Case {
    fn at(now: &str) -> Self {
        Self {
            schedules: vec![nightly()],
            known: vec![ScheduleStatus {
                name: "nightly".into(),
                cron: "0 2 * * *".into(),
                next_slot: Some(Time(time("2026-12-03T02:00:00Z"))),
                last_slot: Some(Time(time("2026-12-02T02:00:00Z"))),
                ..ScheduleStatus::default()
            }],
            backups: vec![backup("nightly-20261201T0200Z", "2026-12-01T02:00:05Z")],
            operations: Vec::new(),
            now: time(now),
        }
    }

    fn with(mut self, phase: OperationPhase, message: &str) -> Self {
        let last = operation("nightly-20261202T0200Z", phase, message);
        self.operations.push(last);
        self
    }

    fn change(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn verdict(&self) -> Option<Verdict> {
        let mut cluster = World::new(THREE_RACKS).cluster;
        cluster.spec.schedules = self.schedules.clone();
        let status = cluster.status.get_or_insert_default();
        status.backups = self.backups.clone();
        status.operations = self.operations.clone();
        verdict(&cluster, &self.known, self.now)
    }

    fn told(&self) -> String {
        self.verdict().map_or("no condition".into(), |verdict| {
            let holds = verdict
                .holds
                .map_or("Unknown", |holds| if holds { "True" } else { "False" });
            format!("{holds} {}: {}", verdict.reason, verdict.message)
        })
    }
}

const SOON_AFTER: &str = "2026-12-02T02:20:00Z";
const NOON: &str = "2026-12-02T12:00:00Z";

/// The store has the name still, and is at another place by now: nothing is there.
#[test]
fn a_backup_in_the_bucket_of_before_is_none_in_that_of_today() {
    let mut cluster = World::new(THREE_RACKS).cluster;
    cluster.spec.schedules = vec![nightly()];
    cluster.spec.backup = Some(super::backup::store());
    let case = Case::at(NOON);
    let mut verdict_of = |location: &str| {
        let mut newest = backup("nightly-20261202T0200Z", "2026-12-02T02:00:05Z");
        newest.location = location.into();
        cluster.status.get_or_insert_default().backups = vec![newest];
        verdict(&cluster, &case.known, case.now).expect("a condition")
    };
    assert_eq!(verdict_of("s3://cassandra").holds, Some(true));
    assert_eq!(verdict_of("").holds, Some(true), "of an earlier version");
    let elsewhere = verdict_of("s3://before");
    assert_eq!(elsewhere.holds, Some(false), "{}", elsewhere.message);
    insta::assert_snapshot!(elsewhere.message);
}

#[test]
fn a_schedule_is_current_with_the_backup_of_its_newest_slot_only() {
    use OperationPhase::{Cancelled, Failed, Paused, Pending, Refused, Running, Succeeded};
    let of_newest = backup("nightly-20261202T0200Z", "2026-12-02T02:00:05Z");
    let error = "1 of 3 nodes failed (demo-dc1-rack1-0 at upload: access denied)";
    let store = "spec.backup.stores has no store s3";
    let cases = [
        (
            "complete",
            Case::at(NOON).change(|case| case.backups.insert(0, of_newest.clone())),
        ),
        (
            "complete, by hand",
            Case::at(NOON).change(|case| {
                case.backups
                    .insert(0, backup("mine", "2026-12-02T09:00:00Z"));
            }),
        ),
        (
            "an earlier one by hand",
            Case::at(NOON).change(|case| {
                case.backups
                    .insert(0, backup("mine", "2026-12-02T01:00:00Z"));
            }),
        ),
        (
            "the clock of the Job is behind",
            Case::at(NOON).change(|case| {
                case.backups
                    .insert(0, backup("nightly-20261202T0200Z", "2026-12-02T01:59:58Z"));
            }),
        ),
        (
            "an old one with the id of a later slot",
            Case::at(NOON).change(|case| {
                case.backups = vec![backup("nightly-20261202T0200Z", "2026-11-02T02:00:00Z")];
            }),
        ),
        (
            "due",
            Case::at(SOON_AFTER)
                .change(|case| case.known[0].next_slot = Some(Time(time("2026-12-02T02:00:00Z")))),
        ),
        (
            "waits",
            Case::at(SOON_AFTER).with(Pending, "waits for repair weekly"),
        ),
        ("runs", Case::at(SOON_AFTER).with(Running, "")),
        ("is paused", Case::at(NOON).with(Paused, "")),
        (
            "runs for the first time",
            Case::at(SOON_AFTER)
                .with(Running, "")
                .change(|case| case.backups.clear()),
        ),
        (
            "runs after the next slot",
            Case::at("2026-12-03T02:00:01Z").with(Running, ""),
        ),
        (
            "runs, and the slot before has none",
            Case::at(SOON_AFTER).with(Running, "").change(|case| {
                case.backups = vec![backup("nightly-20261130T0200Z", "2026-11-30T02:00:05Z")];
            }),
        ),
        ("failed", Case::at(NOON).with(Failed, error)),
        (
            "failed at first",
            Case::at(NOON)
                .with(Failed, error)
                .change(|case| case.backups.clear()),
        ),
        (
            "failed, then made by hand",
            Case::at(NOON).with(Failed, error).change(|case| {
                case.backups
                    .insert(0, backup("mine", "2026-12-02T09:00:00Z"));
            }),
        ),
        ("refused", Case::at(NOON).with(Refused, store)),
        (
            "cancelled",
            Case::at(NOON).with(Cancelled, "cancelled; done on 1 of 3 nodes"),
        ),
        (
            "no record",
            Case::at(NOON).with(Succeeded, "done on 3 nodes"),
        ),
        ("never", Case::at(NOON).change(|case| case.backups.clear())),
    ];
    let told = cases.map(|(name, case)| format!("{name}\n  {}", case.told()));
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn what_was_left_out_suspended_or_has_no_slot_yet_is_told() {
    let missed = Some(Time(time("2026-12-02T02:00:00Z")));
    let left_out = |case: &mut Case| {
        case.known[0].last_missed_slot = missed.clone();
        case.known[0].last_slot = Some(Time(time("2026-12-01T02:00:00Z")));
    };
    let suspended = |case: &mut Case| {
        case.schedules[0].suspend = Some(true);
        case.known[0].next_slot = None;
    };
    let new = |case: &mut Case| case.known[0].last_slot = None;
    let by_hand = || backup("mine", "2026-12-02T09:00:00Z");
    let cases = [
        ("left out", Case::at(NOON).change(left_out)),
        (
            "left out, then made by hand",
            Case::at(NOON)
                .change(left_out)
                .change(|case| case.backups.insert(0, by_hand())),
        ),
        (
            "always left out",
            Case::at(NOON)
                .change(left_out)
                .change(|case| case.backups.clear()),
        ),
        (
            "left out after a failure",
            Case::at(NOON).change(left_out).change(|case| {
                case.operations.push(operation(
                    "nightly-20261201T0200Z",
                    OperationPhase::Failed,
                    "no",
                ));
            }),
        ),
        ("suspended", Case::at(NOON).change(suspended)),
        (
            "suspended after its backup",
            Case::at("2026-12-01T12:00:00Z").change(suspended),
        ),
        (
            "suspended, with those of others",
            Case::at(NOON)
                .change(suspended)
                .change(|case| case.backups.insert(0, by_hand())),
        ),
        (
            "new",
            Case::at(NOON)
                .change(new)
                .change(|case| case.backups.clear()),
        ),
        (
            "new, with a backup by hand",
            Case::at(NOON)
                .change(new)
                .change(|case| case.backups.insert(0, by_hand())),
        ),
        (
            "resumed",
            Case::at(NOON)
                .change(|case| case.known[0].last_slot = Some(Time(time("2026-11-20T02:00:00Z")))),
        ),
        (
            "not observed",
            Case::at(NOON).change(|case| case.known.clear()),
        ),
        (
            "of other kinds",
            Case::at(NOON).change(|case| case.schedules[0].request = "repair".into()),
        ),
        (
            "not understood",
            Case::at(NOON).change(|case| case.schedules[0].request = "backup".into()),
        ),
    ];
    let told = cases.map(|(name, case)| format!("{name}\n  {}", case.told()));
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_backup_counts_if_it_has_what_the_schedule_asks_for() {
    let asks = |request: &str, change: fn(&mut BackupStatus)| {
        let mut found = backup("nightly-20261202T0200Z", "2026-12-02T02:00:05Z");
        change(&mut found);
        let case = Case::at(NOON).change(|case| {
            case.schedules[0].request = request.into();
            case.backups = vec![found];
        });
        case.verdict().expect("a condition").holds == Some(true)
    };
    let of_orders = |found: &mut BackupStatus| found.keyspaces = vec!["orders".into()];
    let of_rack = |found: &mut BackupStatus| found.left_out = vec!["demo-dc1-rack1-0".into()];
    assert!(asks("backup --to s3", |_| {}));
    assert!(!asks("backup --to gcs", |_| {}));
    assert!(!asks("backup --to s3", of_orders));
    assert!(asks("backup --to s3 --keyspace orders", of_orders));
    assert!(asks("backup --to s3 --keyspace orders", |_| {}));
    assert!(!asks(
        "backup --to s3 --keyspace orders --keyspace users",
        of_orders
    ));
    assert!(!asks("backup --to s3", of_rack));
    assert!(asks("backup --to s3 --rack rack2", of_rack));
    assert!(!asks("backup --to s3 --rack rack2", |found| {
        found.left_out = vec!["demo-dc1-rack1-0".into()];
        found.id = "mine".into();
    }));
}

#[test]
fn the_worst_of_several_schedules_is_told() {
    let case = Case::at(NOON).change(|case| {
        case.backups
            .insert(0, backup("nightly-20261202T0200Z", "2026-12-02T02:00:05Z"));
        for name in ["weekly", "monthly"] {
            case.schedules.push(Schedule {
                name: name.into(),
                request: "backup --to gcs".into(),
                suspend: Some(name == "monthly"),
                ..nightly()
            });
        }
    });
    insta::assert_snapshot!("one_suspended", case.told());
    let all = case.change(|case| {
        case.operations.push(operation(
            "weekly-20261202T0200Z",
            OperationPhase::Failed,
            "no access",
        ));
        case.schedules.push(Schedule {
            name: "weekly2".into(),
            ..case.schedules[1].clone()
        });
        case.known.push(ScheduleStatus {
            name: "weekly2".into(),
            last_slot: Some(Time(time("2026-12-02T02:00:00Z"))),
            ..ScheduleStatus::default()
        });
    });
    insta::assert_snapshot!("several", all.told());
}

#[test]
fn a_ring_is_ready_without_its_backups() {
    let mut world = World::formed(THREE_RACKS);
    world.now = time("2026-12-01T12:00:00Z");
    world.settle();
    let has_it = |world: &World| {
        let conditions = world.status().conditions;
        conditions
            .iter()
            .any(|known| known.type_ == condition::BACKUPS_CURRENT)
    };
    assert!(!has_it(&world));
    world.edit(|cluster| {
        cluster.spec.schedules = vec![Schedule {
            suspend: Some(true),
            ..nightly()
        }];
    });
    world.settle();
    insta::assert_snapshot!("suspended", world.condition(condition::BACKUPS_CURRENT));
    assert!(
        world
            .condition(condition::READY)
            .contains("matches the spec")
    );
    world.edit(|cluster| cluster.spec.schedules[0].suspend = None);
    world.settle();
    insta::assert_snapshot!("resumed", world.condition(condition::BACKUPS_CURRENT));
    assert!(world.is_settled());
    world.edit(|cluster| cluster.spec.schedules.clear());
    world.settle();
    assert!(!has_it(&world));
}
