//! The settings of the agent of the Management API in a pod.

use casskop_common::api::NodeTransport;

use super::certificates::Place;

/// File with the settings of the agent's metrics, beside the certificates.
pub const METRICS: &str = "metrics-collector.yaml";

/// The settings of the agent's metrics. By default it serves them without authentication on all addresses.
pub const METRICS_SETTINGS: &str = "endpoint:\n  address: \"127.0.0.1\"\n  port: \"9000\"\n";

/// The JVM option that names the settings.
pub(super) fn metrics_option() -> Option<String> {
    let place = Place::of(NodeTransport::ManagementApi)?;
    Some(format!("-Dcollector-config-path={}", place.file(METRICS)))
}
