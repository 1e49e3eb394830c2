//! Random states of a schedule.

use proptest::prelude::*;

use super::*;
use crate::testing::histories;

prop_compose! {
    /// A time within the four days around noon of the 2nd of December, in minutes.
    fn moment()(minutes in -2880_i64..2880) -> Timestamp {
        time(NOON) + SignedDuration::from_mins(minutes)
    }
}

proptest! {
    #![proptest_config(histories())]

    /// With any status: no schedule is current without a backup that began at the slot before the newest one, or later;
    /// and none after a slot that has come, is over, and has no backup.
    #[test]
    fn no_schedule_is_current_without_a_backup_that_is_recent(
        cron in prop::sample::select(&["0 2 * * *", "0 * * * *", "*/20 * * * *", "0 3 * * SUN"][..]),
        suspend in any::<bool>(),
        now in moment(),
        next in prop::option::of(moment()),
        last in prop::option::of(moment()),
        missed in prop::option::of(moment()),
        backups in prop::collection::vec((moment(), moment(), any::<bool>(), 0..4_u8), 0..4),
        operations in prop::collection::vec((moment(), 0..9_usize), 0..3),
    ) {
        let schedule = Schedule { cron: cron.into(), suspend: Some(suspend), ..nightly() };
        let slot = |near: Timestamp| schedules::near(&schedule, near).expect("slots").newest;
        let id = |near: Timestamp| schedules::id(&schedule, slot(near));
        let phases = [
            OperationPhase::Pending, OperationPhase::Planned, OperationPhase::Running, OperationPhase::Paused,
            OperationPhase::Succeeded, OperationPhase::Failed, OperationPhase::Refused, OperationPhase::Cancelled,
            OperationPhase::Withdrawn,
        ];
        let case = Case {
            known: vec![ScheduleStatus {
                name: "nightly".into(),
                cron: cron.into(),
                next_slot: next.map(slot).map(Time),
                last_slot: last.map(slot).map(Time),
                last_missed_slot: missed.map(slot).map(Time),
                ..ScheduleStatus::default()
            }],
            schedules: vec![schedule.clone()],
            backups: backups.iter().map(|(of, began, own, part)| BackupStatus {
                id: if *own { id(*of) } else { "mine".into() },
                started_at: MicroTime(*began),
                store: if *part == 1 { "other".into() } else { "s3".into() },
                keyspaces: if *part == 2 { vec!["orders".into()] } else { Vec::new() },
                ..backup("mine", NOON)
            }).collect(),
            operations: operations.iter().map(|(of, phase)| operation(&id(*of), phases[*phase], "")).collect(),
            now,
        };
        let verdict = case.verdict().expect("a condition");
        let near = schedules::near(&schedule, now).expect("slots");
        let whole = case.backups.iter().filter(|one| one.store == "s3" && one.keyspaces.is_empty());
        let has = |slot: Timestamp| whole.clone().any(|one| one.started_at.0 + schedules::AHEAD >= slot);
        if verdict.holds == Some(true) {
            prop_assert!(has(near.before.expect("a slot before")), "{}", verdict.message);
            prop_assert!(has(near.newest) || case.operations.iter().any(|one| !one.phase.is_final()) || next.is_some_and(|next| slot(next) <= now));
            prop_assert!(!suspend || whole.clone().any(|one| one.id == "mine" && one.started_at.0 >= near.newest));
            let ended = [OperationPhase::Failed, OperationPhase::Refused, OperationPhase::Cancelled];
            let newest = case.operations.iter().max_by_key(|one| schedules::slot(&schedule, &one.id));
            if let Some(newest) = newest.filter(|newest| ended.contains(&newest.phase)) {
                let of = schedules::slot(&schedule, &newest.id).expect("a slot");
                prop_assert!(of > now || has(of), "{}", verdict.message);
            }
            if let Some(missed) = missed.map(slot).filter(|missed| *missed <= now) {
                prop_assert!(has(missed), "{}", verdict.message);
            }
        }
        if whole.count() == 0 {
            prop_assert_ne!(verdict.holds, Some(true));
        }
    }
}
