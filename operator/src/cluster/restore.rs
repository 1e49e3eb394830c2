//! The Jobs of a ring that is restored: each is found by its name, made once, and its state is in Kubernetes.

use std::collections::BTreeMap;

use casskop_backup_protocol::Summary;
use casskop_common::api::{CassandraCluster, Phase};
use casskop_core::{
    desired::Desired,
    objects::{
        data_job::{self, Beside},
        restore_job::{self, Target},
    },
    observed::{NodePod, ObservedState, RestoreEnd, RestoreInputs, RestoreJob, is_owned_by},
    plan::Plan,
    rollout::{JobChange, NEXT_POD_PER_RACK},
};
use futures::{FutureExt, StreamExt, TryStreamExt, future::BoxFuture, stream};
use jiff::Timestamp;
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{Api, ResourceExt};

use crate::kubernetes::{
    Kube,
    jobs::{self, End, Said},
    objects::{error_text, in_time},
};

/// Jobs that are read at the same time.
const AT_ONCE: usize = 16;
/// Jobs whose pods are asked in one reconciliation: the status names the first failure.
const ASKED: usize = 5;
/// The reason of a Job that has failed by an exit code after which no other pod of it may succeed.
const LASTING: &str = "PodFailurePolicy";

/// The Jobs of the pods of a ring that is restored; none once the ring was formed, as the status says.
///
/// # Errors
/// The API server does not answer, or refuses.
pub(super) async fn find(
    kube: &Kube,
    cluster: &CassandraCluster,
    pods: &BTreeMap<String, NodePod>,
) -> Result<BTreeMap<String, RestoreJob>, kube::Error> {
    if cluster.spec.restore.is_none() || is_formed(cluster) {
        return Ok(BTreeMap::new());
    }
    let namespace = cluster.namespace().unwrap_or_default();
    let (name, uid) = (cluster.name_any(), cluster.uid().unwrap_or_default());
    let mut each: Vec<BoxFuture<'_, Result<_, kube::Error>>> = Vec::new();
    for pod in pods.keys() {
        let (namespace, job) = (namespace.clone(), restore_job::name((&name, &uid), pod));
        let read = async move { Ok((pod, jobs::find(kube, &namespace, &job).await?)) };
        each.push(read.boxed());
    }
    let found: Vec<(&String, Option<Job>)> = stream::iter(each)
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let mut found: Vec<_> = found
        .into_iter()
        .filter_map(|(pod, job)| Some((pod, job?)))
        .collect();
    found.sort_by_key(|(pod, _)| *pod);
    let mut seen = BTreeMap::new();
    let mut asked = 0;
    for (pod, job) in found {
        let end = jobs::end(&job);
        let asks = end != Some(End::Complete) && !jobs::is_at_work(&job) && asked < ASKED;
        let said = if asks {
            asked += 1;
            match end {
                Some(_) => jobs::said(kube, &namespace, &job).await?,
                // Without a pod the events of the Job say why, such as a quota.
                None => Said {
                    problem: jobs::problem(kube, &namespace, &job).await?,
                    ..Said::default()
                },
            }
        } else {
            Said::default()
        };
        seen.insert(pod.clone(), observed(&job, cluster, end, said));
    }
    Ok(seen)
}

fn is_formed(cluster: &CassandraCluster) -> bool {
    cluster.status.as_ref().is_some_and(|status| {
        status.phase.is_some_and(Phase::is_formed)
            || status.initializing_sub_phase.as_deref() == Some(NEXT_POD_PER_RACK)
    })
}

fn observed(job: &Job, cluster: &CassandraCluster, end: Option<End>, said: Said) -> RestoreJob {
    let conditions = || {
        job.status
            .iter()
            .flat_map(|status| status.conditions.iter().flatten())
    };
    let failed = conditions().find(|one| one.type_ == "Failed" && one.status == "True");
    let end = end.map(|end| match end {
        End::Complete => RestoreEnd::Complete,
        End::Failed => {
            let told = said
                .summary
                .as_ref()
                .and_then(|summary: &Summary| summary.error.clone());
            let why = told
                .or_else(|| said.problem.clone())
                .or_else(|| jobs::failure(job));
            RestoreEnd::Failed {
                at: failed
                    .and_then(|failed| failed.last_transition_time.as_ref())
                    .map_or(Timestamp::UNIX_EPOCH, |at| at.0),
                lasting: failed.is_some_and(|failed| failed.reason.as_deref() == Some(LASTING)),
                why: why.unwrap_or_else(|| format!("Job {} failed", job.name_any())),
            }
        }
    });
    RestoreJob {
        name: job.name_any(),
        uid: job.uid().unwrap_or_default(),
        is_ours: is_owned_by(job.owner_references(), cluster),
        inputs: RestoreInputs::of(job),
        node: data_job::node_of(job).map(str::to_owned),
        deleting: job.metadata.deletion_timestamp.is_some(),
        problem: said.problem.filter(|_| end.is_none()),
        end,
    }
}

/// Makes and deletes the Jobs of a plan. The first failure in words; the next reconciliation tries again.
pub(super) async fn change(
    kube: &Kube,
    state: &ObservedState,
    desired: &Desired,
    plan: &Plan,
) -> Option<String> {
    let mut failure = None;
    for change in &plan.restore_jobs {
        let outcome = match change {
            JobChange::Make { pod, rack, inputs } => {
                let target = Target { pod, rack };
                make(kube, desired, target, inputs).await
            }
            JobChange::Remove { name, uid } => remove(kube, desired, name, uid).await,
        };
        match outcome {
            Ok(()) => {
                tracing::info!(
                    cluster = state.name(),
                    namespace = desired.namespace,
                    ?change,
                    "changed a Job of the restore"
                );
            }
            Err(error) => drop(failure.get_or_insert(error)),
        }
    }
    failure
}

async fn make(
    kube: &Kube,
    desired: &Desired,
    target: Target<'_>,
    inputs: &RestoreInputs,
) -> Result<(), String> {
    let what = |error: &dyn std::fmt::Display| {
        format!(
            "make the Job that brings the files of {}: {error}",
            target.pod
        )
    };
    let Some(restore) = &desired.spec.restore else {
        return Ok(());
    };
    let api: Api<Pod> = Api::namespaced(kube.client.clone(), &desired.namespace);
    let read = in_time(api.get_opt(target.pod)).await;
    let pod = read.map_err(|error| what(&error_text(&error)))?;
    // Read again: it may have started meanwhile.
    let node = pod.as_ref().and_then(|pod| NodePod::of(pod).prepares_on);
    let (Some(pod), Some(node)) = (pod, node) else {
        return Ok(());
    };
    let beside = Beside {
        pod: &pod,
        node: &node,
    };
    let job = restore_job::build(desired, restore, target, inputs, &beside);
    let job = job.map_err(|error| what(&error))?;
    let made = jobs::create(kube, &desired.namespace, &job).await;
    made.map_err(|error| what(&error_text(&error)))
}

async fn remove(kube: &Kube, desired: &Desired, name: &str, uid: &str) -> Result<(), String> {
    let namespace = &desired.namespace;
    let mut job = Job::default();
    job.metadata.name = Some(name.to_owned());
    job.metadata.uid = Some(uid.to_owned());
    let deleted = jobs::delete(kube, namespace, &job).await;
    deleted.map_err(|error| format!("delete Job {name}: {}", error_text(&error)))
}
