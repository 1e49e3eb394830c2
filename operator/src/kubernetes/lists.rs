//! Lists of objects, and their freshness. The API server responds from its watch cache if a slightly outdated list is
//! acceptable, and takes up to a tenth of a second longer if it is not
//! (`docs/adr/0006-reads-from-the-watch-cache.md`).

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use kube::{
    Api, Resource, ResourceExt,
    api::{ListParams, ObjectList, VersionMatch},
};

use crate::kubernetes::{Kube, objects::Kind};

/// The required freshness of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// At least as new as every version of the kind that this process has read, written or received from a watch;
    /// possibly slightly outdated.
    Recent,
    /// The state at the time of the request, or later.
    Now,
}

/// The newest version of each kind that this process has read, written or received from a watch. The versions of one
/// kind are increasing numbers across all namespaces.
#[derive(Default)]
pub struct Versions(Mutex<HashMap<Cow<'static, str>, u64>>);

impl Versions {
    /// Records the version of an object that was written or received from a watch. One object does not imply anything
    /// about the other objects of its kind: a kind that was never listed stays unknown.
    pub fn note<K: Resource<DynamicType = ()>>(&self, object: &K) {
        let version = number(object.meta().resource_version.as_deref());
        if let (Some(known), Some(version)) = (self.lock().get_mut(&K::kind(&())), version) {
            *known = version.max(*known);
        }
    }

    fn listed<K: Kind>(&self, list: &ObjectList<K>) {
        if let Some(version) = number(list.metadata.resource_version.as_deref()) {
            let mut versions = self.lock();
            let known = versions.entry(K::kind(&())).or_default();
            *known = version.max(*known);
        }
    }

    fn newest<K: Kind>(&self) -> Option<u64> {
        self.lock().get(&K::kind(&())).copied()
    }

    fn forget<K: Kind>(&self) {
        self.lock().remove(&K::kind(&()));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Cow<'static, str>, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn number(version: Option<&str>) -> Option<u64> {
    version?.parse().ok()
}

/// All objects of a kind that a selector finds, by name.
///
/// # Errors
/// The API server does not respond.
pub async fn list<K: Kind>(
    kube: &Kube,
    namespace: &str,
    selector: &str,
    freshness: Freshness,
) -> Result<BTreeMap<String, K>, kube::Error> {
    let api: Api<K> = Api::namespaced(kube.client.clone(), namespace);
    let now = ListParams::default().labels(selector);
    let known = kube.versions.newest::<K>();
    let list = match known.filter(|_| freshness == Freshness::Recent) {
        None => api.list(&now).await?,
        Some(version) => {
            let recent = now.clone().at(&version.to_string());
            match api.list(&recent.matching(VersionMatch::NotOlderThan)).await {
                Err(kube::Error::Api(status)) if does_not_know(&status) => {
                    kube.versions.forget::<K>();
                    api.list(&now).await?
                }
                answer => answer?,
            }
        }
    };
    kube.versions.listed(&list);
    let objects = list.items.into_iter();
    Ok(objects.map(|object| (object.name_any(), object)).collect())
}

/// Whether the API server does not know the version: its watch cache is behind (504), or it was restored to an older
/// state (410).
fn does_not_know(status: &kube::core::Status) -> bool {
    status.code == 504 || status.code == 410
}
