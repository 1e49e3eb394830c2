//! Events of a node, recorded in the status of its operation. Short steps that may be repeated are reported together.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;

use crate::{
    effects::Effects,
    executor::{NodeTask, StepEvent},
    kubernetes::status_store,
};
use casskop_core::operations::transitions;

/// Longest time before a completed step is reported, and so the longest work that is repeated after a crash.
pub(super) const FLUSH_WITHIN: Duration = Duration::from_millis(500);

/// Completed steps that the status does not contain yet.
pub struct BufferedEvents(Mutex<(usize, Instant)>);

impl BufferedEvents {
    /// No steps: the status is current.
    pub fn none() -> Self {
        Self(Mutex::new((0, Instant::now())))
    }

    /// Buffers one more step. Returns whether it was buffered: not when the last report was too long ago.
    pub(super) fn keeps_one(&self) -> bool {
        let mut buffered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let keeps = buffered.1.elapsed() < FLUSH_WITHIN;
        buffered.0 += usize::from(keeps);
        keeps
    }

    /// The number of buffered steps.
    pub(super) fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    fn are_told(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (0, Instant::now());
    }
}

/// Records an event and the buffered steps; returns whether the node continues.
pub(super) async fn record_event(
    effects: &Effects,
    task: &NodeTask,
    event: StepEvent,
) -> Result<bool, status_store::Error> {
    let node = (
        task.start.kind.as_str(),
        task.start.id.as_str(),
        task.start.pod.as_str(),
    );
    let now = Timestamp::now();
    let passed = StepEvent::StepsCompleted(task.buffered.count());
    let goes_on = effects
        .store
        .update(&task.cluster, |status| {
            transitions::record(status, node, &passed, now);
            transitions::record(status, node, &event, now)
        })
        .await?;
    task.buffered.are_told();
    Ok(goes_on)
}

/// Records the buffered steps, because the current step takes long. A failed write is repeated with the next event.
pub(super) async fn flush_events(effects: &Effects, task: &NodeTask) {
    if let Err(error) = record_event(effects, task, StepEvent::StepsCompleted(0)).await {
        tracing::debug!(%error, "which steps are done was not written");
    }
}
