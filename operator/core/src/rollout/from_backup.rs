//! A new ring that begins with a backup: which Jobs bring its files, and when its nodes may start.
//!
//! All pods of all racks are made at once, and wait. A Job beside each brings its files; once all nodes have theirs, all may
//! start. The configuration of the racks records what they wait for, so that nothing but a ring that was never formed is restored.

use std::collections::BTreeMap;

use casskop_backup_protocol::Name;
use casskop_common::{
    api::{CassandraCluster, NodeTransport, Restore, RestorePhase, RestoreStatus},
    conditions::Reason,
    names::{self, RackId},
};
use jiff::SignedDuration;
use kube_core::ResourceExt;
use serde::Serialize;

use crate::{
    desired::Desired,
    objects::restore_job::{self, Target},
    observed::{ObservedState, RestoreEnd, RestoreInputs, RestoreJob, is_of_predecessor, replicas},
    pod_config::{
        RackConfig,
        cassandra_yaml::{DATA, data_directories_of},
        restore::RestoreConfig,
    },
    refusal::Refusal,
};

/// Time after which a Job that failed for now is made again.
const AGAIN: SignedDuration = SignedDuration::from_mins(5);

/// The restore of a ring that was never formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FromBackup {
    /// The record for the pods.
    pub config: RestoreConfig,
    /// Nodes of the ring.
    pub nodes: i32,
    /// Nodes that have all their files.
    pub done: i32,
    /// Jobs to make and to delete.
    pub jobs: Vec<JobChange>,
    /// Message: why the restore does not go on without a person.
    pub problem: Option<String>,
    /// Message: why a node does not get its files at the moment.
    pub trouble: Option<String>,
}

/// A change of a Job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum JobChange {
    /// It is made, unless there is one of its name.
    Make {
        /// The pod whose files it brings.
        pod: String,
        /// Its rack.
        #[serde(skip)]
        rack: RackId,
        /// Its inputs.
        #[serde(skip)]
        inputs: RestoreInputs,
    },
    /// It is deleted, and made again later.
    Remove {
        /// Its name.
        name: String,
        /// Its UID.
        uid: String,
    },
}

impl FromBackup {
    /// The event that the nodes wait for; nothing once they may start.
    pub(crate) fn awaited(&self) -> Option<String> {
        if self.config.released {
            return None;
        }
        let trouble = self.trouble.iter().map(|trouble| format!("; {trouble}"));
        Some(format!(
            "the files of backup {}: {} of {} nodes have theirs{}",
            self.config.backup,
            self.done,
            self.nodes,
            trouble.collect::<String>()
        ))
    }
}

/// Decides about the restore that the spec asks for. None if the ring begins empty, or was formed before.
///
/// # Errors
/// The restore cannot be carried out.
pub(crate) fn decide(
    desired: &Desired,
    state: &ObservedState,
    formed: bool,
) -> Result<Option<FromBackup>, Refusal> {
    if formed {
        return Ok(None);
    }
    let recorded = Recorded::of(state);
    let Some(restore) = &desired.spec.restore else {
        return match recorded {
            Recorded::Restore(before) => refuse(format!(
                "backup {} is being restored, and spec.restore was removed: put it back until the ring is formed",
                before.backup
            )),
            Recorded::NoRack | Recorded::Empty => Ok(None),
        };
    };
    check(desired, &state.cluster, restore)?;
    let from = &restore.cluster;
    let nodes = nodes(desired);
    let was_released = match recorded {
        Recorded::NoRack => false,
        Recorded::Empty => {
            return refuse(
                "spec.restore was added to a ring that is being formed without it, and is carried out only from the creation of the cluster on: remove it, or delete the cluster with its volumes and create it again".into(),
            );
        }
        Recorded::Restore(before) => {
            let is_it = before.is_of(&from.name, &from.uid, &restore.backup);
            if before.released && !is_it {
                return refuse(format!(
                    "the nodes start with backup {} of cluster {}, and spec.restore names another one: set it back, or delete the cluster with its volumes and create it again",
                    before.backup, before.cluster
                ));
            }
            if let Some(changed) = other_shape(&before.nodes, &nodes) {
                return refuse(format!(
                    "{changed}, and all nodes of a backup are restored together: set topology and nodesPerRacks back until the ring is formed, or delete the cluster with its volumes and create it again"
                ));
            }
            before.released
        }
    };
    let mut found = progress(desired, restore, was_released, state);
    // A pod that is made later would not have its files.
    let sets = state.live.stateful_sets.iter();
    let are_all_there = sets
        .map(|(name, set)| (name, replicas(set)))
        .eq(nodes.iter().map(|(name, nodes)| (name, *nodes)));
    found.config = RestoreConfig {
        cluster: from.name.clone(),
        uid: from.uid.clone(),
        backup: restore.backup.clone(),
        nodes,
        released: was_released || (are_all_there && found.done == found.nodes),
    };
    if found.config.released {
        found.done = found.nodes;
    }
    Ok(Some(found))
}

