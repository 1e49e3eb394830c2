//! The meaning of each kind of operation: pure functions that turn a request into steps and node calls.
//! The interpreter is elsewhere and the same for all ([`crate::cluster`]).
//!
//! To add a kind: a file here, its arguments in `common`, and its line in [`behaviour`].

pub mod backup;
mod checks;
mod cleanup;
mod clearsnapshot;
mod compact;
mod decommission;
mod deletebackup;
mod drain;
mod flush;
mod garbagecollect;
mod lost;
pub mod preconditions;
mod rebuild;
pub mod recorded;
mod refresh;
mod relocate;
mod remove;
mod repair;
mod replace;
pub mod request;
mod restart;
pub mod role_replicas;
mod scrub;
mod snapshot;
mod tables;
pub mod transitions;
mod upgradesstables;
mod verifybackup;

use std::collections::BTreeMap;

use casskop_common::{
    api::{
        CassandraClusterSpec, Check, CleanupReason, NodeApiKind, OperationMode, OperationReason,
    },
    names::RackId,
    operations::Operation,
};

use crate::{
    node::{Activity, Call, Compaction, NodeError, Reading, Replication},
    objects::backup_job::BackupWork,
};
pub use checks::quorum_kept;
pub use decommission::needs_force;

/// Why a request is not carried out.
pub type Refusal = crate::refusal::Refusal<OperationReason>;

/// The proof that a node is not lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// The node itself answers.
    Answers,
    /// A member has it in its live view, which gossip corrects within seconds.
    InLiveView,
    /// Its host ID is not recorded. The status that records it may not be written yet.
    NotRecorded,
}

/// The ring in the view of an operation.
pub struct Ring<'a> {
    /// Pods of the whole cluster.
    pub nodes: Vec<Member<'a>>,
    /// Pods that the operation works on.
    pub targets: &'a [String],
    /// How keyspaces are replicated; empty where no node could be polled.
    pub replication: &'a BTreeMap<String, Replication>,
    /// Whether some of the roles may be in fewer nodes than their replicas say: they are to be repaired.
    pub roles_are_in_few_nodes: bool,
    /// Whether the replication was changed since it was last recorded: which nodes require a cleanup follows from the record.
    pub replication_has_changed: bool,
    /// Where members are that are none of the pods, by their addresses.
    pub locations: &'a BTreeMap<String, RackId>,
    /// Whether the ring goes on in other clusters, by `spec.seeds`.
    pub goes_on_elsewhere: bool,
    /// The desired state.
    pub spec: &'a CassandraClusterSpec,
}

/// A pod with its node.
pub struct Member<'a> {
    /// Name of the pod.
    pub pod: &'a str,
    /// Address of the pod, if it has one.
    pub ip: Option<&'a str>,
    /// Data center and rack.
    pub rack: RackId,
    /// Transport that the pod was started with; of one that does not exist yet, that of the spec.
    pub transport: NodeApiKind,
    /// Host id of its node: as the node reports it as a member, or as it last reported it.
    pub host_id: Option<&'a str>,
    /// The report of the node, or the reason why there is none.
    pub reading: Result<&'a Reading, String>,
    /// Why it may hold data that it no longer owns, if it may.
    pub owes_cleanup: Option<CleanupReason>,
    /// Bytes of its data volume, if it has one that is bound.
    pub capacity: Option<i64>,
}

