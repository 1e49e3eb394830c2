//! Replicas of the roles: Cassandra keeps them in the keyspace `system_auth`, and reads them at each login. The operator gives
//! them three replicas in each data center, or one in each node where there are fewer.
//!
//! They are raised by one, and repaired before they are raised again: a majority of the replicas has the roles then, so that
//! logins succeed, and a node that starts finds them and does not create its default role again.

use std::collections::BTreeMap;

use casskop_common::{
    api::{LoginStep, OperationPhase, OperationStatus, RoleReplicas},
    operations::OperationKind,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::{desired::Desired, node::Reading, observed::ObservedState, operations::recorded};

/// The keyspace.
pub const KEYSPACE: &str = "system_auth";
/// Replicas in a data center with enough nodes.
const ENOUGH: i32 = 3;

/// Replicas by data center.
pub type Replicas = BTreeMap<String, i32>;

/// The next replicas of the roles; nothing if they stay. `rolls` says whether the racks change now.
pub fn next(desired: &Desired, state: &ObservedState, rolls: bool) -> Option<Replicas> {
    if desired.logins != LoginStep::Required {
        return None;
    }
    let current = current(state)?;
    let lowered = lowered(current, desired, state);
    if lowered != *current {
        return Some(lowered);
    }
    let is_repaired = recorded_replicas(state)
        .is_some_and(|recorded| recorded.repaired && recorded.replicas == *current);
    let is_calm = !rolls
        && state.is_settled()
        && state.schema_version().is_some()
        && state.unhealthy_nodes().is_empty()
        && recorded::at_work(state).next().is_none();
    if !is_repaired || !is_calm {
        return None;
    }
    let mut raised = current.clone();
    let (dc, wanted) = dcs(desired, state).into_iter().find(|(dc, nodes)| {
        let now = current.get(dc).copied().unwrap_or_default();
        now < nodes.wanted()
    })?;
    let replicas = raised.entry(dc).or_default();
    *replicas = (*replicas + 1).min(wanted.wanted());
    Some(raised)
}

/// Nodes of a data center.
#[derive(Clone, Copy, Debug, Default)]
struct Nodes {
    /// Those that the spec asks for.
    desired: i32,
    /// Those that are members now.
    members: i32,
    /// Pods, members or not.
    pods: i32,
}

impl Nodes {
    fn wanted(self) -> i32 {
        self.desired.min(self.members).min(ENOUGH)
    }
}

/// The data centers of this cluster.
fn dcs(desired: &Desired, state: &ObservedState) -> BTreeMap<String, Nodes> {
    let mut dcs: BTreeMap<String, Nodes> = BTreeMap::new();
    for rack in &desired.racks {
        dcs.entry(rack.id.dc.clone()).or_default().desired += rack.replicas;
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

/// Without what is too much: before nodes leave, and after a data center has gone. Data centers that others run stay.
fn lowered(current: &Replicas, desired: &Desired, state: &ObservedState) -> Replicas {
    let dcs = dcs(desired, state);
    let goes_on_elsewhere = !desired.spec.seeds.is_empty() || !state.external_members().is_empty();
    let lower = |(dc, replicas): (&String, &i32)| {
        let most = match dcs.get(dc) {
            None if goes_on_elsewhere => *replicas,
            None => 0,
            // Cassandra 4.1 and later refuse to take out a data center with nodes.
            Some(nodes) if nodes.desired == 0 && nodes.pods > 0 => 1,
            Some(nodes) => nodes.desired.min(ENOUGH),
        };
        // More than that is the choice of a person.
        let is_chosen = *replicas > ENOUGH && most == ENOUGH;
        let replicas = if is_chosen {
            *replicas
        } else {
            (*replicas).min(most)
        };
        (replicas > 0).then(|| (dc.clone(), replicas))
    };
    let lowered: Replicas = current.iter().filter_map(lower).collect();
    // The roles are somewhere.
    if lowered.is_empty() {
        current.clone()
    } else {
        lowered
    }
}

/// The replicas that the members have agreed on, if they are by data center.
fn current(state: &ObservedState) -> Option<&Replicas> {
    let seen = state.cluster.status.as_ref()?.replication.as_ref()?;
    let is_current = state.schema_version() == Some(seen.schema_version.as_str());
    let replicas = seen.keyspaces.get(KEYSPACE).filter(|_| is_current)?;
    (!replicas.contains_key("*")).then_some(replicas)
}

fn recorded_replicas(state: &ObservedState) -> Option<&RoleReplicas> {
    state.cluster.status.as_ref()?.role_replicas.as_ref()
}

/// The id of the repair after a change.
pub fn repair_id(recorded: &RoleReplicas) -> String {
    format!("roles-{}", recorded.since.0.as_second())
}

/// The record, with these replicas now. It says since when, and whether they were repaired since.
pub fn record(state: &ObservedState, seen: Option<&Replicas>) -> Option<RoleReplicas> {
    let before = recorded_replicas(state);
    let Some(now) = seen.filter(|seen| !seen.contains_key("*")) else {
        return before.cloned();
    };
    let recorded = match before {
        Some(before) if before.replicas == *now => before.clone(),
        _ => RoleReplicas {
            replicas: now.clone(),
            since: Time(state.now),
            repaired: before.map_or_else(
                || now.values().sum::<i32>() == 1,
                |before| before.repaired && is_lowered(&before.replicas, now),
            ),
        },
    };
    let repaired = recorded.repaired || is_repaired(&recorded, state);
    Some(RoleReplicas {
        repaired,
        ..recorded
    })
}

fn is_lowered(before: &Replicas, now: &Replicas) -> bool {
    let had = |dc: &String| before.get(dc).copied().unwrap_or_default();
    now.iter().all(|(dc, replicas)| *replicas <= had(dc))
}

fn is_repaired(recorded: &RoleReplicas, state: &ObservedState) -> bool {
    let id = repair_id(recorded);
    let status = state.cluster.status.iter();
    let history = status.flat_map(|status| &status.operation_history);
    let mut all = state.operations().chain(history);
    all.any(|operation: &OperationStatus| {
        operation.kind == OperationKind::Repair
            && operation.id == id
            && operation.phase == OperationPhase::Succeeded
    })
}
