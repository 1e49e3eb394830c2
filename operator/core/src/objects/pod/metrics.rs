//! The parts of a pod for the metrics of Cassandra.

use casskop_common::names;

use crate::desired::Desired;

/// Name of the port, that of the Go `CassKop`.
pub(crate) const PORT: &str = "promjmx";

/// The arguments of the init container that prepares the pod.
pub(super) fn arguments(desired: &Desired) -> Vec<String> {
    let Some(metrics) = &desired.spec.metrics else {
        return Vec::new();
    };
    let tables = metrics.tables.iter();
    let tables = tables.flat_map(|pattern| ["--metrics-table".to_owned(), pattern.clone()]);
    [String::from("--metrics")]
        .into_iter()
        .chain(tables)
        .collect()
}

/// Name and number of the port.
pub(super) fn port(desired: &Desired) -> Option<(&'static str, u16)> {
    let metrics = desired.spec.metrics.as_ref();
    metrics.map(|_| (PORT, names::METRICS_PORT))
}
