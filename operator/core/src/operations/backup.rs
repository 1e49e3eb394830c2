//! `backup`: each node takes a snapshot, a Job beside it sends the files, and one more Job makes the backup exist.
//!
//! All nodes take their snapshots at once, so that the moments of the copies are seconds apart. The Jobs that send run wave
//! by wave. The steps of a node stand in its plan; what a node waits for before a Job is decided here.

use casskop_common::{
    api::{
        BackupStatus, BackupStore, CassandraClusterSpec, CassandraClusterStatus, Check, NodePhase,
        OperationReason, OperationStatus,
    },
    names::BACKUP_SNAPSHOT,
    operations::{OperationKind, backup::Backup},
    quantity,
};
use jiff::Timestamp;

use crate::{
    node::{Activity, Call},
    objects::backup_job::{BackupCommand, BackupWork, LeftOut},
    operations::{
        Action, Behaviour, Refusal, Ring, StepState, checks, snapshot, tables,
        transitions::{self, steps_done},
        unobservable,
    },
};

/// Step that takes the snapshot of a keyspace, whose name follows.
const SNAPSHOT: &str = "snapshot ";
/// Step that deletes a snapshot, whose name follows.
const CLEAR: &str = "clear-snapshot ";
/// Step that sends the files.
const UPLOAD: &str = "upload";
/// Step that makes the backup exist, once all nodes have sent their files.
const COMPLETE: &str = "complete";
/// Step that deletes what the retention of the store does not keep.
const PURGE: &str = "purge";
/// The keyspace with the definitions of all tables. No node counts it among those that are replicated.
const SCHEMA: &str = "system_schema";
/// Most bytes per second that the Job of a node reads, where neither the request nor the spec says it.
const DEFAULT_RATE: u64 = 40 << 20;
/// Backups of each store that the status keeps.
const KEPT: usize = 50;

/// The part of a node in a step that runs a Job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Its Job runs.
    Now,
    /// Other nodes are before it; the text says which ones.
    Waits(String),
    /// The step is the business of another node.
    NotItsOwn,
    /// Other nodes have failed: there is nothing to complete.
    Incomplete(String),
    /// The operation ends before its nodes are done.
    Stopped,
}

/// Name of the snapshot of a backup.
pub fn tag(id: &str) -> String {
    format!("{BACKUP_SNAPSHOT}{id}")
}

/// Whether the Job of a node may run. `operation` is what the status has of it now.
pub fn turn(operation: &OperationStatus, pod: &str, command: BackupCommand) -> Turn {
    if operation.reason == Some(OperationReason::Cancelling) {
        return Turn::Stopped;
    }
    let waves = || operation.plan.iter().flat_map(|plan| &plan.waves);
    let is_last = waves()
        .flatten()
        .next_back()
        .is_some_and(|last| last == pod);
    if command != BackupCommand::Upload && !is_last {
        return Turn::NotItsOwn;
    }
    let steps = operation.plan.as_ref().map(|plan| &plan.steps);
    let sent = steps
        .and_then(|steps| steps.iter().position(|step| step == UPLOAD))
        .map_or(usize::MAX, |index| index + 1);
    let others = || operation.nodes.iter().filter(|node| node.pod != pod);
    match command {
        BackupCommand::Upload => {
            let before: Vec<&String> = waves()
                .take_while(|wave| !wave.iter().any(|other| other == pod))
                .flatten()
                .collect();
            let at_work = others().filter(|node| before.contains(&&node.pod));
            let at_work = at_work.filter(|node| !node.phase.is_final() && steps_done(node) < sent);
            waits_for(&at_work.map(|node| node.pod.as_str()).collect::<Vec<_>>())
        }
        // The step before was that of the same node.
        BackupCommand::Purge | BackupCommand::Verify { .. } | BackupCommand::Delete => Turn::Now,
        BackupCommand::Complete => {
            // One that failed afterwards has sent all that the backup needs.
            let failed =
                others().filter(|node| node.phase == NodePhase::Failed && steps_done(node) < sent);
            let failed: Vec<&str> = failed.map(|node| node.pod.as_str()).collect();
            let at_work = others().filter(|node| !node.phase.is_final() && steps_done(node) < sent);
            match waits_for(&at_work.map(|node| node.pod.as_str()).collect::<Vec<_>>()) {
                Turn::Now if !failed.is_empty() => Turn::Incomplete(failed.join(", ")),
                // A node that was left out by a cancel has sent nothing.
                Turn::Now if others().any(|node| steps_done(node) < sent) => Turn::Stopped,
                turn => turn,
            }
        }
    }
}

