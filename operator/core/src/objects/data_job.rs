//! A Job with the program of the data plane: its pod, with the volumes of a Cassandra pod if the work is on those, on the node
//! of that pod.

use std::collections::BTreeMap;

use casskop_backup_protocol::{Cluster, InvalidName, exit};
use casskop_common::{
    api::{BackupStore, CassandraCluster, GROUP, STORE_FOLDER, VERSION},
    names,
};
use k8s_openapi::{
    api::{
        batch::v1::{
            Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement,
            PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
        },
        core::v1::{
            Affinity, Container, EnvVar, NodeAffinity, NodeSelector, NodeSelectorRequirement,
            NodeSelectorTerm, PersistentVolumeClaimVolumeSource, Pod, PodSpec, PodTemplateSpec,
            ResourceRequirements, SecretVolumeSource, Volume, VolumeMount,
        },
    },
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{ObjectMeta, OwnerReference},
    },
};
use kube_core::Resource;

use super::pod::restricted;

/// Name of the one container of the pod.
pub const CONTAINER: &str = "backup";
/// The program.
const PROGRAM: &str = "/casskop-backup";
/// Variable with the description of the work.
const DESCRIPTION: &str = "CASSKOP_BACKUP_JOB";
/// Folder with the files of the Secret.
const CREDENTIALS: &str = "/casskop/credentials";
/// Seconds for which Kubernetes keeps a Job that has ended, where no operator deletes it: a day.
const KEPT_SECONDS: i32 = 86_400;
/// Pods that a Job starts one after the other while they end with the code for another try.
const TRIES: i32 = 6;

/// The Cassandra pod that a Job runs beside.
#[derive(Clone, Debug)]
pub struct Beside<'a> {
    /// The pod.
    pub pod: &'a Pod,
    /// The Kubernetes node that it is on.
    pub node: &'a str,
}

/// Why no Job can be made beside a pod.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoJob {
    /// A pod with an empty volume, or with one that only its container knows.
    #[error("pod {0} has no volume claim that a Job could mount")]
    NoVolume(String),
    /// The operation has no time of its start.
    #[error("the status does not say when the operation began: request it again with a new id")]
    NotStarted,
    /// A name that the store cannot have.
    #[error("{0}: request it again with a new id once it is mended")]
    Name(#[from] InvalidName),
    /// The spec was changed since the request.
    #[error("spec.backup has no store {0} any more: declare it again, and retry")]
    NoStore(String),
}

/// The right of a Job to the volumes of its Cassandra pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Cassandra writes to them.
    Read,
    /// Cassandra does not run.
    Write,
}

/// The parts of a Job that differ between the commands.
pub(super) struct Frame<'a> {
    /// Namespace, name and UID of the cluster.
    pub(super) cluster: (&'a str, &'a str, &'a str),
    /// Name of the Job.
    pub(super) name: String,
    /// Id of the backup.
    pub(super) id: &'a str,
    /// Where it is kept.
    pub(super) store: &'a BackupStore,
    /// Image of the operator.
    pub(super) image: &'a str,
    /// The words of the command line.
    pub(super) arguments: Vec<String>,
    /// Description of the work, in JSON.
    pub(super) description: &'a str,
    /// Use of the volumes of the Cassandra pod, if there is any.
    pub(super) volumes: Option<Access>,
}

