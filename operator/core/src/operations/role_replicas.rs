//! Replicas of the roles: Cassandra keeps the roles in the keyspace `system_auth`, and reads them at each login. They have three
//! replicas in each data center, or one in each node where there are fewer.
//!
//! They are raised by one, and repaired before the next change: a majority of the replicas has the roles then, so that logins
//! succeed, and a node that starts finds the roles and does not create the role `cassandra` again. They are lowered by one, for a
//! node that may leave but for them, and repaired before: a replica that has missed a write could be the only one that is left.
//! A change is recorded before Cassandra is told; the record then follows what Cassandra has, whoever has changed it.

use std::collections::{BTreeMap, BTreeSet};

use casskop_common::{
    api::{
        CassandraClusterStatus, LoginStep, OperationPhase, OperationStatus, Requester,
        RoleReplicas, SeenReplication,
    },
    intent::Request,
    names,
    operations::OperationKind,
};
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Serialize;

use crate::{
    desired::Desired,
    node::Reading,
    observed::ObservedState,
    operations::{recorded, request},
};

/// The keyspace of the roles.
pub const KEYSPACE: &str = "system_auth";
/// Replicas in a data center with enough nodes. More than that are the choice of a person.
const ENOUGH: i32 = 3;

/// Replicas by data center.
type Replicas = BTreeMap<String, i32>;

/// A change of the replicas that is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The replicas before; Cassandra is told nothing if it has others by now.
    pub from: Replicas,
    /// The replicas after it.
    pub to: Replicas,
}

/// The rest of the ring, as far as a change depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Nothing changes: the cluster is paused, or its spec is refused.
    pub is_held: bool,
    /// An operation is at work.
    pub is_at_work: bool,
    /// Racks change: replicas are added afterwards.
    pub racks_change: bool,
    /// The data center of a node that leaves once there are fewer replicas of the roles; nothing else keeps it.
    pub leaves_from: Option<&'a str>,
}

/// The record, from the last one and the status that is about to be reported. A desired state that is refused has no next
/// change.
pub fn record(
    status: &CassandraClusterStatus,
    desired: Option<&Desired>,
    state: &ObservedState,
    context: Context<'_>,
) -> Option<RoleReplicas> {
    state.cluster.spec.authentication.as_ref()?;
    let before = recorded(state);
    let desired = desired.filter(|desired| desired.logins == LoginStep::Required);
    let Some((desired, now)) = desired.zip(current(status, state)) else {
        let before = before.cloned();
        return before.map(|before| RoleReplicas {
            next: None,
            ..before
        });
    };
    let record = follow(before, now, state);
    if !record.repaired {
        // Fewer replicas come next, after their repair.
        return Some(record);
    }
    let may_change = !context.is_held && !state.changes_superuser;
    let next = may_change
        .then(|| next(now, desired, state, context))
        .flatten();
    if next == record.next {
        return Some(record);
    }
    let has_fewer = |next: &Replicas| {
        let mut each = next.iter();
        each.any(|(dc, replicas)| now.get(dc).is_some_and(|now| replicas < now))
    };
    Some(RoleReplicas {
        repaired: !next.as_ref().is_some_and(has_fewer),
        since: if next.is_some() {
            later(&record, state)
        } else {
            record.since.clone()
        },
        next,
        ..record
    })
}

/// The change that Cassandra is to be told: it is recorded, and nothing has come between.
pub fn due(status: &CassandraClusterStatus, state: &ObservedState) -> Option<Change> {
    let record = status.role_replicas.as_ref()?;
    let is_current = current(status, state) == Some(&record.replicas);
    let is_recorded = recorded(state) == Some(record);
    let to = record.next.clone();
    let to = to.filter(|_| is_current && is_recorded && record.repaired)?;
    Some(Change {
        from: record.replicas.clone(),
        to,
    })
}

/// Whether the record waits for something that no event reports.
pub fn is_unfinished(record: &RoleReplicas) -> bool {
    record.next.is_some() || !record.repaired
}

