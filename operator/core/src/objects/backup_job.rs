//! A Job of a backup: a pod on the Kubernetes node of a Cassandra pod, with the volumes of that pod.

use casskop_backup_protocol::{
    CompleteJob, InvalidName, Limits, Name, NodeEntry, NodeJob, PurgeJob, Store, StoreJob,
};
use casskop_common::{
    api::{BackupStore, OperationStatus},
    names::RackId,
};
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;

use super::data_job::{self, Access, Beside, Frame, NoJob, description, named, named_after};
use crate::{digest::digest, node::Reading};

/// Hours between the purge that finds an object without a backup and the one that may delete it.
const SWEEP_AFTER_HOURS: u32 = 24;
/// Days without a sign of life after which a backup that was begun counts as given up.
const ABANDON_AFTER_DAYS: u32 = 7;

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

/// The node of a pod, as it reports itself.
#[derive(Clone, Debug)]
pub struct NodeFacts<'a> {
    /// Its pod.
    pub pod: &'a str,
    /// Data center and rack.
    pub rack: &'a RackId,
    /// Whether it was started to require logins of its clients.
    pub logins: bool,
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
            logins: Some(node.logins),
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
    data_job::build(frame, beside)
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
