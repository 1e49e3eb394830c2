//! Decisions of the operator for the pods of one rack; travels in the rack's ConfigMap.

use k8s_openapi::api::core::v1::ConfigMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::restore::RestoreConfig;

/// Configuration of the pods of one rack.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RackConfig {
    /// Name of the `CassandraCluster`.
    pub cluster_name: String,
    /// Name of the ring (`cluster_name` of Cassandra), if it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring_name: Option<String>,
    /// Namespace of the cluster.
    pub namespace: String,
    /// Data center of these pods.
    pub dc: String,
    /// Rack of these pods.
    pub rack: String,
    /// Racks of the data center.
    #[serde(default)]
    pub racks_in_dc: i64,
    /// Seeds of the ring by name, those outside this Kubernetes cluster among them.
    pub seeds: Vec<String>,
    /// Whether the ring has been formed: from then on a node without data must join it and never form its own.
    pub formed: bool,
    /// Bytes of heap, unless `config` sets them.
    pub max_heap_bytes: i64,
    /// The backup that the ring begins with, until it is formed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<RestoreConfig>,
    /// `spec.config`, merged for this rack.
    pub config: Value,
}

impl RackConfig {
    /// Its key in the `ConfigMap` of the rack.
    pub const KEY: &str = "rack.json";

    /// Reads it from the `ConfigMap` of a rack.
    pub fn of(map: &ConfigMap) -> Option<Self> {
        let json = map.data.as_ref()?.get(Self::KEY)?;
        serde_json::from_str(json).ok()
    }

    /// Lowers the heap to a quarter of the memory (bytes) that the Cassandra container really has. A limit may be unknown to
    /// the operator: the default of a `LimitRange`, or the size of the Kubernetes node if the container has no limit.
    pub fn limit_heap(&mut self, memory: i64) {
        if memory > 0 {
            self.max_heap_bytes = self.max_heap_bytes.min(memory / 4);
        }
    }

    /// Name of the ring, as the nodes of this rack are told.
    pub fn ring_name(&self) -> &str {
        let users = self.config["cassandra-yaml"]["cluster_name"].as_str();
        let own = || self.ring_name.as_deref().unwrap_or(&self.cluster_name);
        users.unwrap_or_else(own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heap_is_at_most_a_quarter_of_the_real_memory() {
        const MIB: i64 = 1024 * 1024;
        for (decided, memory, heap) in [
            (2048, 512, 128),
            (2048, 64 * 1024, 2048),
            (256, 1024, 256),
            (2048, 0, 2048),
        ] {
            let mut rack = RackConfig {
                max_heap_bytes: decided * MIB,
                ..RackConfig::default()
            };
            rack.limit_heap(memory * MIB);
            assert_eq!(rack.max_heap_bytes, heap * MIB, "{decided} {memory}");
        }
    }
}
