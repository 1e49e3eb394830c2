//! Complete backups of all clusters, as last reported in their status; the values are correct again after a restart of the
//! operator. A failed backup is in the metrics of the operations.

use std::{collections::BTreeMap, fmt};

use casskop_common::api::{BackupStatus, CassandraCluster};
use kube::ResourceExt;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};

use crate::metrics::by_cluster::ByCluster;

/// The backups of each cluster.
#[derive(Clone, Debug, Default)]
pub(super) struct Backups(ByCluster<BTreeMap<Group, Reported>>);

/// Backups that stand for each other. One of some keyspaces, or without some nodes, never stands for a whole one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    store: String,
    whole: bool,
}

/// The reported values of a group.
#[derive(Debug)]
struct Reported {
    /// Begin of the newest one: what was written later may be lost with the cluster.
    last: i64,
    /// Bytes of the newest one.
    bytes: i64,
    /// Begin of the oldest one.
    first: i64,
}

#[derive(Clone, Debug, EncodeLabelSet)]
struct Labels {
    namespace: String,
    cluster: String,
    store: String,
    whole: &'static str,
}

impl Backups {
    /// Records the backups in the status of a cluster.
    pub(super) fn report(&self, cluster: &CassandraCluster) {
        let stores = cluster.spec.backup.as_ref();
        // One in the bucket that its store had before is none of today's.
        let is_there = |backup: &&BackupStatus| {
            let store = stores.and_then(|stores| stores.store(&backup.store));
            store.is_none_or(|store| backup.is_in(store))
        };
        let status = cluster.status.iter();
        let reported = reported(status.flat_map(|status| &status.backups).filter(is_there));
        let namespace = cluster.namespace().unwrap_or_default();
        self.0.report(&namespace, &cluster.name_any(), reported);
    }

    /// Removes a deleted cluster.
    pub(super) fn forget(&self, namespace: &str, name: &str) {
        self.0.forget(namespace, name);
    }
}

fn reported<'a>(backups: impl Iterator<Item = &'a BackupStatus>) -> BTreeMap<Group, Reported> {
    let mut groups: BTreeMap<Group, Reported> = BTreeMap::new();
    for backup in backups {
        let began = backup.started_at.0.as_second();
        let group = Group {
            store: backup.store.clone(),
            whole: backup.is_whole(),
        };
        let known = groups.entry(group).or_insert(Reported {
            last: began,
            bytes: backup.bytes,
            first: began,
        });
        if began > known.last {
            (known.last, known.bytes) = (began, backup.bytes);
        }
        known.first = known.first.min(began);
    }
    groups
}

/// A value of a group.
type Figure = fn(&Reported) -> i64;

const FIGURES: [(&str, &str, Figure); 3] = [
    (
        "backup_last_success_timestamp_seconds",
        "When the newest complete backup in a store began, in seconds since 1970: all that was written before is in it. whole=\"false\": backups of some keyspaces, or without some nodes",
        |backups| backups.last,
    ),
    (
        "backup_last_success_bytes",
        "Bytes of all files of the newest complete backup in a store, those that an earlier one has among them",
        |backups| backups.bytes,
    ),
    (
        "backup_first_recoverability_timestamp_seconds",
        "When the oldest complete backup in a store began that the status has, in seconds since 1970",
        |backups| backups.first,
    ),
];

impl Collector for Backups {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let clusters = self.0.all();
        for (name, help, figure) in FIGURES {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for ((namespace, cluster), groups) in clusters.iter() {
                for (group, reported) in groups {
                    let labels = Labels {
                        namespace: namespace.clone(),
                        cluster: cluster.clone(),
                        store: group.store.clone(),
                        whole: if group.whole { "true" } else { "false" },
                    };
                    ConstGauge::new(figure(reported)).encode(metric.encode_family(&labels)?)?;
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
    fn a_backup_of_a_part_does_not_stand_for_a_whole_one() {
        let cluster: CassandraCluster = serde_saphyr::from_str(
            "
apiVersion: db.orange.com/v2
kind: CassandraCluster
metadata: { name: demo, namespace: ns }
spec: {}
status:
  backups:
    - { id: part, store: s3, startedAt: '2026-12-03T02:00:00.5Z', completedAt: '2026-12-03T02:10:00Z', bytes: 10, keyspaces: [orders] }
    - { id: three, store: s3, startedAt: '2026-12-02T02:00:00Z', completedAt: '2026-12-02T05:10:00Z', bytes: 300 }
    - { id: two, store: nfs, startedAt: '2026-12-01T02:00:00Z', completedAt: '2026-12-01T02:10:00Z', bytes: 200 }
    - { id: one, store: s3, startedAt: '2026-11-30T02:00:00Z', completedAt: '2026-12-02T06:00:00Z', bytes: 100 }
",
        )
        .expect("a CassandraCluster");
        let metrics = Metrics::default();
        metrics.cluster(&cluster);
        let measured = |text: &str| {
            let ours = text
                .lines()
                .filter(|line| line.starts_with("casskop_backup_"));
            ours.map(|line| line.to_owned() + "\n").collect::<String>()
        };
        insta::assert_snapshot!(measured(&metrics.text()));
        metrics.forget("ns", "demo");
        assert_eq!(measured(&metrics.text()), "");
    }
}
