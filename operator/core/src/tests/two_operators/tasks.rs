//! Tasks of an operator on a node: they take it over, call it, and record the outcome.

use casskop_common::{api::OperationNode, operations::OperationKind};

use super::{
    check::may_repeat,
    history::{Answer, History, update},
};
use crate::{
    operations::transitions::{self, StepEvent, StepRef},
    scheduler::Start,
};

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
    pub(super) start: Start,
    pub(super) recorded: usize,
    pub(super) at_hand: usize,
    pub(super) attempt: i32,
    pub(super) stage: Stage,
}

/// The node of a task, at a step.
fn node(task: &Task, step: &str) -> OperationNode {
    let start = &task.start;
    OperationNode {
        pod: start.pod.clone(),
        pod_uid: start.pod_uid.clone(),
        host_id: start.host_id.clone(),
        volumes: start.volumes.clone(),
        step: step.to_owned(),
        ..OperationNode::default()
    }
}

impl History {
    /// A node does what it is told. Returns whether the step is done.
    fn call(&mut self, task: &Task, step: &str) -> bool {
        let node = node(task, step);
        match task.start.kind {
            OperationKind::Decommission => {
                let has_left = !self.world.ring.contains_key(&node.host_id);
                has_left || self.world.leave(&task.start.pod, true)
            }
            OperationKind::Restart if step == OperationKind::Restart.as_str() => {
                self.world.restart(&node)
            }
            OperationKind::Remove | OperationKind::Replace => {
                self.world.discard_volumes(task.start.kind, &node)
            }
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
        let step = &task.start.steps[task.at_hand].name;
        // The wait for a node that does not come back ends after an hour.
        let mends = matches!(
            task.start.kind,
            OperationKind::Remove | OperationKind::Replace
        );
        let is_lost = !mends
            && self.world.ring.contains_key(&task.start.host_id)
            && !self.world.may_come_back(&task.start.host_id);
        let is_back = self
            .world
            .is_back_in_ring(task.start.kind, &node(&task, step));
        let fails = fails || ((is_lost || is_back) && task.stage == Stage::Calls);
        // A call that takes time is polled.
        if task.stage == Stage::Calls && !fails && !self.call(&task, step) {
            return;
        }
        let operator = &mut self.operators[by];
        let name = operator.name.clone();
        let now = self.world.state().now + operator.clock;
        let task = &mut operator.tasks[index];
        let at = |index: usize| StepRef {
            kind: task.start.kind,
            id: &task.start.id,
            pod: &task.start.pod,
            executor: &name,
            index,
            step: &task.start.steps[index].name,
        };
        let step = task.start.steps[task.at_hand].name.clone();
        let id = (
            task.start.kind,
            task.start.id.clone(),
            task.start.pod.clone(),
            step,
        );
        let event = match task.stage {
            Stage::Calls if fails => StepEvent::Failed("it does not answer".to_owned()),
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
                from: task.start.executor.clone(),
            },
            Stage::Records
                if keeps
                    && may_repeat(task.start.kind)
                    && task.at_hand + 1 < task.start.steps.len() =>
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
                let (kind, pod, next) = (
                    task.start.kind.as_str(),
                    &task.start.pod,
                    &task.start.steps[task.at_hand].name,
                );
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
