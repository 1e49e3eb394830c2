//! A step of a backup that runs as a Job beside the pod. The Job is found again by its name: its state is in Kubernetes, and
//! no operator has to be there while it works.

mod wanted;

use std::time::Duration;

use casskop_backup_protocol::{Outcome, Summary};
use casskop_common::api::{CassandraClusterStatus, OperationStatus};
use jiff::Timestamp;
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{Api, ResourceExt};
use tokio::time::Instant;

use crate::{
    effects::Effects,
    executor::{NodeTask, StepEvent, node, record::record_event},
    kubernetes::{
        jobs::{self, End, Said},
        objects::{error_text, in_time},
        status_store,
    },
};
use casskop_core::{
    node::NodeError,
    objects::{
        backup_job::{self, BackupCommand, BackupWork},
        data_job,
    },
    operations::backup::{self, Turn},
};

/// Time between two looks at a Job.
const POLL_EVERY: Duration = Duration::from_secs(4);
/// Time between two looks of a node that waits for others, for each node of the operation: each look reads the cluster.
const TURN_EVERY: Duration = Duration::from_millis(250);
/// The least such time.
const TURN_AT_LEAST: Duration = Duration::from_secs(4);
/// Time between two reports of what is waited for.
const REPORT_EVERY: Duration = Duration::from_secs(20);
/// Longest time in which no pod of a Job runs: an image that cannot be had, or a quota, is mended by a person, who then
/// retries.
const IDLE: Duration = Duration::from_secs(3600);

/// The event of a step that is done.
type Ended = Result<StepEvent, NodeError>;

/// Runs the Job of the step at hand to its end. Waits for its turn before.
pub(super) async fn run(
    effects: &Effects,
    task: &NodeTask,
    work: &BackupWork,
) -> Result<Ended, status_store::Error> {
    let mut waiting = Waiting::default();
    let mut pause = TURN_AT_LEAST;
    loop {
        let turn = match status(effects, task).await {
            Ok(status) => match operation(&status, task) {
                Some(operation) => {
                    let nodes = u32::try_from(operation.total()).unwrap_or(u32::MAX);
                    pause = TURN_EVERY.saturating_mul(nodes).max(TURN_AT_LEAST);
                    backup::turn(operation, &task.start.pod, work.command)
                }
                None => Turn::Stopped,
            },
            Err(error) => Turn::Waits(error.to_string()),
        };
        match turn {
            Turn::Now => break,
            Turn::NotItsOwn => return Ok(Ok(StepEvent::Done)),
            Turn::Stopped => return Box::pin(stopped(effects, task, work)).await,
            Turn::Incomplete(pods) => {
                return Ok(Err(NodeError::JobFailed(format!(
                    "the backup is not complete: {pods} failed; nothing of it counts as a backup"
                ))));
            }
            Turn::Waits(what) => {
                if !waiting
                    .tell(effects, task, &format!("waits for {what}"))
                    .await?
                {
                    return Ok(Err(NodeError::Stopped));
                }
            }
        }
        tokio::time::sleep(pause).await;
    }
    Box::pin(follow(effects, task, work, waiting)).await
}

/// Makes the Job, unless it is there, and waits for its end.
async fn follow(
    effects: &Effects,
    task: &NodeTask,
    work: &BackupWork,
    mut waiting: Waiting,
) -> Result<Ended, status_store::Error> {
    let mut idle_since = Instant::now();
    loop {
        if node::is_stop_requested(effects, task).await {
            return Box::pin(stopped(effects, task, work)).await;
        }
        let what = match look(effects, task, work).await {
            Ok(Look::Ended(ended)) => return completed(effects, task, work, &ended).await,
            Ok(Look::Works(job)) => {
                idle_since = Instant::now();
                format!("follows Job {job}")
            }
            Ok(Look::Idle(what)) => format!("waits for {what}"),
            Err(NodeError::Kubernetes(why)) => format!("waits for Kubernetes: {why}"),
            Err(error) => return Ok(Err(error)),
        };
        if idle_since.elapsed() >= IDLE {
            // A retry would follow it, and not one of the spec as it is then.
            let stays = stop(effects, task, work).await.err();
            let stays = stays.map_or_else(String::new, |error| {
                format!("; its Job may be there still: {error}")
            });
            return Ok(Err(NodeError::JobFailed(format!(
                "an hour has passed without a pod at work: the step {what}{stays}"
            ))));
        }
        if !waiting.tell(effects, task, &what).await? {
            // Another process has the node: the Job is its business.
            return Ok(Err(NodeError::Stopped));
        }
        tokio::time::sleep(POLL_EVERY).await;
    }
}

