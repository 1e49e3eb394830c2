//! Configuration of a rack, as `casskop-operator bootstrap` reads it when a pod starts.

use casskop_common::names;
use k8s_openapi::api::core::v1::ConfigMap;

use super::{
    super::desired::{Desired, DesiredRack},
    metadata,
};
use crate::bootstrap::RackConfig;

/// Key of the configuration.
pub const KEY: &str = "rack.json";

/// The ConfigMap of a rack. `formed` and the seeds are read when a pod starts and roll nothing when they change.
pub fn build(desired: &Desired, rack: &DesiredRack, seeds: &[String], formed: bool) -> ConfigMap {
    let config = RackConfig {
        cluster_name: desired.name.clone(),
        namespace: desired.namespace.clone(),
        dc: rack.id.dc.clone(),
        rack: rack.id.rack.clone(),
        seeds: seeds.to_vec(),
        formed,
        max_heap_bytes: rack.heap,
        config: rack.config.clone(),
    };
    let json = serde_json::to_string_pretty(&config).unwrap_or_default();
    let name = names::stateful_set(&desired.name, &rack.id);
    ConfigMap {
        metadata: metadata(desired, name, names::rack_labels(&desired.name, &rack.id)),
        data: Some([(KEY.to_owned(), json)].into()),
        ..ConfigMap::default()
    }
}
