//! Tasks of an operator on a node: they take it over, call it, and record the outcome.

use casskop_common::{
    api::OperationNode,
    operations::{DECOMMISSION, REMOVE, REPLACE, RESTART},
};

use super::{
    check::may_repeat,
    history::{Answer, History, update},
};
use crate::operations::transitions::{self, StepEvent, StepRef};

/// Where a task is with its step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It records that it takes the node over.
    TakesOver,
    /// It calls the node.
    Calls,
    /// It knows the outcome, and records it.
    Records,
}

/// A task of an operator, as its executor keeps it.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) kind: String,
    pub(super) id: String,
    pub(super) pod: String,
    pub(super) from: String,
    pub(super) steps: Vec<String>,
    pub(super) recorded: usize,
    pub(super) at_hand: usize,
    pub(super) attempt: i32,
    pub(super) stage: Stage,
    pub(super) node: OperationNode,
}

impl History {
    /// A node does what it is told. Returns whether the step is done.
    fn call(&mut self, task: &Task, step: &str) -> bool {
        let node = OperationNode {
            step: step.to_owned(),
            ..task.node.clone()
        };
        match task.kind.as_str() {
            DECOMMISSION => {
                let has_left = !self.world.ring.contains_key(&node.host_id);
                has_left || self.world.leave(&task.pod, true)
            }
            RESTART if step == RESTART => self.world.restart(&node),
            REMOVE | REPLACE => self.world.discard_volumes(&task.kind, &node),
            _ => true,
        }
    }

    pub(super) fn task(
        &mut self,
        by: usize,
        index: usize,
        (keeps, fails): (bool, bool),
        answer: Answer,
    ) {
        let operator = &mut self.operators[by];
        if operator.tasks.is_empty() {
            return;
        }
        let index = index % operator.tasks.len();
        let task = operator.tasks[index].clone();
        let step = &task.steps[task.at_hand];
        // What takes time is polled.
        if task.stage == Stage::Calls && !fails && !self.call(&task, step) {
            return;
        }
        let operator = &mut self.operators[by];
        let name = operator.name.clone();
        let now = self.world.state().now + operator.clock;
        let task = &mut operator.tasks[index];
        let at = |index: usize| StepRef {
            kind: &task.kind,
            id: &task.id,
            pod: &task.pod,
            executor: &name,
            index,
            step: &task.steps[index],
        };
        let step = task.steps[task.at_hand].clone();
        let id = (task.kind.clone(), task.id.clone(), task.pod.clone(), step);
        let event = match task.stage {
            Stage::Calls if fails => StepEvent::Failed("no space left on device".to_owned()),
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
                if keeps && may_repeat(&task.kind) && task.at_hand + 1 < task.steps.len() =>
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
                let (kind, pod, next) = (&task.kind, &task.pod, &task.steps[task.at_hand]);
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
}
