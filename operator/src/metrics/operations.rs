//! Operations of all clusters, as last reported in their status; the values are correct again after a restart of the
//! operator.

use std::{collections::BTreeMap, fmt};

use casskop_common::{
    api::{CassandraCluster, CassandraClusterStatus, NodePhase, OperationPhase, OperationStatus},
    operations::RecordedKind,
};
use kube::ResourceExt;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};

use crate::metrics::by_cluster::ByCluster;

/// The newest operation of each kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Operations(ByCluster<Vec<Reported>>);

/// The reported values of one kind of operation.
#[derive(Debug)]
struct Reported {
    kind: String,
    running: bool,
    nodes: BTreeMap<&'static str, i64>,
    seconds: Option<f64>,
    last_success: Option<f64>,
}

#[derive(Clone, Debug, EncodeLabelSet)]
struct Labels {
    namespace: String,
    cluster: String,
    kind: String,
}

#[derive(Clone, Debug, EncodeLabelSet)]
struct NodeLabels {
    namespace: String,
    cluster: String,
    kind: String,
    phase: &'static str,
}

impl Operations {
    /// Records the operations in the status of a cluster.
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

fn reported(status: &CassandraClusterStatus) -> Vec<Reported> {
    let last_success = |kind: &RecordedKind| {
        let ended = status.operations.iter().chain(&status.operation_history);
        let succeeded = ended.filter(|operation| {
            operation.kind == *kind && operation.phase == OperationPhase::Succeeded
        });
        let at = succeeded.filter_map(|operation| operation.finished_at.as_ref());
        at.map(|at| at.0.as_duration().as_secs_f64())
            .reduce(f64::max)
    };
    let one = |operation: &OperationStatus| {
        let mut nodes = BTreeMap::new();
        for phase in PHASES {
            let count = operation.count(phase);
            if count > 0 {
                nodes.insert(word(phase), i64::try_from(count).unwrap_or(i64::MAX));
            }
        }
        let times = operation
            .started_at
            .as_ref()
            .zip(operation.finished_at.as_ref());
        Reported {
            kind: operation.kind.to_string(),
            running: operation.phase == OperationPhase::Running,
            nodes,
            seconds: times.map(|(from, to)| to.0.duration_since(from.0).as_secs_f64()),
            last_success: last_success(&operation.kind),
        }
    };
    status.operations.iter().map(one).collect()
}

const PHASES: [NodePhase; 5] = [
    NodePhase::Pending,
    NodePhase::Running,
    NodePhase::Succeeded,
    NodePhase::Failed,
    NodePhase::Skipped,
];

fn word(phase: NodePhase) -> &'static str {
    match phase {
        NodePhase::Pending => "Pending",
        NodePhase::Running => "Running",
        NodePhase::Succeeded => "Succeeded",
        NodePhase::Failed => "Failed",
        NodePhase::Skipped => "Skipped",
    }
}

/// A value of an operation, if it is known.
type Figure = fn(&Reported) -> Option<f64>;

const FIGURES: [(&str, &str, Figure); 3] = [
    (
        "operation_running",
        "Whether the newest operation of a kind is running",
        |operation| Some(f64::from(u8::from(operation.running))),
    ),
    (
        "operation_duration_seconds",
        "Duration of the newest operation of a kind, once it has ended",
        |operation| operation.seconds,
    ),
    (
        "operation_last_success_timestamp_seconds",
        "When an operation of a kind last succeeded",
        |operation| operation.last_success,
    ),
];

impl Collector for Operations {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let clusters = self.0.all();
        for (name, help, figure) in FIGURES {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for ((namespace, cluster), operations) in clusters.iter() {
                for (operation, value) in operations
                    .iter()
                    .filter_map(|operation| Some((operation, figure(operation)?)))
                {
                    let labels = Labels {
                        namespace: namespace.clone(),
                        cluster: cluster.clone(),
                        kind: operation.kind.clone(),
                    };
                    ConstGauge::new(value).encode(metric.encode_family(&labels)?)?;
                }
            }
        }
        let help = "Nodes of the newest operation of a kind, by phase";
        let mut metric =
            encoder.encode_descriptor("operation_nodes", help, None, MetricType::Gauge)?;
        for ((namespace, cluster), operations) in clusters.iter() {
            for operation in operations {
                for (phase, count) in &operation.nodes {
                    let labels = NodeLabels {
                        namespace: namespace.clone(),
                        cluster: cluster.clone(),
                        kind: operation.kind.clone(),
                        phase,
                    };
                    ConstGauge::new(*count).encode(metric.encode_family(&labels)?)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::metrics::Metrics;
    use casskop_common::api::CassandraCluster;

    #[test]
    fn what_the_status_says_is_measured_until_the_cluster_is_gone() {
        let cluster: CassandraCluster = serde_saphyr::from_str(
            "
apiVersion: db.orange.com/v2
kind: CassandraCluster
metadata: { name: demo, namespace: ns }
spec: {}
status:
  operations:
    - kind: cleanup
      id: b
      phase: Running
      startedAt: 2026-11-22T17:00:00.000000Z
      nodes:
        - { pod: a, phase: Succeeded, attempts: 1 }
        - { pod: b, phase: Running, attempts: 1 }
        - { pod: c, phase: Pending, attempts: 0 }
    - kind: flush
      id: a
      phase: Succeeded
      startedAt: 2026-11-22T17:00:00.000000Z
      finishedAt: 2026-11-22T17:00:02.500000Z
  operationHistory:
    - kind: cleanup
      id: a
      phase: Succeeded
      startedAt: 2026-11-22T16:00:00.000000Z
      finishedAt: 2026-11-22T16:10:00.000000Z
",
        )
        .expect("a CassandraCluster");
        let metrics = Metrics::default();
        metrics.cluster(&cluster);
        let operations = |text: &str| {
            let ours = text
                .lines()
                .filter(|line| line.starts_with("casskop_operation_"));
            let mut ours: Vec<String> = ours.map(str::to_owned).collect();
            ours.sort();
            ours.join("\n")
        };
        insta::assert_snapshot!(operations(&metrics.text()));
        metrics.forget("ns", "demo");
        assert_eq!(operations(&metrics.text()), "");
    }
}
