//! The call of a step, and the job that the node may have for it. A job is recorded before it is waited for, so that the
//! next executor of the step waits for the same job and does not ask for a second one.

use std::sync::{Mutex, PoisonError};

use casskop_common::api::NodeJob;
use casskop_core::node::{Call, NodeError};

use crate::{
    effects::Effects,
    executor::{NodeTask, StepEvent, node, record::record_event},
    node_api::{Begun, Endpoint},
};

/// The job that a node has for the step at hand, as far as it is known.
#[derive(Default)]
pub(super) struct StepJob(Mutex<Option<NodeJob>>);

impl StepJob {
    /// The job that was recorded.
    pub(super) fn recorded(job: Option<NodeJob>) -> Self {
        Self(Mutex::new(job))
    }

    /// Whether the node has acknowledged the call: the node itself then reports the end, however little shows until then.
    pub(super) fn is_known(&self) -> bool {
        self.get().is_some()
    }

    fn get(&self) -> Option<NodeJob> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, job: Option<NodeJob>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = job;
    }

    /// Waits for the end of the known job. Nothing if there is none, or if the node has forgotten it.
    ///
    /// # Errors
    /// The work was not done, or the node does not answer; then the job may still go on.
    pub(super) async fn follow(
        &self,
        effects: &Effects,
        task: &NodeTask,
        endpoint: &Endpoint,
        call: &Call,
    ) -> Option<Result<(), NodeError>> {
        let job = self.get()?;
        let outcome = followed(effects, task, endpoint, call, &job).await;
        if let Err(error) = &outcome
            && !has_ended(error)
        {
            // The node may still have the job.
            return Some(outcome);
        }
        self.set(None);
        if outcome.is_err()
            && let Err(error) = record_event(effects, task, StepEvent::JobFailed).await
        {
            // The next executor of the step looks at the same job once more.
            tracing::debug!(%error, "that the job has failed was not written");
        }
        match outcome {
            Err(NodeError::JobLost(id)) => {
                tracing::info!(address = endpoint.ip, id, "the node has forgotten the job");
                None
            }
            outcome => Some(outcome),
        }
    }

    /// Calls the node, and waits until the work is done.
    ///
    /// # Errors
    /// The work was not done, or whether it was is unknown.
    pub(super) async fn call(
        &self,
        effects: &Effects,
        task: &NodeTask,
        endpoint: &Endpoint,
        call: &Call,
    ) -> Result<(), NodeError> {
        let begun = effects.nodes.begin(endpoint.clone(), call.clone());
        let job = match begun.await? {
            Begun::Done => return Ok(()),
            Begun::Job(job) => job,
        };
        self.set(Some(job.clone()));
        match record_event(effects, task, StepEvent::JobBegun(job.clone())).await {
            Ok(true) => {}
            // Another executor has the step, or the operation is gone.
            Ok(false) => return Err(NodeError::Stopped),
            Err(error) => {
                return Err(NodeError::Unreachable(format!(
                    "the job of the node could not be recorded: {error}"
                )));
            }
        }
        let forgotten = || Err(NodeError::JobLost(job.id.clone()));
        self.follow(effects, task, endpoint, call)
            .await
            .unwrap_or_else(forgotten)
    }
}

/// Waits for the end of a job, with the newest secrets: the job outlasts certificates.
async fn followed(
    effects: &Effects,
    task: &NodeTask,
    endpoint: &Endpoint,
    call: &Call,
    job: &NodeJob,
) -> Result<(), NodeError> {
    let mut endpoint = endpoint.clone();
    loop {
        // Those that change from here on end the wait.
        let mut changes = task.access.changes();
        match node::endpoint(effects, task).await {
            Ok((newest, _)) if newest.ip == endpoint.ip => endpoint = newest,
            Ok(_) | Err(_) => {}
        }
        let follow = effects
            .nodes
            .follow(endpoint.clone(), call.clone(), job.clone());
        tokio::select! {
            biased;
            // A failure at the same time may come from that.
            () = changes.next() => {}
            outcome = follow => return outcome,
        }
    }
}

/// Whether an error says that the job is at its end, and not only that the node gave no usable answer.
fn has_ended(error: &NodeError) -> bool {
    error.is_refusal()
        || matches!(
            error,
            NodeError::JobLost(_) | NodeError::Busy | NodeError::Unfinished
        )
}