/// The repair that is owed, once the record is written.
pub(crate) fn request(state: &ObservedState) -> Option<Request> {
    state.cluster.spec.authentication.as_ref()?;
    let record = recorded(state).filter(|record| !record.repaired)?;
    let words = ["--keyspace", KEYSPACE, "--full", "--all-ranges"].map(str::to_owned);
    request::of(OperationKind::Repair, repair_id(record), &words)
}

/// Why the repair that is owed does not come to its end by itself soon.
pub fn problem(state: &ObservedState) -> Option<String> {
    let record = recorded(state).filter(|record| !record.repaired)?;
    let repair = repair(record, state)?;
    let what = format!("the replicas of the roles (keyspace {KEYSPACE}) are to be repaired");
    match repair.phase {
        OperationPhase::Failed => Some(format!(
            "{what}: repair {} has failed, and the operator tries it again: {}",
            repair.id, repair.message
        )),
        OperationPhase::Cancelled => Some(format!(
            "{what}: repair {} was cancelled. Remove the annotation {}, and the operator repairs them",
            repair.id,
            names::control_annotation(&repair.kind, "cancel")
        )),
        _ => None,
    }
}

/// Why the operator leaves the replicas alone, if a person has to see to them.
pub fn warning(state: &ObservedState) -> Option<String> {
    let status = state.cluster.status.as_ref()?;
    let record = status.role_replicas.as_ref()?;
    if goes_on_elsewhere(state) {
        return Some(format!(
            "nodes of the ring are not of this cluster, so the operator leaves the replicas of the roles (keyspace {KEYSPACE}) as they are"
        ));
    }
    let dcs: BTreeSet<&String> = status
        .cassandra_node_status
        .values()
        .map(|node| &node.dc)
        .collect();
    let moves = total(&record.replicas) > 1 || dcs.len() > 1;
    (record.replicas.contains_key(SeenReplication::ANYWHERE) && moves).then(|| {
        format!(
            "keyspace {KEYSPACE} is replicated by SimpleStrategy, so the operator adds no replicas of the roles: with more than one replica or data center the change of the strategy moves them. ALTER KEYSPACE {KEYSPACE} to NetworkTopologyStrategy, and repair it in full"
        )
    })
}

fn recorded(state: &ObservedState) -> Option<&RoleReplicas> {
    state.cluster.status.as_ref()?.role_replicas.as_ref()
}

/// The replicas that the members agree on now.
fn current<'a>(status: &'a CassandraClusterStatus, state: &ObservedState) -> Option<&'a Replicas> {
    let seen = status.replication.as_ref()?;
    let is_current = state.schema_version() == Some(seen.schema_version.as_str());
    seen.keyspaces.get(KEYSPACE).filter(|_| is_current)
}

/// The record of the replicas that Cassandra has now: as they were, as they were to become, or as somebody else made them.
fn follow(before: Option<&RoleReplicas>, now: &Replicas, state: &ObservedState) -> RoleReplicas {
    let Some(before) = before else {
        return RoleReplicas {
            replicas: now.clone(),
            next: None,
            since: Time(state.now),
            repaired: total(now) <= 1,
        };
    };
    if before.replicas == *now {
        return with_repair(before.clone(), state);
    }
    let is_own = before.next.as_ref() == Some(now);
    let is_raised = now
        .iter()
        .any(|(dc, replicas)| replicas > before.replicas.get(dc).unwrap_or(&0));
    RoleReplicas {
        replicas: now.clone(),
        next: None,
        since: if is_own {
            before.since.clone()
        } else {
            later(before, state)
        },
        repaired: total(now) <= 1 || (before.repaired && !is_raised),
    }
}