/// The turn of a node that these pods are before.
fn waits_for(pods: &[&str]) -> Turn {
    match pods {
        [] => Turn::Now,
        [pod] => Turn::Waits(format!("{pod} to send its files")),
        [pod, more @ ..] => {
            Turn::Waits(format!("{pod} and {} more to send their files", more.len()))
        }
    }
}

/// The last complete backup in a store: the files that it has need not be read again.
pub fn previous<'a>(status: &'a CassandraClusterStatus, store: &BackupStore) -> Option<&'a str> {
    let mut backups = status.backups.iter();
    let last = backups.find(|backup| backup.is_in(store));
    last.map(|backup| backup.id.as_str())
}

/// Forgets backups that a purge of a store has deleted.
pub(crate) fn forget(
    status: &mut CassandraClusterStatus,
    (store, location): (&str, &str),
    deleted: &[String],
) {
    let is_there = |known: &BackupStatus| {
        known.location.is_empty() || location.is_empty() || known.location == location
    };
    let is_deleted = |known: &BackupStatus| {
        known.store == store && is_there(known) && deleted.contains(&known.id)
    };
    status.backups.retain(|known| !is_deleted(known));
}

/// Records a complete backup, once.
pub(crate) fn keep(status: &mut CassandraClusterStatus, backup: &BackupStatus) {
    let is_beside =
        |known: &BackupStatus| (&known.store, &known.location) == (&backup.store, &backup.location);
    let is_it = |known: &BackupStatus| known.id == backup.id && is_beside(known);
    if status.backups.iter().any(is_it) {
        return;
    }
    status.backups.insert(0, backup.clone());
    let mut seen = 0;
    status.backups.retain(|known| {
        seen += usize::from(known.store == backup.store);
        known.store != backup.store || seen <= KEPT
    });
}

/// The backups of a store that the status has.
pub fn known<'a>(
    status: &'a CassandraClusterStatus,
    store: &'a BackupStore,
) -> impl Iterator<Item = &'a str> {
    let backups = status.backups.iter();
    let of_store = backups.filter(move |backup| backup.is_in(store));
    of_store.map(|backup| backup.id.as_str())
}

/// Backups whose requests have ended and are followed by another one: nothing adds to them any more.
pub fn over(status: &CassandraClusterStatus) -> impl Iterator<Item = &str> {
    let ended = status.operation_history.iter();
    let backups = ended.filter(|old| old.kind == OperationKind::Backup);
    backups.map(|old| old.id.as_str())
}

/// Keyspaces of which the nodes of an operation take a snapshot.
pub fn taken(operation: &OperationStatus) -> impl Iterator<Item = &str> {
    let steps = operation.plan.iter().flat_map(|plan| &plan.steps);
    steps.filter_map(|step| step.strip_prefix(SNAPSHOT))
}

