//! A small model of several Kubernetes clusters, each with an operator of its own that does what its cluster asks.

mod site;

use std::collections::BTreeMap;

use casskop_common::{
    api::{CassandraCluster, MultiCasskop, MultiCasskopStatus},
    intent::Intents,
    names,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::Time};
use kube_core::ResourceExt;

use crate::{
    multi::{
        children,
        observed::{ObservedSites, SiteView},
        plan::{self, Plan, Rejection, SiteObject},
        witness::WitnessWrite,
    },
    simulation::{kstatus, messages},
};
pub use site::{Denies, Site, Stores};

/// A resource with two sites of one node each.
pub const TWO_SITES: &str = "
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

/// Why a site is unknown that does not answer, in the words of the operator.
pub const UNREACHABLE: &str = "its API server did not answer within 5 s";

/// The override of the site b.
pub fn of_b(multi: &mut MultiCasskop) -> &mut serde_json::Value {
    multi.spec.override_.get_mut("b").expect("a site")
}

/// The simulated world of one `MultiCasskop`.
#[derive(Clone, Debug)]
pub struct World {
    /// The resource.
    pub multi: MultiCasskop,
    /// Sites that the operator knows, in its order.
    pub order: Vec<String>,
    /// The sites, by name.
    pub sites: BTreeMap<String, Site>,
    /// Rings that were formed anew.
    pub rings: u32,
    /// Whether the finalizer is there.
    pub is_blocked_by_checks: bool,
    /// The ConfigMap that shows whether a deletion orphans.
    pub witness: Option<ConfigMap>,
    /// Why clusters stayed, as it was published.
    pub kept: Vec<&'static str>,
    made: u32,
    /// The time; each tick takes ten seconds.
    pub now: Timestamp,
}

impl World {
    /// A resource that was just created.
    pub fn new(yaml: &str) -> Self {
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
    pub fn formed(yaml: &str) -> Self {
        let mut world = Self::new(yaml);
        world.settle();
        world
    }

    /// A site.
    pub fn site(&mut self, name: &str) -> &mut Site {
        self.sites.get_mut(name).expect("a site")
    }

    /// The `CassandraCluster` of a site.
    pub fn cluster(&self, name: &str) -> &CassandraCluster {
        self.sites[name].cluster.as_ref().expect("a cluster")
    }

    /// The status.
    pub fn status(&self) -> MultiCasskopStatus {
        self.multi.status.clone().unwrap_or_default()
    }

    /// Status, reason and message of a condition.
    pub fn condition(&self, kind: &str) -> String {
        let conditions = self.status().conditions;
        let found = conditions.iter().find(|found| found.type_ == kind);
        let found = found.expect("the condition is told");
        format!("{} {}: {}", found.status, found.reason, found.message)
    }

    /// A change of the spec.
    pub fn edit(&mut self, change: impl FnOnce(&mut MultiCasskop)) {
        change(&mut self.multi);
        let generation = self.multi.metadata.generation.unwrap_or(0);
        self.multi.metadata.generation = Some(generation + 1);
    }

    /// A new site with its part of the spec.
    pub fn add_site(&mut self, name: &str, change: serde_json::Value) {
        self.edit(|multi| drop(multi.spec.override_.insert(name.to_owned(), change)));
        self.order.push(name.to_owned());
        let site = Site {
            namespace_uid: format!("ns-{name}"),
            ..Site::default()
        };
        self.sites.insert(name.to_owned(), site);
    }

    /// The deletion of the resource begins.
    pub fn delete(&mut self) {
        self.multi.metadata.deletion_timestamp = Some(Time(self.now));
    }

    /// Sets an annotation, or removes it.
    pub fn annotate(&mut self, key: &str, value: Option<&str>) {
        let annotations = self.multi.annotations_mut();
        match value {
            Some(value) => annotations.insert(key.to_owned(), value.to_owned()),
            None => annotations.remove(key),
        };
    }

    /// Sets the annotation of an operation, or removes it.
    pub fn request(&mut self, key: &str, value: Option<&str>) {
        self.annotate(&format!("{}{key}", names::OPERATIONS_PREFIX), value);
    }

    /// The observed state.
    pub fn snapshot(&self) -> ObservedSites {
        let view = |name: &String| {
            let observed = match self.sites.get(name) {
                None => Err("the operator no longer knows this site".to_owned()),
                Some(site) if site.is_cut => Err(UNREACHABLE.to_owned()),
                Some(site) => Ok(site.seen()),
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

    /// The plan of one reconciliation.
    pub fn plan(&self) -> Plan {
        let snapshot = self.snapshot();
        if self.multi.metadata.deletion_timestamp.is_some() {
            plan::goes(&snapshot)
        } else {
            plan::decide(&snapshot)
        }
    }

    /// One pass of the operator, which may be killed after so many writes; the status is the first of them.
    pub fn pass_until(&mut self, writes: usize) {
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
        let denied = denied.map(|write| Rejection {
            site: write.site.clone(),
            message: format!("site {} does not take {}", write.site, write.what),
        });
        let altered = plan.writes.iter().filter_map(|write| {
            let (SiteObject::Create(wanted) | SiteObject::Change { after: wanted, .. }) =
                &write.what
            else {
                return None;
            };
            let stored = self.sites[&write.site].stored((**wanted).clone());
            let why = plan::not_kept(&write.what, &stored)?;
            Some(Rejection {
                site: write.site.clone(),
                message: format!("site {} does not keep {}: {why}", write.site, write.what),
            })
        });
        denied.chain(altered).collect()
    }

    /// One reconciliation.
    pub fn pass(&mut self) {
        self.pass_until(usize::MAX);
    }

    /// A write in a site.
    pub fn write(&mut self, site: &str, what: SiteObject) {
        self.made += 1;
        let uid = format!("c-{}", self.made);
        let site = self.sites.get_mut(site).expect("a known site");
        assert!(!site.is_cut, "what cannot be reached cannot be written");
        if site.denies.denies(&what) {
            return;
        }
        match what {
            SiteObject::Create(cluster) => {
                assert!(site.cluster.is_none(), "it is there already");
                let mut cluster = site.stored(*cluster);
                cluster.metadata.uid = Some(uid);
                cluster.metadata.generation = Some(1);
                site.cluster = Some(cluster);
            }
            SiteObject::Change { before, after } => {
                assert_eq!(
                    site.cluster.as_ref(),
                    Some(&*before),
                    "the very one that was seen"
                );
                site.changes += 1;
                let mut after = site.stored(*after);
                if after.spec != before.spec {
                    let generation = before.metadata.generation.unwrap_or(0);
                    after.metadata.generation = Some(generation + 1);
                }
                site.cluster = Some(after);
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
    pub fn tick(&mut self) {
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
            site::work(cluster, site.addresses, self.now);
        }
    }

    /// Reconciliations and time, until everything is as asked.
    pub fn settle(&mut self) {
        for _ in 0..40 {
            self.pass();
            self.tick();
        }
        self.pass();
    }
}
