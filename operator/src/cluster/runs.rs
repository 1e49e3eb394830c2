//! The interpreter of operations: works on one node, step by step. Every step is in the status before it is called;
//! the call blocks on a thread of its own, and losing its answer loses nothing, because the node is asked.

use std::{
    collections::{BTreeSet, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use casskop_common::{
    api::{CassandraCluster, CassandraClusterSpec},
    names,
    operations::{Arguments, Operation},
};
use futures::channel::mpsc;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt, runtime::reflector::ObjectRef};

use super::{
    decide::operations::{Start, StepEvent, record},
    journal::ClusterRef,
    snapshot::NodePod,
};
use crate::{
    context::Context,
    nodes::{Credentials, Endpoint, NodeError},
    operations,
};

/// How often a step is called before it counts as failed.
const ATTEMPTS: u32 = 8;
/// Waiting time before the second call; doubles each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest waiting time between two calls.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Time between two looks at a step that a lost call has begun.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Nodes that tasks of this process work on.
pub struct Runs {
    at_work: Mutex<HashSet<(String, String, String)>>,
    wake: mpsc::UnboundedSender<ObjectRef<CassandraCluster>>,
}

/// What it takes to work on a node.
pub struct Run {
    /// The cluster.
    pub cluster: ClusterRef,
    /// Its spec, for defaults of arguments.
    pub spec: Arc<CassandraClusterSpec>,
    /// Which node of which operation.
    pub start: Start,
    /// Arguments of the operation, as recorded.
    pub arguments: String,
    /// Steps on each node.
    pub steps: Arc<Vec<String>>,
    /// Steps of this node that are done.
    pub done: usize,
    /// How to be let in.
    pub credentials: Arc<Credentials>,
}

impl Runs {
    /// Nobody at work. The channel wakes the controller when a node has ended.
    pub fn new(wake: mpsc::UnboundedSender<ObjectRef<CassandraCluster>>) -> Self {
        Self {
            at_work: Mutex::default(),
            wake,
        }
    }

    /// Nodes of a cluster that are worked on, as `(kind, pod)`.
    ///
    /// To be asked before the status is read: a node that ends in between is then taken for one at work, and
    /// looked at again when its end wakes the controller. The other way round it would be begun a second time.
    pub fn at_work(&self, cluster: &CassandraCluster) -> BTreeSet<(String, String)> {
        let uid = cluster.uid().unwrap_or_default();
        let at_work = self.at_work.lock().unwrap_or_else(PoisonError::into_inner);
        at_work
            .iter()
            .filter(|(owner, ..)| *owner == uid)
            .map(|(_, kind, pod)| (kind.clone(), pod.clone()))
            .collect()
    }

    /// Starts to work on a node, unless somebody already does.
    pub fn start(&self, ctx: &Arc<Context>, run: Run) {
        let key = (
            run.cluster.uid.clone(),
            run.start.kind.clone(),
            run.start.pod.clone(),
        );
        if !self
            .at_work
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key.clone())
        {
            return;
        }
        let ctx = ctx.clone();
        tokio::spawn(async move {
            let outcome = work(&ctx, &run).await;
            if let Err(error) = outcome {
                tracing::warn!(cluster = run.cluster.name, kind = run.start.kind, id = run.start.id,
                    pod = run.start.pod, %error, "stopped working on the node; the next reconciliation goes on");
            }
            ctx.runs
                .at_work
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&key);
            let cluster = ObjectRef::new(&run.cluster.name).within(&run.cluster.namespace);
            // Fails only at the end of the process.
            let _ = ctx.runs.wake.unbounded_send(cluster);
        });
    }
}