/// Nodes of the ring that an operation does not have. `members` are the host ids that a node reports.
pub fn left_out<'a>(
    status: &CassandraClusterStatus,
    operation: &OperationStatus,
    members: impl IntoIterator<Item = &'a String>,
) -> LeftOut {
    let nodes = &status.cassandra_node_status;
    let has_pod = |pod: &String| operation.nodes.iter().any(|node| node.pod == *pod);
    let pods = nodes.keys().filter(|pod| !has_pod(pod)).cloned().collect();
    let is_own = |host_id: &String| {
        operation.nodes.iter().any(|node| node.host_id == *host_id)
            || nodes.values().any(|node| node.host_id == *host_id)
    };
    let elsewhere = members.into_iter().filter(|id| !is_own(id)).cloned();
    LeftOut {
        pods,
        elsewhere: elsewhere.collect(),
    }
}

/// The record of a backup whose last Job has ended. None without the operation.
pub fn completed(
    operation: &OperationStatus,
    (work, location): (&BackupWork, String),
    (files, bytes): (u64, u64),
    left_out: LeftOut,
    now: Timestamp,
) -> Option<BackupStatus> {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    Some(BackupStatus {
        id: operation.id.clone(),
        store: work.store_name.clone(),
        location,
        started_at: operation.started_at.clone()?,
        completed_at: transitions::time(now),
        nodes: i64::try_from(operation.total()).unwrap_or(i64::MAX),
        files: number(files),
        bytes: number(bytes),
        keyspaces: work.keyspaces.clone(),
        left_out: left_out.pods,
        nodes_elsewhere: i64::try_from(left_out.elsewhere.len()).unwrap_or(i64::MAX),
    })
}

impl Behaviour for Backup {
    fn steps(&self, id: &str, ring: &Ring<'_>) -> Result<Vec<String>, Refusal> {
        let store = usable(&self.to, ring.spec)?;
        if ring.spec.data_capacity.is_none() {
            return Err(Refusal {
                reason: OperationReason::NoSharedVolume,
                message:
                    "the nodes have no volume that a Job could read: a backup needs dataCapacity"
                        .into(),
            });
        }
        let tag = tag(id);
        snapshot::is_free(&tag, ring)?;
        let known = tables::known(&self.keyspace, ring)?;
        let mut keyspaces: Vec<String> = if self.keyspace.is_empty() {
            let all = known.into_iter().cloned();
            all.chain([SCHEMA.to_owned()]).collect()
        } else {
            self.keyspace.clone()
        };
        keyspaces.sort();
        keyspaces.dedup();
        let clear = |name: &str| format!("{CLEAR}{name}");
        let left = left_over(ring).into_iter().map(clear);
        let take = keyspaces.iter().map(|name| format!("{SNAPSHOT}{name}"));
        let send = [UPLOAD.to_owned(), clear(&tag), COMPLETE.to_owned()];
        let purge = store.retention.as_ref().map(|_| PURGE.to_owned());
        Ok(left.chain(take).chain(send).chain(purge).collect())
    }

