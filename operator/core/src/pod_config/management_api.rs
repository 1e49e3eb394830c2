//! The files of the Management API in a pod.

/// Keys of the Secret, and names of the files: authority, certificate, private key.
pub const KEYS: [&str; 3] = ["ca.crt", "tls.crt", "tls.key"];
/// Folder of the Secret in a pod: in the init container, and in the Cassandra container, which takes a renewal from there.
pub const SECRET_DIRECTORY: &str = "/casskop-management-api";
/// Folder of the files.
pub const DIRECTORY: &str = "/etc/cassandra/management-api";
/// Name of the folder in the configuration.
pub const FOLDER: &str = "management-api";
/// File with the name that the certificate of the ring has.
pub const NAME: &str = "name";
/// File with the settings of the agent's metrics.
pub const METRICS: &str = "metrics-collector.yaml";

/// The settings of the agent's metrics. By default it serves them without authentication on all addresses.
pub const METRICS_SETTINGS: &str = "endpoint:\n  address: \"127.0.0.1\"\n  port: \"9000\"\n";

/// The JVM option that names the settings.
pub(super) fn metrics_option() -> String {
    format!("-Dcollector-config-path={DIRECTORY}/{METRICS}")
}

/// Why a Secret is not meant for the nodes; nothing if it is. Only the label says so: Secrets with certificates are made
/// for many purposes, and look the same.
pub fn not_meant_because(label: Option<&str>) -> Option<&'static str> {
    match label {
        Some("true") => None,
        Some(_) => Some("its label db.orange.com/node-credentials is not true"),
        None => Some("it has no label db.orange.com/node-credentials"),
    }
}
