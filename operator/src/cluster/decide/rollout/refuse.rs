//! Changes of racks that cannot be carried out safely.

use k8s_openapi::api::apps::v1::StatefulSet;
use kube::ResourceExt;

use super::pair::Pair;
use crate::cluster::{
    build,
    desired::{Desired, Refused, quantity_bytes},
};

/// What cannot be undone or carried out safely is refused; what runs keeps running.
pub(super) fn refuse_irreversible(pairs: &[Pair<'_>], desired: &Desired) -> Result<(), Refused> {
    for pair in pairs {
        let Some(set) = pair.live else { continue };
        let wanted = build::stateful_set::build(desired, pair.wanted, pair.live_replicas());
        let (wanted, live) = (claims(&wanted), claims(set));
        let same = wanted.len() == live.len()
            && wanted
                .iter()
                .zip(&live)
                .all(|(wanted, live)| wanted.may_follow(live));
        if !same {
            let words = |claims: &[Claim]| match claims {
                [] => "no volume".to_owned(),
                claims => claims
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", "),
            };
            return Err(Refused {
                reason: "VolumeChanged",
                message: format!(
                    "the nodes of rack {} have {} and the spec asks for {}; volumes can only grow: set dataCapacity, dataStorageClass and storageConfigs back",
                    pair.wanted.id,
                    words(&live),
                    words(&wanted)
                ),
            });
        }
    }
    Ok(())
}

/// What of a volume claim cannot be changed.
pub(super) struct Claim {
    pub(super) name: String,
    class: Option<String>,
    pub(super) size: String,
}

impl Claim {
    /// Whether a volume of the other kind may become one of this kind: the same one, or larger.
    fn may_follow(&self, before: &Self) -> bool {
        let size = |claim: &Self| quantity_bytes(&claim.size);
        self.name == before.name && self.class == before.class && size(self) >= size(before)
    }
}

impl PartialEq for Claim {
    /// Sizes are compared as numbers: the API server writes `1024Mi` as `1Gi`.
    fn eq(&self, other: &Self) -> bool {
        self.may_follow(other) && other.may_follow(self)
    }
}

impl std::fmt::Display for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let class = self.class.as_deref().unwrap_or("default");
        write!(f, "{} of {} (class {class})", self.name, self.size)
    }
}

/// The volume claims of a StatefulSet.
pub(super) fn claims(set: &StatefulSet) -> Vec<Claim> {
    let templates = set
        .spec
        .iter()
        .filter_map(|spec| spec.volume_claim_templates.as_ref())
        .flatten();
    templates
        .map(|template| {
            let spec = template.spec.clone().unwrap_or_default();
            let requests = spec.resources.and_then(|resources| resources.requests);
            let size = requests.and_then(|requests| requests.get("storage").cloned());
            Claim {
                name: template.name_any(),
                class: spec.storage_class_name,
                size: size.map(|size| size.0).unwrap_or_default(),
            }
        })
        .collect()
}
