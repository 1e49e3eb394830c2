//! Progress of the work of a node, reported periodically.

use std::time::{Duration, Instant};

use casskop_common::api::Work;

use crate::{
    effects::Effects,
    executor::{NodeTask, StepEvent, record::record_event},
};

/// Time between two reports.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// Completed bytes, and the start of the measurement.
#[derive(Default)]
pub(super) struct Meter {
    /// The time of the first observation of the work, and the bytes completed by then.
    first: Option<(Instant, i64)>,
    last_reported_at: Option<Instant>,
}

impl Meter {
    /// Reports the completed and total bytes. A report that cannot be written is repeated with the next one.
    pub(super) async fn record_event(
        &mut self,
        effects: &Effects,
        task: &NodeTask,
        bytes: Option<(i64, i64)>,
    ) {
        let Some((done, total)) = bytes else { return };
        let now = Instant::now();
        // Another task restarts the measurement.
        let (since, at_first) = match self.first {
            Some(first) if first.1 <= done => first,
            _ => *self.first.insert((now, done)),
        };
        if self
            .last_reported_at
            .is_some_and(|at| now - at < REPORT_EVERY)
        {
            return;
        }
        self.last_reported_at = Some(now);
        let seconds = i64::try_from((now - since).as_secs()).unwrap_or(i64::MAX);
        let work = Work {
            bytes: done,
            total_bytes: total,
            bytes_per_second: (done - at_first).checked_div(seconds).unwrap_or(0).max(0),
        };
        if let Err(error) = record_event(effects, task, StepEvent::Works(work)).await {
            tracing::debug!(%error, "how far the node is was not written");
        }
    }
}
