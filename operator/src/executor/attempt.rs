//! One attempt at a step that its node carries out.

use std::{future::Future, pin::pin};

use futures::future::{Either, select};
use tokio::time::{Instant, sleep_until};

use crate::{
    effects::Effects,
    executor::{
        NodeTask,
        job::StepJob,
        node::{self, Watch},
        record::{FLUSH_WITHIN, flush_events},
    },
    node_api::Endpoint,
};
use casskop_core::{
    node::{Call, NodeError},
    operations::Behaviour,
};

/// A step, its meaning, and the node that carries it out.
struct Attempt<'a> {
    effects: &'a Effects,
    task: &'a NodeTask,
    step: &'a str,
    behaviour: &'a dyn Behaviour,
    endpoint: Endpoint,
    job: &'a StepJob,
}

/// Calls the node, unless an earlier call of the step still works there or has done the work.
pub(super) async fn attempt(
    effects: &Effects,
    task: &NodeTask,
    (step, behaviour): (&str, &dyn Behaviour),
    (call, job): (&Call, &StepJob),
    is_retry: bool,
) -> Result<(), NodeError> {
    let (endpoint, uid) = node::endpoint(effects, task).await?;
    let mut watch = Watch::new(uid);
    let this = Attempt {
        effects,
        task,
        step,
        behaviour,
        endpoint,
        job,
    };
    if is_retry {
        if job.is_known() {
            let followed = Box::pin(job.follow(effects, task, &this.endpoint, call));
            match this.awaited(&mut watch, followed).await? {
                None => return Ok(()),
                Some(Some(answer)) => return this.judged(&mut watch, answer, false).await,
                // The node has forgotten the job, and is looked at.
                Some(None) => {}
            }
        }
        // An earlier call may still be in progress although its answer was lost. Its result is unknown, so after its
        // end the step is called once more, unless the node reports that it is done; the repeated call has little
        // left to do.
        if this.has_ended(&mut watch).await? {
            return Ok(());
        }
        if let Some(stop) = behaviour.stop() {
            effects.nodes.call(this.endpoint.clone(), stop).await?;
        }
        if node::is_stop_requested(effects, task).await {
            return Err(NodeError::Stopped);
        }
    }
    if let Some(undo) = behaviour.undo(call) {
        effects.nodes.call(this.endpoint.clone(), undo).await?;
    }
    task.log_call(effects, step, &this.endpoint.ip, is_retry);
    let answer = Box::pin(job.call(effects, task, &this.endpoint, call));
    match this.awaited(&mut watch, answer).await? {
        None => Ok(()),
        Some(answer) => this.judged(&mut watch, answer, is_retry).await,
    }
}

impl Attempt<'_> {
    /// Waits for an answer, which may never arrive: a machine without power does not close its connections. Nothing if
    /// the step is seen to be done before.
    ///
    /// The answer and each look are polled together. An answer that is not polled keeps its locks, that of the status for
    /// one: a look that waits for them meanwhile would wait for ever.
    async fn awaited<T>(
        &self,
        watch: &mut Watch,
        answer: impl Future<Output = T>,
    ) -> Result<Option<T>, NodeError> {
        tokio::pin!(answer);
        let mut next_poll = Instant::now() + watch.pause();
        loop {
            let flush = Instant::now() + FLUSH_WITHIN;
            let flushes = self.task.position.is_ahead() && flush < next_poll;
            tokio::select! {
                biased;
                answer = &mut answer => return Ok(Some(answer)),
                () = sleep_until(if flushes { flush } else { next_poll }) => {}
            }
            let is_done = {
                let look = pin!(self.look(watch, flushes));
                match select(answer.as_mut(), look).await {
                    Either::Left((answer, look)) => {
                        // The answer counts, whatever the look says, which is left to its end: it may be a stop.
                        drop(look.await);
                        return Ok(Some(answer));
                    }
                    Either::Right((is_done, _)) => is_done?,
                }
            };
            if is_done {
                return Ok(None);
            }
            if !flushes {
                next_poll = Instant::now() + watch.pause();
            }
        }
    }

    /// Records the steps that are done, or polls the node. Returns whether the step is seen to be done.
    async fn look(&self, watch: &mut Watch, flushes: bool) -> Result<bool, NodeError> {
        let Self { effects, task, .. } = *self;
        if flushes {
            flush_events(effects, task).await;
            return Ok(false);
        }
        let step = (self.step, self.behaviour);
        let is_job = self.job.is_known();
        watch
            .poll(effects, task, &self.endpoint, step, is_job)
            .await
    }

    /// The outcome of the step, from the answer to its call. `is_retry`: an earlier call may have done the work.
    async fn judged(
        &self,
        watch: &mut Watch,
        answer: Result<(), NodeError>,
        is_retry: bool,
    ) -> Result<(), NodeError> {
        let behaviour = self.behaviour;
        match answer {
            Err(error) if is_retry && behaviour.is_done_already(&error) => {
                return if node::ran_all_along(self.effects, self.task).await {
                    Ok(())
                } else {
                    Err(NodeError::Cassandra(format!(
                        "{error}; Cassandra was restarted after the call, so part of the work may be done"
                    )))
                };
            }
            Err(_) if watch.has_halted() => return Err(NodeError::Stopped),
            Err(error) if behaviour.is_already_running(&error) => return Err(NodeError::Busy),
            answer => answer?,
        }
        if behaviour.is_done_when_observed() && !self.has_ended(watch).await? {
            return Err(NodeError::Unfinished);
        }
        Ok(())
    }

    async fn has_ended(&self, watch: &mut Watch) -> Result<bool, NodeError> {
        let Self { effects, task, .. } = *self;
        watch
            .has_ended(effects, task, &self.endpoint, self.step, self.behaviour)
            .await
    }
}
