//! Observed state of a ring over several sites. Decisions have no other input.

use std::collections::BTreeMap;

use casskop_common::{
    api::{CassandraCluster, MultiCasskop, MultiCasskopStatus, OperationStatus, Phase, condition},
    intent::Intents,
    names,
    operations::RecordedKind,
};
use jiff::Timestamp;
use k8s_openapi::api::{
    core::v1::{ConfigMap, Service},
    discovery::v1::EndpointSlice,
};
use kube_core::ResourceExt;

use crate::{
    multi::children::Child, objects::config_map::is_marked, refusal::Refusal,
    scheduler::request_state::EXISTED,
};

/// Observed state of all sites at one time.
#[derive(Clone, Debug)]
pub struct ObservedSites {
    /// Time of the observation.
    pub now: Timestamp,
    /// The resource, read for this observation.
    pub multi: MultiCasskop,
    /// Requests in its annotations.
    pub intents: Intents,
    /// The desired cluster of each site, in the order in which the sites join, or the reason why the resource is
    /// refused.
    pub children: Result<Vec<Child>, Refusal>,
    /// All sites that the operator or the status knows, in the order in which they join.
    pub sites: Vec<SiteView>,
    /// The ConfigMap that shows whether a deletion orphans.
    pub witness: Option<ConfigMap>,
}

/// Observed state of a site.
#[derive(Clone, Debug)]
pub struct SiteView {
    /// Its name.
    pub name: String,
    /// The objects in the site, or the reason why they are unknown.
    pub observed: Result<SiteState, String>,
}

/// Objects of the ring in a site.
#[derive(Clone, Debug, Default)]
pub struct SiteState {
    /// UID of the namespace. Two sites with the same UID are the same Kubernetes cluster.
    pub namespace_uid: String,
    /// The `CassandraCluster` with the name of the ring.
    pub cluster: Option<CassandraCluster>,
    /// The Service that names the seeds of other sites.
    pub service: Option<Service>,
    /// Seeds of other sites, by name of the slice.
    pub slices: BTreeMap<String, EndpointSlice>,
    /// Mark of a formed ring, which stays with the volumes of a deleted cluster; read until the status is reported.
    pub mark: RingMark,
}

/// Mark of a formed ring in a site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RingMark {
    /// There is none, or none that stays.
    #[default]
    Missing,
    /// The volumes of the site have members of a ring.
    Formed,
    /// The site does not let the operator read it.
    Unreadable,
}

impl RingMark {
    /// Reads the ConfigMap of the mark. A mark with an owner belongs to volumes that Kubernetes deletes with the owner.
    pub fn of(mark: Option<&ConfigMap>) -> Self {
        let stays = mark.is_some_and(|mark| {
            let is_deleted = mark.metadata.deletion_timestamp.is_some();
            !is_deleted && mark.owner_references().is_empty() && is_marked(mark)
        });
        if stays { Self::Formed } else { Self::Missing }
    }
}

impl ObservedSites {
    /// The desired cluster of each site; empty if the resource is refused.
    pub fn children(&self) -> &[Child] {
        self.children.as_deref().unwrap_or_default()
    }

    /// Name of the resource.
    pub fn name(&self) -> &str {
        self.multi.metadata.name.as_deref().unwrap_or_default()
    }

    /// UID of the resource.
    pub fn uid(&self) -> &str {
        self.multi.metadata.uid.as_deref().unwrap_or_default()
    }

    /// Name of the ring.
    pub fn ring(&self) -> &str {
        ring(&self.multi)
    }

    /// A site.
    pub fn site(&self, name: &str) -> Option<&SiteView> {
        self.sites.iter().find(|site| site.name == name)
    }

    /// Whether a `CassandraCluster` was ever created in a site: its volumes may contain members of the ring.
    pub fn was_made(&self, site: &str) -> bool {
        let mut recorded = self.multi.status.iter().flat_map(|status| &status.sites);
        recorded.any(|recorded| recorded.name == site && recorded.created)
    }

