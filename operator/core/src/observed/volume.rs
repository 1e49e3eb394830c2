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
    /// Its storage class.
    pub class: Option<String>,
    /// Whether it is being deleted.
    pub deleting: bool,
}

impl Volume {
    /// Whether the claim is not bound yet, or has not been resized yet.
    pub fn waits(&self) -> bool {
        let has = self.capacity.as_deref().and_then(quantity::parse);
        has.is_none() || has < quantity::parse(&self.requested)
    }

    /// Reads the fields from a claim.
    pub fn of(claim: &PersistentVolumeClaim) -> Self {
        let spec = claim.spec.clone().unwrap_or_default();
        let requests = spec.resources.and_then(|resources| resources.requests);
        let capacity = claim
            .status
            .as_ref()
            .and_then(|status| status.capacity.clone());
        let storage =
            |sizes: BTreeMap<String, Quantity>| sizes.get("storage").map(|size| size.0.clone());
        let labels = claim.labels();
        let rack = labels
            .get(names::DC_LABEL)
            .zip(labels.get(names::RACK_LABEL));
        Self {
            uid: claim.uid().unwrap_or_default(),
            version: claim.resource_version().unwrap_or_default(),
            rack: rack.map(|(dc, rack)| RackId::new(dc, rack)),
            owners: claim.owner_references().to_vec(),
            requested: requests.and_then(storage).unwrap_or_default(),
            capacity: capacity.and_then(storage),
            class: spec.storage_class_name,
            deleting: claim.metadata.deletion_timestamp.is_some(),
        }
    }
}