/// The Job around the work.
///
/// # Errors
/// The pod has no volume to share.
pub(super) fn build(frame: Frame<'_>, beside: &Beside<'_>) -> Result<Job, NoJob> {
    let (namespace, cluster, uid) = frame.cluster;
    let store = frame.store;
    let (mut volumes, mut mounts) = match frame.volumes {
        Some(access) => shared(beside.pod, access),
        None => (Vec::new(), Vec::new()),
    };
    if frame.volumes.is_some() && volumes.is_empty() {
        let pod = beside.pod.metadata.name.clone();
        return Err(NoJob::NoVolume(pod.unwrap_or_default()));
    }
    let mut arguments = frame.arguments;
    if let Some(secret) = &store.secret {
        arguments.push(format!("--credentials={CREDENTIALS}"));
        volumes.push(Volume {
            name: "casskop-credentials".into(),
            secret: Some(SecretVolumeSource {
                secret_name: Some(secret.name.clone()),
                default_mode: Some(0o440),
                ..SecretVolumeSource::default()
            }),
            ..Volume::default()
        });
        mounts.push(mount("casskop-credentials", CREDENTIALS, true));
    }
    if let Some(volume) = &store.volume {
        volumes.push(Volume {
            name: "casskop-store".into(),
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                claim_name: volume.claim_name.clone(),
                ..PersistentVolumeClaimVolumeSource::default()
            }),
            ..Volume::default()
        });
        mounts.push(mount("casskop-store", STORE_FOLDER, false));
    }
    let labels = labels(cluster);
    let theirs = beside.pod.spec.clone().unwrap_or_default();
    let account = store.service_account_name.clone();
    let container = Container {
        name: CONTAINER.into(),
        image: Some(frame.image.to_owned()),
        image_pull_policy: Some("IfNotPresent".into()),
        command: Some(vec![PROGRAM.into()]),
        args: Some(arguments),
        env: Some(vec![EnvVar {
            name: DESCRIPTION.into(),
            // Kubernetes reads `$(NAME)` as a reference to a variable.
            value: Some(frame.description.replace("$(", "$$(")),
            ..EnvVar::default()
        }]),
        resources: Some(resources()),
        security_context: Some(restricted(true)),
        volume_mounts: Some(mounts),
        ..Container::default()
    };
    Ok(Job {
        metadata: ObjectMeta {
            name: Some(frame.name),
            namespace: Some(namespace.to_owned()),
            labels: Some(labels.clone()),
            annotations: Some(
                [
                    (names::BACKUP.to_owned(), frame.id.to_owned()),
                    (names::BACKUP_LOCATION.to_owned(), store.location()),
                ]
                .into(),
            ),
            owner_references: Some(vec![owner(cluster, uid)]),
            ..ObjectMeta::default()
        },
        spec: Some(JobSpec {
            backoff_limit: Some(TRIES),
            ttl_seconds_after_finished: Some(KEPT_SECONDS),
            pod_failure_policy: Some(failures()),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels),
                    ..ObjectMeta::default()
                }),
                spec: Some(PodSpec {
                    restart_policy: Some("Never".into()),
                    service_account_name: account.or(theirs.service_account_name),
                    automount_service_account_token: Some(false),
                    enable_service_links: Some(false),
                    image_pull_secrets: theirs.image_pull_secrets,
                    tolerations: theirs.tolerations,
                    security_context: theirs.security_context,
                    affinity: (frame.volumes.is_some()).then(|| on_node(beside.node)),
                    containers: vec![container],
                    volumes: Some(volumes),
                    ..PodSpec::default()
                }),
            },
            ..JobSpec::default()
        }),
        ..Job::default()
    })
}

/// A name for a Job of a cluster.
pub(super) fn named_after(cluster: &str, step: &str) -> String {
    // A pod has the name of its Job as a label of at most 63 characters.
    let cluster: String = cluster.replace('.', "-").chars().take(35).collect();
    format!("{}-backup-{step}", cluster.trim_end_matches('-'))
}

pub(super) fn named(cluster: &str, uid: &str) -> Result<Cluster, NoJob> {
    Ok(Cluster {
        name: cluster.parse()?,
        uid: uid.parse()?,
    })
}

/// Whether a Job is that of a cluster and a backup, and none of another author with its name.
pub fn is_of(job: &Job, uid: &str, id: &str) -> bool {
    let mut owners = job.metadata.owner_references.iter().flatten();
    let annotations = job.metadata.annotations.as_ref();
    owners.any(|owner| owner.uid == uid)
        && annotations
            .is_some_and(|annotations| annotations.get(names::BACKUP) == Some(&id.to_owned()))
}

/// The place of the store that a Job was made for, which the spec may have changed since; empty if an earlier version made it.
pub fn location(job: &Job) -> String {
    let annotations = job.metadata.annotations.as_ref();
    let location = annotations.and_then(|annotations| annotations.get(names::BACKUP_LOCATION));
    location.cloned().unwrap_or_default()
}

/// The description of the work that a Job was made with, in JSON.
pub(super) fn description(job: &Job) -> Option<String> {
    let pod = job.spec.as_ref()?.template.spec.as_ref()?;
    let mut variables = pod.containers.first()?.env.iter().flatten();
    let found = variables.find(|variable| variable.name == DESCRIPTION)?;
    Some(found.value.as_ref()?.replace("$$(", "$("))
}

/// The Kubernetes node that a Job was made for; none if it may run on any.
pub fn node_of(job: &Job) -> Option<&str> {
    let pod = job.spec.as_ref()?.template.spec.as_ref()?;
    let affinity = pod.affinity.as_ref()?.node_affinity.as_ref()?;
    let required = &affinity.required_during_scheduling_ignored_during_execution;
    let term = required.as_ref()?.node_selector_terms.first()?;
    let field = term.match_fields.as_ref()?.first()?;
    field.values.as_ref()?.first().map(String::as_str)
}

