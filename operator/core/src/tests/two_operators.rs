//! Random histories of two operators that overlap for any time. Each decides from a view of any age, by a clock of its
//! own, and its writes may be refused, or committed and answered by an error, or repeated. No step is counted that was not
//! done, and none is called twice for one recorded attempt.

use std::{collections::BTreeSet, sync::LazyLock};

use casskop_common::{
    api::{CassandraClusterStatus, NodePhase, OperationPhase},
    operations::{Arguments, OperationKind},
};
use jiff::SignedDuration;
use proptest::prelude::*;

use crate::{
    observed::ObservedState,
    operations::{
        behaviour,
        recorded::has_begun,
        transitions::{self, StepEvent, StepRef},
    },
    plan::Plan,
    simulation::{THREE_RACKS, World},
    testing::histories,
};

/// Kinds that are asked for: some record each step before it is called, some may be repeated.
const KINDS: [&str; 5] = ["cleanup", "flush", "repair", "scrub", "snapshot"];

/// The ring that each history begins with.
static FORMED: LazyLock<World> = LazyLock::new(|| World::formed(THREE_RACKS));

/// How the API server treats a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// It is committed and answered.
    Ok,
    /// It is not committed: 409, 422, 429, 500, 503, 504.
    Refused,
    /// It is committed, and the answer is an error or lost.
    Lost,
    /// It is committed, answered by an error, and computed again for the newest status.
    Repeated,
}

