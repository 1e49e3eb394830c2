//! A small model of several Kubernetes clusters, each with an operator of its own that does what its cluster asks.

use std::collections::BTreeMap;

use casskop_common::{
    api::{
        CassandraCluster, CassandraClusterStatus, MultiCasskop, MultiCasskopStatus, NodeStatus,
        OperationPhase, OperationStatus, Phase, condition,
    },
    intent::Intents,
    names,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::{
        core::v1::{ConfigMap, Service},
        discovery::v1::EndpointSlice,
    },
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
};
use kube_core::ResourceExt;

use crate::{
    multi::{
        children,
        observed::{ObservedSites, RingMark, SiteState, SiteView},
        plan::{self, Plan, Rejection, SiteObject},
        witness::WitnessWrite,
    },
    simulation::{kstatus, messages},
};

pub(crate) const TWO_SITES: &str = "
apiVersion: db.orange.com/v2
kind: MultiCasskop
metadata: { name: multi, namespace: ns, uid: m-1, generation: 1 }
spec:
  base:
    metadata: { name: demo }
    spec: { cassandraImage: 'cassandra:5.0', dataCapacity: 1Gi }
  override:
    a: { spec: { topology: { dc: [{ name: dc1, rack: [{ name: rack1 }] }] } } }
    b: { spec: { topology: { dc: [{ name: dc2, rack: [{ name: rack1 }] }] } } }
";

/// The override of the site b.
pub(crate) fn of_b(multi: &mut MultiCasskop) -> &mut serde_json::Value {
    multi.spec.override_.get_mut("b").expect("a site")
}

/// The writes of a `CassandraCluster` that an admission webhook of a site denies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Denies {
    #[default]
    Nothing,
    /// Changes of the spec.
    Specs,
    /// Every change.
    All,
}

impl Denies {
    fn denies(self, what: &SiteObject) -> bool {
        match what {
            SiteObject::Change { before, after } => {
                self == Self::All || (self == Self::Specs && before.spec != after.spec)
            }
            SiteObject::Create(_) => self != Self::Nothing,
            _ => false,
        }
    }
}

/// One simulated Kubernetes cluster.
#[derive(Clone, Debug, Default)]
pub(crate) struct Site {
    pub(crate) is_cut: bool,
    pub(crate) denies: Denies,
    pub(crate) namespace_uid: String,
    pub(crate) cluster: Option<CassandraCluster>,
    pub(crate) service: Option<Service>,
    pub(crate) slices: BTreeMap<String, EndpointSlice>,
    /// Whether its volumes have members of the ring.
    pub(crate) has_members: bool,
    /// Changes with every restart of its pods.
    pub(crate) addresses: u32,
    /// Whether the operator may not read the mark of the ring.
    pub(crate) hides_mark: bool,
}

/// The simulated world of one `MultiCasskop`.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) multi: MultiCasskop,
    /// Sites that the operator knows, in its order.
    pub(crate) order: Vec<String>,
    pub(crate) sites: BTreeMap<String, Site>,
    /// Rings that were formed anew.
    pub(crate) rings: u32,
    /// Whether the finalizer is there.
    pub(crate) is_blocked_by_checks: bool,
    /// The ConfigMap that shows whether a deletion orphans.
    pub(crate) witness: Option<ConfigMap>,
    /// Why clusters stayed, as it was published.
    pub(crate) kept: Vec<&'static str>,
    made: u32,
    now: Timestamp,
}

impl World {
    pub(crate) fn new(yaml: &str) -> Self {
        let multi: MultiCasskop = serde_saphyr::from_str(yaml).expect("a MultiCasskop");
        let order: Vec<String> = multi.spec.override_.keys().cloned().collect();
        let site = |name: &String| {
            let site = Site {
                namespace_uid: format!("ns-{name}"),
                ..Site::default()
            };
            (name.clone(), site)
        };
        Self {
            sites: order.iter().map(site).collect(),
            order,
            multi,
            rings: 0,
            is_blocked_by_checks: true,
            witness: None,
            kept: Vec::new(),
            made: 0,
            now: "2026-11-22T17:00:00Z".parse().expect("a time"),
        }
    }