/// Nodes of each rack, by its StatefulSet.
fn nodes(desired: &Desired) -> BTreeMap<String, i32> {
    let racks = desired.racks.iter();
    let nodes = racks.map(|rack| (names::stateful_set(&desired.name, &rack.id), rack.replicas));
    nodes.collect()
}

/// The first difference between the racks of a restore that has begun and those of the spec, in words.
fn other_shape(before: &BTreeMap<String, i32>, now: &BTreeMap<String, i32>) -> Option<String> {
    let changed = |name: &&String| before.get(*name) != now.get(*name);
    let name = before.keys().chain(now.keys()).find(changed)?;
    let nodes = |racks: &BTreeMap<String, i32>| match racks.get(name) {
        Some(nodes) => nodes.to_string(),
        None => "none".to_owned(),
    };
    Some(format!(
        "nodes of rack {name}: the restore has begun with {}, and the spec has {}",
        nodes(before),
        nodes(now)
    ))
}

/// Whether the ring begins with a backup, and none of its nodes may start yet.
pub(crate) fn is_fetching(state: &ObservedState) -> bool {
    matches!(Recorded::of(state), Recorded::Restore(restore) if !restore.released)
}

/// The purpose that the racks were made for. Their configuration may be there before their StatefulSets, or after them.
enum Recorded {
    /// There is no rack yet.
    NoRack,
    /// Their nodes begin empty.
    Empty,
    /// A restore.
    Restore(RestoreConfig),
}

impl Recorded {
    fn of(state: &ObservedState) -> Self {
        let maps = state.live.config_maps.values();
        let configs = maps
            .filter(|map| !is_of_predecessor(map.owner_references(), &state.cluster))
            .filter_map(RackConfig::of);
        let restores: Vec<Option<RestoreConfig>> = configs.map(|config| config.restore).collect();
        let is_empty = restores.is_empty();
        // Some may be written already, and others not yet.
        let newest = restores.into_iter().flatten();
        match newest.max_by_key(|restore| restore.released) {
            Some(restore) => Self::Restore(restore),
            None if is_empty => Self::NoRack,
            None => Self::Empty,
        }
    }
}

