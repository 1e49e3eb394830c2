//! The last accepted spec, stored in the ConfigMap of `objects::accepted_spec`.

use std::collections::BTreeMap;

use casskop_common::{
    api::{CassandraCluster, CassandraClusterSpec},
    names,
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube_core::{Resource, ResourceExt};
use serde::{Deserialize, Serialize};

/// Key of the spec.
pub const KEY: &str = "accepted.json";

/// An accepted spec and its inputs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Accepted {
    /// The spec.
    pub spec: CassandraClusterSpec,
    /// Digest of the user's scripts when the spec was accepted.
    pub scripts: Option<String>,
}

/// The last accepted spec of the same resource, by UID. None before a spec is accepted.
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