    /// A ring over all sites.
    pub(crate) fn formed(yaml: &str) -> Self {
        let mut world = Self::new(yaml);
        world.settle();
        world
    }

    pub(crate) fn site(&mut self, name: &str) -> &mut Site {
        self.sites.get_mut(name).expect("a site")
    }

    pub(crate) fn cluster(&self, name: &str) -> &CassandraCluster {
        self.sites[name].cluster.as_ref().expect("a cluster")
    }

    pub(crate) fn status(&self) -> MultiCasskopStatus {
        self.multi.status.clone().unwrap_or_default()
    }

    pub(crate) fn condition(&self, kind: &str) -> String {
        let conditions = self.status().conditions;
        let found = conditions.iter().find(|found| found.type_ == kind);
        let found = found.expect("the condition is told");
        format!("{} {}: {}", found.status, found.reason, found.message)
    }

    pub(crate) fn edit(&mut self, change: impl FnOnce(&mut MultiCasskop)) {
        change(&mut self.multi);
        let generation = self.multi.metadata.generation.unwrap_or(0);
        self.multi.metadata.generation = Some(generation + 1);
    }

    /// The deletion of the resource begins.
    pub(crate) fn delete(&mut self) {
        self.multi.metadata.deletion_timestamp = Some(Time(self.now));
    }

    pub(crate) fn annotate(&mut self, key: &str, value: Option<&str>) {
        let annotations = self.multi.annotations_mut();
        match value {
            Some(value) => annotations.insert(key.to_owned(), value.to_owned()),
            None => annotations.remove(key),
        };
    }

    pub(crate) fn request(&mut self, key: &str, value: Option<&str>) {
        self.annotate(&format!("{}{key}", names::OPERATIONS_PREFIX), value);
    }

    pub(crate) fn snapshot(&self) -> ObservedSites {
        let view = |name: &String| {
            let observed = match self.sites.get(name) {
                None => Err("the operator no longer knows this site".to_owned()),
                Some(site) if site.is_cut => Err("no answer".to_owned()),
                Some(site) => Ok(SiteState {
                    namespace_uid: site.namespace_uid.clone(),
                    cluster: site.cluster.clone(),
                    service: site.service.clone(),
                    slices: site.slices.clone(),
                    mark: match site {
                        site if site.hides_mark => RingMark::Unreadable,
                        site if site.has_members => RingMark::Formed,
                        _ => RingMark::Missing,
                    },
                }),
            };
            SiteView {
                name: name.clone(),
                observed,
            }
        };
        let told = self.multi.status.iter().flat_map(|status| &status.sites);
        let told: Vec<String> = told.map(|site| site.name.clone()).collect();
        let strange = told.iter().filter(|name| !self.order.contains(name));
        ObservedSites {
            now: self.now,
            intents: Intents::parse(self.multi.annotations()),
            sites: self.order.iter().chain(strange).map(view).collect(),
            children: children::children(&self.multi, &self.order),
            multi: self.multi.clone(),
            witness: self.witness.clone(),
        }
    }

    pub(crate) fn plan(&self) -> Plan {
        let snapshot = self.snapshot();
        if self.multi.metadata.deletion_timestamp.is_some() {
            plan::goes(&snapshot)
        } else {
            plan::decide(&snapshot)
        }
    }

    /// One pass of the operator, which may be killed after so many writes; the status is the first of them.
    pub(crate) fn pass_until(&mut self, writes: usize) {
        let mut plan = self.plan();
        if self.multi.metadata.deletion_timestamp.is_none() {
            let rejections = self.rejections(&plan);
            plan = plan::refuse(plan, &rejections, &self.snapshot());
        }
        if writes == 0 {
            return;
        }
        kstatus::check(&plan.status.conditions, self.multi.metadata.generation);
        let operations = plan.status.operations.iter();
        let told = operations.map(|operation| &operation.message);
        let conditions = plan.status.conditions.iter();
        told.chain(conditions.map(|condition| &condition.message))
            .for_each(|message| messages::check(message));
        self.multi.status = Some(plan.status);
        match plan.witness {
            Some(WitnessWrite::Apply(witness)) => self.witness = Some(*witness),
            Some(WitnessWrite::Delete(_)) => self.witness = None,
            None => {}
        }
        self.kept.extend(plan.kept);
        for write in plan.writes.into_iter().take(writes - 1) {
            self.write(&write.site, write.what);
        }
        if writes == usize::MAX {
            self.is_blocked_by_checks = plan.finalizer;
        }
    }

