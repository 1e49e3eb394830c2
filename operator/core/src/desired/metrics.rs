//! Checks of the metrics of Cassandra, `spec.metrics`.

use casskop_common::{api::CassandraClusterSpec, conditions::Reason, names};
use k8s_openapi::api::core::v1::ContainerPort;
use serde_json::Value;

use crate::{
    desired::{DesiredRack, refused},
    pod_config::metrics,
    refusal::Refusal,
};

/// Options of Cassandra that are ports.
const PORTS: [&str; 4] = [
    "native_transport_port",
    "native_transport_port_ssl",
    "storage_port",
    "ssl_storage_port",
];

/// Refuses what the agent cannot do: a node does not start with an agent that fails, or that has taken the port of another part.
///
/// # Errors
/// A pattern that names no tables, or a port that another part of the pod has.
pub(super) fn check(spec: &CassandraClusterSpec, racks: &[DesiredRack]) -> Result<(), Refusal> {
    let Some(wanted) = &spec.metrics else {
        return Ok(());
    };
    let invalid = |message: String| Err(refused(Reason::InvalidConfig, message));
    if let Err(message) = metrics::check(wanted) {
        return invalid(format!("metrics.tables: {message}"));
    }
    let port = names::METRICS_PORT;
    let other = sidecar(spec).or_else(|| racks.iter().find_map(setting));
    other.map_or(Ok(()), |other| {
        invalid(format!(
            "metrics: {other} {port}, the port of the metrics of Cassandra: give it another one, or remove one of them"
        ))
    })
}

fn sidecar(spec: &CassandraClusterSpec) -> Option<String> {
    let is_taken = |port: &ContainerPort| {
        let protocol = port.protocol.as_deref();
        port.container_port == i32::from(names::METRICS_PORT)
            && protocol.is_none_or(|protocol| protocol == "TCP")
    };
    let mut sidecars = spec.sidecar_configs.iter();
    let sidecar = sidecars.find(|sidecar| sidecar.ports.iter().flatten().any(is_taken))?;
    Some(format!(
        "the container '{}' of sidecarConfigs has port",
        sidecar.name
    ))
}

/// Options of the JVM may name an agent with the port in its arguments.
fn setting(rack: &DesiredRack) -> Option<String> {
    let yaml = &rack.config["cassandra-yaml"];
    let mut ports = PORTS.into_iter();
    if let Some(key) = ports.find(|key| yaml[*key] == names::METRICS_PORT) {
        return Some(format!("cassandra-yaml.{key} of {} is", rack.id));
    }
    has_agent(&rack.config).then(|| format!("an agent of config of {} has port", rack.id))
}

fn has_agent(config: &Value) -> bool {
    match config {
        Value::String(option) => option.split_whitespace().any(is_agent_with_port),
        Value::Array(all) => all.iter().any(has_agent),
        Value::Object(all) => all.values().any(has_agent),
        _ => false,
    }
}

fn is_agent_with_port(option: &str) -> bool {
    let arguments = option
        .strip_prefix("-javaagent:")
        .and_then(|agent| agent.split_once('='));
    let port = names::METRICS_PORT.to_string();
    arguments.is_some_and(|(_, arguments)| {
        let mut numbers = arguments.split(|c: char| !c.is_ascii_digit());
        numbers.any(|number| number == port)
    })
}
