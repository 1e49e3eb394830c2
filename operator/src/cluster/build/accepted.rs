//! `ConfigMap` with the spec that was accepted last. A spec that is refused changes nothing: what runs goes on being
//! looked after by this one, also when an object of it is deleted meanwhile.

use std::collections::BTreeMap;

use casskop_common::{
    api::{CassandraCluster, CassandraClusterSpec},
    names,
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Resource, ResourceExt};
use serde::{Deserialize, Serialize};

use super::{super::desired::Desired, metadata};

/// Key of the spec.
const KEY: &str = "accepted.json";

/// A spec that was accepted, with what belongs to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Accepted {
    /// The spec.
    pub spec: CassandraClusterSpec,
    /// Digest of the user's scripts at that time.
    pub scripts: Option<String>,
}

/// The `ConfigMap`, once the spec is accepted.
pub fn build(desired: &Desired) -> ConfigMap {
    let accepted = Accepted {
        spec: desired.spec.clone(),
        scripts: desired.scripts.clone(),
    };
    let json = serde_json::to_string_pretty(&accepted).unwrap_or_default();
    let labels = names::cluster_labels(&desired.name);
    ConfigMap {
        metadata: metadata(desired, names::accepted_spec(&desired.name), labels),
        data: Some([(KEY.to_owned(), json)].into()),
        ..ConfigMap::default()
    }
}

/// What was accepted last of this very resource; nothing before the first time.
pub fn read(maps: &BTreeMap<String, ConfigMap>, cluster: &CassandraCluster) -> Option<Accepted> {
    let map = maps.get(&names::accepted_spec(&cluster.name_any()))?;
    let owner = cluster.controller_owner_ref(&())?;
    let is_ours = map
        .owner_references()
        .iter()
        .any(|old| old.uid == owner.uid);
    let json = map.data.as_ref()?.get(KEY).filter(|_| is_ours)?;
    serde_json::from_str(json).ok()
}
