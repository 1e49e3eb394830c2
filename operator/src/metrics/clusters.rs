//! The status of all clusters, as last reported; the values are correct again after a restart of the operator.

use std::fmt;

use casskop_common::{
    api::{CassandraCluster, CassandraClusterStatus, ScheduleStatus},
    conditions::TYPES,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};

use crate::metrics::by_cluster::ByCluster;

/// The status of each cluster.
#[derive(Clone, Debug, Default)]
pub(super) struct Clusters(ByCluster<Reported>);

/// The reported values of one cluster.
#[derive(Debug, Default)]
struct Reported {
    /// The status of each type of condition that is set.
    conditions: Vec<(&'static str, &'static str)>,
    nodes: i64,
    ready: i64,
    cleanup_due: i64,
    schedules: Vec<ScheduleStatus>,
}

/// Values of the status of a condition, as in Kubernetes.
const STATUSES: [&str; 3] = ["True", "False", "Unknown"];

#[derive(Clone, Debug, EncodeLabelSet)]
struct Labels {
    namespace: String,
    cluster: String,
}

#[derive(Clone, Debug, EncodeLabelSet)]
struct ConditionLabels {
    namespace: String,
    cluster: String,
    r#type: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet)]
struct ScheduleLabels {
    namespace: String,
    cluster: String,
    schedule: String,
}

impl Clusters {
    /// Records the status of a cluster.
    pub(super) fn report(&self, cluster: &CassandraCluster) {
        let reported = cluster.status.as_ref().map(reported).unwrap_or_default();
        let namespace = cluster.namespace().unwrap_or_default();
        self.0.report(&namespace, &cluster.name_any(), reported);
    }

    /// Removes a deleted cluster.
    pub(super) fn forget(&self, namespace: &str, name: &str) {
        self.0.forget(namespace, name);
    }
}

fn reported(status: &CassandraClusterStatus) -> Reported {
    let condition = |name: &&'static str| {
        let mut all = status.conditions.iter();
        let found = all.find(|condition| condition.type_ == **name)?;
        let value = STATUSES.into_iter().find(|value| *value == found.status)?;
        Some((*name, value))
    };
    let nodes = status.cassandra_node_status.values();
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    Reported {
        conditions: TYPES.iter().filter_map(condition).collect(),
        nodes: count(nodes.clone().count()),
        ready: count(nodes.clone().filter(|node| node.ready).count()),
        cleanup_due: count(nodes.filter(|node| node.owes_cleanup().is_some()).count()),
        schedules: status.schedules.clone(),
    }
}

/// A number of nodes of a cluster.
type Figure = fn(&Reported) -> i64;

const FIGURES: [(&str, &str, Figure); 3] = [
    (
        "cluster_nodes",
        "Nodes in the status of a cluster",
        |cluster| cluster.nodes,
    ),
    (
        "cluster_nodes_ready",
        "Nodes of a cluster whose pod is Ready",
        |cluster| cluster.ready,
    ),
    (
        "cluster_nodes_cleanup_due",
        "Nodes of a cluster that keep data of ranges that other nodes own",
        |cluster| cluster.cleanup_due,
    ),
];

/// A time of a schedule.
type Slot = fn(&ScheduleStatus) -> Option<&Time>;

const SLOTS: [(&str, &str, Slot); 3] = [
    (
        "schedule_next_timestamp_seconds",
        "The next slot of a schedule; the oldest one without a request, while the request waits",
        |schedule| schedule.next_slot.as_ref(),
    ),
    (
        "schedule_last_timestamp_seconds",
        "The slot of the last request of a schedule that began, or ended before",
        |schedule| schedule.last_slot.as_ref(),
    ),
    (
        "schedule_last_missed_timestamp_seconds",
        "The last slot of a schedule that was left out, because its request could not begin in time",
        |schedule| schedule.last_missed_slot.as_ref(),
    ),
];

impl Collector for Clusters {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let clusters = self.0.all();
        let help = "Conditions of a cluster: 1 for the status that a type has, 0 for the others";
        let mut metric =
            encoder.encode_descriptor("cluster_condition", help, None, MetricType::Gauge)?;
        for ((namespace, cluster), reported) in &*clusters {
            for (name, value) in &reported.conditions {
                for status in STATUSES {
                    let labels = ConditionLabels {
                        namespace: namespace.clone(),
                        cluster: cluster.clone(),
                        r#type: name,
                        status,
                    };
                    let is = i64::from(status == *value);
                    ConstGauge::new(is).encode(metric.encode_family(&labels)?)?;
                }
            }
        }
        for (name, help, figure) in FIGURES {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for ((namespace, cluster), reported) in &*clusters {
                let labels = Labels {
                    namespace: namespace.clone(),
                    cluster: cluster.clone(),
                };
                ConstGauge::new(figure(reported)).encode(metric.encode_family(&labels)?)?;
            }
        }
        for (name, help, slot) in SLOTS {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for ((namespace, cluster), reported) in &*clusters {
                let known = reported.schedules.iter();
                for (schedule, time) in known.filter_map(|known| Some((known, slot(known)?))) {
                    let labels = ScheduleLabels {
                        namespace: namespace.clone(),
                        cluster: cluster.clone(),
                        schedule: schedule.name.clone(),
                    };
                    let seconds = time.0.as_second();
                    ConstGauge::new(seconds).encode(metric.encode_family(&labels)?)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use casskop_common::api::CassandraCluster;

    use crate::metrics::Metrics;

    #[test]
    fn the_status_is_measured_until_the_cluster_is_gone() {
        let cluster: CassandraCluster = serde_saphyr::from_str(
            "
apiVersion: db.orange.com/v2
kind: CassandraCluster
metadata: { name: demo, namespace: ns }
spec: {}
status:
  conditions:
    - { type: Degraded, status: 'True', reason: NodesUnhealthy, message: m, lastTransitionTime: 2026-11-22T17:00:00Z }
    - { type: Ready, status: Odd, reason: X, message: m, lastTransitionTime: 2026-11-22T17:00:00Z }
    - { type: Other, status: 'True', reason: X, message: m, lastTransitionTime: 2026-11-22T17:00:00Z }
  cassandraNodeStatus:
    demo-dc1-rack1-0: { ready: true, cleanupRequiredSince: 2026-11-22T17:00:00Z }
    demo-dc1-rack1-1: { ready: false }
  schedules:
    - { name: weekly, cron: 0 2 * * SUN, nextSlot: 2026-11-29T02:00:00Z, lastSlot: 2026-11-22T02:00:00Z }
    - { name: suspended, cron: 0 2 * * SUN }
",
        )
        .expect("a CassandraCluster");
        let metrics = Metrics::default();
        metrics.cluster(&cluster);
        let measured = |text: &str| {
            let ours = text.lines().filter(|line| {
                line.starts_with("casskop_cluster_") || line.starts_with("casskop_schedule_")
            });
            let mut ours: Vec<String> = ours.map(str::to_owned).collect();
            ours.sort();
            ours.join("\n")
        };
        insta::assert_snapshot!(measured(&metrics.text()));
        metrics.forget("ns", "demo");
        assert_eq!(measured(&metrics.text()), "");
    }
}