/// The record with the outcome of its repair. One that cannot succeed any more is requested anew, by another time.
fn with_repair(record: RoleReplicas, state: &ObservedState) -> RoleReplicas {
    let Some(repair) = repair(&record, state).filter(|_| !record.repaired) else {
        return record;
    };
    let expected = state.expected_pods();
    let is_gone = |pod: &String| expected.iter().all(|(other, _)| other != pod);
    let controls = state.intents.controls.get(&OperationKind::Repair);
    let is_called_off =
        controls.is_some_and(|controls| controls.cancel.as_deref() == Some(&repair.id));
    let is_anothers = repair.requested_by != Some(Requester::Spec);
    match repair.phase {
        OperationPhase::Succeeded if !is_anothers => RoleReplicas {
            repaired: true,
            ..record
        },
        // Nodes have left that it was to work on.
        OperationPhase::Failed if !repair.nodes.iter().any(|node| is_gone(&node.pod)) => record,
        OperationPhase::Cancelled if is_called_off => record,
        OperationPhase::Failed | OperationPhase::Cancelled => RoleReplicas {
            since: later(&record, state),
            ..record
        },
        phase if phase.is_final() && is_anothers => RoleReplicas {
            since: later(&record, state),
            ..record
        },
        _ => record,
    }
}

/// The repair of a record.
fn repair<'a>(record: &RoleReplicas, state: &'a ObservedState) -> Option<&'a OperationStatus> {
    let id = repair_id(record);
    let status = state.cluster.status.iter();
    let history = status.flat_map(|status| &status.operation_history);
    let mut all = state.operations().chain(history);
    all.find(|operation| operation.kind == OperationKind::Repair && operation.id == id)
}

fn repair_id(record: &RoleReplicas) -> String {
    format!("roles-{}", record.since.0.as_second())
}

/// A time after that of the record, whose repair has an id of its own. Clocks of two operators differ.
fn later(record: &RoleReplicas, state: &ObservedState) -> Time {
    let next = record.since.0 + SignedDuration::from_secs(1);
    Time(state.now.max(next))
}

fn total(replicas: &Replicas) -> i32 {
    replicas
        .values()
        .fold(0, |all, more| all.saturating_add(*more))
}

/// Nodes of a data center.
#[derive(Clone, Copy, Debug, Default)]
struct Nodes {
    /// Those that the spec asks for.
    desired: i32,
    /// Those that are members and answer.
    members: i32,
    /// Pods, members or not.
    pods: i32,
}

/// The data centers of the spec, and of the pods.
fn dcs(desired: &Desired, state: &ObservedState) -> BTreeMap<String, Nodes> {
    let mut dcs: BTreeMap<String, Nodes> = BTreeMap::new();
    for rack in &desired.racks {
        let nodes = dcs.entry(rack.id.dc.clone()).or_default();
        nodes.desired = nodes.desired.saturating_add(rack.replicas);
    }
    for (name, pod) in &state.pods {
        if let Some(rack) = &pod.rack {
            let nodes = dcs.entry(rack.dc.clone()).or_default();
            nodes.pods += 1;
            nodes.members += i32::from(state.reading(name).is_some_and(Reading::is_member));
        }
    }
    dcs
}

/// The next replicas; nothing if they stay. Each change takes the roles from nodes, or gives them to nodes that do not have them
/// yet, so that logins depend on each other node.
fn next(
    current: &Replicas,
    desired: &Desired,
    state: &ObservedState,
    context: Context<'_>,
) -> Option<Replicas> {
    let is_calm = !context.is_at_work && state.is_settled() && state.unhealthy_nodes().is_empty();
    if goes_on_elsewhere(state) || !is_calm {
        return None;
    }
    let dcs = dcs(desired, state);
    if current.contains_key(SeenReplication::ANYWHERE) {
        return by_data_center(current, &dcs).filter(|_| !context.racks_change);
    }
    // With a snitch of the user's choice data centers may have other names.
    let mut ours = dcs.iter().filter(|(_, nodes)| nodes.members > 0);
    if !ours.any(|(dc, _)| current.contains_key(dc)) {
        return None;
    }
    if let Some(dc) = context.leaves_from {
        let nodes = dcs.get(dc).map_or(0, |nodes| nodes.pods);
        return lowered(current, dc).filter(|_| current.get(dc) >= Some(&nodes));
    }
    if context.racks_change {
        return None;
    }
    let there = with_all(without_gone(current, &dcs), &dcs);
    if there == *current {
        raised(current, &dcs)
    } else {
        Some(there).filter(|there| !there.is_empty())
    }
}

