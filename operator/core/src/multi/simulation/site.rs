//! One simulated site, with an operator of its own.

use std::collections::BTreeMap;

use casskop_common::{
    api::{
        CassandraCluster, CassandraClusterStatus, NodeStatus, OperationPhase, OperationStatus,
        Phase, condition,
    },
    conditions::Reason,
    intent::Intents,
    names, text,
};
use jiff::Timestamp;
use k8s_openapi::{
    api::{core::v1::Service, discovery::v1::EndpointSlice},
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
};
use kube_core::ResourceExt;

use crate::multi::{
    children,
    observed::{RingMark, SiteState},
    plan::SiteObject,
};

/// The writes of a `CassandraCluster` that an admission webhook of a site denies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Denies {
    /// None.
    #[default]
    Nothing,
    /// Changes of the spec.
    Specs,
    /// Every change.
    All,
}

impl Denies {
    pub(super) fn denies(self, what: &SiteObject) -> bool {
        match what {
            SiteObject::Change { before, after } => {
                self == Self::All || (self == Self::Specs && before.spec != after.spec)
            }
            SiteObject::Create(_) => self != Self::Nothing,
            _ => false,
        }
    }
}

/// The `CassandraCluster` that an API server stores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stores {
    /// The one that it is told.
    #[default]
    AsTold,
    /// One without `spec.tls`: the `CustomResourceDefinition` is of an older version.
    WithoutTls,
    /// One without `spec.metrics`, for the same reason.
    WithoutMetrics,
    /// One with the image of before: an admission webhook sets it in every change.
    ImageOfBefore,
}

/// One simulated Kubernetes cluster.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// Whether its API server does not answer.
    pub is_cut: bool,
    /// The writes that an admission webhook denies.
    pub denies: Denies,
    /// The `CassandraCluster` that its API server stores.
    pub stores: Stores,
    /// Changes of the `CassandraCluster` that were written.
    pub changes: u32,
    /// UID of the namespace.
    pub namespace_uid: String,
    /// Its `CassandraCluster`.
    pub cluster: Option<CassandraCluster>,
    /// Its Service for the seeds of other sites.
    pub service: Option<Service>,
    /// The seeds of the other sites.
    pub slices: BTreeMap<String, EndpointSlice>,
    /// Whether its volumes have members of the ring.
    pub has_members: bool,
    /// Changes with every restart of its pods.
    pub addresses: u32,
    /// Whether the operator may not read the mark of the ring.
    pub hides_mark: bool,
}

impl Site {
    /// The observation of the operator of the `MultiCasskop`.
    pub(super) fn seen(&self) -> SiteState {
        SiteState {
            namespace_uid: self.namespace_uid.clone(),
            cluster: self.cluster.clone(),
            service: self.service.clone(),
            slices: self.slices.clone(),
            mark: match (self.hides_mark, self.has_members) {
                (true, _) => RingMark::Unreadable,
                (false, true) => RingMark::Formed,
                (false, false) => RingMark::Missing,
            },
        }
    }

    /// The cluster as the API server stores it.
    pub(super) fn stored(&self, mut wanted: CassandraCluster) -> CassandraCluster {
        if self.stores == Stores::WithoutTls {
            wanted.spec.tls = None;
        }
        if self.stores == Stores::WithoutMetrics {
            wanted.spec.metrics = None;
        }
        let before = self.cluster.as_ref();
        if let Some(before) = before.filter(|_| self.stores == Stores::ImageOfBefore) {
            let image = &before.spec.cassandra_image;
            wanted.spec.cassandra_image.clone_from(image);
        }
        wanted
    }

    /// The cluster goes, and what it owns; volumes stay.
    pub fn lose_cluster(&mut self) {
        self.cluster = None;
        self.service = None;
        self.slices.clear();
    }
}