/// The meaning of one requested operation.
pub trait Behaviour: Send + Sync {
    /// Steps on each node, in order, of the request with this id.
    ///
    /// # Errors
    /// When the request names something that the ring does not have.
    fn steps(&self, id: &str, ring: &Ring<'_>) -> Result<Vec<String>, Refusal>;

    /// The unit that the steps count, such as `keyspaces`.
    fn unit(&self) -> &'static str;

    /// The action of a step of the request with this id.
    fn action(&self, id: &str, step: &str, spec: &CassandraClusterSpec) -> Action;

    /// Description of the call of a step, for the reader of the plan.
    fn describe(&self) -> &'static str;

    /// Named checks that hold the operation back until they pass, with their evidence.
    fn checks(&self, ring: &Ring<'_>) -> Vec<Check>;

    /// The proof that the node that is given up is not lost, if there is one. A request with a proof is refused; a check
    /// that only fails holds it back.
    fn life(&self, _: &Ring<'_>) -> Option<Life> {
        None
    }

    /// Whether it has to know which snapshots there are, before it begins.
    fn reads_snapshots(&self) -> bool {
        false
    }

    /// Host id of the one node that it is about, where it names no pod.
    fn host_id(&self) -> Option<&str> {
        None
    }

    /// Whether it gives up a node that is lost, for the others to make up for it. It mends a ring that may be just what a
    /// change of the racks waits for, and begins all the same.
    fn discards_lost_node(&self) -> bool {
        false
    }

    /// Whether it is not about the nodes: it is carried out once, beside the first of its targets.
    fn is_of_one_pod(&self) -> bool {
        false
    }

    /// Why it works on one node at a time, even if the request asks for more.
    fn requires_serial(&self) -> Option<&'static str> {
        None
    }

    /// Whether its nodes do not serve clients meanwhile, or for good.
    fn is_disruptive(&self) -> bool {
        self.discards_lost_node()
    }

    /// Whether it has to know how keyspaces are replicated.
    fn reads_replication(&self) -> bool {
        self.discards_lost_node()
    }

    /// Whether the volumes of its nodes go.
    fn deletes_volumes(&self) -> bool {
        self.discards_lost_node()
    }

    /// The state of a step on its node, polled before a step that may have been begun before, and while it is awaited. The
    /// default reads the tasks of the node: such a step may be retried.
    fn step_state(&self, step: &str, activity: &Activity) -> StepState {
        if !activity.is_serving() {
            StepState::NodeUnavailable(activity.mode.to_string())
        } else if activity
            .tasks
            .iter()
            .any(|task| self.matches_task(step, task))
        {
            StepState::Running
        } else {
            StepState::NotRunning
        }
    }

    /// Whether a task of `CompactionManager.Compactions` is the step's; a cancel stops it.
    fn matches_task(&self, _step: &str, _task: &Compaction) -> bool {
        false
    }

    /// Description of the streams that are its own (`StreamManager.CurrentStreams`).
    fn streams_as(&self) -> Option<&'static str> {
        None
    }

    /// The state of a step of [`Action::CallPeer`] in the view of the members that answer.
    fn observed_by_peers(&self, _step: &str, _peers: &[Reading]) -> StepState {
        StepState::Unobservable
    }

    /// Whether the members that answer report that a node which no longer answers has done its step.
    fn is_done_for_peers(&self, _host_id: &str, _peers: &[&Reading]) -> bool {
        false
    }

    /// The call that ends the work of an earlier call of a step before a retry, where the two would conflict.
    fn stop(&self) -> Option<Call> {
        None
    }

    /// The call that takes back what an earlier call of a step may have left, before each call: one that failed for good may have
    /// done a part of the step, and a request that is retried begins anew.
    fn undo(&self, _: &Call) -> Option<Call> {
        None
    }

    /// The call that removes what the request with this id leaves on a node where it is cancelled. A kind that has one is
    /// [`OperationKind::cleans_up`](casskop_common::operations::OperationKind::cleans_up).
    fn clean_up(&self, _id: &str) -> Option<Call> {
        None
    }

    /// Whether a step that is done may be repeated without harm or much work: a short step may then be reported together
    /// with those after it, and after a crash in between it is called twice.
    fn is_idempotent(&self) -> bool {
        false
    }

    /// Whether other nodes take part in a step: it fails when one of them goes away, and is retried.
    fn needs_other_nodes(&self) -> bool {
        false
    }

    /// Whether an error of a step that may have been called before proves that it is done.
    fn is_done_already(&self, _: &NodeError) -> bool {
        false
    }

    /// Whether an error proves that the node still works on the same, or on work that keeps it from the step for now.
    fn is_already_running(&self, _: &NodeError) -> bool {
        false
    }

    /// Whether the answer to the call proves nothing yet, and the step is done only when it is [`StepState::Done`].
    fn is_done_when_observed(&self) -> bool {
        false
    }
}

