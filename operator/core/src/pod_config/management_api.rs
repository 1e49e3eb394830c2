//! The settings of the agent of the Management API in a pod.

use casskop_common::api::NodeTransport;

use super::certificates::{CONFIG, Place};

/// Name of the agent in `cassandra-env.sh` of its images.
const AGENT: &str = "datastax-mgmtapi-agent.jar";
/// File with the settings of the agent's metrics, beside the certificates, or in the configuration where there are none.
pub const METRICS: &str = "metrics-collector.yaml";

/// The settings of the agent's metrics. By default it serves them without authentication on all addresses.
pub const METRICS_SETTINGS: &str = "endpoint:\n  address: \"127.0.0.1\"\n  port: \"9000\"\n";

/// The JVM option that names the settings.
pub(super) fn metrics_option() -> Option<String> {
    let place = Place::of(NodeTransport::ManagementApi)?;
    Some(option(&place.file(METRICS)))
}

/// The same where the node is reached in another way, and `cassandra-env.sh` of its image loads the agent: the metrics listen then,
/// too, although there is no Management API.
pub fn metrics_option_beside(script: &str) -> Option<String> {
    let mut lines = script.lines().map(str::trim_start);
    let is_loaded = lines.any(|line| !line.starts_with('#') && line.contains(AGENT));
    is_loaded.then(|| option(&format!("{CONFIG}/{METRICS}")))
}

fn option(path: &str) -> String {
    format!("-Dcollector-config-path={path}")
}
