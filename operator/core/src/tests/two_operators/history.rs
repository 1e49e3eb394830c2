//! Two operators: what each keeps in memory, what they write, and what truly happened.

use std::collections::{BTreeSet, VecDeque};

use casskop_common::{
    api::{CassandraCluster, CassandraClusterStatus, NodeTransport},
    operations::OperationKind,
};
use jiff::SignedDuration;

use super::{
    people::{edit, give_up},
    tasks::{Stage, Task},
    writes::{self, Flight},
};
use crate::{observed::ObservedState, operations::transitions, plan::Plan, simulation::World};

/// How the API server treats a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is committed and answered.
    Ok,
    /// It is not committed: 409, 422, 429, 500, 503, 504.
    Refused,
    /// It is committed, and the answer is an error or lost.
    Lost,
    /// It is committed, answered by an error, and computed again for the newest status.
    Repeated,
}

/// How a history goes on.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// An operator reads the resource; what belongs to it is read when it decides.
    Read(usize),
    /// An operator decides from what it reads now, or has read at some time, and writes its intents.
    Decide {
        by: usize,
        is_stale: bool,
        takes_over: bool,
        answer: Answer,
    },
    /// An operator writes the next object that it decided about. It may arrive when its sender has gone on.
    Write {
        by: usize,
        answer: Answer,
        is_late: bool,
    },
    /// A late write arrives.
    Arrive(usize),
    /// An operator reports what it decided last.
    Report { by: usize, answer: Answer },
    /// A task of an operator goes on: takes its node over, calls it, or records the outcome.
    Task {
        by: usize,
        index: usize,
        keeps: bool,
        fails: bool,
        answer: Answer,
    },
    /// An operator dies; another process takes its place.
    Die(usize),
    /// A request.
    Ask { kind: OperationKind, id: u8 },
    /// A cancel.
    Cancel { kind: OperationKind, id: u8 },
    /// So many nodes in each rack.
    Nodes(i32),
    /// So many racks.
    Racks(usize),
    /// Another image.
    Image(u8),
    /// Another transport to the nodes, with the image that has it.
    NodeApi(NodeTransport),
    /// A node is lost with its volume.
    LoseVolume(usize),
    /// A lost node is to be replaced, or removed.
    GiveUp { kind: OperationKind, id: u8 },
    /// The ring goes on.
    Tick,
}

/// One process of the operator.
#[derive(Debug, Default)]
pub(super) struct Operator {
    pub(super) name: String,
    pub(super) clock: SignedDuration,
    read: Option<CassandraCluster>,
    view: Option<World>,
    pub(super) decided: Option<(ObservedState, Plan)>,
    pub(super) writes: VecDeque<Flight>,
    pub(super) tasks: Vec<Task>,
}

/// A call: kind, id, pod, step, executor and attempt.
pub(super) type Call = (OperationKind, String, String, String, String, i32);

/// The ring, its operators, and what truly happened.
pub(super) struct History {
    pub(super) world: World,
    pub(super) operators: Vec<Operator>,
    late: Vec<Flight>,
    processes: usize,
    pub(super) calls: Vec<Call>,
    pub(super) done: BTreeSet<(OperationKind, String, String, String)>,
}