    /// The answers to a rehearsal.
    fn rejections(&self, plan: &Plan) -> Vec<Rejection> {
        let writes = plan.writes.iter();
        let denied = writes.filter(|write| self.sites[&write.site].denies.denies(&write.what));
        let rejections = denied.map(|write| Rejection {
            site: write.site.clone(),
            message: format!("site {} does not take {}", write.site, write.what),
        });
        rejections.collect()
    }

    pub(crate) fn pass(&mut self) {
        self.pass_until(usize::MAX);
    }

    pub(crate) fn write(&mut self, site: &str, what: SiteObject) {
        self.made += 1;
        let uid = format!("c-{}", self.made);
        let site = self.sites.get_mut(site).expect("a known site");
        assert!(!site.is_cut, "what cannot be reached cannot be written");
        if site.denies.denies(&what) {
            return;
        }
        match what {
            SiteObject::Create(mut cluster) => {
                assert!(site.cluster.is_none(), "it is there already");
                cluster.metadata.uid = Some(uid);
                cluster.metadata.generation = Some(1);
                site.cluster = Some(*cluster);
            }
            SiteObject::Change { before, mut after } => {
                assert_eq!(
                    site.cluster.as_ref(),
                    Some(&*before),
                    "the very one that was seen"
                );
                if after.spec != before.spec {
                    let generation = before.metadata.generation.unwrap_or(0);
                    after.metadata.generation = Some(generation + 1);
                }
                site.cluster = Some(*after);
            }
            SiteObject::Delete(before) => {
                assert_eq!(
                    site.cluster.as_ref(),
                    Some(&*before),
                    "the very one that was seen"
                );
                site.lose_cluster();
            }
            SiteObject::Service(service) => site.service = Some(*service),
            SiteObject::Slice(slice) => {
                site.slices.insert(slice.name_any(), *slice);
            }
            SiteObject::DropSlice(slice) => {
                site.slices.remove(&slice.name_any());
            }
        }
    }

    /// Time goes by: the operators of the sites do their work.
    pub(crate) fn tick(&mut self) {
        self.now += SignedDuration::from_secs(10);
        let there_are_members = self.sites.values().any(|site| site.has_members);
        for site in self.sites.values_mut() {
            let Some(cluster) = &mut site.cluster else {
                continue;
            };
            let joins = !cluster.spec.seeds.is_empty() || site.has_members;
            if !joins {
                // The invariant under all faults.
                assert!(!there_are_members, "a second ring is formed");
                self.rings += 1;
            }
            site.has_members = true;
            work(cluster, site.addresses, self.now);
        }
    }

    pub(crate) fn settle(&mut self) {
        for _ in 0..40 {
            self.pass();
            self.tick();
        }
        self.pass();
    }
}

impl Site {
    /// The cluster goes, and what it owns; volumes stay.
    pub(crate) fn lose_cluster(&mut self) {
        self.cluster = None;
        self.service = None;
        self.slices.clear();
    }
}

/// The work of the operator of a site within a tick: one node a data center, every request one step further.
fn work(cluster: &mut CassandraCluster, addresses: u32, now: Timestamp) {
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
    let is_running = status.phase == Some(Phase::Running);
    let condition = |kind: &str, holds: bool| Condition {
        type_: kind.into(),
        status: if holds { "True" } else { "False" }.into(),
        reason: "Simulated".into(),
        message: format!("{kind} is {holds}"),
        observed_generation: generation,
        last_transition_time: Time(now),
    };
    status.conditions = vec![
        condition(condition::AVAILABLE, is_running),
        condition(condition::PROGRESSING, !is_running),
        condition(condition::DEGRADED, false),
        condition(condition::SPEC_ACCEPTED, true),
    ];
    if !intents.reconcile_paused {
        operate(&mut status, &intents);
    }
    cluster.status = Some(status);
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
