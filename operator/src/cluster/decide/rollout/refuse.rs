//! Changes of racks that this version cannot carry out safely.

use casskop_common::names;
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::ResourceExt;

use super::pair::Pair;
use crate::cluster::{
    build,
    desired::{Desired, Refused, quantity_bytes},
    snapshot::Snapshot,
};

/// What this version cannot undo or carry out safely is refused; what runs keeps running.
pub(super) fn refuse_irreversible(
    pairs: &[Pair<'_>],
    desired: &Desired,
    snapshot: &Snapshot,
) -> Result<(), Refused> {
    let refuse = |reason, message| Err(Refused { reason, message });
    for (rack, _) in snapshot.racks() {
        if pairs.iter().all(|pair| pair.wanted.id != rack) {
            return refuse(
                "RackRemoved",
                format!(
                    "rack {rack} is not in the spec any more, but its nodes hold data; this version does not remove racks: put it back"
                ),
            );
        }
    }
    for pair in pairs {
        let (rack, wanted, live) = (&pair.wanted.id, pair.wanted.replicas, pair.live_replicas());
        if wanted < live {
            return refuse(
                "Shrunk",
                format!(
                    "rack {rack} has {live} nodes and the spec asks for {wanted}; this version does not decommission nodes: set it back to {live}"
                ),
            );
        }
        let Some(set) = pair.live else { continue };
        if !set.annotations().contains_key(names::INPUTS_DIGEST) {
            return refuse(
                "NotOurs",
                format!(
                    "StatefulSet {} of rack {rack} was made by somebody else, such as the Go CassKop; this version does not take it over: use another cluster name",
                    set.name_any()
                ),
            );
        }
        let wanted = build::stateful_set::build(desired, pair.wanted, live);
        let (wanted, live) = (claims(&wanted), claims(set));
        if wanted != live {
            let words = |claims: &[Claim]| match claims {
                [] => "no volume".to_owned(),
                claims => claims
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", "),
            };
            return refuse(
                "VolumeChanged",
                format!(
                    "the nodes of rack {rack} have {} and the spec asks for {}; this version does not change volumes: set dataCapacity, dataStorageClass and storageConfigs back",
                    words(&live),
                    words(&wanted)
                ),
            );
        }
    }
    Ok(())
}

/// What of a volume claim cannot be changed.
struct Claim {
    name: String,
    class: Option<String>,
    size: String,
}

impl PartialEq for Claim {
    /// Sizes are compared as numbers: the API server writes `1024Mi` as `1Gi`.
    fn eq(&self, other: &Self) -> bool {
        let same_size = quantity_bytes(&self.size) == quantity_bytes(&other.size);
        self.name == other.name && self.class == other.class && same_size
    }
}

impl std::fmt::Display for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let class = self.class.as_deref().unwrap_or("default");
        write!(f, "{} of {} (class {class})", self.name, self.size)
    }
}

fn claims(set: &StatefulSet) -> Vec<Claim> {
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