/// The end of a step whose operation ends before its nodes are done. The Job goes, unless it has done its work: that counts.
async fn stopped(
    effects: &Effects,
    task: &NodeTask,
    work: &BackupWork,
) -> Result<Ended, status_store::Error> {
    let mut waiting = Waiting::default();
    let since = Instant::now();
    loop {
        match halted(effects, task, work).await {
            Ok(Some(ended)) => return completed(effects, task, work, &ended).await,
            // A Job that goes on would delete a backup, or send one, after the operation has told its end.
            Err(NodeError::Kubernetes(why)) if since.elapsed() < IDLE => {
                let what = format!("waits for Kubernetes: {why}");
                if !waiting.tell(effects, task, &what).await? {
                    return Ok(Err(NodeError::Stopped));
                }
            }
            Ok(None) => return Ok(Err(NodeError::Stopped)),
            Err(error) => return Ok(Err(error)),
        }
        tokio::time::sleep(POLL_EVERY).await;
    }
}

/// Removes the Job of a step, unless it has done its work.
async fn halted(
    effects: &Effects,
    task: &NodeTask,
    work: &BackupWork,
) -> Result<Option<EndedJob>, NodeError> {
    let name = job_name(task, work);
    let found = jobs::find(&effects.kube, &task.cluster.namespace, &name).await;
    let Some(job) = found.map_err(unreachable("read Job", &name))? else {
        return Ok(None);
    };
    let job = own(task, job)?;
    if jobs::end(&job) == Some(End::Complete) {
        return ended(effects, task, work, job).await;
    }
    remove(effects, task, &job).await?;
    Ok(None)
}

/// A Job that has done its work, and what it did.
struct EndedJob {
    job: Job,
    summary: Summary,
}

/// One look at the Job of a step.
enum Look {
    /// It has done its work.
    Ended(Box<EndedJob>),
    /// A pod of this Job runs.
    Works(String),
    /// Nothing of it runs; the text says what it waits for.
    Idle(String),
}

/// Looks at the Job, makes it if it is not there, and deletes it if it has failed.
///
/// # Errors
/// It failed, or cannot be made.
async fn look(effects: &Effects, task: &NodeTask, work: &BackupWork) -> Result<Look, NodeError> {
    let namespace = &task.cluster.namespace;
    let name = job_name(task, work);
    let found = jobs::find(&effects.kube, namespace, &name).await;
    let Some(job) = found.map_err(unreachable("read Job", &name))? else {
        let wanted = match Box::pin(wanted::wanted(effects, task, work)).await {
            // A pod that is away comes back, and so does the API server: the time without a Job is bounded.
            Err(error) if error.is_transient() => {
                return Ok(Look::Idle(format!("what Job {name} needs: {error}")));
            }
            wanted => wanted?,
        };
        let created = jobs::create(&effects.kube, namespace, &wanted).await;
        created.map_err(unreachable("create Job", &name))?;
        return Ok(Look::Idle(format!("a pod of Job {name}")));
    };
    let job = own(task, job)?;
    if job.metadata.deletion_timestamp.is_some() {
        return Ok(Look::Idle(format!("the earlier Job {name} to go")));
    }
    let end = jobs::end(&job);
    // Also of one at work: a volume that is in use on the one node cannot be attached to the other.
    if end.is_none() && is_elsewhere(effects, task, &job).await? {
        remove(effects, task, &job).await?;
        return Ok(Look::Idle(format!(
            "Job {name} on the node that the pod is on now"
        )));
    }
    if end.is_none() && jobs::is_at_work(&job) {
        return Ok(Look::Works(name));
    }
    match end {
        None => {
            let problem = jobs::problem(&effects.kube, namespace, &job).await;
            let problem = problem.map_err(unreachable("read the pods of Job", &name))?;
            let problem = problem.map(|problem| format!(": {problem}"));
            Ok(Look::Idle(format!(
                "a pod of Job {name}{}",
                problem.unwrap_or_default()
            )))
        }
        // The Job stays until the end of the step is recorded, so that nothing is done twice.
        Some(End::Complete) => Ok(match ended(effects, task, work, job).await? {
            Some(ended) => Look::Ended(Box::new(ended)),
            None => Look::Idle(format!("Job {name} once more, because its pod is gone")),
        }),
        Some(End::Failed) => {
            let said = jobs::said(&effects.kube, namespace, &job).await;
            let said = said.map_err(unreachable("read the pods of Job", &name))?;
            let error = failure(&job, said);
            tracing::warn!(cluster = task.cluster.name, pod = task.start.pod, job = name, %error, "the Job failed");
            // The next try would find it again.
            remove(effects, task, &job).await?;
            Err(error)
        }
    }
}