    fn unit(&self) -> &'static str {
        "steps"
    }

    fn action(&self, id: &str, step: &str, spec: &CassandraClusterSpec) -> Action {
        if let Some(name) = step.strip_prefix(CLEAR) {
            return Action::Call(Call::ClearSnapshot {
                keyspaces: Vec::new(),
                name: name.to_owned(),
            });
        }
        if let Some(keyspace) = step.strip_prefix(SNAPSHOT) {
            return Action::Call(Call::Snapshot {
                keyspace: keyspace.to_owned(),
                tables: Vec::new(),
                name: tag(id),
                ttl: None,
                skip_flush: false,
            });
        }
        let backup = spec.backup.as_ref();
        let rate = self.rate.unwrap_or_else(|| rate(spec));
        Action::RunJob(Box::new(BackupWork {
            command: match step {
                COMPLETE => BackupCommand::Complete,
                PURGE => BackupCommand::Purge,
                _ => BackupCommand::Upload,
            },
            store_name: self.to.clone(),
            store: backup.and_then(|backup| backup.store(&self.to)).cloned(),
            backup: id.to_owned(),
            snapshot: tag(id),
            keyspaces: self.keyspace.clone(),
            rate: Some(rate).filter(|rate| *rate > 0),
        }))
    }

    fn describe(&self) -> &'static str {
        "StorageService.takeSnapshot for each keyspace, and a Job that sends the files"
    }

    fn checks(&self, ring: &Ring<'_>) -> Vec<Check> {
        vec![
            checks::nodes_up(ring),
            checks::ring_settled(ring),
            checks::schema_agreed(ring),
        ]
    }

    fn reads_snapshots(&self) -> bool {
        true
    }

    fn step_state(&self, _: &str, activity: &Activity) -> StepState {
        unobservable(activity)
    }

    /// An earlier call may have taken a part of the snapshot, and Cassandra does not add to a snapshot. The name is that of no other
    /// request.
    fn undo(&self, call: &Call) -> Option<Call> {
        match call {
            Call::Snapshot { keyspace, name, .. } => Some(Call::ClearSnapshot {
                keyspaces: vec![keyspace.clone()],
                name: name.clone(),
            }),
            _ => None,
        }
    }

    fn clean_up(&self, id: &str) -> Option<Call> {
        Some(Call::ClearSnapshot {
            keyspaces: Vec::new(),
            name: tag(id),
        })
    }
}

/// The action of an operation on a backup that is there.
pub(super) fn on_backup(
    command: BackupCommand,
    (store, backup): (&str, &str),
    spec: &CassandraClusterSpec,
) -> Action {
    let stores = spec.backup.as_ref();
    Action::RunJob(Box::new(BackupWork {
        command,
        store_name: store.to_owned(),
        store: stores.and_then(|stores| stores.store(store)).cloned(),
        backup: backup.to_owned(),
        snapshot: String::new(),
        keyspaces: Vec::new(),
        rate: Some(rate(spec)).filter(|rate| *rate > 0),
    }))
}

/// Most bytes per second of a Job, as the spec says; 0 for no limit.
fn rate(spec: &CassandraClusterSpec) -> u64 {
    let backup = spec.backup.as_ref();
    let rate = backup.and_then(|backup| quantity::parse(backup.rate.as_deref()?));
    rate.map_or(DEFAULT_RATE, |rate| u64::try_from(rate).unwrap_or(0))
}

/// The spec has the store, and the store names one place.
pub(super) fn usable<'a>(
    name: &str,
    spec: &'a CassandraClusterSpec,
) -> Result<&'a BackupStore, Refusal> {
    let stores = spec.backup.iter().flat_map(|backup| &backup.stores);
    let found = stores.clone().find(|store| store.name == name);
    let why = match found.map(|store| (store, store.place().kind().map(drop))) {
        Some((store, Ok(()))) => return Ok(store),
        Some((_, Err(error))) => format!("store {name} of spec.backup cannot be used: {error}"),
        None => {
            let names: Vec<&str> = stores.map(|store| store.name.as_str()).collect();
            match names.as_slice() {
                [] => format!("spec.backup.stores is empty: declare store {name}"),
                names => format!(
                    "spec.backup has no store {name}; it has {}",
                    names.join(", ")
                ),
            }
        }
    };
    Err(Refusal {
        reason: OperationReason::UnknownStore,
        message: format!("{why}. Request it again with a new id"),
    })
}

/// Snapshots that earlier backups have left on the targets: by a crash after a cancel, or with a node that failed.
fn left_over<'a>(ring: &'a Ring<'_>) -> Vec<&'a str> {
    let targets = ring.nodes.iter().filter(|member| ring.is_target(member));
    let readings = targets.filter_map(|member| member.reading.as_ref().ok());
    let names = readings.flat_map(|reading| reading.snapshots.iter().flatten());
    let mut left: Vec<&str> = names
        .map(String::as_str)
        .filter(|name| name.starts_with(BACKUP_SNAPSHOT))
        .collect();
    left.sort_unstable();
    left.dedup();
    left
}
