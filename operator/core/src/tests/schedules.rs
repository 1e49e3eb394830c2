//! Requests that schedules make.

use casskop_common::{
    api::{OperationPhase, OperationStatus, Requester, Schedule},
    operations::OperationKind,
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::{
    simulation::{Node, THREE_RACKS, World},
    testing::histories,
};

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn schedule(name: &str, cron: &str, request: &str) -> Schedule {
    Schedule {
        name: name.into(),
        cron: cron.into(),
        request: request.into(),
        ..Schedule::default()
    }
}

/// A ring at noon, with these schedules, which have been observed.
fn ring(schedules: Vec<Schedule>) -> World {
    let mut world = World::formed(THREE_RACKS);
    world.now = time("2026-12-01T12:00:00Z");
    world.edit(|cluster| cluster.spec.schedules = schedules);
    world.settle();
    world
}

fn nightly() -> Schedule {
    schedule("nightly", "0 2 * * *", "flush --keyspace orders")
}

/// All operations of schedules, oldest first: id and phase.
fn made(world: &World) -> Vec<(String, OperationPhase)> {
    let status = world.status();
    let all = status.operations.iter().chain(&status.operation_history);
    let is_made = |one: &&OperationStatus| one.requested_by == Some(Requester::Schedule);
    let mut made: Vec<_> = all
        .filter(is_made)
        .map(|one| (one.id.clone(), one.phase))
        .collect();
    made.sort_by(|one, other| one.0.cmp(&other.0));
    made
}

fn ids(world: &World) -> Vec<String> {
    made(world).into_iter().map(|(id, _)| id).collect()
}

fn next(world: &World) -> Option<String> {
    let next = world.status().schedules[0].next_slot.clone()?;
    Some(next.0.to_string())
}

fn at(world: &mut World, text: &str) {
    world.now = time(text);
    world.settle();
}

#[test]
fn a_slot_makes_one_request_and_is_told() {
    let mut world = ring(vec![nightly()]);
    assert_eq!(next(&world).as_deref(), Some("2026-12-02T02:00:00Z"));
    at(&mut world, "2026-12-02T01:30:00Z");
    assert!(ids(&world).is_empty());
    at(&mut world, "2026-12-02T02:00:10Z");
    let id = "nightly-20261202T0200Z";
    assert_eq!(made(&world), [(id.to_owned(), OperationPhase::Succeeded)]);
    assert_eq!(world.operation("flush").arguments, "--keyspace orders");
    assert_eq!(next(&world).as_deref(), Some("2026-12-03T02:00:00Z"));
    let calls = world.calls.len();
    at(&mut world, "2026-12-02T12:00:00Z");
    assert_eq!(world.calls.len(), calls, "once");
    at(&mut world, "2026-12-03T02:00:00Z");
    assert_eq!(world.calls.len(), 2 * calls);
}

#[test]
fn nothing_is_written_between_two_slots() {
    let mut world = ring(vec![nightly()]);
    world.now = time("2026-12-02T01:30:00Z");
    assert!(world.is_settled());
}

#[test]
fn slots_that_were_missed_are_made_up_for_once() {
    let mut world = ring(vec![nightly()]);
    at(&mut world, "2026-12-09T09:00:00Z");
    assert_eq!(ids(&world), ["nightly-20261209T0200Z"]);
}

#[test]
fn a_request_that_is_too_late_is_left_out() {
    let mut world = ring(vec![Schedule {
        starting_deadline_seconds: Some(3600),
        ..nightly()
    }]);
    at(&mut world, "2026-12-02T03:30:00Z");
    assert!(ids(&world).is_empty());
    let told = world.status().schedules[0].last_missed_slot.clone();
    assert_eq!(told.map(|slot| slot.0), Some(time("2026-12-02T02:00:00Z")));
    at(&mut world, "2026-12-03T02:59:00Z");
    assert_eq!(ids(&world), ["nightly-20261203T0200Z"]);
}

#[test]
fn a_request_waits_for_one_that_runs_and_makes_up_for_all_slots_meanwhile() {
    let mut world = ring(vec![schedule("often", "*/10 * * * *", "flush")]);
    world.now = time("2026-12-01T12:10:00Z");
    world.pass();
    world.pass();
    assert_eq!(world.operation("flush").phase, OperationPhase::Running);
    world.now = time("2026-12-01T12:47:00Z");
    world.pass();
    world.pass();
    assert_eq!(ids(&world), ["often-20261201T1210Z"], "one at a time");
    world.settle();
    let both = ["often-20261201T1210Z", "often-20261201T1240Z"];
    assert_eq!(ids(&world), both);
}

#[test]
fn a_request_of_a_user_goes_first_and_a_schedule_has_its_turn() {
    let mut world = ring(vec![nightly()]);
    world.annotate("reconcile", Some("paused"));
    at(&mut world, "2026-12-02T02:00:00Z");
    assert_eq!(
        made(&world),
        [("nightly-20261202T0200Z".into(), OperationPhase::Pending)]
    );
    world.annotate("flush", Some("mine"));
    world.settle();
    world.annotate("reconcile", None);
    world.now += SignedDuration::from_mins(5);
    world.settle();
    let operation = world.operation("flush");
    assert_eq!(operation.id, "nightly-20261202T0200Z");
    assert_eq!(operation.phase, OperationPhase::Succeeded);
    assert_eq!(next(&world).as_deref(), Some("2026-12-03T02:00:00Z"));
    let told = &world.status().schedules[0];
    let slot = told.last_slot.as_ref().map(|slot| slot.0);
    assert_eq!(slot, Some(time("2026-12-02T02:00:00Z")));
    assert_eq!(told.last_missed_slot, None);
    let history = world.status().operation_history;
    let mine = history.iter().find(|old| old.id == "mine");
    assert_eq!(mine.map(|mine| mine.phase), Some(OperationPhase::Succeeded));
    // The annotation is still there, and runs no second time.
    at(&mut world, "2026-12-03T01:00:00Z");
    assert_eq!(world.operation("flush").id, "nightly-20261202T0200Z");
}

#[test]
fn a_request_that_failed_is_not_tried_again_before_the_next_slot() {
    let mut world = ring(vec![nightly()]);
    world.now = time("2026-12-02T02:00:00Z");
    for _ in 0..10 {
        world.pass();
        world.work(0, true, true);
    }
    world.settle();
    assert_eq!(world.operation("flush").phase, OperationPhase::Failed);
    let calls = world.calls.len();
    at(&mut world, "2026-12-02T12:00:00Z");
    assert_eq!(world.calls.len(), calls);
    at(&mut world, "2026-12-03T02:00:00Z");
    assert_eq!(world.operation("flush").phase, OperationPhase::Succeeded);
}

#[test]
fn nothing_is_made_up_for_after_a_suspension_or_a_change() {
    let mut world = ring(vec![nightly()]);
    world.edit(|cluster| cluster.spec.schedules[0].suspend = Some(true));
    world.settle();
    assert_eq!(next(&world), None);
    at(&mut world, "2026-12-05T12:00:00Z");
    world.edit(|cluster| cluster.spec.schedules[0].suspend = None);
    world.settle();
    assert_eq!(next(&world).as_deref(), Some("2026-12-06T02:00:00Z"));
    world.edit(|cluster| cluster.spec.schedules[0].cron = "0 1 * * *".into());
    world.now = time("2026-12-07T12:00:00Z");
    world.settle();
    assert_eq!(next(&world).as_deref(), Some("2026-12-08T01:00:00Z"));
    assert!(ids(&world).is_empty());
}

#[test]
fn a_request_that_has_not_begun_goes_with_its_schedule() {
    let mut world = ring(vec![nightly()]);
    world.annotate("reconcile", Some("paused"));
    at(&mut world, "2026-12-02T02:00:00Z");
    world.edit(|cluster| cluster.spec.schedules.clear());
    world.annotate("reconcile", None);
    world.settle();
    assert_eq!(
        made(&world),
        [("nightly-20261202T0200Z".into(), OperationPhase::Withdrawn)]
    );
    assert!(world.status().schedules.is_empty());
}

#[test]
fn a_request_that_was_cancelled_waits_for_the_next_slot() {
    let mut world = ring(vec![nightly()]);
    world.annotate("flush.cancel", Some("nightly-20261202T0200Z"));
    at(&mut world, "2026-12-02T02:00:00Z");
    world.annotate("flush.cancel", None);
    at(&mut world, "2026-12-02T12:00:00Z");
    let cancelled = (
        "nightly-20261202T0200Z".to_owned(),
        OperationPhase::Cancelled,
    );
    assert_eq!(made(&world), [cancelled]);
    assert!(world.calls.is_empty());
    assert_eq!(next(&world).as_deref(), Some("2026-12-03T02:00:00Z"));
}

#[test]
fn several_schedules_of_a_kind_have_their_turns() {
    let mut world = ring(vec![
        schedule("orders", "0 2 * * *", "flush --keyspace orders"),
        schedule("users", "0 2 * * *", "flush --keyspace users"),
        schedule("keep", "0 2 * * *", "snapshot --name {id}"),
    ]);
    at(&mut world, "2026-12-02T02:00:00Z");
    let ids = ids(&world);
    let slot = "20261202T0200Z";
    assert_eq!(
        ids,
        ["keep", "orders", "users"].map(|name| format!("{name}-{slot}"))
    );
    assert!(
        made(&world)
            .iter()
            .all(|(_, phase)| *phase == OperationPhase::Succeeded)
    );
}

#[test]
fn a_schedule_that_never_ends_in_time_lets_others_have_their_turn() {
    let mut world = ring(vec![schedule("often", "* * * * *", "flush")]);
    world.now = time("2026-12-01T12:01:00Z");
    world.pass();
    world.annotate("snapshot", Some("mine --name kept"));
    for _ in 0..40 {
        world.pass();
        world.work(0, true, false);
        world.now += SignedDuration::from_secs(30);
    }
    let mine = world.operation("snapshot");
    assert_eq!(mine.phase, OperationPhase::Succeeded, "{}", mine.message);
    assert!(ids(&world).len() > 1, "{:?}", made(&world));
}

#[test]
fn a_cancelled_cleanup_of_the_operator_leaves_the_turn_to_a_schedule() {
    let mut world = ring(vec![schedule("weekly", "0 2 * * *", "cleanup")]);
    world.edit(|cluster| cluster.spec.nodes_per_racks = Some(2));
    world.settle();
    world.edit(|cluster| cluster.spec.auto_pilot = Some(true));
    world.pass();
    let own = world.operation("cleanup");
    assert_eq!(own.requested_by, Some(Requester::AutoPilot), "{own:?}");
    world.annotate("cleanup.cancel", Some(&own.id));
    world.settle();
    assert_eq!(world.operation("cleanup").phase, OperationPhase::Cancelled);
    let tomorrow = next(&world).expect("a slot");
    at(&mut world, &tomorrow);
    let cleanup = world.operation("cleanup");
    assert_eq!(
        cleanup.requested_by,
        Some(Requester::Schedule),
        "{cleanup:?}"
    );
    assert_eq!(cleanup.phase, OperationPhase::Succeeded);
}

#[test]
fn a_clock_that_was_far_ahead_once_does_not_stop_a_schedule() {
    let mut world = ring(vec![nightly()]);
    at(&mut world, "2036-05-05T12:00:00Z");
    assert_eq!(ids(&world), ["nightly-20360505T0200Z"]);
    at(&mut world, "2026-12-01T13:00:00Z");
    assert_eq!(next(&world).as_deref(), Some("2026-12-02T02:00:00Z"));
    at(&mut world, "2026-12-02T02:00:00Z");
    let ids = ids(&world);
    assert!(
        ids.contains(&"nightly-20261202T0200Z".to_owned()),
        "{ids:?}"
    );
}

#[test]
fn a_clock_that_is_behind_withdraws_nothing() {
    let mut world = ring(vec![nightly()]);
    world.annotate("reconcile", Some("paused"));
    at(&mut world, "2026-12-02T02:00:00Z");
    world.now = time("2026-12-02T01:50:00Z");
    world.pass();
    let pending = ("nightly-20261202T0200Z".to_owned(), OperationPhase::Pending);
    assert_eq!(made(&world), [pending]);
}

#[test]
fn a_refused_spec_ends_a_schedule_all_the_same() {
    let mut world = ring(vec![nightly(), schedule("users", "0 2 * * *", "scrub")]);
    world.edit(|cluster| {
        cluster.spec.schedules[0].suspend = Some(true);
        cluster.spec.schedules[1].request = "scrub --nosuch".into();
    });
    world.settle();
    assert!(world.condition("SpecAccepted").starts_with("False"));
    at(&mut world, "2026-12-02T02:00:00Z");
    assert_eq!(ids(&world), ["users-20261202T0200Z"]);
}

#[test]
fn schedules_do_not_make_the_requests_of_users_forgotten() {
    let mut world = ring(vec![schedule("often", "* * * * *", "flush")]);
    for id in ["first", "second"] {
        world.annotate("flush", Some(id));
        world.settle();
    }
    for _ in 0..30 {
        world.now += SignedDuration::from_mins(1);
        world.settle();
    }
    assert_eq!(ids(&world).len(), 11, "ten, and the newest");
    let history = world.status().operation_history;
    assert!(history.iter().any(|old| old.id == "first"));
}

#[test]
fn a_cluster_that_is_made_anew_makes_up_for_nothing() {
    let mut world = ring(vec![nightly()]);
    world.now = time("2026-12-05T12:00:00Z");
    world.cluster.status = None;
    world.settle();
    assert!(ids(&world).is_empty());
    assert_eq!(next(&world).as_deref(), Some("2026-12-06T02:00:00Z"));
}

#[test]
fn what_cannot_be_scheduled_is_refused() {
    let changed = |change: fn(&mut Schedule)| {
        let mut wrong = nightly();
        change(&mut wrong);
        vec![wrong]
    };
    let refused = [
        changed(|wrong| wrong.cron = "0 2 * *".into()),
        changed(|wrong| wrong.cron = "0 25 * * *".into()),
        changed(|wrong| wrong.cron = "@daily".into()),
        changed(|wrong| wrong.cron = "0 2 L * *".into()),
        changed(|wrong| wrong.cron = "H 2 * * *".into()),
        changed(|wrong| wrong.cron = "0 2 * * 5#2".into()),
        changed(|wrong| wrong.cron = "0 2 30 2 *".into()),
        changed(|wrong| wrong.cron = "0 2 */2 * SUN".into()),
        changed(|wrong| wrong.cron = "0 2 * * * *".into()),
        changed(|wrong| wrong.time_zone = Some("Europe/Pariss".into())),
        changed(|wrong| wrong.time_zone = Some("../etc/passwd".into())),
        changed(|wrong| wrong.request = "remove --pod demo-dc1-rack1-0".into()),
        changed(|wrong| wrong.request = "flsh".into()),
        changed(|wrong| wrong.request = "flush --dry-run".into()),
        changed(|wrong| wrong.request = "flush --nosuch".into()),
        changed(|wrong| wrong.request = " ".into()),
        changed(|wrong| wrong.request = "snapshot --name kept".into()),
        changed(|wrong| wrong.request = "snapshot --name kept --keyspace {id}".into()),
        changed(|wrong| wrong.request = "flush 'orders".into()),
        vec![nightly(), nightly()],
    ];
    let messages = refused.map(|schedules| {
        let world = ring(schedules);
        let told = world.condition("SpecAccepted");
        assert!(told.starts_with("False"), "{told}");
        told
    });
    insta::assert_yaml_snapshot!(messages);
}

#[test]
fn each_kind_that_may_be_scheduled_is() {
    for kind in OperationKind::ALL {
        let arguments = match kind {
            OperationKind::Snapshot => " --name {id}",
            OperationKind::ClearSnapshot => " --name kept",
            OperationKind::Backup => " --to s3",
            OperationKind::VerifyBackup | OperationKind::DeleteBackup => " --from s3 --backup b1",
            _ => "",
        };
        let world = ring(vec![schedule(
            "one",
            "0 2 * * *",
            &format!("{kind}{arguments}"),
        )]);
        let told = world.condition("SpecAccepted");
        assert_eq!(
            told.starts_with("True"),
            kind.may_be_scheduled(),
            "{kind}: {told}"
        );
    }
}

#[derive(Clone, Debug)]
enum Event {
    /// A pass by an operator whose clock differs by so many seconds, and dies after so many effects.
    Pass(i64, usize),
    Work(bool),
    Later(i64),
    Suspend(bool),
    Ask(u8),
    Pause(bool),
    Lose,
    Mend,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        12 => (-600_i64..600, 0_usize..4).prop_map(|(clock, effects)| Event::Pass(clock, effects)),
        6 => prop::bool::weighted(0.1).prop_map(Event::Work),
        8 => (1_i64..2_000).prop_map(Event::Later),
        1 => any::<bool>().prop_map(Event::Suspend),
        1 => (0_u8..3).prop_map(Event::Ask),
        1 => any::<bool>().prop_map(Event::Pause),
        1 => Just(Event::Lose),
        2 => Just(Event::Mend),
    ]
}

