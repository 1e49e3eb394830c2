//! The ends of the certificates of all clusters, as last read.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use casskop_core::authority::Validity;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};

/// The ends of the certificates.
#[derive(Clone, Debug, Default)]
pub(super) struct Certificates(Arc<Mutex<Clusters>>);

/// Seconds since 1970, by namespace and name of the cluster, and by Secret.
type Clusters = BTreeMap<(String, String), BTreeMap<String, i64>>;

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
        let mut clusters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        clusters.insert((namespace.to_owned(), cluster.to_owned()), ends.collect());
    }

    /// Removes a deleted cluster.
    pub(super) fn forget(&self, namespace: &str, cluster: &str) {
        let mut clusters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        clusters.remove(&(namespace.to_owned(), cluster.to_owned()));
    }
}

impl Collector for Certificates {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let clusters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
