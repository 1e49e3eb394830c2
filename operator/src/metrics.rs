//! The metrics, in the Prometheus text format.

mod backups;
mod by_cluster;
mod certificates;
mod clusters;
mod operations;
#[cfg(test)]
mod tests;
mod unreadable;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use casskop_common::{api::CassandraCluster, readable::Readable};
use casskop_core::authority::Validity;
use kube::{Resource, runtime::watcher};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::node_api::NodeRequests;
use unreadable::Unreadable;

/// Metrics of the process.
pub struct Metrics {
    registry: Registry,
    reconciliations: Family<Outcome, Counter>,
    durations: Histogram,
    operations: Family<OperationLabels, Counter>,
    newest: operations::Operations,
    clusters: clusters::Clusters,
    backups: backups::Backups,
    nodes: NodeRequests,
    sites: Family<SiteLabels, Gauge>,
    certificates: certificates::Certificates,
    unreadable: Unreadable,
    leader: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SiteLabels {
    site: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    kind: String,
    phase: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("casskop");
        let reconciliations = Family::default();
        registry.register(
            "reconciliations",
            "Reconciliations by result",
            reconciliations.clone(),
        );
        let durations =
            Histogram::new([0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0]);
        registry.register(
            "reconciliation_duration_seconds",
            "Duration of reconciliations",
            durations.clone(),
        );
        let operations = Family::default();
        registry.register(
            "operation_transitions",
            "Operations that entered a phase",
            operations.clone(),
        );
        let newest = operations::Operations::default();
        registry.register_collector(Box::new(newest.clone()));
        let clusters = clusters::Clusters::default();
        registry.register_collector(Box::new(clusters.clone()));
        let backups = backups::Backups::default();
        registry.register_collector(Box::new(backups.clone()));
        let nodes = NodeRequests::default();
        nodes.register(&mut registry);
        let sites = Family::default();
        registry.register(
            "site_reachable",
            "Whether the API server of a site of a MultiCasskop answers",
            sites.clone(),
        );
        let certificates = certificates::Certificates::default();
        registry.register_collector(Box::new(certificates.clone()));
        let unreadable = Unreadable::default();
        registry.register_collector(Box::new(unreadable.clone()));
        let leader = Gauge::default();
        registry.register(
            "leader",
            "Whether this instance leads; the other ones wait",
            leader.clone(),
        );
        Self {
            registry,
            reconciliations,
            durations,
            operations,
            newest,
            clusters,
            backups,
            nodes,
            sites,
            certificates,
            unreadable,
            leader,
        }
    }
}

impl Metrics {
    /// Measures a reconciliation, and ends it after this duration.
    ///
    /// # Errors
    /// The error of the reconciliation, or `late`.
    pub async fn reconciliation<T, E>(
        &self,
        deadline: Duration,
        late: E,
        pass: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let began = Instant::now();
        let ended = tokio::time::timeout(deadline, pass).await;
        let outcome = ended.unwrap_or(Err(late));
        let result = if outcome.is_ok() { "ok" } else { "error" };
        self.reconciliations
            .get_or_create(&Outcome { result })
            .inc();
        self.durations.observe(began.elapsed().as_secs_f64());
        outcome
    }

    /// Counts an operation that enters a phase.
    pub fn operation(&self, kind: &str, phase: &'static str) {
        self.operations
            .get_or_create(&OperationLabels {
                kind: kind.to_owned(),
                phase,
            })
            .inc();
    }

    /// Records the status of a cluster.
    pub fn cluster(&self, cluster: &CassandraCluster) {
        self.newest.report(cluster);
        self.clusters.report(cluster);
        self.backups.report(cluster);
    }

    /// The requests to nodes, for their counting.
    pub fn node_requests(&self) -> NodeRequests {
        self.nodes.clone()
    }

    /// Records the certificates in the Secrets of a cluster.
    pub fn certificates(
        &self,
        namespace: &str,
        name: &str,
        validities: &BTreeMap<String, Validity>,
    ) {
        self.certificates.report(namespace, name, validities);
    }

    /// Removes a deleted cluster.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.newest.forget(namespace, name);
        self.clusters.forget(namespace, name);
        self.backups.forget(namespace, name);
        self.certificates.forget(namespace, name);
    }

    /// Records whether a site can be reached.
    pub fn site(&self, site: &str, reachable: bool) {
        let site = site.to_owned();
        self.sites
            .get_or_create(&SiteLabels { site })
            .set(i64::from(reachable));
    }

    /// Records whether the resource of an event of a watch can be read.
    pub fn watched<K: Resource<DynamicType = ()>>(&self, event: &watcher::Event<Readable<K>>) {
        self.unreadable.watched(event);
    }

    /// Records whether this instance leads.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// All metrics as text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
