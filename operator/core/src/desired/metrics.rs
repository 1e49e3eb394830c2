//! Checks of the metrics of Cassandra, `spec.metrics`.

use casskop_common::{api::CassandraClusterSpec, conditions::Reason, names};

use crate::{desired::refused, pod_config::metrics, refusal::Refusal};

/// Refuses what the agent cannot do: a node does not start with an agent that fails.
///
/// # Errors
/// A pattern that names no tables, or a port that another container has.
pub(super) fn check(spec: &CassandraClusterSpec) -> Result<(), Refusal> {
    let Some(wanted) = &spec.metrics else {
        return Ok(());
    };
    let invalid = |message: String| Err(refused(Reason::InvalidConfig, message));
    if let Err(message) = metrics::settings(wanted) {
        return invalid(format!("metrics.tables: {message}"));
    }
    let port = names::METRICS_PORT;
    let mut sidecars = spec.sidecar_configs.iter();
    let other = sidecars.find(|sidecar| {
        let mut ports = sidecar.ports.iter().flatten();
        ports.any(|used| used.container_port == i32::from(port))
    });
    other.map_or(Ok(()), |sidecar| {
        invalid(format!(
            "metrics: the container '{}' of sidecarConfigs has port {port}, which the metrics of Cassandra have: give it another one, or remove one of them",
            sidecar.name
        ))
    })
}
