//! The configuration of Cassandra pods: what travels to them in a rack's ConfigMap, and the files that follow from it.
//! Reading and writing files is the init container's business.

pub mod cassandra_yaml;
pub mod certificates;
mod encryption;
pub mod environment;
pub mod jolokia_secret;
pub mod jvm_options;
pub mod logins;
pub mod management_api;
pub mod metrics;
mod nodes;
mod rack;
pub mod restore;
mod secrets;
pub mod seeds;
pub mod started;
pub mod tokens;

pub use encryption::{CLIENT_SECTION, Encryption, INTERNODE_SECTION};
pub use jvm_options::SECTIONS;
pub use nodes::{LostVolume, Nodes};
pub use rack::RackConfig;
pub use secrets::{CertificateUse, NodeSecrets, PASSWORD_VOLUME};

/// Whether the primary address of a pod is an IPv6 address.
pub(crate) fn is_ipv6(pod_ip: &str) -> bool {
    pod_ip.contains(':')
}

/// Name of the init container that copies the configuration of the image.
pub const COPY_CONTAINER: &str = "base-config-builder";

/// Name of the init container that prepares a pod.
pub const BOOTSTRAP_CONTAINER: &str = "bootstrap";

/// Names of the init containers that run the scripts of the user, before and after the configuration is in use.
pub const SCRIPT_CONTAINERS: [&str; 2] = ["pre-run", "post-run"];

/// Name of the operator's binary in the configuration folder, for the kubelet's probes.
pub const PROBE: &str = "casskop-operator";

/// The argument of `-javaagent:`. The password stands in a file, because arguments show in `ps`, in Cassandra's own log and
/// through JMX.
pub const AGENT_ARGUMENT: &str =
    "/etc/cassandra/jolokia-agent.jar=config=/etc/cassandra/jolokia.properties";
