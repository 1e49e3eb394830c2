//! The interpreter of operations: works on one node, step by step. Every step is recorded in the status before it is
//! called, except short steps of a kind that may be repeated. The call blocks on a separate thread, and a lost answer
//! has no consequences, because the state of the node is polled.

mod access;
mod attempt;
mod claims;
mod discard;
mod halt;
mod job;
mod node;
mod peer;
mod place;
mod pod;
mod progress;
mod record;
mod run_job;
mod volume;
mod wait;

use std::{
    collections::{BTreeSet, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use casskop_common::{
    api::{CassandraCluster, NodeJob},
    operations::OperationKind,
};
use futures::channel::mpsc;
use jiff::Timestamp;
use kube::{ResourceExt, runtime::reflector::ObjectRef};
use tokio::task::JoinSet;

use access::Accesses;
pub use access::NewestAccess;
use claims::Claims;
use job::StepJob;
pub use record::Position;
use record::record_event;

use crate::{
    effects::Effects, identity, kubernetes::status_store::ClusterRef, node_api::ClusterAccess,
};
use casskop_core::{
    node::NodeError,
    operations::{self, Action, Behaviour, transitions::StepEvent},
    scheduler::{Start, Step},
};

/// Number of calls of a step before it counts as failed.
const ATTEMPTS: u32 = 8;
/// Delay before the second call; doubles with each call.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest delay between two calls.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Delay before a node task whose status could not be written continues.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// Nodes that tasks of this process work on.
#[derive(Clone)]
pub struct Executor {
    at_work: Arc<Mutex<HashSet<(String, OperationKind, String)>>>,
    wake: mpsc::UnboundedSender<ObjectRef<CassandraCluster>>,
    tasks: Arc<Mutex<JoinSet<()>>>,
    /// Identity of this process in the status; no other process has it, and none after it.
    pub identity: Arc<str>,
    claims: Arc<Mutex<Claims>>,
    accesses: Accesses,
}

/// The data that a task needs to work on a node.
pub struct NodeTask {
    /// The cluster.
    pub cluster: ClusterRef,
    /// The node and its operation, as decided.
    pub start: Start,
    /// Identity of this process as executor of the node.
    pub executor: Arc<str>,
    /// The secrets that the nodes accept.
    pub access: NewestAccess,
    /// The step at hand, and what is recorded.
    pub position: Position,
    /// Image of the operator, for Jobs.
    pub image: String,
}

impl NodeTask {
    /// Logs a call for a step, by the address of the node that is called: that of the task, or another member. A process
    /// that is not the leader any more logs no call, because the gate refuses to send it.
    fn log_call(&self, effects: &Effects, step: &str, address: &str, is_retry: bool) {
        if !effects.nodes.may_call() {
            return;
        }
        tracing::info!(
            cluster = self.cluster.name,
            namespace = self.cluster.namespace,
            kind = self.start.kind.as_str(),
            id = self.start.id,
            pod = self.start.pod,
            step,
            address,
            is_retry,
            "calling the node"
        );
    }
}

impl Executor {
    /// No node tasks. The channel triggers a reconciliation when a node task has ended.
    pub fn new(wake: mpsc::UnboundedSender<ObjectRef<CassandraCluster>>) -> Self {
        Self {
            at_work: Arc::default(),
            wake,
            tasks: Arc::default(),
            identity: identity::of_process().into(),
            claims: Arc::default(),
            accesses: Accesses::default(),
        }
    }

    /// Ends all tasks, as a crash would: their work is recorded in the status, and the next operator continues it.
    pub async fn end(&self) {
        let mut tasks = {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *tasks)
        };
        tasks.shutdown().await;
    }

    /// The nodes of a cluster that tasks work on, as `(kind, pod)`.
    ///
    /// The call must precede the read of the status: a task that ends in between then counts as running, and its end
    /// triggers another reconciliation. In the reverse order it would be started a second time.
    pub fn at_work(&self, cluster: &CassandraCluster) -> BTreeSet<(OperationKind, String)> {
        let uid = cluster.uid().unwrap_or_default();
        let at_work = self.at_work.lock().unwrap_or_else(PoisonError::into_inner);
        at_work
            .iter()
            .filter(|(owner, ..)| *owner == uid)
            .map(|(_, kind, pod)| (*kind, pod.clone()))
            .collect()
    }

    /// The nodes that another process works on, as `(kind, pod)`: they are left to it.
    pub fn left_to_others(&self, cluster: &CassandraCluster) -> BTreeSet<(OperationKind, String)> {
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        claims.observe(cluster, &self.identity, Instant::now())
    }

    /// Hands the secrets that a reconciliation has read to the tasks of the cluster.
    pub fn renew_access(&self, cluster: &ClusterRef, newest: &ClusterAccess) {
        self.accesses.renew(&cluster.uid, newest);
    }

    /// The secrets for a task that starts with these, and uses those of later reconciliations.
    pub fn access(&self, cluster: &ClusterRef, access: &ClusterAccess) -> NewestAccess {
        self.accesses.subscribe(&cluster.uid, access)
    }

    /// Removes a deleted cluster.
    pub fn forget(&self, uid: &str) {
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        claims.forget(uid);
    }

    /// Starts to work on a node, unless a task already does.
    pub fn start(&self, effects: &Arc<Effects>, task: NodeTask) {
        let key = (
            task.cluster.uid.clone(),
            task.start.kind,
            task.start.pod.clone(),
        );
        if !self
            .at_work
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key.clone())
        {
            return;
        }
        let (runs, effects) = (self.clone(), effects.clone());
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            let outcome = work(&effects, &task).await;
            if let Err(error) = outcome {
                // The API server is unavailable; an immediate retry would fail as well.
                tokio::time::sleep(AFTER_FAILURE).await;
                tracing::warn!(cluster = task.cluster.name, kind = task.start.kind.as_str(), id = task.start.id,
                    pod = task.start.pod, %error, "the task of the node ended; the next reconciliation continues");
            }
            runs.at_work
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&key);
            let cluster = ObjectRef::new(&task.cluster.name).within(&task.cluster.namespace);
            // Sending fails only at the end of the process.
            let _ = runs.wake.unbounded_send(cluster);
        });
    }
}