/// Something that happens.
#[derive(Clone, Debug)]
enum Event {
    /// An operator decides from what it reads now, or has read at some time, and writes its intents.
    Decide {
        by: usize,
        is_stale: bool,
        takes_over: bool,
        answer: Answer,
    },
    /// An operator reports what it decided last.
    Report { by: usize, answer: Answer },
    /// A task of an operator goes on: takes its node over, calls it, or records the outcome.
    Task {
        by: usize,
        index: usize,
        keeps: bool,
        answer: Answer,
    },
    /// An operator dies; another process takes its place.
    Die(usize),
    /// A request.
    Ask { kind: &'static str, id: u8 },
    /// A cancel.
    Cancel { kind: &'static str, id: u8 },
    /// The ring goes on.
    Tick,
}

fn event() -> impl Strategy<Value = Event> {
    let kind = || prop::sample::select(&KINDS[..]);
    let answer = || {
        prop_oneof![
            6 => Just(Answer::Ok),
            1 => Just(Answer::Refused),
            1 => Just(Answer::Lost),
            1 => Just(Answer::Repeated),
        ]
    };
    prop_oneof![
        6 => (0_usize..2, prop::bool::weighted(0.3), any::<bool>(), answer())
            .prop_map(|(by, is_stale, takes_over, answer)| {
                Event::Decide { by, is_stale, takes_over, answer }
            }),
        2 => (0_usize..2, answer()).prop_map(|(by, answer)| Event::Report { by, answer }),
        12 => (0_usize..2, any::<usize>(), any::<bool>(), answer())
            .prop_map(|(by, index, keeps, answer)| Event::Task { by, index, keeps, answer }),
        1 => (0_usize..2).prop_map(Event::Die),
        3 => (kind(), 0_u8..4).prop_map(|(kind, id)| Event::Ask { kind, id }),
        1 => (kind(), 0_u8..4).prop_map(|(kind, id)| Event::Cancel { kind, id }),
        1 => Just(Event::Tick),
    ]
}

/// Where a task is with its step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It records that it takes the node over.
    TakesOver,
    /// It calls the node.
    Calls,
    /// It knows the outcome, and records it.
    Records,
}

/// A task of an operator, as its executor keeps it.
#[derive(Clone, Debug)]
struct Task {
    kind: OperationKind,
    id: String,
    pod: String,
    from: String,
    steps: Vec<String>,
    recorded: usize,
    at_hand: usize,
    attempt: i32,
    stage: Stage,
}

/// One process of the operator.
#[derive(Debug, Default)]
struct Operator {
    name: String,
    clock: SignedDuration,
    view: Option<World>,
    decided: Option<(ObservedState, Plan)>,
    tasks: Vec<Task>,
}

/// A call: kind, id, pod, step, executor and attempt.
type Call = (String, String, String, String, String, i32);

/// The ring, its operators, and what truly happened.
struct History {
    world: World,
    operators: [Operator; 2],
    processes: usize,
    calls: Vec<Call>,
    done: BTreeSet<(String, String, String, String)>,
}

/// A write to the newest status; nothing if the operator does not learn its outcome.
fn update<T>(
    world: &mut World,
    answer: Answer,
    change: impl Fn(&mut CassandraClusterStatus) -> T,
) -> Option<T> {
    let status = world.cluster.status.get_or_insert_default();
    match answer {
        Answer::Refused => None,
        Answer::Ok => Some(change(status)),
        Answer::Lost => {
            change(status);
            None
        }
        Answer::Repeated => {
            change(status);
            let once = status.clone();
            let told = change(status);
            assert_eq!(*status, once, "a repeated change is none");
            Some(told)
        }
    }
}

impl History {
    fn new(clocks: [i64; 2]) -> Self {
        let operator = |index: usize| Operator {
            name: format!("process-{index}"),
            clock: SignedDuration::from_mins(clocks[index]),
            ..Operator::default()
        };
        Self {
            world: FORMED.clone(),
            operators: [operator(0), operator(1)],
            processes: 2,
            calls: Vec::new(),
            done: BTreeSet::new(),
        }
    }

    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Decide {
                by,
                is_stale,
                takes_over,
                answer,
            } => {
                if !is_stale || self.operators[by].view.is_none() {
                    self.operators[by].view = Some(self.world.clone());
                }
                self.decide(by, takes_over, answer);
            }
            Event::Report { by, answer } => {
                if let Some((state, plan)) = &self.operators[by].decided {
                    let seen = state.cluster.status.as_ref();
                    let change = |status: &mut _| transitions::report(status, seen, &plan.status);
                    update(&mut self.world, answer, change);
                }
            }
            Event::Task {
                by,
                index,
                keeps,
                answer,
            } => self.task(by, index, keeps, answer),
            Event::Die(by) => {
                self.operators[by] = Operator {
                    name: format!("process-{}", self.processes),
                    clock: self.operators[by].clock,
                    ..Operator::default()
                };
                self.processes += 1;
            }
            Event::Ask { kind, id } => {
                let arguments = if kind == "snapshot" {
                    "--name kept"
                } else {
                    ""
                };
                self.world
                    .annotate(kind, Some(&format!("id-{id} {arguments}")));
            }
            Event::Cancel { kind, id } => {
                let key = format!("{kind}.cancel");
                self.world.annotate(&key, Some(&format!("id-{id}")));
            }
            Event::Tick => self.world.tick(),
        }
    }

    fn decide(&mut self, by: usize, takes_over: bool, answer: Answer) {
        let operator = &mut self.operators[by];
        let Some(view) = &operator.view else { return };
        let mut state = view.state();
        state.executor.clone_from(&operator.name);
        state.now += operator.clock;
        let own = operator.tasks.iter();
        state.at_work = own.map(|task| (task.kind, task.pod.clone())).collect();
        if !takes_over {
            let operations: Vec<_> = state.operations().cloned().collect();
            for operation in operations {
                let foreign = operation.nodes.iter();
                let foreign = foreign.filter(|node| node.executor != operator.name);
                let kind = operation.kind.known().expect("a kind");
                let foreign = foreign.map(|node| (kind, node.pod.clone()));
                state.at_work.extend(foreign);
            }
        }
        let plan = view.plan_for(&mut state);
        let seen: Vec<_> = state.operations().cloned().collect();
        let changes = &plan.operations;
        let outdated = update(&mut self.world, answer, |status| {
            transitions::decide(status, &seen, changes)
        });
        if let Some(outdated) = outdated {
            let starts = plan.starts.iter();
            for start in starts.filter(|start| outdated.iter().all(|kind| *kind != start.kind)) {
                operator.tasks.push(Task {
                    kind: start.kind,
                    id: start.id.clone(),
                    pod: start.pod.clone(),
                    from: start.executor.clone(),
                    steps: start.steps.iter().map(|step| step.name.clone()).collect(),
                    recorded: start.index,
                    at_hand: start.index,
                    attempt: start.attempts + i32::from(start.resume),
                    stage: if start.resume {
                        Stage::TakesOver
                    } else {
                        Stage::Calls
                    },
                });
            }
        }
        operator.decided = Some((state, plan));
    }

    fn task(&mut self, by: usize, index: usize, keeps: bool, answer: Answer) {
        let operator = &mut self.operators[by];
        if operator.tasks.is_empty() {
            return;
        }
        let index = index % operator.tasks.len();
        let name = operator.name.clone();
        let now = self.world.state().now + operator.clock;
        let task = &mut operator.tasks[index];
        let at = |index: usize| StepRef {
            kind: task.kind,
            id: &task.id,
            pod: &task.pod,
            executor: &name,
            index,
            step: &task.steps[index],
        };
        let step = task.steps[task.at_hand].clone();
        let id = (
            task.kind.to_string(),
            task.id.clone(),
            task.pod.clone(),
            step,
        );
        let event = match task.stage {
            Stage::Calls => {
                let (kind, operation, pod, step) = id.clone();
                self.calls
                    .push((kind, operation, pod, step, name, task.attempt));
                self.done.insert(id);
                task.stage = Stage::Records;
                return;
            }
            Stage::TakesOver => StepEvent::Begun {
                attempt: task.attempt,
                from: task.from.clone(),
            },
            Stage::Records
                if keeps
                    && may_repeat(task.kind.as_str())
                    && task.at_hand + 1 < task.steps.len() =>
            {
                task.at_hand += 1;
                task.attempt = 1;
                task.stage = Stage::Calls;
                return;
            }
            Stage::Records => StepEvent::Done,
        };
        let goes_on = update(&mut self.world, answer, |status| {
            let completed = StepEvent::StepsCompleted(task.at_hand);
            transitions::record(status, at(task.recorded), &completed, now);
            transitions::record(status, at(task.at_hand), &event, now)
        });
        match goes_on {
            // The outcome is written again.
            None => {}
            Some(false) => drop(operator.tasks.remove(index)),
            Some(true) => {
                if event == StepEvent::Done {
                    task.at_hand += 1;
                    task.attempt = 1;
                }
                task.recorded = task.at_hand;
                task.stage = Stage::Calls;
                let (kind, pod, next) = (task.kind.as_str(), &task.pod, &task.steps[task.at_hand]);
                let operation = self.world.operation(kind);
                let named = operation
                    .nodes
                    .iter()
                    .find(|node| node.pod == *pod && node.executor == name);
                let step = named.map(|node| &node.step);
                assert_eq!(step, Some(next), "it calls only what the status says of it");
            }
        }
    }

    /// Invariants at every moment.
    fn check(&self) -> Result<(), TestCaseError> {
        let status = self.world.status();
        let begun = status.operations.iter().filter(|known| has_begun(known));
        prop_assert!(begun.count() <= 1, "one operation at a time");
        for operation in &status.operations {
            let steps = operation.plan.iter().flat_map(|plan| plan.steps.clone());
            let steps: Vec<String> = steps.collect();
            for node in &operation.nodes {
                for step in steps.iter().take(transitions::steps_done(node)) {
                    let (kind, id) = (operation.kind.to_string(), operation.id.clone());
                    let done = (kind, id, node.pod.clone(), step.clone());
                    prop_assert!(
                        self.done.contains(&done),
                        "{done:?} is counted and was not done"
                    );
                }
                let all = transitions::steps_done(node) == steps.len();
                prop_assert!(node.phase != NodePhase::Succeeded || all, "{node:?}");
            }
        }
        let mut ids = BTreeSet::new();
        for old in status.operation_history.iter().chain(&status.operations) {
            prop_assert!(
                ids.insert((&old.kind, &old.id)),
                "{} {} is recorded twice",
                old.kind,
                old.id
            );
        }
        let must_not_repeat = self.calls.iter().filter(|call| !may_repeat(&call.0));
        let must_not_repeat: Vec<&Call> = must_not_repeat.collect();
        let distinct: BTreeSet<_> = must_not_repeat.iter().collect();
        prop_assert_eq!(
            distinct.len(),
            must_not_repeat.len(),
            "called twice for one attempt"
        );
        Ok(())
    }
}

