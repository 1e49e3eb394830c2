//! What happens on a node is written into the status of its operation. Short steps that may be called again are told
//! together.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;

use crate::{
    effects::Effects,
    executor::{Run, StepEvent},
    kubernetes::status_store,
};
use casskop_core::operations::transitions;

/// Longest time for which a step that is done is not told, and so the work that is done again after a crash.
pub(super) const TELL_WITHIN: Duration = Duration::from_millis(500);

/// Steps that are done, of which the status does not know yet.
pub struct Untold(Mutex<(usize, Instant)>);

impl Untold {
    /// None yet: what is in the status is true now.
    pub fn none() -> Self {
        Self(Mutex::new((0, Instant::now())))
    }

    /// Keeps one more for later. Says whether: not when the last word was too long ago.
    pub(super) fn keeps_one(&self) -> bool {
        let mut untold = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let keeps = untold.1.elapsed() < TELL_WITHIN;
        untold.0 += usize::from(keeps);
        keeps
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    fn are_told(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (0, Instant::now());
    }
}

/// Writes what happened, and what was kept for later; says whether the node goes on.
pub(super) async fn tell(
    effects: &Effects,
    run: &Run,
    event: StepEvent,
) -> Result<bool, status_store::Error> {
    let node = (
        run.start.kind.as_str(),
        run.start.id.as_str(),
        run.start.pod.as_str(),
    );
    let now = Timestamp::now();
    let passed = StepEvent::Passed(run.untold.count());
    let goes_on = effects
        .store
        .update(&run.cluster, |status| {
            transitions::record(status, node, &passed, now);
            transitions::record(status, node, &event, now)
        })
        .await?;
    run.untold.are_told();
    Ok(goes_on)
}

/// Writes what was kept for later, because the step at hand takes its time. What cannot be written is told with the next.
pub(super) async fn tell_untold(effects: &Effects, run: &Run) {
    if let Err(error) = tell(effects, run, StepEvent::Passed(0)).await {
        tracing::debug!(%error, "which steps are done was not written");
    }
}