fn labels(cluster: &str) -> BTreeMap<String, String> {
    let (app, program) = names::BACKUP_APP_LABEL;
    let of = (names::BACKUP_OF, cluster);
    [(app, program), of]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn owner(cluster: &str, uid: &str) -> OwnerReference {
    OwnerReference {
        api_version: format!("{GROUP}/{VERSION}"),
        kind: CassandraCluster::kind(&()).into_owned(),
        name: cluster.to_owned(),
        uid: uid.to_owned(),
        ..OwnerReference::default()
    }
}

/// The volumes of the Cassandra container that come from claims, at the same places. What is only read is mounted read-only as a
/// whole, and not in the container alone: Kubernetes would set the owner and the `SELinux` label of each file of a volume that is
/// written.
fn shared(pod: &Pod, access: Access) -> (Vec<Volume>, Vec<VolumeMount>) {
    let spec = pod.spec.as_ref();
    let claims = spec
        .into_iter()
        .flat_map(|spec| spec.volumes.iter().flatten());
    let claims: Vec<Volume> = claims
        .filter_map(|volume| {
            let claim = volume.persistent_volume_claim.clone()?;
            Some(Volume {
                persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                    read_only: (access == Access::Read).then_some(true).or(claim.read_only),
                    ..claim
                }),
                ..volume.clone()
            })
        })
        .collect();
    let containers = spec.into_iter().flat_map(|spec| &spec.containers);
    let cassandra = containers
        .filter(|container| container.name == names::CASSANDRA_CONTAINER)
        .flat_map(|container| container.volume_mounts.iter().flatten());
    let mounts: Vec<VolumeMount> = cassandra
        .filter(|mount| claims.iter().any(|claim| claim.name == mount.name))
        .map(|mount| VolumeMount {
            read_only: Some(access == Access::Read),
            ..mount.clone()
        })
        .collect();
    let used = |claim: &Volume| mounts.iter().any(|mount| mount.name == claim.name);
    let claims = claims.into_iter().filter(used).collect();
    (claims, mounts)
}

/// The node of the Cassandra pod, through the scheduler: a taint that the pod tolerates does not keep the Job off, and a node
/// without room makes it wait.
fn on_node(node: &str) -> Affinity {
    Affinity {
        node_affinity: Some(NodeAffinity {
            required_during_scheduling_ignored_during_execution: Some(NodeSelector {
                node_selector_terms: vec![NodeSelectorTerm {
                    match_fields: Some(vec![NodeSelectorRequirement {
                        key: "metadata.name".into(),
                        operator: "In".into(),
                        values: Some(vec![node.to_owned()]),
                    }]),
                    ..NodeSelectorTerm::default()
                }],
            }),
            ..NodeAffinity::default()
        }),
        ..Affinity::default()
    }
}

/// A pod that was evicted does not count, and an error that stays ends the Job at once.
fn failures() -> PodFailurePolicy {
    let lasting = [exit::FAILED, exit::USAGE, exit::DAMAGED];
    PodFailurePolicy {
        rules: vec![
            PodFailurePolicyRule {
                action: "FailJob".into(),
                on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
                    container_name: Some(CONTAINER.into()),
                    operator: "In".into(),
                    values: lasting.map(i32::from).to_vec(),
                }),
                ..PodFailurePolicyRule::default()
            },
            PodFailurePolicyRule {
                action: "Ignore".into(),
                on_pod_conditions: Some(vec![PodFailurePolicyOnPodConditionsPattern {
                    type_: "DisruptionTarget".into(),
                    status: "True".into(),
                }]),
                ..PodFailurePolicyRule::default()
            },
        ],
    }
}

/// The need of a Job at any size of its files, and a limit above it.
fn resources() -> ResourceRequirements {
    let of = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter();
        let pairs = pairs.map(|(name, value)| ((*name).to_owned(), Quantity((*value).to_owned())));
        Some(pairs.collect())
    };
    ResourceRequirements {
        requests: of(&[("cpu", "100m"), ("memory", "64Mi")]),
        limits: of(&[("memory", "256Mi")]),
        ..ResourceRequirements::default()
    }
}

fn mount(name: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: Some(read_only),
        ..VolumeMount::default()
    }
}