/// A write to the newest status; nothing if the operator does not learn its outcome.
pub(super) fn update<T>(
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
    pub(super) fn new(world: &World, clocks: [i64; 2]) -> Self {
        let operator = |index: usize| Operator {
            name: format!("process-{index}"),
            clock: SignedDuration::from_mins(clocks[index]),
            ..Operator::default()
        };
        Self {
            world: world.clone(),
            late: Vec::new(),
            operators: vec![operator(0), operator(1)],
            processes: 2,
            calls: Vec::new(),
            done: BTreeSet::new(),
        }
    }

    pub(super) fn happen(&mut self, event: &Event) {
        match *event {
            Event::Read(by) => self.operators[by].read = Some(self.world.cluster.clone()),
            Event::Decide {
                by,
                is_stale,
                takes_over,
                answer,
            } => {
                if !is_stale || self.operators[by].view.is_none() {
                    let mut view = self.world.clone();
                    let operator = &mut self.operators[by];
                    view.cluster = operator.read.take().unwrap_or(view.cluster);
                    operator.view = Some(view);
                }
                self.decide(by, takes_over, answer);
            }
            Event::Write {
                by,
                answer,
                is_late,
            } => self.write(by, answer, is_late),
            Event::Arrive(index) => {
                if !self.late.is_empty() {
                    let flight = self.late.remove(index % self.late.len());
                    flight.arrive(&mut self.world);
                }
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
                fails,
                answer,
            } => self.task(by, index, (keeps, fails), answer),
            Event::Die(by) => {
                self.operators[by] = Operator {
                    name: format!("process-{}", self.processes),
                    clock: self.operators[by].clock,
                    ..Operator::default()
                };
                self.processes += 1;
            }
            Event::Ask { kind, id } => {
                let arguments = match kind {
                    OperationKind::Snapshot => "--name kept",
                    OperationKind::Restart => "--drain",
                    _ => "",
                };
                self.world
                    .annotate(kind.as_str(), Some(&format!("id-{id} {arguments}")));
            }
            Event::Cancel { kind, id } => {
                let key = format!("{kind}.cancel");
                self.world.annotate(&key, Some(&format!("id-{id}")));
            }
            Event::Nodes(_) | Event::Racks(_) | Event::Image(_) | Event::NodeApi(_) => {
                edit(&mut self.world, event);
            }
            Event::LoseVolume(index) => self.lose_volume(index),
            Event::GiveUp { kind, id } => {
                if let Some(pod) = self.world.lost.first().cloned() {
                    give_up(&mut self.world, kind, &format!("id-{id}"), &pod);
                }
            }
            Event::Tick => {
                self.world.now += SignedDuration::from_secs(1);
                self.world.tick();
            }
        }
    }

    fn decide(&mut self, by: usize, takes_over: bool, answer: Answer) {
        let operator = &mut self.operators[by];
        let Some(view) = &operator.view else { return };
        let mut state = view.state();
        state.executor.clone_from(&operator.name);
        state.now += operator.clock;
        let own = operator.tasks.iter();
        state.at_work = own
            .map(|task| (task.start.kind, task.start.pod.clone()))
            .collect();
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
        let status = state.cluster.status.as_ref();
        let (changes, write) = (&plan.operations, plan.rack_write.as_ref());
        let outdated = update(&mut self.world, answer, |current| {
            transitions::decide(current, status, changes, write)
        });
        operator.writes.clear();
        let mut acted = plan.clone();
        if let Some(outdated) = outdated {
            acted.forget(&outdated);
            let live = &state.live;
            let flights = writes::of(&acted, live).into_iter().map(|write| Flight {
                write,
                seen: live.clone(),
            });
            operator.writes.extend(flights);
            for start in &acted.starts {
                operator.tasks.push(Task {
                    recorded: start.index,
                    at_hand: start.index,
                    attempt: start.attempts + i32::from(start.resume),
                    stage: if start.resume {
                        Stage::TakesOver
                    } else {
                        Stage::Calls
                    },
                    start: start.clone(),
                });
            }
        }
        operator.decided = Some((state, plan));
    }

    fn write(&mut self, by: usize, answer: Answer, is_late: bool) {
        let operator = &mut self.operators[by];
        let Some(flight) = operator.writes.pop_front() else {
            return;
        };
        if is_late {
            self.late.push(flight);
            operator.writes.clear();
            return;
        }
        let is_accepted = answer != Answer::Refused && flight.arrive(&mut self.world);
        let is_repeated = answer == Answer::Repeated && is_accepted;
        let goes_on = match answer {
            Answer::Ok => is_accepted,
            Answer::Repeated => is_repeated && flight.arrive(&mut self.world),
            Answer::Refused | Answer::Lost => false,
        };
        if !goes_on {
            operator.writes.clear();
        }
    }
}