/// Whether the kind says that a step which is done may be called again.
fn may_repeat(kind: &str) -> bool {
    let words = if kind == "snapshot" {
        "--name kept"
    } else {
        ""
    };
    let arguments = Arguments::recorded(&kind.into(), words).expect("arguments");
    behaviour(&arguments.operation).is_idempotent()
}

proptest! {
    #![proptest_config(histories())]

    #[test]
    fn two_operators_skip_nothing_and_double_nothing(
        clocks in [-10_i64..10, -10_i64..10],
        first in prop::sample::select(&KINDS[..]),
        events in prop::collection::vec(event(), 20..80),
    ) {
        let mut history = History::new(clocks);
        history.happen(&Event::Ask { kind: first, id: 9 });
        for event in &events {
            history.happen(event);
            history.check()?;
        }
        // One process is left, and finds what the others have left behind.
        for kind in KINDS {
            history.world.annotate(&format!("{kind}.cancel"), None);
        }
        history.happen(&Event::Die(0));
        history.happen(&Event::Die(1));
        let ok = Answer::Ok;
        for _ in 0..400 {
            history.happen(&Event::Decide { by: 0, is_stale: false, takes_over: true, answer: ok });
            history.happen(&Event::Report { by: 0, answer: ok });
            while !history.operators[0].tasks.is_empty() {
                history.happen(&Event::Task { by: 0, index: 0, keeps: false, answer: ok });
            }
            history.check()?;
            let decided = history.operators[0].decided.as_ref();
            let is_idle = |plan: &Plan| plan.operations.is_empty() && plan.starts.is_empty();
            if decided.is_some_and(|(_, plan)| is_idle(plan)) {
                break;
            }
        }
        for operation in &history.world.status().operations {
            prop_assert!(operation.phase.is_final(), "{:?}", operation);
            prop_assert!(operation.phase != OperationPhase::Failed, "{:?}", operation);
        }
    }
}