/// A Job that has done its work, with what it said. None if that is needed, and its pod is gone: the Job is removed, and the
/// next one says it again.
async fn ended(
    effects: &Effects,
    task: &NodeTask,
    work: &BackupWork,
    job: Job,
) -> Result<Option<EndedJob>, NodeError> {
    let name = job.name_any();
    let said = jobs::said(&effects.kube, &task.cluster.namespace, &job).await;
    let said = said.map_err(unreachable("read the pods of Job", &name))?;
    let is_needed = matches!(work.command, BackupCommand::Complete | BackupCommand::Purge);
    // One of a pod that failed before says nothing of the end.
    let done = said
        .summary
        .filter(|summary| summary.outcome == Outcome::Done);
    let summary = match done {
        None if is_needed => {
            remove(effects, task, &job).await?;
            return Ok(None);
        }
        summary => summary.unwrap_or_default(),
    };
    Ok(Some(EndedJob { job, summary }))
}

/// The Job, if it is one of the backup.
///
/// # Errors
/// Something else has made it: neither its end nor its pods say anything of the backup.
fn own(task: &NodeTask, job: Job) -> Result<Job, NodeError> {
    if data_job::is_of(&job, &task.cluster.uid, &task.start.id) {
        return Ok(job);
    }
    Err(NodeError::JobFailed(format!(
        "Job {} is not that of backup {} of cluster {}: delete it, and request a retry",
        job.name_any(),
        task.start.id,
        task.cluster.name
    )))
}

/// Why a Job failed, and whether the next one may not.
fn failure(job: &Job, said: Said) -> NodeError {
    let name = job.name_any();
    let summary = said.summary;
    let reason = summary.as_ref().and_then(told);
    let reason = reason.or(said.problem).or_else(|| jobs::failure(job));
    let reason = reason.unwrap_or_else(|| "Kubernetes gives no reason".into());
    let text = format!("Job {name} failed: {reason}");
    match summary.map(|summary| summary.outcome) {
        Some(Outcome::Failed | Outcome::Damaged) => NodeError::JobFailed(text),
        Some(Outcome::Done | Outcome::Retry) | None => NodeError::JobFailedForNow(text),
    }
}