/// Whether nodes of the ring are not of this cluster: the data centers there are for others to replicate to.
fn goes_on_elsewhere(state: &ObservedState) -> bool {
    !state.cluster.spec.seeds.is_empty() || !state.external_members().is_empty()
}

/// One replica in the one data center is on the same nodes by either strategy.
fn by_data_center(current: &Replicas, dcs: &BTreeMap<String, Nodes>) -> Option<Replicas> {
    let mut dcs = dcs.keys();
    let only = dcs.next().filter(|_| dcs.next().is_none())?;
    (total(current) == 1).then(|| [(only.clone(), 1)].into())
}

/// One less in a data center.
fn lowered(current: &Replicas, dc: &str) -> Option<Replicas> {
    let fewer = current.get(dc).map(|replicas| replicas - 1);
    let fewer = fewer.filter(|fewer| (1..ENOUGH).contains(fewer))?;
    let mut lowered = current.clone();
    lowered.insert(dc.to_owned(), fewer);
    Some(lowered)
}

/// Without data centers that have gone. One whose nodes all leave goes last, as Cassandra 4.1 and later refuse to take out a
/// data center with nodes.
fn without_gone(current: &Replicas, dcs: &BTreeMap<String, Nodes>) -> Replicas {
    let is_gone = |dc: &String| {
        let nodes = dcs.get(dc).copied().unwrap_or_default();
        nodes.desired == 0 && nodes.pods == 0
    };
    let stay = current.iter().filter(|(dc, _)| !is_gone(dc));
    stay.map(|(dc, replicas)| (dc.clone(), *replicas)).collect()
}

/// With a replica in each data center that has nodes: Cassandra 4.1 and later refuse a statement that leaves one out.
fn with_all(mut replicas: Replicas, dcs: &BTreeMap<String, Nodes>) -> Replicas {
    let there = dcs.iter().filter(|(_, nodes)| nodes.members > 0);
    for (dc, _) in there {
        replicas.entry(dc.clone()).or_insert(1);
    }
    replicas
}

/// One more in the first data center that is to have more.
fn raised(current: &Replicas, dcs: &BTreeMap<String, Nodes>) -> Option<Replicas> {
    let (dc, now) = dcs.iter().find_map(|(dc, nodes)| {
        let now = current.get(dc).copied().unwrap_or_default();
        let wanted = nodes.desired.min(nodes.members).min(ENOUGH);
        (now < wanted).then_some((dc, now))
    })?;
    let mut raised = current.clone();
    raised.insert(dc.clone(), now + 1);
    Some(raised)
}

/// Whether the operator takes a data center out of the replicas of the roles once it has gone.
pub(crate) fn keeps(status: &CassandraClusterStatus, keyspace: &str) -> bool {
    keyspace == KEYSPACE && status.role_replicas.is_some()
}

/// Whether nodes of the ring may be the only ones with some of the roles, besides what the number of replicas says.
pub(crate) fn are_in_few_nodes(status: Option<&CassandraClusterStatus>) -> bool {
    let record = status.and_then(|status| status.role_replicas.as_ref());
    record.is_some_and(|record| !record.repaired)
}

/// Whether so many replicas in a data center follow its nodes. More are the choice of a person.
pub(crate) fn follow_nodes(replicas: usize) -> bool {
    usize::try_from(ENOUGH).is_ok_and(|enough| replicas <= enough)
}

/// Whether an operation of this list is at work.
pub fn is_at_work(state: &ObservedState, current: &[OperationStatus]) -> bool {
    recorded::at_work(state).next().is_some() || current.iter().any(recorded::is_at_work)
}
