//! Configuration of a rack, which `casskop-operator bootstrap` reads when a pod starts.

use casskop_common::names::{self, RackId};
use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta};

use crate::{
    desired::{Desired, DesiredRack},
    objects::metadata,
    pod_config::{Nodes, RackConfig, restore::RestoreConfig},
};

/// Key of the configuration.
pub const KEY: &str = RackConfig::KEY;

/// Key of the node data.
const NODES: &str = "nodes.json";

/// Key of the ring mark.
const FORMED: &str = "formed";

/// Key of the name of the ring, in the ring mark.
const RING_NAME: &str = "clusterName";

/// The ConfigMap of a rack. Pods read it when they start, so a change of `formed` or of the seeds rolls out nothing.
pub fn build(
    desired: &Desired,
    rack: &DesiredRack,
    seeds: &[String],
    formed: bool,
    ring_name: &str,
    (nodes, restore): (&Nodes, Option<&RestoreConfig>),
) -> ConfigMap {
    let config = RackConfig {
        cluster_name: desired.name.clone(),
        ring_name: (ring_name != desired.name).then(|| ring_name.to_owned()),
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
        restore: restore.cloned(),
        config: rack.config.clone(),
    };
    let json = serde_json::to_string_pretty(&config).unwrap_or_default();
    with_nodes(desired, &rack.id, json, nodes)
}

/// The live configuration of a rack with updated node data. None if the rack has no configuration yet.
pub fn renew(
    desired: &Desired,
    rack: &RackId,
    live: &ConfigMap,
    nodes: &Nodes,
) -> Option<ConfigMap> {
    let json = live.data.as_ref()?.get(KEY)?.clone();
    Some(with_nodes(desired, rack, json, nodes))
}

fn with_nodes(desired: &Desired, rack: &RackId, json: String, nodes: &Nodes) -> ConfigMap {
    let name = names::stateful_set(&desired.name, rack);
    let nodes = serde_json::to_string_pretty(nodes).unwrap_or_default();
    ConfigMap {
        metadata: metadata(desired, name, names::rack_labels(&desired.name, rack)),
        data: Some([(KEY.to_owned(), json), (NODES.to_owned(), nodes)].into()),
        ..ConfigMap::default()
    }
}

/// The node data in the ConfigMap of a rack.
pub fn nodes(map: &ConfigMap) -> Nodes {
    let json = map.data.as_ref().and_then(|data| data.get(NODES));
    json.and_then(|json| serde_json::from_str(json).ok())
        .unwrap_or_default()
}

/// The seeds in the ConfigMap of a rack.
pub fn seeds(map: &ConfigMap) -> Option<Vec<String>> {
    Some(RackConfig::of(map)?.seeds)
}

/// Whether the ConfigMap is the configuration of a rack and records a formed ring.
pub fn records_formation(map: &ConfigMap) -> bool {
    RackConfig::of(map).is_some_and(|config| config.formed)
}

/// The mark of a formed ring, and the name of the ring. It has no owner here: its owners follow those of the volumes, so
/// that it stays as long as they do ([`super::volume_owner`]).
pub fn ring_mark(desired: &Desired, formed: bool, ring_name: &str) -> ConfigMap {
    let name = names::ring_mark(&desired.name);
    ConfigMap {
        metadata: ObjectMeta {
            owner_references: None,
            ..metadata(desired, name, names::cluster_labels(&desired.name))
        },
        data: Some(
            [
                (FORMED.to_owned(), formed.to_string()),
                (RING_NAME.to_owned(), ring_name.to_owned()),
            ]
            .into(),
        ),
        ..ConfigMap::default()
    }
}

/// The name of the ring in the mark; none in the mark of an earlier version.
pub fn marked_name(mark: &ConfigMap) -> Option<&String> {
    mark.data.as_ref()?.get(RING_NAME)
}

/// Whether the mark records a formed ring.
pub fn is_marked(mark: &ConfigMap) -> bool {
    mark.data
        .as_ref()
        .is_some_and(|data| data.get(FORMED).is_some_and(|formed| formed == "true"))
}