/// The failure of a Job in its own words.
fn told(summary: &Summary) -> Option<String> {
    let problem = summary.problems.first().map(|first| {
        let more = summary.problems.len() as u64 - 1 + summary.more;
        let more = match more {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        format!("{}: {}{more}", first.object, first.problem)
    });
    summary.error.clone().or(problem)
}

/// Whether the Cassandra pod has moved to another Kubernetes node since the Job was made: the volume went with it.
async fn is_elsewhere(effects: &Effects, task: &NodeTask, job: &Job) -> Result<bool, NodeError> {
    let Some(made_for) = data_job::node_of(job) else {
        return Ok(false);
    };
    let pod = pod(effects, task).await?;
    let now = pod.and_then(|pod| pod.spec?.node_name);
    Ok(now.is_some_and(|now| now != made_for))
}

/// The event of a step whose Job has done its work.
async fn completed(
    effects: &Effects,
    task: &NodeTask,
    work: &BackupWork,
    EndedJob { job, summary }: &EndedJob,
) -> Result<Ended, status_store::Error> {
    tracing::info!(
        cluster = task.cluster.name,
        pod = task.start.pod,
        id = task.start.id,
        command = work.command.as_str(),
        files = summary.files,
        bytes = summary.bytes,
        sent_bytes = summary.sent_bytes,
        milliseconds = summary.milliseconds,
        "the Job has done its work"
    );
    match work.command {
        BackupCommand::Upload | BackupCommand::Verify { .. } => return Ok(Ok(StepEvent::Done)),
        BackupCommand::Delete => {
            return Ok(Ok(StepEvent::Purged {
                store: work.store_name.clone(),
                location: data_job::location(job),
                deleted: vec![work.backup.clone()],
            }));
        }
        BackupCommand::Purge => {
            let deleted = summary.deleted_backups.iter().cloned();
            return Ok(Ok(StepEvent::Purged {
                store: work.store_name.clone(),
                location: data_job::location(job),
                deleted: deleted.map(String::from).collect(),
            }));
        }
        BackupCommand::Complete => {}
    }
    let status = match status(effects, task).await {
        Ok(status) => status,
        Err(error) => return Ok(Err(error)),
    };
    let Some(operation) = operation(&status, task) else {
        return Ok(Err(NodeError::Stopped));
    };
    let numbers = (summary.files, summary.bytes);
    let location = data_job::location(job);
    let left_out = backup_job::left_out(job).unwrap_or_default();
    let backup = backup::completed(
        operation,
        (work, location),
        numbers,
        left_out,
        Timestamp::now(),
    );
    Ok(Ok(backup.map_or(StepEvent::Done, |backup| {
        StepEvent::BackedUp(Box::new(backup))
    })))
}

/// Removes the Job of a step whose end is recorded. One that stays is removed by Kubernetes after a day.
pub(super) async fn forget(effects: &Effects, task: &NodeTask, work: &BackupWork) {
    if let Err(error) = stop(effects, task, work).await {
        tracing::info!(cluster = task.cluster.name, pod = task.start.pod, %error, "a Job that has ended stays");
    }
}

/// Removes the Job of a step, whether it works or not.
async fn stop(effects: &Effects, task: &NodeTask, work: &BackupWork) -> Result<(), NodeError> {
    let name = job_name(task, work);
    let found = jobs::find(&effects.kube, &task.cluster.namespace, &name).await;
    match found.map_err(unreachable("read Job", &name))? {
        Some(job) => remove(effects, task, &own(task, job)?).await,
        None => Ok(()),
    }
}

async fn remove(effects: &Effects, task: &NodeTask, job: &Job) -> Result<(), NodeError> {
    let deleted = jobs::delete(&effects.kube, &task.cluster.namespace, job).await;
    deleted.map_err(unreachable("delete Job", &job.name_any()))
}

fn job_name(task: &NodeTask, work: &BackupWork) -> String {
    let cluster = &task.cluster;
    let of = (
        cluster.namespace.as_str(),
        cluster.name.as_str(),
        cluster.uid.as_str(),
    );
    backup_job::name(of, &task.start.id, &task.start.pod, work)
}

fn unreachable<'a>(what: &'a str, name: &'a str) -> impl FnOnce(kube::Error) -> NodeError + 'a {
    move |error| NodeError::Kubernetes(format!("{what} {name}: {}", error_text(&error)))
}

/// The status as it is now.
async fn status(effects: &Effects, task: &NodeTask) -> Result<CassandraClusterStatus, NodeError> {
    let (namespace, name) = (&task.cluster.namespace, &task.cluster.name);
    let read = in_time(effects.store.read(namespace, name)).await;
    let cluster = read.map_err(unreachable("read CassandraCluster", name))?;
    let ours = cluster.filter(|cluster| cluster.uid().as_ref() == Some(&task.cluster.uid));
    Ok(ours.and_then(|cluster| cluster.status).unwrap_or_default())
}

fn operation<'a>(
    status: &'a CassandraClusterStatus,
    task: &NodeTask,
) -> Option<&'a OperationStatus> {
    let mut operations = status.operations.iter();
    operations.find(|found| found.kind == task.start.kind && found.id == task.start.id)
}

async fn pod(effects: &Effects, task: &NodeTask) -> Result<Option<Pod>, NodeError> {
    let api: Api<Pod> = Api::namespaced(effects.kube.client.clone(), &task.cluster.namespace);
    let read = in_time(api.get_opt(&task.start.pod)).await;
    read.map_err(unreachable("read pod", &task.start.pod))
}

/// The last message about a wait, and its time.
#[derive(Default)]
struct Waiting {
    told: Option<(String, Instant)>,
}

impl Waiting {
    /// Reports what a step waits for or follows, if it is another one or some time has passed. False if the node does not go on.
    async fn tell(
        &mut self,
        effects: &Effects,
        task: &NodeTask,
        what: &str,
    ) -> Result<bool, status_store::Error> {
        let is_told = |(told, at): &(String, Instant)| told == what && at.elapsed() < REPORT_EVERY;
        if self.told.as_ref().is_some_and(is_told) {
            return Ok(true);
        }
        self.told = Some((what.to_owned(), Instant::now()));
        record_event(effects, task, StepEvent::Waits(what.to_owned())).await
    }
}