fn progress(
    desired: &Desired,
    restore: &Restore,
    was_released: bool,
    state: &ObservedState,
) -> FromBackup {
    let pods = desired.racks.iter().flat_map(|rack| {
        (0..rack.replicas).map(move |ordinal| {
            let pod = names::pod(&desired.name, &rack.id, ordinal);
            (pod, &rack.id)
        })
    });
    let mut found = FromBackup {
        config: RestoreConfig {
            released: was_released,
            ..RestoreConfig::default()
        },
        nodes: 0,
        done: 0,
        jobs: Vec::new(),
        problem: None,
        trouble: None,
    };
    for (pod, rack) in pods {
        found.nodes += 1;
        let target = Target { pod: &pod, rack };
        let inputs = match restore_job::inputs(desired, restore, target, state) {
            Ok(inputs) => inputs,
            Err(error) => {
                let why = format!("no Job can be made for {pod}: {error}");
                found.problem.get_or_insert(why);
                continue;
            }
        };
        let live = state.pods.get(&pod).filter(|live| !live.deleting);
        let node = live.and_then(|live| live.prepares_on.as_ref());
        match state.restore_jobs.get(&pod) {
            // A node that has joined had its files.
            None if node.is_some() && !found.has_joined(&pod, state) => {
                found.jobs.push(JobChange::Make {
                    pod,
                    rack: rack.clone(),
                    inputs,
                });
            }
            None => {}
            Some(job) => found.follow(&pod, (job, &inputs), node, state),
        }
    }
    found
}

impl FromBackup {
    /// Whether a node was a member of the ring, which is not formed yet.
    fn has_joined(&self, pod: &str, state: &ObservedState) -> bool {
        self.config.released && state.host_id(pod).is_some()
    }

    fn follow(
        &mut self,
        pod: &str,
        (job, inputs): (&RestoreJob, &RestoreInputs),
        node: Option<&String>,
        state: &ObservedState,
    ) {
        let remove = || JobChange::Remove {
            name: job.name.clone(),
            uid: job.uid.clone(),
        };
        // Nodes start: only their volumes count.
        let has_other_work = !self.config.released && job.inputs.work != inputs.work;
        let has_other_volumes = job.inputs.volumes != inputs.volumes;
        match &job.end {
            _ if !job.is_ours => {
                self.problem.get_or_insert_with(|| {
                    format!(
                        "Job {}, which would bring the files of {pod}, is there and not of this cluster: delete it",
                        job.name
                    )
                });
            }
            _ if job.deleting => {
                self.trouble
                    .get_or_insert_with(|| format!("Job {} is being deleted", job.name));
            }
            _ if has_other_volumes && self.has_joined(pod, state) => {
                self.problem.get_or_insert_with(|| {
                    format!(
                        "{pod} has lost its volume after its node had joined, before the ring was formed, and with the files of the backup it would miss what was written since: delete the cluster with its volumes, and create it again with spec.restore"
                    )
                });
            }
            _ if has_other_volumes || has_other_work => self.jobs.push(remove()),
            Some(RestoreEnd::Complete) => self.done += 1,
            Some(RestoreEnd::Failed {
                lasting: true, why, ..
            }) => {
                self.problem.get_or_insert_with(|| {
                    format!(
                        "{pod} did not get its files: {why}; once that is mended, delete Job {}, and the operator makes it again",
                        job.name
                    )
                });
            }
            Some(RestoreEnd::Failed { at, why, .. }) => {
                if state.now.duration_since(*at) >= AGAIN {
                    self.jobs.push(remove());
                }
                self.trouble.get_or_insert_with(|| {
                    format!("{pod} did not get its files, and its Job is made again: {why}")
                });
            }
            // The volume went with the pod.
            None if node.is_some_and(|node| job.node.as_ref().is_some_and(|made| made != node)) => {
                self.jobs.push(remove());
            }
            None => {
                if let Some(problem) = &job.problem {
                    let why = format!("Job {} does not run: {problem}", job.name);
                    self.trouble.get_or_insert(why);
                }
            }
        }
    }
}

fn refuse<T>(message: String) -> Result<T, Refusal> {
    Err(Refusal {
        reason: Reason::InvalidRestore,
        message,
    })
}