/// Works through the steps that are left.
async fn work(ctx: &Context, run: &Run) -> Result<(), super::journal::Error> {
    let words = shlex::split(&run.arguments).unwrap_or_default();
    let operation = match Arguments::parse(&run.start.kind, &words) {
        Ok(arguments) => arguments.operation,
        Err(error) => {
            tell(
                ctx,
                run,
                StepEvent::Failed(format!("the recorded arguments cannot be read: {error}")),
            )
            .await?;
            return Ok(());
        }
    };
    let mut resume = run.start.resume;
    // Counted, and only if the status still says that this node is at work.
    if resume && !tell(ctx, run, StepEvent::Begun).await? {
        return Ok(());
    }
    for step in run.steps.iter().skip(run.done) {
        let event = match perform(ctx, run, &operation, step, resume).await? {
            Ok(()) => StepEvent::Done,
            Err(error) => StepEvent::Failed(error.to_string()),
        };
        resume = false;
        if !tell(ctx, run, event).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// Calls one step until it is done or failed for good.
async fn perform(
    ctx: &Context,
    run: &Run,
    operation: &Operation,
    step: &str,
    resume: bool,
) -> Result<Result<(), NodeError>, super::journal::Error> {
    let behaviour = operations::behaviour(operation);
    let call = behaviour.call(step, &run.spec);
    let mut may_be_busy = resume;
    let mut pause = FIRST_PAUSE;
    for attempt in 1.. {
        let outcome = attempt_step(ctx, run, step, behaviour, &call, may_be_busy).await;
        match outcome {
            Err(error) if error.is_transient() && attempt < ATTEMPTS => {
                tracing::info!(cluster = run.cluster.name, pod = run.start.pod, step, attempt, %error,
                    "the step was not done; trying again");
                if !tell(ctx, run, StepEvent::Stumbled(error.to_string())).await? {
                    return Ok(Err(error));
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
                may_be_busy = true;
                if !tell(ctx, run, StepEvent::Begun).await? {
                    return Ok(Err(error));
                }
            }
            outcome => return Ok(outcome),
        }
    }
    Ok(Ok(()))
}

async fn attempt_step(
    ctx: &Context,
    run: &Run,
    step: &str,
    behaviour: &dyn operations::Behaviour,
    call: &crate::nodes::Call,
    may_be_busy: bool,
) -> Result<(), NodeError> {
    let endpoint = endpoint(ctx, run).await?;
    // An earlier call may still be at work although its answer was lost. Nobody hears its verdict, so when it has
    // ended the step is called once more; that finds little left to do.
    while may_be_busy && behaviour.is_busy(step, &ctx.nodes.compactions(endpoint.clone()).await?) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    tracing::info!(
        cluster = run.cluster.name,
        namespace = run.cluster.namespace,
        kind = run.start.kind,
        id = run.start.id,
        pod = run.start.pod,
        step,
        resumed = may_be_busy,
        "calling the node"
    );
    ctx.nodes.call(endpoint, call.clone()).await
}

/// Where the pod is now: it may have been replaced since the operation was planned.
async fn endpoint(ctx: &Context, run: &Run) -> Result<Endpoint, NodeError> {
    let api: Api<Pod> = Api::namespaced(ctx.client.clone(), &run.cluster.namespace);
    let pod = api.get_opt(&run.start.pod).await;
    let pod =
        pod.map_err(|error| NodeError::Unreachable(format!("its pod cannot be read: {error}")))?;
    let pod = pod.ok_or_else(|| NodeError::Unreachable("its pod does not exist".into()))?;
    let ip = NodePod::of(&pod)
        .ip
        .ok_or_else(|| NodeError::Unreachable("its pod has no address".into()))?;
    Ok(Endpoint {
        ip,
        port: names::JOLOKIA_PORT,
        credentials: run.credentials.clone(),
    })
}

/// Writes what happened; says whether the node goes on.
async fn tell(ctx: &Context, run: &Run, event: StepEvent) -> Result<bool, super::journal::Error> {
    let node = (
        run.start.kind.as_str(),
        run.start.id.as_str(),
        run.start.pod.as_str(),
    );
    let now = Timestamp::now();
    ctx.journal
        .update(&run.cluster, |status| record(status, node, &event, now))
        .await
}