/// Executes the remaining steps.
async fn work(
    effects: &Effects,
    task: &NodeTask,
) -> Result<(), crate::kubernetes::status_store::Error> {
    let steps = &task.start.steps;
    let behaviour = operations::behaviour(&task.start.operation);
    let mut resume = task.start.resume;
    // Also of an attempt that failed: whether the node has ended a job that is recorded is not known.
    let mut job = task.start.job.clone();
    // The node is taken over first, and only if the status still stands where it stood at the decision.
    if resume && !record_event(effects, task, begun(task, 0)).await? {
        return Ok(());
    }
    for (index, step) in steps.iter().enumerate().skip(task.start.index) {
        let is_last = index + 1 == steps.len();
        let earlier = (resume, job.take());
        let event = match perform(effects, task, behaviour, step, earlier).await? {
            Ok(StepEvent::Done)
                if behaviour.is_idempotent() && !is_last && task.position.keeps_one() =>
            {
                resume = false;
                continue;
            }
            Ok(event) => event,
            Err(NodeError::Stopped) => {
                node::is_cleaned_up(effects, task, behaviour).await;
                StepEvent::Stopped
            }
            // The operation ends all the same, and the node keeps nothing of it.
            Err(error) if node::is_cleaned_up(effects, task, behaviour).await => {
                tracing::warn!(cluster = task.cluster.name, pod = task.start.pod, %error,
                    "the step failed while the operation was cancelled");
                StepEvent::Stopped
            }
            Err(error) => StepEvent::Failed(error.to_string()),
        };
        resume = false;
        let is_done = !matches!(event, StepEvent::Stopped | StepEvent::Failed(_));
        let goes_on = record_event(effects, task, event).await?;
        // Another process that has taken the node over still follows the Job.
        if let Action::RunJob(work) = &step.action
            && is_done
            && (goes_on || node::is_its_own(effects, task).await)
        {
            run_job::forget(effects, task, work).await;
        }
        if !goes_on {
            return Ok(());
        }
    }
    Ok(())
}

/// The next attempt at the step at hand, after so many of this task.
fn begun(task: &NodeTask, attempts: u32) -> StepEvent {
    let attempts = i32::try_from(attempts).unwrap_or(i32::MAX);
    let is_first = task.position.is_at(task.start.index);
    let before = if is_first {
        task.start.attempts + i32::from(task.start.resume)
    } else {
        1
    };
    StepEvent::Begun {
        attempt: before.saturating_add(attempts),
        from: task.start.executor.clone(),
    }
}

/// Calls one step until it is done or has finally failed, and returns the event of its end. An earlier executor may have called the step already, or have
/// recorded a job of the node for it.
async fn perform(
    effects: &Effects,
    task: &NodeTask,
    behaviour: &dyn Behaviour,
    Step { name: step, action }: &Step,
    (resume, job): (bool, Option<NodeJob>),
) -> Result<Result<StepEvent, NodeError>, crate::kubernetes::status_store::Error> {
    let mut is_retry = resume || job.is_some();
    let mut pause = FIRST_PAUSE;
    let job = StepJob::recorded(job);
    for attempt in 1.. {
        if let Action::Call(call) | Action::CallPeer(call) = action
            && (!call.may_repeat() || behaviour.undo(call).is_some())
        {
            effects.nodes.settled().await;
        }
        let began = Timestamp::now();
        let outcome = match action {
            Action::DeletePod => pod::replace(effects, task).await?,
            Action::DiscardVolumes => discard::discard_volumes(effects, task).await?,
            Action::Replace => discard::replace(effects, task).await?,
            Action::RunJob(work) => match Box::pin(run_job::run(effects, task, work)).await? {
                Ok(event) => return Ok(Ok(event)),
                Err(error) => Err(error),
            },
            Action::CallPeer(call) => peer::call_member(effects, task, step, behaviour, call).await,
            Action::Call(call) => {
                if is_retry && !node::is_back(effects, task, step, behaviour).await? {
                    let error = if node::is_stop_requested(effects, task).await {
                        NodeError::Stopped
                    } else {
                        NodeError::Unreachable("the node did not come back".into())
                    };
                    return Ok(Err(error));
                }
                attempt::attempt(effects, task, (step, behaviour), (call, &job), is_retry).await
            }
        };
        let Err(error) = outcome else {
            return Ok(Ok(StepEvent::Done));
        };
        // A node that is being restarted rejects every call.
        let calls_own_node = matches!(action, Action::Call(_));
        let may_pass = error.is_transient()
            || (calls_own_node && !node::can_take(effects, task, step, behaviour).await)
            || (behaviour.needs_other_nodes()
                && peer::has_one_been_away(effects, task, began).await);
        if !may_pass || attempt >= ATTEMPTS {
            return Ok(Err(error));
        }
        tracing::info!(cluster = task.cluster.name, pod = task.start.pod, step, attempt, %error,
            "the step was not done; retrying");
        if !record_event(effects, task, StepEvent::Retrying(error.to_string())).await? {
            return Ok(Err(error));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        is_retry = true;
        if !record_event(effects, task, begun(task, attempt)).await? {
            return Ok(Err(error));
        }
    }
    Ok(Ok(StepEvent::Done))
}