/// Refuses a restore that no Job could carry out.
fn check(desired: &Desired, cluster: &CassandraCluster, restore: &Restore) -> Result<(), Refusal> {
    let backup = desired.spec.backup.as_ref();
    if backup.is_none_or(|backup| backup.store(&restore.store).is_none()) {
        return refuse(format!(
            "restore.store is {}, and backup.stores has none of that name: declare it, or name another one",
            restore.store
        ));
    }
    let from = &restore.cluster;
    let named = [
        ("restore.backup", &restore.backup),
        ("restore.cluster.name", &from.name),
        ("restore.cluster.uid", &from.uid),
    ];
    for (field, text) in named {
        if let Err(error) = text.parse::<Name>() {
            return refuse(format!("{field}: {error}"));
        }
    }
    for rack in &desired.racks {
        if rack.capacity.is_none() {
            return refuse(format!(
                "the nodes of rack {} have no volume, and a restore needs one: set dataCapacity",
                rack.id
            ));
        }
        let local = &rack.config["cassandra-yaml"]["local_system_data_file_directory"];
        if data_directories_of(&rack.config).len() > 1 || !local.is_null() {
            return refuse(format!(
                "the nodes of rack {} have data in several folders (data_file_directories, local_system_data_file_directory), and a restore fills one: set data_file_directories to one folder",
                rack.id
            ));
        }
        let folder = restore_job::folder(desired, &rack.config);
        if folder.is_none_or(|folder| folder.trim_end_matches('/') == DATA) {
            return refuse(format!(
                "data_file_directories of rack {} is on no volume, or the whole volume {DATA}: set it to a folder of a volume",
                rack.id
            ));
        }
    }
    let multi = cluster.annotations().contains_key(names::MULTI_OWNER);
    if !desired.spec.seeds.is_empty() || multi {
        return refuse(
            "a ring with nodes elsewhere, by spec.seeds or a MultiCasskop, is not restored: restore all nodes into one CassandraCluster, and remove restore or the seeds".into(),
        );
    }
    if desired.spec.transport() == NodeTransport::ManagementApi {
        return refuse(
            "nodeApi.kind ManagementApi: it cannot let clients in to nodes that have kept them out until the ring is whole: restore with Jolokia, and change the kind once the ring is formed".into(),
        );
    }
    let logins = desired.spec.authentication.as_ref();
    if logins.is_some_and(|logins| logins.superuser_secret.is_none()) {
        return refuse(
            "the roles come from the backup, and the superuser among them is known to no Secret: name a Secret with its username and password in authentication.superuserSecret".into(),
        );
    }
    Ok(())
}

/// The record of the restore. `before` is the one in the status.
pub(crate) fn status(
    found: Option<&FromBackup>,
    formed: bool,
    before: Option<&RestoreStatus>,
) -> Option<RestoreStatus> {
    let Some(found) = found else {
        return before.cloned().map(|before| RestoreStatus {
            phase: if formed {
                RestorePhase::Restored
            } else {
                before.phase
            },
            ..before
        });
    };
    let config = &found.config;
    Some(RestoreStatus {
        cluster: config.cluster.clone(),
        uid: config.uid.clone(),
        backup: config.backup.clone(),
        phase: match (formed, config.released) {
            (true, _) => RestorePhase::Restored,
            (false, true) => RestorePhase::Starting,
            (false, false) => RestorePhase::Fetching,
        },
        nodes: found.nodes,
        done: found.done,
    })
}

/// A warning about a restore that the spec asks for, and that the ring did not begin with.
pub(crate) fn warning(state: &ObservedState, formed: bool) -> Option<String> {
    let restore = state.cluster.spec.restore.as_ref().filter(|_| formed)?;
    let status = state.cluster.status.as_ref();
    let began = status.and_then(|status| status.restore.as_ref());
    let is_it = |began: &RestoreStatus| {
        let from = &restore.cluster;
        (&began.cluster, &began.uid, &began.backup) == (&from.name, &from.uid, &restore.backup)
    };
    let how = match began {
        Some(began) if is_it(began) => return None,
        Some(began) => format!("with backup {}", began.backup),
        // By this resource, or an earlier one of the name whose volumes stayed.
        None => "before".to_owned(),
    };
    Some(format!(
        "restore is not used: the ring was formed {how}, and only a new ring is restored; create another cluster for backup {}, and remove the field",
        restore.backup
    ))
}
