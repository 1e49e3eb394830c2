//! A Job of a backup: a pod on the Kubernetes node of a Cassandra pod, with the volumes of that pod.

use std::collections::BTreeMap;

use casskop_backup_protocol::{
    Cluster, CompleteJob, InvalidName, Limits, Name, NodeEntry, NodeJob, PurgeJob, Store, StoreJob,
    exit,
};
use casskop_common::{
    api::{BackupStore, CassandraCluster, GROUP, OperationStatus, STORE_FOLDER, VERSION},
    names::{self, RackId},
};
use jiff::Timestamp;
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

use crate::{digest::digest, node::Reading, objects::pod::restricted};

/// Name of the one container of the pod.
pub const CONTAINER: &str = "backup";
/// The program.
const PROGRAM: &str = "/casskop-backup";
/// Variable with the description of the work.
const DESCRIPTION: &str = "CASSKOP_BACKUP_JOB";
/// Folder with the files of the Secret.
const CREDENTIALS: &str = "/casskop/credentials";
/// Hours between the purge that finds an object without a backup and the one that may delete it.
const SWEEP_AFTER_HOURS: u32 = 24;
/// Days without a sign of life after which a backup that was begun counts as given up.
const ABANDON_AFTER_DAYS: u32 = 7;
/// Seconds for which Kubernetes keeps a Job that has ended, where no operator deletes it: a day.
const KEPT_SECONDS: i32 = 86_400;
/// Pods that a Job starts one after the other while they end with the code for another try.
const TRIES: i32 = 6;

/// A Job that a step of a backup runs.
#[derive(Clone, Debug, PartialEq)]
pub struct BackupWork {
    /// The command of the Job.
    pub command: BackupCommand,
    /// Name of the store in the spec.
    pub store_name: String,
    /// The store; none if the spec has it no longer.
    pub store: Option<BackupStore>,
    /// Id of the backup.
    pub backup: String,
    /// Name of the snapshot.
    pub snapshot: String,
    /// Keyspaces that were asked for; none is all of them.
    pub keyspaces: Vec<String>,
    /// Most bytes per second; none is no limit.
    pub rate: Option<u64>,
}

/// Commands of `casskop-backup` that a step of a backup runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackupCommand {
    /// `node`: sends the snapshot of one node.
    Upload,
    /// `complete`: writes the manifest of the backup.
    Complete,
    /// `purge`: deletes what the retention does not keep.
    Purge,
    /// `verify`: checks a backup, by the content of its objects if it is deep.
    Verify {
        /// Whether every object is read.
        deep: bool,
    },
    /// `delete`: deletes a backup.
    Delete,
}

impl BackupCommand {
    /// The subcommand.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Upload => "node",
            Self::Complete => "complete",
            Self::Purge => "purge",
            Self::Verify { .. } => "verify",
            Self::Delete => "delete",
        }
    }

    /// Whether the Job reads the volumes of the pod.
    pub fn reads_volumes(self) -> bool {
        self == Self::Upload
    }
}

/// Nodes of the ring that a backup does not have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Pods of the cluster.
    pub pods: Vec<String>,
    /// Host ids of members that are no node of the cluster: they run in other Kubernetes clusters.
    pub elsewhere: Vec<String>,
}

/// The Cassandra pod that a Job runs beside.
#[derive(Clone, Debug)]
pub struct Beside<'a> {
    /// The pod.
    pub pod: &'a Pod,
    /// The Kubernetes node that it is on.
    pub node: &'a str,
}

/// The parts of a Job that are decided before.
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    /// Namespace, name and UID of the cluster.
    pub cluster: (&'a str, &'a str, &'a str),
    /// Id of the backup.
    pub id: &'a str,
    /// The work.
    pub work: &'a BackupWork,
    /// Image of the operator.
    pub image: &'a str,
    /// Description of the work, in JSON. It holds no secret.
    pub description: String,
}

/// Name of the Job of a step. The same step of the same backup has the same name, so that it is made once.
pub fn name(cluster: (&str, &str, &str), id: &str, pod: &str, work: &BackupWork) -> String {
    let (_, cluster, uid) = cluster;
    let step = digest(&(uid, id, pod, work.command.as_str()));
    named_after(cluster, &step)
}

