//! Changes of racks that this version cannot carry out safely.

use casskop_common::names;
use k8s_openapi::api::apps::v1::StatefulSet;

use super::pair::Pair;
use crate::cluster::{desired::Refused, snapshot::Snapshot};

/// What this version cannot undo or carry out safely is refused; what runs keeps running.
pub(super) fn refuse_irreversible(pairs: &[Pair<'_>], snapshot: &Snapshot) -> Result<(), Refused> {
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
        let (capacity, wanted) = (data_capacity(set), &pair.wanted.capacity);
        if capacity != *wanted {
            let size = |size: &Option<String>| size.clone().unwrap_or_else(|| "no volume".into());
            return refuse(
                "VolumeChanged",
                format!(
                    "the nodes of rack {rack} have {} and the spec asks for {}; this version does not change volumes: set dataCapacity back",
                    size(&capacity),
                    size(wanted)
                ),
            );
        }
    }
    Ok(())
}

fn data_capacity(set: &StatefulSet) -> Option<String> {
    let claims = set.spec.as_ref()?.volume_claim_templates.as_ref()?;
    let data = claims
        .iter()
        .find(|claim| claim.metadata.name.as_deref() == Some(names::DATA_VOLUME))?;
    let requests = data.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?;
    requests.get("storage").map(|size| size.0.clone())
}
