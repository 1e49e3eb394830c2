//! Random histories of two operators that overlap for any time. Each decides from a view of any age, by a clock of its
//! own, and its writes may be refused, or committed and answered by an error, or repeated, or arrive late. No step is
//! counted that was not done, and none is called twice for one recorded attempt; no two racks have nodes down, no two nodes
//! leave at the same time, and no volume of a member is deleted.

mod check;
mod history;
mod people;
mod tasks;
mod writes;

use std::sync::LazyLock;

use casskop_common::{
    api::{NodeTransport, OperationPhase, Phase},
    operations::OperationKind,
};
use proptest::prelude::*;

use crate::{
    plan::Plan,
    simulation::{Node, THREE_RACKS, World},
    testing::histories,
};
use history::{Answer, Event, History};
use people::give_up;

/// Kinds that are asked for: some record each step before it is called, some may be repeated.
const KINDS: [OperationKind; 5] = [
    OperationKind::Cleanup,
    OperationKind::Flush,
    OperationKind::Repair,
    OperationKind::Scrub,
    OperationKind::Snapshot,
];
/// Kinds that are asked for while racks change.
const KINDS_BESIDE: [OperationKind; 4] = [
    OperationKind::Cleanup,
    OperationKind::Flush,
    OperationKind::Restart,
    OperationKind::Scrub,
];
const UID: &str = "01234567-89ab-cdef-0123-456789abcdef";

/// The ring that each history begins with.
static FORMED: LazyLock<World> = LazyLock::new(|| World::formed(THREE_RACKS));
/// The ring that changes.
static CHANGING: LazyLock<World> = LazyLock::new(|| {
    let mut world = World::new(THREE_RACKS);
    world.cluster.metadata.uid = Some(UID.into());
    world.cluster.spec.auto_pilot = Some(true);
    world.settle();
    world
});

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        6 => Just(Answer::Ok),
        1 => Just(Answer::Refused),
        1 => Just(Answer::Lost),
        1 => Just(Answer::Repeated),
    ]
}

fn request(kinds: &'static [OperationKind]) -> impl Strategy<Value = Event> {
    let kind = || prop::sample::select(kinds);
    prop_oneof![
        3 => (kind(), 0_u8..4).prop_map(|(kind, id)| Event::Ask { kind, id }),
        1 => (kind(), 0_u8..4).prop_map(|(kind, id)| Event::Cancel { kind, id }),
    ]
}

fn process(fails: f64) -> impl Strategy<Value = Event> {
    prop_oneof![
        1 => (0_usize..2).prop_map(Event::Read),
        6 => (0_usize..2, prop::bool::weighted(0.3), any::<bool>(), answer())
            .prop_map(|(by, is_stale, takes_over, answer)| {
                Event::Decide { by, is_stale, takes_over, answer }
            }),
        2 => (0_usize..2, answer()).prop_map(|(by, answer)| Event::Report { by, answer }),
        12 => (0_usize..2, any::<usize>(), any::<bool>(), prop::bool::weighted(fails), answer())
            .prop_map(|(by, index, keeps, fails, answer)| {
                Event::Task { by, index, keeps, fails, answer }
            }),
        1 => (0_usize..2).prop_map(Event::Die),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        22 => process(0.0),
        4 => request(&KINDS),
        1 => Just(Event::Tick),
    ]
}

fn event_of_racks() -> impl Strategy<Value = Event> {
    let give_up = prop_oneof![Just(OperationKind::Remove), Just(OperationKind::Replace)];
    prop_oneof![
        24 => process(0.05),
        12 => (0_usize..2, answer(), prop::bool::weighted(0.15))
            .prop_map(|(by, answer, is_late)| Event::Write { by, answer, is_late }),
        3 => any::<usize>().prop_map(Event::Arrive),
        2 => request(&KINDS_BESIDE),
        1 => (1_i32..3).prop_map(Event::Nodes),
        1 => (2_usize..5).prop_map(Event::Racks),
        2 => (0_u8..3).prop_map(Event::Image),
        1 => proptest::sample::select(&NodeTransport::ALL[..]).prop_map(Event::NodeApi),
        1 => any::<usize>().prop_map(Event::LoseVolume),
        1 => (give_up, 0_u8..3).prop_map(|(kind, id)| Event::GiveUp { kind, id }),
        8 => Just(Event::Tick),
    ]
}