/// A name for a Job of a cluster.
pub(super) fn named_after(cluster: &str, step: &str) -> String {
    // A pod has the name of its Job as a label of at most 63 characters.
    let cluster: String = cluster.replace('.', "-").chars().take(35).collect();
    format!("{}-backup-{step}", cluster.trim_end_matches('-'))
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

/// The node of a pod, as it reports itself.
#[derive(Clone, Debug)]
pub struct NodeFacts<'a> {
    /// Its pod.
    pub pod: &'a str,
    /// Data center and rack.
    pub rack: &'a RackId,
    /// Its state.
    pub reading: &'a Reading,
    /// Its tokens.
    pub tokens: Vec<String>,
    /// Folders of its data.
    pub data_directories: Vec<String>,
    /// Keyspaces that its snapshot was taken of.
    pub taken: Vec<String>,
}

/// The description of the work on one node.
///
/// # Errors
/// A name cannot be a part of a path in the store.
pub fn upload(
    (cluster, uid): (&str, &str),
    operation: &OperationStatus,
    work: &BackupWork,
    node: &NodeFacts<'_>,
    previous: Option<&str>,
) -> Result<NodeJob, NoJob> {
    Ok(NodeJob {
        cluster: named(cluster, uid)?,
        store: place(work)?,
        backup: operation.id.parse()?,
        started_at: started_at(operation)?,
        snapshot: work.snapshot.parse()?,
        node: NodeEntry {
            host_id: node.reading.local_host_id.parse()?,
            pod: Some(node.pod.parse()?),
            dc: node.rack.dc.clone(),
            rack: node.rack.rack.clone(),
            tokens: node.tokens.clone(),
            cassandra_version: node.reading.version.clone(),
            schema_version: node.reading.schema_version.clone(),
        },
        keyspaces: parsed(work.keyspaces.iter().map(String::as_str))?,
        taken: parsed(node.taken.iter().map(String::as_str))?,
        tables: Vec::new(),
        data_directories: node.data_directories.clone(),
        previous: previous.map(str::parse).transpose()?,
        limits: limits(work),
    })
}

/// The description of the work that makes the backup exist.
///
/// # Errors
/// As of [`upload`].
pub fn complete(
    (cluster, uid): (&str, &str),
    operation: &OperationStatus,
    work: &BackupWork,
    left_out: &LeftOut,
) -> Result<CompleteJob, NoJob> {
    let nodes = operation.nodes.iter();
    let nodes = nodes.map(|node| node.host_id.as_str());
    Ok(CompleteJob {
        cluster: named(cluster, uid)?,
        store: place(work)?,
        backup: operation.id.parse()?,
        started_at: started_at(operation)?,
        nodes: parsed(nodes)?,
        left_out: parsed(left_out.pods.iter().map(String::as_str))?,
        elsewhere: parsed(left_out.elsewhere.iter().map(String::as_str))?,
        limits: limits(work),
    })
}

/// The description of the work that deletes what the retention of the store does not keep.
///
/// # Errors
/// As of [`upload`].
pub fn purge(
    (cluster, uid): (&str, &str),
    work: &BackupWork,
    known: &[&str],
    over: &[&str],
) -> Result<PurgeJob, NoJob> {
    let retention = work
        .store
        .as_ref()
        .and_then(|store| store.retention.as_ref());
    Ok(PurgeJob {
        cluster: named(cluster, uid)?,
        store: place(work)?,
        // Without a retention, which may be gone by now, nothing but what no backup has is deleted.
        keep_count: retention.and_then(|retention| retention.count),
        keep_days: retention.and_then(|retention| retention.days),
        known: parsed(known.iter().copied())?,
        over: parsed(over.iter().copied())?,
        sweep_after_hours: SWEEP_AFTER_HOURS,
        abandon_after_days: ABANDON_AFTER_DAYS,
        limits: limits(work),
    })
}