    /// Whether no operator has reported about the resource yet, and that a site has members of the ring, or is not known
    /// to have none: the reason in words.
    pub fn created_again(&self) -> Option<String> {
        if !awaits_report(&self.multi) {
            return None;
        }
        let is_formed = |site: &SiteView| match &site.observed {
            Ok(state) => {
                state.cluster.as_ref().is_some_and(is_formed) || state.mark == RingMark::Formed
            }
            Err(_) => false,
        };
        if self.sites.iter().any(is_formed) {
            return Some(EXISTED.to_owned());
        }
        let unknown = self.sites.iter().find_map(|site| match &site.observed {
            Err(why) => Some((site, why.clone())),
            Ok(state) if state.mark == RingMark::Unreadable => {
                let why = format!("the operator may not read ConfigMap {}; register the site again (kubectl casskop multi register)", names::ring_mark(self.ring()));
                Some((site, why))
            }
            Ok(_) => None,
        });
        let (site, why) = unknown?;
        Some(format!("site {} may have a ring: {why}", site.name))
    }

    /// Sites whose `CassandraCluster` belongs to this resource.
    pub fn ours(&self) -> impl Iterator<Item = (&SiteView, &CassandraCluster)> {
        self.sites.iter().filter_map(|site| {
            let cluster = site.cluster()?;
            (owner(cluster) == Some(self.uid())).then_some((site, cluster))
        })
    }
}

impl SiteView {
    /// Its `CassandraCluster`, if the site is reachable and has one.
    pub fn cluster(&self) -> Option<&CassandraCluster> {
        self.observed.as_ref().ok()?.cluster.as_ref()
    }
}

/// Whether no operator has reported about a resource yet.
pub fn awaits_report(multi: &MultiCasskop) -> bool {
    let status = multi.status.as_ref();
    !status.is_some_and(MultiCasskopStatus::is_reported)
}

/// Name of the ring, which is the name of the `CassandraCluster` in every site.
pub fn ring(multi: &MultiCasskop) -> &str {
    let base = &multi.spec.base;
    base["metadata"]["name"].as_str().unwrap_or_default()
}

/// UID of the `MultiCasskop` that a cluster belongs to.
pub fn owner(cluster: &CassandraCluster) -> Option<&str> {
    let annotations = cluster.metadata.annotations.as_ref()?;
    annotations.get(names::MULTI_OWNER).map(String::as_str)
}

/// Whether the cluster formed or joined its ring at some time, so that it has members.
pub fn is_formed(cluster: &CassandraCluster) -> bool {
    let status = cluster.status.as_ref();
    status.is_some_and(|status| status.phase.is_some_and(Phase::is_formed))
}

/// Status and message of a condition, if it was observed for the newest generation.
pub fn condition<'a>(cluster: &'a CassandraCluster, kind: &str) -> Option<(bool, &'a str)> {
    let conditions = &cluster.status.as_ref()?.conditions;
    let found = conditions.iter().find(|found| found.type_ == kind)?;
    let newest = found.observed_generation == cluster.metadata.generation;
    newest.then_some((found.status == "True", found.message.as_str()))
}

/// Whether every node of a cluster is up, as its operator reports for the newest generation.
pub fn is_available(cluster: &CassandraCluster) -> bool {
    condition(cluster, condition::AVAILABLE).is_some_and(|(holds, _)| holds)
}

/// Whether a cluster has nodes, or may have some.
pub fn has_nodes(cluster: &CassandraCluster) -> bool {
    let status = cluster.status.as_ref();
    // A cluster whose newest generation was not reconciled yet may have volumes of nodes.
    status.is_none_or(|status| {
        !status.cassandra_node_status.is_empty()
            || status.observed_generation != cluster.metadata.generation
    })
}

/// An operation of a cluster, in its status or history.
pub fn operation<'a>(
    cluster: &'a CassandraCluster,
    kind: &RecordedKind,
    id: &str,
) -> Option<&'a OperationStatus> {
    let status = cluster.status.as_ref()?;
    let all = status.operations.iter().chain(&status.operation_history);
    let mut all = all.filter(|found| found.requested_by.is_none());
    all.find(|found| found.kind == *kind && found.id == id)
}

/// The seeds of a site that are pods of the site and have an address, as pod and IP.
pub fn seeds(cluster: &CassandraCluster) -> Vec<(String, String)> {
    let local = format!(
        ".{}.{}",
        cluster.name_any(),
        cluster.namespace().unwrap_or_default()
    );
    let Some(status) = cluster.status.as_ref() else {
        return Vec::new();
    };
    let pods = status
        .seedlist
        .iter()
        .filter_map(|seed| seed.strip_suffix(&local));
    pods.filter_map(|pod| {
        let node = status.cassandra_node_status.get(pod)?;
        (!node.node_ip.is_empty()).then(|| (pod.to_owned(), node.node_ip.clone()))
    })
    .collect()
}