/// The action of a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Calls the node.
    Call(Call),
    /// Calls another member about the node, which does not answer itself.
    CallPeer(Call),
    /// Runs a Job on the Kubernetes node of the pod, with the volumes of the pod.
    RunJob(Box<BackupWork>),
    /// Deletes the pod the operation was begun with, and waits until the one that follows it serves clients.
    DeletePod,
    /// Deletes the pod the operation was begun with and the volumes it had, and waits until they are gone.
    DiscardVolumes,
    /// The same, and waits until the pod that follows has taken the place of the lost node.
    Replace,
}

/// The state of a step on its node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepState {
    /// The node does not work on it.
    NotRunning,
    /// Work of this kind is reported nowhere.
    Unobservable,
    /// The node works on it.
    Running,
    /// The node is on it, but without observable progress; a step that is lost cannot be distinguished from it.
    Stalled,
    /// Done, by any request.
    Done,
    /// The node cannot take the step as long as it is so, such as `STARTING`.
    NodeUnavailable(String),
}

/// Bytes that the tasks and streams of a step have done, of how many. Nothing while none shows.
pub fn bytes(behaviour: &dyn Behaviour, step: &str, activity: &Activity) -> Option<(i64, i64)> {
    let number = |text: &String| text.parse::<i64>().unwrap_or(0);
    let tasks = activity
        .tasks
        .iter()
        .filter(|task| behaviour.matches_task(step, task) && task.unit == "bytes")
        .map(|task| (number(&task.completed), number(&task.total)));
    let streams = activity
        .streams
        .iter()
        .filter(|stream| behaviour.streams_as() == Some(stream.description.as_str()))
        .map(|stream| {
            (
                stream
                    .current_rx_bytes
                    .saturating_add(stream.current_tx_bytes),
                stream.total_rx_bytes.saturating_add(stream.total_tx_bytes),
            )
        });
    let (done, total) = tasks.chain(streams).fold((0_i64, 0_i64), |sum, next| {
        (sum.0.saturating_add(next.0), sum.1.saturating_add(next.1))
    });
    (total > 0).then_some((done, total))
}

/// Bytes that a node has received of all its streams, of how many. Nothing while none shows.
pub fn received(activity: &Activity) -> Option<(i64, i64)> {
    let streams = activity.streams.iter();
    let (done, total) = streams.fold((0_i64, 0_i64), |(done, total), stream| {
        (
            done.saturating_add(stream.current_rx_bytes),
            total.saturating_add(stream.total_rx_bytes),
        )
    });
    (total > 0).then_some((done, total))
}

/// The calls that stop the work of a step that is cancelled: its tasks, one by one, and what the kind has beside. Work that
/// Cassandra cannot stop continues to its end.
pub fn halts(behaviour: &dyn Behaviour, step: &str, activity: &Activity) -> Vec<Call> {
    let tasks = activity
        .tasks
        .iter()
        .filter(|task| behaviour.matches_task(step, task) && !task.id.is_empty())
        .map(|task| Call::StopTask {
            id: task.id.clone(),
        });
    tasks.chain(behaviour.stop()).collect()
}

/// How a drain shows: by the node's mode.
fn drained(activity: &Activity) -> StepState {
    match &activity.mode {
        OperationMode::Drained => StepState::Done,
        OperationMode::Draining => StepState::Running,
        _ if activity.is_serving() => StepState::NotRunning,
        other => StepState::NodeUnavailable(other.to_string()),
    }
}

/// The state of a step that ends within seconds and may be retried.
fn unobservable(activity: &Activity) -> StepState {
    if activity.is_serving() {
        StepState::Unobservable
    } else {
        StepState::NodeUnavailable(activity.mode.to_string())
    }
}

