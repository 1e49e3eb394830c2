//! `ConfigMap` with the last accepted spec. A refused spec changes nothing: the last accepted spec is reconciled
//! instead, also when an object of the cluster is deleted meanwhile.

use casskop_common::names;
use k8s_openapi::api::core::v1::ConfigMap;

use super::metadata;
use crate::desired::{
    Desired,
    accepted::{Accepted, KEY},
};

/// The `ConfigMap` for an accepted spec.
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
