//! The ends of the certificates of all clusters, as last read.

use std::{collections::BTreeMap, fmt};

use casskop_core::authority::Validity;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};

use crate::metrics::by_cluster::ByCluster;

/// The ends of the certificates of each cluster by Secret, in seconds since 1970.
#[derive(Clone, Debug, Default)]
pub(super) struct Certificates(ByCluster<BTreeMap<String, i64>>);

#[derive(Clone, Debug, EncodeLabelSet)]
struct Labels {
    namespace: String,
    cluster: String,
    secret: String,
}

impl Certificates {
    /// Records the certificates of a cluster.
    pub(super) fn report(
        &self,
        namespace: &str,
        cluster: &str,
        validities: &BTreeMap<String, Validity>,
    ) {
        let ends = validities.iter();
        let ends = ends.map(|(secret, validity)| (secret.clone(), validity.expires_at.as_second()));
        self.0.report(namespace, cluster, ends.collect());
    }

    /// Removes a deleted cluster.
    pub(super) fn forget(&self, namespace: &str, cluster: &str) {
        self.0.forget(namespace, cluster);
    }
}

impl Collector for Certificates {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let clusters = self.0.all();
        let mut family = encoder.encode_descriptor(
            "certificate_expiration_timestamp_seconds",
            "End of the certificate in a Secret that the nodes of a cluster use, in seconds since 1970",
            None,
            MetricType::Gauge,
        )?;
        for ((namespace, cluster), ends) in &*clusters {
            for (secret, end) in ends {
                let labels = Labels {
                    namespace: namespace.clone(),
                    cluster: cluster.clone(),
                    secret: secret.clone(),
                };
                ConstGauge::new(*end).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
