//! Jobs of backups: found by their names, made once, deleted by their UIDs.

use casskop_backup_protocol::Summary;
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, PostParams},
};

use crate::kubernetes::{
    Kube,
    objects::{self, in_time},
};
use casskop_core::{objects::data_job::CONTAINER, observed::NodePod};

/// Label of the pods of a Job.
const JOB_NAME: &str = "batch.kubernetes.io/job-name";
/// Most pods of a Job that are looked at: more than the Job starts.
const PODS: u32 = 50;

/// The end of a Job, if it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its pod has done the work.
    Complete,
    /// Its pods have failed.
    Failed,
}

/// How a Job has ended; nothing while it works.
pub fn end(job: &Job) -> Option<End> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let holds = |kind: &str| {
        let mut conditions = conditions.iter();
        conditions.any(|condition| condition.type_ == kind && condition.status == "True")
    };
    if holds("Complete") {
        Some(End::Complete)
    } else {
        holds("Failed").then_some(End::Failed)
    }
}

/// Whether a pod of a Job is Ready, which is one whose container runs: it has no probe.
pub fn is_at_work(job: &Job) -> bool {
    let status = job.status.as_ref();
    status.is_some_and(|status| status.ready.is_some_and(|ready| ready > 0))
}

/// The message of Kubernetes about a Job that has failed.
pub fn failure(job: &Job) -> Option<String> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let failed = conditions
        .iter()
        .find(|condition| condition.type_ == "Failed")?;
    failed.message.clone()
}

/// The Job of a name.
///
/// # Errors
/// The API server does not answer, or refuses.
pub async fn find(kube: &Kube, namespace: &str, name: &str) -> Result<Option<Job>, kube::Error> {
    in_time(api(kube, namespace).get_opt(name)).await
}

/// Makes a Job. One of its name that is there already is left as it is.
///
/// # Errors
/// The API server does not answer, or refuses.
pub async fn create(kube: &Kube, namespace: &str, job: &Job) -> Result<(), kube::Error> {
    let (api, how) = (api(kube, namespace), PostParams::default());
    match in_time(api.create(&how, job)).await {
        Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => Ok(()),
        outcome => outcome.map(drop),
    }
}

/// Deletes a Job and its pods, by its UID. One that is gone counts as deleted.
///
/// # Errors
/// The API server does not answer, or refuses.
pub async fn delete(kube: &Kube, namespace: &str, job: &Job) -> Result<(), kube::Error> {
    let only = objects::uid_precondition(&job.uid().unwrap_or_default());
    let api = api(kube, namespace);
    let name = job.name_any();
    // The Job stays until its pods are gone, so that no other pod reads or writes beside the next one.
    let deleted = objects::delete(&api, &name, only, DeleteParams::foreground());
    match in_time(deleted).await {
        Err(error) if objects::is_conflict(&error) => Ok(()),
        outcome => outcome,
    }
}

/// The report of the pods of a Job.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// The work of the last pod that ended.
    pub summary: Option<Summary>,
    /// Why the newest pod does not run, in the words of Kubernetes.
    pub problem: Option<String>,
}

/// Asks the pods of a Job.
///
/// # Errors
/// The API server does not answer, or refuses.
pub async fn said(kube: &Kube, namespace: &str, job: &Job) -> Result<Said, kube::Error> {
    let pods: Api<Pod> = Api::namespaced(kube.client.clone(), namespace);
    let selector = format!("{JOB_NAME}={}", job.name_any());
    let params = ListParams::default().labels(&selector).limit(PODS);
    let uid = job.uid();
    let mut pods = in_time(pods.list(&params)).await?.items;
    // An earlier Job of the name may have left pods that end.
    pods.retain(|pod| {
        pod.owner_references()
            .iter()
            .any(|owner| Some(&owner.uid) == uid.as_ref())
    });
    pods.sort_by_key(|pod| pod.creation_timestamp().map(|created| created.0));
    let newest = pods.last();
    Ok(Said {
        summary: pods.iter().rev().find_map(summary),
        problem: newest.and_then(|pod| NodePod::of(pod).problem),
    })
}

/// Why nothing of a Job runs, in the words of Kubernetes: of its newest pod, or, without one, of the Job, such as a quota.
///
/// # Errors
/// The API server does not answer, or refuses to list pods.
pub async fn problem(
    kube: &Kube,
    namespace: &str,
    job: &Job,
) -> Result<Option<String>, kube::Error> {
    let said = said(kube, namespace, job).await?;
    if said.problem.is_some() {
        return Ok(said.problem);
    }
    let uid = job.uid().unwrap_or_default();
    let waiting = [("Job", [uid.clone()].into())].into();
    // Events only explain: without them the step waits all the same.
    let warnings = kube.warnings.of(&kube.client, namespace, &waiting).await;
    Ok(warnings.ok().and_then(|mut warnings| warnings.remove(&uid)))
}

/// The summary in the termination message of a pod.
fn summary(pod: &Pod) -> Option<Summary> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    let status = statuses.iter().find(|status| status.name == CONTAINER)?;
    let message = status
        .state
        .as_ref()?
        .terminated
        .as_ref()?
        .message
        .as_ref()?;
    serde_json::from_str(message.lines().last()?).ok()
}

fn api(kube: &Kube, namespace: &str) -> Api<Job> {
    Api::namespaced(kube.client.clone(), namespace)
}