/// The description of the work on a backup that is there.
///
/// # Errors
/// As of [`upload`].
pub fn stored((cluster, uid): (&str, &str), work: &BackupWork) -> Result<StoreJob, NoJob> {
    Ok(StoreJob {
        cluster: named(cluster, uid)?,
        store: place(work)?,
        limits: limits(work),
    })
}

/// The words of the command line. The name of a backup begins with a letter or a digit, and is no option.
fn words(work: &BackupWork) -> Vec<String> {
    let mut words = vec![work.command.as_str().to_owned()];
    match work.command {
        BackupCommand::Verify { deep } => {
            words.push(work.backup.clone());
            words.extend(deep.then(|| "--deep".to_owned()));
        }
        BackupCommand::Delete => words.push(work.backup.clone()),
        BackupCommand::Upload | BackupCommand::Complete | BackupCommand::Purge => {}
    }
    words.push("--termination-log=/dev/termination-log".to_owned());
    words
}

fn parsed<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Vec<Name>, InvalidName> {
    names.into_iter().map(str::parse).collect()
}

pub(super) fn named(cluster: &str, uid: &str) -> Result<Cluster, NoJob> {
    Ok(Cluster {
        name: cluster.parse()?,
        uid: uid.parse()?,
    })
}

fn place(work: &BackupWork) -> Result<Store, NoJob> {
    let gone = || NoJob::NoStore(work.store_name.clone());
    Ok(work.store.as_ref().ok_or_else(gone)?.place())
}

fn started_at(operation: &OperationStatus) -> Result<Timestamp, NoJob> {
    let started = operation.started_at.as_ref();
    started.map(|started| started.0).ok_or(NoJob::NotStarted)
}

fn limits(work: &BackupWork) -> Limits {
    Limits {
        bytes_per_second: work.rate,
        ..Limits::default()
    }
}

/// The Job.
///
/// # Errors
/// The pod has no volume to share, or the store is gone.
pub fn build(parts: &Parts<'_>, beside: &Beside<'_>) -> Result<Job, NoJob> {
    let store = parts.work.store.as_ref();
    let pod = beside.pod.metadata.name.as_deref().unwrap_or_default();
    let frame = Frame {
        cluster: parts.cluster,
        name: name(parts.cluster, parts.id, pod, parts.work),
        id: parts.id,
        store: store.ok_or_else(|| NoJob::NoStore(parts.work.store_name.clone()))?,
        image: parts.image,
        arguments: words(parts.work),
        description: &parts.description,
        volumes: (parts.work.command.reads_volumes()).then_some(Access::Read),
    };
    framed(frame, beside)
}

/// What a Job may do with the volumes of its Cassandra pod.
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
pub(super) fn framed(frame: Frame<'_>, beside: &Beside<'_>) -> Result<Job, NoJob> {
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
            annotations: Some([(names::BACKUP.to_owned(), frame.id.to_owned())].into()),
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

/// Whether a Job is that of a cluster and a backup, and none of another author with its name.
pub fn is_of(job: &Job, uid: &str, id: &str) -> bool {
    let mut owners = job.metadata.owner_references.iter().flatten();
    let annotations = job.metadata.annotations.as_ref();
    owners.any(|owner| owner.uid == uid)
        && annotations
            .is_some_and(|annotations| annotations.get(names::BACKUP) == Some(&id.to_owned()))
}

/// The description of the work that a Job was made with, in JSON.
fn description(job: &Job) -> Option<String> {
    let pod = job.spec.as_ref()?.template.spec.as_ref()?;
    let mut variables = pod.containers.first()?.env.iter().flatten();
    let found = variables.find(|variable| variable.name == DESCRIPTION)?;
    Some(found.value.as_ref()?.replace("$$(", "$("))
}

/// Nodes that the backup of a Job of [`complete`] does not have.
pub fn left_out(job: &Job) -> Option<LeftOut> {
    let described: CompleteJob = serde_json::from_str(&description(job)?).ok()?;
    let names = |names: Vec<Name>| names.into_iter().map(String::from).collect();
    Some(LeftOut {
        pods: names(described.left_out),
        elsewhere: names(described.elsewhere),
    })
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

/// What the Job takes at any size of its files, and a limit above it.
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
