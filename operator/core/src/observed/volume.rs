//! A volume claim.

use std::collections::BTreeMap;

use casskop_common::{
    names::{self, RackId},
    quantity,
};
use k8s_openapi::{
    api::core::v1::PersistentVolumeClaim,
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::OwnerReference},
};
use kube_core::ResourceExt;

/// The scheduler writes the machine of a claim while it places a pod.
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";

/// The fields of a volume claim that the operator uses.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Volume {
    /// Its UID.
    pub uid: String,
    /// Its resource version.
    pub version: String,
    /// The rack in its labels.
    pub rack: Option<RackId>,
    /// Its owners. The garbage collector deletes a claim when all its owners are gone.
    pub owners: Vec<OwnerReference>,
    /// Requested size.
    pub requested: String,
    /// Actual size, once the claim is bound.
    pub capacity: Option<String>,
    /// Whether the scheduler has chosen a machine for it (`volume.kubernetes.io/selected-node`), or it names its volume.
    pub is_placed: bool,
    /// Its storage class.
    pub class: Option<String>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Whether the volume has its new size, and the file system on it does not (`FileSystemResizePending`). Some storage
    /// grows the file system only when a pod starts.
    pub awaits_file_system: bool,
}

impl Volume {
    /// Whether the claim is not bound yet, or has not been resized yet.
    pub fn waits(&self) -> bool {
        let has = self.capacity.as_deref().and_then(quantity::parse);
        has.is_none() || has < quantity::parse(&self.requested)
    }

    /// Whether a claim of this name is one of a node of the cluster: `<volume>-<pod>`, for a pod of the rack in the
    /// labels.
    pub fn is_of_a_node(&self, cluster: &str, claim: &str) -> bool {
        let rack = self.rack.as_ref();
        let set = rack.map(|rack| names::stateful_set(cluster, rack));
        let parts = claim.rsplit_once('-').zip(set);
        parts.is_some_and(|((of, ordinal), set)| {
            let template = of.strip_suffix(&set).and_then(|of| of.strip_suffix('-'));
            template.is_some_and(|template| !template.is_empty()) && ordinal.parse::<u32>().is_ok()
        })
    }

    /// Reads the fields from a claim.
    pub fn of(claim: &PersistentVolumeClaim) -> Self {
        let spec = claim.spec.clone().unwrap_or_default();
        let requests = spec.resources.and_then(|resources| resources.requests);
        let capacity = claim
            .status
            .as_ref()
            .and_then(|status| status.capacity.clone());
        let conditions = claim
            .status
            .as_ref()
            .and_then(|status| status.conditions.as_deref())
            .unwrap_or_default();
        let storage =
            |sizes: BTreeMap<String, Quantity>| sizes.get("storage").map(|size| size.0.clone());
        let labels = claim.labels();
        let rack = labels
            .get(names::DC_LABEL)
            .zip(labels.get(names::RACK_LABEL));
        let is_placed = claim.annotations().contains_key(SELECTED_NODE);
        Self {
            uid: claim.uid().unwrap_or_default(),
            version: claim.resource_version().unwrap_or_default(),
            rack: rack.map(|(dc, rack)| RackId::new(dc, rack)),
            owners: claim.owner_references().to_vec(),
            requested: requests.and_then(storage).unwrap_or_default(),
            capacity: capacity.and_then(storage),
            is_placed: is_placed || spec.volume_name.is_some(),
            class: spec.storage_class_name,
            awaits_file_system: conditions.iter().any(|condition| {
                condition.type_ == "FileSystemResizePending" && condition.status == "True"
            }),
            deleting: claim.metadata.deletion_timestamp.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_claim_tells_that_its_file_system_is_not_grown_yet() {
        for (kind, status, pending) in [
            ("FileSystemResizePending", "True", true),
            ("FileSystemResizePending", "False", false),
            ("Resizing", "True", false),
        ] {
            let claim = json!({
                "metadata": { "name": "data-demo-dc1-rack1-0" },
                "status": { "capacity": { "storage": "1Gi" }, "conditions": [{ "type": kind, "status": status }] },
            });
            let volume = Volume::of(&serde_json::from_value(claim).expect("a claim"));
            assert_eq!(volume.awaits_file_system, pending, "{kind} {status}");
        }
    }
}
