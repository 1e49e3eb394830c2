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

/// Key of the mark.
const FORMED: &str = "formed";

/// The ConfigMap of a rack. `formed` and the seeds are read when a pod starts and roll nothing when they change.
pub fn build(desired: &Desired, rack: &DesiredRack, seeds: &[String], formed: bool) -> ConfigMap {
    let config = RackConfig {
        cluster_name: desired.name.clone(),
        namespace: desired.namespace.clone(),
        dc: rack.id.dc.clone(),
        rack: rack.id.rack.clone(),
        racks_in_dc: i64::try_from(
            desired
                .racks
                .iter()
                .filter(|other| other.id.dc == rack.id.dc)
                .count(),
        )
        .unwrap_or_default(),
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

/// Whether the ConfigMap is of a rack that was told that the ring is formed.
pub fn says_formed(map: &ConfigMap) -> bool {
    let json = map.data.as_ref().and_then(|data| data.get(KEY));
    let config = json.and_then(|json| serde_json::from_str::<RackConfig>(json).ok());
    config.is_some_and(|config| config.formed)
}

/// The mark that the ring was formed. Nobody owns it: it stays as long as the volumes do.
pub fn ring_mark(desired: &Desired, formed: bool) -> ConfigMap {
    let name = names::ring_mark(&desired.name);
    let mut map = ConfigMap {
        metadata: metadata(desired, name, names::cluster_labels(&desired.name)),
        data: Some([(FORMED.to_owned(), formed.to_string())].into()),
        ..ConfigMap::default()
    };
    map.metadata.owner_references = None;
    map
}

/// Whether the mark says that the ring was formed.
pub fn is_marked(mark: &ConfigMap) -> bool {
    mark.data
        .as_ref()
        .is_some_and(|data| data.get(FORMED).is_some_and(|formed| formed == "true"))
}
