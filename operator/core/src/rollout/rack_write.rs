//! One change of a rack after the other, also between two operators that do not know of each other. The status records a
//! change of a StatefulSet, and the version that it was decided from, before it is written (`status.lastRackWrite`). As
//! long as the StatefulSet has this version, the change may still be written, by the operator that decided it.

use casskop_common::{api::RackWrite, names};
use k8s_openapi::api::apps::v1::StatefulSet;
use kube_core::ResourceExt;

use crate::{
    objects::{Fence, Object},
    observed::ObservedState,
    rollout::Rollout,
};

/// Lets the rollout go on only with the change that may still be written, or makes sure first that it is not.
pub(super) fn fence(state: &ObservedState, rollout: &mut Rollout) {
    let Some((write, set)) = pending(state) else {
        return;
    };
    let version = set.resource_version().unwrap_or_default();
    let is_the_same =
        |name: String| name == write.stateful_set && version == write.resource_version;
    let mut steps = rollout.steps.iter();
    let cluster = state.name();
    if steps.any(|step| is_the_same(names::stateful_set(cluster, &step.rack.id))) {
        return;
    }
    rollout.stop();
    rollout.fence = Some(Fence {
        set: write.stateful_set.clone(),
        uid: set.uid().unwrap_or_default(),
        version,
        recorded: write.resource_version.clone(),
    });
}

/// The recorded change that may still be written, and its StatefulSet. A StatefulSet to create is not guarded by a version:
/// it is rejected if it exists by then, and Cassandra lets no node join while another one does.
fn pending(state: &ObservedState) -> Option<(&RackWrite, &StatefulSet)> {
    let write = state.cluster.status.as_ref()?.last_rack_write.as_ref()?;
    let set = state.live.stateful_sets.get(&write.stateful_set)?;
    let (live, recorded) = (set.resource_version(), &write.resource_version);
    let fenced = set.annotations().get(names::FENCED_VERSION);
    // The versions of a restored or migrated API server may be smaller for ever.
    let is_settled = recorded.is_empty()
        || fenced == Some(recorded)
        || is_newer(live.as_deref().unwrap_or_default(), recorded);
    (!is_settled).then_some((write, set))
}

/// Whether a version is newer than another one. Versions of a kind are increasing numbers.
fn is_newer(version: &str, than: &str) -> bool {
    match (version.parse::<u64>(), than.parse::<u64>()) {
        (Ok(version), Ok(than)) => version > than,
        _ => version != than,
    }
}

/// The change to record before these objects are written. None while the ring is formed, or racks are restored: then the
/// racks start at the same time, and no pod that runs is replaced.
pub fn intended(objects: &[Object], rollout: &Rollout, state: &ObservedState) -> Option<RackWrite> {
    if !rollout.formed || rollout.restores {
        return None;
    }
    let mut sets = objects.iter().filter_map(|object| match object {
        Object::StatefulSet(set) | Object::Recreated(set) => Some(set),
        _ => None,
    });
    let set = sets.next()?.name_any();
    let live = state.live.stateful_sets.get(&set);
    Some(RackWrite {
        resource_version: live
            .and_then(ResourceExt::resource_version)
            .unwrap_or_default(),
        stateful_set: set,
    })
}
