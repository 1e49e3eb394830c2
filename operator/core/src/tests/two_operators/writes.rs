//! Writes of objects: each may be refused, committed without an answer, repeated, or arrive late; the API server compares
//! versions and UIDs.

use crate::{
    objects::Object, observed::OwnedObjects, plan::Plan, rollout::Removal, simulation::World,
};
use kube_core::ResourceExt;

/// One request.
#[derive(Clone, Debug)]
pub(super) enum Write {
    /// An object is applied.
    Apply(Object),
    /// A StatefulSet is deleted without its pods.
    Orphan(String),
    /// A StatefulSet is applied, of which none exists.
    Create(Object),
    /// An object is deleted, or scaled down.
    Remove(Removal),
}

/// A request on its way, and the objects from which it was decided.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    pub(super) write: Write,
    pub(super) seen: OwnedObjects,
}

/// The requests of a plan, in order.
pub(super) fn of(plan: &Plan, seen: &OwnedObjects) -> Vec<Write> {
    let objects = plan.objects.iter().flat_map(|object| match object {
        Object::Recreated(set) if seen.stateful_sets.contains_key(&set.name_any()) => {
            vec![Write::Orphan(set.name_any()), Write::Create(object.clone())]
        }
        _ => vec![Write::Apply(object.clone())],
    });
    let removals = plan.removals.iter().cloned().map(Write::Remove);
    objects.chain(removals).collect()
}

impl Flight {
    /// The API server handles the request. Returns whether it accepts it.
    pub(super) fn arrive(&self, world: &mut World) -> bool {
        match &self.write {
            Write::Apply(object) => {
                let accepts = world.accepts(object, &self.seen);
                if accepts {
                    world.apply(object);
                }
                accepts
            }
            Write::Orphan(set) => {
                let version = |of: &OwnedObjects| of.stateful_sets.get(set)?.resource_version();
                let accepts =
                    version(&world.live).is_some() && version(&world.live) == version(&self.seen);
                if accepts {
                    world.live.stateful_sets.remove(set);
                }
                accepts
            }
            Write::Create(object) => {
                let accepts = world.accepts(object, &OwnedObjects::default());
                if accepts {
                    world.apply(object);
                }
                accepts
            }
            Write::Remove(removal) => {
                let accepts = world.accepts_removal(removal, &self.seen);
                if accepts {
                    world.remove(removal);
                }
                accepts
            }
        }
    }
}