/// The behaviour of an operation.
pub fn behaviour(operation: &Operation) -> &dyn Behaviour {
    match operation {
        Operation::Cleanup(cleanup) => cleanup,
        Operation::Decommission(decommission) => decommission,
        Operation::Remove(remove) => remove,
        Operation::Replace(replace) => replace,
        Operation::Flush(flush) => flush,
        Operation::Restart(restart) => restart,
        Operation::Repair(repair) => repair,
        Operation::Rebuild(rebuild) => rebuild,
        Operation::Snapshot(snapshot) => snapshot,
        Operation::ClearSnapshot(clear) => clear,
        Operation::Refresh(refresh) => refresh,
        Operation::Backup(backup) => backup,
        Operation::VerifyBackup(verify) => verify,
        Operation::DeleteBackup(delete) => delete,
        Operation::UpgradeSsTables(upgrade) => upgrade,
        Operation::Compact(compact) => compact,
        Operation::GarbageCollect(collect) => collect,
        Operation::Scrub(scrub) => scrub,
        Operation::Relocate(relocate) => relocate,
        Operation::Drain(drain) => drain,
    }
}

impl<'a> Ring<'a> {
    /// The same ring, with the targets of another question.
    pub(crate) fn with_targets(self, targets: &'a [String]) -> Self {
        Self { targets, ..self }
    }
}

impl Ring<'_> {
    /// Readings of the nodes that answered.
    pub fn readings(&self) -> impl Iterator<Item = &Reading> {
        self.nodes
            .iter()
            .filter_map(|member| member.reading.as_ref().ok().copied())
    }

    /// Whether an address is that of a target.
    fn is_targets(&self, ip: &str) -> bool {
        let mut nodes = self.nodes.iter();
        nodes.any(|member| self.is_target(member) && member.ip == Some(ip))
    }

    /// Data center and rack of the node at an address, where that is known. A pod that was made anew is elsewhere than its
    /// node was.
    fn location(&self, ip: &str) -> Option<&RackId> {
        let host_id = self.readings().find_map(|reading| reading.host_ids.get(ip));
        let is_it = |member: &&Member<'_>| match host_id {
            Some(host_id) if member.host_id.is_some() => member.host_id == Some(host_id),
            _ => member.ip == Some(ip),
        };
        let pod = self.nodes.iter().find(is_it);
        pod.map(|member| &member.rack)
            .or_else(|| self.locations.get(ip))
    }

    /// Whether nodes of one data center are replicas for what those of another one are: by keyspaces that are replicated
    /// without regard to data centers, except those with a single replica.
    fn mixes_dcs(&self) -> bool {
        let mixes = |(keyspace, replication): (&String, &Replication)| {
            let by_dc = matches!(
                replication,
                Replication::Topology(_) | Replication::Simple(1)
            );
            !by_dc && !checks::DIAGNOSTIC.contains(&keyspace.as_str())
        };
        self.replication.is_empty() || self.replication.iter().any(mixes)
    }

    fn is_target(&self, member: &Member<'_>) -> bool {
        self.targets.iter().any(|target| target == member.pod)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use casskop_common::operations::{Arguments, kinds};

    use super::*;

    #[test]
    fn the_checks_of_a_kind_have_names_of_their_own() {
        let ring = Ring {
            nodes: Vec::new(),
            targets: &[],
            replication: &BTreeMap::new(),
            roles_are_in_few_nodes: false,
            replication_has_changed: false,
            locations: &BTreeMap::new(),
            goes_on_elsewhere: false,
            spec: &CassandraClusterSpec::default(),
        };
        for kind in kinds() {
            let words = match kind {
                "snapshot" | "clearsnapshot" => "--name kept",
                "refresh" => "--keyspace k --table t",
                "rebuild" => "--from-dc dc2",
                "remove" | "replace" => "--pod p",
                "backup" => "--to s3",
                "verifybackup" | "deletebackup" => "--from s3 --backup b1",
                _ => "",
            };
            let words = shlex::split(words).expect("words");
            let arguments = Arguments::parse(kind, &words).expect("it parses");
            let checks = behaviour(&arguments.operation).checks(&ring);
            let names: BTreeSet<&str> = checks.iter().map(|check| check.name.as_str()).collect();
            assert_eq!(names.len(), checks.len(), "{kind}");
            let of_kind = behaviour(&arguments.operation).clean_up("id");
            assert_eq!(
                of_kind.is_some(),
                arguments.operation.kind().cleans_up(),
                "{kind}"
            );
        }
    }
}