/// The work of the operator of a site within a tick: one node a data center, every request one step further.
pub(super) fn work(cluster: &mut CassandraCluster, addresses: u32, now: Timestamp) {
    let generation = cluster.metadata.generation;
    let intents = Intents::parse(cluster.annotations());
    let (name, namespace) = (cluster.name_any(), cluster.namespace().unwrap_or_default());
    let empty = |dc: &String| {
        let topology = cluster
            .spec
            .topology
            .iter()
            .flat_map(|topology| &topology.dc);
        topology
            .clone()
            .any(|known| known.name == *dc && known.nodes_per_racks == Some(0))
    };
    let dcs: Vec<String> = children::dcs(cluster)
        .into_iter()
        .filter(|dc| !empty(dc))
        .collect();
    let mut status = cluster.status.clone().unwrap_or_default();
    status.phase = match status.phase {
        None => Some(Phase::Initializing),
        Some(_) => Some(Phase::Running),
    };
    status.observed_generation = generation;
    status.owned_volumes.get_or_insert(0);
    status.seedlist.clear();
    let before = std::mem::take(&mut status.cassandra_node_status);
    let mut is_rolled = false;
    for (index, dc) in dcs.iter().enumerate() {
        let pod = format!("{name}-{dc}-rack1-0");
        // One node after the other takes the encryption of the spec.
        let told = cluster.spec.internode_mode();
        let has = before
            .get(&pod)
            .map_or(told, |node| node.internode_tls.unwrap_or_default());
        let takes = has != told && !is_rolled;
        is_rolled |= takes;
        let mode = if takes { told } else { has };
        let node = NodeStatus {
            internode_tls: Some(mode).filter(|mode| mode.has_tls()),
            host_id: format!("host-{dc}"),
            node_ip: format!("10.{}.0.{}", addresses, index + 1),
            state: "NORMAL".into(),
            ready: true,
            ..NodeStatus::default()
        };
        status
            .seedlist
            .push(names::pod_host(&name, &namespace, &pod));
        status.cassandra_node_status.insert(pod, node);
    }
    status.seedlist.extend(cluster.spec.seeds.iter().cloned());
    status.conditions = conditions(&status, generation, now);
    if !intents.reconcile_paused {
        operate(&mut status, &intents);
    }
    cluster.status = Some(status);
}

/// The conditions, in the words of the operator of a site.
fn conditions(
    status: &CassandraClusterStatus,
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let nodes = match status.cassandra_node_status.len() {
        0 => "no nodes are asked for".to_owned(),
        1 => "the node is NORMAL".to_owned(),
        many => format!("{} NORMAL and see each other", text::all_are(many, "node")),
    };
    let accepted = (condition::SPEC_ACCEPTED, true, Reason::Accepted);
    let accepted = (accepted, "every field is carried out".to_owned());
    let degraded = (condition::DEGRADED, false, Reason::Healthy);
    let degraded = (degraded, "no node has a fault".to_owned());
    let [available, progressing] = if status.phase == Some(Phase::Running) {
        let settled = "the cluster matches the spec".to_owned();
        [
            ((condition::AVAILABLE, true, Reason::AllNodesUp), nodes),
            ((condition::PROGRESSING, false, Reason::UpToDate), settled),
        ]
    } else {
        let forming = "the ring is being formed".to_owned();
        let waiting = "waiting for its pods".to_owned();
        [
            ((condition::AVAILABLE, false, Reason::Forming), forming),
            (
                (condition::PROGRESSING, true, Reason::Initializing),
                waiting,
            ),
        ]
    };
    let all = [available, progressing, degraded, accepted].into_iter();
    let conditions = all.map(|((kind, holds, reason), message)| Condition {
        type_: kind.into(),
        status: if holds { "True" } else { "False" }.into(),
        reason: reason.to_string(),
        message,
        observed_generation: generation,
        last_transition_time: Time(now),
    });
    conditions.collect()
}

fn operate(status: &mut CassandraClusterStatus, intents: &Intents) {
    for (kind, request) in &intents.requests {
        let known = status
            .operations
            .iter()
            .position(|known| known.kind == *kind);
        let place = match known {
            Some(place) if status.operations[place].id == request.id => place,
            Some(place) => {
                let old = status.operations.remove(place);
                status.operation_history.insert(0, old);
                status.operations.push(OperationStatus::default());
                status.operations.len() - 1
            }
            None => {
                status.operations.push(OperationStatus::default());
                status.operations.len() - 1
            }
        };
        let controls = intents.controls.get(kind).cloned().unwrap_or_default();
        let quotes = |control: &Option<String>| control.as_ref() == Some(&request.id);
        let operation = &mut status.operations[place];
        let fails = request.arguments.text.contains("fails");
        operation.phase = match operation.phase {
            OperationPhase::Pending if operation.id.is_empty() => OperationPhase::Pending,
            _ if quotes(&controls.cancel) && !operation.phase.is_final() => {
                OperationPhase::Cancelled
            }
            OperationPhase::Pending if request.is_dry_run() => OperationPhase::Planned,
            OperationPhase::Pending if quotes(&controls.pause) => OperationPhase::Paused,
            OperationPhase::Failed if quotes(&controls.retry) => OperationPhase::Succeeded,
            OperationPhase::Pending => OperationPhase::Running,
            OperationPhase::Running if fails => OperationPhase::Failed,
            OperationPhase::Running => OperationPhase::Succeeded,
            OperationPhase::Paused if !quotes(&controls.pause) => OperationPhase::Running,
            other => other,
        };
        operation.kind = (*kind).into();
        operation.id.clone_from(&request.id);
        operation.arguments.clone_from(&request.arguments.text);
        operation.message = format!("it is {}", operation.phase.as_str());
    }
}