/// One process is left, and finds what the others have left behind.
fn go_on_alone(history: &mut History) -> Result<(), TestCaseError> {
    let ok = Answer::Ok;
    for _ in 0..400 {
        history.happen(&Event::Decide {
            by: 0,
            is_stale: false,
            takes_over: true,
            answer: ok,
        });
        while !history.operators[0].writes.is_empty() {
            history.happen(&Event::Write {
                by: 0,
                answer: ok,
                is_late: false,
            });
        }
        history.happen(&Event::Report { by: 0, answer: ok });
        for _ in 0..30 {
            history.happen(&Event::Task {
                by: 0,
                index: 0,
                keeps: false,
                fails: false,
                answer: ok,
            });
        }
        history.check()?;
        history.happen(&Event::Tick);
        let decided = history.operators[0].decided.as_ref();
        let is_idle = |plan: &Plan| {
            plan.operations.is_empty()
                && plan.starts.is_empty()
                && plan.objects.is_empty()
                && plan.removals.is_empty()
        };
        if decided.is_some_and(|(_, plan)| is_idle(plan)) && history.world.is_settled() {
            break;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(histories())]

    #[test]
    fn two_operators_skip_nothing_and_double_nothing(
        clocks in [-10_i64..10, -10_i64..10],
        first in prop::sample::select(&KINDS[..]),
        events in prop::collection::vec(event(), 20..80),
    ) {
        let mut history = History::new(&FORMED, clocks);
        history.happen(&Event::Ask { kind: first, id: 9 });
        for event in &events {
            history.happen(event);
            history.check()?;
        }
        for kind in KINDS {
            history.world.annotate(&format!("{kind}.cancel"), None);
        }
        history.happen(&Event::Die(0));
        history.happen(&Event::Die(1));
        go_on_alone(&mut history)?;
        for operation in &history.world.status().operations {
            prop_assert!(operation.phase.is_final(), "{:?}", operation);
            prop_assert!(operation.phase != OperationPhase::Failed, "{:?}", operation);
        }
    }

    #[test]
    fn two_operators_change_one_rack_after_the_other(
        clocks in [-10_i64..10, -10_i64..10],
        events in prop::collection::vec(event_of_racks(), 40..160),
    ) {
        let mut history = History::new(&CHANGING, clocks);
        for event in &events {
            history.happen(event);
            history.check()?;
        }
        for kind in KINDS_BESIDE {
            history.world.annotate(&format!("{kind}.cancel"), None);
        }
        history.happen(&Event::Die(0));
        history.happen(&Event::Die(1));
        // A person has the lost node replaced, in its rack.
        history.happen(&Event::Racks(4));
        history.happen(&Event::Nodes(2));
        go_on_alone(&mut history)?;
        let lost = history.world.lost.clone();
        for pod in lost {
            let found = history.world.pods.get(&pod).map(|pod| pod.node);
            if found != Some(Node::Normal) {
                give_up(&mut history.world, OperationKind::Replace, "mend", &pod);
                go_on_alone(&mut history)?;
            }
        }
        let status = history.world.status();
        prop_assert!(
            status.phase == Some(Phase::Running),
            "{} {:?}",
            history.world.condition("Progressing"),
            status.operations
        );
        for operation in &status.operations {
            prop_assert!(operation.phase.is_final(), "{:?}", operation);
        }
        prop_assert_eq!(history.world.ring.len(), 8);
    }
}
