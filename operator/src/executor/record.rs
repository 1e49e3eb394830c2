//! Events of a node, recorded in the status of its operation. Short steps that may be repeated are reported together.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;

use crate::{
    effects::Effects,
    executor::{FIRST_PAUSE, LONGEST_PAUSE, NodeTask, StepEvent},
    kubernetes::status_store,
};
use casskop_core::operations::transitions::{self, StepRef};

/// Longest time before a completed step is reported, and so the longest work that is repeated after a crash.
pub(super) const FLUSH_WITHIN: Duration = Duration::from_millis(500);

/// The position of a task in the steps of its node, and how much of it the status contains.
pub struct Position(Mutex<Steps>);

#[derive(Clone, Copy)]
struct Steps {
    /// Index of the step that the status stands at.
    recorded: usize,
    /// Index of the step at hand; those between the two are completed.
    at_hand: usize,
    last_reported_at: Instant,
}

impl Position {
    /// The status stands at this step.
    pub fn at(index: usize) -> Self {
        Self(Mutex::new(Steps {
            recorded: index,
            at_hand: index,
            last_reported_at: Instant::now(),
        }))
    }

    /// Buffers the step at hand as completed. Returns whether it was buffered: not when the last report was too long ago.
    pub(super) fn keeps_one(&self) -> bool {
        let mut steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let keeps = steps.last_reported_at.elapsed() < FLUSH_WITHIN;
        steps.at_hand += usize::from(keeps);
        keeps
    }

    /// Whether this step is at hand.
    pub(super) fn is_at(&self, index: usize) -> bool {
        self.steps().at_hand == index
    }

    /// Whether completed steps are not recorded yet.
    pub(super) fn is_ahead(&self) -> bool {
        let steps = self.steps();
        steps.at_hand > steps.recorded
    }

    fn steps(&self) -> Steps {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_recorded(&self, next: usize) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Steps {
            recorded: next,
            at_hand: next,
            last_reported_at: Instant::now(),
        };
    }
}

/// Records an event of the step at hand and the buffered steps; returns whether the node continues.
///
/// The outcome of a step is known to this task only: its write is repeated until the API server responds. A repetition
/// is harmless, because an event has no effect where the status does not stand at its step.
pub(super) async fn record_event(
    effects: &Effects,
    task: &NodeTask,
    event: StepEvent,
) -> Result<bool, status_store::Error> {
    let is_outcome = !matches!(event, StepEvent::Works(_) | StepEvent::StepsCompleted(_));
    let mut pause = FIRST_PAUSE;
    loop {
        match write(effects, task, &event).await {
            Err(error) if is_outcome && error.is_transient() => {
                tracing::info!(cluster = task.cluster.name, pod = task.start.pod, %error, "writing the outcome again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            outcome => return outcome,
        }
    }
}

async fn write(
    effects: &Effects,
    task: &NodeTask,
    event: &StepEvent,
) -> Result<bool, status_store::Error> {
    let Steps {
        recorded, at_hand, ..
    } = task.position.steps();
    let at = |index: usize| StepRef {
        kind: task.start.kind,
        id: &task.start.id,
        pod: &task.start.pod,
        executor: &task.executor,
        index,
        step: task.start.steps.get(index).map_or("", |step| &step.name),
    };
    let now = Timestamp::now();
    let goes_on = effects
        .store
        .update(&task.cluster, |status| {
            let completed = StepEvent::StepsCompleted(at_hand);
            transitions::record(status, at(recorded), &completed, now);
            transitions::record(status, at(at_hand), event, now)
        })
        .await?;
    let is_done = goes_on && event.ends_step();
    task.position.is_recorded(at_hand + usize::from(is_done));
    Ok(goes_on)
}

/// Records the buffered steps, because the current step takes long. A failed write is repeated with the next event.
pub(super) async fn flush_events(effects: &Effects, task: &NodeTask) {
    if let Err(error) = record_event(effects, task, StepEvent::StepsCompleted(0)).await {
        tracing::debug!(%error, "which steps are done was not written");
    }
}