proptest! {
    #![proptest_config(histories())]

    /// With any deaths, waits and differences of minutes: no slot runs twice, none runs beside another one, and in the end the
    /// newest slot has run.
    #[test]
    fn schedules_run_each_slot_once(events in prop::collection::vec(event(), 1..80)) {
        let mut world = ring(vec![schedule("often", "*/10 * * * *", "flush")]);
        for event in events {
            match event {
                Event::Pass(clock, effects) => {
                    let now = world.now;
                    world.now += SignedDuration::from_secs(clock);
                    world.pass_until(effects);
                    world.now = now;
                }
                Event::Work(fails) => world.work(0, true, fails),
                Event::Later(seconds) => world.now += SignedDuration::from_secs(seconds),
                Event::Suspend(suspend) => {
                    world.edit(|cluster| cluster.spec.schedules[0].suspend = Some(suspend));
                }
                Event::Ask(id) => world.annotate("flush", Some(&format!("mine{id}"))),
                Event::Pause(paused) => world.annotate("reconcile", paused.then_some("paused")),
                Event::Lose => world.kill_operator(),
                Event::Mend => {
                    for pod in world.pods.values_mut() {
                        pod.node = Node::Normal;
                    }
                }
            }
            let status = world.status();
            let ids: Vec<&String> = status.operations.iter().map(|one| &one.id).collect();
            let history = status.operation_history.iter().filter(|old| old.started_at.is_some());
            prop_assert!(history.clone().all(|old| !ids.contains(&&old.id)), "twice");
        }
        world.annotate("reconcile", None);
        world.edit(|cluster| cluster.spec.schedules[0].suspend = None);
        // Clocks that were ahead have caught up.
        world.now += SignedDuration::from_secs(1_200);
        world.settle();
        world.now += SignedDuration::from_secs(1_200);
        // The clock goes on meanwhile, and the next slot may come in the last moment.
        let asked = world.now;
        world.settle();
        let last = world.status().schedules[0].last_slot.clone().expect("a slot has run");
        let age = asked.duration_since(last.0);
        prop_assert!(age < SignedDuration::from_mins(10), "the newest slot has run: {age}");
        prop_assert!(world.status().operations.iter().all(|one| one.phase.is_final()));
    }
}
